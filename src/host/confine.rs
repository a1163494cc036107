//! What a core gives up once it is set up: capabilities, system calls that nothing in it makes, and that its memory can be read or dumped by others.
//!
//! | call | gives up | for |
//! |---|---|---|
//! | [`hide_memory`] | core dumps, and `ptrace` and `/proc/PID/mem` of the same user | the process; before secrets are read |
//! | [`drop_capabilities`] | every capability but those named, and that of gaining any | the calling thread and those it spawns |
//! | [`refuse_foreign_calls`] | executing programs, tracing, mounting, loading modules and BPF programs, setting the clock, changing users, and what else a core has no use for | the same |
//!
//! None of it is needed to trade, so what the host refuses is a warning.

use super::{Outcome, checked, syscalls};

/// `CAP_IPC_LOCK`: memory that is locked can grow beyond the limit. capabilities(7).
pub const IPC_LOCK: u8 = 14;
/// `CAP_DAC_OVERRIDE`: files of another owner can be written.
pub const DAC_OVERRIDE: u8 = 1;
/// The highest that a kernel may know; asking to drop one that it does not is refused, and no matter.
const LAST: u8 = 63;

/// Capabilities that are kept, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept(u64);

impl Kept {
    /// With this one as well, where `wanted`.
    #[must_use]
    pub const fn with(self, capability: u8, wanted: bool) -> Kept {
        Kept(self.0 | (wanted as u64) << capability)
    }
}

/// No core dump, and no reading of this process by others of its user: secrets are in its memory.
pub fn hide_memory() -> Outcome {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` is live and readable for one `rlimit`.
    let limited = checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) });
    let off: libc::c_ulong = 0;
    // SAFETY: PR_SET_DUMPABLE takes one integer and no pointer.
    let hidden = checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, off) });
    Outcome::of(limited.and(hidden), "keep the memory to itself", "none: this kernel does not know it")
}

/// `struct __user_cap_header_struct` and two of `__user_cap_data_struct`, linux/capability.h.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}
/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// Gives up every capability that is not kept, for good. A process without privileges has none, and this changes nothing.
pub fn drop_capabilities(kept: Kept) -> Outcome {
    let (what, fix) = ("give up capabilities", "none: this kernel does not know it");
    for capability in (0..=LAST).filter(|c| kept.0 >> c & 1 == 0) {
        // SAFETY: PR_CAPBSET_DROP takes one integer and no pointer. Without CAP_SETPCAP, or of one the kernel does not know, it is refused: then the sets below and
        // no_new_privs hold alone.
        let _ = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) };
    }
    let mut header = Header { version: VERSION, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: the kernel fills the two sets that this version has; both places are live and writable.
    let asked = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    if asked != 0 {
        return Outcome::of(Err(std::io::Error::last_os_error()), what, fix);
    }
    for (set, bits) in sets.iter_mut().zip([kept.0 as u32, (kept.0 >> 32) as u32]) {
        set.permitted &= bits;
        (set.effective, set.inheritable) = (set.permitted, 0);
    }
    // SAFETY: as above, read this time.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) };
    Outcome::of(checked(done as i32), what, fix)
}

/// Calls that no part of a core makes once it is set up.
const FOREIGN: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_open_by_handle_at,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_personality,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_mknodat,
    libc::SYS_fchownat,
    libc::SYS_fchown,
];

const _: () = assert!(FOREIGN.len() < syscalls::CALLS_MAX);

/// From now on these fail with `EPERM`. `uses_bpf`: a line goes past the kernel, and its maps are changed by bpf(2).
pub fn refuse_foreign_calls(uses_bpf: bool) -> Outcome {
    let mut calls = FOREIGN.to_vec();
    calls.extend((!uses_bpf).then_some(libc::SYS_bpf));
    syscalls::refuse(&calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field of the calling thread's status.
    fn status(field: &str) -> String {
        let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }

    #[test]
    fn a_thread_that_is_confined_has_nothing_left_and_others_keep_what_they_have() {
        let before = status("CapEff");
        std::thread::spawn(|| {
            assert_eq!(refuse_foreign_calls(false), Outcome::Done);
            assert_eq!(drop_capabilities(Kept::default()), Outcome::Done);
            for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
                assert!(status(set).bytes().all(|b| b == b'0'), "{set}: {}", status(set));
            }
            assert_eq!((status("NoNewPrivs"), status("Seccomp")), ("1".into(), "2".into()));
            let executed = std::process::Command::new("/bin/true").status();
            assert_eq!(executed.unwrap_err().raw_os_error(), Some(libc::EPERM));
            // What a core does goes on: files, threads, sockets.
            std::thread::spawn(|| tempfile::tempfile().unwrap()).join().unwrap();
            std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        })
        .join()
        .unwrap();
        assert_eq!((status("CapEff"), status("Seccomp")), (before, "0".into()));
    }

    #[test]
    fn what_is_kept_stays() {
        let had = u64::from_str_radix(&status("CapEff"), 16).unwrap();
        std::thread::spawn(move || {
            let kept = Kept::default().with(IPC_LOCK, true).with(DAC_OVERRIDE, false);
            assert_eq!(drop_capabilities(kept), Outcome::Done);
            assert_eq!(u64::from_str_radix(&status("CapEff"), 16).unwrap(), had & 1 << IPC_LOCK);
        })
        .join()
        .unwrap();
    }
}
