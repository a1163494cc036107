//! Memory asked for before it is needed.
//!
//! What one message touches is a chain: directory, slot, level, top, queue, each address known only when the word before it has come. On a book beyond
//! the caches that chain is most of a message's time. Of a run of messages the chains are independent, so here all first words are read
//! one behind the other, then all second ones: the processor waits for them at the same time. Nothing is changed, and nothing that is read
//! is believed; [`super::FlatBooks::apply`] finds the lines in its cache.
//!
//! ```text
//!   run of messages   r r r r ...   directory   d d d d ...   slot   s s s s ...   level, top   l l l l ...   queue of an add
//! ```

use core::hint::black_box;

use model::{MarketBody, MarketEvent};

use super::FlatBooks;
use super::levels::{Levels, NONE};
use crate::book::{AHEAD, price_bits};

/// What a message names, as far as it is known.
#[derive(Clone, Copy)]
struct Named {
    /// The order that it is about.
    order: u64,
    /// The order that it makes.
    made: u64,
    /// The level that it joins, or that the order rests in.
    level: u32,
}

const NOTHING: Named = Named { order: u64::MAX, made: u64::MAX, level: NONE };

impl FlatBooks {
    /// Reads what a run of messages is going to touch: the first [`AHEAD`] of them.
    pub(super) fn touch<'a>(&self, events: impl Iterator<Item = &'a MarketEvent>) {
        let mut named = [NOTHING; AHEAD];
        let mut n = 0;
        let mut sum = 0u64;
        for (entry, event) in named.iter_mut().zip(events) {
            n += 1;
            *entry = match event.body {
                MarketBody::Add { order, side, px, .. } => {
                    let known = event.instrument.index() < self.tops.len();
                    let home = match price_bits(px) {
                        Some(price) if known => Levels::home(event.instrument, side, price),
                        _ => NONE,
                    };
                    Named { made: order.0, level: home, ..NOTHING }
                }
                MarketBody::Execute { order, .. }
                | MarketBody::ExecuteAt { order, .. }
                | MarketBody::Reduce { order, .. }
                | MarketBody::Delete { order } => Named { order: order.0, ..NOTHING },
                MarketBody::Replace { old, new, .. } => Named { order: old.0, made: new.0, ..NOTHING },
                _ => NOTHING,
            };
            sum = sum.wrapping_add(self.refs.entry(entry.order)).wrapping_add(self.refs.entry(entry.made));
            if let Some(top) = self.tops.get(event.instrument.index()) {
                sum = sum.wrapping_add(top.qty[0]);
            }
        }
        for entry in &mut named[..n] {
            let word = self.refs.word(entry.order);
            if entry.order != u64::MAX {
                entry.level = (word >> 32) as u32;
            }
            sum = sum.wrapping_add(word).wrapping_add(self.refs.word(entry.made));
        }
        let mut tails = [NONE; AHEAD];
        for (entry, tail) in named[..n].iter().zip(&mut tails) {
            if let Some(level) = self.levels.look(entry.level) {
                *tail = level.tail;
                sum = sum.wrapping_add(level.qty);
            }
        }
        for tail in &tails[..n] {
            sum = sum.wrapping_add(self.queues.look(*tail));
        }
        // Without a use the reads would be left out.
        black_box(sum);
    }
}
