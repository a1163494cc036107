//! Kernel bypass by AF_XDP: frames straight from the interface's queue, in memory that is shared with the kernel.
//!
//! ```text
//!                      +-- redirect program --> FrameQueue --+--> XdpLine   (a feed's line)
//!   interface, queue --+   (program.rs)                      +--> XdpTcp    (order entry; smoltcp)
//!                      +-- all else ----------> the kernel's stack --> the line's own kernel socket
//! ```
//!
//! * **One queue, one owner.** An AF_XDP socket takes a queue of an interface whole, so each line and each connection has one of its own. Which frames come by which
//!   queue is the device's business (`ethtool -N`, or a single queue). A line hears its datagrams whatever queue they come by, for what comes by another goes on
//!   to its kernel socket, which it asks too; a connection hears only its queue.
//! * **One interface, one program**, shared by all queues of this process. A second process at the same interface is refused, and goes by the kernel.
//! * **It ends with the process.** Program, maps and sockets are descriptors; SIGKILL leaves nothing attached.
//! * **The host may refuse** (no permission, another program, no such queue): then a line is what it would have been without ([`Line`](crate::line::Line)),
//!   and says why once.
//!
//! Wants CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF, and Linux 5.11 or later. A debug build stops at the 2^32nd frame of a queue: the crate `xdp` counts with overflow checks there.

mod attach;
mod bpf;
mod flag;
mod interface;
mod line;
mod program;
mod queue;
mod stack;
mod tcp;
mod wire;

pub use line::XdpLine;
pub use queue::FrameQueue;
pub use tcp::{XdpTcp, XdpTcpConfig};
pub use wire::{Datagram, Rejected};

pub(crate) use flag::drops;
pub(crate) use interface::Interface;

/// How frames get into our memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The kernel copies them: on every interface.
    Copy,
    /// The device writes them. Where it cannot, they are copied and that is said.
    ZeroCopy,
    /// The best there is.
    #[default]
    Auto,
}

impl Mode {
    /// Every mode by its word in a configuration.
    pub const WORDS: &[(&str, Mode)] =
        &[("copy", Mode::Copy), ("zero_copy", Mode::ZeroCopy), ("auto", Mode::Auto)];
}

/// A queue of an interface, and how it is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The interface's name.
    pub interface: String,
    /// Its receive queue, from 0.
    pub queue: u32,
    /// How frames get into our memory.
    pub mode: Mode,
    /// Poll the device from here for up to this many microseconds (`SO_PREFER_BUSY_POLL`, `SO_BUSY_POLL`): a system call each time nothing is there,
    /// for which interrupts can be deferred (`napi_defer_hard_irqs`, `gro_flush_timeout`).
    pub busy_poll_us: Option<u32>,
}

impl QueueConfig {
    /// How many queues of an interface can be named: 0 up to this, without it.
    pub const QUEUES: u32 = attach::QUEUES;

    /// Queue `queue` of `interface` in the best mode there is, without busy polling.
    #[must_use]
    pub fn new(interface: &str, queue: u32) -> QueueConfig {
        QueueConfig { interface: interface.to_owned(), queue, mode: Mode::Auto, busy_poll_us: None }
    }
}
