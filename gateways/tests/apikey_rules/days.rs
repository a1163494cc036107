//! Midnight: what was made before it, what is executed over it, and a process that runs over it.

use super::*;

/// Midnight UTC before the desk's clock, ms.
const DAY: u64 = 1_699_920_000_000;
const DAY_MS: u64 = 86_400_000;

/// An order made on the day before, of 10 units.
fn old_order(token: u32, status: &str, executed: &str) -> String {
    order(token, status, executed).replace("\"time\":1700000000000", "\"time\":1699900000000")
}

fn trade(id: u64, token: u32, qty: &str, time: u64) -> String {
    format!(
        r#"{{"id":{id},"orderId":{},"price":"61800.20","qty":"{qty}","time":{time},"isMaker":true,"isBuyer":true}}"#,
        70 + token
    )
}

fn adopted(kinds: &[ReportKind], qty: u32) -> bool {
    matches!(kinds.first(), Some(ReportKind::Accepted { qty: q, .. }) if *q == Qty(qty))
}

#[test]
fn an_order_from_before_the_day_is_adopted_with_what_is_left_of_it() {
    let mut desk = Desk::new();
    let foreign = old_order(4, "NEW", "0.000").replace("colo-4", "web-4");
    let live = format!("[{foreign},{}]", old_order(7, "PARTIALLY_FILLED", "0.006"));
    let (earlier, today) = (trade(900, 7, "0.004", DAY - 1), trade(901, 7, "0.002", DAY));
    let asked = desk.log_in_by(|path, query| match path {
        "allOrders" => (200, "[]".into()),
        "openOrders" => (200, live.clone()),
        "myTrades" if query.contains("orderId=77") => (200, format!("[{earlier},{today}]")),
        "myTrades" => (200, format!("[{today}]")),
        other => panic!("{other}"),
    });
    assert_eq!(
        asked,
        [
            format!("allOrders?symbol=BTCUSDT&limit=1000&startTime={DAY}"),
            "openOrders?symbol=BTCUSDT".into(),
            format!("myTrades?symbol=BTCUSDT&limit=1000&startTime={DAY}"),
            "myTrades?symbol=BTCUSDT&limit=1000&orderId=77".into(),
        ]
    );
    let kinds = desk.kinds();
    assert!(adopted(&kinds, 6), "{kinds:?}");
    assert_eq!(kinds[1..], [fill(2, 901)], "the trade of the day before is of that day");
    let ready = SessionEvent::Ready { next_token: Token(8), proven: true };
    assert_eq!(desk.heard.1, [SessionEvent::LoggedIn, ready]);
    // It goes on as any other.
    desk.stream(7, "TRADE", "PARTIALLY_FILLED", "0.002", "0.006", 901);
    desk.stream(7, "TRADE", "PARTIALLY_FILLED", "0.001", "0.007", 902);
    desk.stream(7, "CANCELED", "CANCELED", "0.000", "0.007", -1);
    assert_eq!(desk.kinds(), [fill(1, 902), ReportKind::Canceled { qty: Qty(3), reason: b'S' }]);
    desk.wait(500);
    let request = desk.must(Lane::Questions, "GET /api/v3/myTrades?symbol=BTCUSDT&limit=1000&fromId=902&");
    desk.answer(&request, 200, "[]");
    desk.wait(60_000);
    assert!(desk.next(Lane::Questions).is_none(), "nothing is missing");
    assert!(!desk.heard.1.contains(&SessionEvent::Doubt));
}

#[test]
fn what_was_executed_before_the_day_is_not_guessed_from_a_list_that_is_behind() {
    let mut desk = Desk::new();
    let live = format!("[{}]", old_order(7, "PARTIALLY_FILLED", "0.006"));
    let (earlier, today) = (trade(900, 7, "0.004", DAY - 1), trade(901, 7, "0.002", DAY));
    let mut whole = false;
    let log_in = |desk: &mut Desk, whole: bool| {
        desk.log_in_by(|path, query| match path {
            "allOrders" => (200, "[]".into()),
            "openOrders" => (200, live.clone()),
            "myTrades" if query.contains("orderId=77") && whole => (200, format!("[{earlier},{today}]")),
            "myTrades" => (200, format!("[{today}]")),
            other => panic!("{other}"),
        })
    };
    log_in(&mut desk, whole);
    assert_eq!((desk.session.stage(), desk.kinds()), (Stage::Replaying, vec![]));
    whole = true;
    log_in(&mut desk, whole);
    let kinds = desk.kinds();
    assert!(adopted(&kinds, 6), "{kinds:?}");
    assert_eq!((desk.session.stage(), &kinds[1..]), (Stage::Ready, &[fill(2, 901)][..]));
}

#[test]
fn what_was_said_before_the_stream_opened_is_asked_again() {
    let mut desk = Desk::new();
    let live = format!("[{}]", old_order(7, "PARTIALLY_FILLED", "0.006"));
    let (earlier, today) = (trade(900, 7, "0.004", DAY - 1), trade(901, 7, "0.002", DAY));
    desk.log_in_by(|path, query| match path {
        "allOrders" => (200, "[]".into()),
        "openOrders" => (200, live.clone()),
        "myTrades" if query.contains("orderId=77") => (503, String::new()),
        "myTrades" => (200, format!("[{today}]")),
        other => panic!("{other}"),
    });
    // Its trades are asked for, and the stream is gone and back before they come. Meanwhile it was canceled.
    desk.wait(1_000);
    let late = desk.must(Lane::Questions, "GET /api/v3/myTrades?symbol=BTCUSDT&limit=1000&orderId=77&");
    desk.session.on_stream_closed(desk.now);
    desk.session.on_stream_open();
    desk.answer(&late, 200, &format!("[{earlier},{today}]"));
    assert_eq!(desk.kinds(), []);
    desk.log_in_by(|path, query| match path {
        "allOrders" | "openOrders" => (200, "[]".into()),
        "order" => (200, old_order(7, "CANCELED", "0.006")),
        "myTrades" if query.contains("orderId=77") => (200, format!("[{earlier},{today}]")),
        "myTrades" => (200, "[]".into()),
        other => panic!("{other}"),
    });
    let kinds = desk.kinds();
    assert!(adopted(&kinds, 6), "{kinds:?}");
    assert_eq!(kinds[1..], [fill(2, 901), ReportKind::Canceled { qty: Qty(4), reason: b'S' }]);
    assert_eq!(desk.session.stage(), Stage::Ready);
}

#[test]
fn an_order_from_before_the_day_that_ended_in_it_is_found_by_its_trades() {
    let mut desk = Desk::new();
    let trades =
        [trade(901, 7, "0.002", DAY + 1), trade(902, 18, "0.001", DAY + 2), trade(903, 40, "0.001", DAY + 3)];
    // Order 110 is of the day, and another's: there is nothing to ask about it.
    let of_the_day = order(40, "FILLED", "0.001").replace("colo-40", "web-40");
    let asked = desk.log_in_by(|path, query| match (path, query.split_once("orderId=").map(|(_, n)| n)) {
        ("allOrders", _) => (200, format!("[{of_the_day}]")),
        ("openOrders", _) => (200, "[]".into()),
        ("myTrades", Some("77")) => (200, format!("[{},{}]", trade(900, 7, "0.008", DAY - 1), trades[0])),
        ("myTrades", None) => (200, format!("[{}]", trades.join(","))),
        ("order", Some("77")) => (200, old_order(7, "FILLED", "0.010")),
        ("order", Some("88")) => (200, old_order(18, "FILLED", "0.001").replace("colo-18", "web-18")),
        other => panic!("{other:?}"),
    });
    assert_eq!(asked.len(), 6, "{asked:?}");
    let kinds = desk.kinds();
    assert!(adopted(&kinds, 2), "{kinds:?}");
    assert_eq!(kinds[1..], [fill(2, 901)]);
    assert_eq!((desk.session.stage(), desk.heard.2.last()), (Stage::Ready, Some(&Token(7))));
    // What the stream said meanwhile is late.
    desk.stream(7, "TRADE", "FILLED", "0.002", "0.010", 901);
    assert_eq!((desk.kinds(), desk.heard.1.contains(&SessionEvent::Doubt)), (vec![], false));
}

#[test]
fn a_trade_of_the_day_that_nobody_accounts_for_is_a_doubt() {
    let mut desk = Desk::new();
    desk.log_in_by(|path, _| match path {
        "allOrders" | "openOrders" => (200, "[]".into()),
        "myTrades" => (200, format!("[{}]", trade(901, 7, "0.002", DAY + 1))),
        "order" => (400, r#"{"code":-2013,"msg":"Order does not exist."}"#.into()),
        other => panic!("{other}"),
    });
    assert!(desk.heard.1.contains(&SessionEvent::Doubt), "{:?}", desk.heard.1);
}

#[test]
fn a_fill_of_an_order_of_ours_that_was_never_known_is_a_doubt() {
    let mut desk = Desk::ready();
    desk.stream(9, "NEW", "NEW", "0.000", "0.000", -1);
    assert!(!desk.heard.1.contains(&SessionEvent::Doubt));
    desk.stream(9, "TRADE", "PARTIALLY_FILLED", "0.001", "0.001", 5);
    assert_eq!((desk.kinds(), desk.heard.1.last()), (vec![], Some(&SessionEvent::Doubt)));
}

#[test]
fn a_trade_from_before_midnight_is_found_after_it() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    // The stream is lost over midnight, and the symbol had never traded.
    desk.session.on_stream_closed(desk.now);
    desk.wait(26 * 3_600_000);
    let filled = order(1, "FILLED", "0.010");
    let asked = desk.log_in_by(|path, query| match path {
        "allOrders" if query.contains("startTime") => (200, format!("[{filled}]")),
        "myTrades" if query.contains(&format!("startTime={DAY}")) => {
            (200, format!("[{}]", trade(900, 1, "0.010", 1_700_000_000_500)))
        }
        _ => (200, "[]".into()),
    });
    let end = DAY + DAY_MS - 1;
    assert_eq!(
        asked,
        [
            // The venue's lists take a day at most.
            format!("allOrders?symbol=BTCUSDT&limit=1000&startTime={DAY}&endTime={end}"),
            "allOrders?symbol=BTCUSDT&limit=1000&orderId=72".into(),
            "openOrders?symbol=BTCUSDT".into(),
            format!("myTrades?symbol=BTCUSDT&limit=1000&startTime={DAY}&endTime={end}"),
            "myTrades?symbol=BTCUSDT&limit=1000&fromId=901".into(),
        ]
    );
    assert_eq!((desk.kinds(), desk.session.stage()), (vec![fill(10, 900)], Stage::Ready));
    desk.wait(60_000);
    assert!(desk.next(Lane::Questions).is_none(), "nothing is missing");
}

#[test]
fn windows_without_a_trade_are_passed_and_none_is_left_out() {
    let mut desk = Desk::ready();
    desk.session.on_stream_closed(desk.now);
    desk.wait(50 * 3_600_000);
    let asked = desk.log_in_by(|_, _| (200, "[]".into()));
    let windows: Vec<u64> = asked
        .iter()
        .filter(|a| a.starts_with("myTrades"))
        .map(|a| a.split("startTime=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap())
        .collect();
    let step = DAY_MS - 3_600_000;
    assert_eq!(windows, [DAY, DAY + step, DAY + 2 * step, DAY + 3 * step], "{asked:?}");
    assert!(!asked.last().unwrap().contains("endTime"), "the last one goes on to now");
    assert_eq!(desk.session.stage(), Stage::Ready);
}

#[test]
fn a_trade_that_does_not_come_is_asked_for_ever_more_seldom_and_by_its_order_too() {
    let mut desk = Desk::ready();
    desk.live(1, 10);
    desk.stream(1, "CANCELED", "CANCELED", "0.000", "0.006", -1);
    let mut asked = Vec::new();
    let minutes = |desk: &mut Desk, asked: &mut Vec<String>, says: &str| {
        for _ in 0..10 * 240 {
            desk.wait(250);
            if let Some(request) = desk.next(Lane::Questions) {
                let is_of_it = request.target.contains("orderId=71");
                let body = match request.target.split('?').next().unwrap() {
                    "/api/v3/time" => format!(r#"{{"serverTime":{}}}"#, desk.now.0 / 1_000_000),
                    "/api/v3/myTrades" if is_of_it => says.to_owned(),
                    "/api/v3/myTrades" => "[]".into(),
                    other => panic!("{other}"),
                };
                asked.push(request.target.clone());
                desk.answer(&request, 200, &body);
            }
        }
    };
    minutes(&mut desk, &mut asked, "[]");
    let by_order = asked.iter().filter(|a| a.contains("orderId=71")).count();
    let by_list = asked.iter().filter(|a| a.contains("myTrades") && !a.contains("orderId")).count();
    assert!((12..=20).contains(&(by_order + by_list)), "{asked:?}");
    assert!(by_order.abs_diff(by_list) <= 1, "{by_order} and {by_list}");
    // Its own list has it at last.
    minutes(&mut desk, &mut asked, &format!("[{}]", trade(900, 1, "0.006", DAY + 1)));
    assert_eq!(desk.kinds(), [fill(6, 900), ReportKind::Canceled { qty: Qty(4), reason: b'S' }]);
    let before = asked.len();
    minutes(&mut desk, &mut asked, "[]");
    assert!(!asked[before..].iter().any(|a| a.contains("myTrades")));
}
