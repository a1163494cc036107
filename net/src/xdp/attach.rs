//! The program at an interface, and who gets what: one for all queues of this process, for an interface takes one program.
//!
//! ```text
//!   Attachment (one an interface, shared) <-- Steering (one a filter) <-- a line, a stack
//!        link: holds the program       when the last is dropped, the link is closed and the program is gone
//! ```

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::bpf::{self, Attach, Map};
use super::interface::Interface;
use super::program::{self, KEY};
use crate::context;

/// Queues of an interface that can have a socket, and filters at it.
pub(super) const QUEUES: u32 = 256;
const FILTERS: u32 = 256;

/// The program at one interface.
#[derive(Debug)]
pub(super) struct Attachment {
    filters: Map<KEY>,
    sockets: Map<4>,
    how: Attach,
    _link: OwnedFd,
}

/// Interfaces that have our program, by namespace and index.
static ATTACHED: Mutex<Vec<(u64, u32, Weak<Attachment>)>> = Mutex::new(Vec::new());

impl Attachment {
    /// The program of this process at `interface`: the one that is there already, or a new one.
    ///
    /// # Errors
    /// Not permitted (CAP_BPF and CAP_NET_ADMIN), or the interface has another program.
    pub(super) fn at(interface: &Interface) -> io::Result<Arc<Attachment>> {
        let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        attached.retain(|(_, _, a)| a.strong_count() > 0);
        let here = |(namespace, index, _): &&(u64, u32, Weak<Attachment>)| {
            (*namespace, *index) == (interface.namespace, interface.index)
        };
        if let Some(attachment) = attached.iter().find(here).and_then(|(_, _, a)| a.upgrade()) {
            return Ok(attachment);
        }
        let attachment = Arc::new(Attachment::new(interface)?);
        attached.push((interface.namespace, interface.index, Arc::downgrade(&attachment)));
        Ok(attachment)
    }

    fn new(interface: &Interface) -> io::Result<Attachment> {
        let named = |what: &'static str| move |e| context(e, what, &interface.name);
        let filters = Map::hash(FILTERS).map_err(named("bpf map for"))?;
        let sockets = Map::sockets(QUEUES).map_err(named("bpf map for"))?;
        let code = program::redirect(filters.fd(), sockets.fd());
        let loaded = bpf::load(&code).map_err(named("bpf program for"))?;
        // A driver without XDP of its own says that it is not supported, and others that something is wrong (too large an MTU).
        let (how, link) = match bpf::link(&loaded, interface.index, Attach::Native) {
            Ok(link) => (Attach::Native, link),
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                return Err(named("xdp program (there is another one) at")(e));
            }
            Err(_) => {
                let link = bpf::link(&loaded, interface.index, Attach::Generic);
                (Attach::Generic, link.map_err(named("xdp program at"))?)
            }
        };
        Ok(Attachment { filters, sockets, how, _link: link })
    }

    /// How it is held to the interface.
    pub(super) fn how(&self) -> Attach {
        self.how
    }

    /// Makes `socket` the one of `queue`.
    pub(super) fn give_socket(&self, queue: u32, socket: &impl AsRawFd) -> io::Result<()> {
        self.sockets.put(queue.to_ne_bytes(), socket.as_raw_fd() as u32)
    }
}

/// A filter that is in force for as long as this lives.
#[derive(Debug)]
pub(super) struct Steering {
    at: Arc<Attachment>,
    key: [u8; KEY],
}

impl Steering {
    /// Frames of `protocol` for `address` and `port` that come by `queue` go to its socket.
    ///
    /// # Errors
    /// Another socket has them, or the map is full.
    pub(super) fn new(
        at: &Arc<Attachment>,
        queue: u32,
        (address, port, protocol): (Ipv4Addr, u16, u16),
    ) -> io::Result<Steering> {
        let key = program::key(address, port, protocol);
        at.filters.put_new(key, queue).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => {
                let why = format!("{address} port {port} (0: all) is another socket's here already");
                io::Error::new(io::ErrorKind::AddrInUse, why)
            }
            _ => e,
        })?;
        Ok(Steering { at: Arc::clone(at), key })
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        // Gone already, if the interface is.
        let _ = self.at.filters.remove(self.key);
    }
}
