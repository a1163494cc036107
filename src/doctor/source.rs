//! Reading a host: small text files under a root, and the few facts that many rows share.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Focus;
use super::cpuset::CpuSet;

/// More of any one file is not read. `/proc/cpuinfo` of a large host is the longest, and its first processor is enough.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A host's `/proc`, `/sys` and `/dev` under some root.
pub(super) struct Host {
    root: PathBuf,
    is_virtual: bool,
    command_line: String,
    online: CpuSet,
    process_names: OnceCell<Vec<String>>,
}

impl Host {
    pub(super) fn new(root: &Path) -> Host {
        let mut host = Host {
            root: root.to_owned(),
            is_virtual: false,
            command_line: String::new(),
            online: CpuSet::default(),
            process_names: OnceCell::new(),
        };
        host.command_line = host.text("proc/cmdline").unwrap_or_default();
        let online = host.text("sys/devices/system/cpu/online").unwrap_or_default();
        host.online = CpuSet::from_list(&online, &CpuSet::default());
        host.is_virtual =
            host.has_cpu_flag("hypervisor") == Some(true) || host.text("sys/hypervisor/type").is_some();
        host
    }

    /// Whether this is a virtual machine, by the processor's own flag (x86) or the kernel's word.
    pub(super) fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// The first bytes of a file.
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.root.join(path)).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A file as text, trimmed.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path)?).trim().to_owned())
    }

    /// A file that holds one number.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// What follows `label:` in a file of labelled lines.
    pub(super) fn labelled(&self, path: &str, label: &str) -> Option<String> {
        let text = self.text(path)?;
        let value = text.lines().find_map(|line| line.strip_prefix(label)?.trim_start().strip_prefix(':'))?;
        Some(value.trim().to_owned())
    }

    /// The value of a parameter of the kernel's command line; the last one counts, as for the kernel.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let values = self.command_line.split_ascii_whitespace();
        values.filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')).next_back()
    }

    /// Whether the processor has a feature; `None` where `/proc/cpuinfo` has no x86 flags.
    pub(super) fn has_cpu_flag(&self, flag: &str) -> Option<bool> {
        let flags = self.labelled("proc/cpuinfo", "flags")?;
        Some(flags.split_ascii_whitespace().any(|word| word == flag))
    }

    /// A set of cores from a file in list format.
    pub(super) fn cores(&self, path: &str) -> Option<CpuSet> {
        Some(self.core_list(&self.text(path)?))
    }

    /// A set of cores from a list.
    pub(super) fn core_list(&self, list: &str) -> CpuSet {
        CpuSet::from_list(list, &self.online)
    }

    /// The isolated cores.
    pub(super) fn isolated(&self) -> Option<CpuSet> {
        self.cores("sys/devices/system/cpu/isolated")
    }

    /// The cores that should be quiet: those asked about, else the isolated ones.
    pub(super) fn hot(&self, focus: &Focus) -> CpuSet {
        if focus.hot_cores.is_empty() {
            self.isolated().unwrap_or_default()
        } else {
            focus.hot_cores.iter().copied().collect()
        }
    }

    /// The hot cores, or all that are online if none are set apart.
    pub(super) fn hot_or_online(&self, focus: &Focus) -> CpuSet {
        let hot = self.hot(focus);
        if hot.is_empty() { self.online.clone() } else { hot }
    }

    /// The names of all processes that can be seen.
    pub(super) fn process_names(&self) -> &[String] {
        self.process_names.get_or_init(|| {
            let ids = self.names("proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
            ids.filter_map(|id| self.text(&format!("proc/{id}/comm"))).collect()
        })
    }

    /// Whether this process has a capability, by its number.
    pub(super) fn has_capability(&self, number: u32) -> Option<bool> {
        let effective = self.labelled("proc/self/status", "CapEff")?;
        Some(u64::from_str_radix(&effective, 16).ok()? >> number & 1 == 1)
    }

    /// The soft limit of this process under a name of `/proc/self/limits`; `u64::MAX` for unlimited.
    pub(super) fn limit(&self, name: &str) -> Option<u64> {
        let text = self.text("proc/self/limits")?;
        let soft = text.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace().next()?;
        if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
    }
}
