//! Rows: are the hot cores left alone by the scheduler, the timer, RCU, interrupts and their siblings?

use super::cpuset::CpuSet;
use super::source::Host;
use super::{Check, Focus, Verdict};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "machine",
        what: "bare metal",
        fix: "run on bare metal where latency matters: a hypervisor can stop any core at any time",
        tool: "the hosting provider",
        of_hypervisor: true,
        look: |host, _| {
            Verdict::judge(!host.is_virtual(), if host.is_virtual() { "virtual" } else { "bare metal" })
        },
    },
    Check {
        id: "isolcpus",
        what: "cores that the scheduler leaves alone",
        fix: "isolcpus=managed_irq,domain,CORES",
        tool: "kernel command line",
        of_hypervisor: true,
        look: |host, _| match host.isolated() {
            Some(isolated) => Verdict::judge(!isolated.is_empty(), isolated.to_string()),
            None => Verdict::unreadable(),
        },
    },
    Check {
        id: "hot_cores_isolated",
        what: "the cores in use are isolated",
        fix: "name cores under [cores] that isolcpus sets apart",
        tool: "colo's configuration",
        of_hypervisor: true,
        look: |host, focus| match (host.isolated(), focus.hot_cores.is_empty()) {
            (_, true) => Verdict::Unclear("no cores were named".to_owned()),
            (None, _) => Verdict::unreadable(),
            (Some(isolated), _) => all_in(&host.hot(focus), &isolated, "isolated"),
        },
    },
    Check {
        id: "allowed_cores",
        what: "the cores in use are in this process's cpuset",
        fix: "AllowedCPUs= of the service, or --cpuset-cpus of the container",
        tool: "systemd or the container's runtime",
        of_hypervisor: false,
        look: allowed_cores,
    },
    Check {
        id: "nohz_full",
        what: "no timer tick on hot cores",
        fix: "nohz_full=CORES",
        tool: "kernel command line",
        of_hypervisor: true,
        look: |host, focus| match host.cores("sys/devices/system/cpu/nohz_full") {
            Some(quiet) => quiet_on_hot(host, focus, &quiet, "tickless"),
            None => Verdict::unreadable(),
        },
    },
    Check {
        id: "rcu_nocbs",
        what: "RCU callbacks run elsewhere",
        fix: "rcu_nocbs=CORES",
        tool: "kernel command line",
        of_hypervisor: true,
        look: |host, focus| {
            // nohz_full= implies it for its cores (kernel-parameters.txt).
            let lists = [host.parameter("rcu_nocbs"), host.parameter("nohz_full")];
            let quiet: CpuSet = lists
                .into_iter()
                .flatten()
                .flat_map(|l| host.core_list(l).iter().collect::<Vec<_>>())
                .collect();
            if host.text("proc/cmdline").is_none() {
                return Verdict::unreadable();
            }
            quiet_on_hot(host, focus, &quiet, "offloaded")
        },
    },
    Check {
        id: "smt_sibling",
        what: "no work beside a hot core on its other thread",
        fix: "nosmt, or isolate the siblings too and leave them idle",
        tool: "kernel command line",
        of_hypervisor: true,
        look: smt_sibling,
    },
    Check {
        id: "irqs",
        what: "no interrupts directed at hot cores",
        fix: "echo HOUSEKEEPING > /proc/irq/N/smp_affinity_list for each, and irqaffinity=HOUSEKEEPING",
        tool: "procfs and kernel command line",
        of_hypervisor: false,
        look: irqs,
    },
    Check {
        id: "irqbalance",
        what: "nothing moves interrupts back",
        fix: "systemctl disable --now irqbalance, or IRQBALANCE_BANNED_CPULIST=CORES",
        tool: "systemd",
        of_hypervisor: false,
        look: |host, _| match host.process_names() {
            [] => Verdict::unreadable(),
            names => {
                let running = names.iter().any(|name| name == "irqbalance");
                Verdict::judge(!running, if running { "running" } else { "not running" })
            }
        },
    },
    Check {
        id: "kernel_threads",
        what: "kernel threads that may choose run elsewhere",
        fix: "isolcpus and nohz_full at boot; else taskset -pc HOUSEKEEPING PID of each",
        tool: "kernel command line or taskset",
        of_hypervisor: false,
        look: kernel_threads,
    },
    Check {
        id: "workqueues",
        what: "unbound kernel work runs elsewhere",
        fix: "echo MASK > /sys/devices/virtual/workqueue/cpumask",
        tool: "sysfs",
        of_hypervisor: false,
        look: |host, focus| match host.text("sys/devices/virtual/workqueue/cpumask") {
            None => Verdict::unreadable(),
            Some(mask) => none_on_hot(host, focus, &CpuSet::from_mask(&mask), "unbound work may run on"),
        },
    },
    Check {
        id: "watchdog",
        what: "no watchdog interrupts",
        fix: "sysctl -w kernel.nmi_watchdog=0 kernel.watchdog=0",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| match host.number("proc/sys/kernel/nmi_watchdog") {
            None => Verdict::unreadable(),
            Some(nmi) => {
                let soft = host.number("proc/sys/kernel/soft_watchdog").unwrap_or(0);
                Verdict::judge(nmi == 0 && soft == 0, format!("nmi {nmi}, soft {soft}"))
            }
        },
    },
    Check {
        id: "sched_rt_runtime_us",
        what: "a spinning real-time thread is not throttled",
        fix: "sysctl -w kernel.sched_rt_runtime_us=-1",
        tool: "sysctl",
        of_hypervisor: false,
        look: |host, _| match host.number("proc/sys/kernel/sched_rt_runtime_us") {
            None => Verdict::unreadable(),
            Some(us) => Verdict::judge(us == -1, us.to_string()),
        },
    },
];

/// Good if all of `cores` are in `set`.
fn all_in(cores: &CpuSet, set: &CpuSet, word: &str) -> Verdict {
    let missing = cores.without(set);
    if missing.is_empty() {
        Verdict::Good(format!("{cores}: all {word}"))
    } else {
        Verdict::Bad(format!("not {word}: {missing}; {word}: {set}"))
    }
}

/// Good if `quiet` covers the hot cores; with none of these, if it covers anything.
fn quiet_on_hot(host: &Host, focus: &Focus, quiet: &CpuSet, word: &str) -> Verdict {
    let hot = host.hot(focus);
    if hot.is_empty() {
        Verdict::judge(!quiet.is_empty(), quiet.to_string())
    } else {
        all_in(&hot, quiet, word)
    }
}

/// Good if `noisy` has none of the hot cores; unclear where there are none.
fn none_on_hot(host: &Host, focus: &Focus, noisy: &CpuSet, words: &str) -> Verdict {
    let hot = host.hot(focus);
    if hot.is_empty() {
        return Verdict::Unclear("no core is set apart".to_owned());
    }
    let both = noisy.and(&hot);
    Verdict::judge(both.is_empty(), format!("{words} {both}"))
}

fn allowed_cores(host: &Host, focus: &Focus) -> Verdict {
    if focus.hot_cores.is_empty() {
        return Verdict::Unclear("no cores were named".to_owned());
    }
    // A mask can be widened, a cpuset cannot: the cgroup's word counts before the process's.
    let of_group = host.cores("sys/fs/cgroup/cpuset.cpus.effective");
    let of_process =
        || host.labelled("proc/self/status", "Cpus_allowed_list").map(|list| host.core_list(&list));
    match of_group.filter(|cores| !cores.is_empty()).or_else(of_process) {
        Some(allowed) => all_in(&host.hot(focus), &allowed, "allowed"),
        None => Verdict::unreadable(),
    }
}

/// Those bound to one core (`ksoftirqd/3`) belong there; the others can be kept away.
fn kernel_threads(host: &Host, focus: &Focus) -> Verdict {
    /// `kthreadd`, the parent of all of them.
    const PARENT: &str = "2";
    let hot = host.hot(focus);
    let ids = host.names("proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let threads: Vec<(String, CpuSet)> = ids
        .filter(|id| host.labelled(&format!("proc/{id}/status"), "PPid").as_deref() == Some(PARENT))
        .filter_map(|id| {
            let label = |label| host.labelled(&format!("proc/{id}/status"), label);
            Some((label("Name")?, host.core_list(&label("Cpus_allowed_list")?)))
        })
        .collect();
    if threads.is_empty() {
        return Verdict::unreadable();
    }
    if hot.is_empty() {
        return Verdict::Unclear("no core is set apart".to_owned());
    }
    let is_loose = |cores: &CpuSet| cores.iter().count() > 1 && !cores.and(&hot).is_empty();
    let loose: Vec<_> =
        threads.iter().filter(|(_, cores)| is_loose(cores)).map(|(name, _)| name.as_str()).collect();
    let some = loose.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    Verdict::judge(loose.is_empty(), format!("{} of {} may run on {hot} {some}", loose.len(), threads.len()))
}

fn smt_sibling(host: &Host, focus: &Focus) -> Verdict {
    if host.number("sys/devices/system/cpu/smt/active") == Some(0) {
        return Verdict::Good("SMT is off".to_owned());
    }
    let (hot, isolated) = (host.hot(focus), host.isolated().unwrap_or_default());
    if hot.is_empty() {
        return Verdict::Unclear("no core is set apart".to_owned());
    }
    let mut busy = Vec::new();
    for core in hot.iter() {
        let Some(siblings) =
            host.cores(&format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"))
        else {
            return Verdict::unreadable();
        };
        let shared =
            |other: &usize| *other != core && (!isolated.contains(*other) || focus.hot_cores.contains(other));
        busy.extend(siblings.iter().filter(shared).map(|other| format!("{core} with {other}")));
    }
    if busy.is_empty() {
        Verdict::Good("siblings are isolated and not in use".to_owned())
    } else {
        Verdict::Bad(format!("shared: {}", busy.join(", ")))
    }
}

fn irqs(host: &Host, focus: &Focus) -> Verdict {
    let hot = host.hot(focus);
    let numbers = host.names("proc/irq");
    if hot.is_empty() || numbers.is_empty() {
        return Verdict::Unclear("no core is set apart, or no interrupt is readable".to_owned());
    }
    let directed = |number: &&String| {
        // Where they really go, if the kernel says so, else where they may.
        let to = |file| {
            host.cores(&format!("proc/irq/{number}/{file}")).filter(|cores: &CpuSet| !cores.is_empty())
        };
        let cores = to("effective_affinity_list").or_else(|| to("smp_affinity_list"));
        cores.is_some_and(|cores| !cores.and(&hot).is_empty())
    };
    let noisy: Vec<_> = numbers.iter().filter(directed).map(String::as_str).collect();
    Verdict::judge(
        noisy.is_empty(),
        format!("{} of {} at {hot}: {}", noisy.len(), numbers.len(), noisy.join(",")),
    )
}
