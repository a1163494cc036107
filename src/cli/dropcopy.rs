//! `colo dropcopy`: a venue's drop copy against our order session, from the journals of two runs.
//!
//! The drop copy is heard by a core of its own, with the strategy `observer` and the account of the drop copy: another process, another connection, another journal. This
//! command follows both journals and compares what the venue told the one and the other ([`engine::dropcopy`]). So nothing of it is near the hot thread, whatever
//! protocol the drop copy is in is one that a gateway speaks already, and a core that stands still is judged all the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::dropcopy::{Mismatch, Reconciler, Stream};
use model::{ExecutionReport, Instrument, InstrumentId, Nanos, ReportKind};
use ringbuf::log::{LogError, Reader};
use serde_json::json;

use super::out::{self, Out, Stop};
use super::signals::{self, Signals};
use super::{Exit, Failure, Outcome};
use crate::clock::Clock;
use crate::config::{Config, Secrets};
use crate::control::{self, Command, Request};
use crate::journal::{Record, RunDir};
use crate::logs::timestamp;

/// How often it looks for more.
const LOOK: Duration = Duration::from_millis(50);
/// Facts that one stream may have told alone.
const PENDING: usize = 65_536;

/// Compares a venue's drop copy with our order session, from the journals of two runs.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo dropcopy --ours journal/desk1 --copy journal/desk1-copy --follow --halt desk1
  colo dropcopy --ours journal/desk1/run-000007 --copy journal/desk1-copy/run-000007 --json

The drop copy is heard by a core of its own: strategy `observer`, the account of the drop copy. A folder is a run's, or a core's journal folder (its last run is taken).
With --follow it ends with either run; without, with what the journals hold. Exit code 5: something differs, or one of the two may have missed something.")]
pub struct Args {
    /// The journal of the core that trades
    #[arg(long, value_name = "DIR")]
    ours: PathBuf,
    /// The journal of the core that hears the drop copy
    #[arg(long, value_name = "DIR")]
    copy: PathBuf,
    /// Which gateway of the one that trades; its first without
    #[arg(long, value_name = "ID")]
    gateway: Option<String>,
    /// Which gateway of the other; its first without
    #[arg(long, value_name = "ID")]
    copy_gateway: Option<String>,
    /// How long one of them may be alone with what it tells
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    grace_ms: u64,
    /// Go on as the journals grow
    #[arg(long, short)]
    follow: bool,
    /// At the first difference halt the core of this name, with reason `reconciliation`
    #[arg(long, value_name = "NAME")]
    halt: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A journal cannot be read, or names no such gateway.
pub fn run(args: &Args) -> Outcome {
    let signals = signals::install().map_err(Failure::new)?;
    out::outcome(run_to(args, &signals, &mut Out::stdout()))
}

/// One side: a journal, and the gateway in it.
struct Side {
    stream: Stream,
    dir: PathBuf,
    reader: Reader,
    gateway: usize,
    instruments: Vec<Instrument>,
    /// The next that concerns us, not taken yet.
    next: Option<(Nanos, Record)>,
    /// The time of the last record of any kind.
    now: Nanos,
}

impl Side {
    fn open(stream: Stream, given: &Path, gateway: Option<&str>) -> Result<Side, Failure> {
        let run = RunDir::find(given);
        let config = Config::load(&run.join("config.toml"), Secrets::Skip).map_err(Failure::new)?;
        let of = |id: &str| config.gateways.iter().position(|g| g.id == id);
        let Some(gateway) = gateway.map_or(Some(0), of) else {
            let ids: Vec<_> = config.gateways.iter().map(|g| g.id.as_str()).collect();
            let what = format!("{}: there is no such gateway; there are: {}", run.display(), ids.join(", "));
            return Err(Failure::with(Exit::Usage, what));
        };
        let dir = RunDir::core(&run);
        let reader = Reader::open(&dir).map_err(|e| Failure::new(format!("{}: {e}", dir.display())))?;
        Ok(Side {
            stream,
            dir,
            reader,
            gateway,
            instruments: config.instruments,
            next: None,
            now: Nanos::ZERO,
        })
    }

    /// Looks for the next record of its session, if it is not at hand.
    fn look(&mut self) -> Result<(), Failure> {
        let failed =
            |dir: &Path, e: &LogError| Failure::with(Exit::Difference, format!("{}: {e}", dir.display()));
        while self.next.is_none() {
            let Some(r) = self.reader.next().map_err(|e| failed(&self.dir, &e))? else { return Ok(()) };
            let what = |e| {
                Failure::with(Exit::Difference, format!("{}: record {}: {e}", self.dir.display(), r.index))
            };
            let record = Record::decode(r.kind, r.payload).map_err(what)?;
            let (now, is_ours) = match record {
                Record::Report { now, report } => (now, report.gateway.index() == self.gateway),
                Record::Session { now, gateway, .. } => (now, gateway.index() == self.gateway),
                Record::Market { now, .. }
                | Record::Snapshot { now, .. }
                | Record::Feed { now, .. }
                | Record::Control { now, .. }
                | Record::Timer { now } => (now, false),
                _ => continue,
            };
            self.now = self.now.max(now);
            if is_ours {
                self.next = Some((now, record));
            }
        }
        Ok(())
    }
}

/// Both sides, and what is found.
struct Comparison<'a> {
    sides: [Side; 2],
    reconciler: Reconciler,
    args: &'a Args,
    found: u64,
    /// How often a stream may have missed something.
    doubts: u64,
}

impl Comparison<'_> {
    /// Takes what there is, in the order of time.
    fn take(&mut self, out: &mut Out) -> Result<(), Stop> {
        loop {
            let [ours, copy] = &mut self.sides;
            ours.look()?;
            copy.look()?;
            let first = match (&ours.next, &copy.next) {
                (Some((a, _)), Some((b, _))) => usize::from(b < a),
                (Some(_), None) => 0,
                (None, Some(_)) => 1,
                (None, None) => return Ok(()),
            };
            let side = &mut self.sides[first];
            let (stream, Some((now, record))) = (side.stream, side.next.take()) else { return Ok(()) };
            let mismatch = match record {
                Record::Session { event, .. } => {
                    if self.reconciler.on_session(now, stream, event) {
                        self.tell_doubt(now, stream, out)?;
                    }
                    None
                }
                Record::Report { report, .. } => {
                    let report = self.in_our_numbers(stream, report);
                    self.reconciler.on_report(now, stream, &report)
                }
                _ => None,
            };
            if let Some(m) = mismatch {
                self.tell(now, &m, out)?;
            }
        }
    }

    /// Two configurations may number instruments differently: a symbol is a symbol.
    fn in_our_numbers(&self, stream: Stream, mut r: ExecutionReport) -> ExecutionReport {
        if let (Stream::Copy, ReportKind::Accepted { instrument: Some(id), .. }) = (stream, &mut r.kind) {
            let symbol = self.sides[1].instruments.get(id.index()).map(|i| i.symbol);
            let ours = self.sides[0].instruments.iter().find(|i| Some(i.symbol) == symbol).map(|i| i.id);
            // One that we do not have is none of ours.
            *id = ours.unwrap_or(InstrumentId(u16::MAX));
        }
        r
    }

    fn judge(&mut self, now: Nanos, out: &mut Out) -> Result<(), Stop> {
        while let Some(m) = self.reconciler.on_time(now) {
            self.tell(now, &m, out)?;
        }
        Ok(())
    }

    /// Nothing is shown to be wrong, so nothing is halted; and nothing is clean.
    fn tell_doubt(&mut self, now: Nanos, stream: Stream, out: &mut Out) -> Result<(), Stop> {
        self.doubts += 1;
        if self.args.json {
            let stream = format!("{stream:?}");
            out.write(format_args!(
                "{}\n",
                json!({"about": "Session", "wrong": "Doubt", "stream": stream, "found": now.0})
            ))?;
        } else {
            let which = match stream {
                Stream::Ours => "our session",
                Stream::Copy => "the drop copy",
            };
            let at = timestamp(now);
            out.write(format_args!("{at}  {which} may have missed something: what agrees may not be all\n"))?;
        }
        out.flush()?;
        Ok(())
    }

    fn tell(&mut self, now: Nanos, m: &Mismatch, out: &mut Out) -> Result<(), Stop> {
        self.found += 1;
        let (about, wrong) = (format!("{:?}", m.about), format!("{:?}", m.wrong));
        match self.args.json {
            true => out.write(format_args!(
                "{}\n",
                json!({"token": m.token.0, "about": about, "wrong": wrong, "since": m.since.0, "found": now.0})
            ))?,
            false => out.write(format_args!(
                "{}  order {}: {about} {wrong}, told first at {}\n",
                timestamp(now),
                m.token,
                timestamp(m.since)
            ))?,
        }
        out.flush()?;
        let Some(name) = self.args.halt.as_ref().filter(|_| self.found == 1) else { return Ok(()) };
        // What was found is told whether or not the core can be.
        let reason = Some("the drop copy differs from what the session told".to_owned());
        let request = Request { reason, ..Command::HaltForReconciliation.into() };
        match control::ask(name, request) {
            Ok(answer) if answer["ok"] == true => super::warn(&format!("{name} is halted: reconciliation")),
            Ok(answer) => super::warn(&format!("{name} was NOT HALTED: {}", answer["error"])),
            Err(why) => super::warn(&format!("{name} was NOT HALTED: {why}")),
        }
        Ok(())
    }
}

fn run_to(args: &Args, signals: &Signals, out: &mut Out) -> Result<Exit, Stop> {
    let grace = Nanos::from_millis(args.grace_ms);
    let mut c = Comparison {
        sides: [
            Side::open(Stream::Ours, &args.ours, args.gateway.as_deref())?,
            Side::open(Stream::Copy, &args.copy, args.copy_gateway.as_deref())?,
        ],
        reconciler: Reconciler::new(grace, PENDING),
        args,
        found: 0,
        doubts: 0,
    };
    let clock = Clock::new();
    while args.follow && !signals.raised() {
        c.take(out)?;
        if c.sides.iter().any(|s| s.reader.is_ended()) {
            break;
        }
        c.judge(clock.now(), out)?;
        std::thread::sleep(LOOK);
    }
    c.take(out)?;
    if !args.follow {
        // Up to where both can be judged: one of them may have been closed first, and then tells nothing of what came after.
        let both = c.sides[0].now.min(c.sides[1].now);
        c.judge(both, out)?;
    }
    if c.found > 0 || c.doubts > 0 {
        return Ok(Exit::Difference);
    }
    if !args.json {
        out.write(format_args!("ok: {} facts told alike\n", c.reconciler.confirmed()))?;
    }
    out.flush()?;
    Ok(if signals.raised() { Exit::Interrupted } else { Exit::Ok })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{GatewayId, Px, Qty, SessionEvent, Side as OrderSide, Token, VenueRef};
    use ringbuf::log::{self, LogConfig, SyncPolicy};

    const CORE: &str = include_str!("../../tests/fixtures/core.toml");
    const MS: u64 = 1_000_000;

    /// A run with these records; `more` goes into its configuration.
    fn journal(dir: &Path, config: &str, records: &[Record]) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("config.toml"), config).unwrap();
        let (dir, sync) = (dir.join("core"), SyncPolicy::Off);
        let log = LogConfig { dir, segment_bytes: 1 << 16, reserve_bytes: 4_096, sync };
        let (mut writer, keeper) = log::create(log).unwrap();
        for r in records {
            r.append(&mut writer).unwrap();
        }
        writer.finish();
        keeper.close().unwrap();
    }

    fn at(ms: u64) -> Nanos {
        Nanos(1_000_000 * MS + ms * MS)
    }

    fn ready(ms: u64) -> Record {
        let event = SessionEvent::Ready { next_token: Token(0), proven: true };
        Record::Session { now: at(ms), gateway: GatewayId(0), event }
    }

    fn report(ms: u64, seq: u64, kind: ReportKind) -> Record {
        let (ts_event, token, gateway) = (Nanos(ms), Token(7), GatewayId(0));
        Record::Report { now: at(ms), report: ExecutionReport { ts_event, seq, token, gateway, kind } }
    }

    fn accepted(instrument: u16) -> ReportKind {
        ReportKind::Accepted {
            order: VenueRef(1),
            px: Px(1_000),
            qty: Qty(100),
            side: OrderSide::Buy,
            short: false,
            instrument: Some(InstrumentId(instrument)),
            dead: false,
        }
    }

    fn fill(qty: u32) -> ReportKind {
        ReportKind::Executed { qty: Qty(qty), px: Px(1_000), match_number: 9, liquidity: b'A' }
    }

    fn compare(copy: &[Record]) -> (Exit, String) {
        let dir = tempfile::tempdir().unwrap();
        let ours =
            [ready(0), report(1, 1, accepted(0)), report(5, 2, fill(40)), Record::Timer { now: at(9_000) }];
        journal(&dir.path().join("ours"), CORE, &ours);
        // The copy's core has another instrument before the one that is traded.
        let other = "[[instruments]]\nsymbol = \"MSFT\"\nfeed = \"f1\"\ngateway = \"g1\"\n\n[[instruments]]\nsymbol = \"AAPL\"";
        let config = CORE.replacen("[[instruments]]\nsymbol = \"AAPL\"", other, 1);
        assert_ne!(config, CORE);
        journal(&dir.path().join("copy"), &config, copy);
        let args = Args {
            ours: dir.path().join("ours"),
            copy: dir.path().join("copy"),
            gateway: None,
            copy_gateway: Some("g1".into()),
            grace_ms: 2_000,
            follow: false,
            halt: Some("nobody-of-this-name".into()),
            json: false,
        };
        let file = dir.path().join("out.txt");
        let mut out = Out::create(&file, &[]).unwrap_or_else(|f| panic!("{}", f.message));
        let signals = signals::install().unwrap();
        let Ok(exit) = run_to(&args, &signals, &mut out) else { panic!("it could not be compared") };
        drop(out);
        (exit, std::fs::read_to_string(file).unwrap())
    }

    #[test]
    fn two_journals_of_one_account_tell_the_same_or_what_differs() {
        let end = Record::Timer { now: at(9_000) };
        let (exit, said) = compare(&[ready(0), report(900, 11, accepted(1)), report(901, 12, fill(40)), end]);
        assert_eq!((exit, said.as_str()), (Exit::Ok, "ok: 2 facts told alike\n"));
        for (copy, what) in [
            (vec![ready(0), report(900, 11, accepted(1)), end], "order 7: Fill Unconfirmed"),
            (
                vec![ready(0), report(9, 11, accepted(1)), report(10, 12, fill(41)), end],
                "order 7: Fill Quantity",
            ),
            (
                vec![ready(0), report(9, 11, accepted(0)), report(10, 12, fill(40)), end],
                "order 7: Order Instrument",
            ),
        ] {
            let (exit, said) = compare(&copy);
            assert_eq!((exit, said.lines().count()), (Exit::Difference, 1), "{said}");
            assert!(said.contains(what), "{what}: {said}");
        }
    }

    #[test]
    fn what_a_stream_may_have_missed_is_told_and_halts_nobody() {
        let doubt = Record::Session { now: at(905), gateway: GatewayId(0), event: SessionEvent::Doubt };
        let whole = [ready(0), report(900, 11, accepted(1)), report(901, 12, fill(40)), doubt];
        let (exit, said) = compare(&[&whole[..], &[Record::Timer { now: at(9_000) }]].concat());
        assert_eq!((exit, said.lines().count()), (Exit::Difference, 1), "{said}");
        assert!(
            said.ends_with("the drop copy may have missed something: what agrees may not be all\n"),
            "{said}"
        );
    }

    #[test]
    fn what_one_of_them_did_not_live_to_tell_is_not_judged() {
        let (exit, said) =
            compare(&[ready(0), report(900, 11, accepted(1)), Record::Timer { now: at(1_000) }]);
        assert_eq!(exit, Exit::Ok, "{said}");
    }
}
