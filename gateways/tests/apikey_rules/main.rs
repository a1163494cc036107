//! The session of a venue with API keys against canned answers: each rule of its module by itself. What it does with a whole venue is in the program's tests.

mod days;
mod desk;
mod sweep;

use desk::{Desk, INFO, ack, fill, order};
use gateways::apikey::{Lane, Stage, own};
use model::{CommandKind, Px, Qty, ReportKind, SessionEvent, Tif, Token};

#[test]
fn an_order_says_its_terms_in_the_venue_s_decimals_and_is_signed() {
    let mut desk = Desk::ready();
    desk.buy(7, 14);
    let request = desk.must(Lane::Orders, "POST /api/v3/order?");
    let stamp = desk.now.0 / 1_000_000;
    let query = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.014&price=61800.2&newClientOrderId=colo-7\
         &newOrderRespType=ACK&recvWindow=5000&timestamp={stamp}"
    );
    let signature = gateways::apikey::auth::signature("s", &query);
    assert_eq!(request.target, format!("/api/v3/order?{query}&signature={signature}"));
    assert_eq!(request.headers, [("X-MBX-APIKEY", "k".to_owned())]);
    assert_eq!(request.token, Some(Token(7)));
}

#[test]
fn what_does_not_fit_is_refused_here_and_nothing_is_sent() {
    let mut desk = Desk::ready();
    desk.buy(1, 2_000_000);
    assert_eq!(desk.kinds(), [ReportKind::Rejected { reason: own::QUANTITY }]);
    desk.submit(CommandKind::Cancel { token: Token(9), qty: Qty(5) });
    assert_eq!(desk.kinds(), [ReportKind::CancelRejected]);
    assert!(desk.next(Lane::Orders).is_none() && desk.next(Lane::Cancels).is_none());
}

#[test]
fn a_request_without_an_answer_is_asked_about_and_never_repeated() {
    let mut desk = Desk::ready();
    desk.buy(1, 10);
    let request = desk.must(Lane::Orders, "POST");
    desk.lost(&request);
    desk.wait(250);
    // There is none, but it may still be on its way: until it is out of its window, that says nothing.
    for _ in 0..20 {
        let query = desk.must(Lane::Questions, "GET /api/v3/order?symbol=BTCUSDT&origClientOrderId=colo-1&");
        desk.answer(&query, 400, r#"{"code":-2013,"msg":"Order does not exist."}"#);
        assert_eq!(desk.kinds(), []);
        assert!(desk.next(Lane::Orders).is_none(), "not repeated");
        desk.wait(250);
    }
    let query = desk.must(Lane::Questions, "GET /api/v3/order?");
    desk.answer(&query, 400, r#"{"code":-2013}"#);
    assert_eq!(desk.kinds(), [ReportKind::Rejected { reason: own::NEVER_ARRIVED }]);
    assert!(desk.next(Lane::Questions).is_none());
}

#[test]
fn an_order_that_arrived_without_an_answer_is_found() {
    for status in [500, 503, 400] {
        let mut desk = Desk::ready();
        desk.buy(1, 10);
        let request = desk.must(Lane::Orders, "POST");
        desk.answer(&request, status, r#"{"code":-1007,"msg":"Timeout"}"#);
        desk.cancel(1);
        assert!(desk.next(Lane::Cancels).is_none(), "it could come there before the order");
        desk.wait(250);
        let query = desk.must(Lane::Questions, "GET /api/v3/order?");
        desk.answer(&query, 200, &order(1, "NEW", "0.000"));
        assert!(matches!(desk.kinds()[..], [ReportKind::Accepted { qty: Qty(10), .. }]));
        let cancel = desk.must(Lane::Cancels, "DELETE /api/v3/order?");
        desk.answer(
            &cancel,
            200,
            r#"{"orderId":71,"status":"CANCELED","executedQty":"0.000","transactTime":9}"#,
        );
        assert_eq!(desk.kinds(), [ReportKind::Canceled { qty: Qty(10), reason: b'U' }]);
    }
}

#[test]
fn words_about_another_order_say_nothing_of_this_one() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.buy(2, 10);
    let request = desk.must(Lane::Orders, "POST");
    desk.answer(&request, 200, &ack(1));
    assert_eq!(desk.kinds(), []);
    desk.wait(250);
    for (said, told) in [(order(1, "FILLED", "0.010"), false), (order(2, "NEW", "0.000"), true)] {
        let query = desk.must(Lane::Questions, "GET /api/v3/order?symbol=BTCUSDT&origClientOrderId=colo-2&");
        desk.answer(&query, 200, &said);
        assert_eq!(matches!(desk.kinds()[..], [ReportKind::Accepted { qty: Qty(10), .. }]), told);
        desk.wait(250);
    }
    // It was not canceled; another was.
    desk.cancel(2);
    let cancel = desk.must(Lane::Cancels, "DELETE");
    desk.answer(&cancel, 200, r#"{"orderId":71,"status":"CANCELED","executedQty":"0.000","transactTime":9}"#);
    assert_eq!(desk.kinds(), []);
    let query = desk.must(Lane::Questions, "GET /api/v3/order?symbol=BTCUSDT&origClientOrderId=colo-2&");
    desk.answer(&query, 200, &order(2, "CANCELED", "0.000"));
    assert_eq!(desk.kinds(), [ReportKind::Canceled { qty: Qty(10), reason: b'U' }]);
}

#[test]
fn a_fill_counts_once_by_its_trade_and_an_end_waits_for_all_of_them() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "0.004", "0.004", 900);
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "0.004", "0.004", 900);
    assert_eq!(desk.kinds(), [fill(4, 900)]);
    // Trade 901 was missed.
    desk.stream(1, "CANCELED", "CANCELED", "0.000", "0.006", -1);
    assert_eq!(desk.kinds(), []);
    assert!(desk.next(Lane::Questions).is_none(), "the stream has a moment to bring it");
    desk.wait(500);
    let request = desk.must(Lane::Questions, "GET /api/v3/myTrades?");
    let trade = |id, qty| {
        format!(
            r#"{{"id":{id},"orderId":71,"price":"61800.20","qty":"{qty}","time":3,"isMaker":true,"isBuyer":true}}"#
        )
    };
    desk.answer(&request, 200, &format!("[{},{}]", trade(900, "0.004"), trade(901, "0.002")));
    assert_eq!(desk.kinds(), [fill(2, 901), ReportKind::Canceled { qty: Qty(4), reason: b'S' }]);
    // Late words about it change nothing.
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "0.002", "0.006", 901);
    assert_eq!(desk.kinds(), []);
}

#[test]
fn too_many_requests_silence_all_and_lose_nothing() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.buy(2, 10);
    desk.cancel(1);
    let request = desk.must(Lane::Orders, "POST");
    desk.refuse(&request, 429, Some(3));
    assert_eq!(desk.kinds(), [ReportKind::Rejected { reason: own::UNSENT }]);
    assert_eq!(
        (desk.session.stage(), desk.heard.1.last()),
        (Stage::Silent, Some(&SessionEvent::Disconnected))
    );
    assert!(!desk.submit(CommandKind::Cancel { token: Token(1), qty: Qty::ZERO }), "nothing can be sent");
    // The stream speaks on.
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "0.004", "0.004", 900);
    assert_eq!(desk.kinds(), [fill(4, 900)]);
    desk.wait(2_900);
    assert!(desk.next(Lane::Cancels).is_none() && desk.next(Lane::Questions).is_none());
    assert_eq!(desk.session.stage(), Stage::Silent);
    desk.wait(100);
    let ready = SessionEvent::Ready { next_token: Token(3), proven: true };
    assert_eq!((desk.session.stage(), desk.heard.1.last()), (Stage::Ready, Some(&ready)));
    desk.must(Lane::Cancels, "DELETE /api/v3/order?symbol=BTCUSDT&origClientOrderId=colo-1&");
    assert!(desk.next(Lane::Questions).is_none(), "nothing was missed");
}

#[test]
fn a_session_that_is_silent_is_not_ready_whatever_else_comes() {
    // An order is unknown when the silence ends.
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.buy(2, 10);
    desk.cancel(1);
    let (order_2, cancel) = (desk.must(Lane::Orders, "POST"), desk.must(Lane::Cancels, "DELETE"));
    desk.refuse(&cancel, 418, Some(120));
    desk.lost(&order_2);
    desk.wait(120_000);
    assert_eq!(desk.session.stage(), Stage::Replaying);
    let query = desk.must(Lane::Questions, "GET /api/v3/order?symbol=BTCUSDT&origClientOrderId=colo-2&");
    desk.answer(&query, 200, &order(2, "NEW", "0.000"));
    assert_eq!(desk.session.stage(), Stage::Ready);

    // The stream ends in the silence.
    let mut desk = Desk::ready();
    desk.buy(3, 10);
    let request = desk.must(Lane::Orders, "POST");
    desk.refuse(&request, 429, Some(20));
    let told = desk.heard.1.len();
    desk.session.on_stream_closed(desk.now);
    desk.pump();
    assert_eq!((desk.session.stage(), desk.heard.1.len()), (Stage::Starting, told), "it is told once");
    desk.log_in("[]", "[]");
    assert_eq!(desk.session.stage(), Stage::Ready);

    // What was missed is read by then, but for what another request of the time before brings.
    let mut desk = Desk::new();
    desk.wait(20_000);
    for body in [
        &format!(r#"{{"serverTime":{}}}"#, desk.now.0 / 1_000_000),
        INFO,
        r#"{"listenKey":"abc"}"#,
        "[]",
        "[]",
    ] {
        let request = desk.must(Lane::Questions, "");
        desk.answer(&request, 200, body);
        desk.session.on_stream_open();
    }
    let trades = desk.must(Lane::Questions, "GET /api/v3/myTrades");
    desk.session.begin_sweep();
    let cancel = desk.must(Lane::Cancels, "DELETE");
    desk.refuse(&cancel, 418, Some(60));
    desk.answer(&trades, 200, "[]");
    assert_eq!(desk.session.stage(), Stage::Replaying);
    desk.wait(60_000);
    assert_eq!(desk.session.stage(), Stage::Ready);
}

#[test]
fn no_silence_is_longer_than_a_venue_s_longest_ban() {
    let mut desk = Desk::ready();
    desk.buy(1, 10);
    let request = desk.must(Lane::Orders, "POST");
    desk.refuse(&request, 418, Some(u32::MAX));
    let three_days = 3 * 86_400_000;
    desk.wait(three_days - 1);
    assert_eq!((desk.session.stage(), desk.next(Lane::Questions).is_none()), (Stage::Silent, true));
    desk.wait(1);
    assert_eq!((desk.session.stage(), desk.next(Lane::Questions).is_some()), (Stage::Ready, true));
}

#[test]
fn a_limit_that_nothing_could_be_asked_under_is_not_believed() {
    for limit in [0, 1, 21] {
        let mut desk = Desk::new();
        let weight = format!(
            r#"{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":{limit}}}"#
        );
        desk.info =
            INFO.replace("\"rateLimits\":[", &format!("\"rateLimits\":[{weight},")).replace(":20}", ":0}");
        desk.log_in("[]", "[]");
        assert_eq!(desk.session.stage(), Stage::Ready, "{limit}");
        desk.live(1, 10);
        desk.cancel(1);
        desk.must(Lane::Cancels, "DELETE");
    }
}

#[test]
fn a_cancel_without_an_answer_is_repeated_only_when_it_can_have_no_effect_any_more() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.cancel(1);
    let cancel = desk.must(Lane::Cancels, "DELETE");
    desk.lost(&cancel);
    let mut asked = 0;
    let again = loop {
        desk.wait(250);
        if let Some(again) = desk.next(Lane::Cancels) {
            break again;
        }
        let query = desk.must(Lane::Questions, "GET /api/v3/order?");
        desk.answer(&query, 200, &order(1, "NEW", "0.000"));
        asked += 1;
    };
    assert!((19..=21).contains(&asked), "{asked}");
    desk.answer(&again, 400, r#"{"code":-2011,"msg":"Unknown order sent."}"#);
    desk.wait(250);
    let query = desk.must(Lane::Questions, "GET /api/v3/order?");
    desk.answer(&query, 200, &order(1, "CANCELED", "0.000"));
    assert_eq!(desk.kinds(), [ReportKind::Canceled { qty: Qty(10), reason: b'U' }]);
}

#[test]
fn a_stamp_out_of_the_window_reads_the_clock_again() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.buy(2, 10);
    desk.cancel(1);
    let new = desk.must(Lane::Orders, "POST");
    let cancel = desk.must(Lane::Cancels, "DELETE");
    let stamp = r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;
    desk.answer(&new, 400, stamp);
    desk.answer(&cancel, 400, stamp);
    assert_eq!(desk.kinds(), [ReportKind::Rejected { reason: 1021 }]);
    assert!(desk.next(Lane::Cancels).is_none());
    let time = desk.must(Lane::Questions, "GET /api/v3/time");
    desk.answer(&time, 200, r#"{"serverTime":1800000000000}"#);
    let cancel = desk.must(Lane::Cancels, "DELETE");
    assert!(cancel.target.contains("timestamp=1800000000000&"), "{}", cancel.target);
}

#[test]
fn a_replace_keeps_the_total_and_its_outcomes_are_told() {
    let replace = |desk: &mut Desk| {
        let kind = CommandKind::Replace {
            old: Token(1),
            token: Token(2),
            qty: Qty(8),
            px: Px(618_003),
            tif: Tif::Day,
        };
        assert!(desk.submit(kind));
        desk.next(Lane::Orders)
    };
    // Done; the stream tells of the cancel first, and of the new order after the answer.
    let mut desk = Desk::ready();
    desk.live(1, 10);
    let request = replace(&mut desk).unwrap();
    assert!(request.target.contains("cancelRestrictions=ONLY_NEW&cancelOrigClientOrderId=colo-1&"));
    desk.stream(1, "CANCELED", "CANCELED", "0.000", "0.000", -1);
    desk.answer(&request, 200, &format!(r#"{{"cancelResult":"SUCCESS","newOrderResponse":{}}}"#, ack(2)));
    desk.stream(2, "NEW", "NEW", "0.000", "0.000", -1);
    assert!(matches!(
        desk.kinds()[..],
        [ReportKind::Replaced { old: Token(1), qty: Qty(8), px: Px(618_003), .. }]
    ));

    // Not done: the old one lives.
    let mut desk = Desk::ready();
    desk.live(1, 10);
    let request = replace(&mut desk).unwrap();
    desk.answer(&request, 400, r#"{"code":-2022,"msg":"Order cancel-replace failed."}"#);
    assert_eq!(desk.kinds(), [ReportKind::Rejected { reason: 2022 }]);
    desk.stream(1, "TRADE", "FILLED", "0.010", "0.010", 5);
    assert_eq!(desk.kinds(), [fill(10, 5)]);

    // Canceled, and no new one.
    let mut desk = Desk::ready();
    desk.live(1, 10);
    let request = replace(&mut desk).unwrap();
    desk.answer(&request, 409, r#"{"code":-2021,"msg":"Order cancel-replace partially failed."}"#);
    assert_eq!(
        desk.kinds(),
        [ReportKind::Rejected { reason: 2021 }, ReportKind::Canceled { qty: Qty(10), reason: b'S' }]
    );

    // What has traded in part cannot be: the venue would trade the rest on top.
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "0.004", "0.004", 5);
    assert!(replace(&mut desk).is_none());
    assert_eq!(desk.kinds(), [fill(4, 5), ReportKind::Rejected { reason: own::NOT_REPLACEABLE }]);
}

#[test]
fn after_the_stream_was_away_everything_is_read_again() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.live(2, 10);
    desk.buy(3, 10);
    desk.session.on_stream_closed(desk.now);
    desk.pump();
    assert_eq!(desk.kinds(), [ReportKind::Rejected { reason: own::UNSENT }]);
    assert!(!desk.submit(CommandKind::Cancel { token: Token(1), qty: Qty::ZERO }), "not ready");
    let orders = format!("[{},{}]", order(1, "FILLED", "0.010"), order(2, "NEW", "0.000"));
    let trades = r#"[{"id":5,"orderId":71,"price":"61800.20","qty":"0.010","time":3,"isMaker":true}]"#;
    desk.log_in(&orders, trades);
    assert_eq!(desk.session.stage(), Stage::Ready);
    assert_eq!(desk.kinds(), [fill(10, 5)]);
    let ready = SessionEvent::Ready { next_token: Token(4), proven: true };
    assert_eq!(desk.heard.1[2..], [SessionEvent::Disconnected, SessionEvent::LoggedIn, ready]);
}

const NO_ORDER: &str = r#"{"code":-2013,"msg":"Order does not exist."}"#;

#[test]
fn an_order_that_the_venue_has_forgotten_is_gone_when_it_was_denied_twice() {
    let mut desk = Desk::ready();
    for token in 1..=3 {
        desk.live(token, 10);
    }
    desk.stream(2, "TRADE", "PARTIALLY_FILLED", "0.004", "0.004", 900);
    assert_eq!(desk.kinds(), [fill(4, 900)]);
    desk.session.on_stream_closed(desk.now);
    // The list has one of the three.
    let orders = format!("[{}]", order(3, "NEW", "0.000"));
    desk.wait(20_000);
    for _ in 0..7 {
        if desk.session.wants_stream().is_some() {
            desk.session.on_stream_open();
        }
        let Some(request) = desk.next(Lane::Questions) else { break };
        match request.target.split('?').next().unwrap() {
            "/api/v3/userDataStream" => desk.answer(&request, 200, r#"{"listenKey":"abc"}"#),
            "/api/v3/allOrders" | "/api/v3/openOrders" => desk.answer(&request, 200, &orders),
            "/api/v3/myTrades" => desk.answer(&request, 200, "[]"),
            "/api/v3/order" => desk.answer(&request, 400, NO_ORDER),
            other => panic!("{other}"),
        }
    }
    assert_eq!((desk.session.stage(), desk.kinds()), (Stage::Replaying, vec![]), "one word is no evidence");
    desk.wait(4_000);
    assert!(desk.next(Lane::Questions).is_none(), "within the window");
    desk.wait(2_000);
    // A part of the venue knew better.
    let ask = |desk: &mut Desk, status, body: &str| {
        let request = desk.must(Lane::Questions, "GET /api/v3/order?");
        desk.answer(&request, status, body);
        request.target.contains("colo-1&")
    };
    assert!(ask(&mut desk, 200, &order(1, "NEW", "0.000")));
    assert!(!ask(&mut desk, 400, NO_ORDER));
    assert_eq!(desk.kinds(), [ReportKind::Canceled { qty: Qty(6), reason: b'Z' }]);
    assert_eq!(desk.heard.2.last(), Some(&Token(2)));
    // Such a venue may give its numbers again: its day is read from the start.
    assert_eq!(desk.session.stage(), Stage::Replaying);
    let request = desk.must(Lane::Questions, "GET /api/v3/allOrders?");
    assert!(request.target.contains("startTime="), "{}", request.target);
    let orders = format!("[{}, {}]", order(1, "NEW", "0.000"), order(3, "NEW", "0.000"));
    desk.answer(&request, 200, &orders);
    let request = desk.must(Lane::Questions, "GET /api/v3/openOrders?symbol=BTCUSDT&");
    desk.answer(&request, 200, &orders);
    let request = desk.must(Lane::Questions, "GET /api/v3/myTrades?");
    assert!(request.target.contains("startTime="), "{}", request.target);
    desk.answer(&request, 200, "[]");
    assert_eq!((desk.session.stage(), desk.kinds()), (Stage::Ready, vec![]));
}

#[test]
fn a_cancel_of_an_order_that_the_venue_has_forgotten_ends_it() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.cancel(1);
    let request = desk.must(Lane::Cancels, "DELETE /api/v3/order?");
    desk.answer(&request, 400, r#"{"code":-2011,"msg":"Unknown order sent."}"#);
    for wait in [300, 5_500] {
        assert_eq!(desk.kinds(), []);
        desk.wait(wait);
        let request = desk.must(Lane::Questions, "GET /api/v3/order?");
        desk.answer(&request, 400, NO_ORDER);
    }
    assert_eq!(desk.kinds(), [ReportKind::Canceled { qty: Qty(10), reason: b'Z' }]);
}

#[test]
fn orders_of_an_earlier_run_are_adopted_and_others_are_not_ours() {
    let mut desk = Desk::new();
    let foreign = order(4, "NEW", "0.000").replace("colo-4", "web-4");
    let odd = order(5, "NEW", "0.000").replace("colo-5", "colo-05");
    let orders = format!(
        "[{},{foreign},{odd},{}]",
        order(2, "CANCELED", "0.004"),
        order(3, "PARTIALLY_FILLED", "0.001")
    );
    let trades = r#"[{"id":8,"orderId":72,"price":"61800.20","qty":"0.004","time":3,"isMaker":true},
        {"id":9,"orderId":73,"price":"61800.20","qty":"0.001","time":3,"isMaker":true},
        {"id":10,"orderId":74,"price":"61800.20","qty":"0.001","time":3,"isMaker":true}]"#;
    desk.log_in(&orders, trades);
    let kinds = desk.kinds();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert!(kinds[..2].iter().all(|k| matches!(k, ReportKind::Accepted { qty: Qty(10), .. })));
    assert_eq!(kinds[2..], [fill(4, 8), ReportKind::Canceled { qty: Qty(6), reason: b'S' }, fill(1, 9)]);
    assert_eq!(desk.heard.2, [Token(2), Token(3), Token(2), Token(2), Token(3)]);
    let ready = SessionEvent::Ready { next_token: Token(4), proven: true };
    assert_eq!(desk.heard.1.last(), Some(&ready));
}

#[test]
fn the_highest_number_that_an_order_can_have_is_no_end_of_numbers() {
    let mut desk = Desk::new();
    let last = order(2, "CANCELED", "0.000").replace("\"orderId\":72", "\"orderId\":18446744073709551615");
    desk.log_in(&format!("[{last}]"), "[]");
    assert_eq!(desk.session.stage(), Stage::Ready);
    desk.session.on_stream_closed(desk.now);
    desk.log_in("[]", "[]");
    assert_eq!(desk.session.stage(), Stage::Ready);
}

#[test]
fn an_expired_listen_key_is_replaced_and_one_that_lives_is_kept() {
    let mut desk = Desk::ready();
    desk.wait(30 * 60_000 - 1_000);
    let mut targets = Vec::new();
    for _ in 0..3 {
        desk.wait(1_000);
        while let Some(request) = desk.next(Lane::Questions) {
            targets.push(format!("{} {}", request.method, request.target));
            let time = format!(r#"{{"serverTime":{}}}"#, desk.now.0 / 1_000_000);
            desk.answer(&request, 200, &time);
        }
    }
    assert!(targets.contains(&"PUT /api/v3/userDataStream?listenKey=abc".to_owned()), "{targets:?}");
    assert!(desk.session.wants_stream().is_some());
    desk.session.on_stream_text(desk.now, r#"{"e":"listenKeyExpired","E":1,"listenKey":"abc"}"#);
    desk.pump();
    assert_eq!(desk.session.wants_stream(), None);
    assert_eq!(desk.heard.1.last(), Some(&SessionEvent::Disconnected));
    desk.log_in("[]", "[]");
    assert_eq!(desk.session.stage(), Stage::Ready);
}

#[test]
fn a_venue_that_does_not_know_us_is_not_asked_again() {
    let mut desk = Desk::new();
    let time = desk.must(Lane::Questions, "GET /api/v3/time");
    desk.answer(&time, 200, r#"{"serverTime":1700000000000}"#);
    let info = desk.must(Lane::Questions, "GET /api/v3/exchangeInfo");
    desk.answer(&info, 200, INFO);
    let listen = desk.must(Lane::Questions, "POST /api/v3/userDataStream");
    desk.answer(&listen, 400, r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#);
    assert_eq!(desk.heard.1, [SessionEvent::LoginRejected { code: b'A' }]);
    desk.wait(1_000_000);
    assert!(desk.next(Lane::Questions).is_none());
    assert_eq!(desk.session.stage(), Stage::Refused);
}

#[test]
fn no_answer_and_no_message_panics() {
    let texts =
        ["", "{", "[]", "null", "[null]", "{\"e\":1}", "{\"orderId\":-1}", "\u{0}", &"[".repeat(5_000)];
    for lane in [Lane::Questions, Lane::Orders, Lane::Cancels] {
        for text in texts {
            for status in [0, 200, 204, 400, 401, 403, 418, 429, 500, 999] {
                let mut desk = Desk::ready();
                desk.live(1, 10);
                desk.buy(2, 10);
                desk.cancel(1);
                desk.wait(700_000);
                if let Some(request) = desk.next(lane) {
                    desk.answer(&request, status, text);
                    desk.answer(&request, status, text);
                }
                desk.session.on_stream_text(desk.now, text);
                desk.pump();
            }
        }
    }
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "0.00001", "0.00001", 1);
    assert_eq!(
        desk.heard.1.last(),
        Some(&SessionEvent::Doubt),
        "not a whole unit: what is believed is wrong"
    );
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "4000", "4000", 2);
    desk.stream(1, "TRADE", "PARTIALLY_FILLED", "4000", "4000", 3);
}
