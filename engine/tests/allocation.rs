//! After warm-up the engine allocates nothing: a counting allocator under a day in small, with a venue that answers at once.
//!
//! Only allocations of this thread count, so that the test harness's own do not. The market's part is executions, and deletions that walk
//! down a ladder built before: they move the best prices, and take no memory whatever the book is made of.

#[expect(dead_code, reason = "this test needs a part of the kit")]
#[path = "behaviour/kit.rs"]
mod kit;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use engine::strategy::{Imbalance, Params, Quoter, Strategy};
use engine::{BackOff, BucketLimit, Outbox, QueueLimit, Throttle, WindowLimit};
use kit::*;
use model::{
    CommandKind, Control, ExecutionReport, FeedStatus, HaltReason, Input, Limit, MarketBody, Nanos,
    OrderCommand, ParamName, Qty, ReportKind, SessionEvent, Setting, Side, Tif, Token, VenueRef,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that is being torn down has no counter left, and is not the one measured.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: every method passes its arguments on to `System` unchanged, which upholds the contract; counting touches no memory
// of the allocator's and does not allocate (a `const` thread-local without a destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System` by `alloc` or `realloc` with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`; the caller promises that `size` is sound.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Answers commands at once: accepts, fills every third order in parts, replaces, cancels.
struct Answers {
    seq: u64,
    queue: [Option<ExecutionReport>; 256],
    len: usize,
    /// Token and shares; token 0 is free.
    open: [(u32, u32); 64],
}

impl Answers {
    fn say(&mut self, gateway: model::GatewayId, token: u32, kind: ReportKind) {
        self.seq += 1;
        let r = ExecutionReport { ts_event: Nanos(1), seq: self.seq, token: Token(token), gateway, kind };
        self.queue[self.len] = Some(r);
        self.len += 1;
    }

    fn slot(&mut self, token: u32) -> Option<&mut (u32, u32)> {
        self.open.iter_mut().find(|o| o.0 == token)
    }

    fn take(&mut self, c: &OrderCommand) {
        match c.kind {
            CommandKind::New { token: Token(t), side, short, qty, px, tif } => {
                self.say(c.gateway, t, accepted_as(c.instrument, side, short, qty.0, px.0));
                match (tif, t % 3) {
                    (Tif::Ioc, 0) => self.say(c.gateway, t, executed(qty.0, px.0, u64::from(t))),
                    (Tif::Ioc, _) => self.say(c.gateway, t, canceled(qty.0)),
                    (Tif::Day, 0) => {
                        self.say(c.gateway, t, executed(1, px.0, u64::from(t)));
                        self.say(c.gateway, t, executed(qty.0 - 1, px.0, u64::from(t) << 32));
                    }
                    (Tif::Day, _) => *self.slot(0).expect("room") = (t, qty.0),
                }
            }
            // What names an order that is gone meets silence.
            CommandKind::Replace { old, token, qty, px, .. } => {
                if let Some(slot) = self.slot(old.0) {
                    *slot = (token.0, qty.0);
                    self.say(c.gateway, token.0, replaced(old.0, qty.0, px.0));
                }
            }
            CommandKind::Port { .. } => unreachable!("nobody asks for it"),
            CommandKind::Cancel { token: Token(t), .. } => {
                if let Some(slot) = self.slot(t) {
                    let (_, open) = core::mem::take(slot);
                    self.say(c.gateway, t, canceled(open));
                }
            }
        }
    }
}

/// Runs a strategy through the ladder, allocations counted from the middle on; returns the engine.
fn day<S: Strategy>(throttle: Throttle) -> (Kit<S>, u64) {
    const LEVELS: i64 = 90;
    let strategy = S::new(&mut Params::new(BTreeMap::new())).expect("defaults");
    let limits = engine::RiskLimits { max_position: 500, ..wide() };
    let mut kit = Kit::over(limits, strategy);
    let mut config = config(limits);
    config.book.levels = 1_000;
    config.throttles = vec![throttle];
    let params = Params::new(BTreeMap::new()).read_by::<S>().expect("defaults");
    let strategy = S::new(&mut params.clone()).expect("defaults");
    kit.engine = engine::Engine::new(&config, strategy).with_params(params);
    kit.start();
    let rungs: Vec<VenueRef> = (1..=LEVELS)
        .flat_map(|k| {
            let (bid, ask) = (100 + k as u32 * 37 % 900, 100 + k as u32 * 91 % 900);
            let b = kit.quote(A, Side::Buy, bid, MID - 100 - k * 100);
            [b, kit.quote(A, Side::Sell, ask, MID + 100 + k * 100)]
        })
        .collect();
    let mut answers = Answers { seq: 1 << 20, queue: [None; 256], len: 0, open: [(0, 0); 64] };
    let (mut out, mut now, mut before) = (Outbox::default(), kit.now, 0);
    let half = rungs.len() / 2;
    let inventory = ParamName::new("max_inventory").expect("a name");
    for (k, order) in [VenueRef(1), VenueRef(2)].into_iter().chain(rungs).enumerate() {
        if k == half {
            before = allocations();
        }
        let inputs = [
            Input::Market(FEED, event(MarketBody::Execute { order, qty: Qty(1), match_number: 1 })),
            Input::Market(FEED, event(MarketBody::Reduce { order, qty: Qty(1 + k as u32 % 50) })),
            Input::Market(FEED, event(MarketBody::Delete { order })),
            Input::Feed(FEED, FeedStatus::Heartbeat),
            Input::Control(match k % 40 {
                20 => Control::CancelAll,
                21 => Control::Halt(HaltReason::Operator),
                22 => Control::Resume,
                23 => Control::Stage(Setting::Number(inventory, 500 + k as i64 % 7)),
                24 => Control::Stage(Setting::Limit(Limit::MessagesPerSecond, 10_000 - k as i64)),
                25 => Control::Enact { change: k as u32, count: 2 },
                26 => Control::Stage(Setting::Number(inventory, 1)),
                27 => Control::Stage(Setting::Limit(Limit::Position, i64::MAX)),
                // Of limits one that is looser: all stays as it is.
                28 => Control::Enact { change: k as u32, count: 2 },
                _ => Control::Tokens { first: Token(1), end: Token(1_000_000) },
            }),
            Input::Session(
                GATEWAY,
                match k % 30 {
                    10 => SessionEvent::Disconnected,
                    _ => SessionEvent::Ready { next_token: Token(0), proven: true },
                },
            ),
            Input::Timer,
        ];
        for input in inputs {
            now.0 += 5_000_000;
            out.clear();
            kit.engine.apply(now, &input, &mut out);
            out.commands().iter().for_each(|a| answers.take(a.command()));
            let mut said = 0;
            while said < answers.len {
                let report = answers.queue[said].take().expect("said");
                said += 1;
                out.clear();
                kit.engine.apply(now, &Input::Report(report), &mut out);
                out.commands().iter().for_each(|a| answers.take(a.command()));
            }
            answers.len = 0;
            std::hint::black_box(kit.engine.state_hash());
        }
    }
    let after = allocations();
    let changed = (kit.engine.last_change(), kit.engine.last_change_refused());
    assert!(changed.0 > half as u32 && changed.1 > half as u32, "settings changed: {changed:?}");
    (kit, after - before)
}

fn event(body: MarketBody) -> model::MarketEvent {
    model::MarketEvent { ts_event: Nanos(1), instrument: A, body }
}

#[test]
fn a_quoter_allocates_nothing_after_warm_up() {
    let (kit, n) = day::<Quoter>(Throttle::default());
    let s = kit.engine.stats();
    assert!(s.replaces > 50 && s.fills > 20 && s.cancels > 3 && s.anomalies == 0, "{s:?}");
    assert_eq!(n, 0, "allocations");
}

#[test]
fn a_taker_allocates_nothing_after_warm_up() {
    let (kit, n) = day::<Imbalance>(Throttle::default());
    let s = kit.engine.stats();
    assert!(s.new_orders > 10 && s.fills > 3 && s.anomalies == 0, "{s:?}");
    assert_eq!(n, 0, "allocations");
}

#[test]
fn what_waits_for_room_allocates_nothing_after_warm_up() {
    let span = Nanos::from_millis(60);
    let throttle = Throttle {
        windows: vec![WindowLimit { limit: 2, span }],
        bucket: Some(BucketLimit { per_second: 40, burst: 2 }),
        queue: Some(QueueLimit { slots: 4, patience: span }),
        back_off: Some(BackOff { codes: vec![0x28], first: span, longest: span }),
        breaker: Some(WindowLimit { limit: 100, span }),
        ..Throttle::default()
    };
    let (kit, n) = day::<Quoter>(throttle);
    let s = kit.engine.stats();
    assert!(s.held > 50 && s.dropped > 20 && s.replaces > 50 && s.anomalies == 0, "{s:?}");
    assert_eq!(n, 0, "allocations");
}

#[test]
fn canary_the_counter_counts() {
    let before = allocations();
    let v = std::hint::black_box(vec![1u8; 100]);
    assert_eq!(allocations() - before, 1);
    drop(v);
}
