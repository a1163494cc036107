//! Where an order of ours stands in a queue of which only the length is known.
//!
//! ```text
//!   level of history:   [ front ] ours [ back ]
//!   a trade of q at our price          front -= q; what is beyond the front is ours
//!   a fall by c that did not trade     p c of it stood behind us, (1 - p) c before us; where the back is shorter than that, the rest stood before us
//!   a rise                             all of it stands behind us
//! ```
//!
//! | [`Queue`] | p, of front F and back B | |
//! |---|---|---|
//! | `Back` | 1: nobody before us ever gives up | the most careful |
//! | `Power(n)` | B^n / (B^n + F^n) | Rigtorp 2013, "Estimating order queue position" |
//! | `Power2(n)` | B^n / (B + F)^n | |
//! | `Power3(n)` | 1 - (F / (B + F))^n | |
//! | `Log` | ln(1 + B) / (ln(1 + B) + ln(1 + F)) | Rigtorp 2013 |
//! | `Log2` | ln(1 + B) / ln(1 + B + F) | |
//!
//! These are those of hftbacktest (`ProbQueueModel`, `RiskAdverseQueueModel`), so that a result there is one here; a fall moves nobody beyond the front, where there it may. Which of them is true of a venue
//! can be told from fills there, and from nothing else. Exponents are in hundredths and places in thousandths of a share: nothing that fills hangs on a float's last digits.

/// What is known of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queue {
    /// Everything: history has orders.
    #[default]
    Orders,
    /// Lengths; falls stood behind us.
    Back,
    /// Lengths; the exponent in hundredths.
    Power(u32),
    /// Lengths; the exponent in hundredths.
    Power2(u32),
    /// Lengths; the exponent in hundredths.
    Power3(u32),
    /// Lengths.
    Log,
    /// Lengths.
    Log2,
}

impl Queue {
    /// Whether history has levels alone.
    #[must_use]
    pub fn is_of_levels(self) -> bool {
        self != Queue::Orders
    }

    /// The part of a fall that stood behind us.
    fn behind(self, front: f64, back: f64) -> f64 {
        let all = front + back;
        let exponent = |n: u32| f64::from(n) / 100.0;
        let p = match self {
            Queue::Orders | Queue::Back => 1.0,
            Queue::Power(n) => {
                let (b, f) = (back.powf(exponent(n)), front.powf(exponent(n)));
                b / (b + f)
            }
            Queue::Power2(n) => back.powf(exponent(n)) / all.powf(exponent(n)),
            Queue::Power3(n) => 1.0 - (front / all).powf(exponent(n)),
            Queue::Log => back.ln_1p() / (back.ln_1p() + front.ln_1p()),
            Queue::Log2 => back.ln_1p() / all.ln_1p(),
        };
        // Of nothing, which is neither before nor behind.
        if p.is_finite() { p.clamp(0.0, 1.0) } else { 1.0 }
    }
}

/// A place in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Shares before us, in thousandths.
    front: u64,
    /// Shares that traded here since the level last said how long it is: its next fall has them in it.
    traded: u64,
}

/// Thousandths.
const PART: u64 = 1_000;

impl Place {
    /// Behind so many shares.
    pub(super) fn behind(shares: u64) -> Place {
        Place { front: shares * PART, traded: 0 }
    }

    /// Shares before us, the last begun one among them.
    pub(super) fn shares(&self) -> u64 {
        self.front.div_ceil(PART)
    }

    /// A trade of so many shares at our price; returns how many of them came past the front.
    pub(super) fn trade(&mut self, qty: u32) -> u32 {
        let qty = u64::from(qty) * PART;
        let beyond = qty.saturating_sub(self.front) / PART;
        self.front = self.front.saturating_sub(qty);
        self.traded += qty;
        u32::try_from(beyond).unwrap_or(u32::MAX)
    }

    /// The level says another length.
    pub(super) fn length(&mut self, before: u64, now: u64, queue: Queue) {
        let (before, now) = (before * PART, now * PART);
        let gone = before.saturating_sub(now).saturating_sub(self.traded);
        self.traded = 0;
        let back = before.saturating_sub(self.front);
        if gone != 0 && self.front != 0 {
            let p = queue.behind(self.front as f64 / 1e3, back as f64 / 1e3);
            // A fall of more than stood behind us was of somebody before us.
            let behind = ((gone as f64 * p).round() as u64).min(back).min(gone);
            self.front = self.front.saturating_sub(gone - behind);
        }
        self.front = self.front.min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Queue; 6] =
        [Queue::Back, Queue::Power(300), Queue::Power2(200), Queue::Power3(300), Queue::Log, Queue::Log2];

    /// hftbacktest 0.9.4's `ProbQueueModel::depth`, word for word but for its front below 0.
    fn theirs(front: f64, traded: f64, before: f64, now: f64, prob: impl Fn(f64, f64) -> f64) -> f64 {
        let chg = before - now - traded;
        if chg < 0.0 {
            return front.min(now);
        }
        let back = before - front;
        let mut p = prob(front, back);
        if p.is_infinite() {
            p = 1.0;
        }
        let est = front - (1.0 - p) * chg + (back - p * chg).min(0.0);
        est.min(now).max(0.0)
    }

    #[test]
    fn places_move_as_in_hftbacktest() {
        type Prob = fn(f64, f64) -> f64;
        let models: [(Queue, Prob); 5] = [
            (Queue::Power(300), |f, b| b.powf(3.0) / (b.powf(3.0) + f.powf(3.0))),
            (Queue::Power2(200), |f, b| b.powf(2.0) / (b + f).powf(2.0)),
            (Queue::Power3(300), |f, b| 1.0 - (f / (f + b)).powf(3.0)),
            (Queue::Log, |f, b| (1.0 + b).ln() / ((1.0 + b).ln() + (1.0 + f).ln())),
            (Queue::Log2, |f, b| (1.0 + b).ln() / (1.0 + b + f).ln()),
        ];
        for (queue, prob) in models {
            for front in [0u64, 1, 90, 500, 900] {
                for before in [900u64, 1_000, 5_000] {
                    for now in [0u64, 1, 400, 899, 1_000, 6_000] {
                        for traded in [0u64, 30] {
                            // With nothing before or behind us theirs divides 0 by 0.
                            if before == front && front == 0 {
                                continue;
                            }
                            let mut place = Place { front: front * PART, traded: traded * PART };
                            place.length(before, now, queue);
                            let expected =
                                theirs(front as f64, traded as f64, before as f64, now as f64, prob);
                            let got = place.front as f64 / 1e3;
                            assert!(
                                (got - expected).abs() <= 0.002,
                                "{queue:?} {front}/{before} -> {now}, {traded} traded: {got}, theirs {expected}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn nobody_moves_back_and_nobody_beyond_the_level() {
        for queue in ALL {
            let mut place = Place::behind(300);
            let mut length = 500u64;
            for (k, now) in [450, 450, 700, 120, 90, 0, 40].into_iter().enumerate() {
                let was = place.shares();
                place.length(length, now, queue);
                length = now;
                assert!(place.shares() <= was && place.shares() <= now, "{queue:?}, step {k}: {place:?}");
            }
        }
    }

    #[test]
    fn what_traded_is_not_counted_again_when_the_level_says_so() {
        let mut place = Place::behind(100);
        assert_eq!(place.trade(60), 0);
        place.length(500, 440, Queue::Log);
        assert_eq!(place.shares(), 40);
        assert_eq!(place.trade(70), 30, "what comes past the front is ours");
        assert_eq!(place.shares(), 0);
    }
}
