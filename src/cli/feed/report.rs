//! What was counted, as JSON and for a terminal.

use std::fmt::Write as _;

use feeds::channel::ChannelStats;
use serde::Serialize;

use super::counts::{Busy, Stretch, Summary};
use crate::cli::report::grouped;

/// One line of packets.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// Its address; `capture` where the packets of a file count as one line.
    pub name: String,
    pub packets: u64,
    /// Messages that came here first.
    pub first: u64,
    /// Messages that had come before.
    pub duplicates: u64,
    /// Datagrams that the kernel dropped at the socket; of a live line only.
    pub kernel_drops: Option<u64>,
}

/// What the arbitration of packets counted.
#[derive(Debug, Serialize)]
pub(super) struct Packets {
    pub duplicates: u64,
    pub gaps: u64,
    pub gaps_filled: u64,
    pub gaps_lost: u64,
    pub gaps_open: u64,
    pub messages_lost: u64,
    /// Sessions after the first.
    pub new_sessions: u64,
    /// Datagrams that were no packet of the session.
    pub rejected: u64,
    pub lines: Vec<Line>,
}

impl Packets {
    pub(super) fn of(s: &ChannelStats, names: &[String], drops: &[Option<u64>]) -> Packets {
        let line = |(k, l): (usize, &feeds::channel::LineStats)| Line {
            name: names.get(k).cloned().unwrap_or_default(),
            packets: l.packets,
            first: l.won,
            duplicates: l.duplicates,
            kernel_drops: drops.get(k).copied().flatten(),
        };
        Packets {
            duplicates: s.lines.iter().map(|l| l.duplicates).sum(),
            gaps: s.gaps_opened,
            gaps_filled: s.gaps_filled,
            gaps_lost: s.gaps_lost,
            gaps_open: s.gaps_open(),
            messages_lost: s.messages_lost,
            new_sessions: s.new_sessions,
            rejected: s.rejected.total(),
            lines: s.lines.iter().enumerate().map(line).collect(),
        }
    }
}

/// All of one file or feed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The file, or the feed's id.
    pub source: String,
    #[serde(flatten)]
    pub summary: Summary,
    /// Of captures and live feeds.
    pub packets: Option<Packets>,
}

impl Report {
    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let s = &self.summary;
        let mut t =
            format!("{}: {} messages, {} bytes\n", self.source, grouped(s.messages), grouped(s.bytes));
        for (name, v) in &s.by_type {
            let _ = writeln!(t, "  {name:<18}{:>14}{:>18} bytes", grouped(v.messages), grouped(v.bytes));
        }
        let mut line = |name: &str, value: String| {
            let _ = writeln!(t, "  {name:<18}{value}");
        };
        if let (Some(first), Some(last)) = (s.first_ns, s.last_ns) {
            line("time", format!("{} to {}", time(first), time(last)));
        }
        let in_stretch = |at: Stretch| format!("{} from {}", grouped(at.messages), time(at.at_ns));
        let mean = s.mean_per_second.map(|mean| format!("{mean:.1}"));
        line("mean a second", mean.unwrap_or_else(|| "-".into()));
        line("busiest second", s.busiest_second.map_or_else(|| "-".into(), in_stretch));
        line("worst millisecond", s.worst_millisecond.map_or_else(|| "-".into(), in_stretch));
        let symbols: Vec<_> =
            s.symbols.iter().map(|b| format!("{} {}", name_of(b), grouped(b.messages))).collect();
        line("busiest", symbols.join("  "));
        line("unknown types", grouped(s.unknown_types));
        line("malformed", grouped(s.malformed));
        if s.stamps_back > 0 {
            line("stamps back", grouped(s.stamps_back));
        }
        if let Some(p) = &self.packets {
            let [gaps, filled, lost, open] = [p.gaps, p.gaps_filled, p.gaps_lost, p.gaps_open].map(grouped);
            line("gaps", format!("{gaps} ({filled} filled, {lost} lost, {open} open)"));
            line("messages lost", grouped(p.messages_lost));
            line("duplicates", grouped(p.duplicates));
            line("rejected", grouped(p.rejected));
            for l in &p.lines {
                let drops = l.kernel_drops.map(|n| format!(", {} dropped by the kernel", grouped(n)));
                let [packets, first, again] = [l.packets, l.first, l.duplicates].map(grouped);
                let drops = drops.unwrap_or_default();
                line(&l.name, format!("{packets} packets, {first} messages first, {again} again{drops}"));
            }
        }
        t
    }
}

/// The ticker; the number of an instrument that no message has named.
fn name_of(b: &Busy) -> String {
    if b.symbol.is_empty() { format!("#{}", b.locate) } else { b.symbol.clone() }
}

/// ns since midnight as a time of day; a stream may run past its midnight.
fn time(ns: u64) -> String {
    let (s, ns) = (ns / 1_000_000_000, ns % 1_000_000_000);
    format!("{:02}:{:02}:{:02}.{ns:09}", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_a_time_of_day() {
        assert_eq!(time(34_200_004_241_176), "09:30:00.004241176");
        assert_eq!(time(25 * 3_600_000_000_000 + 1), "25:00:00.000000001");
    }
}
