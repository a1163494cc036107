//! `colo-monitor ship`: a core's journal into SQLite, PostgreSQL and NATS JetStream.
//!
//! ```text
//!   journal/NAME/run-*/core  --Trail--> records --Ledger--> rows --Store--> SQLite | PostgreSQL | JetStream
//!                    /feed-* --------------^ books, marks
//! ```
//!
//! | module | story |
//! |---|---|
//! | `trail` | a run's records as batches, from where a store stands |
//! | `ledger` | a record's rows |
//! | `orders`, `accounts`, `happenings` | the rows of orders, of accounts and marks, of all else |
//! | `carry` | one store kept up with a journal, whatever goes away meanwhile |
//!
//! Reads files, and nothing of the core waits for it. Each store is kept up by a thread of its own, which reads the journal itself: one that is away lags alone.

mod accounts;
mod carry;
mod happenings;
mod ledger;
mod orders;
mod trail;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use serde_json::json;

pub use carry::{Carried, Plan, carry};
pub use ledger::Ledger;
pub use trail::{Trail, TrailError, runs};

use crate::store::jetstream::JetStream;
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use crate::store::tls::Reach;
use crate::store::{Store, StoreError, secret};

/// The environment's name for the database's address with its password ...
pub const POSTGRES_ENV: &str = "COLO_POSTGRES";
/// ... and for the bus's credentials.
pub const NATS_ENV: &str = "COLO_NATS_CREDENTIALS";

/// Ships a core's journal into a database and to a bus, each row exactly once.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo-monitor ship --journal journal/desk1                          # into journal/desk1/store.db (SQLite), until Ctrl-C
  colo-monitor ship --journal journal/desk1 --once --json            # what is there, then end
  colo-monitor ship --journal journal/desk1 --postgres-file pg.conf  # pg.conf, mode 600: host=127.0.0.1 user=colo dbname=colo password=...
  COLO_POSTGRES='...' colo-monitor ship --journal journal/desk1 --postgres --nats 127.0.0.1:4222

Passwords are taken from files and the environment only. A store that is away is waited for; nothing is lost and nothing is kept twice.")]
pub struct Args {
    /// A core's journal folder, or one run of it
    #[arg(long, value_name = "DIR")]
    pub journal: PathBuf,
    /// A SQLite file; without any store, `store.db` in the journal folder
    #[arg(long, value_name = "FILE")]
    pub sqlite: Option<PathBuf>,
    /// PostgreSQL, by the address in the environment's COLO_POSTGRES
    #[arg(long)]
    pub postgres: bool,
    /// PostgreSQL, by the address in this file
    #[arg(long, value_name = "FILE")]
    pub postgres_file: Option<PathBuf>,
    /// NATS JetStream at this address (`tls://` before it asks for TLS on this host too); credentials (`user:password` or a token) from COLO_NATS_CREDENTIALS
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub nats: Option<String>,
    /// Credentials of the bus from this file
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub nats_file: Option<PathBuf>,
    /// Where they may be.
    #[command(flatten)]
    pub reach: Reach,
    /// From one mark of P&L and best prices to the next, ms of the journal's time
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub grain_ms: u64,
    /// Rows of a transaction at most, but for those of its last record
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_rows: u32,
    /// Ship what is there and end; a store that is away is a failure then
    #[arg(long)]
    pub once: bool,
    /// What was shipped as one JSON object a store, at the end
    #[arg(long)]
    pub json: bool,
}

/// Ships until SIGTERM (exit 0) or Ctrl-C (exit 130), or with `--once` to the journal's end (exit 0).
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    match ship(args, out, err) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            let _ = writeln!(err, "colo-monitor: {why}");
            ExitCode::from(1)
        }
    }
}

fn stores(args: &Args) -> Result<Vec<Box<dyn Store + Send>>, StoreError> {
    let mut stores: Vec<Box<dyn Store + Send>> = Vec::new();
    if args.postgres || args.postgres_file.is_some() {
        let address = secret::read(args.postgres_file.as_deref(), POSTGRES_ENV)?;
        let address = address.ok_or_else(|| StoreError::refused(format!("{POSTGRES_ENV} is not set")))?;
        stores.push(Box::new(Postgres::new(&address, &args.reach)?));
    }
    if let Some(address) = &args.nats {
        let credentials = secret::read(args.nats_file.as_deref(), NATS_ENV)?;
        let marker = args.journal.join("shipped-nats.json");
        stores.push(Box::new(JetStream::new(address, credentials, &marker, &args.reach)?));
    }
    if let Some(file) =
        args.sqlite.clone().or_else(|| stores.is_empty().then(|| args.journal.join("store.db")))
    {
        stores.push(Box::new(Sqlite::open(&file)?));
    }
    Ok(stores)
}

fn ship(args: &Args, out: &mut impl Write, err: &mut impl Write) -> Result<u8, String> {
    if !args.journal.is_dir() {
        return Err(format!("{}: there is no such folder", args.journal.display()));
    }
    let stores = stores(args).map_err(|e| e.to_string())?;
    let (stop, interrupted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for (signal, flags) in [
        (signal_hook::consts::SIGTERM, vec![&stop]),
        (signal_hook::consts::SIGINT, vec![&stop, &interrupted]),
    ] {
        for flag in flags {
            signal_hook::flag::register(signal, Arc::clone(flag)).map_err(|e| e.to_string())?;
        }
    }
    let (say, said) = mpsc::channel::<String>();
    let threads: Vec<_> = stores
        .into_iter()
        .map(|mut store| {
            let plan = Plan {
                journal: args.journal.clone(),
                grain_ns: args.grain_ms * 1_000_000,
                rows_max: args.batch_rows as usize,
                once: args.once,
                stop: Arc::clone(&stop),
            };
            let say = say.clone();
            let name = store.name().to_owned();
            let carrying = std::thread::spawn(move || {
                carry(store.as_mut(), &plan, &mut |sentence| {
                    // Nobody listens any more only when the process ends.
                    let _ = say.send(sentence);
                })
            });
            (name, carrying)
        })
        .collect();
    drop(say);
    // Ends when the last store's thread has.
    for sentence in said {
        let _ = writeln!(err, "colo-monitor: {sentence}");
    }
    let mut failed = None;
    for (name, thread) in threads {
        match thread.join() {
            Ok(Ok(c)) if args.json => {
                let line = json!({"store": name, "runs": c.runs, "records": c.records, "rows": c.rows, "outages": c.outages, "lost_records": c.lost});
                writeln!(out, "{line}").map_err(|e| e.to_string())?;
            }
            Ok(Ok(c)) => {
                let _ = writeln!(
                    err,
                    "colo-monitor: {name}: {} records of {} run(s), {} rows",
                    c.records, c.runs, c.rows
                );
            }
            Ok(Err(why)) => failed = Some(format!("{name}: {why}")),
            Err(_) => failed = Some(format!("{name}: its thread has failed")),
        }
    }
    match failed {
        Some(why) => Err(why),
        None if interrupted.load(Ordering::Relaxed) => Ok(130),
        None => Ok(0),
    }
}
