//! Gateway agents under the kill switch: what stands in the ring, and what stands in the buffer of a socket that takes nothing.

use super::tests::World;
use super::*;

#[test]
fn what_is_killed_does_not_leave_and_is_told_of() {
    let mut w = World::new("killed", 6);
    w.log_in();
    w.push_orders(3);
    w.until("three orders", |w| w.venue.messages(b'O') == 3);
    let at = w.clock.now();
    w.ending.kill().trip(None, at);
    let tokens: Vec<_> = w.approved.iter().map(|item| item.approved.command().token()).collect();
    w.push_orders(3);
    let mut told = Vec::new();
    w.until("three that were held back", |w| {
        while let Some(item) = w.items.pop() {
            if let GatewayItem::NeverSent { token, .. } = item {
                told.push(token);
            }
        }
        told.len() == 3
    });
    assert_eq!(told, tokens);
    assert_eq!((w.venue.messages(b'O'), w.counter(counter::held_back)), (3, 3));
    assert!((1..=at.0).contains(&w.counter(counter::last_order_ns)), "the last one left before");
    assert_eq!(w.venue.connections, 1, "nothing was on its way, so the session stands");
}

#[test]
fn what_the_socket_has_not_taken_goes_with_its_connection() {
    let mut w = World::new("killed-stuck", 3);
    w.log_in();
    // The venue reads nothing, until the kernel takes nothing more and a part of an order is left.
    let _deaf = w.orders_in_transit();
    let sent = w.counter(counter::sent);
    w.ending.kill().trip(None, w.clock.now());
    w.until("another connection", |w| {
        w.ahead += 1_000_000;
        w.venue.connections == 2
    });
    w.log_in();
    for _ in 0..100 {
        w.step();
    }
    assert_eq!(w.counter(counter::sent), sent, "nothing more has left");
    assert!(w.agent.in_transmit.is_empty() && w.counter(counter::unsent) > 0);
}
