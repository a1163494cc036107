//! `colo-monitor ship`, as a process: what a journal holds is in the store, once, whoever is killed meanwhile.
//!
//! `COLO_SHIP_KILLS=n` kills n times (6 by default); `COLO_REQUIRE_SERVICES=1` makes a service that is not installed a failure.

mod encrypted;
mod journal;
mod questions;
#[path = "../../../tests/replay_cli/run.rs"]
#[expect(dead_code, reason = "made for the tests of replay, which use all of it")]
mod run;
#[path = "../desk/services.rs"]
mod services;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use journal::{Live, counted, traded};
use ops::store::Cell;
use ops::store::ask::Ask;
use ops::store::postgres::Postgres;
use ops::store::sqlite::Sqlite;
use ops::store::tables::{ADDED, ORDERS};
use ops::store::tls::Reach;

const MONITOR: &str = env!("CARGO_BIN_EXE_colo-monitor");
/// How long a shipper may take to get on.
const PATIENCE: Duration = Duration::from_secs(300);

fn kills() -> u32 {
    std::env::var("COLO_SHIP_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

fn ship(args: &[&std::ffi::OsStr]) -> Command {
    let mut command = Command::new(MONITOR);
    command.arg("ship").args(args).stdin(Stdio::null());
    command
}

/// Ships what is there into SQLite.
fn ship_once(journal: &Path, file: &Path) -> Output {
    let done = ship(&[
        "--once".as_ref(),
        "--json".as_ref(),
        "--journal".as_ref(),
        journal.as_ref(),
        "--sqlite".as_ref(),
        file.as_ref(),
    ]);
    finished(done)
}

fn finished(mut command: Command) -> Output {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done
}

/// All that a store holds, by table.
fn everything(store: &mut dyn Ask) -> BTreeMap<String, Vec<Vec<Cell>>> {
    let mut all = BTreeMap::new();
    for table in ADDED.into_iter().chain([&ORDERS]) {
        let order = if std::ptr::eq(table, &ORDERS) { "order_id" } else { "seq, sub" };
        let sql = format!("SELECT {} FROM {} ORDER BY run_id, {order}", table.names(), table.name);
        all.insert(table.name.to_owned(), store.rows(&sql, &[]).unwrap());
    }
    all.insert(
        "losses".into(),
        store
            .rows("SELECT run_id, from_seq, to_seq, why FROM losses ORDER BY run_id, from_seq", &[])
            .unwrap(),
    );
    let runs = "SELECT run_id, core, run, started_ns, config_hash, config_toml, grain_ns, ended, last_ns, state_hash, next_seq FROM runs ORDER BY run_id";
    all.insert("runs".into(), store.rows(runs, &[]).unwrap());
    all
}

fn of_file(file: &Path) -> BTreeMap<String, Vec<Vec<Cell>>> {
    everything(&mut Sqlite::open(file).unwrap())
}

/// Both hold the same; the first table that does not is named.
#[track_caller]
fn same(one: &BTreeMap<String, Vec<Vec<Cell>>>, other: &BTreeMap<String, Vec<Vec<Cell>>>) {
    for (table, rows) in one {
        let there = &other[table];
        assert_eq!(rows.len(), there.len(), "{table}: rows");
        for (a, b) in rows.iter().zip(there) {
            assert_eq!(a, b, "{table}");
        }
    }
}

fn number(store: &mut dyn Ask, sql: &str) -> i64 {
    match store.rows(sql, &[]).unwrap()[0][0] {
        Cell::Int(v) => v,
        ref other => panic!("{sql}: {other:?}"),
    }
}

/// Rows by kind are the journal's records.
#[track_caller]
fn counts_are_the_journals(store: &mut dyn Ask, run: &Path) {
    let want = counted(run);
    let of = |what: &str| want.get(what).copied().unwrap_or(0);
    let asked = "'new', 'replace', 'cancel', 'reduce', 'mass_cancel', 'entry_off', 'entry_on'";
    for (what, sql) in [
        ("commands", format!("SELECT COUNT(*) FROM order_events WHERE kind IN ({asked})")),
        ("receipts", "SELECT COUNT(*) FROM order_events WHERE kind = 'sent'".into()),
        ("dropped", "SELECT COUNT(*) FROM order_events WHERE kind = 'dropped'".into()),
        ("reports", "SELECT COUNT(*) FROM order_events WHERE venue_seq IS NOT NULL".into()),
        ("fills", "SELECT COUNT(*) FROM fills WHERE kind = 'fill'".into()),
        ("risk", "SELECT COUNT(*) FROM risk_events".into()),
        ("links", "SELECT COUNT(*) FROM link_events".into()),
    ] {
        assert_eq!(number(store, &sql), of(what), "{what}");
    }
    assert!(
        of("fills") > 10 && of("risk") > 10 && of("receipts") > 10,
        "the journal holds something: {want:?}"
    );
}

#[test]
fn a_run_is_shipped_whole_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("replayed"), dir.path().join("store.db"));
    let run = traded(400);
    let path = run.write(&folder, true);
    ship_once(&folder, &file);
    let first = of_file(&file);
    counts_are_the_journals(&mut Sqlite::open(&file).unwrap(), &path);
    let again = ship_once(&folder, &file);
    assert!(String::from_utf8(again.stdout).unwrap().contains("\"rows\":0"), "nothing is new");
    same(&first, &of_file(&file));
    // The accounts are those of the engine that replays the journal: its last hash is the run's own.
    let store = &mut Sqlite::open(&file).unwrap();
    let shares = number(store, "SELECT CAST(SUM(shares) AS BIGINT) FROM trades");
    assert_eq!(number(store, "SELECT shares FROM positions_now"), shares, "it buys and never sells");
    assert_eq!(number(store, "SELECT ended FROM runs"), 1);
    let pnl = number(store, "SELECT pnl_usd_e4 FROM pnl_marks ORDER BY seq DESC LIMIT 1");
    assert_eq!(number(store, "SELECT realised_usd_e4 + unrealised_usd_e4 FROM positions_now"), pnl);
    assert_ne!(pnl, 0);
    assert!(number(store, "SELECT COUNT(*) FROM market_tops") > 0);
    questions::of_the_documentation_are_answered(&file);
}

#[test]
fn canary_a_row_that_is_missing_or_there_twice_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("replayed"), dir.path().join("store.db"));
    let path = traded(100).write(&folder, true);
    ship_once(&folder, &file);
    let whole = of_file(&file);
    let fails = |f: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    let change = |sql: &str| drop(Sqlite::open(&file).unwrap().rows(sql, &[]));
    assert!(!fails(&|| same(&whole, &of_file(&file))));
    let fill = "FROM fills WHERE seq = (SELECT MIN(seq) FROM fills)";
    change(&format!("DELETE {fill}"));
    assert!(fails(&|| same(&whole, &of_file(&file))));
    assert!(fails(&|| counts_are_the_journals(&mut Sqlite::open(&file).unwrap(), &path)));
    change("UPDATE positions SET shares = shares + 1");
    assert!(fails(&|| same(&whole, &of_file(&file))));
}

#[test]
fn a_run_without_captures_has_its_orders_and_says_why_it_has_no_marks() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("replayed"), dir.path().join("store.db"));
    let path = traded(100).write(&folder, false);
    ship_once(&folder, &file);
    let store = &mut Sqlite::open(&file).unwrap();
    counts_but_links(store, &path);
    assert_eq!(
        number(
            store,
            "SELECT COUNT(*) FROM link_events WHERE status = 'blind' AND detail LIKE '%did not capture%'"
        ),
        1
    );
    assert_eq!(
        number(
            store,
            "SELECT COUNT(*) FROM pnl_marks WHERE seq > (SELECT seq FROM link_events WHERE status = 'blind')"
        ),
        0
    );
}

#[track_caller]
fn counts_but_links(store: &mut dyn Ask, run: &Path) {
    let want = counted(run);
    assert_eq!(number(store, "SELECT COUNT(*) FROM fills WHERE kind = 'fill' AND booked = 1"), want["fills"]);
    assert_eq!(number(store, "SELECT COUNT(*) FROM order_events WHERE kind = 'sent'"), want["receipts"]);
}

/// A core writes, and a shipper follows; whoever `strike` kills, in the end all is there once. Returns the kills.
struct Storm<'a> {
    folder: &'a Path,
    args: Vec<PathBuf>,
    shipper: Option<Child>,
}

impl Storm<'_> {
    fn begin(&mut self) {
        let mut command =
            ship(&["--batch-rows".as_ref(), "60".as_ref(), "--journal".as_ref(), self.folder.as_ref()]);
        self.shipper =
            Some(command.args(&self.args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut shipper) = self.shipper.take() {
            shipper.kill().unwrap();
            shipper.wait().unwrap();
        }
    }
}

impl Drop for Storm<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a figure has passed a mark.
#[track_caller]
fn until(mut figure: impl FnMut() -> Option<i64>, mark: i64) -> i64 {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(v) = figure().filter(|v| *v >= mark) {
            return v;
        }
        assert!(Instant::now() < end, "not there after {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// Two runs, the first killed in its middle, are written while `strike(k)` kills somebody `kills()` times, each time after the store has got on; `place` is how many records it has.
fn storm(
    folder: &Path,
    args: Vec<PathBuf>,
    mut place: impl FnMut() -> Option<i64>,
    mut strike: impl FnMut(u32, &mut Storm<'_>),
) -> (PathBuf, PathBuf) {
    let (first, second) = (traded(300), traded(1_500));
    let cut = first.records.len() * 2 / 3;
    let mut live = Live::begin(folder, &first);
    live.write(&first, cut);
    let one = live.path.clone();
    drop(live);
    let mut live = Live::begin(folder, &second);
    let two = live.path.clone();
    let mut storm = Storm { folder, args, shipper: None };
    storm.begin();
    let part = second.records.len() / (kills() as usize + 1);
    let mut written = cut;
    let mut reached = 0;
    for k in 0..kills() {
        live.write(&second, part);
        written += part;
        // Somewhere in what is new: behind the last kill, and before all of it is there.
        reached = until(&mut place, (reached + 1).min(written as i64));
        strike(k, &mut storm);
    }
    live.end(&second);
    until(&mut place, (cut + second.records.len()) as i64);
    (one, two)
}

const RECORDS: &str = "SELECT CAST(SUM(next_seq) AS BIGINT) FROM runs";

fn place_of(store: &mut dyn Ask) -> Option<i64> {
    match store.rows(RECORDS, &[]).ok()?.first()?.first()? {
        Cell::Int(v) => Some(*v),
        _ => None,
    }
}

#[test]
fn a_shipper_that_is_killed_keeps_each_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("replayed"), dir.path().join("store.db"));
    let mut store = None;
    let place = || {
        if store.is_none() && file.exists() {
            store = Sqlite::open(&file).ok();
        }
        place_of(store.as_mut()?)
    };
    storm(&folder, vec!["--sqlite".into(), file.clone()], place, |_, s| {
        s.kill();
        s.begin();
    });
    let straight = dir.path().join("straight.db");
    ship_once(&folder, &straight);
    same(&of_file(&straight), &of_file(&file));
    eprintln!("SQLite: shipper killed {} times", kills());
}

#[test]
fn a_database_that_is_killed_keeps_each_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let Some((mut server, address)) = services::postgres(dir.path()) else { return };
    let folder = dir.path().join("replayed");
    let text = std::fs::read_to_string(&address).unwrap();
    let mut asked = Postgres::new(&text, &Reach::default()).unwrap();
    let (mut shipper, mut database) = (0, 0);
    let place = || place_of(&mut asked);
    let (one, two) = storm(&folder, vec!["--postgres-file".into(), address.clone()], place, |k, s| {
        // Now one first, now the other.
        if k % 2 == 0 {
            s.kill();
        }
        server.kill();
        s.kill();
        s.begin();
        server.begin();
        (shipper, database) = (shipper + 1, database + 1);
    });
    assert!(one != two && shipper > 0 && database > 0);
    let straight = dir.path().join("straight.db");
    ship_once(&folder, &straight);
    let mut there = Postgres::new(&text, &Reach::default()).unwrap();
    same(&of_file(&straight), &everything(&mut there));
    questions::of_the_documentation_are_understood(&mut there);
    eprintln!("PostgreSQL: database killed {database} times, shipper {shipper}");
    columns_are_those_of_the_code(
        &mut there,
        "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns WHERE CAST(table_name AS TEXT) = $1 ORDER BY ordinal_position",
    );
}

#[track_caller]
fn columns_are_those_of_the_code(store: &mut dyn Ask, sql: &str) {
    for table in ADDED.into_iter().chain([&ORDERS]) {
        let found = store.rows(sql, &[table.name.into()]).unwrap();
        let names: Vec<Cell> = found.iter().map(|row| row[0].clone()).collect();
        assert_eq!(
            names,
            table.columns().map(|(name, _)| Cell::from(name)).collect::<Vec<_>>(),
            "{}",
            table.name
        );
        for ((name, kind), row) in table.columns().zip(&found) {
            let Cell::Text(of) = &row[1] else { panic!("{name}: {row:?}") };
            let is_int = of.eq_ignore_ascii_case("bigint");
            assert_eq!(is_int, kind == ops::store::Kind::Int, "{}.{name} is {of}", table.name);
        }
    }
}

#[test]
fn a_file_has_the_columns_of_the_code() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open(&dir.path().join("s.db")).unwrap();
    columns_are_those_of_the_code(&mut store, "SELECT name, type FROM pragma_table_info($1) ORDER BY cid");
}

/// The messages of a stream, by their own numbers.
fn messages(port: u16) -> Vec<(String, serde_json::Value)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("COLO-replayed").await.unwrap();
        let state = stream.cached_info().state.clone();
        assert_eq!(state.messages, state.last_sequence, "no number is left out");
        let mut all = Vec::new();
        for n in 1..=state.last_sequence {
            let m = stream.get_raw_message(n).await.unwrap();
            let id = m.headers.get("Nats-Msg-Id").unwrap().as_str().to_owned();
            all.push((id, serde_json::from_slice(&m.payload).unwrap()));
        }
        all
    })
}

/// How many messages a stream has; `None` while it cannot be asked.
fn stream_length(port: u16) -> Option<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.ok()?;
        let stream = async_nats::jetstream::new(client).get_stream("COLO-replayed").await.ok()?;
        i64::try_from(stream.cached_info().state.messages).ok()
    })
}

#[test]
fn a_bus_that_is_killed_has_each_message_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut server) = services::nats(dir.path()) else { return };
    let folder = dir.path().join("replayed");
    let port = server.port;
    let (first, second) = (traded(200), traded(400));
    let mut live = Live::begin(&folder, &first);
    live.write(&first, first.records.len() / 2);
    drop(live);
    let live = Live::begin(&folder, &second);
    live.end(&second);
    let straight = dir.path().join("straight.db");
    ship_once(&folder, &straight);
    let want = of_file(&straight);
    let total: usize = ADDED.iter().map(|t| want[t.name].len()).sum();
    let mut storm = Storm {
        folder: &folder,
        args: vec!["--nats".into(), format!("127.0.0.1:{port}").into()],
        shipper: None,
    };
    storm.begin();
    let (mut shipper, mut bus) = (0, 0);
    for k in 0..2 * kills() {
        // What a killed server had taken and not yet written comes again.
        let aim = total as i64 * i64::from(k) / i64::from(2 * kills());
        until(|| stream_length(port), aim);
        if k % 2 == 0 {
            storm.kill();
            storm.begin();
            shipper += 1;
        } else {
            server.kill();
            server.begin();
            bus += 1;
        }
    }
    until(|| stream_length(port), total as i64);
    storm.kill();
    let got = messages(port);
    assert_eq!(got.len(), total, "each once");
    let mut rows = Vec::new();
    for table in ADDED {
        for row in &want[table.name] {
            let int = |k: usize| if let Cell::Int(v) = row[k] { v } else { panic!("{row:?}") };
            let named: Vec<(&str, &Cell)> = table.columns().map(|(name, _)| name).zip(row).skip(1).collect();
            rows.push((int(0), int(1), int(2), table.name, named));
        }
    }
    rows.sort_by_key(|r| (r.0, r.1, r.2));
    for ((id, said), (run, seq, sub, table, cells)) in got.iter().zip(&rows) {
        assert!(id.ends_with(&format!(".{run}.{seq}.{sub}")), "{id} is {table} {run}.{seq}.{sub}");
        for (name, cell) in cells {
            let value = match cell {
                Cell::Null => serde_json::Value::Null,
                Cell::Int(v) => (*v).into(),
                Cell::Text(s) => s.as_str().into(),
            };
            assert_eq!(said[name], value, "{table}.{name} of {id}");
        }
    }
    eprintln!("NATS: {total} messages; bus killed {bus} times, shipper {shipper}");
}

#[test]
fn segments_that_were_removed_are_said_and_no_account_is_made_of_a_part() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("replayed"), dir.path().join("store.db"));
    let path = traded(1_500).write(&folder, true);
    let core = segments(&path);
    assert!(core.len() > 2, "{core:?}");
    std::fs::remove_file(&core[0]).unwrap();
    let done = ship_once(&folder, &file);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("are lost"), "{said}");
    let store = &mut Sqlite::open(&file).unwrap();
    let lost = number(store, "SELECT to_seq FROM losses WHERE from_seq = 0");
    assert!(lost > 0 && number(store, "SELECT MIN(seq) FROM order_events") >= lost);
    assert_eq!(number(store, "SELECT COUNT(*) FROM positions"), 0);
    assert!(number(store, "SELECT COUNT(*) FROM fills") > 0);
}

fn segments(run: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(run.join("core")).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn a_run_that_is_still_to_be_shipped_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("replayed");
    let paths = [traded(60).write(&folder, true), traded(60).write(&folder, true)];
    let is_held = |run: &Path| std::fs::File::open(run.join("core")).unwrap().try_lock().is_err();
    assert!(!is_held(&paths[0]), "nobody ships");
    // A database that is not there: nothing can be shipped.
    let address = dir.path().join("pg.conf");
    std::fs::write(&address, "host=127.0.0.1 port=1 user=colo").unwrap();
    std::fs::set_permissions(&address, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut storm = Storm { folder: &folder, args: vec!["--postgres-file".into(), address], shipper: None };
    storm.begin();
    until(|| Some(paths.iter().filter(|p| is_held(p)).count() as i64), 2);
    storm.kill();
    assert!(!paths.iter().any(|p| is_held(p)), "a shipper that was killed holds nothing");
}

#[test]
fn two_who_ship_the_same_keep_each_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("replayed"), dir.path().join("store.db"));
    let run = traded(600);
    let path = run.write(&folder, true);
    let start = || {
        let mut c = ship(&[
            "--once".as_ref(),
            "--batch-rows".as_ref(),
            "20".as_ref(),
            "--journal".as_ref(),
            folder.as_ref(),
            "--sqlite".as_ref(),
            file.as_ref(),
        ]);
        c.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The tables first: two who make a file at once wait for each other.
    drop(Sqlite::open(&file).unwrap());
    let (one, two) = (start(), start());
    let ended = [one, two].map(|c| c.wait_with_output().unwrap());
    let refused = ended.iter().filter(|e| !e.status.success()).collect::<Vec<_>>();
    assert!(refused.len() < 2, "{ended:?}");
    for r in refused {
        assert!(String::from_utf8_lossy(&r.stderr).contains("somebody else ships"), "{r:?}");
    }
    ship_once(&folder, &file);
    counts_are_the_journals(&mut Sqlite::open(&file).unwrap(), &path);
}

#[test]
fn what_cannot_be_is_a_sentence_and_no_secret_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("replayed");
    traded(50).write(&folder, true);
    let absent = dir.path().join("absent");
    let run = |args: &[&str], env: &str| {
        let mut c = Command::new(MONITOR);
        c.args(args).env("COLO_POSTGRES", env).stdin(Stdio::null());
        c.output().unwrap()
    };
    let journal = folder.to_str().unwrap();
    for (args, says) in [
        (vec!["ship", "--journal", absent.to_str().unwrap()], "no such folder"),
        (vec!["ship", "--journal", journal, "--postgres", "--once"], "another host"),
        (vec!["ship", "--journal", journal, "--nats", "nats://me:hunter2@10.1.1.1:4222"], "ADDRESS:PORT"),
        (vec!["report", "--sqlite", absent.to_str().unwrap()], "no such file"),
    ] {
        let done = run(&args, "host=10.0.0.1 password=hunter2 sslmode=disable");
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(says) && !said.contains("hunter2") && said.lines().count() == 1, "{said}");
    }
    // A file that is no database.
    let file = dir.path().join("no.db");
    std::fs::write(&file, "this is no database, and long enough to be looked at".repeat(40)).unwrap();
    let done = run(&["report", "--sqlite", file.to_str().unwrap()], "");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}
