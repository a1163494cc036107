//! Between commands and requests, and between a venue's words and reports: what a gateway knows of its orders.

use std::collections::VecDeque;

use model::{GatewayId, Instrument, Nanos, SessionEvent, Symbol, Token};

use super::super::order::{Name, Names, Purpose, Requests};
use super::super::orders::{Orders, Record};
use super::super::session::Version;
use super::super::tags::app;
use super::{FixConfig, FixConfigError};
use crate::gateway::{Barrier, Notice, ReportSink};
use crate::order::TokenRow;
use crate::symbols::SymbolTable;

/// Requests whose numbers are remembered, for refusals that name nothing else.
pub(super) const SENT_MAX: usize = 8_192;
/// Reports that are remembered, for those that are flagged as perhaps sent before.
pub(super) const TOLD_MAX: usize = 4_096;

/// Corrections that are remembered; a correction of an older one halts trading for a person to look.
pub(super) const CORRECTED_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not logged on, or the replay goes on.
    Replaying,
    /// It is over, and the question is to be asked.
    ToAsk,
    /// It was asked in the message of this number.
    Asked { seq: u64, since: Nanos },
    /// Orders may be sent.
    Ready,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    Ask,
}

/// What a request was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// An order or replace under a token of its own.
    Order(Record),
    /// A request about an order.
    About(Name),
    /// Where an order stands.
    Question(Name),
    /// A mass cancel.
    All(Token),
}

impl Sent {
    pub(super) fn name(&self) -> Name {
        match self {
            Sent::Order(Record { token, .. }) | Sent::All(token) => Name { token: *token, request: None },
            Sent::About(name) | Sent::Question(name) => *name,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) id: GatewayId,
    pub(super) version: Version,
    pub(super) requests: Requests,
    /// The body of the request at hand.
    pub(super) body: Vec<u8>,
    pub(super) symbols: SymbolTable,
    /// By instrument; `None` where it trades elsewhere.
    pub(super) tickers: Box<[Option<Symbol>]>,
    pub(super) orders: Orders,
    pub(super) row: TokenRow,
    pub(super) highest_seen: Token,
    pub(super) sent: VecDeque<(u64, Name, u8)>,
    /// ExecIDs, as numbers.
    pub(super) told: VecDeque<u64>,
    /// Corrections by their ExecID, and the trade that each is of in the end, as numbers.
    pub(super) corrected: VecDeque<(u64, u64)>,
    pub(super) barrier: Barrier,
    /// Others' orders are told of, and nothing is asked.
    pub(super) drop_copy: bool,
    pub(super) patience: Nanos,
    pub(super) phase: Phase,
    pub(super) joined: bool,
    /// The first number of this connection.
    pub(super) first_out: u64,
    pub(super) lost_request: bool,
    /// Numbers that a gap fill went over and nobody here has heard, first and last: until the venue's word on every open order shows that nothing was said of them.
    unheard: Option<(u64, u64)>,
    /// The orders up to this one were asked about, for that.
    asked_upto: Token,
    /// When the day began that the process connected on first: what was traded before is in what is held as it begins.
    pub(super) day: Option<Nanos>,
    /// The replay to this process has ended.
    pub(super) adopted: bool,
    /// Numbers of an earlier process that were thrown away with something in them that matters: until it is told.
    forgotten: Option<(u64, u64)>,
    /// Of what earlier processes had open this one knows, or a person does.
    pub(super) knows: bool,
    /// Shares have traded.
    pub(super) traded: bool,
    /// On this connection something was lost.
    has_lost: bool,
    /// The store had heard nothing when the present connection began.
    begins: bool,
    /// Goodbyes were said with nothing open, and nothing since.
    parted: bool,
    /// A mass cancel said one by one, until nothing is left of it.
    pub(super) sweep: Option<Token>,
    pub(super) swept: Option<Token>,
}

impl Desk {
    pub(super) fn new(config: &FixConfig, instruments: &[Instrument]) -> Result<Desk, FixConfigError> {
        let names = Names::new(&config.prefix).ok_or(FixConfigError::Prefix)?;
        let text = |a: &String| (1..=64).contains(&a.len()) && a.bytes().all(|b| b.is_ascii_graphic());
        if !config.account.iter().all(text) {
            return Err(FixConfigError::Account);
        }
        let ours = || instruments.iter().filter(|i| i.gateway == config.id);
        let mut tickers = vec![None; ours().map(|i| i.id.index() + 1).max().unwrap_or(0)];
        for i in ours() {
            tickers[i.id.index()] = Some(i.symbol);
        }
        if tickers.is_empty() {
            return Err(FixConfigError::NoInstrument);
        }
        let version = config.session.version;
        Ok(Desk {
            id: config.id,
            version,
            requests: Requests::new(names, config.account.clone(), version),
            body: Vec::with_capacity(1024),
            symbols: SymbolTable::new(ours()).map_err(FixConfigError::DuplicateSymbol)?,
            tickers: tickers.into_boxed_slice(),
            orders: Orders::new(config.orders_max),
            row: TokenRow::default(),
            highest_seen: Token(0),
            sent: VecDeque::with_capacity(SENT_MAX),
            told: VecDeque::with_capacity(TOLD_MAX),
            corrected: VecDeque::with_capacity(CORRECTED_MAX),
            barrier: if config.drop_copy { Barrier::None } else { config.barrier },
            drop_copy: config.drop_copy,
            patience: config.patience,
            phase: Phase::Replaying,
            joined: false,
            first_out: 0,
            lost_request: false,
            unheard: None,
            asked_upto: Token(0),
            day: None,
            adopted: false,
            forgotten: None,
            knows: false,
            traded: false,
            has_lost: false,
            begins: false,
            parted: false,
            sweep: None,
            swept: None,
        })
    }

    /// What a ClOrdID in the venue's words says; `None` where the order is nothing to us.
    pub(super) fn named(&self, id: &[u8]) -> Option<Name> {
        self.requests.names().read(id).or_else(|| self.drop_copy.then(|| Name::plain(id))?)
    }

    /// On a day that began at `day`.
    pub(super) fn on_connected(&mut self, next_out: u64, day: Nanos) {
        self.day.get_or_insert(day);
        (self.phase, self.first_out, self.lost_request) = (Phase::Replaying, next_out, false);
        (self.asked_upto, self.has_lost) = (Token(0), false);
        self.orders.unask();
    }

    pub(super) fn on_disconnected(&mut self) {
        self.phase = Phase::Replaying;
        self.orders.unsweep();
    }

    /// `begins`: nothing was ever heard under the store's numbers.
    pub(super) fn on_logged_on(&mut self, reset: bool, begins: bool) {
        self.phase = Phase::Replaying;
        self.begins = begins;
        if reset {
            if self.drop_copy && self.joined && !self.parted {
                // What was said of others' orders since the last word that came will not be said again.
                self.forgotten = Some((0, 0));
            }
            // Numbers begin anew, and no report will tell what became of what was open.
            self.knows &= self.orders.is_empty();
            self.orders.clear();
            self.sent.clear();
            self.first_out = 1;
            self.unheard = None;
        }
        self.parted = false;
    }

    /// Goodbyes were said, and everything before them was heard.
    pub(super) fn on_parted(&mut self) {
        self.parted = self.orders.is_empty();
    }

    pub(super) fn has_joined(&self) -> bool {
        self.joined
    }

    /// The first logon of the process, or a later one. `forgotten`: no replay tells it what an earlier process had.
    pub(super) fn join(&mut self, forgotten: bool) {
        if !self.joined && !self.drop_copy {
            self.knows = !forgotten;
            self.forgotten = forgotten.then_some((1, 1));
        }
        self.joined = true;
    }

    /// Whether all that was sent and said has ended, as far as anybody has to know.
    pub(super) fn is_settled(&self) -> bool {
        self.knows && self.phase == Phase::Ready && !self.has_lost && self.orders.is_empty()
    }

    pub(super) fn on_caught_up(&mut self, sink: &mut impl ReportSink) -> Next {
        match self.barrier {
            Barrier::AccountQuery => {
                self.phase = Phase::ToAsk;
                Next::Ask
            }
            Barrier::None => {
                self.ready(false, sink);
                Next::Nothing
            }
        }
    }

    /// The messages from `from` to `to` will not come.
    pub(super) fn on_skipped(&mut self, numbers: (u64, u64), filled: bool, sink: &mut impl ReportSink) {
        match self.phase {
            Phase::Replaying if filled && self.drop_copy && self.begins => {}
            Phase::Replaying if filled => {
                let from = self.unheard.map_or(numbers.0, |(from, _)| from);
                self.unheard = Some((from, numbers.1));
            }
            _ => self.lose(numbers, sink),
        }
    }

    /// What the venue said in the messages of these numbers is lost.
    pub(super) fn lose(&mut self, (from, to): (u64, u64), sink: &mut impl ReportSink) {
        self.has_lost = true;
        sink.notice(Notice::Lost { from, to });
    }

    /// Ends the replay; `answered`: the question was, and with it all that was asked before. At most two calls to the sink.
    pub(super) fn ready(&mut self, answered: bool, sink: &mut impl ReportSink) {
        (self.phase, self.adopted) = (Phase::Ready, true);
        // Of others' orders nothing can be asked, and any of them may be new.
        let unclear = match answered {
            true => self.orders.any_asked(),
            false => self.drop_copy || !self.orders.is_empty(),
        };
        let unheard = self.unheard.take().filter(|_| unclear);
        if let Some(numbers) = self.forgotten.take().or(unheard) {
            self.lose(numbers, sink);
        }
        let proven = answered && !self.has_lost;
        if proven {
            self.orders.drop_void();
        }
        let next_token = if proven { Token(self.highest_seen.0.saturating_add(1)) } else { Token(0) };
        sink.session(SessionEvent::Ready { next_token, proven });
    }

    pub(super) fn wants_to_ask(&self) -> bool {
        self.phase == Phase::ToAsk
    }

    /// The question about the next order that has to be asked about; `None` where none is left.
    pub(super) fn question_of_order(&mut self) -> Option<&[u8]> {
        self.unheard?;
        let order = *self.orders.after(self.asked_upto)?;
        Some(self.requests.status_of(order.name(), &order.terms))
    }

    /// It went out in message `seq`.
    pub(super) fn on_asked_of_order(&mut self, seq: u64) {
        let Some(order) = self.orders.after(self.asked_upto) else { return };
        order.asked = true;
        let name = order.name();
        self.asked_upto = name.token;
        self.on_sent(seq, app::ORDER_STATUS_REQUEST, Sent::Question(name));
    }

    /// The question, in message `seq`.
    pub(super) fn question(&mut self, seq: u64) -> &[u8] {
        let symbol = self.tickers.iter().flatten().next().copied().unwrap_or(Symbol::BLANK);
        self.requests.status(Name { token: Token(0), request: Some((Purpose::Status, seq)) }, symbol)
    }

    pub(super) fn on_asked(&mut self, now: Nanos, seq: u64) {
        self.phase = Phase::Asked { seq, since: now };
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub(super) fn highest_seen(&self) -> Token {
        self.highest_seen
    }

    pub(super) fn next_timeout(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Asked { since, .. } => Some(since.after(self.patience)),
            Phase::Replaying | Phase::ToAsk | Phase::Ready => None,
        }
    }

    pub(super) fn on_time(&mut self, now: Nanos, sink: &mut impl ReportSink) {
        if self.next_timeout().is_some_and(|at| now >= at) {
            self.ready(false, sink);
        } else if let Some(token) = self.swept.take_if(|_| self.orders.is_empty()) {
            sink.notice(Notice::MassCanceled { ts_event: Nanos::ZERO, token, symbol: Symbol::BLANK });
        }
    }

    /// The venue lacks our messages from `begin` to `end`.
    pub(super) fn on_resend_asked(&mut self, begin: u64, end: u64) {
        if matches!(self.phase, Phase::Asked { seq, .. } if (begin..=end).contains(&seq)) {
            // The gap fill goes over the question too: the venue will not act upon it.
            self.phase = Phase::ToAsk;
        }
        let first = self.first_out;
        self.lost_request |= self.sent.iter().any(|(seq, ..)| *seq >= first && (begin..=end).contains(seq));
    }

    pub(super) fn has_lost_request(&self) -> bool {
        self.lost_request
    }
}

impl Record {
    /// Its name at the venue.
    pub(super) fn name(&self) -> Name {
        let request = (self.renamed > 0).then_some((Purpose::Reduce, self.renamed));
        Name { token: self.token, request }
    }
}
