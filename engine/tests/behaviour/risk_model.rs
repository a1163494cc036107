//! T7: the gate against a model in 128-bit integers that adds everything up anew for each request, from nothing but what was asked, what passed and what the venue said.
//!
//! A request passes where the model finds no limit that it would pass; a refusal names one of those that it finds. `COLO_T7_RUNS` runs of random limits (200), seeds from
//! `COLO_T7_SEED` on; what fails prints its seed.

use std::collections::{BTreeMap, BTreeSet};

use engine::{AdvLimits, EngineConfig, RiskLimits, RiskReject, ScopeLimits, Scopes, SymbolLimits};
use model::{
    BreakerCause, BreakerLevel, CommandKind, Control, InstrumentId, Px, Qty, ReportKind, Side, Usd, VenueRef,
};

use crate::kit::*;

const STEPS: usize = 400;
const TRADED: [InstrumentId; 2] = [A, C];

struct Own {
    instrument: InstrumentId,
    side: Side,
    short: bool,
    px: i64,
    open: i128,
    executed: i128,
    pending: Option<(u32, i128, i64)>,
}

impl Own {
    fn reserved(&self) -> i128 {
        self.pending.map_or(self.open, |(_, open, _)| open.max(self.open))
    }

    fn crosses(&self, side: Side, px: i64) -> bool {
        let other = self.pending.map_or(self.px, |(_, _, px)| px);
        match self.side {
            _ if self.side == side => false,
            Side::Buy => px <= self.px.max(other),
            Side::Sell => px >= self.px.min(other),
        }
    }
}

struct World {
    rng: Rng,
    kit: Kit<Hand>,
    limits: RiskLimits,
    scopes: Scopes,
    own: BTreeMap<u32, Own>,
    shares: BTreeMap<InstrumentId, i128>,
    level: BreakerLevel,
    clutch_out: bool,
    restricted: BTreeSet<InstrumentId>,
    moved: Option<(InstrumentId, VenueRef)>,
    matches: u64,
    passed: u64,
    refused: BTreeMap<u8, u64>,
}

/// A limit of about this order of magnitude, or none.
fn maybe(rng: &mut Rng, about: u64) -> Option<i64> {
    (!rng.one_in(3)).then(|| rng.below(2 * about) as i64)
}

fn scope(rng: &mut Rng) -> ScopeLimits {
    ScopeLimits {
        max_order_quantity: maybe(rng, 800).map(|n| Qty(n as u32)),
        max_order_notional: maybe(rng, 800 * MID as u64).map(Usd),
        max_position: maybe(rng, 2_000),
        max_open_orders: maybe(rng, 6).map(|n| n as u32),
        max_gross_notional: maybe(rng, 4_000 * MID as u64).map(Usd),
        max_net_notional: maybe(rng, 2_000 * MID as u64).map(Usd),
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let limits = RiskLimits {
            max_order_quantity: Qty(rng.below(1_000) as u32),
            max_order_notional: Usd(if rng.one_in(4) {
                i64::MAX
            } else {
                rng.below(900 * MID as u64) as i64
            }),
            max_position: rng.below(3_000) as i64,
            max_open_orders: 1 + rng.below(12) as u32,
            ..wide()
        };
        let symbol = |rng: &mut Rng| SymbolLimits {
            max_order_quantity: maybe(rng, 800).map(|n| Qty(n as u32)),
            max_order_notional: maybe(rng, 800 * MID as u64).map(Usd),
            max_position: maybe(rng, 2_000),
            adv: Some(1 + rng.below(200_000)),
            restricted: false,
            no_short: false,
        };
        let adv = AdvLimits {
            max_order_bps: maybe(&mut rng, 100).map(|n| n as u32),
            max_position_bps: maybe(&mut rng, 300).map(|n| n as u32),
        };
        let mut scopes = Scopes { adv, ..Scopes::default() };
        if !rng.one_in(4) {
            scopes.firm = scope(&mut rng);
            scopes.strategy = scope(&mut rng);
            scopes.accounts = vec![scope(&mut rng), scope(&mut rng)];
            scopes.symbols = (0..3).map(|_| symbol(&mut rng)).collect();
        } else {
            scopes.adv = AdvLimits::default();
        }
        let mut kit = Kit::of(&EngineConfig { scopes: scopes.clone(), ..config(limits) }, Hand::default());
        kit.start();
        World {
            rng,
            kit,
            limits,
            scopes,
            own: BTreeMap::new(),
            shares: BTreeMap::new(),
            level: BreakerLevel::Normal,
            clutch_out: false,
            restricted: BTreeSet::new(),
            moved: None,
            matches: 0,
            passed: 0,
            refused: BTreeMap::new(),
        }
    }

    fn held(&self, id: InstrumentId) -> i128 {
        self.shares.get(&id).copied().unwrap_or(0)
    }

    fn open_on(&self, id: InstrumentId, side: Side) -> i128 {
        self.own.values().filter(|o| (o.instrument, o.side) == (id, side)).map(Own::reserved).sum()
    }

    fn reference(&self, id: InstrumentId) -> i128 {
        self.kit.engine.instruments().of(id).reference.0.into()
    }

    /// The tightest of a limit over all scopes.
    fn tightest(
        &self,
        id: InstrumentId,
        core: i128,
        of: impl Fn(&ScopeLimits) -> Option<i128>,
        symbol: impl Fn(&SymbolLimits) -> Option<i128>,
    ) -> i128 {
        let account = self.scopes.accounts.get(usize::from(id == C));
        let scopes = [Some(&self.scopes.firm), Some(&self.scopes.strategy), account];
        let symbol = self.scopes.symbols.get(id.index()).and_then(symbol);
        scopes.into_iter().flatten().filter_map(of).chain(symbol).fold(core, Ord::min)
    }

    fn adv_part(&self, id: InstrumentId, bps: Option<u32>) -> i128 {
        let adv = self.scopes.symbols.get(id.index()).and_then(|s| s.adv).unwrap_or(0);
        bps.map_or(i128::MAX, |bps| i128::from(adv) * i128::from(bps) / 10_000)
    }

    /// What an instrument's positions can come to with `more` on a side: gross, up, down.
    fn worst(&self, id: InstrumentId, side: Side, more: i128) -> (i128, i128, i128) {
        let on = |s| self.open_on(id, s) + if s == side { more } else { 0 };
        let px = self.reference(id);
        let (up, down) = ((self.held(id) + on(Side::Buy)) * px, (self.held(id) - on(Side::Sell)) * px);
        (up.max(-down), up, down)
    }

    /// The limits that a request of `qty` at `px` would pass; `replaced` is an order that it takes the place of.
    fn passed_limits(
        &self,
        id: InstrumentId,
        side: Side,
        qty: i128,
        px: i64,
        replaced: Option<u32>,
    ) -> BTreeSet<u8> {
        let mut found = BTreeSet::new();
        let mut add = |is: bool, why: RiskReject| {
            if is {
                found.insert(why as u8);
            }
        };
        let old = replaced.map(|token| &self.own[&token]);
        add(self.level == BreakerLevel::Halted, RiskReject::Halted);
        add(self.level == BreakerLevel::CancelOnly, RiskReject::CancelOnly);
        add(self.clutch_out, RiskReject::Clutch);
        add(self.restricted.contains(&id), RiskReject::Restricted);
        add(old.is_some_and(|o| o.pending.is_some()), RiskReject::Busy);
        let quantity = |q: Option<Qty>| q.map(|q| i128::from(q.0));
        let money = |m: Option<Usd>| m.map(|m| i128::from(m.0));
        let shares = |n: Option<i64>| n.map(i128::from);
        let most = self
            .tightest(
                id,
                self.limits.max_order_quantity.0.into(),
                |s| quantity(s.max_order_quantity),
                |s| quantity(s.max_order_quantity),
            )
            .min(self.adv_part(id, self.scopes.adv.max_order_bps))
            .min(Qty::MAX_ORDER.0.into());
        add(qty == 0 || qty > most, RiskReject::Quantity);
        add(old.is_some_and(|o| o.executed + qty > Qty::MAX_ORDER.0.into()), RiskReject::Quantity);
        add(!(1..=Px::MAX.0).contains(&px), RiskReject::Price);
        let most = self.tightest(
            id,
            self.limits.max_order_notional.0.into(),
            |s| money(s.max_order_notional),
            |s| money(s.max_order_notional),
        );
        let notional = i128::from(px) * qty;
        add(notional > i64::MAX.into(), RiskReject::Overflow);
        add(notional > most, RiskReject::Notional);
        let reference = self.reference(id);
        let room = reference * i128::from(self.limits.price_collar_bps) / 10_000;
        add((i128::from(px) - reference).abs() > room, RiskReject::Collar);
        let others = self.open_on(id, side) - old.map_or(0, Own::reserved);
        let grows = old.is_none_or(|o| qty > o.reserved());
        let most = self
            .tightest(
                id,
                self.limits.max_position.into(),
                |s| shares(s.max_position),
                |s| shares(s.max_position),
            )
            .min(self.adv_part(id, self.scopes.adv.max_position_bps));
        let sign = i128::from(side.sign());
        add(grows && self.held(id) * sign + others + qty > most, RiskReject::Position);
        let reduces = self.held(id) * sign < 0 && others + qty <= self.held(id).abs();
        add(self.level == BreakerLevel::ReduceOnly && !reduces, RiskReject::ReduceOnly);
        let crossed = self.own.values().any(|o| o.instrument == id && o.crosses(side, px));
        add(crossed, RiskReject::SelfTrade);
        let turns = side == Side::Sell && self.held(id) - others - qty < 0;
        add(old.is_some_and(|o| !o.short && grows && turns), RiskReject::ShortMark);
        if old.is_none() {
            let all = self.own.len() as i128;
            let of_account = self.own.values().filter(|o| (o.instrument == C) == (id == C)).count() as i128;
            add(all >= self.limits.max_open_orders.into(), RiskReject::OpenOrders);
            let (firm, strategy) = (self.scopes.firm.max_open_orders, self.scopes.strategy.max_open_orders);
            let account = self.scopes.accounts.get(usize::from(id == C)).and_then(|s| s.max_open_orders);
            for (n, most) in [(all, firm), (all, strategy), (of_account, account)] {
                add(most.is_some_and(|most| n + 1 > most.into()), RiskReject::OpenOrders);
            }
        }
        if grows {
            let more = qty - old.map_or(0, Own::reserved);
            let (now, then) = (self.worst(id, side, 0), self.worst(id, side, more));
            let sum = |of: fn((i128, i128, i128)) -> i128, only: bool| -> i128 {
                let others = TRADED.into_iter().filter(|i| *i != id && !only);
                others.map(|i| of(self.worst(i, side, 0))).sum::<i128>() + of(then)
            };
            let account = self.scopes.accounts.get(usize::from(id == C)).copied().unwrap_or_default();
            // Each gateway has one of the traded instruments.
            for (s, only) in [(self.scopes.firm, false), (self.scopes.strategy, false), (account, true)] {
                let gross = sum(|w| w.0, only);
                add(
                    then.0 > now.0 && s.max_gross_notional.is_some_and(|m| gross > m.0.into()),
                    RiskReject::GrossNotional,
                );
                let net = match side {
                    Side::Buy => sum(|w| w.1, only),
                    Side::Sell => -sum(|w| w.2, only),
                };
                add(s.max_net_notional.is_some_and(|m| net > m.0.into()), RiskReject::NetNotional);
            }
        }
        found
    }

    fn one_of_ours(&mut self) -> Option<u32> {
        let n = self.rng.below(self.own.len().max(1) as u64) as usize;
        self.own.keys().nth(n).copied()
    }

    /// A quantity that is often at an edge of something.
    fn quantity(&mut self, id: InstrumentId) -> u32 {
        let held = self.held(id).unsigned_abs() as u32;
        match self.rng.below(12) {
            0 => 0,
            1 => 1_000_000,
            2 => held,
            3 => held + 1,
            4 => (self.limits.max_position.unsigned_abs() as u32).saturating_sub(held),
            5 => self.limits.max_order_quantity.0 + self.rng.below(2) as u32,
            _ => 1 + self.rng.below(300) as u32,
        }
    }

    fn price(&mut self, id: InstrumentId, side: Side) -> i64 {
        let reference = self.reference(id) as i64;
        let room = reference * self.limits.price_collar_bps / 10_000;
        match self.rng.below(12) {
            0 => [0, -1, i64::MAX, i64::MIN, Px::MAX.0 + 1][self.rng.below(5) as usize],
            1 => reference + room + self.rng.below(2) as i64,
            2 => reference - room - self.rng.below(2) as i64,
            3 => reference,
            _ => reference - side.sign() * (100 + self.rng.below(500) as i64),
        }
    }

    fn judge(&mut self, what: &str, expected: &BTreeSet<u8>) -> Result<bool, String> {
        let refusals = self.kit.out.refusals();
        match (self.kit.out.commands().len(), refusals) {
            (1, []) if expected.is_empty() => {
                self.passed += 1;
                Ok(true)
            }
            (0, [one]) if expected.contains(&(one.why as u8)) => {
                *self.refused.entry(one.why as u8).or_insert(0) += 1;
                Ok(false)
            }
            (commands, refusals) => Err(format!(
                "{what}: {commands} commands, {refusals:?}; the model finds {:?}",
                RiskReject::ALL.iter().filter(|r| expected.contains(&(**r as u8))).collect::<Vec<_>>()
            )),
        }
    }

    fn ask_new(&mut self) -> Result<(), String> {
        let id = TRADED[self.rng.below(2) as usize];
        let side = if self.rng.one_in(2) { Side::Buy } else { Side::Sell };
        let (qty, px) = (self.quantity(id), self.price(id, side));
        let expected = self.passed_limits(id, side, qty.into(), px, None);
        let short = side == Side::Sell && self.held(id) - self.open_on(id, side) < i128::from(qty);
        let intent = if side == Side::Buy { buy(id, qty, px) } else { sell(id, qty, px) };
        self.kit.ask_all(&[intent]);
        if self.judge(&format!("{intent:?}"), &expected)? {
            let CommandKind::New { token, .. } = self.kit.commands()[0].kind else {
                return Err("no order".into());
            };
            let open = qty.into();
            self.own
                .insert(token.0, Own { instrument: id, side, short, px, open, executed: 0, pending: None });
            self.kit.accept(token.0);
        }
        Ok(())
    }

    fn ask_replace(&mut self) -> Result<(), String> {
        let Some(token) = self.one_of_ours() else { return Ok(()) };
        let (id, side) = (self.own[&token].instrument, self.own[&token].side);
        let (qty, px) = (self.quantity(id), self.price(id, side));
        let expected = self.passed_limits(id, side, qty.into(), px, Some(token));
        // Strategies name an order by its first token, which the engine keeps.
        let order = self.kit.engine.orders().by_token(model::Token(token)).ok_or("it is open")?.id;
        let intent = engine::strategy::Intent::Replace { order, qty: Qty(qty), px: Px(px) };
        self.kit.ask_all(&[intent]);
        if self.judge(&format!("{intent:?}"), &expected)? {
            let CommandKind::Replace { token: new, .. } = self.kit.commands()[0].kind else {
                return Err("no replace".into());
            };
            self.own.get_mut(&token).expect("ours").pending = Some((new.0, qty.into(), px));
        }
        Ok(())
    }

    /// The venue's answer to a replace, or a fill, or a cancel of its own.
    fn venue_speaks(&mut self) -> Result<(), String> {
        let Some(token) = self.one_of_ours() else { return Ok(()) };
        let o = self.own.get_mut(&token).expect("ours");
        let gateway = u8::from(o.instrument == C);
        if let Some((new, open, px)) = o.pending.take() {
            if self.rng.one_in(4) {
                self.kit.report_of(gateway, new, rejected());
            } else {
                self.kit.report_of(gateway, new, replaced(token, open as u32, px));
                let mut o = self.own.remove(&token).expect("ours");
                (o.open, o.px) = (open, px);
                self.own.insert(new, o);
            }
        } else if self.rng.one_in(3) {
            let open = o.open as u32;
            self.own.remove(&token);
            self.kit.report_of(gateway, token, canceled(open));
        } else {
            let qty = if self.rng.one_in(2) { o.open } else { 1 + i128::from(self.rng.below(o.open as u64)) };
            let (id, px, sign) = (o.instrument, o.px, i128::from(o.side.sign()));
            o.open -= qty;
            o.executed += qty;
            if o.open == 0 {
                self.own.remove(&token);
            }
            self.matches += 1;
            *self.shares.entry(id).or_insert(0) += sign * qty;
            let fill: ReportKind = executed(qty as u32, px, self.matches);
            self.kit.report_of(gateway, token, fill);
        }
        let told =
            i128::from(self.kit.shares(A)) == self.held(A) && i128::from(self.kit.shares(C)) == self.held(C);
        if told { Ok(()) } else { Err("the positions differ".into()) }
    }

    fn someone_speaks(&mut self) {
        let id = TRADED[self.rng.below(2) as usize];
        match self.rng.below(6) {
            0 => {
                let levels = [BreakerLevel::ReduceOnly, BreakerLevel::CancelOnly];
                let level = levels[self.rng.below(2) as usize];
                self.kit.control(Control::Trip { level, cause: BreakerCause::Operator });
                self.level = self.level.max(level);
            }
            1 | 2 => {
                self.kit.control(Control::Resume);
                self.level = BreakerLevel::Normal;
            }
            3 => {
                self.clutch_out = !self.clutch_out && self.rng.one_in(2);
                self.kit.control(Control::Clutch { engaged: !self.clutch_out });
            }
            4 => {
                let on = self.restricted.is_empty();
                self.restricted.clear();
                self.restricted.extend(on.then_some(id));
                self.kit.control(Control::Restrict { instrument: None, shorts: false, on: false });
                if on {
                    self.kit.control(Control::Restrict { instrument: Some(id), shorts: false, on });
                }
            }
            // The price moves, and back.
            _ => match self.moved.take() {
                Some((id, order)) => drop(self.kit.unquote(id, order)),
                None => self.moved = Some((id, self.kit.quote(id, Side::Buy, 10, MID + 50))),
            },
        }
        self.kit.told();
    }

    fn run(&mut self) -> Result<(), String> {
        for step in 0..STEPS {
            match self.rng.below(10) {
                0..5 => self.ask_new(),
                5 | 6 => self.ask_replace(),
                7 | 8 => self.venue_speaks(),
                _ => {
                    self.someone_speaks();
                    Ok(())
                }
            }
            .map_err(|why| format!("step {step}: {why}"))?;
            self.kit.told();
        }
        Ok(())
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn the_gate_is_what_adding_everything_up_anew_says() {
    let (first, runs) = (number("COLO_T7_SEED", 1), number("COLO_T7_RUNS", 200));
    let (mut passed, mut refused) = (0, BTreeMap::<u8, u64>::new());
    for seed in first..first + runs {
        let mut world = World::new(seed);
        if let Err(why) = world.run() {
            panic!("COLO_T7_SEED={seed} COLO_T7_RUNS=1: {why}");
        }
        passed += world.passed;
        for (code, n) in world.refused {
            *refused.entry(code).or_insert(0) += n;
        }
    }
    println!(
        "T7 {runs} runs from seed {first}: {passed} passed, {} refused by {} limits",
        refused.values().sum::<u64>(),
        refused.len()
    );
    // What no run ever meets is not tested.
    use RiskReject::*;
    let met = [
        CancelOnly,
        Quantity,
        Price,
        Notional,
        Collar,
        Position,
        OpenOrders,
        SelfTrade,
        Busy,
        ShortMark,
        Restricted,
        ReduceOnly,
        Clutch,
        GrossNotional,
        NetNotional,
    ];
    let unmet: Vec<_> = met.iter().filter(|r| !refused.contains_key(&(**r as u8))).collect();
    assert!(unmet.is_empty() && passed > 0, "{unmet:?} were never the reason");
}
