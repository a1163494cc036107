//! Sets of cores as the kernel writes them: lists (`0-3,8,10-11`, cpuset(7) "List format") and masks (`ff,ffffffff`, "Mask format").

use std::collections::BTreeSet;
use std::fmt;

/// No host has more; a longer list is a broken file and not a reason to fill memory.
const CORES_MAX: usize = 8192;

/// A set of cores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuSet(BTreeSet<usize>);

impl CpuSet {
    /// The cores of a list. Items that are no cores or ranges (the flags of `isolcpus=`, `(null)`) are passed over; `N` and `all` are
    /// given `online` as their meaning.
    pub(super) fn from_list(list: &str, online: &CpuSet) -> CpuSet {
        let last = online.0.last().copied().unwrap_or(0);
        let number = |text: &str| if text == "N" { Some(last) } else { text.parse::<usize>().ok() };
        let mut cores = BTreeSet::new();
        for item in list.trim().split(',').map(str::trim) {
            let (first, end) = item.split_once('-').unwrap_or((item, item));
            if item == "all" {
                cores.extend(&online.0);
            } else if let (Some(first), Some(end)) = (number(first), number(end)) {
                cores.extend(first.min(CORES_MAX)..=end.min(CORES_MAX - 1));
            }
        }
        CpuSet(cores)
    }

    /// The cores of a hexadecimal mask in comma-separated words of 32 bits, most significant first.
    pub(super) fn from_mask(mask: &str) -> CpuSet {
        let digits = mask.trim().chars().rev().filter(|c| *c != ',').take(CORES_MAX / 4);
        let set = digits.enumerate().flat_map(|(at, digit)| {
            let bits = digit.to_digit(16).unwrap_or(0);
            (0..4).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| at * 4 + bit)
        });
        CpuSet(set.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }

    pub(super) fn contains(&self, core: usize) -> bool {
        self.0.contains(&core)
    }

    /// The cores of `self` that are not in `other`.
    pub(super) fn without(&self, other: &CpuSet) -> CpuSet {
        CpuSet(&self.0 - &other.0)
    }

    /// The cores in both.
    pub(super) fn and(&self, other: &CpuSet) -> CpuSet {
        CpuSet(&self.0 & &other.0)
    }
}

impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cores: I) -> CpuSet {
        CpuSet(cores.into_iter().collect())
    }
}

impl fmt::Display for CpuSet {
    /// As a list, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut separator = "";
        if self.is_empty() {
            return f.write_str("none");
        }
        while let Some(first) = rest.next() {
            let mut end = first;
            while rest.next_if_eq(&(end + 1)).is_some() {
                end += 1;
            }
            write!(f, "{separator}{first}")?;
            if end > first {
                write!(f, "-{end}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks_of_the_kernel_are_read() {
        let online: CpuSet = (0..12).collect();
        for (list, expected) in [
            ("0-3,8,10-11\n", "0-3,8,10-11"),
            ("", "none"),
            ("(null)", "none"),
            ("managed_irq,domain,2-5", "2-5"),
            ("all", "0-11"),
            ("4-N", "4-11"),
            ("7-3", "none"),
            ("5-", "none"),
            ("1,1,2", "1-2"),
        ] {
            assert_eq!(CpuSet::from_list(list, &online).to_string(), expected, "{list:?}");
        }
        assert_eq!(CpuSet::from_mask("3\n").to_string(), "0-1");
        assert_eq!(CpuSet::from_mask("1,80000001").to_string(), "0,31-32");
        assert_eq!(CpuSet::from_mask("xyz").to_string(), "none");
    }

    #[test]
    fn an_absurd_list_is_bounded() {
        let none = CpuSet::default();
        assert!(CpuSet::from_list("0-18446744073709551615", &none).iter().count() <= CORES_MAX);
        assert!(CpuSet::from_mask(&"f".repeat(1 << 20)).iter().count() <= CORES_MAX);
    }
}
