//! A strategy that trades nothing and writes down every book as it sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use engine::book::{BookChange, Books};
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use engine::{InstrumentChange, Soundness};
use model::{InstrumentId, Side};

/// `(reference, price, shares)` in queue order.
pub type Orders = Vec<(u64, i64, u32)>;

/// What it saw last of an instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bids, offers.
    pub orders: [Orders; 2],
    /// Whether the book was valid then.
    pub valid: bool,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Mirror(Arc<Mutex<BTreeMap<InstrumentId, Seen>>>);

impl Mirror {
    /// An instrument's book.
    #[allow(dead_code)] // each test crate uses its part
    pub fn orders(&self, id: InstrumentId) -> [Orders; 2] {
        self.seen(id).orders
    }

    /// An instrument's book and whether it was valid.
    pub fn seen(&self, id: InstrumentId) -> Seen {
        self.0.lock().unwrap().get(&id).cloned().unwrap_or_default()
    }

    fn look(&self, view: &View<'_>, id: InstrumentId) {
        let orders = [Side::Buy, Side::Sell].map(|side| {
            let mut all = Orders::new();
            view.book(id).for_each_order(id, side, |r, px, qty| all.push((r.0, px.0, qty.0)));
            all
        });
        let valid = view.instrument(id).soundness == Soundness::Sound;
        self.0.lock().unwrap().insert(id, Seen { orders, valid });
    }
}

impl Strategy for Mirror {
    const NAME: &'static str = "mirror";

    fn new(_: &mut Params) -> Result<Mirror, ParamError> {
        Ok(Mirror::default())
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, _: &mut Intents) {
        self.look(view, change.instrument);
    }

    fn on_instrument(&mut self, view: &View<'_>, id: InstrumentId, _: InstrumentChange, _: &mut Intents) {
        self.look(view, id);
    }
}
