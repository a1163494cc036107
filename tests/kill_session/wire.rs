//! The wire between core and venue, on which all is written down that the core says: a listener in the core's sight, and a connection to the venue behind each of
//! its own. It passes on what comes, and the end of either side.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::program::until;

/// What the core said on each connection.
type Log = Arc<Mutex<Vec<Vec<u8>>>>;

pub struct Wire {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    log: Log,
    listener: Option<JoinHandle<()>>,
}

impl Wire {
    /// From now on the core finds somebody at `address`.
    pub fn listen(address: SocketAddr, venue: SocketAddr) -> Wire {
        // A connection of the last wire may not have gone yet.
        let listener = until("the address of the wire", || TcpListener::bind(address).ok());
        let (over, log) = (Arc::<AtomicBool>::default(), Log::default());
        let (is_over, written) = (Arc::clone(&over), Arc::clone(&log));
        let listener = thread::spawn(move || {
            let mut copies = Vec::new();
            for core in listener.incoming().flatten() {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                let Ok(venue) = TcpStream::connect(venue) else { continue };
                let _ = (core.set_nodelay(true), venue.set_nodelay(true));
                let number = {
                    let mut log = written.lock().expect("no copy panics");
                    log.push(Vec::new());
                    log.len() - 1
                };
                let [up, down] = [(&core, &venue), (&venue, &core)].map(|(from, to)| {
                    (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"))
                });
                let log = Arc::clone(&written);
                copies.push(thread::spawn(move || {
                    copy(up.0, up.1, |bytes| {
                        log.lock().expect("no copy panics")[number].extend_from_slice(bytes)
                    });
                }));
                copies.push(thread::spawn(move || copy(down.0, down.1, |_| {})));
            }
            copies.into_iter().for_each(|c| c.join().expect("no copy panics"));
        });
        Wire { address, over, log, listener: Some(listener) }
    }

    /// What was said, when the core is gone.
    pub fn end(mut self) -> Vec<Vec<u8>> {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        self.listener.take().expect("ended once").join().expect("no listener panics");
        std::mem::take(&mut self.log.lock().expect("no copy panics"))
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, note: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer)
        && n > 0
    {
        note(&buffer[..n]);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    for side in [from, to] {
        let _ = side.shutdown(Shutdown::Both);
    }
}
