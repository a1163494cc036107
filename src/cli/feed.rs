//! `colo feed`: what is in a file of market data, or comes on a live feed.

mod counts;
mod lines;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use self::counts::Counts;
use self::lines::Lines;
use self::report::{Packets, Report};
use super::book::Reading;
use super::{Exit, Failure, Outcome, Registry, live, report as words, run, signals};
use crate::config::Secrets;
use crate::source::Source;

/// Messages between two looks at the progress of a file.
const LOOK: u64 = 1 << 16;

/// Looks at market data: counts, rates, bursts, gaps.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo feed stat 20240102.itch.gz")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Messages and bytes by type, rates, the worst bursts, the busiest symbols; of packets also gaps and duplicates.
    #[command(after_help = "\
Examples:
  colo feed stat 20240102.itch.gz
  colo feed stat capture.pcapng --json
  colo feed stat --live --config colo.toml --seconds 60

Times are the stamps of the messages. A live feed is only listened to: nothing is asked for again.")]
    Stat(Stat),
}

#[derive(Debug, clap::Args)]
struct Stat {
    /// The market data: any file that `colo book --data` takes
    #[arg(value_name = "FILE", required_unless_present = "live", conflicts_with = "live")]
    file: Option<PathBuf>,
    /// Listen to the feeds of a configuration instead, until SIGINT or SIGTERM
    #[arg(long, requires = "config")]
    live: bool,
    /// The configuration whose feeds are listened to
    #[arg(long, value_name = "FILE", requires = "live")]
    config: Option<PathBuf>,
    /// Listen for so many seconds
    #[arg(long, value_name = "N", requires = "live", value_parser = clap::value_parser!(u64).range(1..=864_000))]
    seconds: Option<u64>,
    /// How many of the busiest symbols to name
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// In a sentence, with the exit code: 1 for a file that cannot be read to its end (what was read is counted and printed) or a line that cannot be opened,
/// 3 for a configuration.
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let Verb::Stat(stat) = &args.verb;
    match (&stat.file, &stat.config) {
        (Some(file), _) => of_file(file, stat),
        (None, Some(config)) => of_lines(config, stat, registry),
        (None, None) => Err(Failure::with(Exit::Usage, "a file, or --live with --config, is needed")),
    }
}

fn of_file(file: &Path, stat: &Stat) -> Outcome {
    let mut source = Source::open(file).map_err(Failure::new)?;
    let reading = Reading::new(&source);
    let mut counts = Counts::new();
    let mut until_look = LOOK;
    let end = loop {
        match source.next() {
            Ok(Some(msg)) => counts.count(msg),
            Ok(None) => break Ok(()),
            Err(e) => break Err(Failure::new(e)),
        }
        until_look -= 1;
        if until_look == 0 {
            until_look = LOOK;
            reading.show(&source);
        }
    };
    drop(reading);
    source.remarks().iter().for_each(|r| super::warn(r));
    let packets = source.arbitration().map(|s| Packets::of(s, &["capture".into()], &[]));
    let report = Report { source: file.display().to_string(), summary: counts.summary(stat.top), packets };
    if stat.json {
        super::print(&format!("{}\n", serde_json::to_string(&report).map_err(Failure::new)?));
    } else {
        super::print(&report.text());
    }
    end.map(|()| Exit::Ok)
}

fn of_lines(file: &Path, stat: &Stat, registry: &Registry) -> Outcome {
    let config = run::load(file, registry, Secrets::Skip)?;
    let mut lines = Lines::open(&config.feeds)?;
    let stop = signals::install().map_err(Failure::new)?;
    let span = stat.seconds.map(Duration::from_secs);
    let mut told = Duration::ZERO;
    while !stop.raised() && span.is_none_or(|span| lines.elapsed() < span) {
        lines.poll()?;
        let elapsed = lines.elapsed();
        if elapsed - told >= Duration::from_secs(5) {
            told = elapsed;
            let (messages, lost) = lines.so_far();
            let [messages, lost] = [messages, lost].map(words::grouped);
            live::say(&format!("{:>6.1} s  messages {messages}  lost {lost}", elapsed.as_secs_f64()));
        }
    }
    let reports = lines.reports(stat.top);
    if stat.json {
        super::print(&format!("{}\n", json!({ "feeds": reports })));
    } else {
        reports.iter().for_each(|r| super::print(&r.text()));
    }
    Ok(if stop.raised() { Exit::Interrupted } else { Exit::Ok })
}
