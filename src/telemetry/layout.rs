//! Where everything lies in the region, in words of 64 bits behind the region's own header.
//!
//! ```text
//!   word 0          SHAPE     agents | feeds | gateways | instruments | orders | max open orders | name (4 words) | 6 spare
//!        16         AGENTS    for each: name (4 words), counters::agent
//!                   FEEDS     for each: name (4 words), counters::feed, histogram `decode`
//!                   GATEWAYS  for each: name (4 words), counters::gateway, histograms `order_ring`, `encode`, `tick_to_order`
//!                   ENGINE    counters::engine, histograms `feed_ring`, `book`, `strategy_risk`
//!                   RISK      seqlock cell of 8 words
//!                   INSTRUMENTS for each: symbol (1 word), market cell of 6, position cell of 6
//!                   ORDERS    for each slot: seqlock cell of 6 words
//! ```
//!
//! Bump [`VERSION`] with any change: a reader of another version is refused by name, never shown nonsense.

use ringbuf::histogram;

use super::counters;

/// Version of this layout.
pub const VERSION: u32 = 1;

/// Words of a name: 32 bytes, padded with NUL.
pub const NAME: usize = 4;
/// Values of a cell of the risk snapshot.
pub const RISK: usize = 8;
/// Values of an instrument's market cell.
pub const MARKET: usize = 6;
/// Values of an instrument's position cell.
pub const POSITION: usize = 6;
/// Values of an order's cell.
pub const ORDER: usize = 6;
/// Orders shown at most; more may be open.
pub const ORDERS_SHOWN_MAX: usize = 256;

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

const SHAPE: usize = 16;
const AGENT: usize = NAME + counters::agent::COUNT;
const FEED: usize = NAME + counters::feed::COUNT + histogram::WORDS;
const GATEWAY: usize = NAME + counters::gateway::COUNT + 3 * histogram::WORDS;
const ENGINE: usize = counters::engine::COUNT + 3 * histogram::WORDS;
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
    engine: usize,
    risk: usize,
    instruments: usize,
    orders: usize,
    /// Words in all.
    pub words: usize,
}

impl Layout {
    /// The layout of a shape.
    #[must_use]
    pub const fn new(shape: Shape) -> Layout {
        let feeds = SHAPE + shape.agents * AGENT;
        let gateways = feeds + shape.feeds * FEED;
        let engine = gateways + shape.gateways * GATEWAY;
        let risk = engine + ENGINE;
        let instruments = risk + RISK + 1;
        let orders = instruments + shape.instruments * INSTRUMENT;
        let words = orders + shape.orders * (ORDER + 1);
        Layout { shape, feeds, gateways, engine, risk, instruments, orders, words }
    }

    /// The shape itself and the core's name.
    pub const SHAPE: Span = Span::new(0, SHAPE);

    /// An agent's name.
    #[must_use]
    pub const fn agent_name(&self, k: usize) -> Span {
        Span::new(SHAPE + k * AGENT, NAME)
    }

    /// An agent's counters.
    #[must_use]
    pub const fn agent(&self, k: usize) -> Span {
        Span::new(SHAPE + k * AGENT + NAME, counters::agent::COUNT)
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

    /// A feed's histogram of the decode stage.
    #[must_use]
    pub const fn feed_decode(&self, k: usize) -> Span {
        Span::new(self.feeds + k * FEED + NAME + counters::feed::COUNT, histogram::WORDS)
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

    /// The engine's counters.
    #[must_use]
    pub const fn engine(&self) -> Span {
        Span::new(self.engine, counters::engine::COUNT)
    }

    /// The strategy thread's histogram `n`: 0 `feed_ring`, 1 `book`, 2 `strategy_risk`.
    #[must_use]
    pub const fn engine_stage(&self, n: usize) -> Span {
        Span::new(self.engine + counters::engine::COUNT + n * histogram::WORDS, histogram::WORDS)
    }

    /// The risk snapshot.
    #[must_use]
    pub const fn risk(&self) -> Span {
        Span::new(self.risk, RISK + 1)
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

    #[test]
    fn nothing_overlaps_and_everything_is_inside() {
        let shape = Shape { agents: 5, feeds: 2, gateways: 3, instruments: 7, orders: 4 };
        let l = Layout::new(shape);
        let mut spans = vec![Layout::SHAPE, l.engine(), l.risk()];
        spans.extend((0..5).flat_map(|k| [l.agent_name(k), l.agent(k)]));
        spans.extend((0..2).flat_map(|k| [l.feed_name(k), l.feed(k), l.feed_decode(k)]));
        spans.extend((0..3).flat_map(|k| [l.gateway_name(k), l.gateway(k)]));
        spans.extend((0..3).flat_map(|k| (0..3).map(move |n| l.gateway_stage(k, n))));
        spans.extend((0..3).map(|n| l.engine_stage(n)));
        spans.extend((0..7).flat_map(|k| [l.symbol(k), l.market(k), l.position(k)]));
        spans.extend((0..4).map(|k| l.order(k)));
        spans.sort_by_key(|s| s.at);
        let mut end = 0;
        for s in spans {
            assert_eq!(s.at, end, "no hole and no overlap at word {end}");
            end = s.at + s.len;
        }
        assert_eq!(end, l.words);
    }
}
