//! The requests, each in the situation that gives it one of its answers; and every place where its connection can be cut.

use std::ops::Range;

use colo::agents::Farewell;
use engine::strategy::Intent;
use model::{Control, InstrumentId, PortRequest, Px, Qty, Side, Tif};

use crate::core::{GATEWAY, Lie, MID};
use crate::exchange_support::symbol;
use crate::line::Spoken;
use crate::misbehaviour::Script;
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
    /// The letters of what the venue says from the request on: a story that does not get its answer would be about nothing. OUCH 4.2 has all of them but `X` and `K`.
    answer: &'static str,
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

fn reduce(w: &mut World) -> Check {
    w.want(&[Intent::Reduce { order: order(1), qty: Qty(40) }])
}

fn cancel(w: &mut World) -> Check {
    w.want(&[Intent::Cancel { order: order(1) }])
}

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
    Story { name: "a part taken off", before: one_rests_in_part, ask: reduce, meanwhile: calm, answer: "C" },
    Story {
        name: "a part taken off, crossed by a fill",
        before: one_rests,
        ask: reduce,
        meanwhile: |w| w.others_take(30),
        answer: "EC",
    },
    Story {
        name: "a part taken off that has traded: the rest goes",
        before: one_rests,
        ask: reduce,
        meanwhile: |w| w.others_take(70),
        answer: "EC",
    },
    Story {
        name: "a part taken off, refused",
        before: one_rests,
        ask: reduce,
        meanwhile: |w| assert!(w.venue.set_late_cross(w.now, symbol("AAPL"), true)),
        answer: "I",
    },
    Story {
        name: "mass cancel, as a person asks for it",
        before: three_rest,
        ask: |w| w.control(Control::Port { gateway: GATEWAY, request: PortRequest::MassCancel }),
        meanwhile: calm,
        answer: "XCCC",
    },
    Story {
        name: "order entry is switched on",
        before: one_rests,
        ask: |w| w.control(Control::Port { gateway: GATEWAY, request: PortRequest::EntryOn }),
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
        name: "the core ends in disorder: everything is canceled",
        before: three_rest,
        ask: |w| {
            w.take_leave(Farewell::Sweep);
            Ok(())
        },
        meanwhile: calm,
        answer: "XCCC",
    },
    Story {
        name: "logout",
        before: one_rests,
        ask: |w| {
            w.take_leave(Farewell::LogOut);
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
    pub spoken: Spoken,
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
    fn told(&self, spoken: Spoken, port: Port, lie: Option<Lie>) -> Result<World, String> {
        let mut w = World::new(spoken, port, lie, false, Script::default());
        w.recover()?;
        (self.before)(&mut w)?;
        (self.ask)(&mut w)?;
        w.think()?;
        w.cycle(0, 0)?;
        (self.meanwhile)(&mut w);
        Ok(w)
    }

    /// What the venue has to say to it, by letters.
    pub fn answer(&self, spoken: Spoken) -> String {
        self.answer.chars().filter(|c| !"XK".contains(*c) || spoken == Spoken::Ouch50).collect()
    }

    /// What the venue says to it, by letters.
    pub fn letters(&self, spoken: Spoken) -> Result<String, String> {
        let mut w = self.told(spoken, Port::Keeps, None)?;
        w.leave(usize::MAX)?;
        w.reach(usize::MAX)?;
        w.answer();
        let bytes = w.under_way();
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
        let mut w = self.told(cut.spoken, cut.port, lie)?;
        w.flow(cut.first)?;
        if cut.late {
            w.cut_late()?;
        } else {
            w.cut()?;
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
            w.connect()?;
            w.flow(second)?;
            w.cut()?;
            w.think()?;
        }
        if w.is_about_to_end() {
            w.winds_down()?;
            w.restart();
        }
        if cut.spoken == Spoken::Ouch42 {
            // What a quiet line leaves unknown is canceled, which has to wait for the end of a late period.
            w.venue.set_late_cross(w.now, symbol("AAPL"), false);
        }
        w.comes_to_rest()?;
        w.notice();
        w.flow(Bytes::ALL)?;
        w.agrees()
    }

    /// Every place to cut it once.
    pub fn cuts(&self, cut: Cut) -> Result<Vec<Cut>, String> {
        let whole = self.told(cut.spoken, cut.port, None)?.flow(Bytes::ALL)?;
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
    pub fn second_cuts(&self, cut: Cut) -> Result<Vec<Cut>, String> {
        let answer = self.told(cut.spoken, cut.port, None)?.flow(Bytes::ALL)?.came_back;
        let mut cuts = Vec::new();
        for first in [
            Bytes { leave: 0, ..Bytes::ALL },
            Bytes { back: 0, ..Bytes::ALL },
            Bytes { back: answer / 2, ..Bytes::ALL },
        ] {
            let cut = Cut { first, ..cut };
            let mut w = self.until_second(&cut, None)?;
            w.connect()?;
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
