//! Rows: is memory there when it is touched, and does nothing move it about?

use super::{Check, Verdict};

/// `CAP_IPC_LOCK` of capabilities(7).
const CAP_IPC_LOCK: u32 = 14;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "thp",
        what: "transparent huge pages are given on request only",
        fix: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        tool: "sysfs, or transparent_hugepage=madvise",
        of_hypervisor: false,
        look: |host, _| match host.text("sys/kernel/mm/transparent_hugepage/enabled") {
            None => Verdict::unreadable(),
            Some(modes) => Verdict::judge(!modes.contains("[always]"), chosen(&modes)),
        },
    },
    Check {
        id: "hugepages",
        what: "huge pages are to be had",
        fix: "transparent huge pages on madvise, or sysctl -w vm.nr_hugepages=N",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| {
            let modes = host.text("sys/kernel/mm/transparent_hugepage/enabled");
            let on_request = modes.is_some_and(|modes| !modes.contains("[never]"));
            match host.labelled("proc/meminfo", "HugePages_Total").and_then(|n| n.parse::<u64>().ok()) {
                None => Verdict::unreadable(),
                Some(n) => {
                    let transparent = if on_request { "on request" } else { "never" };
                    Verdict::judge(n > 0 || on_request, format!("{n} reserved, transparent {transparent}"))
                }
            }
        },
    },
    Check {
        id: "memlock",
        what: "all memory may be locked",
        fix: "ulimit -l unlimited (LimitMEMLOCK=infinity)",
        tool: "limits.conf or systemd",
        of_hypervisor: false,
        look: |host, _| match (host.limit("Max locked memory"), host.has_capability(CAP_IPC_LOCK)) {
            (_, Some(true)) => Verdict::Good("CAP_IPC_LOCK".to_owned()),
            (Some(u64::MAX), _) => Verdict::Good("unlimited".to_owned()),
            (Some(bytes), _) => Verdict::Bad(format!("{bytes} bytes")),
            (None, _) => Verdict::unreadable(),
        },
    },
    Check {
        id: "swap",
        what: "no swap",
        fix: "swapoff -a, and no swap in /etc/fstab",
        tool: "swapoff",
        of_hypervisor: false,
        look: |host, _| match host.text("proc/swaps") {
            None => Verdict::unreadable(),
            Some(text) => {
                let areas: Vec<_> =
                    text.lines().skip(1).filter_map(|l| l.split_ascii_whitespace().next()).collect();
                Verdict::judge(
                    areas.is_empty(),
                    if areas.is_empty() { "none".to_owned() } else { areas.join(", ") },
                )
            }
        },
    },
    Check {
        id: "swappiness",
        what: "what memory there is stays",
        fix: "sysctl -w vm.swappiness=1",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| match host.number("proc/sys/vm/swappiness") {
            None => Verdict::unreadable(),
            Some(n) => Verdict::judge(n <= 10, n.to_string()),
        },
    },
    Check {
        id: "numa_balancing",
        what: "the kernel does not migrate pages between nodes",
        fix: "sysctl -w kernel.numa_balancing=0",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| match (
            host.number("proc/sys/kernel/numa_balancing"),
            host.text("sys/devices/system/node/online"),
        ) {
            (Some(mode), _) => Verdict::judge(mode == 0, mode.to_string()),
            (None, Some(nodes)) if nodes == "0" => Verdict::Good("one node".to_owned()),
            (None, _) => Verdict::unreadable(),
        },
    },
    Check {
        id: "ksm",
        what: "the kernel does not merge equal pages",
        fix: "echo 0 > /sys/kernel/mm/ksm/run",
        tool: "sysfs",
        of_hypervisor: false,
        look: |host, _| match host.number("sys/kernel/mm/ksm/run") {
            None => Verdict::unreadable(),
            Some(run) => Verdict::judge(run != 1, run.to_string()),
        },
    },
];

/// The bracketed one of several modes, as sysfs writes a choice.
fn chosen(modes: &str) -> String {
    let bracketed = modes.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    bracketed.map_or(modes, |(mode, _)| mode).to_owned()
}
