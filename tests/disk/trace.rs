//! What `strace -f -ttt` wrote down: `TID SECONDS.MICROS call(arguments) = result`.

use std::fs;
use std::path::Path;

/// The calls that are written down: all that wait for a disk, but for plain reads and writes of files that are open.
pub const CALLS: &str = "msync,fsync,fdatasync,sync_file_range,fallocate,ftruncate,openat,rename,renameat,renameat2,unlink,unlinkat,pwrite64";

pub struct Trace(Vec<Call>);

struct Call {
    tid: u32,
    /// When it was made, ns since the Unix epoch.
    at: u64,
    text: String,
}

impl Trace {
    pub fn read(file: &Path) -> Trace {
        let text = fs::read_to_string(file).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Trace(whole.lines().filter_map(Call::of).collect())
    }

    /// Syncs of written data that failed.
    pub fn failed_syncs(&self) -> Vec<&str> {
        let is_failed = |c: &&Call| c.text.contains("msync") && c.text.contains("= -1 EIO");
        self.0.iter().filter(is_failed).map(|c| c.text.as_str()).collect()
    }

    /// The time of a call that was held up, once it is over.
    pub fn stall(&self) -> Option<(u64, u64)> {
        let over = self.0.iter().position(|c| c.text.contains("(DELAYED)"))?;
        let call = &self.0[over];
        // One that others came between is written in two parts, and begins with the first.
        let resumed = call.text.contains("resumed");
        let begun = |c: &&Call| c.tid == call.tid && c.text.contains("<unfinished");
        let from = if resumed { self.0[..over].iter().rev().find(begun)?.at } else { call.at };
        Some((from, from + super::STALL_US * 1_000))
    }

    /// What a thread asked of files after a time.
    pub fn file_calls_of(&self, tid: u32, after: u64) -> Vec<&str> {
        let of = self.0.iter().filter(|c| c.tid == tid && c.at > after);
        of.map(|c| c.text.as_str()).collect()
    }
}

impl Call {
    fn of(line: &str) -> Option<Call> {
        let (tid, rest) = line.trim_start().split_once(' ')?;
        let (at, text) = rest.trim_start().split_once(' ')?;
        let (seconds, micros) = at.split_once('.')?;
        let at = seconds.parse::<u64>().ok()? * 1_000_000_000 + micros.parse::<u64>().ok()? * 1_000;
        let is_call = text.contains('(') || text.contains("resumed");
        Some(Call { tid: tid.parse().ok()?, at, text: text.to_owned() }).filter(|_| is_call)
    }
}
