//! `colo demo`: the simulated exchange, a core and a strategy on loopback sockets with real wire bytes.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Exit, Failure, Outcome, Registry, extent, live, report, signals};
use crate::config::{Config, Secrets, Topology, parse_toml};
use crate::core::Plan;
use crate::exchange::codec::Protocol;
use crate::exchange::config::{FixAccountConfig, FixPortConfig};
use crate::exchange::{self, AccountConfig, ExchangeConfig, FaultsConfig, FlowConfig, SpeedConfig};
use crate::host;
use crate::reconcile::{Figures, Verdict};

const SYMBOLS: [&str; 4] = ["AAPL", "MSFT", "NVDA", "AMZN"];
/// Instruments of a data file that the demo trades at most.
const FILE_SYMBOLS: usize = 8;

/// The simulated exchange, a core and a strategy on loopback sockets: no set-up, no privileges, no file needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo demo --seconds 10 --strategy quoter --topology inline")]
pub struct Args {
    /// How long to trade.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// An ITCH 5.0 file as the venue's background flow, compressed in time to fit; generated from the seed without one.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The strategy.
    #[arg(long, default_value = "quoter")]
    strategy: String,
    /// How agents are put on threads; by default what this host has cores for.
    #[arg(long, value_parser = ["pipelined", "inline"])]
    topology: Option<String>,
    /// What order entry speaks.
    #[arg(long, default_value = "ouch50", value_parser = ["ouch50", "ouch42", "fix44", "fix42"])]
    protocol: String,
    /// Seed of the generated flow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages a second of the generated flow.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// Share of datagrams that each line loses, percent; re-requests bring them back.
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    loss: f64,
    /// Names the region, control socket and journal folder.
    #[arg(long)]
    name: Option<String>,
    /// Where journals go.
    #[arg(long, default_value = "journal")]
    journal: PathBuf,
    /// Writes the report as JSON to this file, `-` for stdout.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The two ends of a FIX session.
const CLIENT: &str = "DEMO";
const VENUE: &str = "VENUE";

fn speaks_fix(args: &Args) -> bool {
    args.protocol.starts_with("fix")
}

/// A share that a line may lose, percent.
fn percent(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=50.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 50".into())
}

/// Runs it.
///
/// # Errors
/// In a sentence, with the exit code.
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let Some(entry) = registry.find(&args.strategy) else {
        let names = registry.names();
        return Err(Failure::with(Exit::Config, format!("--strategy {:?}; allowed: {names}", args.strategy)));
    };
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let (symbols, flow) = background(args)?;
    // The venue's thread wants a core of its own too.
    let cores = host::available_core_count();
    let topology = match args.topology.as_deref() {
        Some(t) => t.to_string(),
        None if cores >= 5 || speaks_fix(args) => "pipelined".into(),
        None => "inline".into(),
    };
    let lines = [free_udp_port()?, free_udp_port()?];
    let line = exchange::faults::LineFaults { loss: args.loss / 100.0, ..Default::default() };
    let venue = exchange::spawn(ExchangeConfig {
        name: "demo-venue".into(),
        symbols: symbols.clone(),
        session: None,
        lines: lines.to_vec(),
        interface: std::net::Ipv4Addr::LOCALHOST,
        rerequest: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ouch: SocketAddr::from(([127, 0, 0, 1], 0)),
        glimpse: None,
        mirror: None,
        fix: speaks_fix(args).then(|| FixPortConfig {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            tls: None,
            ca_file: None,
            comp_id: VENUE.into(),
        }),
        rest: None,
        control: None,
        accounts: vec![AccountConfig {
            username: "demo".into(),
            password: Some("demo".into()),
            firm: "DEMO".into(),
            protocol: match &args.protocol[..] {
                "ouch42" => Protocol::Ouch42,
                "fix44" => Protocol::Fix44,
                "fix42" => Protocol::Fix42,
                _ => Protocol::Ouch50,
            },
            fix: speaks_fix(args)
                .then(|| FixAccountConfig { comp_id: CLIENT.into(), ..FixAccountConfig::default() }),
            ..AccountConfig::default()
        }],
        flow,
        faults: FaultsConfig {
            seed: args.seed,
            line_a: line.clone(),
            line_b: line,
            ..FaultsConfig::default()
        },
        cancel_on_disconnect: false,
        self_match_prevention: false,
        wait_for_login: true,
        close_with_flow: false,
        end_of_session_ms: 100,
        market: exchange::config::MarketConfig::default(),
        script: Vec::new(),
    })
    .map_err(Failure::new)?;

    let name = args.name.clone().unwrap_or_else(|| format!("demo-{}", std::process::id()));
    let config = config(args, &name, &topology, &symbols, lines, &venue)?;
    if let Some(fix) = &config.gateways[0].fix {
        // A demo's venue is a new one: it knows nothing of the numbers of an earlier demo of this name.
        let _ = std::fs::remove_file(&fix.store);
    }
    let plan = Plan::new(&config, 1);
    live::say(&format!(
        "demo: {} on {cores} core(s), {} topology, {} instrument(s), {} s",
        args.strategy,
        match plan.topology {
            Topology::Pipelined => "pipelined",
            Topology::Inline => "inline",
        },
        symbols.len(),
        args.seconds
    ));
    let stop = signals::install().map_err(Failure::new)?;
    let began = Instant::now();
    let span = Duration::from_secs(args.seconds);
    let mut progress = live::Progress::new(span);
    let outcome = entry.run(&config, &plan, &mut |viewer, _| {
        progress.show(&viewer.read(), began.elapsed());
        began.elapsed() < span && !stop.raised()
    });
    progress.end();
    // A demo leaves its journal, and nothing in shared memory.
    crate::core::leave_nothing(&name);
    let truth = venue.stop().map_err(Failure::new)?;
    let run = outcome?;
    let verdict = Verdict::of(&Figures::ours(&run), &Figures::of_accounts(&truth.accounts));
    let mut value = report::to_json(&run, &verdict);
    value["venue"] = venue_json(&truth);
    if let Some(file) = &args.json {
        report::write_json(&value, file)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&report::to_text(&run, &verdict));
    }
    match verdict {
        Verdict::Equal(_) if run.failures.is_empty() && verdict.left_open() == 0 => {
            Ok(if stop.raised() { Exit::Interrupted } else { Exit::Ok })
        }
        Verdict::Equal(_) => Ok(Exit::Failure),
        _ => Ok(Exit::Difference),
    }
}

fn venue_json(o: &exchange::Outcome) -> Value {
    let a = &o.accounts[0];
    json!({
        "messages": o.counts.messages,
        "datagrams_lost": o.counts.lost,
        "accepted": a.counts.accepted,
        "rejected": a.counts.rejected,
        "fills": a.counts.fills,
        "shares": a.counts.shares,
        "live_orders": a.live_orders.len(),
        "cash": a.cash_e4 as f64 / 10_000.0,
    })
}

/// The venue's symbols and its background flow.
fn background(args: &Args) -> Result<(Vec<String>, FlowConfig), Failure> {
    let Some(path) = &args.data else {
        let flow = FlowConfig::Generated { seed: args.seed, messages_per_second: args.rate, messages: None };
        return Ok((SYMBOLS.map(String::from).to_vec(), flow));
    };
    let extent = extent::of(path)?;
    let symbols: Vec<String> = extent.symbols.iter().take(FILE_SYMBOLS).map(|(s, _)| s.to_string()).collect();
    if symbols.is_empty() {
        return Err(Failure::new(format!(
            "{}: names no instrument, so there is nothing to trade",
            path.display()
        )));
    }
    // The file's trading hours fit into the time there is, and a moment for the last fills.
    let span_s = (extent.span.0 as f64 / 1e9).max(0.001);
    let factor = (span_s / (args.seconds as f64 - 0.5).max(0.5)).max(0.000_001);
    live::say(&format!(
        "data: {} messages over {span_s:.1} s, played {factor:.1} times as fast",
        report::grouped(extent.messages)
    ));
    let flow = FlowConfig::File {
        path: path.clone(),
        speed: SpeedConfig::Factor(factor),
        messages_per_second: 100_000,
    };
    Ok((symbols, flow))
}

fn config(
    args: &Args,
    name: &str,
    topology: &str,
    symbols: &[String],
    lines: [SocketAddr; 2],
    venue: &exchange::Running,
) -> Result<Config, Failure> {
    let rerequest = venue.rerequest.map(|a| format!("{:?}", a.to_string())).unwrap_or_default();
    let fix = match venue.fix {
        Some(_) => {
            format!("[gateways.fix]\nsender_comp_id = \"{CLIENT}\"\ntarget_comp_id = \"{VENUE}\"\n")
        }
        None => String::new(),
    };
    let mut text = format!(
        "name = {name:?}\njournal_dir = {:?}\ntopology = {topology:?}\nidle = \"yield\"\n\
         [[feeds]]\nid = \"itch\"\nprotocol = \"itch50\"\nlines = [\"{}\", \"{}\"]\nrerequest = [{rerequest}]\n\
         [[gateways]]\nid = \"ouch\"\nprotocol = {:?}\nenvironment = \"test\"\naddress = \"{}\"\n\
         username = \"demo\"\npassword_env = \"COLO_DEMO_PASSWORD\"\nfirm = \"DEMO\"\n{fix}\
         [strategy]\nname = {:?}\n\
         [risk]\nmax_order_quantity = 1000\nmax_order_notional_usd = 1000000\nmax_position = 5000\nmax_open_orders = 50\n\
         max_messages_per_second = 1000\nprice_collar_bps = 500\nmax_daily_loss_usd = 100000\n",
        args.journal.display().to_string(),
        lines[0],
        lines[1],
        args.protocol,
        venue.fix.unwrap_or(venue.ouch),
        args.strategy
    );
    for s in symbols {
        text.push_str(&format!("[[instruments]]\nsymbol = {s:?}\nfeed = \"itch\"\ngateway = \"ouch\"\n"));
    }
    let invalid = |e: crate::config::ConfigError| Failure::with(Exit::Config, e);
    let file = Path::new("demo.toml");
    let written = parse_toml(&text, file).map_err(invalid)?;
    let mut config = Config::resolve(written, file, Secrets::Skip).map_err(invalid)?;
    config.gateways[0].account.password = "demo".into();
    Ok(config)
}

/// A port that nobody has now.
fn free_udp_port() -> Result<SocketAddr, Failure> {
    UdpSocket::bind(("127.0.0.1", 0)).and_then(|s| s.local_addr()).map_err(Failure::new)
}
