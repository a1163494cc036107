//! `[journal]`: segments, sync, capture, and what becomes of all of it with age.

use std::time::Duration;

use ringbuf::log::SyncPolicy;

use super::resolve::Checks;
use super::{Journal, written};
use crate::journal::Retention;

pub(super) fn resolve(c: &mut Checks, j: &written::Journal) -> Journal {
    let mib = c.range("journal.segment_mib", Some(j.segment_mib as i64), 32, 1, 1_024);
    let ms = c.range("journal.sync_interval_ms", Some(j.sync_interval_ms as i64), 1_000, 1, 3_600_000);
    let policies = [
        ("off", SyncPolicy::Off),
        ("interval", SyncPolicy::Interval(Duration::from_millis(ms as u64))),
        ("segment", SyncPolicy::EverySegment),
    ];
    let sync = c.word("journal.sync", &j.sync, &policies).unwrap_or(SyncPolicy::EverySegment);
    let packings = [("off", false), ("zstd", true)];
    let compress = c.word("journal.compress", &j.compress, &packings).unwrap_or(false);
    let keep_days = c.range("journal.keep_days", Some(j.keep_days), 0, 0, 36_500) as u32;
    let keep_bytes = (c.range("journal.keep_gib", Some(j.keep_gib), 0, 0, 1 << 20) as u64) << 30;
    let retention = Retention { keep_days, keep_bytes, compress };
    Journal { segment_bytes: (mib as usize) << 20, sync, capture: j.capture, retention }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Secrets};
    use super::*;

    fn with(journal: &str) -> Result<Retention, String> {
        let core = include_str!("../../tests/fixtures/core.toml");
        let written = toml::from_str(&format!("{core}\n[journal]\n{journal}\n")).expect("TOML");
        let config = Config::resolve(written, Path::new("core.toml"), Secrets::Skip);
        config.map(|c| c.journal.retention).map_err(|e| e.to_string())
    }

    #[test]
    fn what_becomes_of_journals_is_said_in_days_and_gib() {
        assert!(with("").unwrap().keeps_all());
        let all = with("compress = \"zstd\"\nkeep_days = 30\nkeep_gib = 200").unwrap();
        assert_eq!(all, Retention { keep_days: 30, keep_bytes: 200 << 30, compress: true });
        for (key, value) in [("compress", "\"lz4\""), ("keep_days", "-1"), ("keep_gib", "9999999999")] {
            let why = with(&format!("{key} = {value}")).unwrap_err();
            assert!(why.contains(&format!("journal.{key}")), "{why}");
        }
    }
}
