//! `colo record`: the feed handler alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::report::grouped;
use super::{Exit, Failure, Outcome, live, report, signals, warn};
use crate::clock::{Clock, Discipline};
use crate::config;
use crate::record::{End, Notice, Plan, RecordError, Recorded, Recorder};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);
/// How often the clock is steered.
const STEER: Duration = Duration::from_secs(1);
/// Losses that are told one by one; the end has the sum.
const LOSSES_TOLD: u32 = 10;

/// Records one feed: lines arbitrated, gaps filled, as an ITCH BinaryFILE with an index beside it. Of the configuration only `[[feeds]]` is read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo record --config colo.toml --out 20240102.itch
  colo record --config colo.toml --feed f1 --out day.itch --raw day.pcapng --rotate-mib 1024 --json -

It ends with the session, after --seconds, or on SIGTERM or SIGINT with what came until then.
What no line and no re-request server brings is left to the feed's snapshot server, where it has one: FILE.snapshot-N.itch is then the state of the
books before message N, with which the stream goes on.
Exit code 5: messages are missing for good, lines disagree, or the raw capture lacks datagrams; the report says which.")]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which feed, by its id; not needed where there is one.
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Where the stream goes: u16 big-endian length and message, a zero length at the end of the session. The index is FILE.itch.idx.
    #[arg(long, value_name = "FILE.itch")]
    out: PathBuf,
    /// Writes each datagram of each line and re-request server too, with the time it was received, as pcapng.
    #[arg(long, value_name = "FILE.pcapng")]
    raw: Option<PathBuf>,
    /// Goes on in another file when one has so many MiB: FILE.000001.itch, FILE.000002.itch ..
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    rotate_mib: Option<u64>,
    /// Replaces files that are there; without it they are not touched.
    #[arg(long)]
    overwrite: bool,
    /// Ends after so many seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=864_000))]
    seconds: Option<u64>,
    /// Writes the report as JSON to this file, `-` for stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// In a sentence, with the exit code.
pub fn run(args: &Args) -> Outcome {
    let feed = feed(args)?;
    let id = feed.id.clone();
    check_names(args)?;
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let plan = Plan {
        feed,
        out: args.out.clone(),
        raw: args.raw.clone(),
        rotate: args.rotate_mib.map(|n| n << 20),
        overwrite: args.overwrite,
    };
    // Before the first file: a signal from now on ends a recording in order.
    let stop = signals::install().map_err(Failure::new)?;
    let clock = Clock::new();
    let mut discipline = clock.discipline();
    let recorder = Recorder::start(&plan, clock).map_err(|e| match e {
        RecordError::Exists { .. } => Failure::new(format!("{e} (name another file, or give --overwrite)")),
        RecordError::Protocol { .. } => Failure::with(Exit::Config, e),
        other => Failure::new(other),
    })?;
    recorder.warnings().iter().for_each(|w| warn(w));
    let lines: Vec<_> = recorder.lines().iter().map(ToString::to_string).collect();
    live::say(&format!("record: feed {id} on {} to {}", lines.join(" and "), args.out.display()));
    let began = Instant::now();
    let (mut told, mut steered, mut losses) = (Duration::ZERO, Duration::ZERO, 0);
    while !recorder.is_over()
        && !stop.raised()
        && args.seconds.is_none_or(|s| began.elapsed() < Duration::from_secs(s))
    {
        tell(&recorder, &id, &mut losses);
        if began.elapsed() - told >= PROGRESS {
            told = began.elapsed();
            let p = recorder.progress();
            let gap = if p.gap { "  recovering a gap" } else { "" };
            let (seconds, messages, lost) = (told.as_secs_f64(), grouped(p.messages), grouped(p.lost));
            live::say(&format!("{seconds:>6.1} s  messages {messages}  lost {lost}{gap}"));
        }
        // A day's stamps are to follow the wall clock, not a counter that was calibrated in the morning.
        if began.elapsed() - steered >= STEER {
            steered = began.elapsed();
            discipline.as_mut().map(Discipline::adjust);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    tell(&recorder, &id, &mut losses);
    let recorded = recorder.stop().map_err(Failure::new)?;
    say_oddities(&recorded, &id);
    if let Some(file) = &args.json {
        report::write_json(&to_json(&recorded, &id), file)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&to_text(&recorded));
    }
    let up_to = recorded.stream.records;
    if let Some(e) = &recorded.failure {
        return Err(Failure::new(format!("{e}; {} messages are recorded", grouped(up_to))));
    }
    match incomplete(&recorded, &id) {
        Some(sentence) => Err(Failure::with(Exit::Difference, sentence)),
        None if recorded.end == End::Stopped && stop.raised() => Ok(Exit::Interrupted),
        None => Ok(Exit::Ok),
    }
}

/// The feed that is meant.
fn feed(args: &Args) -> Result<config::Feed, Failure> {
    let file = args.config.display();
    let feeds = config::feeds(&args.config).map_err(|e| Failure::with(Exit::Config, e))?;
    let ids: Vec<_> = feeds.iter().map(|f| f.id.clone()).collect();
    let several = format!("--feed says which one to record: {}", ids.join(", "));
    match &args.feed {
        Some(id) => feeds.into_iter().find(|f| f.id == *id).ok_or_else(|| {
            Failure::with(Exit::Usage, format!("{file} has no feed {id:?}; it has {}", ids.join(", ")))
        }),
        None if ids.len() > 1 => {
            Err(Failure::with(Exit::Usage, format!("{file} has {} feeds; {several}", ids.len())))
        }
        None => feeds.into_iter().next().ok_or_else(|| Failure::with(Exit::Config, several)),
    }
}

/// Each output has a file of its own, and none is stdout but the report.
fn check_names(args: &Args) -> Result<(), Failure> {
    let usage = |sentence: String| Err(Failure::with(Exit::Usage, sentence));
    let files: Vec<&PathBuf> = [Some(&args.out), args.raw.as_ref()].into_iter().flatten().collect();
    if files.iter().any(|f| f.as_os_str() == "-" || f.file_name().is_none()) {
        return usage("a recording goes to files: --out and --raw name one each".into());
    }
    let report = args.json.as_ref().filter(|f| f.as_os_str() != "-");
    // By place: a name can be written in several ways. A folder that is not there has a sentence of its own later.
    let place = |file: &PathBuf| {
        let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folder.canonicalize().map_or(file.clone(), |f| f.join(file.file_name().unwrap_or_default()))
    };
    let all: Vec<_> = files.into_iter().chain(report).map(place).collect();
    for (k, file) in all.iter().enumerate() {
        if all[..k].contains(file) {
            return usage(format!("{}: named twice, and each output has a file of its own", file.display()));
        }
    }
    Ok(())
}

/// Tells what came up.
fn tell(recorder: &Recorder, id: &str, losses: &mut u32) {
    for notice in recorder.notices() {
        match notice {
            Notice::Lost { from, to } => {
                *losses += 1;
                if *losses <= LOSSES_TOLD {
                    warn(&format!("feed {id}: {}", lost(from, to)));
                }
            }
            Notice::Bridged { from, to } => {
                warn(&format!("feed {id}: a snapshot stands for messages {from} to {}", to - 1));
            }
            Notice::Disputed { sequence } => {
                warn(&format!(
                    "feed {id}: a line brought another message {sequence} than the one in the file"
                ));
            }
            Notice::Silent => warn(&format!("feed {id}: nothing is heard on any line")),
        }
    }
}

fn lost(from: u64, to: u64) -> String {
    match to - from {
        1 => format!("message {from} is lost"),
        n => format!("messages {from} to {} are lost ({n})", to - 1),
    }
}

/// What is not as it might be, and no failure.
fn say_oddities(r: &Recorded, id: &str) {
    let drops = format!("datagrams were dropped by the kernel at feed {id}'s sockets (receive_buffer_bytes)");
    let counted = [
        (r.empty, "messages without any byte are left out: the file cannot hold them".to_owned()),
        (r.ring_full, "times the sockets had to wait for the disk".to_owned()),
        (r.kernel_drops, drops),
    ];
    for (n, what) in counted.iter().filter(|(n, _)| *n > 0) {
        warn(&format!("{n} {what}"));
    }
    if r.session.is_none() {
        warn(&format!("feed {id}: no packet of a session came"));
    }
    if r.stats.gaps_open() > 0 && r.failure.is_none() {
        let next = r.next;
        warn(&format!("feed {id}: message {next} was still missing at the end; the file ends before it"));
    }
}

/// Why the files are not all that the venue sent.
fn incomplete(r: &Recorded, id: &str) -> Option<String> {
    if r.is_whole() {
        return None;
    }
    let mut what = Vec::new();
    if let Some((from, to)) = r.lost.first() {
        let (n, first) = (grouped(r.stats.messages_lost), lost(*from, *to));
        what.push(format!("{n} messages are not in the file, in {} stretches: {first} ..", r.lost.len()));
    }
    if let Some((from, to)) = r.bridged.first() {
        let n = grouped(r.messages_bridged);
        what.push(format!(
            "{n} messages are not in the file and snapshots beside it stand for them, in {} stretches: {from} to {} ..",
            r.bridged.len(),
            to - 1
        ));
    }
    if r.stats.disputed > 0 {
        let n = grouped(r.stats.disputed);
        what.push(format!(
            "{n} messages came with other bytes on another line, and which are the venue's cannot be told"
        ));
    }
    if r.end == End::OtherSession {
        what.push(format!(
            "the venue went over to another session after message {} without this one's end",
            r.next - 1
        ));
    }
    if r.raw_dropped > 0 {
        what.push(format!("{} datagrams are not in the raw capture", grouped(r.raw_dropped)));
    }
    Some(format!("feed {id}: {}", what.join("; ")))
}

fn word(end: End) -> &'static str {
    match end {
        End::Session => "end_of_session",
        End::Stopped => "stopped",
        End::OtherSession => "other_session",
        End::Failed => "failed",
    }
}

fn session(r: &Recorded) -> Option<String> {
    r.session.map(|s| String::from_utf8_lossy(&s).trim_end().to_owned())
}

fn to_json(r: &Recorded, id: &str) -> Value {
    let s = &r.stats;
    let files = |files: &[PathBuf]| files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>();
    let line = |l: &feeds::channel::LineStats| json!({ "datagrams": l.packets, "messages_first": l.won, "duplicates": l.duplicates });
    json!({
        "feed": id,
        "session": session(r),
        "end": word(r.end),
        "messages": r.stream.records,
        "first": r.first,
        "next": r.next,
        "bytes": r.stream.bytes,
        "files": files(&r.stream.files),
        "lost": s.messages_lost,
        "lost_ranges": r.lost,
        "bridged": r.messages_bridged,
        "bridged_ranges": r.bridged,
        "snapshots": files(&r.snapshots),
        "snapshots_failed": s.snapshots_failed,
        "disputed": s.disputed,
        "empty": r.empty,
        "gaps": s.gaps_opened,
        "gaps_filled": s.gaps_filled,
        "gaps_open": s.gaps_open(),
        "rerequests": s.requests,
        "datagrams": r.datagrams,
        "rejected_datagrams": s.rejected.total(),
        "truncated_datagrams": s.truncated,
        "kernel_drops": r.kernel_drops,
        "ring_full": r.ring_full,
        "lines": s.lines.iter().map(line).collect::<Vec<_>>(),
        "answers": line(&s.answers),
        "raw": r.raw.as_ref().map(|raw| json!({
            "datagrams": raw.records,
            "bytes": raw.bytes,
            "files": files(&raw.files),
            "dropped": r.raw_dropped,
        })),
    })
}

fn to_text(r: &Recorded) -> String {
    let s = &r.stats;
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<16}{value}\n"));
    line("session", format!("{} ({})", session(r).unwrap_or_else(|| "none".into()), word(r.end)));
    let range = r.first.map_or_else(String::new, |first| format!(", {first} to {}", r.next - 1));
    line("messages", format!("{}{range}", grouped(r.stream.records)));
    let (filled, lost) = (grouped(s.gaps_filled), grouped(s.gaps_lost));
    let open = s.gaps_open();
    line("gaps", format!("{} ({filled} filled, {lost} lost, {open} open)", grouped(s.gaps_opened)));
    line("lost messages", grouped(s.messages_lost));
    line("re-requests", grouped(s.requests));
    for file in &r.stream.files {
        line("file", file.display().to_string());
    }
    for file in &r.snapshots {
        line("snapshot", file.display().to_string());
    }
    for file in r.raw.iter().flat_map(|raw| &raw.files) {
        line("raw capture", file.display().to_string());
    }
    text
}
