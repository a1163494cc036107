//! A session whose numbers go on for days: what a process takes over from before its own.

use gateways::fix::session::Reset;

use super::skipped::{again, lost};
use super::*;

const DAY: u64 = 86_400 * SECOND;

/// The venue says next: a trade of `shares` of an order, at a time of its own (60) where there is one.
fn trade(b: &mut Bench, token: u32, shares: u32, leaves: u32, time: &str) -> u64 {
    b.executions += 1;
    let (id, order) = (b.executions, name(token));
    let trans = if b.version == Version::Fix42 { "20=0|" } else { "" };
    let kind = if b.version == Version::Fix42 { "1" } else { "F" };
    let text = format!(
        "6=0|11={order}|14=0|17={id}|{trans}31=10|32={shares}|37=77|39=1|54=1|55=AAPL|{time}150={kind}|151={leaves}|"
    );
    b.venue.send(b.now, b"8", &body(&text)).unwrap();
    id
}

#[test]
fn trades_of_earlier_days_are_no_fills_and_orders_that_live_are_taken_over() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(1);
        b.live(2);
        // With a TransactTime, and with the time of its first sending alone.
        let void = trade(&mut b, 1, 30, 70, "60=20240102-12:00:02|");
        trade(&mut b, 2, 100, 0, "");
        b.execution(&name(1), "H", &format!("14=0|19={void}|39=0|151=70|"));
        b.turn();
        let fills = |b: &Bench| -> Vec<Qty> {
            let fill = |r: &ExecutionReport| match r.kind {
                ReportKind::Executed { qty, .. } => Some(qty),
                _ => None,
            };
            b.sink.reports().iter().filter_map(fill).collect()
        };
        assert_eq!(fills(&b), [Qty(30), Qty(100)], "today they are");
        b.now = b.now.after(Nanos(DAY));
        trade(&mut b, 1, 20, 50, "60=20240103-00:00:00|");
        again(&mut b, |_| {});
        assert_eq!(fills(&b), [Qty(20)]);
        let kinds: Vec<_> = b.sink.reports().iter().map(|r| (r.token.0, r.kind)).collect();
        let left = |qty| ReportKind::Modified { qty: Qty(qty), side: Side::Buy, short: false };
        assert!(kinds.contains(&(1, left(70))) && kinds.contains(&(2, left(0))), "{kinds:?}");
        assert!(!kinds.iter().any(|(_, k)| matches!(k, ReportKind::Broken { .. })), "{kinds:?}");
        assert!(lost(&b).is_empty() && b.gateway.is_ready());
        b.send(cancel(1, 0)).unwrap();
        assert_eq!(b.send(cancel(2, 0)), Err(EncodeError::BadToken(Token(2))), "it is gone");
        // One that is told only now, of before.
        trade(&mut b, 1, 10, 40, "60=20240102-23:59:59|");
        b.turn();
        assert_eq!((b.last().kind, lost(&b).len()), (left(40), 1));
        // A connection of the same process is of the same day, whenever it is.
        trade(&mut b, 1, 5, 35, "60=20240103-23:59:59|");
        b.now = b.now.after(Nanos(DAY));
        b.connect();
        assert_eq!(fills(&b), [Qty(20), Qty(5)]);
    }
}

#[test]
fn a_day_begins_at_the_daily_reset_where_there_is_one() {
    let reset = Reset::Daily(Nanos(17 * 3_600 * SECOND));
    let five = Nanos(1_704_196_800 * SECOND + 5 * 3_600 * SECOND);
    assert_eq!(reset.day_began(five), five);
    assert_eq!(reset.day_began(Nanos(five.0 - 1)), Nanos(five.0 - DAY));
    assert_eq!(Reset::Never.day_began(five), Nanos(1_704_153_600 * SECOND));
}

#[test]
fn a_trade_is_found_by_its_name_and_by_that_of_its_correction() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(1);
        let fill = trade(&mut b, 1, 50, 50, "");
        let first = b.execution(&name(1), "G", &format!("14=40|19={fill}|31=9|32=40|39=1|151=60|"));
        let second = b.execution(&name(1), "G", &format!("14=30|19={first}|31=9|32=30|39=1|151=70|"));
        for named in [first, second, fill] {
            b.execution(&name(1), "H", &format!("14=0|19={named}|39=0|151=100|"));
        }
        b.turn();
        let amended = |r: &ExecutionReport| match r.kind {
            ReportKind::Corrected { match_number, .. } | ReportKind::Broken { match_number, .. } => {
                Some(match_number)
            }
            _ => None,
        };
        let trades: Vec<u64> = b.sink.reports().iter().filter_map(amended).collect();
        assert_eq!(trades, [fill; 5]);
    }
}

#[test]
fn a_trade_that_comes_again_without_a_date_is_not_guessed_at() {
    let mut b = Bench::ready(Version::Fix44);
    b.live(1);
    let before = b.sink.reports();
    b.gateway = gateway_of(Version::Fix44, MemoryStore::new(1 << 20), |_| {});
    b.sink = Sink::default();
    b.gateway.on_connected(b.now);
    b.gateway.transmitted(b.gateway.transmit().len());
    let hear = |b: &mut Bench, text: &str| skipped::hear_raw(b, text);
    let head = "49=VENUE|52=20240102-12:00:02|56=CLIENT";
    hear(&mut b, &format!("35=A|34=9|{head}|98=0|108=30|"));
    hear(
        &mut b,
        &format!(
            "35=8|34=1|43=Y|{head}|6=0|11={}|14=1|17=t|31=10|32=1|37=77|39=1|54=1|55=AAPL|150=F|151=99|",
            name(1)
        ),
    );
    assert!(!before.is_empty() && b.sink.reports().is_empty());
    assert!(matches!(b.sink.notices().last(), Some(Notice::Undecodable { .. })));
}
