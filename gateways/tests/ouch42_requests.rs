//! What OUCH 4.2 says on the wire for what the core asks, from command to bytes.

mod support;

use gateways::gateway::{OrderGateway, SoupGateway};
use gateways::order::ClOrdId;
use gateways::ouch42::Ouch42;
use model::{CommandKind, Nanos, Px, Qty, Side, Tif, Token};
use support::spoken::Spoken;
use support::venue::login_accepted;
use support::{Sink, command, config, flush, instruments, packet, receive};

const START: Nanos = Nanos(1_000);

/// Ready, orders named under `MM01`.
fn ready() -> (SoupGateway<Ouch42>, Sink) {
    let mut c = config();
    c.orders.clordid = ClOrdId::Tagged(*b"MM01");
    c.orders.send_firm = true;
    let mut g = SoupGateway::new(c, &instruments()).unwrap();
    let mut sink = Sink::default();
    g.on_connected(START);
    flush(&mut g);
    receive(&mut g, START, &login_accepted("S1", 1), 99, &mut sink).unwrap();
    g.on_timeout(START.after(Nanos::from_millis(100)), &mut sink).unwrap();
    assert!(g.is_ready());
    assert!(flush(&mut g).is_empty(), "nothing is asked");
    (g, sink)
}

#[test]
fn each_request_has_its_bytes() {
    let (mut g, _) = ready();
    let px = Px::MAX;
    let new = |token, side, short, tif| {
        command(CommandKind::New { token: Token(token), side, short, qty: Qty(999_999), px, tif })
    };
    let cases: [(_, &[u8]); 5] = [
        (
            new(1, Side::Buy, false, Tif::Day),
            b"\0\x32UOMM010000000001B\0\x0f\x42\x3fAAPL    \x77\x35\x93\x9c\0\x01\x86\x9eFIRMYPN\0\0\0\0NN",
        ),
        (
            new(2, Side::Sell, false, Tif::Ioc),
            b"\0\x32UOMM010000000002S\0\x0f\x42\x3fAAPL    \x77\x35\x93\x9c\0\0\0\0FIRMYPN\0\0\0\0NN",
        ),
        (
            new(u32::MAX - 1, Side::Sell, true, Tif::Ioc),
            b"\0\x32UOMM014294967294T\0\x0f\x42\x3fAAPL    \x77\x35\x93\x9c\0\0\0\0FIRMYPN\0\0\0\0NN",
        ),
        (
            command(CommandKind::Replace {
                old: Token(1),
                token: Token(u32::MAX),
                qty: Qty(7),
                px: Px(1),
                tif: Tif::Day,
            }),
            b"\0\x30UUMM010000000001MM014294967295\0\0\0\x07\0\0\0\x01\0\x01\x86\x9eYN\0\0\0\0",
        ),
        (command(CommandKind::Cancel { token: Token(1), qty: Qty(40) }), b"\0\x14UXMM010000000001\0\0\0\x28"),
    ];
    for (c, want) in cases {
        g.encode(START, &c).unwrap();
        assert_eq!(flush(&mut g), want, "{c:?}");
    }
    g.modify(START, Token(2), Side::Sell, true, Qty(5)).unwrap();
    g.trade_now(START, Token(2)).unwrap();
    assert_eq!(flush(&mut g), b"\0\x15UMMM010000000002T\0\0\0\x05\0\x10UNMM010000000002");
}

#[test]
fn a_name_of_the_same_digits_under_another_tag_is_never_a_fill_of_ours() {
    let (mut g, mut sink) = ready();
    let order = CommandKind::New {
        token: Token(1),
        side: Side::Buy,
        short: false,
        qty: Qty(100),
        px: Px(1),
        tif: Tif::Day,
    };
    g.encode(START, &command(order)).unwrap();
    // The suite's venue writes the tag 0000.
    for message in [Ouch42::accepted(1, 100), Ouch42::executed(1, 100), Ouch42::canceled(1, 100)] {
        receive(&mut g, START, &packet(b'S', &message), 99, &mut sink).unwrap();
    }
    assert_eq!((sink.reports().len(), g.counters().foreign), (0, 3));
    assert_eq!(g.highest_token_seen(), Token(0));
}
