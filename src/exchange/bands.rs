//! Price bands in the manner of limit up, limit down.
//!
//! ```text
//!              best bid at the upper or best offer at the lower limit      for limit_state
//!  trading ----------------------------------------------------> limit state --------> paused (P, LUDP; collar J)
//!     ^  ^                 no more so                                 |                       |
//!     |  +------------------------------------------------------------+                       | pause
//!     +------------------------------------------------------------- halt cross <-------------+
//! ```
//!
//! The reference is the last trade's price, taken anew when a trade is more than a hundredth away from it, and after a cross. Only accounts'
//! orders are held to the bands: the background is what happened.

use model::{Px, Side};

use super::auction;
use super::floor::Floor;
use super::itch;
use super::market::{Bands, BeyondBands};
use super::order_entry;

/// A reference moves with trades that are farther than this from it, in 1/10,000.
const REFERENCE_STEP_BP: i64 = 100;

/// One symbol's bands.
#[derive(Clone, Copy, Debug, Default)]
pub struct BandState {
    reference: Option<Px>,
    limit_since: Option<u64>,
    paused_until: Option<u64>,
}

impl Floor {
    /// A limit price within the bands, or `None` where it is beyond them and that is refused.
    #[must_use]
    pub fn within_bands(&self, listing: usize, side: Side, px: Px) -> Option<Px> {
        let (Some(rules), Some((lower, upper))) = (self.rules.bands, self.limits(listing)) else {
            return Some(px);
        };
        let within = match side {
            Side::Buy => px.min(upper),
            Side::Sell => px.max(lower),
        };
        (within == px || rules.beyond == BeyondBands::Slide).then_some(within)
    }

    /// The lowest and the highest price now, in whole cents from a dollar on; `None` without bands.
    #[must_use]
    pub fn limits(&self, listing: usize) -> Option<(Px, Px)> {
        let bands = self.rules.bands?;
        let reference = self.listings[listing].bands.reference?.0;
        let width = reference * i64::from(bands.width_bp) / 10_000;
        let tick = if reference >= 10_000 { 100 } else { 1 };
        let (lower, upper) =
            ((reference - width + tick - 1) / tick * tick, (reference + width) / tick * tick);
        Some((Px(lower.max(1)), Px(upper)))
    }
}

/// Looks at every symbol's last trade and best prices.
pub fn tick(floor: &mut Floor) {
    let Some(rules) = floor.rules.bands else { return };
    for listing in 0..floor.listings.len() {
        let state = floor.listings[listing].bands;
        match state.paused_until {
            Some(until) if until <= floor.now => reopen(floor, listing),
            Some(_) => {}
            None if floor.listings[listing].state == b'T' && floor.is_market_open => {
                watch(floor, listing, &rules);
            }
            None => {}
        }
    }
}

/// When [`tick`] has something to do.
#[must_use]
pub fn next_due(floor: &Floor) -> Option<u64> {
    let rules = floor.rules.bands?;
    let due = |l: &super::floor::Listing| {
        l.bands.paused_until.or(l.bands.limit_since.map(|since| since.saturating_add(rules.limit_state_ns)))
    };
    floor.listings.iter().filter_map(due).min()
}

fn watch(floor: &mut Floor, listing: usize, rules: &Bands) {
    let last = floor.listings[listing].last_px;
    let reference = floor.listings[listing].bands.reference;
    let is_far = match (reference, last) {
        (Some(r), Some(px)) => (px.0 - r.0).abs() * 10_000 > r.0 * REFERENCE_STEP_BP,
        (None, _) => true,
        (Some(_), None) => false,
    };
    if is_far {
        floor.listings[listing].bands.reference = last.or_else(|| auction::reference(floor, listing));
        follow(floor, listing);
    }
    let Some((lower, upper)) = floor.limits(listing) else { return };
    let best = |side| floor.listings[listing].book.queue(side).next().map(|o| o.px);
    let is_at_limit =
        best(Side::Buy).is_some_and(|px| px >= upper) || best(Side::Sell).is_some_and(|px| px <= lower);
    let now = floor.now;
    let since = &mut floor.listings[listing].bands.limit_since;
    if !is_at_limit {
        *since = None;
        return;
    }
    let since = *since.get_or_insert(now);
    if now >= since.saturating_add(rules.limit_state_ns) {
        floor.listings[listing].bands.limit_since = None;
        floor.listings[listing].bands.paused_until = Some(now.saturating_add(rules.pause_ns));
        floor.halt(listing, b'P', *b"LUDP");
        let (stamp, symbol) = (floor.stamp(listing), floor.listings[listing].symbol);
        let reference = floor.listings[listing].bands.reference.unwrap_or_default();
        floor.publish(&itch::auction_collar(stamp, symbol, reference, upper, lower, 0));
    }
}

/// Orders whose price was moved to the old limit go to the new one, up to what was asked.
fn follow(floor: &mut Floor, listing: usize) {
    let mut moved = Vec::new();
    for account in &floor.accounts {
        for (name, o) in account.orders.iter().filter(|(_, o)| o.listing == listing && !o.is_for_cross()) {
            let is_slid = o.px != o.asked_px && o.tags.post_only != Some(b'P');
            let is_ours = is_slid && floor.listings[listing].book.get(o.id).is_some();
            if let Some(px) =
                floor.within_bands(listing, o.side, o.asked_px).filter(|px| is_ours && *px != o.px)
            {
                moved.push((account.key(name.idx, name.number), px));
            }
        }
    }
    for (key, px) in moved {
        order_entry::reprice(floor, key, px);
    }
}

/// The cross that ends a pause.
fn reopen(floor: &mut Floor, listing: usize) {
    floor.listings[listing].bands.paused_until = None;
    floor.resume(listing);
    floor.listings[listing].bands.reference = floor.listings[listing].last_px;
    follow(floor, listing);
}
