//! The end in disorder: when everything of ours is gone, and when that is only said.

use gateways::apikey::{Lane, Request};
use model::ReportKind;

use super::desk::{Desk, ack, order};

const ALL: &str = "DELETE /api/v3/openOrders?symbol=BTCUSDT&";
const NONE: &str = r#"{"code":-2011,"msg":"Unknown order sent."}"#;

fn sweep(desk: &mut Desk) -> Request {
    desk.session.begin_sweep();
    assert!(!desk.session.is_swept());
    desk.must(Lane::Cancels, ALL)
}

#[test]
fn one_answer_is_enough_where_no_order_is_under_way() {
    for (status, body) in [(200, "[]"), (400, NONE)] {
        let mut desk = Desk::ready();
        desk.live(1, 10);
        // It waits, and never leaves.
        desk.buy(2, 10);
        let all = sweep(&mut desk);
        assert!(desk.next(Lane::Cancels).is_none() && desk.next(Lane::Orders).is_none());
        desk.answer(&all, status, body);
        assert!(desk.session.is_swept() && desk.next(Lane::Cancels).is_none());
        assert!(desk.next(Lane::Orders).is_none());
    }
}

#[test]
fn an_order_under_way_may_come_behind_the_cancel_so_it_is_sent_again() {
    type Outcome = fn(&mut Desk, &Request);
    let outcomes: [(&str, Outcome); 6] = [
        ("accepted", |desk, post| desk.answer(post, 200, &ack(1))),
        ("refused", |desk, post| desk.answer(post, 400, r#"{"code":-2010,"msg":"Insufficient balance."}"#)),
        ("never done", |desk, post| desk.refuse(post, 429, Some(1))),
        ("told by the stream", |desk, _| desk.stream(1, "NEW", "NEW", "0.000", "0.000", -1)),
        ("unknown, and there", |desk, post| {
            desk.lost(post);
            assert!(desk.next(Lane::Cancels).is_none());
            desk.wait(250);
            let query = desk.must(Lane::Questions, "GET /api/v3/order?");
            desk.answer(&query, 200, &order(1, "NEW", "0.000"));
        }),
        ("unknown, and out of its window", |desk, post| {
            desk.lost(post);
            for _ in 0..40 {
                desk.wait(250);
                let Some(query) = desk.next(Lane::Questions) else { break };
                assert!(desk.next(Lane::Cancels).is_none(), "it may still come");
                desk.answer(&query, 400, r#"{"code":-2013,"msg":"Order does not exist."}"#);
            }
            assert!(matches!(desk.kinds()[..], [ReportKind::Rejected { .. }]));
        }),
    ];
    for (name, outcome) in outcomes {
        // Before the venue has answered the cancel, and after.
        for early in [true, false] {
            let mut desk = Desk::ready();
            desk.buy(1, 10);
            let post = desk.must(Lane::Orders, "POST");
            let all = sweep(&mut desk);
            if !early {
                desk.answer(&all, 200, "[]");
                assert!(!desk.session.is_swept() && desk.next(Lane::Cancels).is_none(), "{name}");
            }
            outcome(&mut desk, &post);
            if early {
                desk.answer(&all, 200, "[]");
            }
            assert!(!desk.session.is_swept(), "{name}, {early}: what it found may have been too little");
            // Where the venue wants silence.
            desk.wait(1_000);
            let again = desk.must(Lane::Cancels, ALL);
            desk.answer(&again, 200, "[]");
            assert!(desk.session.is_swept(), "{name}, {early}");
        }
    }
}

#[test]
fn a_cancel_of_everything_that_failed_is_asked_again_whatever_is_under_way() {
    let mut desk = Desk::ready();
    desk.buy(1, 10);
    let post = desk.must(Lane::Orders, "POST");
    let all = sweep(&mut desk);
    desk.lost(&all);
    desk.wait(10_000);
    let again = desk.must(Lane::Cancels, ALL);
    desk.answer(&again, 500, "");
    desk.wait(10_000);
    let again = desk.must(Lane::Cancels, ALL);
    desk.answer(&again, 200, "[]");
    assert!(!desk.session.is_swept() && desk.next(Lane::Cancels).is_none());
    desk.answer(&post, 200, &ack(1));
    let last = desk.must(Lane::Cancels, ALL);
    desk.answer(&last, 200, "[]");
    assert!(desk.session.is_swept());
}

#[test]
fn an_order_that_is_known_while_the_symbol_waits_is_canceled_by_itself() {
    let mut desk = Desk::ready();
    for token in [1, 2] {
        desk.buy(token, 10);
    }
    let posts = [1, 2].map(|_| desk.must(Lane::Orders, "POST"));
    desk.cancel(1);
    let all = sweep(&mut desk);
    desk.answer(&all, 200, "[]");
    desk.answer(&posts[0], 200, &ack(1));
    desk.must(Lane::Cancels, "DELETE /api/v3/order?symbol=BTCUSDT&origClientOrderId=colo-1&");
    assert!(!desk.session.is_swept());
}
