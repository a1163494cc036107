//! `colo-monitor report`: a day out of a store, as text, as JSON, and as one file of HTML that needs nothing else.
//!
//! ```text
//!   store --figures: questions--> Figures --text--> a terminal
//!                                         \-json--> a program; money in integers, units in the names
//!                                         \-page--> HTML with charts (chart), no script and no request
//! ```

mod chart;
mod day;
mod figures;
mod page;
mod text;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

pub use day::Day;
pub use figures::Figures;

use crate::ship::POSTGRES_ENV;
use crate::store::ask::Ask;
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use crate::store::tls::Reach;
use crate::store::{StoreError, secret};

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For a terminal.
    Text,
    /// For a program.
    Json,
    /// For a browser; one file, charts included.
    Html,
}

/// Reports a day: P&L, fills, slippage, latency, limits touched, alerts.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo-monitor report --sqlite journal/desk1/store.db
  colo-monitor report --sqlite journal/desk1/store.db --day 2026-11-23 --form html --out day.html
  COLO_POSTGRES='...' colo-monitor report --postgres --core desk1 --form json")]
pub struct Args {
    /// A SQLite file that `ship` made
    #[arg(long, value_name = "FILE", required_unless_present_any = ["postgres", "postgres_file"])]
    pub sqlite: Option<PathBuf>,
    /// PostgreSQL, by the address in the environment's COLO_POSTGRES
    #[arg(long, conflicts_with = "sqlite")]
    pub postgres: bool,
    /// PostgreSQL, by the address in this file
    #[arg(long, value_name = "FILE", conflicts_with = "sqlite")]
    pub postgres_file: Option<PathBuf>,
    /// Where the database may be.
    #[command(flatten)]
    pub reach: Reach,
    /// The day, in UTC; without it, the last one that the store has
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse)]
    pub day: Option<Day>,
    /// One core alone
    #[arg(long)]
    pub core: Option<String>,
    /// What it looks like
    #[arg(long, value_enum, default_value = "text")]
    pub form: Form,
    /// Where to; stdout without it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Runs the command: exit 0, or 1 with a sentence.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    match report(args).and_then(|text| deliver(args, &text, out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(err, "colo-monitor: {why}");
            ExitCode::from(1)
        }
    }
}

fn deliver(args: &Args, text: &str, out: &mut impl Write) -> Result<(), String> {
    match &args.out {
        Some(file) => std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display())),
        None => out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string()),
    }
}

fn report(args: &Args) -> Result<String, String> {
    let mut store = open(args).map_err(|e| e.to_string())?;
    let figures = Figures::of(store.as_mut(), args.day, args.core.as_deref()).map_err(|e| e.to_string())?;
    Ok(match args.form {
        Form::Text => text::of(&figures),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&figures).map_err(|e| e.to_string())?),
        Form::Html => page::of(&figures),
    })
}

fn open(args: &Args) -> Result<Box<dyn Ask>, StoreError> {
    if let Some(file) = &args.sqlite {
        // Opening makes a file where there is none: a name that was mistyped is said.
        if !file.is_file() {
            return Err(StoreError::Refused(format!("{}: there is no such file", file.display())));
        }
        return Ok(Box::new(Sqlite::open(file)?));
    }
    let address = secret::read(args.postgres_file.as_deref(), POSTGRES_ENV)?;
    let address = address.ok_or_else(|| StoreError::refused(format!("{POSTGRES_ENV} is not set")))?;
    Ok(Box::new(Postgres::new(&address, &args.reach)?))
}
