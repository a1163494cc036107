//! A cage for a thread: the system calls it may still make (seccomp, `Documentation/userspace-api/seccomp_filter.rst` of the kernel).
//!
//! What a thread on the hot path may ask of the kernel is a short list, and after its warm-up the list can be put in force. Tests do so to prove the
//! claim "no system call but the socket's own"; a thread of production may, to be held to it. A whole core that runs is held to less: [`refuse`] takes away what
//! nothing in it ever calls (`confine`).
//!
//! ```text
//!   load arch ── not ours ──────────────► violation        (a 32-bit entry has other numbers)
//!   load nr ──── x32 bit (x86_64) ──────► violation
//!            ├── = calls[0] ────────────► allow
//!            ├── = calls[1] ────────────► allow
//!            └── none of them ──────────► violation
//! ```
//!
//! * A filter is for the calling thread and for threads that it spawns later, and there is no way back.
//! * It also stands in the way of what nobody thinks of as a call: `rt_sigreturn` (a signal on this thread), `exit`, `munmap` and `madvise` (the end of
//!   the thread), `clock_gettime` where the vDSO cannot read the clock itself.

use std::io;

use super::{Outcome, forbid_new_privileges};

/// System calls that a filter names at most: a list this long proves nothing any more, and a jump of the filter reaches 255 instructions.
pub const CALLS_MAX: usize = 64;

/// What becomes of a call that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The whole process dies by `SIGSYS`, uncatchably: for tests.
    KillProcess,
    /// The call fails with `EPERM` and the thread goes on.
    Refuse,
    /// The call is made, and the kernel's audit log says so: for a look before one of the others.
    Log,
}

/// From now on the calling thread makes these system calls (`libc::SYS_*`) only. Also forbids new privileges, without which
/// the kernel takes a filter from nobody but root.
///
/// Refused, and nothing changed, with more than [`CALLS_MAX`] calls or on a processor other than x86_64 and aarch64.
///
/// Cost: two system calls now; some ten ns on each later one. Allocates nothing, so a thread may call it between two duty cycles.
pub fn allow_only(calls: &[libc::c_long], violation: Violation) -> Outcome {
    let (what, fix) =
        ("allow only some system calls", "a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64");
    let Some(program) = Program::new(calls, violation) else {
        return Outcome::of(Err(io::ErrorKind::Unsupported.into()), what, fix);
    };
    let outcome = forbid_new_privileges();
    if !outcome.is_done() {
        return outcome;
    }
    Outcome::of(program.install(), what, fix)
}

/// From now on these system calls fail with `EPERM` on the calling thread and those that it spawns, and so does every call by another entry of the kernel (32 bits, x32),
/// where they have other numbers. Also forbids new privileges. Refused like [`allow_only`], and costs the same.
pub fn refuse(calls: &[libc::c_long]) -> Outcome {
    let (what, fix) =
        ("refuse foreign system calls", "a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64");
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let Some(program) = Program::build(calls, libc::SECCOMP_RET_ALLOW, refused, 1) else {
        return Outcome::of(Err(io::ErrorKind::Unsupported.into()), what, fix);
    };
    let outcome = forbid_new_privileges();
    if !outcome.is_done() {
        return outcome;
    }
    Outcome::of(program.install(), what, fix)
}

/// `AUDIT_ARCH_*` of this build: ELF machine, 64 bits, little endian.
const ARCH: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xC000_0000 | 62)
} else if cfg!(target_arch = "aarch64") {
    Some(0xC000_0000 | 183)
} else {
    None
};
/// `__X32_SYSCALL_BIT`: the same entry with other numbers.
const X32: Option<u32> = if cfg!(target_arch = "x86_64") { Some(0x4000_0000) } else { None };
/// Where `struct seccomp_data` has the number and the architecture.
const AT_NUMBER: u32 = 0;
const AT_ARCH: u32 = 4;

/// Two loads, two checks, the calls, two answers.
const PROGRAM_MAX: usize = CALLS_MAX + 6;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A filter for the kernel, on the stack.
struct Program {
    code: [libc::sock_filter; PROGRAM_MAX],
    len: usize,
}

impl Program {
    fn new(calls: &[libc::c_long], violation: Violation) -> Option<Program> {
        let no = match violation {
            Violation::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
            Violation::Refuse => libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
            Violation::Log => libc::SECCOMP_RET_LOG,
        };
        Program::build(calls, no, libc::SECCOMP_RET_ALLOW, 0)
    }

    /// `others` is the answer to a call that is not named, `named` to one that is; which of them, the first or the second, another entry of the kernel gets.
    fn build(calls: &[libc::c_long], others: u32, named: u32, foreign: usize) -> Option<Program> {
        let arch = ARCH?;
        if calls.len() > CALLS_MAX {
            return None;
        }
        let step = |code, jt: usize, jf: usize, k| libc::sock_filter { code, jt: jt as u8, jf: jf as u8, k };
        let mut program =
            Program { code: [step(ANSWER, 0, 0, libc::SECCOMP_RET_KILL_PROCESS); PROGRAM_MAX], len: 0 };
        // Behind the calls come the two answers: of others, then of those named. Jumps count from the next instruction.
        let n = calls.len();
        let checks = usize::from(X32.is_some());
        program.push(step(LOAD, 0, 0, AT_ARCH));
        program.push(step(IF_EQUAL, 0, 1 + checks + n + foreign, arch));
        program.push(step(LOAD, 0, 0, AT_NUMBER));
        if let Some(bit) = X32 {
            program.push(step(IF_AT_LEAST, n + foreign, 0, bit));
        }
        for (k, call) in calls.iter().enumerate() {
            program.push(step(IF_EQUAL, n - k, 0, u32::try_from(*call).ok()?));
        }
        program.push(step(ANSWER, 0, 0, others));
        program.push(step(ANSWER, 0, 0, named));
        Some(program)
    }

    fn push(&mut self, step: libc::sock_filter) {
        self.code[self.len] = step;
        self.len += 1;
    }

    fn install(mut self) -> io::Result<()> {
        let program = libc::sock_fprog { len: self.len as u16, filter: self.code.as_mut_ptr() };
        let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
        // SAFETY: `program` points at `len <= PROGRAM_MAX` initialised instructions of `self.code`; both are live until the call returns, and the
        // kernel copies and checks them. The filter changes no memory of this process.
        super::checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, Stdio};
    use std::sync::atomic::{AtomicI64, Ordering};

    /// Set in the environment of a child to the test that it is to play.
    const PLAY: &str = "COLO_TEST_CAGE";

    /// What a caged thread saw; negative while it is at work.
    static SEEN: AtomicI64 = AtomicI64::new(-1);

    /// Runs `caged` on a thread of a child process: what dies there is not this test. The child's other thread, free of the filter, ends it, for the
    /// caged one could not even do that; its exit code is what `caged` returned.
    fn in_a_child(test: &str, caged: fn() -> u8) -> ExitStatus {
        if std::env::var_os(PLAY).is_some_and(|t| t == test) {
            std::thread::spawn(move || {
                SEEN.store(caged().into(), Ordering::Release);
                loop {
                    std::hint::spin_loop();
                }
            });
            loop {
                if let Ok(code) = i32::try_from(SEEN.load(Ordering::Acquire))
                    && code >= 0
                {
                    std::process::exit(code);
                }
                std::thread::yield_now();
            }
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &format!("{}::{test}", module_path!().split_once("::").unwrap().1)]);
        child.env(PLAY, test).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap()
    }

    fn getpid() -> libc::c_long {
        // SAFETY: takes nothing and changes nothing.
        unsafe { libc::syscall(libc::SYS_getpid) }
    }

    /// Lets the caged thread only yield.
    fn cage(violation: Violation) {
        if allow_only(&[libc::SYS_sched_yield], violation) != Outcome::Done {
            // A host that refuses filters fails the test by a code of its own.
            std::process::exit(99);
        }
    }

    #[test]
    fn a_call_outside_the_list_kills() {
        let status = in_a_child("a_call_outside_the_list_kills", || {
            cage(Violation::KillProcess);
            u8::from(getpid() > 0)
        });
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
    }

    #[test]
    fn a_thread_that_keeps_to_the_list_lives() {
        let status = in_a_child("a_thread_that_keeps_to_the_list_lives", || {
            cage(Violation::KillProcess);
            for _ in 0..1_000 {
                std::thread::yield_now();
            }
            42
        });
        assert_eq!(status.code(), Some(42), "{status}");
    }

    #[test]
    fn a_refused_call_fails_and_the_thread_goes_on() {
        let status = in_a_child("a_refused_call_fails_and_the_thread_goes_on", || {
            cage(Violation::Refuse);
            let refused = getpid() == -1;
            let why = io::Error::last_os_error().raw_os_error();
            std::thread::yield_now();
            u8::from(refused && why == Some(libc::EPERM))
        });
        assert_eq!(status.code(), Some(1), "{status}");
    }

    #[test]
    fn a_logged_call_is_made() {
        let status = in_a_child("a_logged_call_is_made", || {
            cage(Violation::Log);
            u8::from(getpid() > 0)
        });
        assert_eq!(status.code(), Some(1), "{status}");
    }

    #[test]
    fn more_calls_than_prove_anything_are_refused() {
        let outcome = allow_only(&[libc::SYS_read; CALLS_MAX + 1], Violation::KillProcess);
        assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
        assert!(getpid() > 0, "and nothing is in force");
    }

    /// Every jump of the longest and the shortest program ends on an answer, and on the right one.
    #[test]
    fn jumps_lead_to_the_answers() {
        for n in [0, 1, 2, CALLS_MAX] {
            let calls: Vec<_> = (0..n as libc::c_long).collect();
            let p = Program::new(&calls, Violation::Refuse).unwrap();
            let answer = |arch: u32, number: u32| {
                let (mut at, mut loaded) = (0, 0);
                loop {
                    let s = p.code[..p.len][at];
                    at += 1;
                    let holds = match s.code {
                        LOAD => {
                            loaded = if s.k == AT_ARCH { arch } else { number };
                            continue;
                        }
                        IF_EQUAL => loaded == s.k,
                        IF_AT_LEAST => loaded >= s.k,
                        _ => return s.k,
                    };
                    at += usize::from(if holds { s.jt } else { s.jf });
                }
            };
            let (arch, no) = (ARCH.unwrap(), libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
            for number in 0..n as u32 {
                assert_eq!(answer(arch, number), libc::SECCOMP_RET_ALLOW);
                assert_eq!(answer(arch ^ 1, number), no, "another architecture");
                assert_eq!(answer(arch, number | 0x4000_0000), no, "x32");
            }
            assert_eq!(answer(arch, n as u32), no);
        }
        // The other way round, with the same jumps: what is named is refused, and so is what comes by another entry.
        let p = Program::build(&[5, 7], libc::SECCOMP_RET_ALLOW, 1, 1).unwrap();
        let answers: Vec<_> = p.code[..p.len].iter().filter(|s| s.code == ANSWER).map(|s| s.k).collect();
        assert_eq!(answers, [libc::SECCOMP_RET_ALLOW, 1]);
        let to = |at: usize, jump: u8| p.code[at + 1 + usize::from(jump)].k;
        assert_eq!(to(1, p.code[1].jf), 1, "another architecture");
        for at in (0..p.len).filter(|at| matches!(p.code[*at].code, IF_AT_LEAST)) {
            assert_eq!(to(at, p.code[at].jt), 1, "x32");
        }
        for at in [p.len - 4, p.len - 3] {
            assert_eq!((p.code[at].code, to(at, p.code[at].jt)), (IF_EQUAL, 1), "named");
        }
    }
}
