//! What the kernel says of a core's threads, in `/proc/PID/task`: a hot thread that faults or is taken off its core shows here, and it costs that thread
//! nothing to be asked.
//!
//! The fields are those of proc(5): of `stat` minflt, utime, stime and processor, of `status` the switches.

use std::fs;
use std::path::Path;

/// Threads looked at; a core has fewer.
const THREADS_MAX: usize = 64;

/// One thread, since its start.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Thread {
    /// Its name: the first 15 bytes of its agent's.
    pub name: String,
    /// Faults that needed no disk: memory touched for the first time.
    pub minor_faults: u64,
    /// Faults that waited for a disk.
    pub major_faults: u64,
    /// Times that the kernel took it off its core.
    pub preempted: u64,
    /// Processor time in clock ticks.
    pub ticks: u64,
    /// The processor that it last ran on.
    pub processor: u64,
}

/// The threads of a process, by name. None where the process is gone or hidden.
#[must_use]
pub fn of(pid: u64) -> Vec<Thread> {
    let folder = format!("/proc/{pid}/task");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<_> =
        entries.flatten().take(THREADS_MAX).filter_map(|entry| thread(&entry.path())).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn thread(task: &Path) -> Option<Thread> {
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let status = fs::read_to_string(task.join("status")).ok()?;
    parse(&stat, &status)
}

/// A name may hold spaces and parentheses: the last `)` ends it.
fn parse(stat: &str, status: &str) -> Option<Thread> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The first behind the name is field 3.
    let field = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
    let preempted = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?;
    Some(Thread {
        name: name.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect(),
        minor_faults: field(10)?,
        major_faults: field(12)?,
        preempted: preempted.trim().parse().ok()?,
        ticks: field(14)?.saturating_add(field(15)?),
        processor: field(39)?,
    })
}

/// The thread of an agent: the kernel keeps 15 bytes of its name.
#[must_use]
pub fn of_agent<'a>(all: &'a [Thread], agent: &str) -> Option<&'a Thread> {
    let kept = agent.get(..15).unwrap_or(agent);
    all.iter().find(|t| t.name == kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_is_read_whatever_the_name_holds() {
        let numbers: Vec<String> = (4..=52).map(|n| n.to_string()).collect();
        let stat = format!("17 (a) b (c)) S {}\n", numbers.join(" "));
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t77\n";
        let read = parse(&stat, status).expect("a thread");
        assert_eq!(read.name, "a)?b?(c)");
        let numbers = [read.minor_faults, read.major_faults, read.preempted, read.ticks, read.processor];
        assert_eq!(numbers, [10, 12, 77, 14 + 15, 39]);
    }

    #[test]
    fn what_is_no_such_line_is_no_thread() {
        for stat in ["", "17", "17 (x) S", "17 (x) S 1 2 3 a b c d e f g h", ")("] {
            assert_eq!(parse(stat, "nonvoluntary_ctxt_switches: 1"), None, "{stat:?}");
        }
    }

    #[test]
    fn our_own_threads_are_there_and_a_process_that_is_not_has_none() {
        let named = std::thread::Builder::new().name("gateway-with-a-long-name".into());
        let (stop, until) = std::sync::mpsc::channel::<()>();
        let (say, named_itself) = std::sync::mpsc::channel();
        let thread = named
            .spawn(move || {
                say.send(()).unwrap();
                until.recv()
            })
            .unwrap();
        named_itself.recv().unwrap();
        let all = of(std::process::id().into());
        assert!(of_agent(&all, "gateway-with-a-long-name").is_some(), "{all:?}");
        drop(stop);
        let _ = thread.join().unwrap();
        assert!(of(u64::MAX).is_empty());
    }
}
