//! `tuning/apply` and `tuning/undo` over a host of files and programs that only write down how they were called.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const FILES: [(&str, &str); 16] = [
    ("sys/devices/system/cpu/online", "0-3"),
    ("sys/devices/virtual/workqueue/cpumask", "0f"),
    ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state0/latency", "2"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state0/disable", "0"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "200"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "0"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always"),
    ("proc/cmdline", "ro quiet nohz_full=2-3"),
    ("proc/irq/7/smp_affinity_list", "0-3"),
    ("proc/irq/8/smp_affinity_list", "1"),
    ("proc/irq/9/smp_affinity_list", "2"),
    ("proc/sys/kernel/numa_balancing", "1"),
    ("proc/sys/net/core/rmem_max", "16777216"),
    ("proc/sys/vm/swappiness", "60"),
    ("proc/swaps", "Filename Type Size Used Priority\n/dev/sdz2 partition 1 0 -2"),
];

/// What the files are changed to; no other is.
const CHANGED: [(&str, &str); 9] = [
    ("sys/devices/virtual/workqueue/cpumask", "3"),
    ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "1"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "madvise"),
    ("proc/irq/7/smp_affinity_list", "0,1"),
    ("proc/irq/9/smp_affinity_list", "0,1"),
    ("proc/sys/kernel/numa_balancing", "0"),
    ("proc/sys/vm/swappiness", "1"),
    ("proc/swaps", "Filename Type Size Used Priority\n/dev/sdz2 partition 1 0 -2"),
];

/// As ethtool prints it, with a setting that is fixed and one that the device has not.
const ETHTOOL: &str = r#"case $1 in
-c) printf 'Coalesce parameters for eth9:\nAdaptive RX: on  TX: n/a\nrx-usecs:\t50\ntx-usecs:\tn/a\n' ;;
-g) printf 'Ring parameters for eth9:\nPre-set maximums:\nRX:\t\t4096\nTX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\nTX:\t\t512\n' ;;
-k) printf 'Features for eth9:\ngeneric-receive-offload: on\nlarge-receive-offload: off [fixed]\n' ;;
esac"#;

struct Host(TempDir);

impl Host {
    fn new() -> Host {
        let host = Host(tempfile::tempdir().unwrap());
        for (path, text) in FILES {
            let path = host.0.path().join("root").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        let programs = host.0.path().join("programs");
        fs::create_dir(&programs).unwrap();
        let log = host.0.path().join("calls");
        for (name, body) in [
            ("ethtool", ETHTOOL),
            ("systemctl", ""),
            ("swapoff", ""),
            ("swapon", ""),
            ("tuned-adm", "[ $1 != active ] || echo 'Current active profile: balanced'"),
        ] {
            // By another process: a file that this one had open for writing could not be run while a test beside this one starts something.
            let source = host.0.path().join(name);
            fs::write(&source, format!("#!/bin/sh\necho \"{name} $*\" >>{}\n{body}\n", log.display()))
                .unwrap();
            let mut install = Command::new("install");
            assert!(
                install.args(["-m", "755"]).arg(source).arg(programs.join(name)).status().unwrap().success()
            );
        }
        host
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning");
        let mut command = Command::new(folder.join(script));
        for (flag, path) in [("--root", "root"), ("--programs", "programs"), ("--record", "state/undo")] {
            command.arg(flag).arg(self.0.path().join(path));
        }
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.run(script, arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join("root").join(path)).unwrap().trim_end().to_owned()
    }

    /// Calls that change something, since the last time.
    fn calls(&self) -> Vec<String> {
        let log = self.0.path().join("calls");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        let asks = ["ethtool -c", "ethtool -g", "ethtool -k", "tuned-adm active", "systemctl is-active"];
        let changes = |line: &&str| !asks.iter().any(|ask| line.starts_with(ask));
        text.lines().filter(changes).map(str::to_owned).collect()
    }
}

const WHERE: [&str; 4] = ["--cores", "2-3", "--interface", "eth9"];

#[test]
fn each_change_is_printed_made_and_taken_back() {
    let host = Host::new();
    let told = host.ok("apply", &WHERE);
    for (path, text) in CHANGED {
        assert_eq!(host.text(path), text, "{path}");
        assert!(path == "proc/swaps" || told.contains(&format!("/{path}: ")), "{path}: {told}");
    }
    for (path, before) in FILES.iter().filter(|(path, _)| !CHANGED.iter().any(|(other, _)| path == other)) {
        assert_eq!(host.text(path), *before, "{path} was not to be touched");
    }
    assert_eq!(
        host.calls(),
        [
            "systemctl disable --now irqbalance",
            "tuned-adm profile network-latency",
            "swapoff /dev/sdz2",
            "ethtool -C eth9 adaptive-rx off rx-usecs 0",
            "ethtool -G eth9 rx 4096",
            "ethtool -K eth9 gro off",
        ]
    );
    // What is there is not asked for again, and what is a decision about security never.
    let missing = told.lines().find(|line| line.trim_start().starts_with("isolcpus=")).unwrap();
    assert!(missing.contains("rcu_nocbs=2-3") && missing.contains("irqaffinity=0,1"), "{missing}");
    assert!(!missing.contains("nohz_full") && !missing.contains("mitigations"), "{missing}");

    let told = host.ok("undo", &[]);
    for (path, text) in FILES {
        assert_eq!(host.text(path), text, "{path}: {told}");
    }
    assert_eq!(
        host.calls(),
        [
            "ethtool -K eth9 gro on",
            "ethtool -G eth9 rx 512",
            "ethtool -C eth9 adaptive-rx on rx-usecs 50",
            "swapon /dev/sdz2",
            "tuned-adm profile balanced",
            "systemctl enable --now irqbalance",
        ]
    );
    assert!(!host.run("undo", &[]).status.success(), "there is nothing left to take back");
}

#[test]
fn a_dry_run_changes_nothing_and_says_the_same() {
    let host = Host::new();
    let mut dry = WHERE.to_vec();
    dry.push("--dry-run");
    let told = host.ok("apply", &dry);
    for (path, text) in FILES {
        assert_eq!(host.text(path), text, "{path}");
    }
    assert_eq!(host.calls(), [""; 0]);
    assert!(!host.0.path().join("state").exists());
    assert_eq!(host.ok("apply", &WHERE), told);
    host.calls();
    let told = host.ok("undo", &["--dry-run"]);
    assert!(told.contains("swappiness -> 60"), "{told}");
    assert_eq!((host.text("proc/sys/vm/swappiness").as_str(), host.calls().len()), ("1", 0));
}

#[test]
fn a_second_run_finds_the_files_as_they_should_be() {
    let host = Host::new();
    host.ok("apply", &WHERE);
    let told = host.ok("apply", &WHERE);
    assert!(!told.lines().any(|line| line.contains("/sys/") && line.contains(" -> ")), "{told}");
    host.ok("undo", &[]);
    assert_eq!(host.text("proc/sys/vm/swappiness"), "60", "the value before the first run");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_changed() {
    let host = Host::new();
    for arguments in [
        &["--cores", "0-3"][..],
        &["--cores", "two"],
        &["--cores", "5-2"],
        &["--interface", "eth9"],
        &["--cores", "2", "--interface", "../../x"],
        &["--cores", "2", "--frobnicate"],
    ] {
        let output = host.run("apply", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!((host.text("proc/sys/vm/swappiness").as_str(), host.calls().len()), ("60", 0));
}
