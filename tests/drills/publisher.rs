//! A market data channel that a story writes itself, message by message: what no venue that matches orders would ever say (a crossed book, a price of zero), and what only another
//! market says (a market-wide breach, a short sale restriction). MoldUDP64 on both lines, the same on each, from sequence 1.

use std::net::{SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two heartbeats: well below what a channel takes for silence.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// A message count that ends the session.
const END: u16 = u16::MAX;

struct Channel {
    socket: UdpSocket,
    lines: [SocketAddrV4; 2],
    session: [u8; 10],
    next: u64,
}

impl Channel {
    fn packet(&self, count: u16, message: &[u8]) {
        let mut packet = self.session.to_vec();
        packet.extend(self.next.to_be_bytes());
        packet.extend(count.to_be_bytes());
        if !message.is_empty() {
            packet.extend(u16::try_from(message.len()).expect("a short message").to_be_bytes());
            packet.extend(message);
        }
        for line in self.lines {
            self.socket.send_to(&packet, line).expect("loopback");
        }
    }
}

/// See the module.
pub struct Publisher {
    channel: Arc<Mutex<Channel>>,
    over: Arc<AtomicBool>,
    beat: Option<JoinHandle<()>>,
}

impl Publisher {
    /// A session of ten letters, of which nothing has been said yet.
    pub fn new(lines: [SocketAddrV4; 2], session: [u8; 10]) -> Publisher {
        let socket = UdpSocket::bind((*lines[0].ip(), 0)).expect("a socket");
        let channel = Arc::new(Mutex::new(Channel { socket, lines, session, next: 1 }));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&channel), Arc::clone(&over));
        let beat = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                shared.lock().expect("a channel").packet(0, &[]);
                std::thread::park_timeout(HEARTBEAT);
            }
        });
        Publisher { channel, over, beat: Some(beat) }
    }

    /// Says it on both lines.
    pub fn say(&self, message: &[u8]) {
        let mut channel = self.channel.lock().expect("a channel");
        channel.packet(1, message);
        channel.next += 1;
    }

    /// The next session begins, with sequence 1.
    pub fn begin(&self, session: [u8; 10]) {
        let mut channel = self.channel.lock().expect("a channel");
        (channel.session, channel.next) = (session, 1);
    }

    /// The session is over.
    pub fn end(&self) {
        self.channel.lock().expect("a channel").packet(END, &[]);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(beat) = self.beat.take() {
            beat.thread().unpark();
            let _ = beat.join();
        }
    }
}
