//! From what was written to what can be run: every check, each with its key.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use engine::limits::INSTRUMENTS_MAX;
use engine::strategy::{ParamValue, Params};
use engine::{BookSanity, RiskLimits};
use gateways::gateway::Barrier;
use gateways::order::ClOrdId;
use model::{FeedId, GatewayId, Instrument, InstrumentId, Nanos, Symbol};
use net::udp::Stamps;

use super::backtest;
use super::secrets::Secrets;
use super::written::{self, Written};
use super::{Account, Config, ConfigError, Cores, Environment, Feed, Gateway, Problem, Topology, journal};
use super::{
    control, depth, expectation, fees, fix, host, options, release, rest, risk, start_of_day, throttle,
    transport, watchdog,
};
use crate::agent::IdleStrategy;
use crate::manifest;
use crate::order_protocol::OrderProtocol;
use crate::protocol::FeedProtocol;
use crate::telemetry::layout::PORTS_MAX;

/// Collects problems while values are taken.
pub(super) struct Checks {
    problems: Vec<Problem>,
}

impl Checks {
    pub(super) fn problem(
        &mut self,
        key: impl Into<String>,
        found: impl ToString,
        allowed: impl Into<String>,
    ) {
        self.problems.push(Problem { key: key.into(), found: found.to_string(), allowed: allowed.into() });
    }

    pub(super) fn word<T: Copy>(&mut self, key: &str, found: &str, allowed: &[(&str, T)]) -> Option<T> {
        let hit = allowed.iter().find(|(w, _)| *w == found).map(|(_, v)| *v);
        if hit.is_none() {
            let words: Vec<_> = allowed.iter().map(|(w, _)| format!("\"{w}\"")).collect();
            self.problem(key, format!("{found:?}"), words.join(" or "));
        }
        hit
    }

    pub(super) fn range(&mut self, key: &str, found: Option<i64>, default: i64, min: i64, max: i64) -> i64 {
        match found {
            None => default,
            Some(v) if (min..=max).contains(&v) => v,
            Some(v) => {
                self.problem(key, v, format!("an integer from {min} to {max}"));
                default
            }
        }
    }

    pub(super) fn millis(&mut self, key: &str, found: Option<i64>, default: Nanos, max: i64) -> Nanos {
        Nanos::from_millis(self.range(key, found, (default.0 / 1_000_000) as i64, 0, max) as u64)
    }

    fn address(&mut self, key: &str, found: &str) -> SocketAddr {
        match found.parse() {
            Ok(a @ SocketAddr::V4(_)) if a.port() != 0 => a,
            _ => {
                self.problem(
                    key,
                    format!("{found:?}"),
                    "an IPv4 address and port, such as \"127.0.0.1:26001\"",
                );
                SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
            }
        }
    }

    fn names<'a>(&mut self, what: &str, ids: impl Iterator<Item = &'a String>) {
        let mut seen = BTreeSet::new();
        for (k, id) in ids.enumerate() {
            if !is_name(id) {
                self.problem(format!("{what}[{k}].id"), format!("{id:?}"), NAME_ALLOWED);
            }
            if !seen.insert(id) {
                self.problem(format!("{what}[{k}].id"), format!("{id:?}, used before"), "an id of its own");
            }
        }
    }
}

const NAME_ALLOWED: &str = "1 to 32 letters, digits, `-` or `_`";

fn is_name(s: &str) -> bool {
    (1..=32).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(super) fn resolve(mut written: Written, file: &Path, secrets: Secrets) -> Result<Config, ConfigError> {
    let base = file.parent().unwrap_or(Path::new("."));
    let (of_feeds, of_gateways) = secrets.apart();
    let mut c = Checks { problems: Vec::new() };
    if !is_name(&written.name) {
        c.problem("name", format!("{:?}", written.name), NAME_ALLOWED);
    }
    let topologies = [("pipelined", Topology::Pipelined), ("inline", Topology::Inline)];
    let topology = c.word("topology", &written.topology, &topologies).unwrap_or(Topology::Inline);
    let idles = [("spin", IdleStrategy::Spin), ("yield", IdleStrategy::Yield), ("park", IdleStrategy::Park)];
    let idle = c.word("idle", &written.idle, &idles).unwrap_or(IdleStrategy::Park);
    c.names("feeds", written.feeds.iter().map(|f| &f.id));
    c.names("gateways", written.gateways.iter().map(|g| &g.id));
    let capacity_of = |f: &written::Feed| match f.depth {
        // Each of its levels is an order.
        Some(_) => written.capacity.live_orders.min(written.capacity.levels),
        None => written.capacity.live_orders,
    };
    let of = |c: &mut Checks, (k, f): (usize, &written::Feed)| Feed {
        live_orders: capacity_of(f),
        ..feed(c, k, f, base, of_feeds)
    };
    let feeds: Vec<_> = written.feeds.iter().enumerate().map(|f| of(&mut c, f)).collect();
    let journal_dir = base.join(&written.journal_dir).join(&written.name);
    let folders = (base, &*journal_dir);
    let gateways: Vec<_> = written
        .gateways
        .iter()
        .enumerate()
        .map(|(k, g)| gateway(&mut c, k, g, folders, of_gateways))
        .collect();
    if topology == Topology::Inline && gateways.iter().any(|g| g.rest.is_some()) {
        let needed = "\"pipelined\", where a gateway speaks rest_ws: it has a thread of its own";
        c.problem("topology", "\"inline\"", needed);
    }
    if topology == Topology::Inline && gateways.iter().any(|g| g.fix.is_some()) {
        let needed = "\"pipelined\", where a gateway speaks FIX: it writes its store with each message";
        c.problem("topology", "\"inline\"", needed);
    }
    let mut stores = BTreeMap::new();
    for (k, fix) in gateways.iter().enumerate().filter_map(|(k, g)| Some((k, g.fix.as_ref()?))) {
        if let Some(other) = stores.insert(&fix.store, k) {
            let found = format!("{:?} and {:?}, as gateways[{other}]", fix.sender, fix.target);
            c.problem(format!("gateways[{k}].fix.target_comp_id"), found, "a session of its own");
        }
    }
    let is_copy = |g: &Gateway| g.fix.as_ref().is_some_and(|fix| fix.drop_copy);
    if gateways.iter().any(is_copy) && written.strategy.name != "observer" {
        let needed = "\"observer\", where a gateway is a drop copy: nothing can be sent there";
        c.problem("strategy.name", format!("{:?}", written.strategy.name), needed);
    }
    transport::queues(&mut c, &feeds, &gateways);
    transport::captures(&mut c, &feeds, &gateways);
    if topology == Topology::Inline && feeds.iter().any(|f| f.depth.is_some()) {
        let needed = "\"pipelined\", where a feed speaks depth: it has a thread of its own";
        c.problem("topology", "\"inline\"", needed);
    }
    let instruments = instruments(&mut c, &written);
    let sha256 = manifest::of_text(&toml::to_string(&written).expect("what was read can be written"));
    if let Some(expected) = &mut written.expectation {
        expectation::read(&mut c, expected, base);
    }
    let lists = risk::read_lists(&mut c, &mut written.risk, base);
    let risk = risk::resolve(&mut c, &written.risk, &instruments, &gateways);
    let limits = risk.limits;
    if let Some(day) = &mut written.start_of_day {
        start_of_day::read(&mut c, day, base);
    }
    let openings =
        written.start_of_day.as_ref().map(|day| start_of_day::resolve(&mut c, day, &instruments, &limits));
    let sanity = sanity(&mut c, &written.sanity);
    let cores = cores(&mut c, &written);
    let journal = journal::resolve(&mut c, &written.journal);
    let roles = control::resolve(&mut c, &written.control);
    let sandbox = host::resolve(&mut c, &written.host);
    let watchdog = watchdog::resolve(&mut c, &written.watchdog);
    let history =
        backtest::resolve(&mut c, written.backtest.as_ref().unwrap_or(&backtest::Backtest::default()), base);
    let expectation = written
        .expectation
        .as_ref()
        .and_then(|e| expectation::resolve(&mut c, e, &instruments, history.capital));
    capacity(&mut c, &written.capacity, &limits);
    let params = params(&mut c, &written.strategy);
    if !c.problems.is_empty() {
        return Err(ConfigError { file: file.to_path_buf(), problems: c.problems });
    }
    Ok(Config {
        name: written.name.clone(),
        journal_dir,
        topology,
        idle,
        cores,
        feeds,
        gateways,
        instruments,
        openings,
        strategy: written.strategy.name.clone(),
        params,
        limits,
        scopes: risk.scopes,
        breakers: risk.breakers,
        outside: risk.outside,
        lists,
        sanity,
        roles,
        sandbox,
        approved: written.host.approved.as_ref().map(|file| base.join(file)),
        release: written.release.as_ref().map(|r| release::resolve(r, base)),
        sha256,
        watchdog,
        journal,
        history,
        expectation,
        capacity: written.capacity.clone(),
        sample_every: written.telemetry.sample_every,
        written,
    })
}

/// The feeds alone, for whoever listens beside a core: to lines of the market.
pub(super) fn feeds(written: &[written::Feed], file: &Path) -> Result<Vec<Feed>, ConfigError> {
    let base = file.parent().unwrap_or(Path::new("."));
    let mut c = Checks { problems: Vec::new() };
    c.names("feeds", written.iter().map(|f| &f.id));
    if !(1..=PORTS_MAX).contains(&written.len()) {
        c.problem("feeds", format!("{} entries", written.len()), format!("1 to {PORTS_MAX}"));
    }
    let feeds: Vec<_> =
        written.iter().enumerate().map(|(k, f)| feed(&mut c, k, f, base, Secrets::Read)).collect();
    for (k, line) in transport::captured(&feeds) {
        let needed = "a line of the market: what a capture holds is recorded already";
        c.problem(format!("feeds[{k}].transports[{line}].transport"), "\"capture\"", needed);
    }
    match c.problems.is_empty() {
        true => Ok(feeds),
        false => Err(ConfigError { file: file.to_path_buf(), problems: c.problems }),
    }
}

fn feed(c: &mut Checks, k: usize, f: &written::Feed, base: &Path, secrets: Secrets) -> Feed {
    let key = |name: &str| format!("feeds[{k}].{name}");
    let protocol = c.word(&key("protocol"), &f.protocol, FeedProtocol::WORDS).unwrap_or(FeedProtocol::Itch50);
    if !protocol.has_servers() {
        let none = format!("nothing: a feed of {} has no server that is asked here", f.protocol);
        if !f.rerequest.is_empty() {
            c.problem(key("rerequest"), format!("{:?}", f.rerequest), &none);
        }
        if f.glimpse.is_some() {
            c.problem(key("glimpse"), "given", &none);
        }
    }
    let only = match f.unit {
        Some(unit) if protocol.stream_of_unit(1).is_none() => {
            c.problem(key("unit"), unit, format!("nothing: a feed of {} has no units", f.protocol));
            None
        }
        // The first that is heard may be another unit's, on lines that carry several.
        None if protocol.stream_of_unit(1).is_some() => {
            let needed = format!("the unit of the feed, 1 to 255: lines of {} may carry several", f.protocol);
            c.problem(key("unit"), "not given", needed);
            None
        }
        unit => protocol.stream_of_unit(c.range(&key("unit"), unit, 1, 1, 255) as u8),
    };
    let depth = depth::of_feed(c, &format!("feeds[{k}]"), (protocol, f), base, secrets);
    if protocol != FeedProtocol::Depth && !(1..=4).contains(&f.lines.len()) {
        c.problem(key("lines"), format!("{} lines", f.lines.len()), "1 to 4 addresses");
    }
    let interface = f.interface.parse().unwrap_or_else(|_| {
        c.problem(key("interface"), format!("{:?}", f.interface), "the IPv4 address of a local interface");
        Ipv4Addr::LOCALHOST
    });
    let lines: Vec<_> = f.lines.iter().map(|a| c.address(&key("lines"), a)).collect();
    if lines.iter().collect::<BTreeSet<_>>().len() != lines.len() {
        c.problem(key("lines"), "the same address twice", "a different address for each line");
    }
    if !f.sources.is_empty() {
        if f.sources.len() != f.lines.len() {
            c.problem(key("sources"), format!("{} sources", f.sources.len()), "one for each line, or none");
        }
        if lines.iter().any(|line| !line.ip().is_multicast()) {
            c.problem(key("sources"), "given beside a unicast line", "sources of multicast groups");
        }
    }
    let source = |c: &mut Checks, address: &String| {
        address.parse().unwrap_or_else(|_| {
            c.problem(key("sources"), format!("{address:?}"), "the IPv4 address of a line's source");
            Ipv4Addr::LOCALHOST
        })
    };
    let sources = f.sources.iter().map(|s| source(c, s)).collect();
    let ranged = |c: &mut Checks, name: &str, v: u64, min: i64, max: i64| {
        c.range(&key(name), Some(i64::try_from(v).unwrap_or(i64::MAX)), min, min, max) as u64
    };
    let busy_poll_us =
        Some(ranged(c, "busy_poll_us", f.busy_poll_us.into(), 0, 10_000) as u32).filter(|v| *v != 0);
    let glimpse = f.glimpse.as_ref().map(|g| {
        let given = Given {
            key: key("glimpse"),
            address: &g.address,
            username: &g.username,
            password_file: g.password_file.as_ref(),
            password_env: g.password_env.as_ref(),
            longest: SOUP_LONGEST,
        };
        account(c, &given, base, secrets)
    });
    Feed {
        id: f.id.clone(),
        protocol,
        live_orders: written::Capacity::default().live_orders,
        only,
        depth,
        glimpse,
        snapshot_after_messages: ranged(
            c,
            "snapshot_after_messages",
            f.snapshot_after_messages,
            0,
            1_000_000_000_000,
        ),
        interface,
        sources,
        compare_lines: f.compare_lines,
        rerequest: f.rerequest.iter().map(|a| c.address(&key("rerequest"), a)).collect(),
        gap_wait: Nanos(ranged(c, "gap_wait_us", f.gap_wait_us, 0, 10_000_000) * 1_000),
        silence: Nanos::from_millis(ranged(c, "silence_ms", f.silence_ms, 10, 600_000)),
        reorder_window: ranged(c, "reorder_window", f.reorder_window as u64, 1, 1 << 20) as usize,
        receive_buffer: ranged(c, "receive_buffer_bytes", f.receive_buffer_bytes as u64, 4_096, 1 << 30)
            as usize,
        ways: transport::lines(c, &key("transports"), &f.transports, &lines, (busy_poll_us, base)),
        busy_poll_us,
        incoming_cpu: f.incoming_cpu.map(|cpu| ranged(c, "incoming_cpu", cpu.into(), 0, 4_095) as u32),
        stamps: c.word(&key("timestamps"), &f.timestamps, Stamps::WORDS).unwrap_or_default(),
        lines,
    }
}

fn gateway(
    c: &mut Checks,
    k: usize,
    g: &written::Gateway,
    (base, journals): (&Path, &Path),
    secrets: Secrets,
) -> Gateway {
    let key = |name: &str| format!("gateways[{k}].{name}");
    let protocol =
        c.word(&key("protocol"), &g.protocol, OrderProtocol::WORDS).unwrap_or(OrderProtocol::Ouch50);
    let environments = [("test", Environment::Test), ("production", Environment::Production)];
    let environment = match &g.environment {
        Some(word) => c.word(&key("environment"), word, &environments),
        None => {
            c.problem(key("environment"), "not given", "\"test\" or \"production\"");
            None
        }
    };
    let barrier = match (&g.barrier, protocol.barrier()) {
        (None, barrier) => barrier,
        (Some(word), Barrier::AccountQuery) => {
            let words = [("account_query", Barrier::AccountQuery), ("none", Barrier::None)];
            c.word(&key("barrier"), word, &words).unwrap_or(Barrier::AccountQuery)
        }
        (Some(word), Barrier::None) => {
            c.word(&key("barrier"), word, &[("none", Barrier::None)]).unwrap_or(Barrier::None)
        }
    };
    let rest = match (protocol, &g.rest) {
        (OrderProtocol::RestWs, Some(venue)) => Some(rest::resolve(c, &key("rest"), venue, base, secrets)),
        (OrderProtocol::RestWs, None) => {
            c.problem(key("rest"), "not given", "a table: where the venue is, and who we are to it");
            None
        }
        (_, Some(_)) => {
            c.problem(key("rest"), "given", "nothing but with protocol \"rest_ws\"");
            None
        }
        (_, None) => None,
    };
    let firm = if rest.is_some() { [b' '; 4] } else { firm(c, &key("firm"), &g.firm) };
    let order_text = match g.order_tag.as_ref().map(|t| <[u8; 4]>::try_from(t.as_bytes())) {
        None => ClOrdId::Blank,
        Some(Ok(tag)) if tag.iter().all(u8::is_ascii_alphanumeric) => ClOrdId::Tagged(tag),
        Some(_) => {
            c.problem(key("order_tag"), format!("{:?}", g.order_tag), "4 letters or digits");
            ClOrdId::Blank
        }
    };
    let speaks_fix = matches!(protocol, OrderProtocol::Fix42 | OrderProtocol::Fix44);
    let given = Given {
        key: format!("gateways[{k}]"),
        address: &g.address,
        username: &g.username,
        password_file: g.password_file.as_ref(),
        password_env: g.password_env.as_ref(),
        longest: if speaks_fix { FIX_LONGEST } else { SOUP_LONGEST },
    };
    let fix = match (&g.fix, speaks_fix) {
        (Some(w), true) => Some(fix::resolve(c, &given.key, w, (base, journals), secrets)),
        (None, false) => None,
        (Some(_), false) => {
            c.problem(key("fix"), "given", "nothing: this protocol is not FIX");
            None
        }
        (None, true) => {
            c.problem(key("fix"), "not given", "a table with sender_comp_id and target_comp_id");
            None
        }
    };
    let is_tls = fix.as_ref().is_some_and(|fix| fix.tls.is_some());
    let way = (protocol, is_tls);
    Gateway {
        bypass: transport::host(c, &format!("gateways[{k}]"), &g.transport, g.xdp.as_ref(), way),
        id: g.id.clone(),
        sessions: journals.join(format!("sessions-{}", g.id)),
        environment: environment.unwrap_or(Environment::Production),
        account: match rest {
            None => account(c, &given, base, secrets),
            Some(_) => Account {
                address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                username: String::new(),
                password: String::new(),
            },
        },
        firm,
        rest,
        order_text,
        options: options::resolve(c, &key("options"), g.options.as_ref(), protocol),
        protocol,
        barrier,
        fees: fees::resolve(c, &key("fees_micro_usd"), &g.fees_micro_usd),
        throttle: throttle::resolve(c, &key("throttle"), &g.throttle, &g.protocol),
        fix,
    }
}

fn firm(c: &mut Checks, key: &str, found: &str) -> [u8; 4] {
    let mut firm = [b' '; 4];
    match found.len() {
        1..=4 if found.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            firm[..found.len()].copy_from_slice(found.as_bytes());
        }
        _ => c.problem(key, format!("{found:?}"), "1 to 4 letters or digits"),
    }
    firm
}

/// What a configuration says of a session at a venue, under `key`.
struct Given<'a> {
    key: String,
    address: &'a str,
    username: &'a str,
    password_file: Option<&'a String>,
    password_env: Option<&'a String>,
    /// Characters of user and password.
    longest: (usize, usize),
}

/// SoupBinTCP's fields, and what a FIX session takes.
const SOUP_LONGEST: (usize, usize) = (6, 10);
const FIX_LONGEST: (usize, usize) = (128, 128);

fn account(c: &mut Checks, given: &Given<'_>, base: &Path, secrets: Secrets) -> Account {
    let username = given.username;
    let longest = given.longest.0;
    if !(1..=longest).contains(&username.len()) || !username.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let key = format!("{}.username", given.key);
        c.problem(key, format!("{username:?}"), format!("1 to {longest} letters or digits"));
    }
    let password = match secrets {
        Secrets::Skip | Secrets::Market => String::new(),
        Secrets::Read => password(c, given, base),
    };
    let address = c.address(&format!("{}.address", given.key), given.address);
    Account { address, username: username.to_owned(), password }
}

/// Reads a password. Its text is in no error.
fn password(c: &mut Checks, given: &Given<'_>, base: &Path) -> String {
    let key = |name: &str| format!("{}.{name}", given.key);
    let (name, text) = match (given.password_file, given.password_env) {
        (Some(file), None) => {
            let path = base.join(file);
            match std::fs::read_to_string(&path) {
                Ok(text) => ("password_file", text),
                Err(e) => {
                    let found = format!("{file:?}, unreadable ({e})");
                    c.problem(key("password_file"), found, "a readable file that holds the password");
                    return String::new();
                }
            }
        }
        (None, Some(var)) => match std::env::var(var) {
            Ok(text) => ("password_env", text),
            Err(_) => {
                c.problem(
                    key("password_env"),
                    format!("{var:?}, not set"),
                    "an environment variable that is set",
                );
                return String::new();
            }
        },
        _ => {
            c.problem(
                key("password_file"),
                "given twice or not at all",
                "one of password_file and password_env",
            );
            return String::new();
        }
    };
    let text = text.trim_end_matches(['\n', '\r']).to_string();
    let longest = given.longest.1;
    if !(1..=longest).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        c.problem(key(name), "not a password", format!("1 to {longest} printable characters"));
    }
    text
}

fn instruments(c: &mut Checks, w: &Written) -> Vec<Instrument> {
    if !(1..=INSTRUMENTS_MAX).contains(&w.instruments.len()) {
        c.problem(
            "instruments",
            format!("{} entries", w.instruments.len()),
            format!("1 to {INSTRUMENTS_MAX}"),
        );
    }
    let mut seen = BTreeSet::new();
    let mut out = Vec::with_capacity(w.instruments.len());
    for (k, i) in w.instruments.iter().enumerate() {
        let key = |name: &str| format!("instruments[{k}].{name}");
        let symbol = Symbol::new(&i.symbol);
        if symbol.is_none() {
            c.problem(key("symbol"), format!("{:?}", i.symbol), "1 to 8 printable characters without spaces");
        }
        // Positions and limits are kept by instrument: one that is traded at two venues would have each limit twice.
        if !seen.insert(&i.symbol) {
            c.problem(key("symbol"), format!("{:?}, named before", i.symbol), "each symbol once");
        }
        let known = |ids: Vec<&String>| ids.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        let feed = w.feeds.iter().position(|f| f.id == i.feed);
        if feed.is_none() {
            let ids = known(w.feeds.iter().map(|f| &f.id).collect());
            c.problem(key("feed"), format!("{:?}", i.feed), format!("the id of a feed ({ids})"));
        }
        let gateway = w.gateways.iter().position(|g| g.id == i.gateway);
        if gateway.is_none() {
            let ids = known(w.gateways.iter().map(|g| &g.id).collect());
            c.problem(key("gateway"), format!("{:?}", i.gateway), format!("the id of a gateway ({ids})"));
        }
        out.push(Instrument {
            id: InstrumentId(k as u16),
            symbol: symbol.unwrap_or_default(),
            feed: FeedId(feed.unwrap_or(0) as u8),
            gateway: GatewayId(gateway.unwrap_or(0) as u8),
        });
    }
    for (what, n) in [("feeds", w.feeds.len()), ("gateways", w.gateways.len())] {
        if !(1..=PORTS_MAX).contains(&n) {
            c.problem(what, format!("{n} entries"), format!("1 to {PORTS_MAX}"));
        }
    }
    out
}

fn sanity(c: &mut Checks, s: &written::Sanity) -> BookSanity {
    let d = BookSanity::default();
    let sanity = BookSanity {
        max_crossed: c.millis("sanity.max_crossed_ms", s.max_crossed_ms, d.max_crossed, 600_000),
        max_locked: c.millis("sanity.max_locked_ms", s.max_locked_ms, d.max_locked, 600_000),
        max_jump_bps: c.range("sanity.max_jump_bps", s.max_jump_bps, d.max_jump_bps, 0, 10_000),
        jump_rest: c.millis("sanity.jump_rest_ms", s.jump_rest_ms, d.jump_rest, 600_000),
    };
    if let Err(e) = sanity.check() {
        c.problem("sanity.jump_rest_ms", sanity.jump_rest.0 / 1_000_000, e.to_string());
    }
    sanity
}

fn cores(c: &mut Checks, w: &Written) -> Cores {
    let mut each = |what: &str, given: &[usize], n: usize| -> Vec<Option<usize>> {
        if !given.is_empty() && given.len() != n {
            c.problem(
                format!("cores.{what}"),
                format!("{} cores", given.len()),
                format!("none, or one for each of the {n}"),
            );
        }
        (0..n).map(|k| given.get(k).copied()).collect()
    };
    let feeds = each("feeds", &w.cores.feeds, w.feeds.len());
    let gateways = each("gateways", &w.cores.gateways, w.gateways.len());
    if w.cores.realtime_priority > 99 {
        c.problem("cores.realtime_priority", w.cores.realtime_priority, "0 (off) to 99");
    }
    Cores {
        feeds,
        strategy: w.cores.strategy,
        gateways,
        cold: w.cores.cold,
        realtime: Some(w.cores.realtime_priority).filter(|p| *p != 0),
        lock_memory: w.cores.lock_memory,
    }
}

fn capacity(c: &mut Checks, w: &written::Capacity, limits: &RiskLimits) {
    let checks = [
        ("capacity.live_orders", w.live_orders as u64, 1, 1 << 28),
        ("capacity.levels", w.levels as u64, 1, 1 << 24),
        ("capacity.direct_refs", w.direct_refs, 1, 1 << 33),
        ("capacity.feed_ring", w.feed_ring as u64, 1_024, 1 << 22),
        ("capacity.gateway_ring", w.gateway_ring as u64, 1_024, 1 << 20),
    ];
    for (key, v, min, max) in checks {
        c.range(key, Some(i64::try_from(v).unwrap_or(i64::MAX)), min, min, max);
    }
    // A halt cancels every order under each name that it has.
    let cancels = 2 * limits.max_open_orders as usize + 64;
    if w.gateway_ring < cancels {
        let allowed =
            format!("at least {cancels}, or a lower risk.max_open_orders: a halt's cancels go through it");
        c.problem("capacity.gateway_ring", w.gateway_ring, allowed);
    }
}

fn params(c: &mut Checks, s: &written::Strategy) -> Params {
    let value = |c: &mut Checks, (k, v): (&String, &toml::Value)| {
        let v = match v {
            toml::Value::Integer(i) => ParamValue::Int(*i),
            toml::Value::Boolean(b) => ParamValue::Bool(*b),
            toml::Value::String(s) => ParamValue::Text(s.clone()),
            other => {
                let found = format!("a {}", other.type_str());
                c.problem(format!("strategy.params.{k}"), found, "an integer, a boolean or a string");
                return None;
            }
        };
        Some((k.clone(), v))
    };
    Params::new(s.params.iter().filter_map(|kv| value(c, kv)).collect())
}
