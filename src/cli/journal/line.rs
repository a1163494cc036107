//! A record as a line: the same fields as text for a person and as JSON for a program.

use engine::strategy::Intent;
use engine::{Alarm, Dropped, Refusal, Scope, Transition, Turn};
use model::{
    CommandKind, Control, Drift, ExecutionReport, FeedStatus, InstrumentId, Nanos, OrderCommand, PortRequest,
    ReportKind, SessionEvent, Side, Tif, Usd,
};
use serde_json::{Map, Value, json};

use crate::journal::{Batch, Receipt, Record};
use crate::logs::{Names, timestamp};
use crate::telemetry::snapshot::{halt_word, order_state_word, validity_word};

/// The kinds of record that `--kind` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A run begins.
    Start,
    /// Messages of a feed.
    Market,
    /// Messages of a snapshot.
    Snapshot,
    /// A feed's status.
    Feed,
    /// A venue's report.
    Report,
    /// A session's event.
    Session,
    /// A control input.
    Control,
    /// Time passed.
    Timer,
    /// An order, replace or cancel.
    Command,
    /// What risk refused.
    Refusal,
    /// What waited for room and was not sent.
    Dropped,
    /// An order left.
    Receipt,
    /// What may be traded, and why not.
    Validity,
    /// Trading restrained or resumed, instruments disabled, limits nearly used.
    Alarm,
    /// A hash of the engine's state.
    Hash,
    /// The run ended.
    End,
    /// Who asked for something, and why.
    Operator,
}

impl Kind {
    /// Of a record.
    pub(super) fn of(record: &Record) -> Kind {
        match record {
            Record::Start { .. } => Kind::Start,
            Record::Market { .. } => Kind::Market,
            Record::Snapshot { .. } => Kind::Snapshot,
            Record::Feed { .. } => Kind::Feed,
            Record::Report { .. } => Kind::Report,
            Record::Session { .. } => Kind::Session,
            Record::Control { .. } => Kind::Control,
            Record::Timer { .. } => Kind::Timer,
            Record::Command(_) => Kind::Command,
            Record::Refusal(_) => Kind::Refusal,
            Record::Dropped(_) => Kind::Dropped,
            Record::Receipt(_) => Kind::Receipt,
            Record::Validity(_) => Kind::Validity,
            Record::Alarm(_) => Kind::Alarm,
            Record::Hash { .. } => Kind::Hash,
            Record::End { .. } => Kind::End,
            Record::Operator { .. } => Kind::Operator,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Market => "market",
            Kind::Snapshot => "snapshot",
            Kind::Feed => "feed",
            Kind::Report => "report",
            Kind::Session => "session",
            Kind::Control => "control",
            Kind::Timer => "timer",
            Kind::Command => "command",
            Kind::Refusal => "refusal",
            Kind::Dropped => "dropped",
            Kind::Receipt => "receipt",
            Kind::Validity => "validity",
            Kind::Alarm => "alarm",
            Kind::Hash => "hash",
            Kind::End => "end",
            Kind::Operator => "operator",
        }
    }
}

/// A record's line in the making.
pub(super) struct Line {
    index: u64,
    kind: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// With the orders that the record moves, each from one state to another.
    pub(super) fn moving(mut self, turns: &[Turn]) -> Line {
        if !turns.is_empty() {
            let word = |t: &Turn| {
                let from = t.from.map_or("none", order_state_word);
                format!("{}:{from}>{}", t.order.0, order_state_word(t.to))
            };
            let words: Vec<_> = turns.iter().map(word).collect();
            self.fields.push(("moves", json!(words.join(","))));
        }
        self
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{:>8} {:<8}", self.index, self.kind);
        for (name, value) in &self.fields {
            text.push_str(&match (*name, value) {
                ("now" | "received", Value::Number(n)) => {
                    format!(" {name}={}", timestamp(Nanos(n.as_u64().unwrap_or(0))))
                }
                // A person's text must not look like further fields.
                ("reason" | "operator", Value::String(s)) if s.contains([' ', '=', '"']) => {
                    format!(" {name}={s:?}")
                }
                (_, Value::String(s)) => format!(" {name}={s}"),
                (_, value) => format!(" {name}={value}"),
            });
        }
        text
    }

    /// Its fields by name.
    pub(super) fn fields(self) -> Map<String, Value> {
        self.fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    /// As an object of JSON. Times are ns since the Unix epoch, spans are ns, prices are text with four decimals.
    pub(super) fn json(&self) -> String {
        let mut all = Map::new();
        all.insert("index".into(), self.index.into());
        all.insert("kind".into(), self.kind.into());
        all.extend(self.fields.iter().map(|(name, value)| ((*name).into(), value.clone())));
        Value::Object(all).to_string()
    }
}

/// A capture's record as a line.
pub(super) fn of_batch(index: u64, b: &Batch<'_>) -> Line {
    let fields = vec![
        ("received", json!(b.received.0)),
        ("first", json!(b.first)),
        ("count", json!(b.count)),
        ("bytes", json!(b.framed.len())),
    ];
    Line { index, kind: if b.is_snapshot { "snapshot" } else { "batch" }, fields }
}

/// A core record as a line.
pub(super) fn of_record(index: u64, record: &Record, names: &Names) -> Line {
    let mut fields = Vec::new();
    if let Some(now) = record.now() {
        fields.push(("now", json!(now.0)));
    }
    let more = match record {
        Record::Start { format, run, config_hash, .. } => {
            vec![("run", json!(run)), ("format", json!(format)), ("config", hex(*config_hash))]
        }
        Record::Market { feed, count, first, .. } | Record::Snapshot { feed, count, first, .. } => {
            vec![
                ("feed", named(&names.feeds, feed.index())),
                ("first", json!(first)),
                ("count", json!(count)),
            ]
        }
        Record::Feed { feed, status, .. } => {
            let mut f = vec![("feed", named(&names.feeds, feed.index()))];
            f.extend(of_status(*status));
            f
        }
        Record::Report { report, .. } => of_report(report, names),
        Record::Session { gateway, event, .. } => {
            let mut f = vec![("gateway", named(&names.gateways, gateway.index()))];
            f.extend(of_session(*event));
            f
        }
        Record::Control { control, .. } => of_control(*control, names),
        Record::Timer { .. } => Vec::new(),
        Record::Command(c) => of_command(c, names),
        Record::Refusal(r) => of_refusal(r, names),
        Record::Dropped(d) => of_dropped(d, names),
        Record::Receipt(r) => of_receipt(r, names),
        Record::Validity(t) => of_transition(t, names),
        Record::Alarm(a) => of_alarm(a, names),
        Record::Hash { inputs, hash } => vec![("inputs", json!(inputs)), ("hash", hex(*hash))],
        Record::End { hash } => vec![("hash", hex(*hash))],
        Record::Operator { by, .. } => vec![
            ("command", json!(by.command.as_str())),
            ("operator", json!(by.operator.as_str())),
            ("reason", json!(by.reason.as_str())),
            ("uid", json!(by.uid)),
            ("pid", json!(by.pid)),
        ],
    };
    fields.extend(more);
    Line { index, kind: Kind::of(record).word(), fields }
}

type Fields = Vec<(&'static str, Value)>;

fn hex(hash: u64) -> Value {
    json!(format!("{hash:016x}"))
}

fn named(list: &[String], k: usize) -> Value {
    list.get(k).map_or_else(|| json!(k), |name| json!(name))
}

fn symbol(names: &Names, id: InstrumentId) -> Value {
    names.instruments.get(id.index()).map_or_else(|| json!(id.0), |i| json!(i.symbol.to_string()))
}

fn side(s: Side) -> Value {
    json!(s.letter().to_string())
}

/// A venue's code letter, or its number where it is none.
fn letter(b: u8) -> Value {
    if b.is_ascii_graphic() { json!(char::from(b).to_string()) } else { json!(b) }
}

fn tif(t: Tif) -> Value {
    json!(match t {
        Tif::Day => "day",
        Tif::Ioc => "ioc",
    })
}

fn of_status(status: FeedStatus) -> Fields {
    let range =
        |word, from: u64, to: u64| vec![("status", json!(word)), ("from", json!(from)), ("to", json!(to))];
    match status {
        FeedStatus::Synced { next } => vec![("status", json!("synced")), ("next", json!(next))],
        FeedStatus::Recovering { from, to } => range("recovering", from, to),
        FeedStatus::Lost { from, to } => range("lost", from, to),
        FeedStatus::Disputed { sequence } => {
            vec![("status", json!("disputed")), ("sequence", json!(sequence))]
        }
        FeedStatus::Doubted => vec![("status", json!("doubted"))],
        FeedStatus::Silent => vec![("status", json!("silent"))],
        FeedStatus::Heartbeat => vec![("status", json!("heartbeat"))],
        FeedStatus::NewSession => vec![("status", json!("new_session"))],
        FeedStatus::EndOfSession => vec![("status", json!("end_of_session"))],
        FeedStatus::SnapshotBegin => vec![("status", json!("snapshot_begin"))],
        FeedStatus::SnapshotEnd { next } => vec![("status", json!("snapshot_end")), ("next", json!(next))],
    }
}

fn of_session(event: SessionEvent) -> Fields {
    let word = |w| vec![("event", json!(w))];
    match event {
        SessionEvent::LoggedIn => word("logged_in"),
        SessionEvent::Ready { next_token, proven } => {
            vec![("event", json!("ready")), ("next_token", json!(next_token.0)), ("proven", json!(proven))]
        }
        SessionEvent::Disconnected => word("disconnected"),
        SessionEvent::LoginRejected { code } => {
            vec![("event", json!("login_rejected")), ("code", letter(code))]
        }
        SessionEvent::EndOfSession => word("end_of_session"),
        SessionEvent::NewSession => word("new_session"),
        SessionEvent::Doubt => word("doubt"),
    }
}

/// A kill or its end, and what it is of.
fn of_scope(what: &'static str, instrument: Option<InstrumentId>, names: &Names) -> Fields {
    vec![("control", json!(what)), ("scope", instrument.map_or(json!("all"), |id| symbol(names, id)))]
}

fn of_control(control: Control, names: &Names) -> Fields {
    let word = |w| vec![("control", json!(w))];
    match control {
        Control::Halt(reason) => vec![("control", json!("halt")), ("reason", json!(halt_word(reason)))],
        Control::Resume => word("resume"),
        Control::CancelAll => word("cancel_all"),
        Control::WriteOff { token } => vec![("control", json!("write_off")), ("token", json!(token.0))],
        Control::Port { gateway, request } => {
            vec![("control", json!(port_word(request))), ("gateway", json!(gateway.0))]
        }
        Control::Shutdown => word("shutdown"),
        Control::Kill { instrument } => of_scope("kill", instrument, names),
        Control::Unkill { instrument } => of_scope("unkill", instrument, names),
        Control::NeverSent { token } => vec![("control", json!("never_sent")), ("token", json!(token.0))],
        Control::Tokens { first, end } => {
            vec![("control", json!("tokens")), ("first", json!(first.0)), ("end", json!(end.0))]
        }
        Control::Trip { level, cause } => {
            vec![("control", json!("trip")), ("level", json!(level.word())), ("cause", json!(cause.word()))]
        }
        Control::Drift(d) => drift_fields(("control", json!("drift")), d),
        Control::Best { pnl } => vec![("control", json!("best")), ("pnl", json!(pnl.to_string()))],
        Control::Clutch { engaged } => vec![("control", json!("clutch")), ("engaged", json!(engaged))],
        Control::Restrict { instrument, shorts, on } => {
            let of = instrument.map_or_else(|| json!("all"), |id| symbol(names, id));
            let list = if shorts { "short_sales" } else { "trading" };
            vec![("control", json!("restrict")), ("list", json!(list)), ("symbol", of), ("on", json!(on))]
        }
        Control::Stage(setting) => {
            vec![("control", json!("stage")), ("setting", json!(setting.to_string()))]
        }
        Control::Enact { change, count } => {
            vec![("control", json!("enact")), ("change", json!(change)), ("settings", json!(count))]
        }
    }
}

fn of_alarm(alarm: &Alarm, names: &Names) -> Fields {
    match *alarm {
        Alarm::Breaker { level, cause } => {
            vec![("alarm", json!("breaker")), ("level", json!(level.word())), ("cause", json!(cause.word()))]
        }
        Alarm::Disabled { instrument, cause } => vec![
            ("alarm", json!("disabled")),
            ("symbol", symbol(names, instrument)),
            ("cause", json!(cause.word())),
        ],
        Alarm::NotFlat { instrument, shares, orders } => vec![
            ("alarm", json!("not_flat")),
            ("symbol", symbol(names, instrument)),
            ("shares", json!(shares)),
            ("open_orders", json!(orders)),
        ],
        Alarm::Drift(d) => drift_fields(("alarm", json!("drift")), d),
        Alarm::Best { pnl } => vec![("alarm", json!("best")), ("pnl", json!(pnl.to_string()))],
        Alarm::Warning { measure, instrument, percent, value, limit } => {
            let said = |v: i64| if measure.is_money() { json!(Usd(v).to_string()) } else { json!(v) };
            let mut fields = vec![("alarm", json!("warning")), ("limit_of", json!(measure.word()))];
            fields.extend(instrument.map(|id| ("symbol", symbol(names, id))));
            fields.extend([("percent", json!(percent)), ("value", said(value)), ("limit", said(limit))]);
            fields
        }
    }
}

fn drift_fields(first: (&'static str, Value), d: Drift) -> Fields {
    let figure = ("figure", json!(d.figure.word()));
    vec![first, figure, ("beyond", json!(d.is_beyond)), ("value", json!(d.value)), ("bound", json!(d.bound))]
}

/// What is asked of a port, in one word.
pub(crate) fn port_word(request: PortRequest) -> &'static str {
    match request {
        PortRequest::MassCancel => "mass_cancel",
        PortRequest::EntryOff => "entry_off",
        PortRequest::EntryOn => "entry_on",
    }
}

fn of_command(c: &OrderCommand, names: &Names) -> Fields {
    let mut f =
        vec![("gateway", named(&names.gateways, c.gateway.index())), ("symbol", symbol(names, c.instrument))];
    f.extend(match c.kind {
        CommandKind::New { token, side: s, short, qty, px, tif: t } => vec![
            ("order", json!("new")),
            ("token", json!(token.0)),
            ("side", side(s)),
            ("short", json!(short)),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("tif", tif(t)),
        ],
        CommandKind::Replace { old, token, qty, px, tif: t } => vec![
            ("order", json!("replace")),
            ("token", json!(token.0)),
            ("old", json!(old.0)),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("tif", tif(t)),
        ],
        CommandKind::Cancel { token, qty } => {
            let word = if qty.is_zero() { "cancel" } else { "reduce" };
            vec![("order", json!(word)), ("token", json!(token.0)), ("qty", json!(qty.0))]
        }
        CommandKind::Port { token, request } => {
            return vec![
                ("gateway", named(&names.gateways, c.gateway.index())),
                ("order", json!(port_word(request))),
                ("token", json!(token.0)),
            ];
        }
    });
    f
}

fn of_refusal(r: &Refusal, names: &Names) -> Fields {
    let mut f = vec![("why", json!(format!("{:?}", r.why)))];
    f.extend(of_intent(r.intent, names));
    f
}

fn of_dropped(d: &Dropped, names: &Names) -> Fields {
    let mut f = vec![("why", json!(format!("{:?}", d.why))), ("waited_as", json!(d.order.0.0))];
    f.extend(of_intent(d.intent, names));
    f
}

fn of_intent(intent: Intent, names: &Names) -> Fields {
    match intent {
        Intent::New { instrument, side: s, qty, px, tif: t } => vec![
            ("order", json!("new")),
            ("symbol", symbol(names, instrument)),
            ("side", side(s)),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("tif", tif(t)),
        ],
        Intent::Replace { order, qty, px } => vec![
            ("order", json!("replace")),
            ("token", json!(order.0.0)),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
        ],
        Intent::Reduce { order, qty } => {
            vec![("order", json!("reduce")), ("token", json!(order.0.0)), ("qty", json!(qty.0))]
        }
        Intent::Cancel { order } => vec![("order", json!("cancel")), ("token", json!(order.0.0))],
    }
}

fn of_transition(t: &Transition, names: &Names) -> Fields {
    let mut f = match t.scope {
        Scope::Instrument(id) => vec![("symbol", symbol(names, id))],
        Scope::Feed { feed, instruments } => {
            vec![("feed", named(&names.feeds, feed.index())), ("instruments", json!(instruments))]
        }
    };
    f.extend([("validity", json!(validity_word(t.to))), ("reason", json!(t.reason.word()))]);
    f
}

/// Each stage is the time since the one before it.
fn of_receipt(r: &Receipt, names: &Names) -> Fields {
    vec![
        ("token", json!(r.token.0)),
        ("gateway", named(&names.gateways, r.gateway.index())),
        ("received", json!(r.received.0)),
        ("decoded_ns", json!(r.decoded.since(r.received).0)),
        ("decided_ns", json!(r.decided.since(r.decoded).0)),
        ("sent_ns", json!(r.sent.since(r.decided).0)),
        ("total_ns", json!(r.sent.since(r.received).0)),
    ]
}

fn of_report(r: &ExecutionReport, names: &Names) -> Fields {
    let mut f = vec![
        ("gateway", named(&names.gateways, r.gateway.index())),
        ("seq", json!(r.seq)),
        ("token", json!(r.token.0)),
    ];
    f.extend(match r.kind {
        ReportKind::Accepted { order, px, qty, side: s, short, instrument, dead } => vec![
            ("report", json!("accepted")),
            ("symbol", instrument.map_or(Value::Null, |id| symbol(names, id))),
            ("side", side(s)),
            ("short", json!(short)),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("order", json!(order.0)),
            ("dead", json!(dead)),
        ],
        ReportKind::Replaced { old, order, px, qty, dead } => vec![
            ("report", json!("replaced")),
            ("old", json!(old.0)),
            ("open", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("order", json!(order.0)),
            ("dead", json!(dead)),
        ],
        ReportKind::Canceled { qty, reason } => {
            vec![("report", json!("canceled")), ("qty", json!(qty.0)), ("reason", letter(reason))]
        }
        ReportKind::Executed { qty, px, match_number, liquidity } => vec![
            ("report", json!("executed")),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("match", json!(match_number)),
            ("liquidity", letter(liquidity)),
        ],
        ReportKind::Rejected { reason } => vec![("report", json!("rejected")), ("reason", json!(reason))],
        ReportKind::Broken { match_number, reason } => {
            vec![("report", json!("broken")), ("match", json!(match_number)), ("reason", letter(reason))]
        }
        ReportKind::Corrected { match_number, qty, px, liquidity, reason } => vec![
            ("report", json!("corrected")),
            ("match", json!(match_number)),
            ("qty", json!(qty.0)),
            ("px", json!(px.to_string())),
            ("liquidity", letter(liquidity)),
            ("reason", letter(reason)),
        ],
        ReportKind::CancelPending => vec![("report", json!("cancel_pending"))],
        ReportKind::CancelRejected => vec![("report", json!("cancel_rejected"))],
        ReportKind::Modified { qty, side: s, short } => vec![
            ("report", json!("modified")),
            ("open", json!(qty.0)),
            ("side", side(s)),
            ("short", json!(short)),
        ],
        ReportKind::Reprioritised { order, px } => {
            vec![("report", json!("reprioritised")), ("order", json!(order.0)), ("px", json!(px.to_string()))]
        }
        ReportKind::Restated { reason } => vec![("report", json!("restated")), ("reason", letter(reason))],
        ReportKind::System { code } => vec![("report", json!("system")), ("code", letter(code))],
    });
    f
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Reason;
    use model::{FeedId, GatewayId, Px, Qty, Token, Validity};

    #[test]
    fn a_line_says_the_same_in_text_and_json() {
        let names = Names { gateways: vec!["g1".into()], ..Names::default() };
        let kind = CommandKind::New {
            token: Token(7),
            side: Side::Sell,
            short: false,
            qty: Qty(100),
            px: Px(1_234_500),
            tif: Tif::Ioc,
        };
        let record =
            Record::Command(OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(3), kind });
        let line = of_record(12, &record, &names);
        assert_eq!(
            line.text(),
            "      12 command  gateway=g1 symbol=3 order=new token=7 side=S short=false qty=100 px=123.4500 tif=ioc"
        );
        let back: Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(
            (&back["index"], &back["kind"], &back["px"]),
            (&json!(12), &json!("command"), &json!("123.4500"))
        );
    }

    #[test]
    fn a_change_of_validity_names_whom_and_why() {
        let names = Names { feeds: vec!["f1".into()], ..Names::default() };
        let text = |scope, to, reason| {
            of_record(3, &Record::Validity(Transition { scope, to, reason }), &names).text()
        };
        assert_eq!(
            text(Scope::Instrument(InstrumentId(4)), Validity::Halted, Reason::Paused),
            "       3 validity symbol=4 validity=halted reason=paused"
        );
        assert_eq!(
            text(Scope::Feed { feed: FeedId(0), instruments: 9 }, Validity::Valid, Reason::Gap),
            "       3 validity feed=f1 instruments=9 validity=valid reason=gap"
        );
    }

    #[test]
    fn a_receipt_shows_what_each_stage_took() {
        let receipt = Receipt {
            token: Token(1),
            gateway: GatewayId(9),
            received: Nanos(1_000_000_000_000),
            decoded: Nanos(1_000_000_000_120),
            decided: Nanos(1_000_000_000_500),
            sent: Nanos(1_000_000_002_000),
        };
        let line = of_record(0, &Record::Receipt(receipt), &Names::default());
        assert_eq!(
            line.text(),
            "       0 receipt  token=1 gateway=9 received=1970-01-01T00:16:40.000000000Z decoded_ns=120 decided_ns=380 sent_ns=1500 total_ns=2000"
        );
    }
}
