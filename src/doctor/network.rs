//! Rows: do packets come in without loss, by the shortest way?
//!
//! What only the driver knows (coalescing, rings, steering, offloads, time stamps, AF_XDP) cannot be read from files: those rows are
//! unknown and their fix is the command that shows and sets it.

use super::cpuset::CpuSet;
use super::source::Host;
use super::{Check, Focus, Verdict};

/// `CAP_NET_ADMIN` of capabilities(7): may set busy polling and buffers of a socket beyond the system's limits.
const CAP_NET_ADMIN: u32 = 12;
/// What a line asks for by default (`net::udp::LineConfig`).
const RECEIVE_BUFFER: i64 = 4 << 20;

/// A row about the driver.
const fn of_driver(id: &'static str, what: &'static str, fix: &'static str) -> Check {
    Check { id, what, fix, tool: "ethtool", of_hypervisor: true, look: |_, focus| named(focus, &|_| None) }
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "busy_poll",
        what: "sockets may poll the device's queue",
        fix: "sysctl -w net.core.busy_poll=50 net.core.busy_read=50, or grant CAP_NET_ADMIN",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| {
            let read = |name| host.number(&format!("proc/sys/net/core/{name}"));
            match (read("busy_poll"), read("busy_read"), host.has_capability(CAP_NET_ADMIN)) {
                (_, _, Some(true)) => Verdict::Good("per socket (CAP_NET_ADMIN)".to_owned()),
                (Some(poll), Some(read), _) => {
                    Verdict::judge(poll > 0 && read > 0, format!("poll {poll} us, read {read} us"))
                }
                _ => Verdict::unreadable(),
            }
        },
    },
    Check {
        id: "rmem_max",
        what: "room for the receive buffer of a line (4 MiB)",
        fix: "sysctl -w net.core.rmem_max=4194304, or grant CAP_NET_ADMIN",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| match (host.number("proc/sys/net/core/rmem_max"), host.has_capability(CAP_NET_ADMIN))
        {
            (_, Some(true)) => Verdict::Good("as asked (CAP_NET_ADMIN)".to_owned()),
            (Some(bytes), _) => Verdict::judge(bytes >= RECEIVE_BUFFER, format!("{bytes} bytes")),
            (None, _) => Verdict::unreadable(),
        },
    },
    Check {
        id: "udp_drops",
        what: "no datagram was lost for want of room since boot",
        fix: "a larger rmem_max, and hot threads that poll; nstat -az UdpRcvbufErrors shows whether it goes on",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| match udp_receive_errors(host) {
            None => Verdict::unreadable(),
            Some(n) => Verdict::judge(n == 0, format!("{n} UdpRcvbufErrors")),
        },
    },
    Check {
        id: "nic_numa",
        what: "the interface is on the hot cores' node",
        fix: "pin to cores of the interface's node (/sys/class/net/IF/device/local_cpulist)",
        tool: "colo's configuration",
        of_hypervisor: true,
        look: |host, focus| {
            let hot = host.hot(focus);
            named(focus, &|interface| {
                let near = host.cores(&format!("sys/class/net/{interface}/device/local_cpulist"))?;
                let far: CpuSet = hot.without(&near);
                Some((far.is_empty(), format!("{interface} is near {near}, far from {far}")))
            })
        },
    },
    Check {
        id: "nic_drops",
        what: "the interface has dropped nothing since boot",
        fix: "ethtool -G IF rx MAX, and see ethtool -S IF for where",
        tool: "ethtool",
        of_hypervisor: false,
        look: |host, focus| {
            named(focus, &|interface| {
                let read = |name| host.number(&format!("sys/class/net/{interface}/statistics/{name}"));
                let (dropped, missed) = (read("rx_dropped")?, read("rx_missed_errors")?);
                Some((
                    dropped == 0 && missed == 0,
                    format!("{interface}: {dropped} dropped, {missed} missed"),
                ))
            })
        },
    },
    of_driver(
        "nic_coalescing",
        "interrupts are not held back",
        "ethtool -c IF; ethtool -C IF adaptive-rx off rx-usecs 0",
    ),
    of_driver("nic_rings", "receive rings are as long as they get", "ethtool -g IF; ethtool -G IF rx MAX"),
    of_driver(
        "nic_steering",
        "feeds are steered to their own queue",
        "ethtool -n IF; ethtool -N IF flow-type udp4 dst-port P action Q",
    ),
    of_driver(
        "nic_offloads",
        "packets are not merged (GRO, LRO)",
        "ethtool -k IF; ethtool -K IF gro off lro off",
    ),
    of_driver("nic_timestamps", "hardware time stamps", "ethtool -T IF"),
    of_driver(
        "nic_xdp",
        "AF_XDP without copies",
        "mode = \"zero_copy\" at a line: colo says at its start if the driver (ethtool -i IF) cannot",
    ),
];

/// The findings on all named interfaces as one: bad if one is bad, unclear if one says nothing.
fn named(focus: &Focus, look: &dyn Fn(&str) -> Option<(bool, String)>) -> Verdict {
    // A name becomes part of a path.
    let is_name = |name: &&String| !name.contains('/') && !name.starts_with('.');
    let found: Option<Vec<_>> = focus.interfaces.iter().filter(is_name).map(|name| look(name)).collect();
    match found.as_deref() {
        Some([]) => Verdict::Unclear("no interface was named".to_owned()),
        None => Verdict::Unclear("not in any file: ask the driver".to_owned()),
        Some(found) => {
            let words: Vec<_> = found.iter().map(|(_, words)| words.as_str()).collect();
            Verdict::judge(found.iter().all(|(good, _)| *good), words.join("; "))
        }
    }
}

/// `RcvbufErrors` of the two `Udp:` lines of `/proc/net/snmp`, which name and count.
fn udp_receive_errors(host: &Host) -> Option<u64> {
    let text = host.text("proc/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, counts) = (lines.next()?, lines.next()?);
    let at = names.split_ascii_whitespace().position(|name| name == "RcvbufErrors")?;
    counts.split_ascii_whitespace().nth(at)?.parse().ok()
}
