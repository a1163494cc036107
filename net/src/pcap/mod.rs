//! A line that was recorded: datagrams out of a packet capture, and into one.
//!
//! ```text
//!   capture --window--> blocks: a frame --frame: link, VLAN tags, IPv4, UDP--> to the line's address? --> recv
//!   send --> write: headers made up, one enhanced packet --> capture
//! ```
//!
//! A [`CaptureLine`] hears what a capture holds for one address, as fast as it is asked, and then is silent. A file that is still being written (by
//! `tcpdump -U`, or a [`CaptureSender`]) is followed: what is appended is heard. A pipe will do as well, but waits for its writer.

pub mod blocks;
pub mod frame;
pub mod window;
pub mod write;

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{DatagramSend, Datagrams, context};
use blocks::{CaptureError, Frames};
use frame::{Carried, carried};
use window::Window;

/// Frames that one call looks at: those of other addresses must not keep it for long.
const FRAMES_PER_CALL: usize = 64;

/// Datagrams of one address out of a capture. See the module.
pub struct CaptureLine {
    path: PathBuf,
    frames: Frames,
    to: SocketAddrV4,
    oversize: u64,
    strays: u64,
    unread: u64,
}

impl CaptureLine {
    /// Opens a capture for what went to `to`. Allocates the window (1 MiB).
    ///
    /// # Errors
    /// It cannot be opened, is no capture, or `to` is not of IPv4.
    pub fn open(path: &Path, to: SocketAddr) -> io::Result<CaptureLine> {
        let failed = |e| context(e, "capture", path.display());
        let SocketAddr::V4(to) = to else {
            return Err(failed(io::Error::new(ErrorKind::InvalidInput, "a line of IPv6")));
        };
        let file = File::open(path).map_err(failed)?;
        let frames = Frames::open(Window::new(file)).map_err(|e| failed(error(e)))?;
        Ok(CaptureLine { path: path.to_owned(), frames, to, oversize: 0, strays: 0, unread: 0 })
    }

    /// The address whose datagrams are heard.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.to.into()
    }

    /// Datagrams dropped because they were longer than the buffer given.
    #[must_use]
    pub fn oversize(&self) -> u64 {
        self.oversize
    }

    /// Frames of the capture that were for others.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Frames that may have been ours and cannot be read: fragments, and what the capture holds only the beginning of.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.unread
    }
}

impl std::fmt::Debug for CaptureLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureLine").field("path", &self.path).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Datagrams for CaptureLine {
    /// One system call a megabyte of the capture, and one each time where it ends. A datagram cut off at the capture's end is not there yet.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        for _ in 0..FRAMES_PER_CALL {
            let frame = match self.frames.next() {
                Ok(Some(frame)) => frame,
                Ok(None) | Err(CaptureError::Cut(_)) => return Ok(None),
                Err(e) => return Err(context(error(e), "capture", self.path.display())),
            };
            match carried(frame.link, frame.bytes) {
                Carried::Udp { to, payload } if to == self.to => match buf.get_mut(..payload.len()) {
                    Some(room) => {
                        room.copy_from_slice(payload);
                        return Ok(Some(payload.len()));
                    }
                    None => self.oversize += 1,
                },
                Carried::Udp { .. } | Carried::Other => self.strays += 1,
                Carried::Cut | Carried::Fragment => self.unread += 1,
            }
        }
        Ok(None)
    }
}

/// What is wrong with a capture, as transports say it.
fn error(e: CaptureError) -> io::Error {
    let invalid = |what: String| io::Error::new(ErrorKind::InvalidData, what);
    match e {
        CaptureError::Io(e) => e,
        CaptureError::Cut(0) => invalid("too short for a pcap or pcapng".into()),
        CaptureError::Cut(at) => invalid(format!("cut off at byte {at}")),
        CaptureError::Damaged(at, what) => invalid(format!("damaged at byte {at}: {what}")),
        CaptureError::Link => {
            invalid("a kind of link that is not read (Ethernet, Linux cooked and raw IP are)".into())
        }
    }
}

/// Writes each datagram into a capture, as one that went from nobody to a line's address.
#[derive(Debug)]
pub struct CaptureSender {
    file: File,
    path: PathBuf,
    to: SocketAddr,
    block: Vec<u8>,
}

impl CaptureSender {
    /// Begins a new capture.
    ///
    /// # Errors
    /// The file is there already, or cannot be made.
    pub fn create(path: &Path, to: SocketAddr) -> io::Result<CaptureSender> {
        let failed = |e| context(e, "capture", path.display());
        let mut file = File::create_new(path).map_err(failed)?;
        let mut block = Vec::with_capacity(1 << 17);
        write::section(&mut block, concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")));
        write::interface(&mut block, &to.to_string());
        file.write_all(&block).map_err(failed)?;
        Ok(CaptureSender { file, path: path.to_owned(), to, block })
    }
}

impl DatagramSend for CaptureSender {
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let failed = |e| context(e, "capture", self.path.display());
        if bytes.len() > write::PAYLOAD_MAX {
            return Err(failed(io::Error::new(ErrorKind::InvalidInput, "longer than a datagram can be")));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        self.block.clear();
        write::packet(&mut self.block, 0, now, (nobody, self.to), bytes);
        // One write: who follows the file sees a whole packet, or its beginning.
        self.file.write_all(&self.block).map_err(failed)?;
        Ok(true)
    }
}
