//! One thread of another process, followed from system call to system call (`ptrace(2)`), so that the process can be ended exactly between two of them.
//!
//! Only the thread that seized may ask; the process that is followed is a child of ours, and nobody else's.

use std::io;
use std::mem::size_of;
use std::ptr;

use libc::{c_int, c_long, c_void, pid_t};

/// Where the thread has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It asks, and the kernel has done nothing yet.
    Before(Call),
    /// The kernel has done it, and the thread does not know.
    After(Call, i64),
}

impl Stop {
    /// The call that it is about.
    pub fn call(self) -> Call {
        let (Stop::Before(call) | Stop::After(call, _)) = self;
        call
    }
}

/// A system call, by number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Call(pub c_long);

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (libc::SYS_socket, "socket"),
            (libc::SYS_connect, "connect"),
            (libc::SYS_setsockopt, "setsockopt"),
            (libc::SYS_getsockopt, "getsockopt"),
            (libc::SYS_getsockname, "getsockname"),
            (libc::SYS_getpeername, "getpeername"),
            (libc::SYS_sendto, "sendto"),
            (libc::SYS_recvfrom, "recvfrom"),
            (libc::SYS_shutdown, "shutdown"),
            (libc::SYS_close, "close"),
            (libc::SYS_openat, "openat"),
            (libc::SYS_write, "write"),
            (libc::SYS_fsync, "fsync"),
            (libc::SYS_fdatasync, "fdatasync"),
            (libc::SYS_rename, "rename"),
            (libc::SYS_mmap, "mmap"),
            (libc::SYS_munmap, "munmap"),
            (libc::SYS_fallocate, "fallocate"),
        ];
        match names.into_iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "call {}", self.0),
        }
    }
}

/// A thread that is stopped, or runs to its next stop.
pub struct Tracer {
    thread: pid_t,
    call: Call,
}

fn ptrace(request: libc::c_uint, thread: pid_t, address: usize, data: usize) -> io::Result<c_long> {
    // SAFETY: of the requests used here only PTRACE_GET_SYSCALL_INFO touches memory of ours: it writes `address` bytes at most to `data`, which is a place that the
    // caller has for it.
    let answer = unsafe { libc::ptrace(request, thread, address as *mut c_void, data as *mut c_void) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

impl Tracer {
    /// Stops a thread of a child process.
    pub fn seize(thread: pid_t) -> io::Result<Tracer> {
        ptrace(libc::PTRACE_SEIZE, thread, 0, libc::PTRACE_O_TRACESYSGOOD as usize)?;
        ptrace(libc::PTRACE_INTERRUPT, thread, 0, 0)?;
        let tracer = Tracer { thread, call: Call(-1) };
        tracer.wait()?;
        Ok(tracer)
    }

    /// Its status when it has stopped or ended.
    fn wait(&self) -> io::Result<c_int> {
        let mut status = 0;
        // SAFETY: `status` is there to be written to.
        let waited = unsafe { libc::waitpid(self.thread, ptr::from_mut(&mut status), libc::__WALL) };
        if waited < 0 { Err(io::Error::last_os_error()) } else { Ok(status) }
    }

    /// Lets it run to its next stop; `None` if it has ended.
    pub fn next(&mut self) -> io::Result<Option<Stop>> {
        let mut signal = 0;
        loop {
            ptrace(libc::PTRACE_SYSCALL, self.thread, 0, signal)?;
            let status = self.wait()?;
            if !libc::WIFSTOPPED(status) {
                return Ok(None);
            }
            match libc::WSTOPSIG(status) {
                s if s == libc::SIGTRAP | 0x80 => return self.stop().map(Some),
                // A stop of the tracer's own making, or of its group: no signal that is to be passed on.
                _ if status >> 16 != 0 => signal = 0,
                s => signal = s as usize,
            }
        }
    }

    fn stop(&mut self) -> io::Result<Stop> {
        // SAFETY: a structure of numbers, for which zero is a value.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let place = ptr::from_mut(&mut info) as usize;
        ptrace(libc::PTRACE_GET_SYSCALL_INFO, self.thread, size_of::<libc::ptrace_syscall_info>(), place)?;
        if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            // SAFETY: the kernel says by `op` which part it has filled.
            self.call = Call(unsafe { info.u.entry.nr } as c_long);
            return Ok(Stop::Before(self.call));
        }
        // SAFETY: as above.
        Ok(Stop::After(self.call, unsafe { info.u.exit.sval }))
    }

    /// Takes note of the end of a thread that was killed: without that its process would not end either.
    pub fn bury(self) {
        while self.wait().is_ok_and(|status| libc::WIFSTOPPED(status)) {}
    }
}
