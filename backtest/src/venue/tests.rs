//! Our orders among those of history: told ones, and random ones against a model that keeps every queue as a list.

mod admission;
mod levels;

use std::collections::BTreeMap;

use engine::book::{BookStats, NaiveBooks};
use model::{CrossKind, Side};
use proptest::prelude::*;

use super::*;

const ID: InstrumentId = InstrumentId(0);
const G: GatewayId = GatewayId(0);
const CAPACITY: BookCapacity =
    BookCapacity { instruments: 1, live_orders: 4_096, levels: 512, direct_refs: 1 << 20 };

fn ev(body: MarketBody) -> MarketEvent {
    MarketEvent { ts_event: Nanos(1), instrument: ID, body }
}

fn trading(state: TradingState) -> MarketEvent {
    ev(MarketBody::TradingAction { symbol: model::Symbol::BLANK, state, reason: *b"    " })
}

fn add(order: u64, side: Side, px: i64, qty: u32) -> MarketEvent {
    ev(MarketBody::Add { order: VenueRef(order), px: Px(px), qty: Qty(qty), side, mpid: *b"    " })
}

fn execute(order: u64, qty: u32) -> MarketEvent {
    ev(MarketBody::Execute { order: VenueRef(order), qty: Qty(qty), match_number: 1 })
}

fn delete(order: u64) -> MarketEvent {
    ev(MarketBody::Delete { order: VenueRef(order) })
}

fn new(token: u32, side: Side, px: i64, qty: u32, tif: Tif) -> OrderCommand {
    let kind = CommandKind::New { token: Token(token), side, short: false, qty: Qty(qty), px: Px(px), tif };
    OrderCommand { gateway: G, instrument: ID, kind }
}

fn ask(kind: CommandKind) -> OrderCommand {
    OrderCommand { gateway: G, instrument: ID, kind }
}

/// Orders wait for an auction: these tests have some.
fn rules(impact: Impact) -> Rules {
    let admission = Admission { takes_while_halted: true, ..Admission::default() };
    Rules { impact, admission, ..Rules::default() }
}

/// A venue that trades, and what it said last.
struct Desk {
    venue: Venue,
    said: Said,
    /// Whether the last message of history was shown as it was.
    as_is: bool,
}

impl Desk {
    fn new(impact: Impact) -> Desk {
        Desk::by(rules(impact))
    }

    fn by(rules: Rules) -> Desk {
        let venue = Venue::new(rules, &CAPACITY, 1);
        let mut desk = Desk { venue, said: Said::default(), as_is: true };
        desk.market(trading(TradingState::Trading));
        desk
    }

    fn market(&mut self, ev: MarketEvent) -> Vec<(u32, u32, i64)> {
        self.said.clear();
        self.as_is = self.venue.on_market(&ev, &mut self.said);
        self.fills()
    }

    fn ask(&mut self, c: OrderCommand) -> Vec<(u32, u32, i64)> {
        self.said.clear();
        self.venue.on_command(Nanos(1), &c, &mut self.said);
        self.fills()
    }

    /// Token, shares, price.
    fn fills(&self) -> Vec<(u32, u32, i64)> {
        let fill = |r: &ExecutionReport| match r.kind {
            ReportKind::Executed { qty, px, .. } => Some((r.token.0, qty.0, px.0)),
            _ => None,
        };
        self.said.reports.iter().filter_map(fill).collect()
    }

    fn kinds(&self) -> Vec<ReportKind> {
        self.said.reports.iter().map(|r| r.kind).collect()
    }
}

#[test]
fn ours_waits_for_those_that_stood_before_it() {
    let mut d = Desk::new(Impact::None);
    d.market(add(7, Side::Buy, 100, 300));
    d.market(add(9, Side::Buy, 100, 200));
    d.ask(new(1, Side::Buy, 100, 150, Tif::Day));
    assert_eq!(d.venue.ahead(Token(1)), Some(500));
    d.market(add(12, Side::Buy, 100, 100));
    d.market(delete(7));
    assert_eq!(d.venue.ahead(Token(1)), Some(200));
    assert_eq!(d.market(execute(9, 100)), []);
    assert_eq!(d.venue.ahead(Token(1)), Some(100));
    // 100 with the order behind us: we stood before it.
    assert_eq!(d.market(execute(12, 60)), [(1, 60, 100)]);
    // A replace of the order before us goes behind us.
    d.market(ev(MarketBody::Replace { old: VenueRef(9), new: VenueRef(20), qty: Qty(500), px: Px(100) }));
    assert_eq!(d.venue.ahead(Token(1)), Some(0));
    assert_eq!(d.market(execute(20, 500)), [(1, 90, 100)], "no more than is open");
    assert_eq!((d.venue.resting(), d.venue.counts().made), (0, 150));
}

#[test]
fn what_comes_past_our_price_comes_to_us_first() {
    let mut d = Desk::new(Impact::None);
    d.market(add(1, Side::Buy, 98, 100));
    d.ask(new(1, Side::Buy, 99, 50, Tif::Day));
    assert_eq!(d.market(execute(1, 20)), [(1, 20, 99)], "at a worse price than ours");
    // A hidden order traded at 98 and 99: past ours, and at its very price, where nobody knows.
    let print = |px| ev(MarketBody::Trade { px: Px(px), qty: Qty(10), match_number: 5, side: Side::Buy });
    assert_eq!(d.market(print(99)), []);
    assert_eq!(d.market(print(98)), [(1, 10, 99)]);
    // An offer that comes in at our price or below would have met us.
    assert_eq!(d.market(add(2, Side::Sell, 100, 5)), []);
    assert_eq!(d.market(add(3, Side::Sell, 99, 5)), [(1, 5, 99)]);
    assert_eq!(d.market(add(4, Side::Sell, 97, 500)), [(1, 15, 99)]);
}

#[test]
fn shares_are_taken_once() {
    for impact in [Impact::None, Impact::Displayed] {
        let mut d = Desk::new(impact);
        d.market(add(1, Side::Sell, 101, 100));
        d.market(add(2, Side::Sell, 101, 50));
        d.market(add(3, Side::Sell, 102, 100));
        assert_eq!(d.ask(new(1, Side::Buy, 101, 120, Tif::Ioc)), [(1, 100, 101), (1, 20, 101)]);
        assert_eq!(d.ask(new(2, Side::Buy, 101, 120, Tif::Ioc)), [(2, 30, 101)]);
        assert_eq!(d.kinds().last(), Some(&ReportKind::Canceled { qty: Qty(90), reason: b'I' }));
        // What we took of an order goes with it, whatever becomes of it.
        d.market(ev(MarketBody::Reduce { order: VenueRef(2), qty: Qty(10) }));
        assert_eq!(d.ask(new(3, Side::Buy, 101, 10, Tif::Ioc)), []);
        d.market(ev(MarketBody::Replace { old: VenueRef(3), new: VenueRef(4), qty: Qty(80), px: Px(103) }));
        assert_eq!(d.ask(new(4, Side::Buy, 103, 200, Tif::Ioc)), [(4, 80, 103)]);
        assert_eq!(d.venue.counts().taken, 230);
    }
}

#[test]
fn shares_that_came_to_ours_are_not_taken_again() {
    for impact in [Impact::None, Impact::Displayed] {
        let mut d = Desk::new(impact);
        d.ask(new(1, Side::Buy, 99, 100, Tif::Day));
        assert_eq!(d.market(add(3, Side::Sell, 99, 120)), [(1, 100, 99)]);
        assert_eq!(d.ask(new(2, Side::Buy, 99, 100, Tif::Ioc)), [(2, 20, 99)], "{impact:?}");
        // Under another number they do not come again, to an order that rests or to one that takes.
        d.ask(new(3, Side::Buy, 98, 70, Tif::Day));
        let replace = |px, qty| MarketBody::Replace { old: VenueRef(3), new: VenueRef(4), qty, px };
        assert_eq!(d.market(ev(replace(Px(98), Qty(120)))), [], "{impact:?}");
        assert_eq!(d.ask(new(4, Side::Buy, 98, 100, Tif::Ioc)), [], "{impact:?}");
        assert_eq!((d.venue.counts().made, d.venue.counts().taken), (100, 20));
    }
    // Of one that grows as it is replaced, what it grew by comes.
    let mut d = Desk::new(Impact::None);
    d.ask(new(1, Side::Buy, 99, 150, Tif::Day));
    assert_eq!(d.market(add(3, Side::Sell, 99, 100)), [(1, 100, 99)]);
    let body = MarketBody::Replace { old: VenueRef(3), new: VenueRef(4), qty: Qty(130), px: Px(99) };
    assert_eq!(d.market(ev(body)), [(1, 30, 99)]);
    assert_eq!(d.ask(new(2, Side::Buy, 99, 100, Tif::Ioc)), []);
}

#[test]
fn a_cross_fills_what_is_better_than_its_price() {
    let mut d = Desk::new(Impact::None);
    d.market(trading(TradingState::Halted));
    assert_eq!(d.ask(new(1, Side::Buy, 105, 70, Tif::Day)), []);
    d.ask(new(2, Side::Buy, 100, 70, Tif::Day));
    d.ask(new(3, Side::Sell, 99, 70, Tif::Day));
    let cross = |qty| ev(MarketBody::Cross { qty, px: Px(100), match_number: 6, cross: CrossKind::Halt });
    assert_eq!(d.market(cross(0)), []);
    assert_eq!(d.market(cross(50)), [(1, 50, 100), (3, 50, 100)]);
    assert_eq!(d.venue.counts().crossed, 100);
    d.market(ev(MarketBody::System { code: b'M' }));
    assert_eq!(d.kinds(), [20, 70, 20].map(|qty| ReportKind::Canceled { qty: Qty(qty), reason: b'E' }));
}

#[test]
fn requests_end_as_at_the_venue() {
    let mut d = Desk::new(Impact::Displayed);
    d.market(add(1, Side::Buy, 100, 10));
    d.ask(new(1, Side::Buy, 100, 50, Tif::Day));
    d.market(add(2, Side::Buy, 100, 40));
    assert_eq!(d.market(execute(2, 30)), [(1, 30, 100)]);
    // A total of 60 of which 30 traded: 30 are open, behind everybody.
    d.ask(ask(CommandKind::Replace {
        old: Token(1),
        token: Token(2),
        qty: Qty(60),
        px: Px(100),
        tif: Tif::Day,
    }));
    assert!(matches!(d.kinds()[..], [ReportKind::Replaced { qty: Qty(30), old: Token(1), .. }]));
    assert_eq!(d.venue.ahead(Token(2)), Some(20));
    d.ask(ask(CommandKind::Cancel { token: Token(2), qty: Qty(50) }));
    assert_eq!(d.kinds(), [ReportKind::Canceled { qty: Qty(10), reason: b'U' }]);
    d.ask(ask(CommandKind::Cancel { token: Token(2), qty: Qty(55) }));
    assert_eq!(d.kinds(), [], "a total above what is left");
    // A total that has traded already leaves nothing.
    d.ask(ask(CommandKind::Replace {
        old: Token(2),
        token: Token(3),
        qty: Qty(30),
        px: Px(99),
        tif: Tif::Day,
    }));
    assert_eq!(d.kinds(), [ReportKind::Canceled { qty: Qty(20), reason: b'U' }]);
    d.ask(ask(CommandKind::Cancel { token: Token(2), qty: Qty(0) }));
    assert_eq!((d.kinds(), d.venue.counts().ignored), (vec![], 2));
    d.ask(ask(CommandKind::Port { token: Token(9), request: PortRequest::EntryOff }));
    d.ask(new(4, Side::Buy, 90, 1, Tif::Day));
    assert_eq!(d.kinds(), [ReportKind::Rejected { reason: rules::ENTRY_OFF }]);
}

/// Token, shares, price of each.
type Fills = Vec<(u32, u32, i64)>;

/// Somebody in a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    History(u64),
    Ours(u32),
}

/// Queues as lists, in which our orders stand where they came.
#[derive(Default)]
struct Model {
    levels: BTreeMap<(u8, i64), Vec<(Who, u32)>>,
    /// By reference, what of it traded with ours, as it came or as ours did.
    taken: BTreeMap<u64, u32>,
    fills: Vec<(u32, u32, i64)>,
}

impl Model {
    fn at(&self, who: Who) -> Option<(u8, i64, usize)> {
        self.levels.iter().find_map(|((s, px), q)| Some((*s, *px, q.iter().position(|w| w.0 == who)?)))
    }

    fn shrink(&mut self, who: Who, qty: u32) {
        let Some((s, px, at)) = self.at(who) else { return };
        let queue = self.levels.get_mut(&(s, px)).unwrap();
        queue[at].1 -= qty.min(queue[at].1);
        if queue[at].1 == 0 {
            queue.remove(at);
        }
    }

    /// Ours of a side, best and oldest first, as far as `price` reaches; those in front of `until` in its level.
    fn ours(&self, s: u8, reaches: impl Fn(i64) -> bool, until: Option<(i64, Who)>) -> Vec<(u32, u32, i64)> {
        let mut levels: Vec<_> =
            self.levels.iter().filter(|((side, px), _)| *side == s && reaches(*px)).collect();
        levels.sort_by_key(|((_, px), _)| if s == 0 { -px } else { *px });
        let mut ours = Vec::new();
        for ((_, px), queue) in levels {
            for (who, qty) in queue {
                match who {
                    who if until == Some((*px, *who)) => break,
                    Who::Ours(token) => ours.push((*token, *qty, *px)),
                    Who::History(_) => {}
                }
            }
        }
        ours
    }

    /// Returns what is left of it.
    fn fill(&mut self, ours: Vec<(u32, u32, i64)>, mut left: u32) -> u32 {
        for (token, open, px) in ours {
            let qty = open.min(left);
            if qty != 0 {
                left -= qty;
                self.fills.push((token, qty, px));
                self.shrink(Who::Ours(token), qty);
            }
        }
        left
    }

    fn join(&mut self, who: Who, s: u8, px: i64, qty: u32) {
        self.levels.entry((s, px)).or_default().push((who, qty));
    }

    fn come(&mut self, r: u64, s: u8, px: i64, qty: u32) {
        let ours = self.ours(1 - s, |at| if s == 0 { at <= px } else { at >= px }, None);
        let taken = self.taken.get(&r).map_or(0, |t| (*t).min(qty));
        let left = self.fill(ours, qty - taken);
        self.taken.insert(r, qty - left);
        self.join(Who::History(r), s, px, qty);
    }

    fn trade(&mut self, r: u64, qty: u32) {
        let who = Who::History(r);
        let (s, px, _) = self.at(who).unwrap();
        let ours = self.ours(s, |at| at == px || (at > px) == (s == 0), Some((px, who)));
        self.fill(ours, qty);
        self.shrink(who, qty);
    }

    /// Returns what is left of it.
    fn take(&mut self, token: u32, s: u8, limit: i64, mut left: u32) -> u32 {
        let reaches = |px: i64| if s == 0 { px <= limit } else { px >= limit };
        let mut levels: Vec<_> =
            self.levels.iter().filter(|((side, px), _)| *side == 1 - s && reaches(*px)).collect();
        levels.sort_by_key(|((_, px), _)| if s == 0 { *px } else { -px });
        for ((_, px), queue) in levels {
            for (who, qty) in queue {
                let Who::History(r) = who else { continue };
                let taken = self.taken.entry(*r).or_default();
                let fill = (qty - (*taken).min(*qty)).min(left);
                if fill != 0 {
                    *taken += fill;
                    left -= fill;
                    self.fills.push((token, fill, *px));
                }
            }
        }
        left
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add { buy: bool, far: i64, qty: u32 },
    Trade { buy: bool, qty: u32 },
    Shrink { which: usize, qty: u32 },
    Delete { which: usize },
    Replace { which: usize, far: i64, qty: u32 },
    Ours { buy: bool, px: i64, qty: u32, ioc: bool },
    Cancel { which: usize, left: u32 },
    Move { which: usize, px: i64, more: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (any::<bool>(), 0..6i64, 1..400u32).prop_map(|(buy, far, qty)| Step::Add { buy, far, qty }),
        4 => (any::<bool>(), 1..500u32).prop_map(|(buy, qty)| Step::Trade { buy, qty }),
        1 => (any::<usize>(), 1..300u32).prop_map(|(which, qty)| Step::Shrink { which, qty }),
        2 => any::<usize>().prop_map(|which| Step::Delete { which }),
        1 => (any::<usize>(), 0..6i64, 1..400u32).prop_map(|(which, far, qty)| Step::Replace { which, far, qty }),
        4 => (any::<bool>(), 985..1_015i64, 1..300u32, any::<bool>())
            .prop_map(|(buy, px, qty, ioc)| Step::Ours { buy, px, qty, ioc }),
        1 => (any::<usize>(), 0..200u32).prop_map(|(which, left)| Step::Cancel { which, left }),
        1 => (any::<usize>(), 985..1_015i64, 1..200u32).prop_map(|(which, px, more)| Step::Move { which, px, more }),
    ];
    prop::collection::vec(step, 1..160)
}

/// History as a venue would have made it: nothing rests across, trades are with the first in the queue.
struct History {
    books: NaiveBooks,
    next: u64,
    live: Vec<u64>,
}

impl History {
    fn px(&self, buy: bool, far: i64) -> i64 {
        let top = self.books.top(ID);
        match buy {
            true => (if top.ask_qty == 0 { 1_001 } else { top.ask_px.0 }) - 1 - far,
            false => (if top.bid_qty == 0 { 999 } else { top.bid_px.0 }) + 1 + far,
        }
    }

    fn first(&self, buy: bool) -> Option<(u64, u32)> {
        let mut first = None;
        self.books.walk(ID, side(buy), |r, _, qty| {
            first = Some((r.0, qty.0));
            false
        });
        first
    }

    fn some(&self, which: usize) -> Option<(u64, engine::book::RestingOrder)> {
        let r = *self.live.get(which % self.live.len().max(1))?;
        Some((r, self.books.order(VenueRef(r))?))
    }

    fn message(&mut self, step: &Step) -> Option<MarketEvent> {
        let message = match *step {
            Step::Add { buy, far, qty } => {
                self.next += 1;
                self.live.push(self.next);
                add(self.next, side(buy), self.px(buy, far), qty)
            }
            Step::Trade { buy, qty } => {
                let (r, open) = self.first(buy)?;
                execute(r, qty.min(open))
            }
            Step::Shrink { which, qty } => {
                let (r, o) = self.some(which)?;
                ev(MarketBody::Reduce { order: VenueRef(r), qty: Qty(qty.min(o.qty.0)) })
            }
            Step::Delete { which } => delete(self.some(which)?.0),
            Step::Replace { which, far, qty } => {
                let (old, o) = self.some(which)?;
                self.next += 1;
                self.live.push(self.next);
                let px = Px(self.px(o.side == Side::Buy, far));
                ev(MarketBody::Replace { old: VenueRef(old), new: VenueRef(self.next), qty: Qty(qty), px })
            }
            _ => return None,
        };
        self.books.apply(&message);
        self.live.retain(|r| self.books.order(VenueRef(*r)).is_some());
        Some(message)
    }
}

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

/// By reference of history, its size and what of it was ours, over the whole run.
#[derive(Default)]
struct Ledger(BTreeMap<u64, (u32, u32)>);

impl Ledger {
    /// An order of history comes in; returns it, and what of it was ours before, under another number.
    fn open(&mut self, message: &MarketEvent, venue: &Venue) -> Option<(u64, u32)> {
        let (order, qty, carried) = match message.body {
            MarketBody::Add { order, qty, .. } => (order, qty.0, 0),
            // What follows an order of which the venue's books have nothing was never there for us.
            MarketBody::Replace { old, new, qty, .. } => match venue.history().order(old) {
                Some(_) => (new, qty.0, venue.floor.missing.of(old).min(qty.0)),
                None => (new, qty.0, qty.0),
            },
            _ => return None,
        };
        self.0.insert(order.0, (qty, carried));
        Some((order.0, carried))
    }

    /// Holds what is missing now of each order that lives to what was missing `before`, and to the shares of ours that traded with some of them.
    fn note(&mut self, before: &[(u64, u32)], venue: &Venue, filled: u32) {
        let mut gone = 0;
        for (r, before) in before {
            let now = venue.floor.missing.of(VenueRef(*r));
            let (size, ours) = self.0.get_mut(r).unwrap();
            let more = now.checked_sub(*before).unwrap();
            gone += more;
            *ours += more;
            assert!(*ours <= *size, "{ours} shares of {r}, which had {size}");
        }
        assert_eq!(gone, filled, "each share of ours is some order's");
    }
}

/// Runs the steps; returns the fills of the venue and of the model.
fn run(impact: Impact, steps: &[Step]) -> (Fills, Fills) {
    let mut d = Desk::new(impact);
    let mut history = History { books: NaiveBooks::new(&CAPACITY), next: 0, live: Vec::new() };
    let (mut model, mut shown) = (Model::default(), NaiveBooks::new(&CAPACITY));
    let mut fills = Vec::new();
    let mut ours: Vec<(u32, i64, u32, bool)> = Vec::new();
    let (mut token, mut ledger) = (0, Ledger::default());
    let sum = |fills: &Fills| fills.iter().map(|f| f.1).sum::<u32>();
    for step in steps {
        if let Some(message) = history.message(step) {
            let came = ledger.open(&message, &d.venue);
            let before = d.venue.counts().made;
            let filled = d.market(message);
            let most = match message.body {
                MarketBody::Add { qty, .. }
                | MarketBody::Replace { qty, .. }
                | MarketBody::Execute { qty, .. } => qty.0,
                _ => 0,
            };
            assert!(d.venue.counts().made - before <= u64::from(most), "{message:?} filled {filled:?}");
            if let Some(came) = came {
                ledger.note(&[came], &d.venue, sum(&filled));
            }
            fills.extend(filled);
            if d.as_is {
                shown.apply(&message);
            }
            assert!(impact == Impact::Displayed || (d.as_is && d.said.events.is_empty()));
            if impact == Impact::None {
                model_follows(&mut model, &message);
            }
        } else if let Some(command) = command(step, &mut token, &mut ours, &d.venue) {
            let missing = |r: &u64| (*r, d.venue.floor.missing.of(VenueRef(*r)));
            let before: Vec<_> = history.live.iter().map(missing).collect();
            let filled = d.ask(command);
            ledger.note(&before, &d.venue, sum(&filled));
            fills.extend(filled);
            if impact == Impact::None {
                model_asks(&mut model, &command, &d.kinds());
            }
        } else {
            d.said.clear();
        }
        for event in &d.said.events {
            let change = shown.apply(event);
            assert!(change.effect.is_sound(), "{event:?} after {step:?}: {:?}", change.effect);
        }
        ours.retain(|(t, ..)| d.venue.ahead(Token(*t)).is_some());
    }
    assert_eq!(shown.stats(), BookStats::default());
    assert_eq!(d.venue.history().stats(), BookStats::default());
    if impact == Impact::None {
        assert_eq!(shown.hash(ID), history.books.hash(ID), "history goes on as it was");
    } else {
        // The feed shows what is left of history, and ours.
        let mut left = NaiveBooks::new(&CAPACITY);
        for side in [Side::Buy, Side::Sell] {
            d.venue.history().for_each_order(ID, side, |r, px, qty| {
                left.apply(&add(r.0, side, px.0, qty.0));
            });
        }
        for own in &d.venue.floor.listings[0].own {
            left.apply(&add(own.order.0, own.side, own.px.0, own.open));
        }
        assert_eq!(shown.hash(ID), left.hash(ID), "what is shown is what there is");
    }
    (fills, model.fills)
}

fn command(
    step: &Step,
    token: &mut u32,
    ours: &mut Vec<(u32, i64, u32, bool)>,
    venue: &Venue,
) -> Option<OrderCommand> {
    *token += 1;
    match *step {
        Step::Ours { buy, px, qty, ioc } => {
            ours.push((*token, px, qty, buy));
            Some(new(*token, side(buy), px, qty, if ioc { Tif::Ioc } else { Tif::Day }))
        }
        Step::Cancel { which, left } => {
            let (t, ..) = *ours.get(which % ours.len().max(1))?;
            Some(ask(CommandKind::Cancel { token: Token(t), qty: Qty(left) }))
        }
        Step::Move { which, px, more } => {
            let (t, _, _, buy) = *ours.get(which % ours.len().max(1))?;
            let (id, at) = venue.floor.place(Token(t))?;
            let spent = venue.floor.listings[id.index()].own[at].spent;
            ours.push((*token, px, spent + more, buy));
            let (old, qty) = (Token(t), Qty(spent + more));
            Some(ask(CommandKind::Replace { old, token: Token(*token), qty, px: Px(px), tif: Tif::Day }))
        }
        _ => None,
    }
}

fn model_follows(m: &mut Model, message: &MarketEvent) {
    match message.body {
        MarketBody::Add { order, px, qty, side, .. } => m.come(order.0, side as u8, px.0, qty.0),
        MarketBody::Execute { order, qty, .. } => m.trade(order.0, qty.0),
        MarketBody::Reduce { order, qty } => m.shrink(Who::History(order.0), qty.0),
        MarketBody::Delete { order } => m.shrink(Who::History(order.0), u32::MAX),
        MarketBody::Replace { old, new, qty, px } => {
            let (s, ..) = m.at(Who::History(old.0)).unwrap();
            m.shrink(Who::History(old.0), u32::MAX);
            let taken = m.taken.remove(&old.0).unwrap_or(0);
            m.taken.insert(new.0, taken);
            m.come(new.0, s, px.0, qty.0);
        }
        _ => {}
    }
    let gone: Vec<_> = m.taken.keys().copied().filter(|r| m.at(Who::History(*r)).is_none()).collect();
    for r in gone {
        m.taken.remove(&r);
    }
    let left = |m: &Model, r: u64| m.at(Who::History(r)).map_or(0, |(s, px, at)| m.levels[&(s, px)][at].1);
    let clamped: Vec<_> = m.taken.iter().map(|(r, t)| (*r, (*t).min(left(m, *r)))).collect();
    m.taken.extend(clamped);
}

fn model_asks(m: &mut Model, c: &OrderCommand, kinds: &[ReportKind]) {
    let rest = |m: &mut Model, token: u32, s: u8, px: i64, qty: u32, tif: Tif| {
        let left = m.take(token, s, px, qty);
        if left != 0 && tif == Tif::Day {
            m.join(Who::Ours(token), s, px, left);
        }
    };
    match c.kind {
        CommandKind::New { token, side, qty, px, tif, .. } => rest(m, token.0, side as u8, px.0, qty.0, tif),
        CommandKind::Cancel { token, .. } => {
            if let Some(ReportKind::Canceled { qty, .. }) = kinds.first() {
                m.shrink(Who::Ours(token.0), qty.0);
            }
        }
        CommandKind::Replace { old, token, px, tif, .. } => {
            if let Some(ReportKind::Replaced { qty, .. }) = kinds.first() {
                let (s, ..) = m.at(Who::Ours(old.0)).unwrap();
                m.shrink(Who::Ours(old.0), u32::MAX);
                rest(m, token.0, s, px.0, qty.0, tif);
            }
        }
        CommandKind::Port { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Conservation: every fill is of an event of history, as the queues have it, share by share.
    #[test]
    fn fills_are_what_the_queues_say(steps in steps()) {
        let (fills, model) = run(Impact::None, &steps);
        prop_assert_eq!(fills, model);
    }

    /// What the feed shows of us is a feed: nothing unknown, nothing twice, and at the end the books that there are.
    #[test]
    fn what_is_shown_is_sound(steps in steps()) {
        run(Impact::Displayed, &steps);
    }
}
