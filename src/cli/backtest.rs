//! `colo backtest`: a strategy over days that are over.

use std::path::PathBuf;
use std::time::Instant;

use backtest::drift::Expectation;
use serde_json::json;

use super::out::{self, Out, Stop};
use super::{Exit, Failure, Outcome, Registry, live};
use crate::clock::Clock;
use crate::config::{Config, Secrets, Written, read_toml};
use crate::manifest;
use crate::release::{evidence, model_sha256};
use crate::research::{Benchmark, Job, Made, Summary, Trouble, expectation, market, page};

/// A strategy over history: the same strategy, risk and order state as a core that trades, against orders as they were.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo backtest --config colo.toml --data 20120621.itch --report day.html
  colo backtest --config colo.toml --data journal/desk1/run-000007 --reports recorded --journal journal/again
  colo backtest --config colo.toml --data 20120621.itch --data 20120622.itch.gz --params quantity=200 --json - --trades fills.csv

One file is one day: ITCH 5.0, the same gzipped, pcap with MoldUDP64, PITCH, LOBSTER messages or DBN; its date is taken from its name. Each day begins flat.
A folder is a core's journal with its captures: the market as that core heard it, when it heard it.
How the venue is stands in the configuration under [backtest]: impact, latency of three legs, capital. Times are the days' own: nothing of this machine enters.

Exit code 3: the configuration or a parameter is invalid. Exit code 1: a file cannot be read to its end.")]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A day; as often as there are days
    #[arg(long, value_name = "FILE", required = true)]
    pub data: Vec<PathBuf>,
    /// A parameter of the strategy in place of the configuration's
    #[arg(long, value_name = "K=V")]
    pub params: Vec<String>,
    /// Days at once; all cores where absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub threads: Option<u64>,
    /// Of a day that is a core's journal: `recorded` takes its reports as they came, `simulated` those of a venue as [backtest] says
    #[arg(long, value_name = "WHOSE", default_value = "simulated", value_parser = ["simulated", "recorded"])]
    pub reports: String,
    /// Leave a journal of each day in this folder, for `colo compare` and whatever else reads journals; the venue is that of paper then
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Write every figure as JSON ("-" is stdout): evidence for `colo promote`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write what is expected of the strategy while it runs: the bounds of `[expectation]`, from windows of these days
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// How long such a window is
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub expect_window_s: u64,
    /// Write every fill as CSV ("-" is stdout)
    #[arg(long, value_name = "FILE")]
    pub trades: Option<PathBuf>,
    /// Write a report as one file of HTML: equity, drawdown, positions, fills on the price, markouts, latency
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Returns to set the days beside: a CSV with the head `date,close` or `date,return`
    #[arg(long, value_name = "FILE.csv")]
    pub benchmark: Option<PathBuf>,
}

/// Runs the command, with the strategies of this binary.
///
/// # Errors
/// An invalid configuration (3), a file that cannot be read or written (1).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    out::outcome(backtest(args, registry))
}

fn backtest(args: &Args, registry: &Registry) -> Result<Exit, Stop> {
    let invalid = |e: &dyn std::fmt::Display| Failure::with(Exit::Config, e);
    let mut written: Written = read_toml(&args.config).map_err(|e| invalid(&e))?;
    for given in &args.params {
        let (name, value) = param(given)?;
        written.strategy.params.insert(name, value);
    }
    if let Some(expected) = written.expectation.as_mut().filter(|_| args.expect.is_some()) {
        // The file that is about to be made need not be there.
        (expected.file, expected.bounds) = (None, Some(Expectation::of_anything(args.expect_window_s)));
    }
    let config = Config::resolve(written, &args.config, Secrets::Skip).map_err(|e| invalid(&e))?;
    let at = args.config.display();
    let entry = registry.find(&config.strategy).ok_or_else(|| {
        let known = registry.names();
        invalid(&format!("{at}: `strategy.name` is {:?}; allowed: {known}", config.strategy))
    })?;
    entry.check(&config).map_err(|e| invalid(&format!("{at}: {e}")))?;
    let benchmark = args.benchmark.as_deref().map(Benchmark::read).transpose().map_err(|e| invalid(&e))?;
    // The outputs first: no day is run for a file that cannot be written.
    let json = args.json.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let trades = args.trades.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let expect = args.expect.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let report = args.report.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let days = args.data.len();
    let done = |n: usize| {
        if days > 1 {
            live::say(&format!("{n} of {days} days"));
        }
    };
    let threads = args.threads.map_or(cores, |n| n as usize);
    let job = Job {
        config: &config,
        data: &args.data,
        as_recorded: args.reports == "recorded",
        keep: args.journal.as_deref(),
        threads: if args.journal.is_some() { 1 } else { threads },
        details: true,
        done: &done,
    };
    let began = Instant::now();
    let made = entry.backtest(&job).map_err(failure)?;
    let took = began.elapsed();
    let messages: u64 = made.iter().map(|m| m.ran.messages).sum();
    let mut summary = Summary::of(&config, &made);
    if let Some(benchmark) = benchmark {
        let matched = benchmark.compare(&config, &made, &mut summary);
        if matched < made.len() {
            super::warn(&format!("the benchmark has {matched} of {} days", made.len()));
        }
    }
    if let Some(mut out) = json {
        let figures = summary.to_json(took.as_nanos() as f64 / messages.max(1) as f64);
        out.write(format_args!("{}", told(figures, &config, &args.data)?))?;
        out.flush()?;
    }
    if let Some(out) = trades {
        write_trades(out, &config, &made)?;
    }
    if let Some(mut out) = expect {
        let expected = expectation(&config, &made, args.expect_window_s).map_err(Failure::new)?;
        let text = serde_json::to_string(&expected).map_err(Failure::new)?;
        out.write(format_args!("{text}\n"))?;
        out.flush()?;
    }
    if let Some(mut out) = report {
        out.write(format_args!("{}", page(&config, &made, &summary)))?;
        out.flush()?;
    }
    let is_taken = [&args.json, &args.trades, &args.expect, &args.report]
        .into_iter()
        .any(|p| p.as_deref().is_some_and(out::is_stdout));
    if !is_taken {
        let mut out = Out::stdout();
        out.write(format_args!("{}", summary.to_text()))?;
        out.flush()?;
        let rate = messages as f64 / took.as_secs_f64().max(1e-9) / 1e6;
        live::say(&format!("{messages} messages in {:.2} s: {rate:.2} M/s", took.as_secs_f64()));
    }
    Ok(Exit::Ok)
}

/// The figures as sealed evidence: with the hashes of program, configuration, parameters, and of each day of the market.
fn told(mut figures: serde_json::Value, config: &Config, data: &[PathBuf]) -> Result<String, Failure> {
    let hash = |file: &PathBuf| {
        let sha256 = market::sha256(file, config.feeds.iter().map(|f| &*f.id))
            .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
        Ok(json!({ "file": file.display().to_string(), "sha256": sha256 }))
    };
    figures["model_sha256"] = json!(model_sha256(config));
    figures["data"] = data.iter().map(hash).collect::<Result<_, Failure>>()?;
    let binary = manifest::of_this_program().map_err(Failure::new)?;
    evidence::stamp(&mut figures, "backtest", config, &binary, Clock::new().now());
    Ok(evidence::sealed(&figures))
}

/// What a person is told, and the exit code, of a day that could not be run.
pub(super) fn failure(e: Trouble) -> Failure {
    let exit = match e {
        Trouble::Params(_) | Trouble::Settings(_) | Trouble::Journal { .. } => Exit::Config,
        Trouble::Source(_)
        | Trouble::Message { .. }
        | Trouble::NothingOfOurs { .. }
        | Trouble::NeverOpen(_) => Exit::Failure,
    };
    Failure::with(exit, e)
}

/// A value as TOML has it; a word without quotation marks is text.
fn param(given: &str) -> Result<(String, toml::Value), Failure> {
    let wrong = || Failure::with(Exit::Usage, format!("--params {given:?} is not K=V"));
    let (name, value) = given.split_once('=').ok_or_else(wrong)?;
    if name.trim().is_empty() || value.trim().is_empty() {
        return Err(wrong());
    }
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}")).ok().and_then(|mut t| t.remove("v"));
    Ok((name.trim().to_owned(), parsed.unwrap_or_else(|| toml::Value::String(value.trim().to_owned()))))
}

/// One row a fill, in the order in which the strategy knew of them. Prices are integers, 1e-4 USD; times ns since the Unix epoch.
fn write_trades(mut out: Out, config: &Config, made: &[Made]) -> Result<(), Stop> {
    out.write(format_args!("day,at,traded,token,symbol,side,qty,px,liquidity,decided_mid2,mid2_after_1ms,mid2_after_10ms,mid2_after_100ms,mid2_after_1s,mid2_after_10s,mid2_after_60s\n"))?;
    for (k, m) in made.iter().enumerate() {
        for f in &m.recorder.fills {
            let symbol = config.instruments[f.instrument.index()].symbol;
            let traded = m.midnight.after(f.traded).0;
            let later: Vec<_> = f.later_mid2.iter().map(i64::to_string).collect();
            out.write(format_args!(
                "{},{},{traded},{},{symbol},{},{},{},{},{},{}\n",
                k + 1,
                f.at.0,
                f.token.0,
                if f.side == model::Side::Buy { 'B' } else { 'S' },
                f.qty.0,
                f.px.0,
                char::from(f.liquidity),
                f.decided_mid2,
                later.join(",")
            ))?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_name_and_a_value() {
        assert_eq!(param("quantity=100").unwrap(), ("quantity".into(), toml::Value::Integer(100)));
        assert_eq!(param(" on = true").unwrap(), ("on".into(), toml::Value::Boolean(true)));
        assert_eq!(param("mode=slow").unwrap(), ("mode".into(), toml::Value::String("slow".into())));
        for bad in ["quantity", "=1", "a=", ""] {
            assert!(param(bad).is_err(), "{bad:?}");
        }
    }
}
