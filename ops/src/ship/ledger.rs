//! A run's records to rows, each record once and in order. The same journal gives the same rows, numbers and all: so a shipper that begins anew makes what was kept again, and goes
//! on behind it.
//!
//! What a record says is a row of it. What it changed (an order's state, an account, what all is worth) is read off a [`Shadow`] of the core, which needs no strategy.

use std::collections::BTreeMap;

use colo::journal::Record;
use colo::logs::Names;
use colo::replay::{Journal, ReplayError, Shadow};

use super::accounts::{Before, Marks, Said, openings, trade};
use super::happenings;
use super::orders::Orders;
use crate::store::tables::{LINK_EVENTS, MARKET_TOPS, ORDERS, PNL_MARKS, POSITIONS};
use crate::store::{Cell, Row, Table};

/// The first number of a record's marks: those of its own rows do not depend on the grain.
const MARKS_FROM: u32 = 10_000;

/// The rows of one record in the making.
pub struct Rows<'a> {
    /// The record.
    pub(super) seq: u64,
    sub: u32,
    time_ns: u64,
    rows: &'a mut Vec<Row>,
    orders: &'a mut BTreeMap<u32, Row>,
}

impl Rows<'_> {
    pub(super) fn push(&mut self, table: &'static Table, cells: Vec<Cell>) {
        self.push_at(self.time_ns, table, cells);
    }

    pub(super) fn push_at(&mut self, time_ns: u64, table: &'static Table, cells: Vec<Cell>) {
        self.rows.push(Row { table, seq: self.seq, sub: self.sub, time_ns, cells });
        self.sub += 1;
    }

    /// An order as it stands.
    pub(super) fn order(&mut self, id: u32, cells: Vec<Cell>) {
        let row = Row { table: &ORDERS, seq: self.seq, sub: self.sub, time_ns: self.time_ns, cells };
        self.orders.insert(id, row);
    }
}

/// See the module.
pub struct Ledger {
    shadow: Shadow,
    names: Names,
    orders: Orders,
    marks: Marks,
    is_blindness_said: bool,
    is_whole: bool,
}

impl Ledger {
    /// Before the first record of a run; marks once in `grain_ns`. Where a run's first records are gone (`is_whole` is false) no accounts, marks and orders are made.
    ///
    /// # Errors
    /// The run's captures cannot be opened.
    pub fn new(journal: &Journal, grain_ns: u64, is_whole: bool) -> Result<Ledger, ReplayError> {
        let config = &journal.config;
        let names = Names {
            feeds: config.feeds.iter().map(|f| f.id.clone()).collect(),
            gateways: config.gateways.iter().map(|g| g.id.clone()).collect(),
            instruments: config.instruments.clone(),
        };
        let marks = Marks::new(grain_ns, names.instruments.len());
        let shadow = Shadow::new(journal)?;
        Ok(Ledger { shadow, names, orders: Orders::default(), marks, is_blindness_said: false, is_whole })
    }

    /// The time of the last input, ns since the Unix epoch.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.shadow.now().0
    }

    /// Takes the next record; adds its rows, and the orders that it moved as they then stand.
    pub fn take(
        &mut self,
        index: u64,
        record: &Record,
        rows: &mut Vec<Row>,
        orders: &mut BTreeMap<u32, Row>,
    ) {
        let time_ns = record.now().map_or(self.shadow.now().0, |now| now.0);
        let first = rows.len();
        if let Some(now) = record.now()
            && self.shadow.is_blind().is_none()
        {
            let mut out = Rows { seq: index, sub: MARKS_FROM, time_ns, rows, orders };
            self.marks.pass(now.0, self.shadow.engine(), &self.names, &mut out);
        }
        let before = Orders::about(record, self.shadow.engine());
        let accounts = Before::of(record, self.shadow.engine(), self.names.gateways.len());
        let turns = self.shadow.step(index, record).to_vec();
        let engine = self.shadow.engine();
        let mut out = Rows { seq: index, sub: 0, time_ns, rows, orders };
        happenings::take(record, &self.names, &mut out);
        if let (Record::Report { report, .. }, Some(accounts)) = (record, &accounts) {
            let said = Said { report, order: before, is_whole: self.is_whole };
            trade(&said, accounts, &self.orders, engine, &self.names, &mut out);
        }
        if matches!(record, Record::Start { .. }) {
            openings(engine, &self.names, &mut out);
        }
        self.orders.take(record, before, &turns, engine, &self.names, &mut out);
        if matches!(record, Record::End { .. }) && self.shadow.is_blind().is_none() {
            out.sub = MARKS_FROM;
            self.marks.mark(time_ns, engine, &self.names, &mut out);
        }
        if let Some(why) = self.shadow.is_blind()
            && !self.is_blindness_said
        {
            self.is_blindness_said = true;
            let cells: [Cell; 6] =
                ["store".into(), "".into(), "blind".into(), Cell::Null, Cell::Null, why.to_string().into()];
            out.push(&LINK_EVENTS, cells.to_vec());
        }
        // A message stream has a record's rows in the order of their numbers: its own first, the marks behind.
        rows[first..].sort_by_key(|r| r.sub);
        if !self.is_whole {
            // An account that is made of a part of its fills is wrong: rather none.
            rows.retain(|r| ![&POSITIONS, &PNL_MARKS, &MARKET_TOPS].contains(&r.table));
            orders.clear();
        }
    }
}
