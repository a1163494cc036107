//! The stages of a hot thread, each alone and all in a row, without sockets.
//!
//! | row | each | floor |
//! |---|---|---|
//! | `decode` | an ITCH message to a market event | its length and type are read |
//! | `book` | a market event to a changed book, 50 symbols | its instrument is read |
//! | `strategy_risk` | a tick to an approved order in the outbox, or to nothing: book, callback, gate, order state | the tick applied, under a strategy that wants nothing |
//! | `journal_append` | a receipt into the log | 64 bytes copied |
//! | `encode` | a command to OUCH 5.0 in its packet | 50 bytes copied |
//! | `packet_to_order` | a MoldUDP64 packet to OUCH bytes, risk and journal on | nothing: one look at the clock |
//!
//! Each row's floor is timed by the same schedule, so both hold one look at the clock.

use std::hint::black_box;

use engine::book::{BookCapacity, Books, FlatBooks};
use engine::strategy::Observer;
use feeds::binaryfile::Messages;
use feeds::itch50;
use gateways::gateway::{OrderGateway, OuchGateway};
use model::{MarketEvent, Nanos};

use super::Row;
use super::decision::{Decision, TICKS};
use super::desk::{self, RECEIPT, START, Taker};
use super::open_loop::{open_loop, open_loop_until};
use super::path::{self, PACKETS, Path};
use super::scratch::Scratch;
use super::tape::{self, SYMBOLS, Tape};
use crate::journal::Record;

/// Between two operations: much more than one takes.
const EVERY: Nanos = Nanos(2_000);
/// Messages of the day that is decoded and applied.
const MESSAGES: usize = 1 << 16;
const RESTING: usize = 50_000;
const RECORDS: usize = 4_096;

/// All rows.
///
/// # Errors
/// No room for a journal, as a sentence.
pub fn run(n: usize) -> Result<Vec<Row>, String> {
    let tape = Tape::new(1, RESTING, MESSAGES);
    let (mut subscription, opening) = tape.subscribe();
    let messages: Vec<&[u8]> = Messages::new(&tape.day).flatten().collect();
    let events = tape::events(&mut subscription, &tape.day);
    Ok(vec![decode(n, &messages), book(n, &opening, &events), decide(n), journal(n)?, encode(n), whole(n)?])
}

fn decode(n: usize, messages: &[&[u8]]) -> Row {
    let look = |(): &mut (), k: usize| {
        let message = black_box(messages[k]);
        black_box(message.len() + usize::from(message[0]));
    };
    let floor = open_loop(&mut (), n, messages.len(), EVERY, |()| {}, look);
    let decode = |(): &mut (), k: usize| {
        black_box(&itch50::decode(black_box(messages[k])));
    };
    Row::new("decode", &open_loop(&mut (), n, messages.len(), EVERY, |()| {}, decode), &floor)
}

fn book(n: usize, opening: &[MarketEvent], events: &[MarketEvent]) -> Row {
    let look = |(): &mut (), k: usize| {
        black_box(black_box(&events[k]).instrument);
    };
    let floor = open_loop(&mut (), n, events.len(), EVERY, |()| {}, look);
    let mut books = FlatBooks::new(&BookCapacity {
        instruments: usize::from(SYMBOLS),
        live_orders: 1 << 18,
        levels: 1 << 17,
        direct_refs: 1 << 24,
    });
    let begin = |books: &mut FlatBooks| {
        books.clear();
        for event in opening {
            books.apply(event);
        }
    };
    let apply = |books: &mut FlatBooks, k: usize| {
        black_box(&books.apply(black_box(&events[k])));
    };
    Row::new("book", &open_loop(&mut books, n, events.len(), EVERY, begin, apply), &floor)
}

fn decide(n: usize) -> Row {
    let mut nothing = Decision::new(Observer).causing(0, 0);
    let floor = open_loop(&mut nothing, n, TICKS, EVERY, Decision::settle, Decision::tick);
    let mut order = Decision::new(Taker { beyond: 0 }).causing(TICKS, 0);
    Row::new(
        "strategy_risk",
        &open_loop(&mut order, n, TICKS, EVERY, Decision::settle, Decision::tick),
        &floor,
    )
}

fn journal(n: usize) -> Result<Row, String> {
    let line = [7u64; 8];
    let mut lines = vec![[1u64; 8]; RECORDS];
    let copy = |lines: &mut Vec<[u64; 8]>, k: usize| {
        lines[k] = *black_box(&line);
        black_box(lines);
    };
    let floor = open_loop(&mut lines, n, RECORDS, EVERY, |_| {}, copy);
    let receipt = Record::Receipt(RECEIPT);
    let append = |log: &mut Scratch, _| log.write(black_box(&receipt));
    let timed = open_loop(&mut Scratch::new()?, n, RECORDS, EVERY, Scratch::tend, append);
    Ok(Row::new("journal_append", &timed, &floor))
}

fn encode(n: usize) -> Row {
    let order = [7u8; 50];
    let mut room = vec![[0u8; 50]; PACKETS];
    let copy = |room: &mut Vec<[u8; 50]>, k: usize| {
        room[k] = *black_box(&order);
        black_box(room);
    };
    let floor = open_loop(&mut room, n, PACKETS, EVERY, |_| {}, copy);
    let mut state = (path::gateway(), 0);
    let leave = |(gateway, _): &mut (OuchGateway, u32)| gateway.transmitted(gateway.transmit().len());
    let encode = |(gateway, token): &mut (OuchGateway, u32), _| {
        *token += 1;
        black_box(gateway.encode(START, black_box(&desk::order(*token))).is_ok());
    };
    Row::new("encode", &open_loop(&mut state, n, PACKETS, EVERY, leave, encode), &floor)
}

fn whole(n: usize) -> Result<Row, String> {
    let floor = open_loop(&mut (), n, PACKETS, EVERY, |()| {}, |(), _| {});
    // A pass is whole, or the next one does not find the orders that it looks for.
    let n = n.next_multiple_of(PACKETS);
    let mut path = Path::new(Taker { beyond: 0 }, Some(Scratch::new()?)).sending(PACKETS);
    let packet = (Path::on_packet, Path::account);
    let timed = open_loop_until(&mut path, n, PACKETS, EVERY, Path::settle, packet);
    Ok(Row::new("packet_to_order", &timed, &floor))
}
