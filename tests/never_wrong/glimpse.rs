//! The core's session with the venue's snapshot server, without a socket: what the agent does, between two pure state machines.

use colo::exchange::Venue;
use feeds::channel::Channel;
use feeds::glimpse::{Part, Snapshot};
use gateways::soupbintcp::{ClientConfig, ClientSession, Deframer, Event, Transmit};
use model::Nanos;

use crate::core::Ears;
use crate::weather::Fate;

pub struct Glimpse {
    session: ClientSession,
    rx: Deframer,
    tx: Transmit,
    snapshot: Snapshot,
    open: Option<(u64, Fate)>,
}

impl Glimpse {
    pub fn new() -> Glimpse {
        Glimpse {
            session: ClientSession::new(&ClientConfig::new("user01", "pass")).expect("an account"),
            rx: Deframer::new(128 * 1024),
            tx: Transmit::new(256),
            snapshot: Snapshot::new(),
            open: None,
        }
    }

    pub fn begin(&mut self, now: u64, venue: &mut Venue, channel: &mut Channel, fate: Fate) {
        if fate == Fate::Refused {
            return channel.on_snapshot_failed(Nanos(now));
        }
        let id = venue.connect_glimpse(now);
        self.session.forget();
        self.rx.clear();
        self.tx.clear();
        self.snapshot = Snapshot::new();
        self.session.on_connected(Nanos(now), &mut self.tx);
        venue.on_client_bytes(now, id, self.tx.pending());
        self.tx.sent(self.tx.pending().len());
        self.open = Some((id, fate));
    }

    /// Reads what the venue has for it, as far as it gets. Returns how the core's ears hear it.
    pub fn read(&mut self, now: u64, venue: &mut Venue, channel: &mut Channel) -> bool {
        let Some((id, fate)) = &mut self.open else { return false };
        let id = *id;
        if !channel.is_snapshot_open() {
            self.close(now, venue);
            return false;
        }
        let waiting = venue.output(id);
        let room = match fate {
            Fate::Hangs | Fate::Refused => 0,
            Fate::Prompt => usize::MAX,
            Fate::Slow(n) => *n,
            Fate::Cut(left) => *left,
        };
        let space = self.rx.space();
        let n = waiting.len().min(room).min(space.len());
        space[..n].copy_from_slice(&waiting[..n]);
        self.rx.commit(n);
        venue.written(id, n);
        if n > 0 {
            self.session.on_heard(Nanos(now));
        }
        let is_cut = match fate {
            Fate::Cut(left) => {
                *left -= n;
                *left == 0
            }
            _ => false,
        };
        if is_cut || (n == 0 && venue.is_over(id)) {
            channel.on_snapshot_failed(Nanos(now));
            self.close(now, venue);
        }
        self.open.is_some()
    }

    /// Takes what was read. Returns whether the session has no further use.
    pub fn take(&mut self, now: u64, channel: &mut Channel, ears: &mut Ears<'_>) -> bool {
        let now = Nanos(now);
        loop {
            let packet = match self.rx.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return false,
                Err(e) => panic!("the venue's framing: {e}"),
            };
            match self.session.on_packet(packet).expect("the venue's session") {
                Event::Sequenced { message, .. } => {
                    match self.snapshot.on_message(message).expect("a snapshot") {
                        Part::Message(m) => channel.on_snapshot_message(now, m, ears),
                        Part::End { next } => {
                            channel.on_snapshot_end(now, next, ears);
                            return true;
                        }
                    }
                }
                Event::LoginRejected { .. } | Event::EndOfSession => {
                    channel.on_snapshot_failed(now);
                    return true;
                }
                _ => {}
            }
            if !channel.is_snapshot_open() {
                return true;
            }
        }
    }

    pub fn close(&mut self, now: u64, venue: &mut Venue) {
        if let Some((id, _)) = self.open.take() {
            venue.disconnect(now, id);
            self.session.on_disconnected();
        }
    }
}
