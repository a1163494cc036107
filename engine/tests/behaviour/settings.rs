//! Parameters and limits that change while the engine runs: all of a change or none, between two inputs, the same again from the same inputs.

use engine::strategy::{Intents, ParamError, ParamValue, Params, Quoter, Strategy, View};
use engine::{InstrumentChange, RiskLimits, RiskReject};
use model::{Control, HaltReason, InstrumentId, Limit, ParamName, Qty, SETTINGS_MAX, Setting, Usd};

use crate::kit::*;

/// One that answers a change with an order of its size, and refuses odd sizes as it stands.
struct Sized {
    size: i64,
    even: bool,
}

impl Strategy for Sized {
    const NAME: &'static str = "sized";

    fn new(params: &mut Params) -> Result<Sized, ParamError> {
        Ok(Sized { size: params.int("size", 100, 1, 1_000)?, even: params.bool("even", false)? })
    }

    fn reconfigure(&mut self, params: &mut Params) -> Result<(), ParamError> {
        let fresh = Sized::new(params)?;
        if self.even && fresh.size % 2 == 1 {
            let name = "size".to_owned();
            return Err(ParamError { name, found: fresh.size.to_string(), allowed: "an even one".into() });
        }
        *self = fresh;
        Ok(())
    }

    fn on_instrument(&mut self, view: &View<'_>, id: InstrumentId, c: InstrumentChange, out: &mut Intents) {
        if c == InstrumentChange::Settings && id == A && view.can_trade(A) {
            out.buy(A, Qty(self.size as u32), px(MID - 100 * self.size));
        }
    }
}

fn number(name: &str, value: i64) -> Setting {
    Setting::Number(ParamName::new(name).unwrap(), value)
}

fn switch(name: &str, value: bool) -> Setting {
    Setting::Switch(ParamName::new(name).unwrap(), value)
}

fn limits() -> RiskLimits {
    RiskLimits { price_collar_bps: 5_000, ..wide() }
}

/// A strategy whose parameters can be changed, with a market and a session.
fn changeable<S: Strategy>() -> Kit<S> {
    let params = Params::default().read_by::<S>().unwrap();
    let mut given = params.clone();
    given.rewind();
    let mut kit = Kit::over(limits(), S::new(&mut given).unwrap());
    kit.engine = kit.engine.with_params(params);
    kit.start();
    kit
}

impl<S: Strategy> Kit<S> {
    fn change(&mut self, change: u32, settings: &[Setting]) {
        for s in settings {
            self.control(Control::Stage(*s));
        }
        self.control(Control::Enact { change, count: settings.len() as u8 });
        self.work_off();
    }

    fn work_off(&mut self) {
        while self.engine.has_backlog() {
            self.timer();
        }
    }

    fn controls_refused(&self) -> u64 {
        self.engine.stats().controls_refused
    }
}

#[test]
fn a_change_is_in_force_as_a_whole_and_the_strategy_is_told() {
    let mut kit = changeable::<Sized>();
    kit.control(Control::Stage(number("size", 40)));
    kit.control(Control::Stage(Setting::Limit(Limit::OrderQuantity, 50)));
    assert_eq!(kit.engine.strategy().size, 100, "what is staged does nothing");
    assert_eq!(kit.engine.limits().max_order_quantity, Qty(999_999));
    kit.control(Control::Enact { change: 1, count: 2 });
    kit.work_off();
    assert_eq!((kit.engine.strategy().size, kit.engine.last_change()), (40, 1));
    assert_eq!(kit.engine.limits().max_order_quantity, Qty(50));
    let order = kit.engine.orders().of(A).next().expect("an order of the new size");
    assert_eq!(order.open, Qty(40));
    assert_eq!(kit.engine.params().unwrap().given("size"), Some(&ParamValue::Int(40)));
    // The next may not be larger than the new limit.
    let before = kit.engine.stats().refusals;
    kit.change(2, &[number("size", 60)]);
    assert_eq!(kit.engine.stats().refusals, before + 1);
}

#[test]
fn what_cannot_be_changes_nothing_of_the_rest() {
    let mut kit = changeable::<Sized>();
    let hash =
        |kit: &Kit<Sized>| (kit.engine.strategy().size, *kit.engine.limits(), kit.engine.last_change());
    let before = hash(&kit);
    let (size, position) = (number("size", 40), Setting::Limit(Limit::Position, 10));
    let many = [size; SETTINGS_MAX + 1];
    let cases: [&[Setting]; 9] = [
        &[size, number("colour", 1)],
        &[size, number("size", 0), position],
        &[position, switch("size", true)],
        &[size, Setting::Limit(Limit::Position, 1_000_001)],
        &[size, Setting::Limit(Limit::DailyLoss, i64::MAX)],
        &[size, Setting::Limit(Limit::OpenOrders, -1)],
        &[position, Setting::Limit(Limit::MessagesPerSecond, 10_001)],
        &[size, Setting::Limit(Limit::PriceCollar, i64::MIN)],
        &many,
    ];
    for (k, case) in cases.into_iter().enumerate() {
        kit.change(1, case);
        assert_eq!(hash(&kit), before, "{case:?}");
        assert_eq!((kit.controls_refused(), kit.engine.last_change_refused()), (k as u64 + 1, 1));
    }
    // Not as many as were staged; a number that was there; nothing staged at all is a change of nothing.
    kit.control(Control::Stage(size));
    kit.control(Control::Enact { change: 1, count: 2 });
    assert_eq!(hash(&kit), before);
    kit.change(1, &[size]);
    kit.change(1, &[number("size", 41)]);
    assert_eq!((kit.engine.strategy().size, kit.engine.last_change()), (40, 1));
}

#[test]
fn what_the_strategy_refuses_as_it_stands_leaves_all_as_it_was() {
    let mut kit = changeable::<Sized>();
    kit.change(1, &[switch("even", true)]);
    kit.change(2, &[number("size", 41), Setting::Limit(Limit::OrderQuantity, 7)]);
    assert_eq!((kit.engine.strategy().size, kit.engine.limits().max_order_quantity), (100, Qty(999_999)));
    assert_eq!((kit.engine.last_change(), kit.engine.last_change_refused()), (1, 2));
    assert_eq!(kit.engine.params().unwrap().given("size"), None, "its parameters too");
    kit.change(3, &[number("size", 42)]);
    assert_eq!((kit.engine.strategy().size, kit.engine.last_change()), (42, 3));
}

#[test]
fn a_tighter_limit_holds_from_the_next_order_on() {
    let mut kit = changeable::<Sized>();
    let usd = |n: i64| Usd(n * 10_000);
    kit.change(
        1,
        &[
            Setting::Limit(Limit::OrderNotional, 900),
            Setting::Limit(Limit::Position, 9),
            Setting::Limit(Limit::OpenOrders, 3),
            Setting::Limit(Limit::MessagesPerSecond, 5),
            Setting::Limit(Limit::PriceCollar, 100),
            Setting::Limit(Limit::DailyLoss, 77),
        ],
    );
    let l = *kit.engine.limits();
    assert_eq!((l.max_order_notional, l.max_position, l.max_open_orders), (usd(900), 9, 3));
    assert_eq!((l.max_messages_per_second, l.price_collar_bps, l.max_daily_loss), (5, 100, usd(77)));
    for limit in Limit::ALL {
        assert_eq!(l.tightened(limit, l.of(limit)).map(|t| t == l), Some(true), "{limit:?} as it is");
        assert_eq!(l.tightened(limit, l.of(limit) + 1), None, "{limit:?} may not be looser");
    }
    // 100 shares at about 100 dollars are beyond each of the first two.
    assert_eq!(kit.engine.orders().open(), 0);
    kit.change(2, &[number("size", 9)]);
    assert_eq!(kit.engine.orders().open(), 1, "900 dollars and 9 shares are not");
}

#[test]
fn what_is_open_beyond_a_tighter_limit_stays_and_moves_and_does_not_grow() {
    let mut kit = Kit::over(limits(), Hand::default());
    kit.start();
    let [token, _] = [1, 2].map(|k| kit.live(buy(A, 50, MID - 100 * k)));
    kit.change(1, &[Setting::Limit(Limit::Position, 40), Setting::Limit(Limit::OpenOrders, 2)]);
    assert_eq!(kit.refused(buy(C, 1, MID - 100)), RiskReject::OpenOrders);
    assert_eq!(kit.refused(replace(token, 51, MID - 300)), RiskReject::Position);
    kit.passes(replace(token, 50, MID - 300));
}

#[test]
fn a_loss_beyond_a_tighter_limit_halts_at_once() {
    let mut kit = changeable::<Sized>();
    kit.change(1, &[Setting::Limit(Limit::DailyLoss, 0)]);
    // Nothing lost is no less than a limit of nothing: 0 forbids.
    assert_eq!(kit.engine.halted(), Some(HaltReason::Loss));
}

#[test]
fn one_that_takes_nothing_while_it_runs_takes_tighter_limits() {
    let mut kit = Kit::over(limits(), Hand::default());
    kit.start();
    kit.change(1, &[Setting::Limit(Limit::Position, 9)]);
    assert_eq!((kit.engine.limits().max_position, kit.engine.last_change()), (9, 1));
    let mut kit = changeable::<Hand>();
    kit.change(1, &[number("size", 1)]);
    assert_eq!((kit.engine.last_change(), kit.controls_refused()), (0, 1));
}

#[test]
fn the_same_inputs_give_the_same_and_the_hash_knows_of_it() {
    let run = |settings: &[Setting]| {
        let mut kit = changeable::<Quoter>();
        if !settings.is_empty() {
            kit.change(1, settings);
        }
        let hash = kit.engine.state_hash();
        // Staged and not in force, it is a state of its own: it decides what the next enactment does.
        kit.control(Control::Stage(number("edge_ticks", 1)));
        assert_ne!(kit.engine.state_hash(), hash);
        hash
    };
    let twice = [number("requote_ticks", 2)];
    assert_eq!(run(&twice), run(&twice));
    let hashes =
        [run(&[]), run(&twice), run(&[number("requote_ticks", 3)]), run(&[number("reject_rest_ms", 2)])];
    for (k, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..k].contains(hash), "{k}: another state, though no order differs");
    }
}
