//! A venue's drop copy against what our order session told: a second, independent view of our orders, compared all the time.
//!
//! ```text
//!   order session --> journal ---\                        same fact, same values: confirmed
//!                                 >-- facts, by key --->  same fact, other values: a mismatch at once
//!   drop copy session -----------/                        one of them alone for longer than the grace: a mismatch
//! ```
//!
//! What is compared are the *facts* that each stream tells (an order was taken, replaced, filled; shares left it; a trade was broken or corrected) and not the orders as they
//! stand: two views of a busy order differ at almost any instant, for one stream is behind the other, and yet nothing is wrong. A fact that is told is either told by the
//! other stream soon, or wrong. So nothing is false however busy the account is, as long as the streams are apart by less than the grace.
//!
//! # Rules
//!
//! * What a session replays was told before, to this process or to one before it: it confirms, and is not itself waited for.
//! * What was told before both sessions first stood is not waited for either: the other one may have begun later, or go on from another day's place.
//! * While one of the two sessions does not stand nothing is judged, and from its return on each fact has the whole grace again.
//! * A message counts once, by its number in its stream.
//! * A stream that may have missed something (`Doubt`: its venue passed over numbers, or said what was not understood) is told as such: what agrees may not be all then. It
//!   is no mismatch, for nothing is shown to be wrong; and each fact of the other stream is waited for as ever.
//! * Memory is bounded: more facts than `capacity` that wait is a mismatch too.
//!
//! It is a state machine off the hot thread: whoever follows the journal has both streams, and a halt goes the way that any other takes.

mod fact;

use std::collections::BTreeMap;

use model::{ExecutionReport, Nanos, SessionEvent, Token};

use self::fact::{Key, Said, fact_of};

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stream {
    /// The order entry session's, as the engine took it.
    Ours = 0,
    /// The drop copy's.
    Copy = 1,
}

impl Stream {
    const fn other(self) -> Stream {
        match self {
            Stream::Ours => Stream::Copy,
            Stream::Copy => Stream::Ours,
        }
    }
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// An order.
    Order,
    /// A replace.
    Replace,
    /// A fill.
    Fill,
    /// Shares that left without trading.
    Cancel,
    /// A trade that was broken or corrected.
    Amendment,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The drop copy tells it, and our session did not.
    Unknown,
    /// Our session told it, and the drop copy does not.
    Unconfirmed,
    /// Another number of shares.
    Quantity,
    /// Another price.
    Price,
    /// The other side.
    Side,
    /// Another instrument.
    Instrument,
    /// More is unconfirmed than can be kept.
    Backlog,
}

/// A difference between the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The order, by the token that the venue named.
    pub token: Token,
    /// What it is about.
    pub about: About,
    /// What is wrong.
    pub wrong: Wrong,
    /// When it was told first.
    pub since: Nanos,
}

impl Mismatch {
    fn of(key: Key, wrong: Wrong, since: Nanos) -> Mismatch {
        let about = match key {
            Key::Order(_) => About::Order,
            Key::Replaced(_) => About::Replace,
            Key::Fill(..) => About::Fill,
            Key::Left(..) => About::Cancel,
            Key::Amended(..) => About::Amendment,
        };
        Mismatch { token: key.token(), about, wrong, since }
    }
}

/// A fact that one stream told and the other did not yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    stream: Stream,
    said: Said,
    at: Nanos,
    /// Told live, so that the other stream must tell it too.
    live: bool,
}

/// Orders and trades of which it is remembered how often shares left or amendments came.
const COUNTED: usize = 65_536;

/// How often what can come more than once has come, by stream.
#[derive(Default)]
struct Counts<K> {
    of: BTreeMap<K, [u32; 2]>,
}

impl<K: Ord + Copy> Counts<K> {
    fn next(&mut self, key: K, stream: Stream) -> u32 {
        let n = &mut self.of.entry(key).or_default()[stream as usize];
        *n += 1;
        let n = *n;
        if self.of.len() > COUNTED {
            self.of.pop_first();
        }
        n
    }
}

/// See the module: one for each order entry session that has a drop copy.
pub struct Reconciler {
    grace: Nanos,
    capacity: usize,
    pending: BTreeMap<Key, Pending>,
    left: Counts<Token>,
    amended: Counts<(u64, Token)>,
    last_seq: [u64; 2],
    ready: [bool; 2],
    /// Since when both sessions stand; none before they first did.
    since: Option<Nanos>,
    confirmed: u64,
}

impl Reconciler {
    /// `grace`: how long a fact may be told by one stream alone. `capacity`: how many may be at once.
    #[must_use]
    pub fn new(grace: Nanos, capacity: usize) -> Reconciler {
        Reconciler {
            grace,
            capacity,
            pending: BTreeMap::new(),
            left: Counts::default(),
            amended: Counts::default(),
            last_seq: [0; 2],
            ready: [false; 2],
            since: None,
            confirmed: 0,
        }
    }

    /// Facts that both streams told alike.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Facts that one stream has told alone so far.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What became of one of the two sessions; whether its stream may have missed something.
    pub fn on_session(&mut self, now: Nanos, stream: Stream, event: SessionEvent) -> bool {
        let ready = match event {
            SessionEvent::Ready { .. } => true,
            SessionEvent::NewSession | SessionEvent::EndOfSession => {
                self.last_seq[stream as usize] = 0;
                false
            }
            SessionEvent::Doubt => return true,
            SessionEvent::LoggedIn | SessionEvent::Disconnected | SessionEvent::LoginRejected { .. } => false,
        };
        let stood = self.stands();
        self.ready[stream as usize] = ready;
        if self.stands() && !stood && self.since.replace(now).is_none() {
            self.pending.values_mut().for_each(|p| p.live = false);
        }
        false
    }

    fn stands(&self) -> bool {
        self.ready == [true; 2]
    }

    /// Takes a report of one of the streams, in its order.
    pub fn on_report(&mut self, now: Nanos, stream: Stream, r: &ExecutionReport) -> Option<Mismatch> {
        let last = &mut self.last_seq[stream as usize];
        if r.seq <= *last {
            return None;
        }
        *last = r.seq;
        let (key, said) = fact_of(r)?;
        let key = match key {
            Key::Left(token, _) => Key::Left(token, self.left.next(token, stream)),
            Key::Amended(trade, token, _) => {
                Key::Amended(trade, token, self.amended.next((trade, token), stream))
            }
            other => other,
        };
        match self.pending.get(&key).copied() {
            Some(p) if p.stream == stream.other() => {
                self.pending.remove(&key);
                let wrong = difference(&p.said, &said);
                self.confirmed += u64::from(wrong.is_none());
                wrong.map(|wrong| Mismatch::of(key, wrong, p.at))
            }
            // Told twice under two numbers: the second is another fact, and nothing will confirm it.
            Some(p) if p.live => Some(Mismatch::of(key, alone(stream), p.at)),
            _ => {
                if self.pending.len() >= self.capacity {
                    return Some(Mismatch::of(key, Wrong::Backlog, now));
                }
                let live = self.ready[stream as usize] && self.since.is_some();
                self.pending.insert(key, Pending { stream, said, at: now, live });
                None
            }
        }
    }

    /// Looks for what one stream has told alone for too long: to be called again until there is nothing more. Cost: a pass over what is pending.
    pub fn on_time(&mut self, now: Nanos) -> Option<Mismatch> {
        let (grace, since) = (self.grace, self.since.filter(|_| self.stands())?);
        let is_old = |p: &Pending| now.since(p.at.max(since)) >= grace;
        self.pending.retain(|_, p| p.live || !is_old(p));
        let (key, p) = self.pending.iter().find(|(_, p)| is_old(p)).map(|(k, p)| (*k, *p))?;
        self.pending.remove(&key);
        Some(Mismatch::of(key, alone(p.stream), p.at))
    }
}

/// What is wrong with a fact that only this stream told.
const fn alone(stream: Stream) -> Wrong {
    match stream {
        Stream::Ours => Wrong::Unconfirmed,
        Stream::Copy => Wrong::Unknown,
    }
}

fn difference(a: &Said, b: &Said) -> Option<Wrong> {
    let differ = |a: Option<_>, b: Option<_>| a.zip(b).is_some_and(|(a, b)| a != b);
    if differ(a.side.map(|s| s as u32), b.side.map(|s| s as u32)) {
        Some(Wrong::Side)
    } else if differ(a.instrument.map(|i| i.0.into()), b.instrument.map(|i| i.0.into())) {
        Some(Wrong::Instrument)
    } else if a.qty != b.qty {
        Some(Wrong::Quantity)
    } else if a.px != b.px {
        Some(Wrong::Price)
    } else {
        None
    }
}
