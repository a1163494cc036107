//! Transports in memory: the same contract as the sockets, with no host in between.
//!
//! For tests and for a venue simulated in the same process. Both ends may live on different threads (a mutex lies between
//! them); nothing is allocated after construction.
//!
//! * [`datagrams`]: one way, like a UDP line: what finds the queue full is dropped and counted at the receiver, and the
//!   sender is not told.
//! * [`streams`]: both ways, like TCP: what finds the pipe full is not taken; dropping an end closes it in order.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{ByteStream, DatagramSend, Datagrams, Received, empty_buffer};

/// A test that panicked on the other thread has left nothing half-done here: every update below is complete before its
/// guard is dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Datagrams in flight: their bytes end to end, and their lengths.
#[derive(Debug)]
struct Queue {
    bytes: VecDeque<u8>,
    lengths: VecDeque<usize>,
    datagrams_max: usize,
    bytes_max: usize,
    dropped: u64,
}

/// A one-way line that holds at most `datagrams_max` datagrams and `bytes_max` bytes.
#[must_use]
pub fn datagrams(datagrams_max: usize, bytes_max: usize) -> (DatagramSender, DatagramReceiver) {
    let queue = Arc::new(Mutex::new(Queue {
        bytes: VecDeque::with_capacity(bytes_max),
        lengths: VecDeque::with_capacity(datagrams_max),
        datagrams_max,
        bytes_max,
        dropped: 0,
    }));
    (DatagramSender { queue: Arc::clone(&queue) }, DatagramReceiver { queue, oversize: 0 })
}

/// The sending end of [`datagrams`].
#[derive(Debug)]
pub struct DatagramSender {
    queue: Arc<Mutex<Queue>>,
}

/// The receiving end of [`datagrams`].
#[derive(Debug)]
pub struct DatagramReceiver {
    queue: Arc<Mutex<Queue>>,
    oversize: u64,
}

impl DatagramReceiver {
    /// Datagrams that found the queue full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.queue).dropped
    }

    /// Datagrams dropped because they were longer than the buffer given.
    #[must_use]
    pub fn oversize(&self) -> u64 {
        self.oversize
    }
}

impl DatagramSend for DatagramSender {
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let mut queue = lock(&self.queue);
        let fits =
            queue.lengths.len() < queue.datagrams_max && bytes.len() <= queue.bytes_max - queue.bytes.len();
        if fits {
            queue.bytes.extend(bytes);
            queue.lengths.push_back(bytes.len());
        } else {
            queue.dropped += 1;
        }
        Ok(true)
    }
}

impl Datagrams for DatagramReceiver {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let mut queue = lock(&self.queue);
        while let Some(n) = queue.lengths.pop_front() {
            if n > buf.len() {
                queue.bytes.drain(..n);
                self.oversize += 1;
                continue;
            }
            for (to, from) in buf.iter_mut().zip(queue.bytes.drain(..n)) {
                *to = from;
            }
            return Ok(Some(n));
        }
        Ok(None)
    }
}

/// One direction of a stream.
#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    writer_open: bool,
    reader_open: bool,
}

/// Two connected ends; each direction holds at most `bytes_max` bytes.
#[must_use]
pub fn streams(bytes_max: usize) -> (MemStream, MemStream) {
    let pipe = || {
        let bytes = VecDeque::with_capacity(bytes_max);
        Arc::new(Mutex::new(Pipe { bytes, bytes_max, writer_open: true, reader_open: true }))
    };
    let (there, back) = (pipe(), pipe());
    (MemStream { out: Arc::clone(&there), inward: Arc::clone(&back) }, MemStream { out: back, inward: there })
}

/// One end of [`streams`]. Dropping it closes the stream in order.
#[derive(Debug)]
pub struct MemStream {
    out: Arc<Mutex<Pipe>>,
    inward: Arc<Mutex<Pipe>>,
}

impl MemStream {
    /// Ends this side in order: the peer reads what was sent, then [`Received::Closed`]. Receiving goes on.
    pub fn shutdown(&self) {
        lock(&self.out).writer_open = false;
    }
}

impl Drop for MemStream {
    fn drop(&mut self) {
        lock(&self.out).writer_open = false;
        lock(&self.inward).reader_open = false;
    }
}

impl ByteStream for MemStream {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        if buf.is_empty() {
            return Err(empty_buffer());
        }
        let mut pipe = lock(&self.inward);
        let n = buf.len().min(pipe.bytes.len());
        if n == 0 {
            return Ok(if pipe.writer_open { Received::Nothing } else { Received::Closed });
        }
        for (to, from) in buf.iter_mut().zip(pipe.bytes.drain(..n)) {
            *to = from;
        }
        Ok(Received::Data(n))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = lock(&self.out);
        if !pipe.reader_open || !pipe.writer_open {
            return Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "send: this side of the memory stream is closed",
            ));
        }
        let n = bytes.len().min(pipe.bytes_max - pipe.bytes.len());
        pipe.bytes.extend(&bytes[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_the_newest_and_counts_it() {
        let (mut tx, mut rx) = datagrams(2, 64);
        for byte in 0..5u8 {
            assert!(tx.send(&[byte]).unwrap());
        }
        assert_eq!(rx.dropped(), 3);
        let mut buf = [9];
        assert_eq!((rx.recv(&mut buf).unwrap(), buf[0]), (Some(1), 0));
        assert_eq!((rx.recv(&mut buf).unwrap(), buf[0]), (Some(1), 1));
        assert_eq!(rx.recv(&mut buf).unwrap(), None);

        let (mut tx, rx) = datagrams(8, 4);
        assert!(tx.send(&[0; 3]).unwrap() && tx.send(&[0; 2]).unwrap());
        assert_eq!(rx.dropped(), 1, "five bytes do not fit into four");
    }

    #[test]
    fn a_stream_takes_what_fits_and_no_more() {
        let (mut a, mut b) = streams(4);
        assert_eq!(a.send(b"abcdef").unwrap(), 4);
        assert_eq!(a.send(b"ef").unwrap(), 0);
        let mut buf = [0; 3];
        assert_eq!(b.recv(&mut buf).unwrap(), Received::Data(3));
        assert_eq!(a.send(b"ef").unwrap(), 2);
        a.shutdown();
        assert_eq!(b.recv(&mut buf).unwrap(), Received::Data(3));
        assert_eq!(&buf, b"def");
        assert_eq!(b.recv(&mut buf).unwrap(), Received::Closed);
        assert_eq!(b.send(b"x").unwrap(), 1, "the other direction is still open");
    }
}
