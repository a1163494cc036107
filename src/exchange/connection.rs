//! One client's connection to order entry, whatever it speaks.

use super::fix::connection as fix;
use super::message_log::MessageLog;
use super::soup::{self, Login};

/// What a client wants, beyond what its connection sees to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To log in.
    Login(Login),
    /// To log on by this FIX message.
    Logon(Vec<u8>),
    /// One message of the account's protocol.
    Message(Vec<u8>),
    /// To go.
    Logout,
}

impl From<soup::Ask> for Ask {
    fn from(ask: soup::Ask) -> Ask {
        match ask {
            soup::Ask::Login(login) => Ask::Login(login),
            soup::Ask::Message(message) => Ask::Message(message),
            soup::Ask::Logout => Ask::Logout,
        }
    }
}

/// A connection over SoupBinTCP or FIX. The methods are those of either.
#[derive(Debug)]
pub enum Connection {
    /// SoupBinTCP.
    Soup(soup::Connection),
    /// FIX.
    Fix(Box<fix::Connection>),
}

/// Asks either.
macro_rules! either {
    ($of:expr, $connection:ident => $what:expr) => {
        match $of {
            Connection::Soup($connection) => $what,
            Connection::Fix($connection) => $what,
        }
    };
}

#[allow(missing_docs)] // as in either
impl Connection {
    #[must_use]
    pub fn account(&self) -> Option<u16> {
        either!(self, c => c.account())
    }

    pub fn receive(&mut self, now: u64, bytes: &[u8]) {
        either!(self, c => c.receive(now, bytes));
    }

    pub fn next_ask(&mut self, now: u64) -> Option<Ask> {
        match self {
            Connection::Soup(c) => c.next_ask().map(Ask::from),
            Connection::Fix(c) => c.next_ask(now),
        }
    }

    #[must_use]
    pub fn next_sequence(&self) -> Option<u64> {
        either!(self, c => c.next_sequence())
    }

    pub fn stutter(&mut self, now: u64, message: &[u8]) {
        either!(self, c => c.stutter(now, message));
    }

    /// Never writes the next message of a FIX account's stream; one of SoupBinTCP is counted by both sides.
    pub fn pass_over(&mut self) {
        match self {
            Connection::Soup(_) => {}
            Connection::Fix(c) => c.pass_over(),
        }
    }

    pub fn babble(&mut self, now: u64, bytes: &[u8]) {
        match self {
            Connection::Soup(c) => c.babble(now, bytes),
            Connection::Fix(c) => c.babble(bytes),
        }
    }

    pub fn break_off(&mut self, now: u64, message: &[u8], n: usize) {
        either!(self, c => c.break_off(now, message, n));
    }

    /// Counts as having heard the client now. A FIX session counts by itself.
    pub fn heard(&mut self, now: u64) {
        match self {
            Connection::Soup(c) => c.heard(now),
            Connection::Fix(_) => {}
        }
    }

    pub fn pump(&mut self, now: u64, log: &MessageLog, last: u64, ended: bool) {
        match self {
            Connection::Soup(c) => drop(c.pump(now, log, last, ended)),
            Connection::Fix(c) => c.pump(now, log, last, ended),
        }
    }

    pub fn tick(&mut self, now: u64) -> bool {
        either!(self, c => c.tick(now))
    }

    #[must_use]
    pub fn next_due(&self) -> u64 {
        either!(self, c => c.next_due())
    }

    pub fn close(&mut self) {
        either!(self, c => c.close());
    }

    #[must_use]
    pub fn output(&self) -> &[u8] {
        either!(self, c => c.output())
    }

    pub fn written(&mut self, n: usize) {
        either!(self, c => c.written(n));
    }

    #[must_use]
    pub fn is_over(&self) -> bool {
        either!(self, c => c.is_over())
    }
}
