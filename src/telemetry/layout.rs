//! Where everything lies in the region, in words of 64 bits behind the region's own header.
//!
//! ```text
//!   word 0          SHAPE     agents | feeds | gateways | instruments | orders | max open orders | name (4 words) | process start | 5 spare
//!        16         PATH      the run's folder, NUL behind it; empty where it is longer than 255 bytes
//!        48         AGENTS    for each: name (4 words), counters::agent, padding
//!                   FEEDS     for each: name (4 words), counters::feed, counters::line for each of 4 lines, histograms `decode`, `wire`, padding
//!                   GATEWAYS  for each: name (4 words), counters::gateway, histograms `order_ring`, `encode`, `tick_to_order`, padding
//!                   CONTROL   counters::control, padding
//!                   COLD      counters::cold, padding
//!                   ENGINE    counters::engine, changes of validity by word and reason, histograms `feed_ring`, `book`, `strategy_risk`, padding
//!                   RISK      seqlock cell of 11 words
//!                   THROTTLES for each gateway: seqlock cell of 4 words
//!                   RINGS     counters::ring for each feed's ring, then for each gateway those of its reports and of its orders
//!                   INSTRUMENTS for each: symbol (1 word), market cell of 7, position cell of 6
//!                   ORDERS    for each slot: seqlock cell of 6 words
//! ```
//!
//! # Invariants
//!
//! * A word has one writing thread. What different threads write begins 16 words (two cache lines, for the processor fetches them in pairs) apart or
//!   more, so that no thread's stores take a line from another; RISK and what follows belong to the strategy thread alone.
//! * A shape is within [`Shape::fits`], which bounds a region to a few MiB, and a region has exactly [`Layout::words`]: a reader takes a shape from
//!   shared memory, hence from anybody, and checks both before it believes any of it.
//!
//! Bump [`VERSION`] with any change: a reader of another version is refused by name, never shown nonsense.

use engine::Reason;
use engine::limits::INSTRUMENTS_MAX;
use model::Validity;
use ringbuf::histogram;

use super::counters;

/// Version of this layout.
pub const VERSION: u32 = 13;

/// Words of a name: 32 bytes, padded with NUL.
pub const NAME: usize = 4;
/// Words of the run's folder: 256 bytes, padded with NUL.
pub const PATH: usize = 32;
/// Values of a cell of the risk snapshot.
pub const RISK: usize = 11;
/// Values of the cell of a gateway's throttle: whether it has one, requests that wait, when a new order has room, until when they stay back.
pub const THROTTLE: usize = 4;
/// Values of an instrument's market cell.
pub const MARKET: usize = 7;
/// Counts of changes of validity: for each word, one for each reason.
pub const TRANSITIONS: usize = Validity::ALL.len() * Reason::COUNT;
/// Values of an instrument's position cell.
pub const POSITION: usize = 11;
/// Values of an order's cell.
pub const ORDER: usize = 6;
/// Orders shown at most; more may be open.
pub const ORDERS_SHOWN_MAX: usize = 256;
/// Feeds and gateways of a core at most, each.
pub const PORTS_MAX: usize = 16;
/// Lines of a feed at most.
pub const LINES_MAX: usize = 4;
/// Agents of a core at most: one for each feed and gateway, the strategy, the cold one and the control one.
pub const AGENTS_MAX: usize = 2 * PORTS_MAX + 3;

/// How many of each there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Agents.
    pub agents: usize,
    /// Feeds.
    pub feeds: usize,
    /// Gateways.
    pub gateways: usize,
    /// Instruments.
    pub instruments: usize,
    /// Order slots shown.
    pub orders: usize,
}

impl Shape {
    /// Whether a core can have this shape. What the numbers of any other would add up to is not worth computing.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.agents <= AGENTS_MAX
            && self.feeds <= PORTS_MAX
            && self.gateways <= PORTS_MAX
            && self.instruments <= INSTRUMENTS_MAX
            && self.orders <= ORDERS_SHOWN_MAX
    }
}

/// Words between what two threads write.
const APART: usize = 16;
const SHAPE: usize = 16;
const HEAD: usize = SHAPE + PATH;
const AGENT: usize = (NAME + counters::agent::COUNT).next_multiple_of(APART);
const FEED_LINES: usize = NAME + counters::feed::COUNT;
const FEED_DECODE: usize = FEED_LINES + LINES_MAX * counters::line::COUNT;
const FEED: usize = (FEED_DECODE + 2 * histogram::WORDS).next_multiple_of(APART);
const GATEWAY: usize = (NAME + counters::gateway::COUNT + 3 * histogram::WORDS).next_multiple_of(APART);
const CONTROL: usize = counters::control::COUNT.next_multiple_of(APART);
const COLD: usize = counters::cold::COUNT.next_multiple_of(APART);
const ENGINE_STAGES: usize = counters::engine::COUNT + TRANSITIONS;
const ENGINE: usize = (ENGINE_STAGES + 3 * histogram::WORDS).next_multiple_of(APART);
const INSTRUMENT: usize = 1 + (MARKET + 1) + (POSITION + 1);

/// A stretch of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First word.
    pub at: usize,
    /// How many.
    pub len: usize,
}

impl Span {
    const fn new(at: usize, len: usize) -> Span {
        Span { at, len }
    }
}

/// Offsets for one shape.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// What it is for.
    pub shape: Shape,
    feeds: usize,
    gateways: usize,
    control: usize,
    cold: usize,
    engine: usize,
    risk: usize,
    throttles: usize,
    rings: usize,
    instruments: usize,
    orders: usize,
    /// Words in all.
    pub words: usize,
}

impl Layout {
    /// The layout of a shape.
    ///
    /// # Panics
    /// The shape does not [fit](Shape::fits): a configuration has been resolved within it, and a reader asks first.
    #[must_use]
    pub const fn new(shape: Shape) -> Layout {
        assert!(shape.fits(), "a shape beyond what a core can have");
        let feeds = HEAD + shape.agents * AGENT;
        let gateways = feeds + shape.feeds * FEED;
        let control = gateways + shape.gateways * GATEWAY;
        let cold = control + CONTROL;
        let engine = cold + COLD;
        let risk = engine + ENGINE;
        let throttles = risk + RISK + 1;
        let rings = throttles + shape.gateways * (THROTTLE + 1);
        let instruments = rings + (shape.feeds + 2 * shape.gateways) * counters::ring::COUNT;
        let orders = instruments + shape.instruments * INSTRUMENT;
        let words = orders + shape.orders * (ORDER + 1);
        Layout {
            shape,
            feeds,
            gateways,
            control,
            cold,
            engine,
            risk,
            throttles,
            rings,
            instruments,
            orders,
            words,
        }
    }

    /// The shape itself and the core's name.
    pub const SHAPE: Span = Span::new(0, SHAPE);

    /// The run's folder.
    pub const PATH: Span = Span::new(SHAPE, PATH);

    /// An agent's name.
    #[must_use]
    pub const fn agent_name(&self, k: usize) -> Span {
        Span::new(HEAD + k * AGENT, NAME)
    }

    /// An agent's counters.
    #[must_use]
    pub const fn agent(&self, k: usize) -> Span {
        Span::new(HEAD + k * AGENT + NAME, counters::agent::COUNT)
    }

    /// A feed's name.
    #[must_use]
    pub const fn feed_name(&self, k: usize) -> Span {
        Span::new(self.feeds + k * FEED, NAME)
    }

    /// A feed's counters.
    #[must_use]
    pub const fn feed(&self, k: usize) -> Span {
        Span::new(self.feeds + k * FEED + NAME, counters::feed::COUNT)
    }

    /// The counters of line `n` of a feed; those behind its last line are 0.
    #[must_use]
    pub const fn feed_line(&self, k: usize, n: usize) -> Span {
        let at = self.feeds + k * FEED + FEED_LINES;
        Span::new(at + n * counters::line::COUNT, counters::line::COUNT)
    }

    /// A feed's histogram of the decode stage.
    #[must_use]
    pub const fn feed_decode(&self, k: usize) -> Span {
        Span::new(self.feeds + k * FEED + FEED_DECODE, histogram::WORDS)
    }

    /// A feed's histogram of the time from the kernel's or the device's stamp to ours.
    #[must_use]
    pub const fn feed_wire(&self, k: usize) -> Span {
        Span::new(self.feeds + k * FEED + FEED_DECODE + histogram::WORDS, histogram::WORDS)
    }

    /// A gateway's name.
    #[must_use]
    pub const fn gateway_name(&self, k: usize) -> Span {
        Span::new(self.gateways + k * GATEWAY, NAME)
    }

    /// A gateway's counters.
    #[must_use]
    pub const fn gateway(&self, k: usize) -> Span {
        Span::new(self.gateways + k * GATEWAY + NAME, counters::gateway::COUNT)
    }

    /// A gateway's histogram `n`: 0 `order_ring`, 1 `encode`, 2 `tick_to_order`.
    #[must_use]
    pub const fn gateway_stage(&self, k: usize, n: usize) -> Span {
        let at = self.gateways + k * GATEWAY + NAME + counters::gateway::COUNT;
        Span::new(at + n * histogram::WORDS, histogram::WORDS)
    }

    /// The control plane's counters.
    #[must_use]
    pub const fn control(&self) -> Span {
        Span::new(self.control, counters::control::COUNT)
    }

    /// The cold thread's counters.
    #[must_use]
    pub const fn cold(&self) -> Span {
        Span::new(self.cold, counters::cold::COUNT)
    }

    /// The engine's counters.
    #[must_use]
    pub const fn engine(&self) -> Span {
        Span::new(self.engine, counters::engine::COUNT)
    }

    /// The counts of changes of validity.
    #[must_use]
    pub const fn transitions(&self) -> Span {
        Span::new(self.engine + counters::engine::COUNT, TRANSITIONS)
    }

    /// The strategy thread's histogram `n`: 0 `feed_ring`, 1 `book`, 2 `strategy_risk`.
    #[must_use]
    pub const fn engine_stage(&self, n: usize) -> Span {
        Span::new(self.engine + ENGINE_STAGES + n * histogram::WORDS, histogram::WORDS)
    }

    /// The risk snapshot.
    #[must_use]
    pub const fn risk(&self) -> Span {
        Span::new(self.risk, RISK + 1)
    }

    /// The throttle of a gateway, as the strategy thread keeps it.
    #[must_use]
    pub const fn throttle(&self, k: usize) -> Span {
        Span::new(self.throttles + k * (THROTTLE + 1), THROTTLE + 1)
    }

    /// The ring from a feed.
    #[must_use]
    pub const fn feed_ring(&self, k: usize) -> Span {
        Span::new(self.rings + k * counters::ring::COUNT, counters::ring::COUNT)
    }

    /// A gateway's ring `n`: 0 its reports, 1 its orders.
    #[must_use]
    pub const fn gateway_ring(&self, k: usize, n: usize) -> Span {
        let at = self.rings + (self.shape.feeds + 2 * k + n) * counters::ring::COUNT;
        Span::new(at, counters::ring::COUNT)
    }

    /// An instrument's symbol.
    #[must_use]
    pub const fn symbol(&self, k: usize) -> Span {
        Span::new(self.instruments + k * INSTRUMENT, 1)
    }

    /// An instrument's market cell.
    #[must_use]
    pub const fn market(&self, k: usize) -> Span {
        Span::new(self.instruments + k * INSTRUMENT + 1, MARKET + 1)
    }

    /// An instrument's position cell.
    #[must_use]
    pub const fn position(&self, k: usize) -> Span {
        Span::new(self.instruments + k * INSTRUMENT + 1 + MARKET + 1, POSITION + 1)
    }

    /// An order slot's cell.
    #[must_use]
    pub const fn order(&self, k: usize) -> Span {
        Span::new(self.orders + k * (ORDER + 1), ORDER + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Shape = Shape {
        agents: AGENTS_MAX,
        feeds: PORTS_MAX,
        gateways: PORTS_MAX,
        instruments: INSTRUMENTS_MAX,
        orders: ORDERS_SHOWN_MAX,
    };

    /// Every span with the block that it belongs to; a block has one writing thread.
    fn spans(l: &Layout) -> Vec<(Span, String)> {
        let shape = l.shape;
        let mut all = vec![(Layout::SHAPE, "head".to_owned()), (Layout::PATH, "head".to_owned())];
        for k in 0..shape.agents {
            all.extend([l.agent_name(k), l.agent(k)].map(|s| (s, format!("agent {k}"))));
        }
        for k in 0..shape.feeds {
            let lines = (0..LINES_MAX).map(|n| l.feed_line(k, n));
            let spans =
                [l.feed_name(k), l.feed(k), l.feed_decode(k), l.feed_wire(k)].into_iter().chain(lines);
            all.extend(spans.map(|s| (s, format!("feed {k}"))));
        }
        for k in 0..shape.gateways {
            let stages = [0, 1, 2].map(|n| l.gateway_stage(k, n));
            let spans = [l.gateway_name(k), l.gateway(k)].into_iter().chain(stages);
            all.extend(spans.map(|s| (s, format!("gateway {k}"))));
        }
        all.push((l.control(), "control".to_owned()));
        all.push((l.cold(), "cold".to_owned()));
        all.extend([l.engine(), l.transitions()].map(|s| (s, "engine".to_owned())));
        all.extend((0..3).map(|n| (l.engine_stage(n), "engine".to_owned())));
        let mut core = vec![l.risk()];
        core.extend((0..shape.gateways).map(|k| l.throttle(k)));
        core.extend((0..shape.feeds).map(|k| l.feed_ring(k)));
        core.extend((0..shape.gateways).flat_map(|k| [0, 1].map(|n| l.gateway_ring(k, n))));
        core.extend((0..shape.instruments).flat_map(|k| [l.symbol(k), l.market(k), l.position(k)]));
        core.extend((0..shape.orders).map(|k| l.order(k)));
        all.extend(core.into_iter().map(|s| (s, "state".to_owned())));
        all.sort_by_key(|(s, _)| s.at);
        all
    }

    #[test]
    fn nothing_overlaps_and_threads_keep_apart() {
        for shape in [MOST, Shape { agents: 5, feeds: 2, gateways: 3, instruments: 7, orders: 4 }] {
            let layout = Layout::new(shape);
            let (mut end, mut owner) = (0, String::from("head"));
            for (s, whose) in spans(&layout) {
                if whose == owner {
                    assert_eq!(s.at, end, "no hole and no overlap in {whose}");
                } else {
                    assert!((end..end + APART).contains(&s.at), "{whose} begins at {} after {end}", s.at);
                    assert!(s.at.is_multiple_of(APART), "{whose} begins on a line of its own");
                }
                (end, owner) = (s.at + s.len, whose);
            }
            assert_eq!(end, layout.words);
        }
    }

    #[test]
    fn a_shape_beyond_a_core_does_not_fit() {
        assert!(MOST.fits());
        assert!(Layout::new(MOST).words < 1 << 20, "a few MiB at the most");
        let beyond: [fn(&mut Shape); 5] = [
            |s| s.agents += 1,
            |s| s.feeds += 1,
            |s| s.gateways = usize::MAX,
            |s| s.instruments += 1,
            |s| s.orders = usize::MAX,
        ];
        for change in beyond {
            let mut shape = MOST;
            change(&mut shape);
            assert!(!shape.fits(), "{shape:?}");
            assert!(std::panic::catch_unwind(|| Layout::new(shape)).is_err());
        }
    }
}
