//! A service that takes POSTs, for tests: it keeps what it was told and answers as it is bid.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// One POST.
#[derive(Clone, Debug)]
pub struct Told {
    /// The path.
    pub path: String,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
    /// What was answered.
    pub status: u16,
}

/// See the module.
#[derive(Clone)]
pub struct Endpoint {
    /// Its port on loopback.
    pub port: u16,
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<AtomicU16>,
}

impl Endpoint {
    /// Listens on this port, 0 for a free one.
    pub fn open(port: u16) -> Endpoint {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint { port, told: Arc::default(), status: Arc::new(AtomicU16::new(202)) };
        let served = endpoint.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        endpoint
    }

    /// What it answers from now on.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What it was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut out = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).ok()? == 0 {
                    return None;
                }
            }
            let path = head.split(' ').nth(1)?.to_owned();
            let head = head.to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:"))?.trim().parse().ok()?;
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let status = self.status.load(Ordering::SeqCst);
            let body = String::from_utf8_lossy(&body).into_owned();
            self.told.lock().unwrap().push(Told { path, head, body, status });
            write!(out, "HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\nok").ok()?;
        }
    }
}
