//! What happened beside orders: to risk (refusals, alarms, halts, the words of persons), and to what the core hangs on (feeds, sessions, the run itself).

use colo::engine::strategy::Intent;
use colo::engine::{Alarm, Scope};
use colo::journal::Record;
use colo::logs::Names;
use colo::telemetry::snapshot::{halt_word, validity_word};
use model::{Control, FeedId, FeedStatus, InstrumentId, SessionEvent};

use super::ledger::Rows;
use super::orders::{gateway, letter, symbol};
use crate::store::Cell;
use crate::store::tables::{LINK_EVENTS, RISK_EVENTS};

/// What a row of `risk_events` says.
#[derive(Default)]
struct Risk {
    kind: &'static str,
    what: String,
    cause: Option<String>,
    symbol: Option<String>,
    used: Option<(u8, i64, i64, bool)>,
    operator: Option<String>,
    reason: Option<String>,
    detail: Option<String>,
}

impl Risk {
    fn cells(self) -> Vec<Cell> {
        vec![
            self.kind.into(),
            self.what.into(),
            self.cause.into(),
            self.symbol.into(),
            self.used.map(|u| i64::from(u.0)).into(),
            self.used.map(|u| u.1).into(),
            self.used.map(|u| u.2).into(),
            self.used.map(|u| u.3).into(),
            self.operator.into(),
            self.reason.into(),
            self.detail.into(),
        ]
    }
}

/// What a row of `link_events` says.
fn link(
    kind: &str,
    name: String,
    status: &str,
    range: Option<(u64, u64)>,
    detail: Option<String>,
) -> Vec<Cell> {
    vec![
        kind.into(),
        name.into(),
        status.into(),
        range.map(|r| r.0).into(),
        range.map(|r| r.1).into(),
        detail.into(),
    ]
}

/// The rows of a record.
pub(super) fn take(record: &Record, names: &Names, rows: &mut Rows<'_>) {
    match record {
        Record::Start { run, config_hash, .. } => {
            let detail = Some(format!("config {config_hash:016x}"));
            rows.push(&LINK_EVENTS, link("run", run.to_string(), "started", None, detail));
        }
        Record::End { hash } => {
            let detail = Some(format!("state {hash:016x}"));
            rows.push(&LINK_EVENTS, link("run", String::new(), "ended", None, detail));
        }
        Record::Feed { feed, status, .. } => feed_status(*feed, *status, names, rows),
        Record::Session { gateway: id, event, .. } => {
            let (word, detail) = session(*event);
            rows.push(&LINK_EVENTS, link("session", gateway(names, *id), word, None, detail));
        }
        Record::Control { control, .. } => rows.push(&RISK_EVENTS, control_risk(*control, names).cells()),
        Record::Refusal(r) => {
            let instrument = match r.intent {
                Intent::New { instrument, .. } => Some(instrument),
                Intent::Replace { .. } | Intent::Cancel { .. } | Intent::Reduce { .. } => None,
            };
            let risk = Risk {
                kind: "refusal",
                what: format!("{:?}", r.why),
                symbol: instrument.map(|id| symbol(names, id)),
                detail: Some(intent(r.intent)),
                ..Risk::default()
            };
            rows.push(&RISK_EVENTS, risk.cells());
        }
        Record::Alarm(a) => rows.push(&RISK_EVENTS, alarm(a, names).cells()),
        Record::Validity(t) => {
            let symbol = match t.scope {
                Scope::Instrument(id) => symbol(names, id),
                Scope::Feed { feed, instruments } => {
                    format!("{instruments} of feed {}", feed_name(names, feed))
                }
            };
            let risk = Risk {
                kind: "validity",
                what: validity_word(t.to).into(),
                cause: Some(t.reason.word().into()),
                symbol: Some(symbol),
                ..Risk::default()
            };
            rows.push(&RISK_EVENTS, risk.cells());
        }
        Record::Operator { by, .. } => {
            let risk = Risk {
                kind: "operator",
                what: by.command.as_str().into(),
                operator: Some(by.operator.as_str().into()),
                reason: Some(by.reason.as_str().into()),
                detail: Some(format!("uid {} pid {}", by.uid, by.pid)),
                ..Risk::default()
            };
            rows.push(&RISK_EVENTS, risk.cells());
        }
        Record::Market { .. }
        | Record::Snapshot { .. }
        | Record::Report { .. }
        | Record::Timer { .. }
        | Record::Command(_)
        | Record::Receipt(_)
        | Record::Hash { .. }
        | Record::Dropped(_) => {}
    }
}

/// An intent in few words.
fn intent(i: Intent) -> String {
    match i {
        Intent::New { side, qty, px, .. } => format!("new {} {qty} at {px}", side.letter()),
        Intent::Replace { order, qty, px } => format!("replace {} by {qty} at {px}", order.0),
        Intent::Cancel { order } => format!("cancel {}", order.0),
        Intent::Reduce { order, qty } => format!("reduce {} to {qty}", order.0),
    }
}

fn feed_name(names: &Names, feed: FeedId) -> String {
    names.feeds.get(feed.index()).cloned().unwrap_or_else(|| feed.0.to_string())
}

fn feed_status(feed: FeedId, status: FeedStatus, names: &Names, rows: &mut Rows<'_>) {
    let (word, range) = match status {
        FeedStatus::Heartbeat => return,
        FeedStatus::Synced { next } => ("synced", Some((next, next))),
        FeedStatus::Recovering { from, to } => ("recovering", Some((from, to))),
        FeedStatus::Lost { from, to } => ("lost", Some((from, to))),
        FeedStatus::Disputed { sequence } => ("disputed", Some((sequence, sequence))),
        FeedStatus::Doubted => ("doubted", None),
        FeedStatus::Silent => ("silent", None),
        FeedStatus::NewSession => ("new_session", None),
        FeedStatus::EndOfSession => ("end_of_session", None),
        FeedStatus::SnapshotBegin => ("snapshot_begin", None),
        FeedStatus::SnapshotEnd { next } => ("snapshot_end", Some((next, next))),
    };
    rows.push(&LINK_EVENTS, link("feed", feed_name(names, feed), word, range, None));
}

fn session(event: SessionEvent) -> (&'static str, Option<String>) {
    match event {
        SessionEvent::LoggedIn => ("logged_in", None),
        SessionEvent::Ready { next_token, proven } => (
            "ready",
            Some(format!(
                "next token {next_token}, replay {}",
                if proven { "proven" } else { "by evidence" }
            )),
        ),
        SessionEvent::Disconnected => ("disconnected", None),
        SessionEvent::LoginRejected { code } => ("login_rejected", Some(letter(code))),
        SessionEvent::EndOfSession => ("end_of_session", None),
        SessionEvent::NewSession => ("new_session", None),
        SessionEvent::Doubt => ("doubt", None),
    }
}

fn control_risk(control: Control, names: &Names) -> Risk {
    let risk = |what: &str| Risk { kind: "control", what: what.into(), ..Risk::default() };
    let of = |instrument: Option<InstrumentId>| {
        Some(instrument.map_or_else(|| "all".into(), |id| symbol(names, id)))
    };
    match control {
        Control::Halt(reason) => Risk { cause: Some(halt_word(reason).into()), ..risk("halt") },
        Control::Resume => risk("resume"),
        Control::CancelAll => risk("cancel_all"),
        Control::Shutdown => risk("shutdown"),
        Control::Tokens { first, end } => {
            Risk { detail: Some(format!("{first} to {end}")), ..risk("tokens") }
        }
        Control::WriteOff { token } => Risk { detail: Some(format!("token {token}")), ..risk("write_off") },
        Control::Port { gateway: id, request } => {
            Risk { detail: Some(gateway(names, id)), cause: Some(format!("{request:?}")), ..risk("port") }
        }
        Control::Trip { level, cause } => {
            Risk { cause: Some(cause.word().into()), detail: Some(level.word().into()), ..risk("trip") }
        }
        Control::Drift(d) => Risk { cause: Some(d.figure.word().into()), ..risk("drift") },
        Control::Best { pnl } => Risk { detail: Some(pnl.to_string()), ..risk("best") },
        Control::Clutch { engaged } => risk(if engaged { "clutch_in" } else { "clutch_out" }),
        Control::Restrict { instrument, shorts, on } => {
            let what = match (shorts, on) {
                (false, true) => "restrict",
                (false, false) => "unrestrict",
                (true, true) => "restrict_shorts",
                (true, false) => "unrestrict_shorts",
            };
            Risk { symbol: of(instrument), ..risk(what) }
        }
        Control::Stage(setting) => Risk { detail: Some(setting.to_string()), ..risk("stage_setting") },
        Control::Enact { change, count } => {
            Risk { detail: Some(format!("change {change}, {count} settings")), ..risk("enact_settings") }
        }
        Control::Kill { instrument } => Risk { symbol: of(instrument), ..risk("kill") },
        Control::Unkill { instrument } => Risk { symbol: of(instrument), ..risk("unkill") },
        Control::NeverSent { token } => Risk { detail: Some(format!("token {token}")), ..risk("never_sent") },
    }
}

fn alarm(alarm: &Alarm, names: &Names) -> Risk {
    match *alarm {
        Alarm::Breaker { level, cause } => Risk {
            kind: "breaker",
            what: level.word().into(),
            cause: Some(cause.word().into()),
            ..Risk::default()
        },
        Alarm::Disabled { instrument, cause } => Risk {
            kind: "disabled",
            what: "disabled".into(),
            cause: Some(cause.word().into()),
            symbol: Some(symbol(names, instrument)),
            ..Risk::default()
        },
        Alarm::NotFlat { instrument, shares, orders } => Risk {
            kind: "not_flat",
            what: "not_flat".into(),
            symbol: Some(symbol(names, instrument)),
            detail: Some(format!("{shares} shares, {orders} orders")),
            ..Risk::default()
        },
        Alarm::Drift(d) => Risk {
            kind: "drift",
            what: if d.is_beyond { "beyond" } else { "within" }.into(),
            cause: Some(d.figure.word().into()),
            detail: Some(format!("{} of {}", d.value, d.bound)),
            ..Risk::default()
        },
        Alarm::Best { pnl } => {
            Risk { kind: "best", what: "best".into(), detail: Some(pnl.to_string()), ..Risk::default() }
        }
        Alarm::Warning { measure, instrument, percent, value, limit } => Risk {
            kind: "warning",
            what: measure.word().into(),
            symbol: instrument.map(|id| symbol(names, id)),
            used: Some((percent, value, limit, measure.is_money())),
            ..Risk::default()
        },
    }
}
