//! The tables that a journal's rows go to; `migrations/` makes them, and a test holds both together.

use super::{Cell, RunFacts};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number of 64 bits.
    Int,
    /// A word.
    Text,
}

use Kind::{Int, Text};

/// A table. Each begins with `run_id`, `seq`, `sub`, `time_ns`.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its own columns, behind those that all have.
    pub own: &'static [(&'static str, Kind)],
}

/// The columns that all have.
pub const HEAD: [(&str, Kind); 4] = [("run_id", Int), ("seq", Int), ("sub", Int), ("time_ns", Int)];

impl Table {
    /// All columns.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, Kind)> + Clone + use<> {
        HEAD.into_iter().chain(self.own.iter().copied())
    }

    /// Their names, with commas between.
    #[must_use]
    pub fn names(&self) -> String {
        self.columns().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }

    /// `name = excluded.name` of all that is not the key of [`ORDERS`].
    #[must_use]
    pub fn overwritten(&self) -> String {
        let others = self.columns().filter(|(name, _)| !matches!(*name, "run_id" | "order_id"));
        others.map(|(name, _)| format!("{name} = excluded.{name}")).collect::<Vec<_>>().join(", ")
    }
}

/// The orders as they stand: one row each, put in the place of the one before.
pub static ORDERS: Table = Table {
    name: "orders",
    own: &[
        ("order_id", Int),
        ("token", Int),
        ("gateway", Text),
        ("symbol", Text),
        ("side", Text),
        ("short", Int),
        ("tif", Text),
        ("px_usd_e4", Int),
        ("asked_shares", Int),
        ("open_shares", Int),
        ("executed_shares", Int),
        ("state", Text),
        ("venue_order", Text),
        ("created_ns", Int),
        ("first_seq", Int),
        ("replaces", Int),
        ("adopted", Int),
        ("arrival_bid_usd_e4", Int),
        ("arrival_ask_usd_e4", Int),
    ],
};

/// What was asked, answered and sent.
pub static ORDER_EVENTS: Table = Table {
    name: "order_events",
    own: &[
        ("kind", Text),
        ("order_id", Int),
        ("token", Int),
        ("gateway", Text),
        ("symbol", Text),
        ("side", Text),
        ("shares", Int),
        ("px_usd_e4", Int),
        ("venue_seq", Int),
        ("venue_ts_ns", Int),
        ("state_from", Text),
        ("state_to", Text),
        ("reason", Text),
        ("received_ns", Int),
        ("decoded_ns", Int),
        ("decided_ns", Int),
        ("sent_ns", Int),
    ],
};

/// Fills, and what became of them.
pub static FILLS: Table = Table {
    name: "fills",
    own: &[
        ("kind", Text),
        ("booked", Int),
        ("replayed", Int),
        ("gateway", Text),
        ("token", Int),
        ("order_id", Int),
        ("symbol", Text),
        ("side", Text),
        ("shares", Int),
        ("px_usd_e4", Int),
        ("liquidity", Text),
        ("match_number", Text),
        ("venue_ts_ns", Int),
        ("fee_usd_e6", Int),
        ("arrival_bid_usd_e4", Int),
        ("arrival_ask_usd_e4", Int),
        ("mark_usd_e4", Int),
    ],
};

/// An account behind each change of it.
pub static POSITIONS: Table = Table {
    name: "positions",
    own: &[
        ("symbol", Text),
        ("shares", Int),
        ("bought_shares", Int),
        ("sold_shares", Int),
        ("fills", Int),
        ("mark_usd_e4", Int),
        ("cash_usd_e4", Int),
        ("cost_usd_e4", Int),
        ("fifo_cost_usd_e4", Int),
        ("realised_usd_e4", Int),
        ("unrealised_usd_e4", Int),
        ("fees_usd_e6", Int),
    ],
};

/// Profit and loss of all accounts, once a grain.
pub static PNL_MARKS: Table = Table {
    name: "pnl_marks",
    own: &[
        ("pnl_usd_e4", Int),
        ("realised_usd_e4", Int),
        ("unrealised_usd_e4", Int),
        ("fees_usd_e6", Int),
        ("gross_usd_e4", Int),
        ("net_usd_e4", Int),
        ("open_orders", Int),
    ],
};

/// Best prices, once a grain where they have changed.
pub static MARKET_TOPS: Table = Table {
    name: "market_tops",
    own: &[
        ("symbol", Text),
        ("bid_usd_e4", Int),
        ("bid_shares", Int),
        ("ask_usd_e4", Int),
        ("ask_shares", Int),
        ("validity", Text),
    ],
};

/// Refusals, alarms, breakers, halts, and the words of persons.
pub static RISK_EVENTS: Table = Table {
    name: "risk_events",
    own: &[
        ("kind", Text),
        ("what", Text),
        ("cause", Text),
        ("symbol", Text),
        ("percent", Int),
        ("value", Int),
        ("limit_value", Int),
        ("is_money", Int),
        ("operator", Text),
        ("reason", Text),
        ("detail", Text),
    ],
};

/// Feeds, sessions, and the run itself.
pub static LINK_EVENTS: Table = Table {
    name: "link_events",
    own: &[
        ("kind", Text),
        ("name", Text),
        ("status", Text),
        ("from_number", Int),
        ("to_number", Int),
        ("detail", Text),
    ],
};

/// Those that rows are added to.
pub static ADDED: [&Table; 7] =
    [&ORDER_EVENTS, &FILLS, &POSITIONS, &PNL_MARKS, &MARKET_TOPS, &RISK_EVENTS, &LINK_EVENTS];

/// Said where the place in the store is not the one that a batch begins at.
pub const ANOTHER: &str = "somebody else ships this journal to the same store: one of the two is enough";

/// The columns that a run begins with.
const RUN: [&str; 11] = [
    "run_id",
    "core",
    "run",
    "started_ns",
    "journal",
    "format",
    "config_hash",
    "config_toml",
    "strategy",
    "binary_sha256",
    "grain_ns",
];

/// `INSERT` of a run; `mark` is what a place begins with.
#[must_use]
pub fn insert_run(mark: &str) -> String {
    let places: Vec<String> = (1..=RUN.len()).map(|k| format!("{mark}{k}")).collect();
    format!("INSERT INTO runs ({}) VALUES ({})", RUN.join(", "), places.join(", "))
}

/// Its values.
#[must_use]
pub fn run_cells(run_id: i64, run: &RunFacts) -> [Cell; RUN.len()] {
    [
        run_id.into(),
        run.core.as_str().into(),
        run.run.into(),
        run.started_ns.into(),
        run.journal.as_str().into(),
        run.format.into(),
        format!("{:016x}", run.config_hash).into(),
        run.config_toml.as_str().into(),
        run.strategy.as_str().into(),
        run.binary_sha256.clone().into(),
        run.grain_ns.into(),
    ]
}
