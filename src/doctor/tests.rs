//! The doctor on three hosts made of files: tuned, untuned, virtual. And on the one the test runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tempfile::TempDir;

use super::*;

/// A host of files.
struct Fixture(TempDir);

impl Fixture {
    fn new(files: &[(&str, &str)]) -> Fixture {
        let fixture = Fixture(TempDir::new().unwrap());
        for (path, text) in files {
            fixture.write(path, text);
        }
        fixture
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn statuses(&self, focus: &Focus) -> BTreeMap<&'static str, Status> {
        rows(self.0.path(), focus).into_iter().map(|row| (row.id, row.status)).collect()
    }
}

fn focus() -> Focus {
    Focus { hot_cores: vec![2, 3], interfaces: vec!["eth0".to_owned()] }
}

/// Eight cores, 2 to 5 isolated, siblings 2|4 and 3|5.
fn tuned() -> Fixture {
    let fixture = Fixture::new(&[
        ("proc/cmdline", "ro isolcpus=managed_irq,domain,2-5 nohz_full=2-5 mitigations=off\n"),
        ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\n\nprocessor\t: 1\n"),
        ("proc/meminfo", "MemTotal: 1 kB\nHugePages_Total:       0\n"),
        ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"),
        ("proc/self/status", "Name:\tcolo\nCapEff:\t0000000000805000\nCpus_allowed_list:\t0-7\n"),
        (
            "proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max core file size        0                    unlimited            bytes     \n\
             Max open files            65536                65536                files     \n\
             Max locked memory         unlimited            unlimited            bytes     \n\
             Max realtime priority     99                   99                             \n",
        ),
        ("proc/self/cgroup", "0::/system.slice/colo.service\n"),
        ("sys/fs/cgroup/system.slice/colo.service/cpu.max", "max 100000\n"),
        ("proc/1/comm", "systemd\n"),
        ("proc/77/comm", "ptp4l\n"),
        ("proc/33/status", "Name:\tkworker/u16:0\nPPid:\t2\nCpus_allowed_list:\t0-1,6-7\n"),
        ("proc/34/status", "Name:\tksoftirqd/3\nPPid:\t2\nCpus_allowed_list:\t3\n"),
        ("etc/tuned/active_profile", "network-latency\n"),
        ("proc/sys/vm/swappiness", "1\n"),
        ("proc/irq/9/effective_affinity_list", "0\n"),
        ("proc/irq/9/smp_affinity_list", "0-7\n"),
        ("proc/net/snmp", "Ip: A\nIp: 1\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: 5 1 0\n"),
        ("proc/sys/kernel/nmi_watchdog", "0\n"),
        ("proc/sys/kernel/soft_watchdog", "0\n"),
        ("proc/sys/kernel/numa_balancing", "0\n"),
        ("proc/sys/kernel/sched_rt_runtime_us", "-1\n"),
        ("proc/sys/kernel/core_pattern", "core\n"),
        ("proc/sys/net/core/busy_poll", "50\n"),
        ("proc/sys/net/core/busy_read", "50\n"),
        ("proc/sys/net/core/rmem_max", "16777216\n"),
        ("sys/devices/system/cpu/online", "0-7\n"),
        ("sys/devices/system/cpu/isolated", "2-5\n"),
        ("sys/devices/system/cpu/nohz_full", "2-5\n"),
        ("sys/devices/system/cpu/smt/active", "1\n"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
        ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"),
        ("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Vulnerable\n"),
        ("sys/devices/virtual/workqueue/cpumask", "c3\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ("sys/kernel/mm/ksm/run", "0\n"),
        ("sys/class/net/eth0/device/local_cpulist", "0-7\n"),
        ("sys/class/net/eth0/statistics/rx_dropped", "0\n"),
        ("sys/class/net/eth0/statistics/rx_missed_errors", "0\n"),
    ]);
    for (core, siblings) in [(2, "2,4"), (3, "3,5"), (4, "2,4"), (5, "3,5")] {
        let cpu = format!("sys/devices/system/cpu/cpu{core}");
        fixture.write(&format!("{cpu}/topology/thread_siblings_list"), siblings);
        fixture.write(&format!("{cpu}/cpufreq/scaling_governor"), "performance\n");
        for (state, latency, disable) in [("state0", "0", "0"), ("state1", "2", "0"), ("state2", "170", "1")]
        {
            fixture.write(&format!("{cpu}/cpuidle/{state}/name"), state);
            fixture.write(&format!("{cpu}/cpuidle/{state}/latency"), latency);
            fixture.write(&format!("{cpu}/cpuidle/{state}/disable"), disable);
        }
    }
    fixture.write("dev/cpu_dma_latency", 0i32.to_ne_bytes());
    fixture
}

/// As a distribution leaves it.
fn untuned() -> Fixture {
    let fixture = tuned();
    for (path, text) in [
        ("proc/cmdline", "ro quiet\n"),
        ("proc/cpuinfo", "flags : fpu tsc constant_tsc\n"),
        ("proc/swaps", "Filename Type Size Used Priority\n/swap.img file 1 0 -2\n"),
        ("proc/self/status", "CapEff:\t0000000000000000\nCpus_allowed_list:\t0-1\n"),
        (
            "proc/self/limits",
            "Max core file size        unlimited            unlimited            bytes\n\
             Max open files            256                  4096                 files\n\
             Max locked memory         8388608              8388608              bytes\n\
             Max realtime priority     0                    0\n",
        ),
        ("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n"),
        ("proc/77/comm", "irqbalance\n"),
        ("proc/33/status", "Name:\tkworker/u16:0\nPPid:\t2\nCpus_allowed_list:\t0-7\n"),
        ("etc/tuned/active_profile", "balanced\n"),
        ("proc/sys/vm/swappiness", "60\n"),
        ("proc/irq/9/effective_affinity_list", "3\n"),
        ("proc/net/snmp", "Udp: InDatagrams RcvbufErrors\nUdp: 5 12\n"),
        ("proc/sys/kernel/nmi_watchdog", "1\n"),
        ("proc/sys/kernel/numa_balancing", "1\n"),
        ("proc/sys/kernel/sched_rt_runtime_us", "950000\n"),
        ("proc/sys/net/core/busy_poll", "0\n"),
        ("proc/sys/net/core/rmem_max", "212992\n"),
        ("sys/devices/system/cpu/isolated", "\n"),
        ("sys/devices/system/cpu/nohz_full", "(null)\n"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
        ("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines\n"),
        ("sys/devices/virtual/workqueue/cpumask", "ff\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        ("sys/kernel/mm/ksm/run", "1\n"),
        ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n"),
        ("sys/devices/system/cpu/cpu3/cpuidle/state2/disable", "0\n"),
        ("sys/class/net/eth0/device/local_cpulist", "4-7\n"),
        ("sys/class/net/eth0/statistics/rx_missed_errors", "9\n"),
    ] {
        fixture.write(path, text);
    }
    fixture.write("dev/cpu_dma_latency", 200i32.to_ne_bytes());
    fixture
}

/// Rows that no file answers.
const OF_DRIVER: [&str; 7] = [
    "nic_coalescing",
    "nic_rings",
    "nic_steering",
    "nic_offloads",
    "nic_timestamps",
    "nic_xdp",
    "clock_offset",
];

#[test]
fn a_tuned_host_passes_every_row_that_files_can_answer() {
    for row in rows(tuned().0.path(), &focus()) {
        let expected = if OF_DRIVER.contains(&row.id) { Status::Unknown } else { Status::Pass };
        assert_eq!(row.status, expected, "{row:?}");
        assert_eq!(row.fix.is_empty(), row.status == Status::Pass, "{row:?}");
        assert!(!row.tool.is_empty() && !row.what.is_empty() && !row.found.is_empty(), "{row:?}");
    }
}

#[test]
fn an_untuned_host_warns_in_every_row_it_can_and_fails_where_the_purpose_is_lost() {
    let fails = ["clocksource", "invariant_tsc", "cgroup_quota"];
    // Still good: bare metal, and huge pages by way of [always].
    let passes = ["machine", "hugepages"];
    let found = rows(untuned().0.path(), &focus());
    for row in &found {
        let expected = match row.id {
            id if fails.contains(&id) => Status::Fail,
            id if passes.contains(&id) => Status::Pass,
            id if OF_DRIVER.contains(&id) => Status::Unknown,
            _ => Status::Warn,
        };
        assert_eq!(row.status, expected, "{row:?}");
    }
    assert!(!is_tuned(&found));
    assert!(is_tuned(&rows(tuned().0.path(), &focus())));
}

#[test]
fn on_a_virtual_machine_what_its_host_decides_is_unknown_and_the_rest_still_counts() {
    let fixture = untuned();
    fixture.write("proc/cpuinfo", "flags : fpu tsc constant_tsc nonstop_tsc hypervisor\n");
    fixture.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n");
    let statuses = fixture.statuses(&focus());
    for id in
        ["machine", "isolcpus", "nohz_full", "rcu_nocbs", "governor", "cstates", "mitigations", "time_sync"]
    {
        assert_eq!(statuses[id], Status::Unknown, "{id}");
    }
    for id in ["clocksource", "thp", "swap", "sched_rt_runtime_us", "rmem_max", "nofile"] {
        assert_eq!(statuses[id], Status::Warn, "{id}");
    }
    assert_eq!(statuses["cgroup_quota"], Status::Fail);
    assert_eq!(statuses["invariant_tsc"], Status::Pass);
}

#[test]
fn an_empty_root_is_all_unknown() {
    let fixture = Fixture::new(&[]);
    for row in rows(fixture.0.path(), &focus()) {
        // No sign of a hypervisor is how bare metal looks.
        let expected = if row.id == "machine" { Status::Pass } else { Status::Unknown };
        assert_eq!(row.status, expected, "{row:?}");
    }
}

#[test]
fn single_findings() {
    let fixture = tuned();
    let one = |id, focus: &Focus| fixture.statuses(focus)[id];
    // Both threads of one core in use.
    assert_eq!(one("smt_sibling", &Focus { hot_cores: vec![2, 4], ..Focus::default() }), Status::Warn);
    // A core that is not isolated.
    assert_eq!(one("hot_cores_isolated", &Focus { hot_cores: vec![2, 6], ..Focus::default() }), Status::Warn);
    assert_eq!(one("hot_cores_isolated", &Focus::default()), Status::Unknown);
    // An interface whose name would leave its folder is not looked at.
    let escape = Focus { interfaces: vec!["../eth0".to_owned()], ..focus() };
    assert_eq!(one("nic_drops", &escape), Status::Unknown);

    // A quota anywhere above counts, in version 1 of cgroups too.
    fixture.write("proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/box/inner\n");
    fixture.write("sys/fs/cgroup/cpu/box/inner/cpu.cfs_quota_us", "-1\n");
    assert_eq!(fixture.statuses(&focus())["cgroup_quota"], Status::Pass);
    fixture.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000\n");
    assert_eq!(fixture.statuses(&focus())["cgroup_quota"], Status::Fail);

    // A pipe takes the dump whatever the limit.
    fixture.write("proc/sys/kernel/core_pattern", "|/usr/bin/keep %p\n");
    assert_eq!(fixture.statuses(&focus())["core_dumps"], Status::Warn);

    fixture.write("dev/cpu_dma_latency", 2_000_000_000i32.to_ne_bytes());
    assert_eq!(fixture.statuses(&focus())["cpu_dma_latency"], Status::Unknown);
}

#[test]
fn broken_files_are_no_panic() {
    let fixture = tuned();
    let paths: Vec<String> = walk(fixture.0.path());
    assert!(paths.len() > 40);
    for junk in [&b"\xff\xfe\x00"[..], b"", b"-", b"99999999999999999999", b":::", b"[\n]", b"Udp:\nUdp:\n"] {
        for path in &paths {
            fs::write(path, junk).unwrap();
        }
        let found = rows(fixture.0.path(), &focus());
        assert_eq!(found.len(), rows(tuned().0.path(), &focus()).len());
    }
}

fn walk(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path.into_os_string().into_string().unwrap());
        }
    }
    files
}

#[test]
fn this_host_can_be_looked_at() {
    let rows = rows(Path::new("/"), &Focus::default());
    assert!(rows.iter().any(|row| row.status != Status::Unknown), "something is readable on any Linux");
}

#[test]
fn rows_serialise_as_the_command_line_promises() {
    let rows = rows(tuned().0.path(), &Focus::default());
    let json = serde_json::to_value(&rows).unwrap();
    let row = json.as_array().unwrap().iter().find(|row| row["id"] == "thp").unwrap();
    assert_eq!(row["status"], "pass");
    assert_eq!(row["found"], "madvise");
    for key in ["what", "fix", "tool"] {
        assert!(row[key].is_string(), "{key}");
    }
}

/// `tuning/host.toml` has an entry for every row and no other, and the README explains each.
#[test]
fn the_host_profile_names_every_row() {
    let profile: toml::Table = toml::from_str(include_str!("../../tuning/host.toml")).unwrap();
    let readme = include_str!("../../tuning/README.md");
    let wanted: BTreeSet<&str> = profile.keys().map(String::as_str).collect();
    let rows = rows(tuned().0.path(), &Focus::default());
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id occurs twice");
    assert_eq!(wanted, ids, "tuning/host.toml is out of step");
    for (id, entry) in &profile {
        assert!(entry.get("want").is_some_and(toml::Value::is_str), "{id} has no `want`");
        assert!(readme.contains(&format!("`{id}`")), "tuning/README.md does not explain `{id}`");
    }
    assert!(
        ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
    );
}
