//! Every record comes back as it went, and what is none is refused.

use engine::Measure;
use model::{BreakerCause, BreakerLevel, HaltReason, Limit, ParamName, Setting, Usd};

use super::*;
use crate::journal::Text;

fn samples() -> Vec<Record> {
    let now = Nanos(u64::MAX - 1);
    let report = |kind| Record::Report {
        now,
        report: ExecutionReport {
            ts_event: Nanos(7),
            seq: u64::MAX,
            token: Token(9),
            gateway: GatewayId(3),
            kind,
        },
    };
    let command =
        |kind| Record::Command(OrderCommand { gateway: GatewayId(1), instrument: InstrumentId(2), kind });
    let feed = |status| Record::Feed { now, feed: FeedId(2), status };
    let session = |event| Record::Session { now, gateway: GatewayId(1), event };
    let control = |control| Record::Control { now, control };
    let turned = |scope, to, reason| Record::Validity(Transition { scope, to, reason });
    let refusal = |intent| Record::Refusal(Refusal { intent, why: RiskReject::Collar });
    let dropped = |why| {
        let order = OrderId(Token(7));
        Record::Dropped(Dropped { order, intent: Intent::Replace { order, qty: Qty(1), px: Px(2) }, why })
    };
    let warning = |measure, instrument| Alarm::Warning {
        measure,
        instrument,
        percent: 75,
        value: i64::MIN,
        limit: i64::MAX,
    };
    let (order, px, qty, side) = (VenueRef(5), Px(i64::MIN), Qty(u32::MAX), Side::Sell);
    vec![
        Record::Start { format: FORMAT, run: 3, config_hash: 4, now },
        Record::Market { now, feed: FeedId(1), count: 77, first: 1 << 60 },
        feed(FeedStatus::Synced { next: 1 }),
        feed(FeedStatus::Recovering { from: 1, to: 2 }),
        feed(FeedStatus::Lost { from: 1, to: 2 }),
        feed(FeedStatus::Disputed { sequence: u64::MAX }),
        feed(FeedStatus::Doubted),
        feed(FeedStatus::Silent),
        feed(FeedStatus::Heartbeat),
        feed(FeedStatus::NewSession),
        feed(FeedStatus::EndOfSession),
        feed(FeedStatus::SnapshotBegin),
        feed(FeedStatus::SnapshotEnd { next: 1 << 40 }),
        Record::Snapshot { now, feed: FeedId(1), count: 77, first: 1 << 20 },
        session(SessionEvent::LoggedIn),
        session(SessionEvent::Ready { next_token: Token(4), proven: true }),
        session(SessionEvent::Disconnected),
        session(SessionEvent::LoginRejected { code: b'A' }),
        session(SessionEvent::EndOfSession),
        session(SessionEvent::NewSession),
        session(SessionEvent::Doubt),
        control(Control::Halt(HaltReason::Journal)),
        control(Control::Trip { level: BreakerLevel::ReduceOnly, cause: BreakerCause::Clock }),
        control(Control::Clutch { engaged: true }),
        control(Control::Restrict { instrument: None, shorts: true, on: true }),
        control(Control::Restrict { instrument: Some(InstrumentId(3)), shorts: false, on: false }),
        control(Control::Stage(Setting::Number(ParamName::new(&"n".repeat(32)).unwrap(), i64::MIN))),
        control(Control::Stage(Setting::Switch(ParamName::new("on").unwrap(), true))),
        control(Control::Stage(Setting::Limit(Limit::DailyLoss, 7))),
        control(Control::Enact { change: u32::MAX, count: 3 }),
        control(Control::Halt(HaltReason::Drawdown)),
        control(Control::Halt(HaltReason::Breaker)),
        Record::Alarm(Alarm::Breaker { level: BreakerLevel::Halted, cause: BreakerCause::Shutdown }),
        Record::Alarm(Alarm::Disabled { instrument: InstrumentId(9), cause: BreakerCause::Repeated }),
        Record::Alarm(warning(Measure::Position, Some(InstrumentId(4)))),
        Record::Alarm(warning(Measure::NetNotional, None)),
        Record::Alarm(Alarm::NotFlat { instrument: InstrumentId(5), shares: -7, orders: 2 }),
        control(Control::Halt(HaltReason::RejectRate)),
        control(Control::Halt(HaltReason::Killed)),
        control(Control::Kill { instrument: None }),
        control(Control::Kill { instrument: Some(InstrumentId(u16::MAX)) }),
        control(Control::Unkill { instrument: Some(InstrumentId(0)) }),
        control(Control::NeverSent { token: Token(7) }),
        control(Control::Drift(drift(true))),
        Record::Alarm(Alarm::Drift(drift(false))),
        control(Control::Best { pnl: Usd(i64::MIN) }),
        Record::Alarm(Alarm::Best { pnl: Usd(-3) }),
        Record::Operator {
            now,
            by: By {
                uid: u32::MAX,
                pid: 1,
                command: Text::escaped("halt-for-reconciliation"),
                operator: Text::escaped(&"o".repeat(99)),
                reason: Text::escaped(&"r".repeat(999)),
            },
        },
        control(Control::Resume),
        control(Control::CancelAll),
        control(Control::Shutdown),
        control(Control::Tokens { first: Token(1), end: Token(u32::MAX) }),
        control(Control::WriteOff { token: Token(8) }),
        control(Control::Port { gateway: GatewayId(3), request: PortRequest::EntryOff }),
        Record::Timer { now },
        report(ReportKind::Accepted { order, px, qty, side, short: true, instrument: None, dead: true }),
        report(ReportKind::Accepted {
            order,
            px,
            qty,
            side,
            short: false,
            instrument: Some(InstrumentId(6)),
            dead: false,
        }),
        report(ReportKind::Replaced { old: Token(1), order, px, qty, dead: false }),
        report(ReportKind::Canceled { qty, reason: b'U' }),
        report(ReportKind::Executed { qty, px, match_number: 1, liquidity: b'A' }),
        report(ReportKind::Rejected { reason: 0x1d }),
        report(ReportKind::Broken { match_number: 2, reason: b'E' }),
        report(ReportKind::Corrected { match_number: 3, qty, px, liquidity: b'R', reason: b'E' }),
        report(ReportKind::CancelPending),
        report(ReportKind::CancelRejected),
        report(ReportKind::Modified { qty, side, short: true }),
        report(ReportKind::Reprioritised { order, px }),
        report(ReportKind::Restated { reason: b'R' }),
        report(ReportKind::System { code: b'S' }),
        command(CommandKind::New { token: Token(1), side, short: true, qty, px, tif: Tif::Ioc }),
        command(CommandKind::Replace { old: Token(1), token: Token(2), qty, px, tif: Tif::Day }),
        command(CommandKind::Cancel { token: Token(1), qty }),
        command(CommandKind::Port { token: Token(9), request: PortRequest::MassCancel }),
        command(CommandKind::Port { token: Token(9), request: PortRequest::EntryOn }),
        refusal(Intent::New { instrument: InstrumentId(1), side, qty, px, tif: Tif::Day }),
        refusal(Intent::Replace { order: OrderId(Token(1)), qty, px }),
        refusal(Intent::Cancel { order: OrderId(Token(1)) }),
        refusal(Intent::Reduce { order: OrderId(Token(1)), qty }),
        Record::Receipt(Receipt {
            token: Token(1),
            gateway: GatewayId(2),
            received: Nanos(1),
            decoded: Nanos(2),
            decided: Nanos(3),
            sent: Nanos(4),
        }),
        Record::Hash { inputs: 1, hash: 2 },
        turned(Scope::Instrument(InstrumentId(u16::MAX)), Validity::Closed, Reason::AfterClose),
        turned(Scope::Feed { feed: FeedId(3), instruments: 4_096 }, Validity::Recovering, Reason::Gap),
        dropped(DropReason::Superseded),
        dropped(DropReason::Refused(RiskReject::BackOff)),
        Record::End { hash: 3 },
    ]
}

#[test]
fn every_record_comes_back() {
    for r in samples() {
        let (kind, bytes) = r.to_bytes();
        assert_eq!(Record::decode(kind, &bytes), Ok(r));
    }
}

/// The ways into the log: each record's bytes there are those that it says it has.
#[test]
fn what_is_appended_is_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (segment_bytes, sync) = (1 << 20, ringbuf::log::SyncPolicy::Off);
    let dir = folder.path().join("log");
    let cfg = ringbuf::log::LogConfig { dir: dir.clone(), segment_bytes, reserve_bytes: 0, sync };
    let (mut writer, keeper) = ringbuf::log::create(cfg).unwrap();
    for r in samples() {
        r.append(&mut writer).unwrap();
    }
    writer.finish();
    keeper.close().unwrap();
    let mut reader = ringbuf::log::Reader::open(&dir).unwrap();
    for r in samples() {
        let read = reader.next().unwrap().expect("as many as were written");
        assert_eq!((read.kind, read.payload.to_vec()), r.to_bytes(), "{r:?}");
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn what_is_cut_or_longer_is_refused() {
    for r in samples() {
        let (kind, bytes) = r.to_bytes();
        for n in 0..bytes.len() {
            assert_eq!(
                Record::decode(kind, &bytes[..n]),
                Err(RecordError::Malformed(kind)),
                "{r:?} cut at {n}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Record::decode(kind, &longer), Err(RecordError::Malformed(kind)));
    }
    assert_eq!(Record::decode(9, &[]), Err(RecordError::UnknownKind(9)));
    assert_eq!(Record::decode(0, &[]), Err(RecordError::UnknownKind(0)));
}

#[test]
fn every_reject_code_is_known() {
    for (k, r) in RiskReject::ALL.into_iter().enumerate() {
        assert_eq!(reject(r as u8), Ok(r));
        assert_eq!(r as usize, k + 1, "codes are stable and dense");
    }
    assert_eq!(RiskReject::ALL.last(), Some(&RiskReject::ShortList), "a new code goes into the list too");
}

#[test]
fn a_drop_of_codes_that_are_none_is_refused() {
    let cancel = [3, 0, 0, 0, 1];
    for code in [[0, 0], [1, 1], [8, 0], [8, RiskReject::ALL.len() as u8 + 1], [9, 0]] {
        let bytes = [&[0, 0, 0, 7][..], &code, &cancel].concat();
        assert_eq!(Record::decode(22, &bytes), Err(RecordError::Malformed(22)), "{code:?}");
    }
}

#[test]
fn a_validity_of_codes_that_are_none_is_refused() {
    for bytes in [[3, 0, 0, 0, 0], [1, 0, 0, 5, 0], [1, 0, 0, 0, Reason::COUNT as u8]] {
        assert_eq!(Record::decode(21, &bytes), Err(RecordError::Malformed(21)), "{bytes:?}");
    }
}

fn drift(is_beyond: bool) -> model::Drift {
    let figure = if is_beyond { model::DriftFigure::Slippage } else { model::DriftFigure::Excess };
    model::Drift { figure, value: i64::MIN, bound: -7, is_beyond }
}
