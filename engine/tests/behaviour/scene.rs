//! An engine that trades one instrument, and what holds of it while it trades and while it does not.

use engine::strategy::{ParamError, Params, Strategy};
use engine::{Reason, RiskReject};
use model::{FeedStatus, Input, InstrumentId, MarketBody, Symbol, TradingState, Validity};

use crate::kit::*;

pub const SYMBOL: Symbol = Symbol::BLANK;
const MS: u64 = 1_000_000;

/// An engine that trades A, with orders of ours resting there to be canceled one by one.
pub struct Scene {
    pub kit: Kit<Hand>,
    resting: Vec<u32>,
}

impl Scene {
    pub fn new() -> Scene {
        let mut kit = Kit::ready(wide());
        let resting = (1..=40).map(|k| kit.live(buy(A, 10 * k, MID - 200))).collect();
        kit.told();
        Scene { kit, resting }
    }

    pub fn state(&self) -> (Validity, Reason) {
        let i = self.kit.engine.instruments().of(A);
        (i.validity, i.reason)
    }

    /// A does not trade, for this reason, and risk says so; what rests can be canceled.
    pub fn shut(&mut self, word: Validity, why: Reason, refusal: RiskReject) {
        assert_eq!(self.state(), (word, why));
        assert_ne!(word, Validity::Valid);
        let token = self.resting.pop().expect("a scene is short");
        assert_eq!(self.kit.refused(buy(A, 100, MID)), refusal, "{why:?}");
        assert_eq!(self.kit.refused(replace(token, 5, MID - 100)), refusal, "{why:?}");
        self.kit.ask(cancel(token)).unwrap();
        assert_eq!(self.kit.cancels(), [token], "{why:?}");
        let open = self.kit.order(token).open.0;
        self.kit.report(token, canceled(open));
    }

    /// A trades; `over` is what was the matter before.
    pub fn open(&mut self, over: Reason) {
        assert_eq!(self.state(), (Validity::Valid, over));
        let token = self.kit.passes(buy(A, 100, MID));
        self.kit.report(token, rejected());
        let token = *self.resting.last().expect("a scene is short");
        let token = self.kit.passes(replace(token, 5, MID - 200));
        self.kit.report(token, rejected());
    }

    pub fn say(&mut self, body: MarketBody) {
        self.kit.market(A, body);
    }

    pub fn action(&mut self, state: TradingState, reason: &[u8; 4]) {
        self.say(MarketBody::TradingAction { symbol: SYMBOL, state, reason: *reason });
    }

    pub fn system(&mut self, code: u8) {
        self.kit.market(InstrumentId(0), MarketBody::System { code });
    }

    /// Time passes; the feed has nothing to say but that it is there.
    pub fn wait(&mut self, ms: u64) {
        self.kit.now.0 += ms * MS;
        self.kit.give(Input::Feed(FEED, FeedStatus::Heartbeat));
    }

    pub fn facts(&self) -> engine::facts::Facts {
        *self.kit.engine.instruments().facts(A)
    }

    pub fn count(&self, to: Validity, why: Reason) -> u64 {
        self.kit.engine.instruments().transitions().of(to, why)
    }

    pub fn status(&mut self, status: FeedStatus) {
        self.kit.give(Input::Feed(FEED, status));
    }
}

/// Asks for nothing, not even for time.
pub struct Silent;

impl Strategy for Silent {
    const NAME: &'static str = "silent";

    fn new(_: &mut Params) -> Result<Silent, ParamError> {
        Ok(Silent)
    }
}
