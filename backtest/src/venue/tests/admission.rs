//! Orders that the venue refuses, and what becomes of those that they would have replaced.

use super::*;

fn replace(old: u32, token: u32, qty: u32, px: i64) -> OrderCommand {
    ask(CommandKind::Replace {
        old: Token(old),
        token: Token(token),
        qty: Qty(qty),
        px: Px(px),
        tif: Tif::Day,
    })
}

fn rejected(reason: u16) -> Vec<ReportKind> {
    vec![ReportKind::Rejected { reason }]
}

#[test]
fn a_halt_refuses_new_orders_and_replaces_and_no_cancels() {
    let mut d = Desk::by(Rules::default());
    d.ask(new(1, Side::Buy, 100, 50, Tif::Day));
    d.market(trading(TradingState::Halted));
    d.ask(new(2, Side::Buy, 100, 50, Tif::Day));
    assert_eq!(d.kinds(), rejected(rules::HALTED));
    d.ask(replace(1, 3, 60, 101));
    assert_eq!(d.kinds(), rejected(rules::HALTED));
    assert_eq!(d.said.reports[0].token, Token(3), "it is the replace that is refused");
    assert_eq!(d.venue.ahead(Token(1)), Some(0), "its order rests as before");
    d.ask(replace(9, 4, 60, 101));
    assert_eq!(d.kinds(), [], "of an order that is gone nothing is said");
    d.ask(ask(CommandKind::Cancel { token: Token(1), qty: Qty(0) }));
    assert_eq!(d.kinds(), [ReportKind::Canceled { qty: Qty(50), reason: b'U' }]);
    d.market(trading(TradingState::Trading));
    d.ask(new(5, Side::Buy, 100, 50, Tif::Day));
    assert!(matches!(d.kinds()[..], [ReportKind::Accepted { .. }]));
    assert_eq!(d.venue.counts().rejected, 2);
}

#[test]
fn requests_beyond_the_rate_are_refused_until_the_second_is_over() {
    let admission = Admission { port_rate: Some(3), symbol_rate: Some(2), ..Admission::default() };
    let mut d = Desk::by(Rules { admission, ..Rules::default() });
    let mut at = |ms: u64, c: OrderCommand| {
        d.said.clear();
        d.venue.on_command(Nanos::from_millis(ms), &c, &mut d.said);
        d.kinds()
    };
    let accepted = |kinds: Vec<ReportKind>| matches!(kinds[..], [ReportKind::Accepted { .. }]);
    assert!(accepted(at(1_000, new(1, Side::Buy, 100, 5, Tif::Day))));
    assert!(accepted(at(1_100, new(2, Side::Buy, 100, 5, Tif::Day))));
    assert_eq!(at(1_200, new(3, Side::Buy, 100, 5, Tif::Day)), rejected(rules::SYMBOL_RATE));
    // A cancel counts for the port, and is done.
    for token in [1, 2] {
        assert_eq!(at(1_300, ask(CommandKind::Cancel { token: Token(token), qty: Qty(0) })).len(), 1);
    }
    assert_eq!(at(2_150, new(4, Side::Buy, 100, 5, Tif::Day)), rejected(rules::PORT_RATE));
    assert!(accepted(at(3_500, new(5, Side::Buy, 100, 5, Tif::Day))));
}
