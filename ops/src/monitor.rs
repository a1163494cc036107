//! The command line of `colo-monitor`: which core, how often, as text or as JSON.
//!
//! What is read goes to stdout, why there is nothing to read to stderr. Exit codes: 0 shown; 1 nothing alive to show; 2 several cores and no name (and
//! what the command line itself gets wrong). Interrupted by Ctrl-C it dies of the signal, which a shell shows as 130.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use colo::telemetry::FOLDER;
use colo::telemetry::snapshot::Snapshot;
use serde_json::json;

use crate::life::{self, Down};
use crate::{find, notify, report, serve, ship, tui, view};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);

/// What parts two readings on stdout.
#[derive(Clone, Copy)]
enum Between {
    /// The line's end.
    Nothing,
    /// A blank line.
    BlankLine,
    /// It is a terminal: the screen is drawn.
    Screen,
}

/// Shows running cores from their shared memory, read-only: on a terminal as a screen with views and keys, else as text or JSON.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "colo-monitor",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  colo-monitor --name demo\n  colo-monitor --name demo --once --json | jq .risk.pnl\n\nExit code 1: the core is not \
                  running, does not answer, or was built with another layout."
)]
pub struct Args {
    /// The core's name, as in its configuration; without it, the only one on this host
    #[arg(long, value_parser = find::parse_name)]
    pub name: Option<String>,
    /// Show once as text and end; without it, a screen on a terminal, and elsewhere text every second
    #[arg(long)]
    pub once: bool,
    /// As one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// What else there is to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the cold side does beside showing.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serves metrics, health and a live page
    Serve(serve::Args),
    /// Tells people of kills and dead cores
    Notify(notify::Args),
    /// Ships a core's journal into a database and to a bus
    Ship(ship::Args),
    /// Reports a day out of a database
    Report(report::Args),
}

/// Runs the command and answers with its exit code.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    match &args.command {
        Some(Command::Ship(args)) => return ship::run(args, out, err),
        Some(Command::Report(args)) => return report::run(args, out, err),
        Some(Command::Serve(args)) => return serve::run(args, err),
        Some(Command::Notify(args)) => return notify::run(args, err),
        None => {}
    }
    let between = match (args.json || args.once, io::stdout().is_terminal()) {
        (true, _) => Between::Nothing,
        (false, false) => Between::BlankLine,
        (false, true) => Between::Screen,
    };
    match show(args, between, out, err) {
        Ok(code) => ExitCode::from(code),
        // Whoever read us has seen enough.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(err, "colo-monitor: cannot write: {e}");
            ExitCode::from(1)
        }
    }
}

fn show(args: &Args, between: Between, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    if matches!(between, Between::Screen) && args.name.is_none() {
        let alive = |name: &String| life::look(name).is_ok();
        let names = find::names(Path::new(FOLDER)).unwrap_or_default().into_iter().filter(alive);
        let names: Vec<_> = names.collect();
        if !names.is_empty() {
            tui::run(names)?;
            return Ok(0);
        }
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => match choose(Path::new(FOLDER), |name| life::look(name).map(drop)) {
            Choice::One(name) => name,
            Choice::None(sentence) => {
                if args.json {
                    writeln!(
                        out,
                        "{}",
                        json!({"name": null, "alive": false, "reason": "absent", "message": sentence})
                    )?;
                }
                writeln!(err, "colo-monitor: {sentence}")?;
                return Ok(1);
            }
            Choice::Several(sentence) => {
                writeln!(err, "colo-monitor: {sentence}")?;
                return Ok(2);
            }
        },
    };
    if matches!(between, Between::Screen) {
        tui::run(vec![name])?;
        return Ok(0);
    }
    loop {
        match life::look(&name) {
            Ok(snapshot) => print(&snapshot, args.json, between, out)?,
            Err(down) => {
                let sentence = down.sentence(&name);
                if args.json {
                    writeln!(
                        out,
                        "{}",
                        json!({"name": name, "alive": false, "reason": down.word(), "message": sentence})
                    )?;
                }
                out.flush()?;
                writeln!(err, "colo-monitor: {sentence}")?;
                return Ok(1);
            }
        }
        if args.once {
            return Ok(0);
        }
        std::thread::sleep(EVERY);
    }
}

fn print(s: &Snapshot, as_json: bool, between: Between, out: &mut impl Write) -> io::Result<()> {
    let text = if as_json {
        serde_json::to_string(s).map_err(io::Error::other)?
    } else {
        view::lines(s, life::now()).join("\n")
    };
    let after = if matches!(between, Between::BlankLine) { "\n\n" } else { "\n" };
    // One write a reading, so that whoever reads never sees half of it.
    out.write_all(format!("{text}{after}").as_bytes())?;
    out.flush()
}

/// Which core to show where none was named.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    One(String),
    None(String),
    Several(String),
}

/// The only core, or the only one of several that lives: a core that ended leaves its region behind.
fn choose(folder: &Path, look: impl Fn(&str) -> Result<(), Down>) -> Choice {
    let names = match find::names(folder) {
        Ok(names) => names,
        Err(e) => return Choice::None(format!("no core can be looked for: {}: {e}", folder.display())),
    };
    if names.is_empty() {
        return Choice::None(format!("no core is running on this host: {} holds none", folder.display()));
    }
    if let [only] = names.as_slice() {
        return Choice::One(only.clone());
    }
    let judged: Vec<_> = names.into_iter().map(|n| (look(&n).err().map(|d| d.word()), n)).collect();
    let alive: Vec<_> = judged.iter().filter(|(down, _)| down.is_none()).collect();
    if let [(_, only)] = alive.as_slice() {
        return Choice::One(only.clone());
    }
    let each: Vec<_> =
        judged.iter().map(|(down, n)| format!("{n} ({})", down.unwrap_or("running"))).collect();
    Choice::Several(format!("say which with --name; there are: {}", each.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(format!("colo-{name}")), b"").unwrap();
        }
        folder
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        for hostile in ["", "a/b", "..", "a b", &"n".repeat(33)] {
            assert!(Args::try_parse_from(["colo-monitor", "--name", hostile]).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn the_only_core_is_chosen_alive_or_not() {
        let choice = choose(folder(&["a"]).path(), |_| panic!("nothing to choose between"));
        assert_eq!(choice, Choice::One("a".into()));
    }

    #[test]
    fn the_only_living_of_several_is_chosen() {
        let look = |name: &str| if name == "b" { Ok(()) } else { Err(Down::Absent) };
        assert_eq!(choose(folder(&["a", "b", "c"]).path(), look), Choice::One("b".into()));
    }

    #[test]
    fn several_are_named_with_their_state() {
        let look = |name: &str| if name == "c" { Err(Down::Silent { agents: Vec::new() }) } else { Ok(()) };
        let Choice::Several(sentence) = choose(folder(&["a", "b", "c"]).path(), look) else {
            panic!("chosen")
        };
        assert!(sentence.ends_with("a (running), b (running), c (silent)"), "{sentence}");
    }

    #[test]
    fn none_is_said() {
        let empty = folder(&[]);
        let Choice::None(sentence) = choose(empty.path(), |_| Ok(())) else { panic!("chosen") };
        assert!(sentence.contains("no core is running"), "{sentence}");
        assert!(matches!(choose(&empty.path().join("absent"), |_| Ok(())), Choice::None(_)));
    }
}
