//! Logons to FIX sessions. What follows them is as for everybody else.

use gateways::fix::framing::{Message, split};

use super::{Action, Connection, Host, OrderDesk};
use crate::exchange::fix::FixRules;
use crate::exchange::fix::connection::{self as fix, Seat};
use crate::exchange::floor::Floor;
use crate::exchange::venue::ConnectionId;

/// What becomes of a Logon.
enum Verdict {
    /// The account's session answers it, and has the last word.
    Answer(u16),
    /// It is refused in these words, where nobody else is logged on.
    Refuse(u16, Option<&'static str>),
    /// Nobody is known by this name: nothing is said.
    Stranger,
}

fn knows(rules: &FixRules, m: &Message<'_>) -> bool {
    m.get(49) == Some(rules.client.as_bytes())
        && m.get(56) == Some(rules.venue.as_bytes())
        && m.begin() == rules.version.begin()
}

impl OrderDesk {
    /// A client has connected to the FIX port.
    pub fn connect_fix(&mut self, now: u64, id: ConnectionId) {
        self.seat(id, Connection::Fix(Box::new(fix::Connection::new(now))), Host::Primary);
    }

    /// A client shows its Logon. Returns whether it is logged on.
    pub fn logon(&mut self, floor: &mut Floor, id: ConnectionId, logon: &[u8], is_closed: bool) -> bool {
        let (account, refusal) = match self.judge(floor, logon, is_closed) {
            Verdict::Answer(account) => (account, None),
            // A stranger who knows a name does not drive out whom it belongs to.
            Verdict::Refuse(account, words) if self.ports[usize::from(account)].seat.is_some() => {
                (account, Some(words))
            }
            Verdict::Refuse(..) | Verdict::Stranger => return self.turn_away(id),
        };
        let (is_on, actions) = match refusal {
            None => {
                let actions = self.script.on_login(account);
                let is_refused = actions.contains(&Action::RefuseLogin);
                (self.answer(floor, id, account, is_refused.then_some("refused")), actions)
            }
            // Without words of its own the session says what is wrong.
            Some(words) => (self.answer(floor, id, account, words), Vec::new()),
        };
        if !is_on {
            self.counts.refused += 1;
            // It may have driven out the connection that the account had, and has not taken its place.
            self.left(floor, account);
            return false;
        }
        self.counts.logins += 1;
        for action in actions {
            self.perform(floor, account, action, None);
        }
        true
    }

    fn judge(&self, floor: &Floor, logon: &[u8], is_closed: bool) -> Verdict {
        let mut fields = Vec::with_capacity(logon.len());
        if split(logon, &mut fields).is_none() {
            return Verdict::Stranger;
        }
        let m = Message::new(logon, &fields);
        let rules = |at: usize| floor.accounts[at].rules.fix.as_ref();
        let found = (0..self.ports.len()).find(|at| rules(*at).is_some_and(|rules| knows(rules, &m)));
        let Some((account, rules)) = found.and_then(|at| Some((at as u16, rules(at)?))) else {
            return Verdict::Stranger;
        };
        if m.kind() != b"A" {
            Verdict::Stranger
        } else if !rules.credentials.admit(&m) {
            Verdict::Refuse(account, None)
        } else if is_closed {
            Verdict::Refuse(account, Some("the day is over"))
        } else {
            Verdict::Answer(account)
        }
    }

    fn turn_away(&mut self, id: ConnectionId) -> bool {
        self.counts.refused += 1;
        if let Some(client) = self.clients.get_mut(&id) {
            client.connection.close();
        }
        false
    }

    /// Gives the account's session to a connection: the newer one is the client's live one, the older often a socket that died unnoticed.
    fn answer(&mut self, floor: &mut Floor, id: ConnectionId, account: u16, refusal: Option<&str>) -> bool {
        let mut holder = None;
        for client in self.clients.values_mut() {
            if let Connection::Fix(fix) = &mut client.connection
                && fix.seated() == Some(account)
            {
                holder = fix.release();
            }
        }
        let held: Option<Box<Seat>> = holder.map(|(_, seat)| seat);
        let Some(seat) = held.or_else(|| self.ports[usize::from(account)].seat.take()) else {
            return self.turn_away(id);
        };
        let Some(client) = self.clients.get_mut(&id) else { return false };
        let Connection::Fix(fix) = &mut client.connection else { return false };
        fix.attach(floor.now, account, seat, refusal)
    }

    /// The session of a connection that is gone.
    pub(super) fn take_back(&mut self, connection: &mut Connection) {
        if let Connection::Fix(fix) = connection
            && let Some((account, seat)) = fix.release()
        {
            self.ports[usize::from(account)].seat = Some(seat);
        }
    }
}
