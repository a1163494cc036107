//! What restrains the core of a seed, and whether the venue's trades stand, drawn apart from what goes wrong in it. Each is there or not, so that they also come alone;
//! what restrains is written into the core's configuration, and told to the oracle in numbers of its own.

use model::BreakerLevel;

use super::faults::among;
use super::oracle::levels::FillRule;
use crate::config::Written;
use crate::config::written::{Bucket, Rule, Throttle, Weighed, Window};
use crate::exchange::rng::Rng;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) throttle: Option<Pacing>,
    /// What all positions may come to: long and short added, long against short, whole dollars.
    pub(super) money: Option<[i64; 2]>,
    /// What the day may lose, whole dollars.
    pub(super) loss: Option<i64>,
    /// Breakers: what they count, how much of it in how many milliseconds, where they lead.
    breakers: Vec<(&'static str, u64, u64, BreakerLevel)>,
    /// What is outside of the engine restrains it, now and then.
    pub(super) trips: bool,
    /// The venue breaks some of its trades.
    pub(super) busts: bool,
}

/// What the gateway lets pass.
#[derive(Clone, Debug)]
pub(super) struct Pacing {
    /// Units in any span of so many milliseconds.
    pub(super) windows: Vec<(u32, u64)>,
    /// Units a second, and at once.
    pub(super) bucket: Option<(u32, u32)>,
    /// Units of a new order, a replace and a cancel.
    pub(super) weights: [u32; 3],
    /// Units for cancels alone.
    pub(super) reserve: u32,
    /// What has no room waits so many milliseconds, so many requests at most.
    queue: Option<(u64, u64)>,
}

impl Rules {
    pub(super) fn draw(seed: u64) -> Rules {
        let mut rng = Rng::new(seed, 0x2E5);
        let throttle = (rng.below(3) == 0).then(|| Pacing::draw(&mut rng));
        let busts = rng.below(2) == 0;
        let breakers = match rng.below(3) {
            0 => (0..1 + rng.below(2)).map(|_| breaker(&mut rng)).collect(),
            _ => Vec::new(),
        };
        let trips = rng.below(3) == 0;
        let money = (rng.below(3) == 0)
            .then(|| [among(&mut rng, &[60_000, 200_000]), among(&mut rng, &[30_000, 100_000])]);
        let loss = (rng.below(4) == 0).then(|| among(&mut rng, &[100, 500]));
        Rules { throttle, money, loss, breakers, trips, busts }
    }

    /// The breakers that count fills.
    pub(super) fn by_fills(&self) -> Vec<FillRule> {
        let of_fills = self.breakers.iter().filter(|(trigger, ..)| *trigger == "fills");
        of_fills.map(|(_, limit, ms, level)| FillRule { limit: *limit, ms: *ms, level: *level }).collect()
    }

    /// Puts them into a configuration.
    pub(super) fn write(&self, written: &mut Written) {
        if let Some(pacing) = &self.throttle {
            written.gateways[0].throttle = pacing.written();
        }
        written.risk.max_gross_notional_usd = self.money.map(|[gross, _]| gross);
        written.risk.max_net_notional_usd = self.money.map(|[_, net]| net);
        if self.loss.is_some() {
            written.risk.max_daily_loss_usd = self.loss;
            // The first look that shows it counts, so that it does at rest.
            written.risk.loss_confirm_inputs = Some(1);
        }
        written.risk.breakers = self.breakers.iter().map(|rule| self::written(*rule)).collect();
    }
}

fn breaker(rng: &mut Rng) -> (&'static str, u64, u64, BreakerLevel) {
    let (trigger, limit) =
        among(rng, &[("fills", 2), ("fills", 8), ("messages_per_fill", 8), ("market", 3), ("gaps", 2)]);
    let level = among(rng, &[BreakerLevel::ReduceOnly, BreakerLevel::CancelOnly, BreakerLevel::Halted]);
    (trigger, limit, among(rng, &[100, 1_000]), level)
}

fn written((trigger, limit, window, level): (&str, u64, u64, BreakerLevel)) -> Rule {
    Rule {
        trigger: trigger.into(),
        limit: limit as i64,
        window_ms: Some(window as i64),
        level: level.word().into(),
    }
}

impl Pacing {
    fn draw(rng: &mut Rng) -> Pacing {
        // Together these leave room for the heaviest request beside the reserve.
        let window = |rng: &mut Rng| (among(rng, &[4, 12, 40]), among(rng, &[10, 100, 1_000]));
        let mut windows = vec![window(rng)];
        windows.extend((rng.below(2) == 0).then(|| window(rng)));
        Pacing {
            windows,
            bucket: (rng.below(2) == 0).then(|| (among(rng, &[50, 400]), among(rng, &[4, 20]))),
            weights: among(rng, &[[1, 1, 1], [1, 1, 0], [2, 1, 1]]),
            reserve: among(rng, &[0, 2]),
            queue: (rng.below(2) == 0).then(|| (among(rng, &[5, 50]), among(rng, &[1, 16]))),
        }
    }

    fn written(&self) -> Throttle {
        let window = |(limit, span): &(u32, u64)| Window { limit: (*limit).into(), span_ms: *span as i64 };
        let bucket = self.bucket.map(|(per_second, burst)| (per_second.into(), burst.into()));
        let [new, replace, cancel] = self.weights.map(|units| Some(units.into()));
        Throttle {
            windows: self.windows.iter().map(window).collect(),
            bucket: bucket.map(|(per_second, burst)| Bucket { per_second, burst }),
            weights: Some(Weighed { new, replace, cancel }),
            cancel_reserve: Some(self.reserve.into()),
            when_full: self.queue.map(|_| "queue".into()),
            queue_ms: self.queue.map(|(ms, _)| ms as i64),
            queue_slots: self.queue.map(|(_, slots)| slots as i64),
            ..Throttle::default()
        }
    }
}
