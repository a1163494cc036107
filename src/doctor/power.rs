//! Rows: does the processor run at speed, wake at once, and count time?

use super::source::Host;
use super::{Check, Focus, Verdict};

/// Idle states that take longer than this to leave should be off on hot cores: more than C1 of current server processors takes.
const EXIT_US_MAX: i64 = 10;
/// What `/dev/cpu_dma_latency` says while nobody asks for anything (`PM_QOS_CPU_LATENCY_DEFAULT_VALUE`).
const NOBODY_ASKS_US: i32 = 2_000_000_000;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "tuned",
        what: "tuned, where it is in use, is told what for",
        fix: "tuned-adm profile network-latency",
        tool: "tuned",
        of_hypervisor: false,
        look: |host, _| match host.text("etc/tuned/active_profile") {
            None => Verdict::Unclear("not in use".to_owned()),
            Some(profile) => {
                const FOR_LATENCY: [&str; 3] = ["latency", "cpu-partitioning", "realtime"];
                Verdict::judge(FOR_LATENCY.iter().any(|word| profile.contains(word)), profile)
            }
        },
    },
    Check {
        id: "governor",
        what: "frequency governor of the hot cores",
        fix: "cpupower frequency-set -g performance",
        tool: "cpupower",
        of_hypervisor: true,
        look: governor,
    },
    Check {
        id: "cstates",
        what: "no deep idle states on the hot cores",
        fix: "cpupower idle-set -D 10, or processor.max_cstate=1 intel_idle.max_cstate=1",
        tool: "cpupower or kernel command line",
        of_hypervisor: true,
        look: cstates,
    },
    Check {
        id: "cpu_dma_latency",
        what: "a wake-up latency is held (colo holds one while it runs)",
        fix: "start colo with write access to /dev/cpu_dma_latency (udev rule)",
        tool: "udev",
        of_hypervisor: true,
        look: |host, _| match host.bytes("dev/cpu_dma_latency").as_deref().map(<[u8; 4]>::try_from) {
            Some(Ok(bytes)) => match i32::from_ne_bytes(bytes) {
                NOBODY_ASKS_US => Verdict::Unclear("held by nobody now".to_owned()),
                us => Verdict::judge(i64::from(us) <= EXIT_US_MAX, format!("{us} us")),
            },
            _ => Verdict::unreadable(),
        },
    },
    Check {
        id: "clocksource",
        what: "the kernel's clock is the processor's counter",
        fix: "clocksource=tsc tsc=reliable, after finding out in dmesg why the kernel rejected it",
        tool: "kernel command line",
        of_hypervisor: false,
        look: |host, _| match host.text("sys/devices/system/clocksource/clocksource0/current_clocksource") {
            None => Verdict::unreadable(),
            Some(source) if source == "tsc" || source == "arch_sys_counter" => Verdict::Good(source),
            // A paravirtual clock is read without a system call too, at some more cost.
            Some(source) if host.is_virtual() => Verdict::Bad(source),
            Some(source) => Verdict::Worst(source),
        },
    },
    Check {
        id: "invariant_tsc",
        what: "the counter runs evenly, also in idle states",
        fix: "expose the invariant TSC to the guest, or use a processor that has one",
        tool: "the hypervisor, or a purchase order",
        of_hypervisor: false,
        look: |host, _| match (host.has_cpu_flag("constant_tsc"), host.has_cpu_flag("nonstop_tsc")) {
            (Some(true), Some(true)) => Verdict::Good("constant_tsc nonstop_tsc".to_owned()),
            (Some(_), Some(_)) => Verdict::Worst("constant_tsc or nonstop_tsc is missing".to_owned()),
            _ => Verdict::unreadable(),
        },
    },
    Check {
        id: "mitigations",
        what: "cost of processor vulnerability mitigations",
        fix: "mitigations=off, only on a host that runs nothing but your own code: a decision about security",
        tool: "kernel command line",
        of_hypervisor: true,
        look: mitigations,
    },
    Check {
        id: "clock_offset",
        what: "how far the wall clock is off",
        fix: "chronyc tracking; pmc -u -b 0 'GET TIME_STATUS_NP'",
        tool: "chronyc or pmc",
        of_hypervisor: false,
        look: |_, _| Verdict::Unclear("not in any file: ask the keeper".to_owned()),
    },
    Check {
        id: "time_sync",
        what: "the wall clock is kept",
        fix: "systemctl enable --now chronyd, or ptp4l and phc2sys where the venue offers PTP",
        tool: "systemd",
        of_hypervisor: true,
        look: time_sync,
    },
];

fn governor(host: &Host, focus: &Focus) -> Verdict {
    let read = |core| host.text(&format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"));
    let mut found: Vec<String> = host.hot_or_online(focus).iter().filter_map(read).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => Verdict::Unclear("no frequency scaling to be seen".to_owned()),
        governors => Verdict::judge(governors == ["performance"], governors.join(", ")),
    }
}

fn cstates(host: &Host, focus: &Focus) -> Verdict {
    if host.parameter("idle") == Some("poll") {
        return Verdict::Good("idle=poll".to_owned());
    }
    let (mut seen, mut deep) = (false, Vec::new());
    for core in host.hot_or_online(focus).iter() {
        let folder = format!("sys/devices/system/cpu/cpu{core}/cpuidle");
        for state in host.names(&folder) {
            let Some(exit_us) = host.number(&format!("{folder}/{state}/latency")) else { continue };
            seen = true;
            if exit_us > EXIT_US_MAX && host.number(&format!("{folder}/{state}/disable")) != Some(1) {
                let name = host.text(&format!("{folder}/{state}/name")).unwrap_or(state);
                deep.push(format!("{name} ({exit_us} us)"));
            }
        }
    }
    deep.sort();
    deep.dedup();
    match (seen, deep.is_empty()) {
        (false, _) => Verdict::Unclear("no idle states to be seen".to_owned()),
        (true, true) => Verdict::Good(format!("none slower than {EXIT_US_MAX} us enabled")),
        (true, false) => Verdict::Bad(format!("enabled: {}", deep.join(", "))),
    }
}

fn mitigations(host: &Host, _: &Focus) -> Verdict {
    let folder = "sys/devices/system/cpu/vulnerabilities";
    let names = host.names(folder);
    if names.is_empty() {
        return Verdict::unreadable();
    }
    let mitigated = |name: &&String| {
        host.text(&format!("{folder}/{name}")).is_some_and(|text| text.starts_with("Mitigation"))
    };
    let found: Vec<_> = names.iter().filter(mitigated).map(String::as_str).collect();
    if found.is_empty() {
        Verdict::Good("none in force".to_owned())
    } else {
        Verdict::Bad(format!("in force: {}", found.join(", ")))
    }
}

fn time_sync(host: &Host, _: &Focus) -> Verdict {
    const KEEPERS: [&str; 5] = ["ptp4l", "phc2sys", "chronyd", "ntpd", "systemd-timesyn"];
    let running: Vec<_> =
        KEEPERS.into_iter().filter(|keeper| host.process_names().iter().any(|name| name == keeper)).collect();
    if host.process_names().is_empty() {
        return Verdict::unreadable();
    }
    let found = if running.is_empty() { "no keeper is running".to_owned() } else { running.join(", ") };
    Verdict::judge(!running.is_empty(), found)
}
