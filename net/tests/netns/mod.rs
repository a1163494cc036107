//! Two network namespaces joined by cables (veth), made by the test itself and gone with it.
//!
//! ```text
//!   near: near0 10.88.0.1/24 ───────── far0 10.88.0.2/24 :far
//!         near1 10.88.1.1/24 ───────── far1 10.88.1.2/24
//! ```
//!
//! A socket is of the namespace it was opened in, whichever thread reads it: so the test's thread goes into a namespace to open one, and comes back.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

/// What cables carry: more than Ethernet does, for the suite has datagrams of 2,048 bytes, and still a frame that AF_XDP takes.
const MTU: u32 = 3_400;

/// The two namespaces, and the one this thread is of.
#[derive(Debug)]
pub struct Cables {
    home: OwnedFd,
    near: OwnedFd,
    far: OwnedFd,
}

/// Comes back, also from a panic.
struct Home<'a>(&'a OwnedFd);

impl Drop for Home<'_> {
    fn drop(&mut self) {
        enter(self.0).expect("this thread's own network namespace");
    }
}

fn enter(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: a call with a descriptor and a flag; it changes which interfaces this thread sees.
    let rc = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn current() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

fn new() -> io::Result<OwnedFd> {
    // SAFETY: a call without pointers; it gives this thread a network of its own.
    let rc = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if rc == 0 { current() } else { Err(io::Error::last_os_error()) }
}

/// Runs a line of shell in the namespace of this thread.
pub fn shell(line: &str) -> io::Result<String> {
    let output = Command::new("sh").args(["-ec", line]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(io::Error::other(format!("`{line}`: {}", told.trim())))
    }
}

/// The near end's address of cable `k`.
pub fn near(k: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 88, k, 1)
}

/// The far end's address of cable `k`.
pub fn far(k: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 88, k, 2)
}

/// The hardware address of an end of cable `k`: 1 near, 2 far.
pub fn mac(k: u8, end: u8) -> [u8; 6] {
    [2, 0x88, 0, 0, k, end]
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl Cables {
    /// `count` cables; `None`, and said so, where this process may not make them or may not use AF_XDP.
    pub fn lay(count: u8) -> Option<Cables> {
        match Cables::try_lay(count) {
            Ok(cables) => Some(cables),
            Err(e) => {
                eprintln!("skipped: this process can make no network namespaces with AF_XDP (root can): {e}");
                None
            }
        }
    }

    fn try_lay(count: u8) -> io::Result<Cables> {
        let home = current()?;
        let back = Home(&home);
        let (far_end, near_end) = (new()?, new()?);
        let there = format!("/proc/{}/fd/{}", std::process::id(), far_end.as_raw_fd());
        for k in 0..count {
            shell(&format!(
                "ip link add near{k} mtu {MTU} address {} numrxqueues 2 type veth peer name far{k} mtu {MTU} address {} netns {there}; \
                 ip addr add {}/24 dev near{k}; ip link set near{k} up; ip link set lo up",
                text(mac(k, 1)),
                text(mac(k, 2)),
                near(k)
            ))?;
        }
        enter(&far_end)?;
        for k in 0..count {
            shell(&format!(
                "ip addr add {}/24 dev far{k}; ip link set far{k} up; ip link set lo up",
                far(k)
            ))?;
        }
        enter(&near_end)?;
        // On an interface of its own, for a queue that was taken is not free again at once.
        shell("ip link add probe0 type veth peer name probe1; ip link set probe0 up")?;
        net::xdp::FrameQueue::open(&net::xdp::QueueConfig::new("probe0", 0), 0)?;
        drop(back);
        Ok(Cables { home, near: near_end, far: far_end })
    }

    /// Does something in the near namespace.
    pub fn near<R>(&self, what: impl FnOnce() -> R) -> R {
        self.within(&self.near, what)
    }

    /// Does something in the far namespace.
    pub fn far<R>(&self, what: impl FnOnce() -> R) -> R {
        self.within(&self.far, what)
    }

    fn within<R>(&self, namespace: &OwnedFd, what: impl FnOnce() -> R) -> R {
        let _back = Home(&self.home);
        enter(namespace).expect("a namespace that is there");
        what()
    }
}
