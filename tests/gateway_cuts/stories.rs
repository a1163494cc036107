//! The requests, each in the situation that gives it one of its answers; and every place where its connection can be cut.

use std::ops::Range;

use engine::strategy::Intent;
use gateways::gateway::OrderGateway as _;
use model::{
    CommandKind, Control, GatewayId, InstrumentId, Nanos, OrderCommand, Px, Qty, Side, Symbol, Tif, Token,
};

use crate::core::{Lie, MID};
use crate::exchange_support::symbol;
use crate::line::Ask;
use crate::world::{Bytes, Check, Port, World, buy, new, order, sell};

/// One request, or a few in a row.
pub struct Story {
    pub name: &'static str,
    /// Leads to the situation, with everything said and heard.
    before: fn(&mut World) -> Check,
    /// The request is decided on and encoded; not a byte has left.
    ask: fn(&mut World) -> Check,
    /// What the venue does before the request reaches it.
    meanwhile: fn(&mut World),
    /// The letters of what the venue says from the request on: a story that does not get its answer would be about nothing.
    pub answer: &'static str,
}

/// A price below the market, and one that no order may have: it is no whole cent.
const LOW: i64 = MID - 10_000;
const NO_PRICE: i64 = MID - 10_050;

fn nothing(_: &mut World) -> Check {
    Ok(())
}

fn calm(_: &mut World) {}

fn others_offer(w: &mut World) -> Check {
    w.other(Side::Sell, 40, MID);
    Ok(())
}

fn one_rests(w: &mut World) -> Check {
    w.want(&[buy(100, LOW)])?;
    w.flow(Bytes::ALL).map(drop)
}

fn one_rests_in_part(w: &mut World) -> Check {
    one_rests(w)?;
    w.others_take(30);
    w.flow(Bytes::ALL).map(drop)
}

fn three_rest(w: &mut World) -> Check {
    let other = Intent::New {
        instrument: InstrumentId(1),
        side: Side::Buy,
        qty: Qty(300),
        px: Px(LOW),
        tif: Tif::Day,
    };
    w.want(&[buy(100, LOW), sell(200, MID + 10_000), other])?;
    w.flow(Bytes::ALL).map(drop)
}

fn replace(w: &mut World, open: u32, px: i64) -> Check {
    w.want(&[Intent::Replace { order: order(1), qty: Qty(open), px: Px(px) }])
}

fn cancel(w: &mut World) -> Check {
    w.want(&[Intent::Cancel { order: order(1) }])
}

fn by_hand(letter: u8, token: u32, qty: u32, side: u8) -> Ask {
    Ask { letter, token, old: 0, qty, px: 0, side, tif: 0 }
}

/// No run of the engine comes to this number here.
const SWEEP: u32 = 900;

pub const STORIES: &[Story] = &[
    Story { name: "nothing but the login", before: nothing, ask: nothing, meanwhile: calm, answer: "" },
    Story {
        name: "new, rests",
        before: nothing,
        ask: |w| w.want(&[buy(100, LOW)]),
        meanwhile: calm,
        answer: "A",
    },
    Story {
        name: "new, trades",
        before: others_offer,
        ask: |w| w.want(&[buy(100, MID)]),
        meanwhile: calm,
        answer: "AE",
    },
    Story {
        name: "new, refused",
        before: nothing,
        ask: |w| w.want(&[buy(100, NO_PRICE)]),
        meanwhile: calm,
        answer: "J",
    },
    Story {
        name: "immediate or cancel",
        before: others_offer,
        ask: |w| w.want(&[new(Side::Buy, 100, MID, Tif::Ioc)]),
        meanwhile: calm,
        answer: "AEC",
    },
    Story {
        name: "replace",
        before: one_rests,
        ask: |w| replace(w, 150, LOW - 5_000),
        meanwhile: calm,
        answer: "U",
    },
    Story {
        name: "replace of what has traded in part",
        before: one_rests_in_part,
        ask: |w| replace(w, 90, LOW),
        meanwhile: calm,
        answer: "U",
    },
    Story {
        name: "replace, trades",
        before: |w| {
            one_rests(w)?;
            others_offer(w)
        },
        ask: |w| replace(w, 100, MID),
        meanwhile: calm,
        answer: "UE",
    },
    Story {
        name: "replace, crossed by a fill",
        before: one_rests,
        ask: |w| replace(w, 100, LOW - 5_000),
        meanwhile: |w| w.others_take(30),
        answer: "EU",
    },
    Story {
        name: "replace of what is gone",
        before: one_rests,
        ask: |w| replace(w, 100, LOW - 5_000),
        meanwhile: |w| w.others_take(100),
        answer: "E",
    },
    Story {
        name: "replace, invalid, so canceled",
        before: one_rests,
        ask: |w| replace(w, 100, NO_PRICE),
        meanwhile: calm,
        answer: "C",
    },
    Story {
        name: "replace, refused",
        before: one_rests,
        ask: |w| replace(w, 100, LOW - 5_000),
        meanwhile: |w| assert!(w.venue.set_late_cross(w.now, symbol("AAPL"), true)),
        answer: "J",
    },
    Story { name: "cancel", before: one_rests_in_part, ask: cancel, meanwhile: calm, answer: "C" },
    Story {
        name: "cancel, crossed by a fill",
        before: one_rests,
        ask: cancel,
        meanwhile: |w| w.others_take(30),
        answer: "EC",
    },
    Story {
        name: "cancel of what is gone",
        before: one_rests,
        ask: cancel,
        meanwhile: |w| w.others_take(100),
        answer: "E",
    },
    Story {
        name: "cancel of a part",
        before: one_rests,
        ask: |w| {
            let kind = CommandKind::Cancel { token: Token(1), qty: Qty(60) };
            let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind };
            w.by_hand(by_hand(b'X', 1, 60, 0));
            w.core.gateway.encode(Nanos(w.now), &command).map_err(|e| e.to_string())
        },
        meanwhile: calm,
        answer: "C",
    },
    Story {
        name: "modify",
        before: one_rests_in_part,
        ask: |w| {
            w.by_hand(by_hand(b'M', 1, 80, b'B'));
            let now = Nanos(w.now);
            w.core.gateway.modify(now, Token(1), Side::Buy, false, Qty(80)).map_err(|e| e.to_string())
        },
        meanwhile: calm,
        answer: "M",
    },
    Story {
        name: "mass cancel",
        before: three_rest,
        ask: |w| {
            w.by_hand(by_hand(b'C', SWEEP, 0, 0));
            let now = Nanos(w.now);
            w.core.gateway.mass_cancel(now, Token(SWEEP), Symbol::BLANK).map_err(|e| e.to_string())
        },
        meanwhile: calm,
        answer: "XCCC",
    },
    Story {
        name: "enable order entry",
        before: nothing,
        ask: |w| {
            w.by_hand(by_hand(b'E', SWEEP, 0, 0));
            w.core.gateway.enable_entry(Nanos(w.now), Token(SWEEP)).map_err(|e| e.to_string())
        },
        meanwhile: calm,
        answer: "K",
    },
    Story {
        name: "cancel all, with a replace under way",
        before: three_rest,
        ask: |w| {
            replace(w, 100, LOW - 5_000)?;
            w.control(Control::CancelAll)
        },
        meanwhile: calm,
        answer: "UCCC",
    },
    Story {
        name: "several in a row",
        before: one_rests,
        ask: |w| w.want(&[sell(50, MID + 10_000), Intent::Cancel { order: order(1) }, buy(70, LOW - 100)]),
        meanwhile: calm,
        answer: "ACA",
    },
    Story {
        name: "logout",
        before: one_rests,
        ask: |w| {
            w.core.gateway.logout(Nanos(w.now));
            Ok(())
        },
        meanwhile: calm,
        answer: "",
    },
];

/// What comes after the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The same process connects again.
    Reconnects,
    /// Another process does, which knows nothing.
    Restarts,
}

/// One way to cut one story.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub port: Port,
    /// While the line is down, others trade with what rests.
    pub traded: bool,
    pub fate: Fate,
    pub first: Bytes,
    /// What has left reaches the venue after the client has seen the cut.
    pub late: bool,
    /// Of the connection after that, which is cut as well.
    pub second: Option<Bytes>,
}

impl Story {
    /// Ready, and the request in the gateway's buffer.
    fn told(&self, port: Port, lie: Option<Lie>) -> Result<World, String> {
        let mut w = World::new(port, lie, false);
        w.recover()?;
        (self.before)(&mut w)?;
        (self.ask)(&mut w)?;
        w.think()?;
        (self.meanwhile)(&mut w);
        Ok(w)
    }

    /// What the venue says to it, by letters.
    pub fn letters(&self) -> Result<String, String> {
        let mut w = self.told(Port::Keeps, None)?;
        w.leave(usize::MAX);
        w.reach(usize::MAX)?;
        w.answer();
        let bytes: Vec<u8> = w.line.map_or_else(Vec::new, |l| l.down.into());
        let mut said = String::new();
        let mut rest = &bytes[..];
        while let [a, b, tail @ ..] = rest {
            let (packet, more) = tail.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            if let [b'S', letter, ..] = packet {
                said.push(char::from(*letter));
            }
            rest = more;
        }
        Ok(said)
    }

    fn until_second(&self, cut: &Cut, lie: Option<Lie>) -> Result<World, String> {
        let mut w = self.told(cut.port, lie)?;
        w.flow(cut.first)?;
        if cut.late {
            w.cut_late()?;
        } else {
            w.cut();
        }
        w.think()?;
        if cut.traded {
            w.others_take(20);
        }
        if cut.fate == Fate::Restarts {
            w.restart();
        }
        Ok(w)
    }

    /// Tells it with this cut, and what has to hold in the end.
    pub fn run(&self, cut: &Cut, lie: Option<Lie>) -> Check {
        let mut w = self.until_second(cut, lie)?;
        if let Some(second) = cut.second {
            w.connect();
            w.flow(second)?;
            w.cut();
            w.think()?;
        }
        w.comes_to_rest()?;
        w.notice();
        w.flow(Bytes::ALL)?;
        w.agrees()
    }

    /// Every place to cut it once.
    pub fn cuts(&self, port: Port, traded: bool, fate: Fate) -> Result<Vec<Cut>, String> {
        let whole = self.told(port, None)?.flow(Bytes::ALL)?;
        let cut = Cut { port, traded, fate, first: Bytes::ALL, late: false, second: None };
        let at = |first| Cut { first, ..cut };
        let up = |n: usize| at(Bytes { leave: n, ..Bytes::ALL });
        let lost = |n: usize| at(Bytes { reach: n, back: 0, ..Bytes::ALL });
        let back = |n: usize| at(Bytes { back: n, ..Bytes::ALL });
        let mut cuts: Vec<Cut> = all(whole.reached).map(up).collect();
        cuts.extend(all(whole.reached).map(lost));
        cuts.extend(all(whole.came_back).map(back));
        cuts.push(Cut { first: Bytes { reach: 0, back: 0, ..Bytes::ALL }, late: true, ..cut });
        Ok(cuts)
    }

    /// Every place to cut the login, the replay and the query that follow a first cut of three kinds: the request never left, its answer never came, half of
    /// the answer came.
    pub fn second_cuts(&self, port: Port, traded: bool, fate: Fate) -> Result<Vec<Cut>, String> {
        let answer = self.told(port, None)?.flow(Bytes::ALL)?.came_back;
        let mut cuts = Vec::new();
        for first in [
            Bytes { leave: 0, ..Bytes::ALL },
            Bytes { back: 0, ..Bytes::ALL },
            Bytes { back: answer / 2, ..Bytes::ALL },
        ] {
            let cut = Cut { port, traded, fate, first, late: false, second: None };
            let mut w = self.until_second(&cut, None)?;
            w.connect();
            let login = w.flow(Bytes::ALL)?;
            let at = |second| Cut { second: Some(second), ..cut };
            cuts.extend(all(login.reached).map(|n| at(Bytes { leave: n, ..Bytes::ALL })));
            cuts.extend(all(login.reached).map(|n| at(Bytes { reach: n, ..Bytes::ALL })));
            cuts.extend(all(login.came_back).map(|n| at(Bytes { back: n, ..Bytes::ALL })));
        }
        Ok(cuts)
    }
}

fn all(bytes: usize) -> Range<usize> {
    0..bytes + 1
}
