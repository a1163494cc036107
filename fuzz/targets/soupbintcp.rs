//! A SoupBinTCP client under any bytes, cut anywhere, with time passing and connections that come and go.
//!
//! Held to: no panic; sequenced messages are numbered one after another within a connection, from where its login said; nothing sequenced before a login
//! or after the end; nothing more of a stream once its framing is wrong; what is sent is whole packets.
#![no_main]

use gateways::soupbintcp::{ClientConfig, ClientSession, Deframer, Event, State, Transmit};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::Nanos;

const RECEIVE: usize = 4096;

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Connect,
    Disconnect,
    Forget,
    /// Bytes as they are.
    Receive(&'a [u8]),
    Packet {
        kind: u8,
        payload: &'a [u8],
    },
    LoginAccepted {
        session: u8,
        next: u64,
    },
    Sequenced(&'a [u8]),
    Pass {
        ms: u16,
        paused: bool,
    },
    Logout,
}

fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(RECEIVE)];
    [&(1 + payload.len() as u16).to_be_bytes()[..], &[kind], payload].concat()
}

struct Client {
    session: ClientSession,
    rx: Deframer,
    tx: Transmit,
    /// The next message of the stream, while one runs.
    next: Option<u64>,
    up: bool,
}

impl Client {
    fn drop_connection(&mut self) {
        self.session.on_disconnected();
        self.rx.clear();
        self.tx.clear();
        (self.next, self.up) = (None, false);
    }

    /// Takes what the server sent; the connection is dropped where it is no SoupBinTCP.
    fn receive(&mut self, now: Nanos, mut bytes: &[u8]) {
        while self.up && !bytes.is_empty() {
            let space = self.rx.space();
            let n = space.len().min(bytes.len());
            assert!(n > 0, "a buffer without a whole packet has space");
            space[..n].copy_from_slice(&bytes[..n]);
            self.rx.commit(n);
            bytes = &bytes[n..];
            self.session.on_heard(now);
            if self.take().is_err() {
                self.drop_connection();
            }
        }
    }

    fn take(&mut self) -> Result<(), ()> {
        while let Some(packet) = self.rx.next_packet().map_err(drop)? {
            let was_over = self.session.is_over();
            match self.session.on_packet(packet).map_err(drop)? {
                Event::LoggedIn { accepted, .. } => {
                    assert!(self.next.is_none() && !was_over);
                    self.next = Some(accepted.next);
                }
                Event::Sequenced { seq, .. } => {
                    assert_eq!(Some(seq), self.next, "numbered from the login on, one by one");
                    assert!(!was_over, "nothing behind the end");
                    self.next = seq.checked_add(1);
                    assert_eq!(self.session.next_sequence(), seq.wrapping_add(1));
                }
                Event::LoginRejected { .. } | Event::EndOfSession => assert!(self.session.is_over()),
                Event::Unsequenced(_) | Event::Debug(_) | Event::Heartbeat => {}
            }
        }
        Ok(())
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut client = Client {
        session: ClientSession::new(&ClientConfig::new("user01", "pw")).expect("an account"),
        rx: Deframer::new(RECEIVE),
        tx: Transmit::new(256),
        next: None,
        up: false,
    };
    let mut now = Nanos(0);
    for step in steps {
        match step {
            Step::Connect if !client.up => {
                client.session.on_connected(now, &mut client.tx);
                client.up = true;
                assert_eq!(client.session.state(), State::LoginSent);
            }
            Step::Connect => {}
            Step::Disconnect => client.drop_connection(),
            Step::Forget if !client.up => client.session.forget(),
            Step::Forget => {}
            Step::Receive(bytes) => client.receive(now, bytes),
            Step::Packet { kind, payload } => client.receive(now, &packet(kind, payload)),
            Step::LoginAccepted { session, next } => {
                let payload = format!("{:>10}{next:>20}", char::from(b'A' + session % 3));
                client.receive(now, &packet(b'A', payload.as_bytes()));
            }
            Step::Sequenced(message) => client.receive(now, &packet(b'S', message)),
            Step::Pass { ms, paused } => {
                now = Nanos(now.0 + u64::from(ms) * 1_000_000);
                let due = client.session.next_timeout(paused).is_some_and(|at| at <= now);
                if client.up && due && client.session.on_timeout(now, paused, &mut client.tx).is_err() {
                    client.drop_connection();
                }
            }
            Step::Logout if client.up => client.session.logout(now, &mut client.tx),
            Step::Logout => {}
        }
        // What is to be sent: the login, heartbeats, a logout, each whole.
        let mut sent = client.tx.pending();
        while let [high, low, rest @ ..] = sent {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            assert!(len > 0 && matches!(rest[0], b'L' | b'R' | b'O'), "a packet of a client");
            sent = &rest[len..];
        }
        assert!(sent.is_empty());
        client.tx.sent(client.tx.pending().len());
    }
});
