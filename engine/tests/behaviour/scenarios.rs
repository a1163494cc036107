//! What a market may do to an instrument in a day: each scene shuts trading for its own reason, lets cancels pass, says why, and opens again.
//!
//! In every scene, while the instrument is not valid: no new order and no replace passes, a cancel does.

use engine::facts::{Fact, Primary};
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use engine::{InstrumentChange, Phase, Reason, RiskReject, Scope};
use model::{
    CrossKind, FeedStatus, InstrumentId, MarketBody, Nanos, Px, Qty, Side, Token, TradingState, Validity,
    VenueRef,
};

use crate::kit::*;
use crate::scene::{SYMBOL, Scene, Silent};

const MS: u64 = 1_000_000;

#[test]
fn halts_and_their_ends() {
    let mut s = Scene::new();
    for (state, reason, why) in [
        (TradingState::Halted, b"T1  ", Reason::Halted),
        (TradingState::Paused, b"LUDP", Reason::Paused),
        (TradingState::QuotationOnly, b"LUDP", Reason::QuotationOnly),
        (TradingState::Unknown, b"    ", Reason::NotNamed),
    ] {
        s.kit.now.0 += MS;
        s.action(state, reason);
        let turned = s.kit.out.transitions()[0];
        assert_eq!((turned.scope, turned.to, turned.reason), (Scope::Instrument(A), Validity::Halted, why));
        assert_eq!(s.facts().action_reason, *reason);
        assert_eq!(s.kit.engine.instruments().of(A).since, s.kit.now);
        let change = InstrumentChange::Validity { to: Validity::Halted, reason: why };
        assert_eq!(s.kit.told(), [Told::Instrument(A, change)]);
        s.shut(Validity::Halted, why, RiskReject::NotTrading);
        s.kit.told();
        // The same state for another reason is told, and is no change of validity.
        s.action(state, b"T2  ");
        assert_eq!(s.kit.told(), [Told::Instrument(A, InstrumentChange::Trading(state))]);
        assert_eq!(s.kit.out.transitions(), []);
        s.action(TradingState::Trading, b"    ");
        s.open(why);
        assert_eq!((s.count(Validity::Halted, why), s.count(Validity::Valid, why)), counted(why));
        s.kit.told();
    }
    s.kit.passes(buy(C, 1, MID)); // none of it is another instrument's
}

/// Every instrument of the kit began unnamed.
fn counted(why: Reason) -> (u64, u64) {
    if why == Reason::NotNamed { (4, 4) } else { (1, 1) }
}

#[test]
fn an_operational_halt_is_of_one_market_and_ends_by_itself() {
    let mut s = Scene::new();
    let halt = |market, action| MarketBody::OperationalHalt { symbol: SYMBOL, market, action };
    s.say(halt(b'Q', b'H'));
    s.shut(Validity::Halted, Reason::OperationalHalt, RiskReject::NotTrading);
    s.say(halt(b'B', b'H'));
    s.say(halt(b'Q', b'T'));
    assert_eq!(s.kit.engine.instruments().of(A).operational_halts, 2);
    s.shut(Validity::Halted, Reason::OperationalHalt, RiskReject::NotTrading);
    // A regulatory halt is the graver one, and stays when the other ends.
    s.action(TradingState::Halted, b"T1  ");
    s.shut(Validity::Halted, Reason::Halted, RiskReject::NotTrading);
    s.say(halt(b'B', b'T'));
    s.shut(Validity::Halted, Reason::Halted, RiskReject::NotTrading);
    s.action(TradingState::Trading, b"    ");
    s.open(Reason::Halted);
}

#[test]
fn a_market_wide_breach_halts_every_instrument_of_the_feed() {
    for level in [b'1', b'2', b'3'] {
        let mut s = Scene::new();
        let levels = MarketBody::CircuitBreakerLevels { level1_e8: 7, level2_e8: 13, level3_e8: 20 };
        s.kit.market(InstrumentId(0), levels);
        assert_eq!(s.kit.told()[0], Told::Instrument(A, InstrumentChange::Market));
        s.kit.market(InstrumentId(0), MarketBody::CircuitBreaker { level });
        let turned = s.kit.out.transitions();
        assert_eq!(turned.len(), 1, "one line for all");
        assert_eq!(turned[0].scope, Scope::Feed { feed: FEED, instruments: 2 });
        s.shut(Validity::Halted, Reason::CircuitBreaker, RiskReject::NotTrading);
        let market = *s.kit.engine.instruments().market(B);
        assert_eq!((market.breached, market.breaker_levels_e8), (level, [7, 13, 20]));
        s.kit.passes(buy(C, 1, MID)); // of another feed
        // A lesser level later hides nothing.
        s.kit.market(InstrumentId(0), MarketBody::CircuitBreaker { level: b'1' });
        assert_eq!(s.kit.engine.instruments().market(A).breached, level);
        s.action(TradingState::QuotationOnly, b"MWCQ");
        s.shut(Validity::Halted, Reason::QuotationOnly, RiskReject::NotTrading);
        s.action(TradingState::Trading, b"MWC0");
        s.open(Reason::QuotationOnly);
    }
}

#[test]
fn an_ipo_is_quoted_crossed_and_traded() {
    let mut s = Scene::new();
    s.action(TradingState::Halted, b"IPO1");
    s.shut(Validity::Halted, Reason::Halted, RiskReject::NotTrading);
    s.say(MarketBody::IpoQuoting { symbol: SYMBOL, release_s: 37_800, qualifier: b'A', px_e4: 250_000 });
    let ipo = s.facts().ipo.unwrap();
    assert_eq!((ipo.release, ipo.qualifier, ipo.px), (Nanos::from_millis(37_800_000), b'A', Px(250_000)));
    s.action(TradingState::QuotationOnly, b"IPOQ");
    s.kit.told();
    s.say(imbalance(CrossKind::Halt));
    assert_eq!(s.kit.told(), [Told::Instrument(A, InstrumentChange::Fact(Fact::Imbalance))]);
    assert_eq!(s.facts().imbalance.map(|i| (i.near, i.direction)), Some((Px(MID + 4), b'B')));
    s.shut(Validity::Halted, Reason::QuotationOnly, RiskReject::NotTrading);
    s.kit.told();
    s.say(MarketBody::Cross { qty: 500, match_number: 9, px: Px(MID), cross: CrossKind::Halt });
    assert!(matches!(s.kit.told()[..], [Told::Trade(t), Told::Instrument(A, InstrumentChange::Fact(f))]
        if t.qty == 500 && t.match_number == 9 && f == Fact::Cross(CrossKind::Halt)));
    assert_eq!(s.facts().cross(CrossKind::Halt).map(|c| (c.px, c.qty)), Some((Px(MID), 500)));
    assert_eq!(s.facts().cross(CrossKind::Opening), None);
    s.action(TradingState::Trading, b"IPOE");
    s.open(Reason::QuotationOnly);
    s.say(MarketBody::IpoQuoting { symbol: SYMBOL, release_s: 0, qualifier: b'C', px_e4: 0 });
    assert_eq!(s.facts().ipo.map(|i| i.release), Some(Nanos::ZERO), "canceled");
}

fn imbalance(cross: CrossKind) -> MarketBody {
    MarketBody::Imbalance {
        paired: 1_000,
        imbalance: 200,
        far_e4: 1_000_003,
        near_e4: 1_000_004,
        reference_e4: 1_000_005,
        direction: b'B',
        cross,
        variation: b'L',
    }
}

#[test]
fn a_direct_listing_is_known_before_it_trades() {
    let mut s = Scene::new();
    s.action(TradingState::QuotationOnly, b"IPOQ");
    s.kit.told();
    s.say(MarketBody::DirectListing {
        open_eligibility: b'Y',
        min_e4: 100_000,
        max_e4: 2_000_000,
        near_e4: 1_000_000,
        near_time: Nanos(7),
        lower_e4: 900_000,
        upper_e4: 1_100_000,
    });
    assert_eq!(s.kit.told(), [Told::Instrument(A, InstrumentChange::Fact(Fact::DirectListing))]);
    let listing = s.facts().listing.unwrap();
    assert_eq!((listing.min, listing.upper, listing.near_time), (Px(100_000), Px(1_100_000), Nanos(7)));
    s.shut(Validity::Halted, Reason::QuotationOnly, RiskReject::NotTrading);
    s.action(TradingState::Trading, b"    ");
    s.open(Reason::QuotationOnly);
}

#[test]
fn a_limit_pause_has_a_collar_until_it_trades_again() {
    let mut s = Scene::new();
    s.action(TradingState::Paused, b"LUDP");
    let collar = |extension| MarketBody::AuctionCollar {
        symbol: SYMBOL,
        reference_e4: 1_000_000,
        upper_e4: 1_050_000,
        lower_e4: 950_000,
        extension,
    };
    s.say(collar(0));
    s.say(collar(1));
    let c = s.facts().collar.unwrap();
    assert_eq!((c.reference, c.upper, c.lower, c.extension), (Px(MID), Px(1_050_000), Px(950_000), 1));
    s.shut(Validity::Halted, Reason::Paused, RiskReject::NotTrading);
    s.action(TradingState::Trading, b"LUDP");
    s.open(Reason::Paused);
    assert_eq!(s.facts().collar, None);
}

#[test]
fn the_short_sale_restriction_is_a_reason_of_its_own() {
    let mut s = Scene::new();
    let restrict = |action| MarketBody::ShortSaleRestriction { symbol: SYMBOL, action };
    s.kit.told();
    s.say(restrict(b'1'));
    assert_eq!(s.kit.told(), [Told::Instrument(A, InstrumentChange::ShortSale(b'1'))]);
    assert_eq!(s.kit.refused(sell(A, 10, MID - 100)), RiskReject::ShortSale);
    s.kit.passes(sell(A, 10, MID + 100)); // above the bid
    assert_eq!(s.state().0, Validity::Valid);
    s.say(restrict(b'0'));
    s.kit.passes(sell(A, 20, MID - 99));
}

#[test]
fn a_day_from_its_first_message_to_its_last() {
    let mut s = Scene::new();
    let at = |s: &Scene| s.kit.engine.instruments().market(A).phase;
    assert_eq!(at(&s), Phase::Unknown);
    s.open(Reason::NotNamed); // a start in mid-day
    for (code, phase) in [(b'O', Phase::Messages), (b'S', Phase::SystemHours)] {
        s.system(code);
        assert_eq!(at(&s), phase);
        s.shut(Validity::Closed, Reason::BeforeOpen, RiskReject::MarketClosed);
    }
    s.system(b'Q');
    s.open(Reason::BeforeOpen);
    s.system(b'?'); // nobody knows it
    s.open(Reason::BeforeOpen);
    let close = MarketBody::Cross { qty: 5, match_number: 3, px: Px(MID), cross: CrossKind::Closing };
    for (code, phase) in [(b'M', Phase::MarketOver), (b'E', Phase::SystemOver), (b'C', Phase::MessagesOver)] {
        s.system(code);
        assert_eq!(at(&s), phase);
        s.shut(Validity::Closed, Reason::AfterClose, RiskReject::MarketClosed);
        s.say(close);
        s.say(MarketBody::Delete { order: VenueRef(u64::from(code)) }); // of an order that is not there
        assert_eq!(s.state(), (Validity::Closed, Reason::AfterClose), "what is over is over");
    }
    s.kit.passes(buy(C, 1, MID)); // the other feed's day is its own
    s.status(FeedStatus::EndOfSession);
    s.shut(Validity::Closed, Reason::EndOfSession, RiskReject::MarketClosed);
    s.status(FeedStatus::NewSession);
    assert_eq!((at(&s), s.state()), (Phase::Unknown, (Validity::Recovering, Reason::NewSession)));
    assert_eq!(s.facts(), engine::facts::Facts::default());
}

#[test]
fn what_has_not_begun_may_have_begun_unseen() {
    let mut s = Scene::new();
    s.system(b'S');
    s.status(FeedStatus::Lost { from: 5, to: 9 });
    s.shut(Validity::Stale, Reason::Lost, RiskReject::StaleMarket);
    s.system(b'M');
    s.shut(Validity::Closed, Reason::AfterClose, RiskReject::MarketClosed);
}

#[test]
fn feed_trouble_has_its_reasons() {
    let mut s = Scene::new();
    s.status(FeedStatus::Recovering { from: 5, to: 9 });
    let turned = s.kit.out.transitions();
    assert_eq!((turned.len(), turned[0].scope), (1, Scope::Feed { feed: FEED, instruments: 2 }));
    s.shut(Validity::Recovering, Reason::Gap, RiskReject::StaleMarket);
    s.status(FeedStatus::Synced { next: 9 });
    s.open(Reason::Gap);
    s.status(FeedStatus::Silent);
    s.shut(Validity::Stale, Reason::Silence, RiskReject::StaleMarket);
    s.status(FeedStatus::Synced { next: 9 });
    s.open(Reason::Silence);
    s.status(FeedStatus::Lost { from: 9, to: 12 });
    s.status(FeedStatus::Silent);
    s.status(FeedStatus::Synced { next: 12 });
    s.shut(Validity::Stale, Reason::Lost, RiskReject::StaleMarket);
    s.status(FeedStatus::SnapshotBegin);
    s.shut(Validity::Recovering, Reason::Snapshot, RiskReject::StaleMarket);
    s.status(FeedStatus::SnapshotEnd { next: 12 });
    s.status(FeedStatus::Synced { next: 12 });
    s.shut(Validity::Halted, Reason::NotNamed, RiskReject::NotTrading);
    assert_eq!(s.count(Validity::Stale, Reason::Lost), 2, "two instruments");
    assert_eq!(s.count(Validity::Recovering, Reason::Snapshot), 2);
}

#[test]
fn a_message_that_does_not_fit_is_named() {
    let unfit = [
        (MarketBody::Reduce { order: VenueRef(1), qty: Qty(5_000) }, Reason::OverReduced),
        (MarketBody::Delete { order: VenueRef(999) }, Reason::UnknownOrder),
        (add(1, MID), Reason::DuplicateOrder),
        (add(700, -1), Reason::BadPrice),
    ];
    for (body, why) in unfit {
        let mut s = Scene::new();
        s.say(body);
        s.shut(Validity::Stale, why, RiskReject::StaleMarket);
        // The first is what was the matter.
        s.say(MarketBody::Delete { order: VenueRef(998) });
        s.status(FeedStatus::Synced { next: 9 });
        s.shut(Validity::Stale, why, RiskReject::StaleMarket);
        assert_eq!((s.count(Validity::Stale, why), s.kit.out.transitions().len()), (1, 0));
    }
}

fn add(order: u64, px: i64) -> MarketBody {
    MarketBody::Add { order: VenueRef(order), px: Px(px), qty: Qty(5), side: Side::Buy, mpid: *b"    " }
}

#[test]
fn a_broken_trade_is_told_and_leaves_no_price() {
    let mut s = Scene::new();
    let last = |s: &Scene| s.kit.engine.instruments().of(A).last.0;
    let print =
        |px, match_number| MarketBody::Trade { px: Px(px), qty: Qty(7), match_number, side: Side::Buy };
    let broken = |match_number| MarketBody::BrokenTrade { match_number };
    s.say(print(MID + 1, 11));
    s.say(MarketBody::Execute { order: VenueRef(2), qty: Qty(10), match_number: 12 });
    assert_eq!(last(&s), MID + 100);
    s.kit.told();
    s.say(broken(12));
    let fact = InstrumentChange::Fact(Fact::BrokenTrade { match_number: 12 });
    assert_eq!(s.kit.told(), [Told::Instrument(A, fact)]);
    assert_eq!(last(&s), MID + 1, "the one before");
    s.say(broken(11));
    assert_eq!(last(&s), 0, "none is known");
    s.say(print(MID + 2, 13));
    s.say(print(MID + 3, 14));
    s.say(broken(13));
    assert_eq!(last(&s), MID + 3, "another trade's");
    s.say(broken(14));
    assert_eq!(last(&s), 0, "the one before is broken too");
    assert_eq!(s.kit.engine.stats().broken_prints, 4);
    s.open(Reason::NotNamed);
}

fn directory(round_lot: u32, round_lots_only: u8) -> MarketBody {
    MarketBody::Directory {
        symbol: SYMBOL,
        round_lot,
        market_category: b'Q',
        financial_status: b'N',
        round_lots_only,
        classification: b'C',
        subtype: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo: b'N',
        luld_tier: b'1',
        etp: b'N',
        etp_leverage: 0,
        inverse: b'N',
    }
}

#[test]
fn an_instrument_of_round_lots_takes_nothing_else() {
    let mut s = Scene::new();
    let resting = s.kit.live(buy(A, 150, MID - 100));
    for (lot, only, odd) in [(100, b'N', false), (100, b'Y', true), (0, b'Y', false), (10, b'Y', false)] {
        s.say(directory(lot, only));
        let why = odd.then_some(RiskReject::OddLot);
        assert_eq!(s.kit.ask(buy(A, 150, MID)).err(), why, "{lot} {only}");
        s.kit.passes(buy(A, 200, MID));
    }
    s.say(directory(100, b'Y'));
    assert_eq!(s.kit.refused(replace(resting, 50, MID)), RiskReject::OddLot);
    s.kit.passes(replace(resting, 100, MID));
    assert_eq!(s.facts().directory.map(|d| (d.luld_tier, d.authenticity)), Some((b'1', b'P')));
}

#[test]
fn a_snapshot_keeps_what_it_does_not_tell_and_cannot_change() {
    let mut s = Scene::new();
    s.system(b'Q');
    s.say(directory(100, b'Y'));
    s.say(MarketBody::Cross { qty: 5, match_number: 3, px: Px(MID), cross: CrossKind::Opening });
    s.say(imbalance(CrossKind::Closing));
    let position = MarketBody::ParticipantPosition {
        mpid: *b"MAKE",
        symbol: SYMBOL,
        primary: b'Y',
        mode: b'N',
        state: b'A',
    };
    s.say(position);
    let maker = Primary { mpid: *b"MAKE", mode: b'N', state: b'A' };
    assert_eq!(s.facts().participants.primaries(), [maker]);
    s.say(MarketBody::RetailInterest { symbol: SYMBOL, flag: b'S' });
    assert_eq!(s.facts().retail, b'S');
    s.status(FeedStatus::SnapshotBegin);
    let facts = s.facts();
    assert!(facts.directory.is_none() && facts.imbalance.is_none() && facts.participants.told == 0);
    assert!(facts.cross(CrossKind::Opening).is_some());
    assert_eq!(s.kit.engine.instruments().market(A).phase, Phase::MarketHours);
}

#[test]
fn what_a_strategy_is_told_it_can_look_at() {
    /// Buys as many shares as are missing on the offer, when it is told of an imbalance.
    struct Taker;
    impl Strategy for Taker {
        const NAME: &'static str = "taker";
        fn new(_: &mut Params) -> Result<Taker, ParamError> {
            Ok(Taker)
        }
        fn on_instrument(&mut self, v: &View<'_>, id: InstrumentId, c: InstrumentChange, out: &mut Intents) {
            if c == InstrumentChange::Fact(Fact::Imbalance) && v.market(id).phase == Phase::MarketHours {
                let i = v.facts(id).imbalance.expect("it was told");
                out.buy(id, Qty(i.imbalance as u32), i.near);
            }
        }
    }
    let mut kit = Kit::over(wide(), Taker);
    kit.start();
    assert_eq!(kit.market(A, imbalance(CrossKind::Closing)), []);
    kit.market(InstrumentId(0), MarketBody::System { code: b'Q' });
    let sent = kit.market(A, imbalance(CrossKind::Closing));
    assert_eq!((sent.len(), sent[0].token()), (1, Token(1)));
    assert_eq!((kit.order(1).open, kit.order(1).px), (Qty(200), Px(MID + 4)));
}

#[test]
fn what_is_known_is_in_the_hash() {
    let bodies = [
        directory(100, b'N'),
        imbalance(CrossKind::Closing),
        MarketBody::TradingAction { symbol: SYMBOL, state: TradingState::Trading, reason: *b"T3  " },
        MarketBody::BrokenTrade { match_number: 1 },
        MarketBody::CircuitBreakerLevels { level1_e8: 1, level2_e8: 2, level3_e8: 3 },
        MarketBody::System { code: b'Q' },
    ];
    let hash = |body: Option<MarketBody>| {
        let mut kit = Kit::over(wide(), Silent);
        kit.start();
        for match_number in [1, 2] {
            kit.market(A, MarketBody::Execute { order: VenueRef(1), qty: Qty(1), match_number });
        }
        if let Some(body) = body {
            kit.market(A, body);
        }
        kit.engine.state_hash()
    };
    for body in bodies {
        assert_ne!(hash(Some(body)), hash(None), "{body:?}");
    }
}
