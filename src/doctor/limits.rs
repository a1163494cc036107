//! Rows: what may this process do and take?

use super::source::Host;
use super::{Check, Focus, Verdict};

/// `CAP_SYS_NICE` of capabilities(7).
const CAP_SYS_NICE: u32 = 23;
/// What distributions give by default (`ulimit -n`); colo opens some dozen, the ends of the simulated exchange some more.
const OPEN_FILES_MIN: u64 = 1024;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cap_sys_nice",
        what: "real-time scheduling is allowed",
        fix: "grant CAP_SYS_NICE (AmbientCapabilities=), or ulimit -r 99 (LimitRTPRIO=99)",
        tool: "systemd or limits.conf",
        of_hypervisor: false,
        look: |host, _| match (host.has_capability(CAP_SYS_NICE), host.limit("Max realtime priority")) {
            (Some(true), _) => Verdict::Good("CAP_SYS_NICE".to_owned()),
            (_, Some(priority)) if priority > 0 => Verdict::Good(format!("rtprio {priority}")),
            (Some(false), _) => Verdict::Bad("neither CAP_SYS_NICE nor rtprio".to_owned()),
            (None, _) => Verdict::unreadable(),
        },
    },
    Check {
        id: "nofile",
        what: "open files",
        fix: "ulimit -n 1024 (LimitNOFILE=1024) or more",
        tool: "limits.conf or systemd",
        of_hypervisor: false,
        look: |host, _| match host.limit("Max open files") {
            None => Verdict::unreadable(),
            Some(n) => Verdict::judge(n >= OPEN_FILES_MIN, n.to_string()),
        },
    },
    Check {
        id: "core_dumps",
        what: "a crash does not write memory, passwords included, to disk",
        fix: "ulimit -c 0 (LimitCORE=0)",
        tool: "limits.conf or systemd",
        of_hypervisor: false,
        look: |host, _| match host.limit("Max core file size") {
            None => Verdict::unreadable(),
            // A pipe as the core pattern gets the dump whatever the limit, except that 1 is special (core(5)).
            Some(0) => match host.text("proc/sys/kernel/core_pattern") {
                Some(pattern) if pattern.starts_with('|') => Verdict::Bad(format!("piped to {pattern}")),
                _ => Verdict::Good("off".to_owned()),
            },
            Some(u64::MAX) => Verdict::Bad("unlimited".to_owned()),
            Some(bytes) => Verdict::Bad(format!("{bytes} bytes")),
        },
    },
    Check {
        id: "cgroup_quota",
        what: "no processor quota",
        fix: "CPUQuota= (empty) of the service, or no --cpus for the container",
        tool: "systemd or the container's runtime",
        of_hypervisor: false,
        look: cgroup_quota,
    },
];

/// The tightest quota of this process's control group and those above it, as far as they can be seen.
fn cgroup_quota(host: &Host, _: &Focus) -> Verdict {
    let Some(groups) = host.text("proc/self/cgroup") else {
        return Verdict::unreadable();
    };
    let mut seen = false;
    for line in groups.lines() {
        // hierarchy:controllers:path; version 2 has hierarchy 0 and no controllers (cgroups(7)).
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { continue };
        let (mount, file) = if controllers.is_empty() {
            ("sys/fs/cgroup", "cpu.max")
        } else if controllers.split(',').any(|c| c == "cpu") {
            ("sys/fs/cgroup/cpu", "cpu.cfs_quota_us")
        } else {
            continue;
        };
        if path.split('/').any(|part| part == "..") {
            continue;
        }
        let mut group = path.trim_matches('/');
        loop {
            let folder = if group.is_empty() { mount.to_owned() } else { format!("{mount}/{group}") };
            if let Some(quota) = host.text(&format!("{folder}/{file}")) {
                seen = true;
                if !quota.starts_with("max") && quota != "-1" {
                    return Verdict::Worst(format!("{quota} us in /{group}"));
                }
            }
            if group.is_empty() {
                break;
            }
            group = group.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
    // The root group of version 2 has no such file, and no quota either.
    if seen || groups.lines().any(|line| line == "0::/") {
        Verdict::Good("none".to_owned())
    } else {
        Verdict::unreadable()
    }
}
