//! A process of this host, named so that no other can be meant: by its id and by when it was started (proc(5), field 22 of `stat`), and held by a descriptor
//! (`pidfd_open(2)`), which stays that process's when the id is given away again.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// See the module.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    fd: OwnedFd,
}

/// When a process was started, in clock ticks since the host was; `None` where there is none of this id, or only its remains.
#[must_use]
pub fn started_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command may hold anything, blanks and parentheses too; it ends with the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl Process {
    /// Takes hold of the process of this id that was started then; `None` where it is gone, whoever has its id now.
    ///
    /// # Errors
    /// The kernel's: it has no such descriptors (before 5.3), or has none left.
    pub fn open(pid: u32, started: u64) -> io::Result<Option<Process>> {
        let flags: libc::c_uint = 0;
        // SAFETY: takes two integers and no pointer.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, flags) };
        if fd < 0 {
            let e = io::Error::last_os_error();
            return if e.raw_os_error() == Some(libc::ESRCH) { Ok(None) } else { Err(e) };
        }
        // SAFETY: the kernel has just made this descriptor for us, and nobody else closes it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
        // Asked after the descriptor was made: the one that has the id now and was started then had it at that moment too.
        Ok((started_ticks(pid) == Some(started)).then_some(Process { pid, fd }))
    }

    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it at once (`SIGKILL`). One that is gone is no error.
    ///
    /// # Errors
    /// The kernel's: it is another user's.
    pub fn kill(&self) -> io::Result<()> {
        let (none, flags): (*const libc::siginfo_t, libc::c_uint) = (std::ptr::null(), 0);
        // SAFETY: the descriptor is live for the call; no siginfo is given, which the call allows.
        let rc = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), libc::SIGKILL, none, flags)
        };
        match rc {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                e if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                e => Err(e),
            },
        }
    }

    /// Whether it has ended. Waits for nothing.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd, as the count says.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        ready == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_held_killed_and_seen_to_be_gone() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let started = started_ticks(child.id()).unwrap();
        let held = Process::open(child.id(), started).unwrap().unwrap();
        assert!(!held.is_gone() && held.pid() == child.id());
        // The same id of another time is another process.
        assert!(Process::open(child.id(), started + 1).unwrap().is_none());
        held.kill().unwrap();
        child.wait().unwrap();
        assert!(held.is_gone());
        held.kill().unwrap();
        assert!(Process::open(held.pid(), started).unwrap().is_none() && started_ticks(held.pid()).is_none());
    }
}
