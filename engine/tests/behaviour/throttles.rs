//! What a gateway's venue lets pass: windows, a bucket, weights, and the reserve that is for cancels.

use engine::{BucketLimit, RiskReject, Throttle, Weights, WindowLimit};
use model::{CommandKind, Nanos};

use crate::kit::*;

const MS: u64 = 1_000_000;

fn window(limit: u32, ms: u64) -> WindowLimit {
    WindowLimit { limit, span: Nanos::from_millis(ms) }
}

/// Orders that differ, so that nothing but the rate refuses them.
fn order(k: u32) -> engine::strategy::Intent {
    buy(A, 1 + k, MID - 100)
}

fn refused_for_rate(kit: &mut Kit<Hand>, k: u32) -> bool {
    match kit.ask(order(k)) {
        Ok(_) => false,
        Err(why) => {
            assert_eq!(why, RiskReject::MessageRate);
            true
        }
    }
}

#[test]
fn every_window_of_a_gateway_holds_and_no_other_gateways() {
    let windows = vec![window(3, 10), window(5, 100)];
    let mut kit = Kit::throttled(wide(), Throttle { windows, ..Throttle::default() });
    let start = kit.now.0;
    for k in 0..3 {
        kit.passes(order(k));
    }
    assert!(refused_for_rate(&mut kit, 3), "three in 10 ms");
    kit.now = Nanos(start + 10 * MS - 1);
    assert!(refused_for_rate(&mut kit, 3), "a nanosecond too early");
    kit.now = Nanos(start + 10 * MS);
    kit.passes(order(3));
    kit.passes(order(4));
    kit.now = Nanos(start + 20 * MS);
    assert!(refused_for_rate(&mut kit, 5), "five in 100 ms");
    for k in 0..20 {
        kit.passes(buy(C, 1 + k, MID - 100));
    }
    kit.now = Nanos(start + 100 * MS);
    kit.passes(order(5));
    assert_eq!(kit.engine.stats().refusals, 3);
}

#[test]
fn a_bucket_gives_a_burst_and_then_its_rate() {
    let bucket = Some(BucketLimit { per_second: 100, burst: 4 });
    let mut kit = Kit::throttled(wide(), Throttle { bucket, ..Throttle::default() });
    for k in 0..4 {
        kit.passes(order(k));
    }
    assert!(refused_for_rate(&mut kit, 4));
    for k in 4..9 {
        kit.now.0 += 10 * MS - 1;
        assert!(refused_for_rate(&mut kit, k));
        kit.now.0 += 1;
        kit.passes(order(k));
    }
}

#[test]
fn cancels_pass_count_and_have_a_reserve() {
    let throttle = Throttle { windows: vec![window(6, 1_000)], cancel_reserve: 2, ..Throttle::default() };
    let mut kit = Kit::throttled(wide(), throttle);
    let start = kit.now.0;
    let tokens: Vec<u32> = (0..4).map(|k| kit.live(order(k))).collect();
    assert!(refused_for_rate(&mut kit, 4), "what is left is for cancels");
    kit.now.0 += MS;
    for t in tokens {
        assert!(kit.ask(cancel(t)).unwrap().is_some(), "within the reserve and beyond it");
    }
    // The orders leave the window; of the four cancels all are counted, so two units are left, and those are the reserve.
    kit.now = Nanos(start + 1_000 * MS);
    assert!(refused_for_rate(&mut kit, 5));
    kit.now.0 += MS;
    kit.passes(order(5));
}

#[test]
fn kinds_of_request_weigh_what_the_venue_says() {
    let weights = Weights { new: 1, replace: 3, cancel: 0 };
    let throttle = Throttle { windows: vec![window(5, 1_000)], weights, ..Throttle::default() };
    let mut kit = Kit::throttled(wide(), throttle);
    let t = kit.live(order(0));
    let n = kit.passes(replace(t, 50, MID - 200));
    kit.report(n, replaced(t, 50, MID - 200));
    assert_eq!(kit.refused(replace(t, 60, MID - 200)), RiskReject::MessageRate, "one unit is left");
    kit.ask(cancel(t)).unwrap();
    kit.passes(order(1));
    assert!(refused_for_rate(&mut kit, 2));
}

/// Whatever is sent and when, the venue never counts more than its limit but for cancels; and what it would have taken is not refused.
#[test]
fn the_venues_own_count_is_never_exceeded() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let windows = vec![window(5, 10), window(20, 100)];
        let weights = Weights { new: 1, replace: 2, cancel: 1 };
        let throttle =
            Throttle { windows: windows.clone(), weights, cancel_reserve: 1, ..Throttle::default() };
        let mut kit = Kit::throttled(wide(), throttle);
        let mut sent: Vec<(u64, u64)> = Vec::new();
        let (mut live, mut refused) = (Vec::new(), 0);
        for k in 0..400 {
            kit.now.0 += rng.below(4) * rng.below(2) * MS;
            let now = kit.now.0;
            let used = |w: &WindowLimit| -> u64 {
                sent.iter().filter(|(t, _)| now - t < w.span.0).map(|(_, u)| u).sum()
            };
            let fits = |units| windows.iter().all(|w| used(w) + units < u64::from(w.limit));
            let intent = match (rng.below(5), live.last()) {
                (0, Some(t)) => replace(*t, 1 + k, MID - 200 - i64::from(k)),
                (1, Some(_)) => cancel(live.pop().unwrap()),
                _ => order(k),
            };
            let units = if matches!(intent, engine::strategy::Intent::Replace { .. }) { 2 } else { 1 };
            let may = fits(units) || matches!(intent, engine::strategy::Intent::Cancel { .. });
            match kit.ask(intent) {
                Ok(Some(command)) => {
                    assert!(may, "seed {seed}, request {k}");
                    sent.push((now, units));
                    match command.kind {
                        CommandKind::New { token, .. } => {
                            kit.accept(token.0);
                            live.push(token.0);
                        }
                        CommandKind::Replace { old, token, qty, px, .. } => {
                            kit.report(token.0, replaced(old.0, qty.0, px.0));
                        }
                        CommandKind::Cancel { token, .. } => {
                            let open = kit.engine.orders().by_token(token).expect("open").open.0;
                            kit.report(token.0, canceled(open));
                        }
                        CommandKind::Port { .. } => unreachable!("nobody asks for it"),
                    }
                }
                Err(RiskReject::MessageRate) => {
                    assert!(!may, "seed {seed}, request {k}");
                    refused += 1;
                }
                other => panic!("seed {seed}, request {k}: {other:?}"),
            }
        }
        assert!(refused > 20 && sent.len() > 50, "seed {seed}: {refused} refused, {} sent", sent.len());
    }
}
