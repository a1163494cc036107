//! The writing ends: each is owned by one thread, and none makes a syscall, takes a lock or allocates once it exists.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use engine::strategy::Strategy;
use engine::{Engine, Order, Reason};
use model::{FeedId, GatewayId, InstrumentId, Nanos, Validity};
use ringbuf::cell::SeqCell;
use ringbuf::counters::Counters;
use ringbuf::histogram::Histogram;
use ringbuf::region::{Region, RegionError, RegionMut};

use super::counters;
use super::layout::{self, LINES_MAX, Layout, ORDERS_SHOWN_MAX, Shape, Span};
use crate::config::Config;
use crate::host;

/// A region being handed out to its writers.
pub struct Publication {
    region: RegionMut,
    layout: Layout,
}

impl Publication {
    /// Makes the region of a core.
    ///
    /// # Errors
    /// [`RegionError`]: shared memory is full or not writable.
    pub fn create(config: &Config, agents: &[String], started: Nanos) -> Result<Publication, RegionError> {
        let shape = Shape {
            agents: agents.len(),
            feeds: config.feeds.len(),
            gateways: config.gateways.len(),
            instruments: config.instruments.len(),
            orders: (config.limits.max_open_orders as usize).min(ORDERS_SHOWN_MAX),
        };
        let layout = Layout::new(shape);
        let path = super::region_path(&config.name);
        let mut region = Region::create(path, layout::VERSION, layout.words * 8, started.0)?;
        let mut head = Counters::over(region.words(Layout::SHAPE.at, Layout::SHAPE.len)?);
        let numbers = [shape.agents, shape.feeds, shape.gateways, shape.instruments, shape.orders];
        for (k, n) in numbers.into_iter().chain([config.limits.max_open_orders as usize]).enumerate() {
            head.set(k, n as u64);
        }
        for (k, w) in name_words(&config.name).into_iter().enumerate() {
            head.set(6 + k, w);
        }
        // With the region's process id it names one process for good.
        head.set(10, host::started_ticks(std::process::id()).unwrap_or(0));
        let mut p = Publication { region, layout };
        for (k, name) in agents.iter().enumerate() {
            p.name(layout.agent_name(k), name)?;
        }
        for (k, f) in config.feeds.iter().enumerate() {
            p.name(layout.feed_name(k), &f.id)?;
        }
        for (k, g) in config.gateways.iter().enumerate() {
            p.name(layout.gateway_name(k), &g.id)?;
        }
        for (k, i) in config.instruments.iter().enumerate() {
            p.counters(layout.symbol(k))?.set(0, u64::from_le_bytes(i.symbol.0));
        }
        Ok(p)
    }

    /// Tells readers in which folder the run is kept.
    ///
    /// # Errors
    /// [`RegionError`] where it was told before.
    pub fn kept_in(&mut self, run: &Path) -> Result<(), RegionError> {
        let folder = std::path::absolute(run).unwrap_or_default();
        let bytes = folder.as_os_str().as_bytes();
        let mut path = self.counters(Layout::PATH)?;
        // Half a path is another path.
        if bytes.len() < 8 * layout::PATH {
            words_of::<{ layout::PATH }>(bytes).into_iter().enumerate().for_each(|(k, w)| path.set(k, w));
        }
        Ok(())
    }

    fn name(&mut self, span: Span, name: &str) -> Result<(), RegionError> {
        let mut c = self.counters(span)?;
        name_words(name).into_iter().enumerate().for_each(|(k, w)| c.set(k, w));
        Ok(())
    }

    fn counters(&mut self, s: Span) -> Result<Counters, RegionError> {
        Ok(Counters::over(self.region.words(s.at, s.len)?))
    }

    fn histogram(&mut self, s: Span) -> Result<Histogram, RegionError> {
        let words = self.region.words(s.at, s.len)?;
        Ok(Histogram::over(words).expect("the layout gives a histogram its words"))
    }

    fn cell<const N: usize>(&mut self, s: Span) -> Result<SeqCell<N>, RegionError> {
        let words = self.region.words(s.at, s.len)?;
        Ok(SeqCell::over(words).expect("the layout gives a cell its words"))
    }

    /// The counters of an agent.
    ///
    /// # Errors
    /// [`RegionError`] where they were taken before.
    pub fn agent(&mut self, k: usize) -> Result<Counters, RegionError> {
        self.counters(self.layout.agent(k))
    }

    /// The writing end of a feed's thread.
    ///
    /// # Errors
    /// [`RegionError`] where it was taken before.
    pub fn feed(&mut self, k: usize) -> Result<FeedPublisher, RegionError> {
        let l = self.layout;
        let lines = (0..LINES_MAX).map(|n| self.counters(l.feed_line(k, n))).collect::<Result<_, _>>()?;
        Ok(FeedPublisher {
            counters: self.counters(l.feed(k))?,
            lines,
            decode: self.histogram(l.feed_decode(k))?,
            wire: self.histogram(l.feed_wire(k))?,
        })
    }

    /// The writing end of a gateway's thread.
    ///
    /// # Errors
    /// [`RegionError`] where it was taken before.
    pub fn gateway(&mut self, k: usize) -> Result<GatewayPublisher, RegionError> {
        let l = self.layout;
        Ok(GatewayPublisher {
            counters: self.counters(l.gateway(k))?,
            order_ring: self.histogram(l.gateway_stage(k, 0))?,
            encode: self.histogram(l.gateway_stage(k, 1))?,
            tick_to_order: self.histogram(l.gateway_stage(k, 2))?,
        })
    }

    /// The counters of the control plane.
    ///
    /// # Errors
    /// [`RegionError`] where they were taken before.
    pub fn control(&mut self) -> Result<Counters, RegionError> {
        self.counters(self.layout.control())
    }

    /// The counters of the cold thread.
    ///
    /// # Errors
    /// [`RegionError`] where they were taken before.
    pub fn cold(&mut self) -> Result<Counters, RegionError> {
        self.counters(self.layout.cold())
    }

    /// The writing end of the strategy thread.
    ///
    /// # Errors
    /// [`RegionError`] where it was taken before.
    pub fn core(&mut self) -> Result<CorePublisher, RegionError> {
        let l = self.layout;
        let throttles = (0..l.shape.gateways).map(|k| self.cell(l.throttle(k))).collect::<Result<_, _>>()?;
        let reports_and_orders = |k| [l.gateway_ring(k, 0), l.gateway_ring(k, 1)];
        let rings = (0..l.shape.feeds)
            .map(|k| l.feed_ring(k))
            .chain((0..l.shape.gateways).flat_map(reports_and_orders))
            .map(|s| self.counters(s))
            .collect::<Result<_, _>>()?;
        let markets = (0..l.shape.instruments).map(|k| self.cell(l.market(k))).collect::<Result<_, _>>()?;
        let positions =
            (0..l.shape.instruments).map(|k| self.cell(l.position(k))).collect::<Result<_, _>>()?;
        let orders = (0..l.shape.orders).map(|k| self.cell(l.order(k))).collect::<Result<_, _>>()?;
        Ok(CorePublisher {
            counters: self.counters(l.engine())?,
            transitions: self.counters(l.transitions())?,
            feed_ring: self.histogram(l.engine_stage(0))?,
            book: self.histogram(l.engine_stage(1))?,
            strategy_risk: self.histogram(l.engine_stage(2))?,
            risk: self.cell(l.risk())?,
            throttles,
            rings,
            markets,
            positions,
            orders,
            orders_shown: 0,
        })
    }
}

fn name_words(name: &str) -> [u64; layout::NAME] {
    words_of(name.as_bytes())
}

/// As many bytes as there is room for, NUL behind them.
fn words_of<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [[0u8; 8]; N];
    words.as_flattened_mut().iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    words.map(u64::from_le_bytes)
}

/// Of a feed's thread.
pub struct FeedPublisher {
    /// [`counters::feed`].
    pub counters: Counters,
    /// [`counters::line`] for each line that a feed may have.
    pub lines: Vec<Counters>,
    /// Time to arbitrate and decode one datagram, ns.
    pub decode: Histogram,
    /// Time from the kernel's or the device's stamp of a datagram to ours, ns.
    pub wire: Histogram,
}

/// Of a gateway's thread.
pub struct GatewayPublisher {
    /// [`counters::gateway`].
    pub counters: Counters,
    /// From the strategy's decision to the gateway's having the order, ns.
    pub order_ring: Histogram,
    /// Time to encode one request, ns.
    pub encode: Histogram,
    /// From a packet's receipt to its order's bytes in the socket, ns.
    pub tick_to_order: Histogram,
}

/// Of the strategy thread.
pub struct CorePublisher {
    /// [`counters::engine`].
    pub counters: Counters,
    transitions: Counters,
    /// From the feed's push to the strategy's having the packet, ns.
    pub feed_ring: Histogram,
    /// Time to apply one market event that left no command, ns.
    pub book: Histogram,
    /// Time to apply one input that left commands, ns.
    pub strategy_risk: Histogram,
    risk: SeqCell<{ layout::RISK }>,
    throttles: Vec<SeqCell<{ layout::THROTTLE }>>,
    rings: Vec<Counters>,
    markets: Vec<SeqCell<{ layout::MARKET }>>,
    positions: Vec<SeqCell<{ layout::POSITION }>>,
    orders: Vec<SeqCell<{ layout::ORDER }>>,
    orders_shown: usize,
}

impl CorePublisher {
    /// Publishes everything that is cheap to publish. Called when there is nothing else to do, or at the latest every few milliseconds.
    pub fn publish<S: Strategy>(&mut self, e: &Engine<S>) {
        let s = e.stats();
        let c = &mut self.counters;
        let values = [
            (counters::engine::inputs, s.inputs),
            (counters::engine::market_events, s.market_events),
            (counters::engine::new_orders, s.new_orders),
            (counters::engine::replaces, s.replaces),
            (counters::engine::cancels, s.cancels),
            (counters::engine::refusals, s.refusals),
            (counters::engine::reports, s.reports),
            (counters::engine::accepted, s.accepted),
            (counters::engine::rejected, s.rejected),
            (counters::engine::fills, s.fills),
            (counters::engine::shares, s.shares),
            (counters::engine::duplicate_reports, s.duplicate_reports),
            (counters::engine::late_reports, s.late_reports),
            (counters::engine::adopted, s.adopted),
            (counters::engine::anomalies, s.anomalies),
            (counters::engine::unsettled, s.unsettled),
            (counters::engine::written_off, s.written_off),
            (counters::engine::controls_refused, s.controls_refused),
            (counters::engine::broken_prints, s.broken_prints),
            (counters::engine::corrected, s.corrected),
            (counters::engine::lots_merged, e.positions().lots_merged()),
            (counters::engine::held, s.held),
            (counters::engine::dropped, s.dropped),
            (counters::engine::alarms, s.alarms),
            (counters::engine::change, e.last_change().into()),
            (counters::engine::change_refused, e.last_change_refused().into()),
        ];
        values.into_iter().for_each(|(id, v)| c.set(id, v));
        for to in Validity::ALL {
            for why in Reason::ALL {
                let at = to as usize * Reason::COUNT + why as usize;
                self.transitions.set(at, e.instruments().transitions().of(to, why));
            }
        }
        let feeds = e.instruments().all().iter().map(|i| i.instrument.feed.0).max().map_or(0, |f| f + 1);
        let unknown: u64 = (0..feeds).map(|f| e.book_stats(FeedId(f)).unknown_refs.total()).sum();
        c.set(counters::engine::unknown_refs, unknown);
        self.risk.store([
            e.now().0,
            e.halted().map_or(0, |r| r as u64),
            e.orders().open() as u64,
            e.pnl().0.cast_unsigned(),
            u64::from(e.tokens_left()),
            e.limits().max_daily_loss.0.cast_unsigned(),
            e.limits().max_position.cast_unsigned(),
            e.instruments().all().iter().filter(|i| i.is_tradable()).count() as u64,
            s.slippage2.cast_unsigned(),
            s.slippage_of.cast_unsigned(),
            restraint(e),
        ]);
        for (k, cell) in (0..).zip(&mut self.throttles) {
            let words = e
                .pace(GatewayId(k))
                .map_or([0; layout::THROTTLE], |p| [1, p.waiting as u64, p.room_at.0, p.back_off_until.0]);
            cell.store(words);
        }
        for (k, i) in e.instruments().all().iter().enumerate() {
            let id = InstrumentId(k as u16);
            let top = e.top(id);
            let words =
                [i.validity as u8, i.trading as u8, i.short_sale_restriction, i.reason as u8, 0, 0, 0, 0];
            let state = u64::from_le_bytes(words);
            let (bid, ask) = (top.bid_px.0.cast_unsigned(), top.ask_px.0.cast_unsigned());
            let last = i.last.0.cast_unsigned();
            self.markets[k].store([state, bid, top.bid_qty, ask, top.ask_qty, last, i.since.0]);
            let p = e.positions().of(id);
            let signed = [p.shares, p.cash.0, p.mark.0, p.opening_shares, p.opening_cost.0];
            let [shares, cash, mark, opening, opening_cost] = signed.map(i64::cast_unsigned);
            let [cost, fifo_cost, fees] = [p.cost.0, p.fifo_cost.0, p.fees].map(i64::cast_unsigned);
            let (fills, bought, sold) = (p.fills, p.bought, p.sold);
            self.positions[k].store([
                shares,
                cash,
                mark,
                fills,
                bought,
                sold,
                opening,
                opening_cost,
                cost,
                fifo_cost,
                fees,
            ]);
        }
        self.publish_orders(e);
    }

    /// Publishes how full the rings are: `(fill, capacity)` of each feed's, then of each gateway's reports and orders.
    pub fn publish_rings(&mut self, all: impl Iterator<Item = (usize, usize)>) {
        for (ring, (fill, capacity)) in self.rings.iter_mut().zip(all) {
            ring.set(counters::ring::fill, fill as u64);
            ring.set(counters::ring::capacity, capacity as u64);
        }
    }

    fn publish_orders<S: Strategy>(&mut self, e: &Engine<S>) {
        let mut shown = 0;
        for (cell, order) in self.orders.iter_mut().zip(e.orders().iter()) {
            cell.store(order_words(order));
            shown += 1;
        }
        self.orders.iter_mut().take(self.orders_shown).skip(shown).for_each(|c| c.store([0; layout::ORDER]));
        self.orders_shown = shown;
    }
}

fn order_words(o: &Order) -> [u64; layout::ORDER] {
    let what = o.state() as u64
        | (o.side as u64) << 8
        | u64::from(o.instrument.0) << 16
        | u64::from(o.gateway.0) << 32;
    [
        u64::from(o.token.0) | u64::from(o.id.0.0) << 32,
        what,
        o.px.0.cast_unsigned(),
        u64::from(o.open.0) | u64::from(o.executed.0) << 32,
        o.venue_ref.map_or(0, |r| r.0),
        o.created.0,
    ]
}

/// How far trading is restrained, by what, and the clutch: bytes of one word.
fn restraint<S: Strategy>(e: &Engine<S>) -> u64 {
    let cause = e.restrained_by().map_or(0, |cause| cause as u8);
    u64::from_le_bytes([e.level() as u8, cause, u8::from(e.is_declutched()), 0, 0, 0, 0, 0])
}
