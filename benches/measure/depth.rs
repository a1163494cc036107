//! The day as hftbacktest's depth sees it: levels and their shares, no orders.
//!
//! Its depth is of one instrument, so there is one for each. What it is given was made of our books beforehand: for each message the level that it changed and the
//! shares there afterwards, two of them for a replace. Finding an order's level, which is most of a book's work, is not in its time.

use std::collections::HashMap;
use std::hint::black_box;

use engine::book::{BookChange, Books, FlatBooks};
use feeds::binaryfile::Messages;
use feeds::itch50;
use hftbacktest::depth::{HashMapMarketDepth, L2MarketDepth, ROIVectorMarketDepth};
use model::{MarketBody, Px, Side};

use crate::mix::Mix;
use crate::{Role, Stage};

/// A level has these shares now.
struct Update {
    instrument: u16,
    side: Side,
    px: f64,
    shares: f64,
}

const TICK: f64 = 0.01;
/// Instruments up to which each gets a vector over all of its prices.
const VECTORS: usize = 1_000;

/// Times its depths over the day.
pub fn compare(stage: &mut Stage<'_>, mix: &Mix, books: FlatBooks, times: usize) {
    let (updates, highest) = updates(mix, books);
    let n = mix.messages;
    let fresh = || HashMapMarketDepth::new(TICK, 1.0);
    let mut maps: Vec<HashMapMarketDepth> = Vec::new();
    let begin = |maps: &mut Vec<_>| *maps = (0..mix.locates).map(|_| fresh()).collect();
    stage.day(Role::Peer, "hftbacktest L2, map", (n, times), &mut maps, begin, |maps| apply(maps, &updates));
    if mix.locates <= VECTORS {
        let fresh = |px: &f64| ROIVectorMarketDepth::new(TICK, 1.0, 0.0, px + 1.0);
        let mut vectors: Vec<ROIVectorMarketDepth> = Vec::new();
        let begin = |vectors: &mut Vec<_>| *vectors = highest.iter().map(fresh).collect();
        let day = |vectors: &mut Vec<_>| apply(vectors, &updates);
        stage.day(Role::Peer, "hftbacktest L2, vector", (n, times), &mut vectors, begin, day);
    }
}

fn apply<D: L2MarketDepth>(depths: &mut [D], updates: &[Update]) {
    for update in updates {
        let depth = &mut depths[usize::from(update.instrument)];
        black_box(&match update.side {
            Side::Buy => depth.update_bid_depth(update.px, update.shares, 0),
            Side::Sell => depth.update_ask_depth(update.px, update.shares, 0),
        });
    }
}

/// What each message does to its levels, and the highest price of each instrument.
fn updates(mix: &Mix, mut books: FlatBooks) -> (Vec<Update>, Vec<f64>) {
    let mut shares: HashMap<(u16, Side, Px), i64> = HashMap::new();
    let mut updates = Vec::with_capacity(mix.messages * 11 / 10);
    let mut highest = vec![0.0; mix.locates];
    for message in Messages::new(&mix.bytes).flatten() {
        let Ok(event) = itch50::decode(message) else { continue };
        let BookChange { instrument, side, px, qty, replaced_px, replaced_qty, .. } = books.apply(&event);
        let joins = matches!(event.body, MarketBody::Add { .. } | MarketBody::Replace { .. });
        let by = i64::from(qty.0) * if joins { 1 } else { -1 };
        for (px, by) in [(replaced_px, -i64::from(replaced_qty.0)), (px, by)] {
            if by != 0 {
                let now = shares.entry((instrument.0, side, px)).or_default();
                *now += by;
                let dollars = px.0 as f64 / 10_000.0;
                highest[instrument.index()] = f64::max(highest[instrument.index()], dollars);
                updates.push(Update { instrument: instrument.0, side, px: dollars, shares: *now as f64 });
            }
        }
    }
    (updates, highest)
}
