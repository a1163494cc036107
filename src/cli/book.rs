//! `colo book`: every book of a historical file.
//!
//! | option | what is written |
//! |---|---|
//! | `--bbo` | a row whenever an instrument's best price, or the total displayed there, changes |
//! | `--final` | every level that is left at the end |
//! | `--json` | counts, and the cost of a message |
//!
//! The formats are fixed: other programs read them. Prices are raw integers with four implied decimals; an absent side has an empty price and size 0.

mod beside;
mod build;
mod reading;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use engine::book::{Books, Level, Top};
use model::{Side, Symbol};
use serde::Serialize;

pub(super) use self::build::Symbols;
use self::build::{Builder, Row};
pub(super) use self::reading::Reading;
use super::out::{self, Out, Stop};
use super::{Exit, Failure, Outcome, warn};
use crate::source::Source;

/// Bytes built at a time.
const STRETCH: usize = 16 << 20;

/// Builds the order book of every instrument in a historical file.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo book --data 20240102.itch.gz
  colo book --data 20240102.itch --symbol AAPL --symbol MSFT --bbo bbo.csv --final final.csv --json -

Prices in the CSV files are integers with four implied decimals (1234500 is 123.4500).
Exit code 5: with --check, the fast and the naive books differ.")]
pub struct Args {
    /// The market data: ITCH 5.0 BinaryFILE, pcap/pcapng holding MoldUDP64 or Cboe PITCH, a LOBSTER message file or databento DBN (MBO), each also packed by gzip or zstd. The kind is told from the content
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Build this instrument only; may be given several times
    #[arg(long, value_name = "S", value_parser = ticker)]
    pub symbol: Vec<Symbol>,
    /// Write every change of a best price or its total size as CSV ("-" is stdout)
    #[arg(long, value_name = "FILE.csv")]
    pub bbo: Option<PathBuf>,
    /// Write every level left at the end as CSV ("-" is stdout)
    #[arg(long = "final", value_name = "FILE.csv")]
    pub last: Option<PathBuf>,
    /// Write the counts as JSON ("-" is stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Build a second, naive set of books beside and compare after every message. Slow; the cost of a message is then not measured
    #[arg(long)]
    pub check: bool,
}

fn ticker(s: &str) -> Result<Symbol, String> {
    Symbol::new(s).ok_or_else(|| "a ticker has 1 to 8 printable ASCII characters".into())
}

/// A message after which the two sets of books differ.
#[derive(Debug)]
struct Difference {
    index: u64,
    what: String,
}

impl From<Difference> for Failure {
    fn from(d: Difference) -> Failure {
        Failure::with(Exit::Difference, format!("after message {}: {}", d.index, d.what))
    }
}

/// What `--json` says.
#[derive(Serialize)]
struct Report {
    messages: u64,
    by_type: BTreeMap<String, u64>,
    live_orders: usize,
    unknown_refs: BTreeMap<char, u64>,
    ns_per_message: Option<f64>,
    instruments: usize,
    malformed: u64,
    duplicate_refs: u64,
    over_reductions: u64,
    zero_quantities: u64,
    bad_prices: u64,
    instrument_mismatches: u64,
    capacity_refusals: u64,
    checked: bool,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read or an output not written (1); two outputs on stdout (2); with `check`, a difference (5).
pub fn run(args: &Args) -> Outcome {
    out::outcome(book(args))
}

fn book(args: &Args) -> Result<Exit, Stop> {
    let outputs = [&args.bbo, &args.last, &args.json];
    let on_stdout = outputs.iter().filter(|o| o.as_deref().is_some_and(out::is_stdout)).count();
    if on_stdout > 1 {
        return Err(Failure::with(Exit::Usage, "only one output can go to stdout").into());
    }
    let mut source = Source::open(&args.data).map_err(Failure::new)?;
    // All outputs are opened first: a day is not read for a file that cannot be written.
    let open = |path: &Option<PathBuf>| {
        path.as_deref().map(|p| Out::create(p, &[&args.data])).transpose().map_err(Stop::Failed)
    };
    let (mut bbo, last, json) = (open(&args.bbo)?, open(&args.last)?, open(&args.json)?);
    if let Some(out) = &mut bbo {
        out.write(format_args!("msg_index,timestamp,locate,symbol,bid_px,bid_sz,ask_px,ask_sz\n"))?;
    }
    let mut builder = Builder::new(&args.symbol, args.check);
    let (mut framed, mut rows) = (Vec::new(), Vec::new());
    let reading = Reading::new(&source);
    loop {
        framed.clear();
        let read = source.fill(&mut framed, STRETCH);
        reading.show(&source);
        let wanted = bbo.is_some().then_some(&mut rows);
        builder.stretch(&framed, wanted).map_err(|e| match e {
            Ok(difference) => Failure::from(difference),
            Err(sentence) => Failure::new(format!("{}: {sentence}", args.data.display())),
        })?;
        if let Some(out) = &mut bbo {
            write_bbo(out, &rows, builder.symbols())?;
            rows.clear();
        }
        if read.map_err(Failure::new)? == 0 {
            break;
        }
    }
    drop(reading);
    builder.finish().map_err(Failure::from)?;
    source.remarks().iter().for_each(|r| warn(r));
    if let Some(mut out) = bbo {
        out.flush()?;
    }
    if let Some(mut out) = last {
        write_final(&mut out, &builder)?;
        out.flush()?;
    }
    let report = report(&builder, args.check);
    if report.capacity_refusals > 0 {
        warn(&format!("{} orders had no room: the books lack them", report.capacity_refusals));
    }
    if let Some(mut out) = json {
        let text = serde_json::to_string(&report).expect("counts can be written");
        out.write(format_args!("{text}\n"))?;
        out.flush()?;
    }
    if on_stdout == 0 {
        let mut out = Out::stdout();
        out.write(format_args!("{}", summary(&args.data, &report)))?;
        out.flush()?;
    }
    match builder.missing().first() {
        None => Ok(Exit::Ok),
        Some(s) => {
            Err(Failure::new(format!("{}: no message names the symbol {s}", args.data.display())).into())
        }
    }
}

/// A price, or nothing where the side is absent.
struct Price(model::Px, u64);

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.1 == 0 { Ok(()) } else { self.0.0.fmt(f) }
    }
}

fn write_bbo(out: &mut Out, rows: &[Row], symbols: &Symbols) -> Result<(), Stop> {
    for r in rows {
        let (symbol, Top { bid_px, bid_qty, ask_px, ask_qty }) = (symbols.of(r.instrument), r.top);
        let (bid, ask) = (Price(bid_px, bid_qty), Price(ask_px, ask_qty));
        out.write(format_args!(
            "{},{},{},{symbol},{bid},{bid_qty},{ask},{ask_qty}\n",
            r.index, r.ts.0, r.instrument
        ))?;
    }
    Ok(())
}

fn write_final(out: &mut Out, builder: &Builder) -> Result<(), Stop> {
    out.write(format_args!("locate,symbol,side,price,shares,orders\n"))?;
    let mut levels = vec![Level::default(); 1_024];
    for id in builder.instruments() {
        let symbol = builder.symbols().of(id);
        for side in [Side::Buy, Side::Sell] {
            let mut n = builder.books().depth(id, side, &mut levels);
            while n == levels.len() {
                levels.resize(n * 2, Level::default());
                n = builder.books().depth(id, side, &mut levels);
            }
            let letter = side.letter();
            for Level { px, qty, orders } in &levels[..n] {
                out.write(format_args!("{id},{symbol},{letter},{},{qty},{orders}\n", px.0))?;
            }
        }
    }
    Ok(())
}

/// A message type by its letter, or by its number where that cannot be printed.
pub(super) fn type_name(kind: u8) -> String {
    if kind.is_ascii_graphic() { char::from(kind).to_string() } else { format!("0x{kind:02X}") }
}

fn report(builder: &Builder, checked: bool) -> Report {
    let stats = builder.stats();
    let books = builder.books();
    let has_orders = |id: &model::InstrumentId| books.top(*id) != Top::default();
    Report {
        messages: builder.tally().total(),
        by_type: builder.tally().iter().map(|(kind, n)| (type_name(kind), n)).collect(),
        live_orders: books.live_orders(),
        unknown_refs: stats.unknown_refs.by_letter().into_iter().collect(),
        ns_per_message: builder.ns_per_message(),
        instruments: builder.instruments().filter(has_orders).count(),
        malformed: builder.malformed(),
        duplicate_refs: stats.duplicate_refs,
        over_reductions: stats.over_reductions,
        zero_quantities: stats.zero_quantities,
        bad_prices: stats.bad_prices,
        instrument_mismatches: stats.instrument_mismatches,
        capacity_refusals: stats.capacity_refusals,
        checked,
    }
}

fn summary(data: &Path, r: &Report) -> String {
    let mut text = format!("{}: {} messages\n", data.display(), r.messages);
    let types: Vec<String> = r.by_type.iter().map(|(k, n)| format!("{k} {n}")).collect();
    let unknown: Vec<String> = r.unknown_refs.iter().map(|(k, n)| format!("{k} {n}")).collect();
    let wrong = [
        ("malformed messages", r.malformed),
        ("references that were live already", r.duplicate_refs),
        ("more shares than the order had", r.over_reductions),
        ("messages without shares", r.zero_quantities),
        ("prices out of range", r.bad_prices),
        ("messages of another instrument than their order's", r.instrument_mismatches),
        ("orders without room", r.capacity_refusals),
    ];
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<20} {value}").unwrap_or_default();
    line("types", types.join("  "));
    line("live orders", format!("{} in {} instruments", r.live_orders, r.instruments));
    line("unknown references", unknown.join("  "));
    for (name, n) in wrong.into_iter().filter(|(_, n)| *n > 0) {
        line("counted", format!("{n} {name}"));
    }
    match r.ns_per_message {
        Some(ns) => line("building", format!("{ns:.1} ns a message")),
        None if r.checked => line("check", "fast and naive books agree after every message".into()),
        None => {}
    }
    text
}
