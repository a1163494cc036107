//! The log that people read: JSON lines with ECS names, written by the cold thread from what the journal says.
//!
//! The hot thread logs nothing: the cold thread follows the core journal as any reader does and writes a line for each record that a person would want
//! to see. So the log costs the hot path nothing, and no line can say what the journal does not.
//!
//! Each line has `@timestamp`, `log.level`, `message`, and of a core also `ecs.version`, `service.name`, `event.dataset`, `event.sequence` (its number in the run) and `colo.run`; then what it is about:
//! `colo.order.id` (the order's first token, which it keeps), `colo.order.token`, `colo.gateway` (the session), `colo.feed`. The rest are short names of the message's own, which
//! `deploy/logstash` puts under `colo`.

mod rotated;

use std::io::{self, Write};
use std::path::Path;

use engine::{Alarm, Scope};
use model::{
    BreakerLevel, CommandKind, FeedStatus, Instrument, Nanos, OrderCommand, ReportKind, SessionEvent, Token,
    Usd, Validity,
};
use ringbuf::log::{LogError, Place, Reader};
use serde::Serialize as _;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};

use crate::journal::standing::Keeping;
use crate::journal::{OrderLives, Record, Seals};
use crate::telemetry::snapshot::{halt_word, order_state_word, validity_word};
use rotated::Rotated;

/// The Elastic Common Schema that names are of.
const ECS: &str = "8.11.0";

/// Records looked at in a duty cycle.
const BATCH: usize = 512;

/// Names that records only have numbers for.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Feeds.
    pub feeds: Vec<String>,
    /// Gateways.
    pub gateways: Vec<String>,
    /// Instruments.
    pub instruments: Vec<Instrument>,
}

/// JSON in printable ASCII alone: what a venue or a person wrote can neither end a line nor move a cursor.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        for c in fragment.chars() {
            match c {
                ' '..='~' => out.write_all(&[c as u8])?,
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes a core's log.
pub struct LogWriter {
    out: Rotated,
    /// What every line of a core begins with behind its message, once it is known whose it is.
    of: Option<(String, u32)>,
    lines: u64,
    line: Vec<u8>,
    reader: Option<Reader>,
    names: Names,
    lives: OrderLives,
    seals: Option<Seals>,
    standing: Option<Keeping>,
    /// The time of the last input: what followed it has no other.
    now: Nanos,
}

impl LogWriter {
    /// Creates the log file; `core` is the folder of the journal to follow.
    ///
    /// # Errors
    /// The file's.
    pub fn create(file: &Path, core: &Path, names: Names) -> io::Result<LogWriter> {
        Ok(LogWriter {
            out: Rotated::create(file)?,
            of: None,
            lines: 0,
            line: Vec::new(),
            reader: Reader::open(core).ok(),
            names,
            lives: OrderLives::default(),
            seals: None,
            standing: None,
            now: Nanos::ZERO,
        })
    }

    /// The same, each line of which says whose it is.
    #[must_use]
    pub fn of(mut self, core: &str, run: u32) -> LogWriter {
        self.of = Some((core.to_owned(), run));
        self
    }

    /// The same, which seals what it follows.
    #[must_use]
    pub fn sealing(mut self, seals: Seals) -> LogWriter {
        self.seals = Some(seals);
        self
    }

    /// The same, which keeps what stands at a place of it.
    #[must_use]
    pub fn keeping(mut self, standing: Keeping) -> LogWriter {
        self.standing = Some(standing);
        self
    }

    /// Writes down what stands at the end of a run that is over.
    pub fn stand(&mut self) {
        let place = self.reader.as_ref().and_then(Reader::place);
        self.tend_standing(place, true);
    }

    fn tend_standing(&mut self, place: Option<Place>, last: bool) {
        if let Some(Err(e)) = self.standing.as_mut().map(|s| s.tend(place, last)) {
            // The next start reads the journal instead.
            self.standing = None;
            let fields = json!({"error.message": e.to_string()});
            self.say(self.now, "error", "what stands is not written down any more", fields);
        }
    }

    /// Seals what was followed: once a second, and at the end.
    fn seal(&mut self, is_last: bool) {
        let now = self.now;
        let sealed = self.seals.as_mut().map(|s| if is_last { s.seal(now) } else { s.tend(now) });
        if let Some(Err(e)) = sealed {
            // A chain with a hole proves nothing more than one that ends.
            self.seals = None;
            self.say(
                now,
                "error",
                "the journal is not sealed any more",
                json!({"error.message": e.to_string()}),
            );
        }
    }

    /// Writes a line of the cold side's own.
    pub fn say(&mut self, now: Nanos, level: &str, message: &str, fields: Value) {
        let mut line = Map::new();
        line.insert("@timestamp".into(), timestamp(now).into());
        line.insert("log.level".into(), level.into());
        line.insert("message".into(), message.into());
        if let Some((core, run)) = &self.of {
            line.insert("ecs.version".into(), ECS.into());
            line.insert("service.name".into(), core.as_str().into());
            line.insert("event.dataset".into(), "colo.log".into());
            line.insert("event.sequence".into(), self.lines.into());
            line.insert("colo.run".into(), (*run).into());
        }
        self.lines += 1;
        if let Value::Object(more) = fields {
            line.extend(more);
        }
        self.line.clear();
        // A log that cannot be written stops nothing: the journal is the record.
        let _ = line.serialize(&mut Serializer::with_formatter(&mut self.line, Ascii));
        self.line.push(b'\n');
        let _ = self.out.add(&self.line);
        if level == "error" {
            // While there is always something to follow, a line waits until its buffer is full: not this one.
            let _ = self.out.flush();
        }
    }

    /// Follows the journal; returns how many records were looked at.
    pub fn follow(&mut self) -> usize {
        let Some(mut reader) = self.reader.take() else { return 0 };
        let mut work = 0;
        self.tend_standing(reader.place(), false);
        let end: Result<(), LogError> = loop {
            if work == BATCH {
                break Ok(());
            }
            match reader.next() {
                Ok(Some(r)) => {
                    work += 1;
                    if let Some(seals) = &mut self.seals {
                        seals.add(r.index, r.kind, r.payload);
                    }
                    let record = Record::decode(r.kind, r.payload);
                    if let Some(standing) = &mut self.standing {
                        standing.on(record.as_ref().ok());
                    }
                    if let Ok(record) = record {
                        self.tell(&record);
                        self.tell_moves(&record);
                    }
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        match end {
            Ok(()) => self.reader = Some(reader),
            Err(e) => self.say(
                self.now,
                "error",
                "the journal cannot be followed",
                json!({"error.message": e.to_string()}),
            ),
        }
        self.seal(false);
        if work == 0 {
            let _ = self.out.flush();
        }
        work
    }

    /// Tells each order that the record moved, and that the record is the cause.
    fn tell_moves(&mut self, record: &Record) {
        let turns = self.lives.on_record(record).to_vec();
        let cause = match record {
            Record::Report { report, .. } => format!("report {}", report.seq),
            Record::Session { event, .. } => format!("session {event:?}"),
            Record::Command(c) => format!("command {}", c.token()),
            _ => "an operator's word".to_owned(),
        };
        for t in turns {
            let fields = json!({"colo.order.id": t.order.0.0, "from": t.from.map(order_state_word), "to": order_state_word(t.to), "cause": cause});
            self.say(self.now, "debug", "order moved", fields);
        }
    }

    fn symbol(&self, id: model::InstrumentId) -> String {
        self.names.instruments.get(id.index()).map_or_else(|| id.to_string(), |i| i.symbol.to_string())
    }

    /// What a kill is of.
    fn scope(&self, instrument: Option<model::InstrumentId>) -> String {
        instrument.map_or_else(|| "all".into(), |id| self.symbol(id))
    }

    fn tell(&mut self, record: &Record) {
        if let Record::Feed { now, .. }
        | Record::Report { now, .. }
        | Record::Session { now, .. }
        | Record::Control { now, .. }
        | Record::Operator { now, .. }
        | Record::Timer { now }
        | Record::Market { now, .. }
        | Record::Snapshot { now, .. } = record
        {
            self.now = *now;
        }
        let named = |list: &[String], k: usize| list.get(k).cloned().unwrap_or_else(|| k.to_string());
        let (level, message, fields) = match *record {
            Record::Start { run, now, .. } => {
                self.now = now;
                ("info", "run started", json!({"colo.run": run}))
            }
            Record::Feed { feed, status, .. } => {
                let (level, message, mut fields) = match status {
                    FeedStatus::Heartbeat => return,
                    FeedStatus::Synced { next } => ("info", "feed synced", json!({"next": next})),
                    FeedStatus::Recovering { from, to } => {
                        ("warn", "feed gap", json!({"from": from, "to": to}))
                    }
                    FeedStatus::Lost { from, to } => {
                        ("error", "feed messages lost", json!({"from": from, "to": to}))
                    }
                    FeedStatus::Disputed { sequence } => {
                        ("error", "feed lines disagree", json!({"sequence": sequence}))
                    }
                    FeedStatus::Doubted => ("warn", "feed doubted by a person", json!({})),
                    FeedStatus::Silent => ("error", "feed silent", json!({})),
                    FeedStatus::NewSession => ("info", "feed session", json!({})),
                    FeedStatus::EndOfSession => ("info", "feed session ended", json!({})),
                    FeedStatus::SnapshotBegin => ("warn", "feed snapshot began", json!({})),
                    FeedStatus::SnapshotEnd { next } => {
                        ("info", "feed snapshot taken", json!({"next": next}))
                    }
                };
                fields["colo.feed"] = named(&self.names.feeds, feed.index()).into();
                (level, message, fields)
            }
            Record::Session { gateway, event, .. } => {
                let (level, message, mut fields) = match event {
                    SessionEvent::LoggedIn => ("info", "session logged in", json!({})),
                    // At a process's first login nothing can prove the replay's end, and nothing hangs on it: no order of its own is unanswered.
                    SessionEvent::Ready { next_token, proven } => (
                        "info",
                        "session ready",
                        json!({"next_token": next_token.0, "replay_end": if proven { "proven" } else { "by evidence" }}),
                    ),
                    SessionEvent::Disconnected => ("error", "session disconnected", json!({})),
                    SessionEvent::LoginRejected { code: b'A' } => (
                        "error",
                        "session login rejected: user or password; no further attempt before a restart",
                        json!({"code": "A"}),
                    ),
                    SessionEvent::LoginRejected { code: b'N' } => (
                        "error",
                        "session login rejected: the venue counts other sequence numbers; no further attempt before a restart",
                        json!({"code": "N"}),
                    ),
                    SessionEvent::LoginRejected { code } => {
                        ("error", "session login rejected", json!({"code": (code as char).to_string()}))
                    }
                    SessionEvent::EndOfSession => ("warn", "session ended by the venue", json!({})),
                    SessionEvent::NewSession => ("info", "session is a new one", json!({})),
                    SessionEvent::Doubt => {
                        ("error", "messages of the session are missing or not understood", json!({}))
                    }
                };
                fields["colo.gateway"] = named(&self.names.gateways, gateway.index()).into();
                (level, message, fields)
            }
            Record::Control { control, .. } => match control {
                model::Control::Halt(r) => ("error", "trading halted", json!({"reason": halt_word(r)})),
                model::Control::Resume => ("warn", "asked to resume trading", json!({})),
                model::Control::CancelAll => ("warn", "cancel all", json!({})),
                model::Control::WriteOff { token } => {
                    ("warn", "asked to write an order off", json!({"colo.order.token": token.0}))
                }
                model::Control::Port { gateway, request } => {
                    let to = named(&self.names.gateways, gateway.index());
                    let asked = format!("{request:?}");
                    ("warn", "asked of a port", json!({"request": asked, "colo.gateway": to}))
                }
                model::Control::Trip { level, cause } => {
                    let fields = json!({"level": level.word(), "cause": cause.word()});
                    ("warn", "asked to restrain trading", fields)
                }
                // The alarm that it raises says it.
                model::Control::Drift(_) => return,
                model::Control::Best { pnl } => {
                    ("info", "best of the day so far", json!({"colo.pnl": pnl.to_string()}))
                }
                model::Control::Clutch { engaged: true } => ("warn", "strategy let in again", json!({})),
                model::Control::Clutch { engaged: false } => {
                    ("warn", "strategy taken off trading", json!({}))
                }
                model::Control::Restrict { instrument, shorts, on } => {
                    let symbol = instrument.map(|id| self.symbol(id));
                    let message = if shorts { "list of what is not sold short" } else { "restricted list" };
                    ("warn", message, json!({"symbol": symbol, "restricted": on}))
                }
                model::Control::Stage(setting) => {
                    ("info", "setting staged", json!({"setting": setting.to_string()}))
                }
                model::Control::Enact { change, count } => {
                    ("warn", "settings to be put in force", json!({"change": change, "settings": count}))
                }
                model::Control::Kill { instrument } => {
                    ("error", "killed", json!({"scope": self.scope(instrument)}))
                }
                model::Control::Unkill { instrument } => {
                    ("warn", "asked to end a kill", json!({"scope": self.scope(instrument)}))
                }
                model::Control::NeverSent { token } => {
                    ("warn", "request held back by the kill switch", json!({"colo.order.token": token.0}))
                }
                model::Control::Shutdown => ("info", "shutdown", json!({})),
                model::Control::Tokens { first, end } => {
                    ("info", "tokens granted", json!({"first": first.0, "end": end.0}))
                }
            },
            Record::Report { report, .. } => {
                let token = report.token.0;
                let (level, message, mut fields) = match report.kind {
                    ReportKind::Executed { qty, px, match_number, .. } => (
                        "info",
                        "fill",
                        json!({"qty": qty.0, "px": px.to_string(), "match_number": match_number}),
                    ),
                    ReportKind::Rejected { reason } => ("warn", "order rejected", json!({"reason": reason})),
                    ReportKind::Broken { match_number, .. } => {
                        ("error", "trade broken", json!({"match_number": match_number}))
                    }
                    ReportKind::Corrected { match_number, qty, px, .. } => (
                        "error",
                        "trade corrected",
                        json!({"match_number": match_number, "qty": qty.0, "px": px.to_string()}),
                    ),
                    _ => return,
                };
                fields["colo.order.token"] = token.into();
                fields["colo.gateway"] = named(&self.names.gateways, report.gateway.index()).into();
                (level, message, fields)
            }
            Record::Command(c) => ("debug", "order sent", self.command(&c)),
            Record::Refusal(r) => {
                let fields = json!({"reason": format!("{:?}", r.why), "code": r.why as u8, "intent": format!("{:?}", r.intent)});
                ("debug", "intent refused", fields)
            }
            Record::Dropped(d) => {
                let fields = json!({"reason": format!("{:?}", d.why), "colo.order.token": d.order.0.0, "intent": format!("{:?}", d.intent)});
                ("debug", "request dropped that waited", fields)
            }
            Record::Validity(t) => {
                let (scope, mut fields) = match t.scope {
                    Scope::Instrument(id) => ("instrument", json!({"symbol": self.symbol(id)})),
                    Scope::Feed { feed, instruments } => (
                        "instruments of a feed",
                        json!({"colo.feed": named(&self.names.feeds, feed.index()), "instruments": instruments}),
                    ),
                };
                fields["validity"] = validity_word(t.to).into();
                fields["reason"] = t.reason.word().into();
                // Where it may be traded again the reason is what is over.
                let (level, turn) = match t.to {
                    Validity::Valid => ("info", "may be traded again"),
                    Validity::Closed | Validity::Recovering | Validity::Halted => {
                        ("info", "may not be traded")
                    }
                    Validity::Stale => ("warn", "may not be traded"),
                };
                let message = format!("{scope} {turn}");
                return self.say(self.now, level, &message, fields);
            }
            Record::Alarm(a) => self.alarm(&a),
            Record::End { hash } => ("info", "run ended", json!({"colo.state_hash": format!("{hash:016x}")})),
            Record::Market { .. }
            | Record::Snapshot { .. }
            | Record::Timer { .. }
            | Record::Receipt(_)
            | Record::Hash { .. }
            // The control agent has told it, with all that was asked.
            | Record::Operator { .. } => return,
        };
        let mut fields = fields;
        let token = fields["colo.order.token"].as_u64().and_then(|t| u32::try_from(t).ok());
        if let Some(id) = token.and_then(|t| self.lives.order_of(Token(t))) {
            fields["colo.order.id"] = id.0.0.into();
        }
        self.say(self.now, level, message, fields);
    }

    fn alarm(&self, alarm: &Alarm) -> (&'static str, &'static str, Value) {
        match *alarm {
            Alarm::Breaker { level: BreakerLevel::Normal, .. } => {
                ("warn", "trading resumed", json!({"level": BreakerLevel::Normal.word()}))
            }
            Alarm::Breaker { level, cause } => {
                ("error", "trading restrained", json!({"level": level.word(), "cause": cause.word()}))
            }
            Alarm::Disabled { instrument, cause } => {
                let fields = json!({"symbol": self.symbol(instrument), "cause": cause.word()});
                ("error", "instrument disabled until a resume", fields)
            }
            Alarm::NotFlat { instrument, shares, orders } => {
                let fields =
                    json!({"symbol": self.symbol(instrument), "shares": shares, "open_orders": orders});
                ("error", "not flat after the close", fields)
            }
            Alarm::Drift(d) => {
                let fields = json!({"figure": d.figure.word(), "value": d.value, "bound": d.bound});
                match d.is_beyond {
                    true => ("error", "not what was expected of the strategy", fields),
                    false => ("warn", "as expected of the strategy again", fields),
                }
            }
            Alarm::Best { pnl } => ("info", "best of the day so far", json!({"colo.pnl": pnl.to_string()})),
            Alarm::Warning { measure, instrument, percent, value, limit } => {
                let said = |v: i64| if measure.is_money() { json!(Usd(v).to_string()) } else { json!(v) };
                let mut fields = json!({"limit_of": measure.word(), "percent": percent, "value": said(value), "limit": said(limit)});
                if let Some(id) = instrument {
                    fields["symbol"] = self.symbol(id).into();
                }
                ("warn", "limit nearly used", fields)
            }
        }
    }

    fn command(&self, c: &OrderCommand) -> Value {
        let symbol = self.symbol(c.instrument);
        match c.kind {
            CommandKind::New { token, side, qty, px, .. } => json!({
                "colo.order.token": token.0, "kind": "new", "symbol": symbol,
                "side": side.letter().to_string(), "qty": qty.0, "px": px.to_string()}),
            CommandKind::Replace { old, token, qty, px, .. } => json!({
                "colo.order.token": token.0, "kind": "replace", "symbol": symbol,
                "replaces": old.0, "qty": qty.0, "px": px.to_string()}),
            CommandKind::Cancel { token, qty } if qty.is_zero() => {
                json!({"colo.order.token": token.0, "kind": "cancel", "symbol": symbol})
            }
            CommandKind::Cancel { token, qty } => {
                json!({"colo.order.token": token.0, "kind": "reduce", "symbol": symbol, "qty": qty.0})
            }
            CommandKind::Port { token, request } => {
                let to = self.names.gateways.get(c.gateway.index());
                json!({"colo.order.token": token.0, "kind": format!("{request:?}"), "colo.gateway": to})
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.seal(true);
        let _ = self.out.flush();
    }
}

/// ISO 8601 in UTC with nanoseconds (civil-from-days after Hinnant, "chrono-Compatible Low-Level Date Algorithms").
#[must_use]
pub fn timestamp(now: Nanos) -> String {
    let (secs, ns) = (now.0 / 1_000_000_000, now.0 % 1_000_000_000);
    let (days, s) = (secs / 86_400, secs % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ns:09}Z", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Reason, Transition};

    #[test]
    fn a_change_of_validity_is_said_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log.jsonl");
        let id = model::InstrumentId(0);
        let feed = model::FeedId(0);
        let symbol = model::Symbol::new("AAPL").unwrap();
        let one = Instrument { id, symbol, feed, gateway: model::GatewayId(0) };
        let names = Names { feeds: vec!["f1".into()], instruments: vec![one], ..Names::default() };
        let mut log = LogWriter::create(&file, dir.path(), names).unwrap();
        let scopes = [Scope::Instrument(id), Scope::Feed { feed, instruments: 7 }];
        for (scope, to) in scopes.into_iter().zip([Validity::Stale, Validity::Valid]) {
            log.tell(&Record::Validity(Transition { scope, to, reason: Reason::Crossed }));
        }
        drop(log);
        let text = std::fs::read_to_string(file).unwrap();
        let said: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let of = |k: usize, name: &str| said[k][name].clone();
        assert_eq!(
            (of(0, "message"), of(0, "symbol")),
            ("instrument may not be traded".into(), "AAPL".into())
        );
        assert_eq!((of(0, "validity"), of(0, "reason")), ("stale".into(), "crossed".into()));
        assert_eq!((of(0, "log.level"), of(1, "log.level")), ("warn".into(), "info".into()));
        assert_eq!(of(1, "message"), "instruments of a feed may be traded again");
        assert_eq!((of(1, "colo.feed"), of(1, "instruments")), ("f1".into(), 7.into()));
    }

    #[test]
    fn an_order_that_moves_is_said_with_its_cause() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log.jsonl");
        let mut log = LogWriter::create(&file, dir.path(), Names::default()).unwrap();
        let (token, qty, px) = (Token(12), model::Qty(5), model::Px(100));
        let (gateway, instrument) = (model::GatewayId(0), model::InstrumentId(0));
        let (side, short, tif) = (model::Side::Buy, false, model::Tif::Day);
        let kind = CommandKind::New { token, side, short, qty, px, tif };
        let order = model::VenueRef(1);
        let accepted = |seq| {
            let instrument = Some(instrument);
            let kind = ReportKind::Accepted { order, px, qty, side, short, instrument, dead: false };
            let report = model::ExecutionReport { ts_event: Nanos(1), seq, token, gateway, kind };
            Record::Report { now: Nanos(9), report }
        };
        // The second is the first one again: it moves nothing.
        for record in
            [Record::Command(OrderCommand { gateway, instrument, kind }), accepted(88), accepted(88)]
        {
            log.tell_moves(&record);
        }
        drop(log);
        let text = std::fs::read_to_string(file).unwrap();
        let said: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let of = |k: usize| {
            (
                said[k]["colo.order.id"].clone(),
                said[k]["from"].clone(),
                said[k]["to"].clone(),
                said[k]["cause"].clone(),
            )
        };
        assert_eq!(said.len(), 2, "{text}");
        assert_eq!(of(0), (12.into(), Value::Null, "pending_new".into(), "command 12".into()));
        assert_eq!(of(1), (12.into(), "pending_new".into(), "live".into(), "report 88".into()));
    }

    #[test]
    fn no_text_of_others_leaves_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log.jsonl");
        let mut log = LogWriter::create(&file, dir.path(), Names::default()).unwrap();
        let text = "a\n{\"message\": \"run ended\"}\r\u{1b}[2J\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\u{10ffff}é";
        log.say(Nanos(1), "warn", "no connection", json!({ "why": text, text: "key" }));
        drop(log);
        let bytes = std::fs::read(file).unwrap();
        let (last, line) = bytes.split_last().unwrap();
        assert!(*last == b'\n' && line.iter().all(|b| matches!(b, b' '..=b'~')), "{bytes:?}");
        let said: Value = serde_json::from_slice(line).unwrap();
        assert_eq!((&said["why"], &said[text]), (&text.into(), &"key".into()));
    }

    #[test]
    fn timestamps_are_civil() {
        assert_eq!(timestamp(Nanos(0)), "1970-01-01T00:00:00.000000000Z");
        // date -u -d @951782400: a leap day of a century year
        assert_eq!(timestamp(Nanos(951_782_400_000_000_001)), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(timestamp(Nanos(1_340_283_600_500_000_000)), "2012-06-21T13:00:00.500000000Z");
    }
}
