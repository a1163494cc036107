//! By which way a line is heard and orders leave: the kernel's sockets, or AF_XDP past the kernel; or a capture, in a line's place.
//!
//! ```toml
//! [[feeds]]
//! transports = [{ transport = "xdp", interface = "eth1", queue = 0, mode = "zero_copy" }, { transport = "udp" }]   # one for each line
//! # or, of a day that was recorded:
//! transports = [{ transport = "capture", file = "20240102.pcapng" }, { transport = "capture", file = "20240102.pcapng" }]
//!
//! [[gateways]]
//! transport = "xdp"
//! [gateways.xdp]
//! interface = "eth2"
//! address = "10.0.0.9/24"       # the kernel must not have it
//! router = "10.0.0.1"
//! ```
//!
//! What a capture says is not what the market says now, so none is heard where a gateway is one of production.
//!
//! A queue of an interface goes to one line or one gateway, whole: that is checked over all of them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use net::xdp::{Mode, QueueConfig, XdpTcpConfig};
use serde::{Deserialize, Serialize};

use super::resolve::Checks;
use super::{Environment, Feed, Gateway};
use crate::order_protocol::OrderProtocol;

/// The way of one line, as written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LineWay {
    /// `udp`, `xdp` or `capture`.
    pub transport: String,
    /// With `xdp`: the interface's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// With `xdp`: the interface's receive queue; 0 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<i64>,
    /// With `xdp`: `copy`, `zero_copy` or `auto`; the last where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// With `capture`: the pcap or pcapng that holds what went to the line's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// How a line is heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// By a socket of the kernel's.
    #[default]
    Kernel,
    /// By a queue of AF_XDP before it.
    Xdp(QueueConfig),
    /// Out of this capture.
    Capture(PathBuf),
}

impl Way {
    /// The queue, where it is one.
    #[must_use]
    pub fn queue(&self) -> Option<&QueueConfig> {
        if let Way::Xdp(queue) = self { Some(queue) } else { None }
    }

    /// The capture, where it is one.
    #[must_use]
    pub fn capture(&self) -> Option<&Path> {
        if let Way::Capture(file) = self { Some(file) } else { None }
    }
}

/// The way of a gateway with `transport = "xdp"`, as written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HostWay {
    /// The interface's name.
    pub interface: String,
    /// The interface's receive queue.
    #[serde(default)]
    pub queue: i64,
    /// `copy`, `zero_copy` or `auto`.
    #[serde(default = "auto")]
    pub mode: String,
    /// The local address and the bits of its network, `10.0.0.9/24`. The kernel must not have it.
    pub address: String,
    /// The router to what is not in that network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// SO_BUSY_POLL, microseconds; 0 off.
    #[serde(default)]
    pub busy_poll_us: i64,
}

fn auto() -> String {
    "auto".into()
}

/// What is said of a queue under `key`.
fn queue(c: &mut Checks, key: &str, interface: &str, queue: Option<i64>, mode: Option<&str>) -> QueueConfig {
    let is_name = |b: u8| b.is_ascii_graphic() && b != b'/';
    if !(1..=15).contains(&interface.len()) || !interface.bytes().all(is_name) {
        let found = format!("{interface:?}");
        c.problem(format!("{key}.interface"), found, "the name of a network interface, 1 to 15 letters");
    }
    let last = i64::from(QueueConfig::QUEUES) - 1;
    let number = c.range(&format!("{key}.queue"), queue, 0, 0, last) as u32;
    let mode = mode.map_or(Some(Mode::Auto), |word| c.word(&format!("{key}.mode"), word, Mode::WORDS));
    QueueConfig { mode: mode.unwrap_or_default(), ..QueueConfig::new(interface, number) }
}

/// The way of each line; none where all are heard by the kernel.
pub(super) fn lines(
    c: &mut Checks,
    key: &str,
    ways: &[LineWay],
    lines: &[SocketAddr],
    (busy_poll_us, base): (Option<u32>, &Path),
) -> Vec<Way> {
    if !ways.is_empty() && ways.len() != lines.len() {
        c.problem(key, format!("{} transports", ways.len()), "one for each line, or none");
    }
    let mut one = |(k, way): (usize, &LineWay)| {
        let key = format!("{key}[{k}]");
        let word = c.word(
            &format!("{key}.transport"),
            &way.transport,
            &[("udp", "udp"), ("xdp", "xdp"), ("capture", "capture")],
        );
        let Some(word) = word else { return Way::Kernel };
        let given = [
            ("interface", way.interface.is_some(), "xdp"),
            ("queue", way.queue.is_some(), "xdp"),
            ("mode", way.mode.is_some(), "xdp"),
            ("file", way.file.is_some(), "capture"),
        ];
        for (name, _, of) in given.iter().filter(|(_, given, of)| *given && *of != word) {
            c.problem(format!("{key}.{name}"), "given", format!("nothing but with transport {of:?}"));
        }
        let anywhere = lines.get(k).is_some_and(|line| line.ip().is_unspecified());
        if word != "udp" && anywhere {
            let found = format!("{word:?} for a line at any address");
            c.problem(format!("{key}.transport"), found, "a line at one address");
        }
        match (word, &way.interface, &way.file) {
            ("xdp", Some(interface), _) => {
                let queue = queue(c, &key, interface, way.queue, way.mode.as_deref());
                Way::Xdp(QueueConfig { busy_poll_us, ..queue })
            }
            ("xdp", None, _) => {
                let needed = "the name of the line's network interface";
                c.problem(format!("{key}.interface"), "not given", needed);
                Way::Kernel
            }
            ("capture", _, Some(file)) => Way::Capture(base.join(file)),
            ("capture", _, None) => {
                c.problem(format!("{key}.file"), "not given", "the pcap or pcapng to hear the line out of");
                Way::Kernel
            }
            _ => Way::Kernel,
        }
    };
    ways.iter().enumerate().map(&mut one).collect()
}

/// That nothing is traded for real on what a capture says.
pub(super) fn captures(c: &mut Checks, feeds: &[Feed], gateways: &[Gateway]) {
    let Some(live) = gateways.iter().position(|g| g.environment == Environment::Production) else { return };
    for (k, line) in captured(feeds) {
        let needed = format!("a line of the market, for gateways[{live}] is of production");
        c.problem(format!("feeds[{k}].transports[{line}].transport"), "\"capture\"", needed);
    }
}

/// The lines that are heard out of captures: feed and line.
pub(super) fn captured(feeds: &[Feed]) -> impl Iterator<Item = (usize, usize)> {
    let of_feed = |(k, feed): (usize, &Feed)| {
        let lines = feed.ways.iter().enumerate().filter(|(_, way)| way.capture().is_some());
        lines.map(|(line, _)| (k, line)).collect::<Vec<_>>()
    };
    feeds.iter().enumerate().flat_map(of_feed)
}

/// The stack of a gateway, where its orders leave by one.
pub(super) fn host(
    c: &mut Checks,
    key: &str,
    transport: &str,
    way: Option<&HostWay>,
    (protocol, is_tls): (OrderProtocol, bool),
) -> Option<XdpTcpConfig> {
    let by_xdp = c.word(&format!("{key}.transport"), transport, &[("tcp", false), ("xdp", true)])?;
    let key_xdp = format!("{key}.xdp");
    let way = match (by_xdp, way) {
        (false, None) => return None,
        (false, Some(_)) => {
            c.problem(key_xdp, "given", "nothing but with transport \"xdp\"");
            return None;
        }
        (true, None) => {
            c.problem(key_xdp, "not given", "a table with interface and address");
            return None;
        }
        (true, Some(way)) => way,
    };
    if is_tls || protocol == OrderProtocol::RestWs {
        c.problem(format!("{key}.transport"), "\"xdp\"", "\"tcp\" for a session that is encrypted");
    }
    let queue = queue(c, &key_xdp, &way.interface, Some(way.queue), Some(&way.mode));
    let us = c.range(&format!("{key_xdp}.busy_poll_us"), Some(way.busy_poll_us), 0, 0, 10_000) as u32;
    let queue = QueueConfig { busy_poll_us: Some(us).filter(|us| *us != 0), ..queue };
    let parts = way.address.split_once('/');
    let parsed = parts.and_then(|(a, n)| Some((a.parse::<Ipv4Addr>().ok()?, n.parse::<u8>().ok()?)));
    let Some((address, prefix @ 1..=32)) = parsed else {
        let allowed = "an IPv4 address and the bits of its network, such as \"10.0.0.9/24\"";
        c.problem(format!("{key_xdp}.address"), format!("{:?}", way.address), allowed);
        return None;
    };
    let mut config = XdpTcpConfig::new(queue, address, prefix);
    if let Some(router) = &way.router {
        config.router = router.parse().ok();
        let network = |a: Ipv4Addr| u32::from(a) >> (32 - u32::from(prefix));
        if !config.router.is_some_and(|r| network(r) == network(address) && r != address) {
            let allowed = format!("the IPv4 address of a router in the network of {}", way.address);
            c.problem(format!("{key_xdp}.router"), format!("{router:?}"), allowed);
        }
    }
    Some(config)
}

/// That no queue is given twice.
pub(super) fn queues(c: &mut Checks, feeds: &[Feed], gateways: &[Gateway]) {
    let of_feed = |(k, feed): (usize, &Feed)| {
        let key = move |line| format!("feeds[{k}].transports[{line}]");
        let all = feed.ways.iter().enumerate();
        all.filter_map(|(line, way)| Some((key(line), way.queue()?.clone()))).collect::<Vec<_>>()
    };
    let of_gateway =
        |(k, g): (usize, &Gateway)| Some((format!("gateways[{k}].xdp"), g.bypass.as_ref()?.queue.clone()));
    let feeds = feeds.iter().enumerate().flat_map(of_feed);
    let mut taken = BTreeMap::new();
    for (key, q) in feeds.chain(gateways.iter().enumerate().filter_map(of_gateway)) {
        let place = format!("{} queue {}", q.interface, q.queue);
        if let Some(other) = taken.insert(place.clone(), key.clone()) {
            c.problem(format!("{key}.queue"), format!("{place}, as {other}"), "a queue of its own");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Secrets};
    use super::*;

    const CORE: &str = include_str!("../../tests/fixtures/core.toml");

    /// The fixture's one feed and one gateway, with more said of each.
    fn resolved(feed: &str, gateway: &str) -> Result<Config, Vec<String>> {
        let text = CORE.replacen("[[feeds]]", &format!("[[feeds]]\n{feed}"), 1).replacen(
            "[[gateways]]",
            &format!("[[gateways]]\n{gateway}"),
            1,
        );
        let written = toml::from_str(&text).map_err(|e| vec![e.to_string()])?;
        Config::resolve(written, Path::new("core.toml"), Secrets::Skip)
            .map_err(|e| e.problems.iter().map(ToString::to_string).collect())
    }

    const LINES: &str = "transports = [{ transport = \"xdp\", interface = \"eth1\", queue = 3, mode = \"zero_copy\" }, { transport = \"udp\" }]\nbusy_poll_us = 20\n";
    const HOST: &str = "transport = \"xdp\"\nxdp = { interface = \"eth2\", address = \"10.0.0.9/24\", router = \"10.0.0.1\" }\n";

    #[test]
    fn lines_and_gateways_go_past_the_kernel_where_it_is_said() {
        let config = resolved(LINES, HOST).unwrap();
        let bypass: Vec<_> = config.feeds[0].line_configs().map(|line| line.bypass).collect();
        let queue =
            QueueConfig { mode: Mode::ZeroCopy, busy_poll_us: Some(20), ..QueueConfig::new("eth1", 3) };
        assert_eq!(bypass, [Some(queue), None]);
        let host = XdpTcpConfig::new(QueueConfig::new("eth2", 0), [10, 0, 0, 9].into(), 24);
        let router = Some([10, 0, 0, 1].into());
        assert_eq!(config.gateways[0].bypass, Some(XdpTcpConfig { router, ..host }));
        // The copy of a run says the same.
        let again = toml::from_str(&config.to_toml()).unwrap();
        let again = Config::resolve(again, Path::new("core.toml"), Secrets::Skip).unwrap();
        assert_eq!((&again.feeds, &again.gateways), (&config.feeds, &config.gateways));

        let config = resolved("", "").unwrap();
        assert!(config.feeds[0].line_configs().all(|line| line.bypass.is_none()));
        assert_eq!(config.gateways[0].bypass, None);
    }

    #[test]
    fn a_capture_is_heard_where_nothing_is_traded_for_real() {
        let with =
            "transports = [{ transport = \"capture\", file = \"day.pcapng\" }, { transport = \"udp\" }]\n";
        let config = resolved(with, "").unwrap();
        let files: Vec<_> = config.feeds[0].line_configs().map(|line| line.capture).collect();
        assert_eq!(files, [Some(PathBuf::from("day.pcapng")), None]);
        let live = CORE.replacen("environment = \"test\"", "environment = \"production\"", 1);
        let live = live.replacen("[[feeds]]", &format!("[[feeds]]\n{with}"), 1);
        let written = toml::from_str(&live).unwrap();
        let refused = Config::resolve(written, Path::new("core.toml"), Secrets::Skip).unwrap_err();
        let problems: Vec<_> = refused.problems.iter().map(ToString::to_string).collect();
        assert!(problems.len() == 1 && problems[0].contains("gateways[0] is of production"), "{problems:?}");
        // Who records, or counts what lines say, is not given them either: the market's would be opened in their place.
        let alone: super::super::Written =
            toml::from_str(&CORE.replacen("[[feeds]]", &format!("[[feeds]]\n{with}"), 1)).unwrap();
        let refused = super::super::resolve::feeds(&alone.feeds, Path::new("core.toml")).unwrap_err();
        let problems: Vec<_> = refused.problems.iter().map(ToString::to_string).collect();
        assert!(problems.len() == 1 && problems[0].contains("recorded already"), "{problems:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let line = |with: &str| format!("transports = [{{ {with} }}, {{ transport = \"udp\" }}]\n");
        let host = |with: &str| format!("transport = \"xdp\"\nxdp = {{ {with} }}\n");
        for (feed, gateway, expected) in [
            (line("transport = \"tcp\""), "", "feeds[0].transports[0].transport"),
            (line("transport = \"xdp\""), "", "feeds[0].transports[0].interface"),
            (line("transport = \"udp\", queue = 1"), "", "feeds[0].transports[0].queue"),
            (line("transport = \"capture\""), "", "feeds[0].transports[0].file"),
            (
                line("transport = \"capture\", file = \"a\", mode = \"copy\""),
                "",
                "feeds[0].transports[0].mode",
            ),
            (line("transport = \"udp\", file = \"a\""), "", "feeds[0].transports[0].file"),
            (line("transport = \"xdp\", interface = \"a/b\""), "", "feeds[0].transports[0].interface"),
            (line("transport = \"xdp\", interface = \"eth1\", queue = 256"), "", "an integer from 0 to 255"),
            (
                line("transport = \"xdp\", interface = \"eth1\", mode = \"fast\""),
                "",
                "\"copy\" or \"zero_copy\" or \"auto\"",
            ),
            ("transports = [{ transport = \"udp\" }]\n".into(), "", "one for each line, or none"),
            ("timestamps = \"gps\"\n".into(), "", "feeds[0].timestamps"),
            ("incoming_cpu = 5000\n".into(), "", "feeds[0].incoming_cpu"),
            (String::new(), "transport = \"ip\"\n", "gateways[0].transport"),
            (String::new(), "transport = \"xdp\"\n", "a table with interface and address"),
            (
                String::new(),
                "xdp = { interface = \"eth1\", address = \"10.0.0.9/24\" }\n",
                "nothing but with transport",
            ),
            (String::new(), &host("interface = \"eth1\", address = \"10.0.0.9\""), "gateways[0].xdp.address"),
            (
                String::new(),
                &host("interface = \"eth1\", address = \"10.0.0.9/33\""),
                "gateways[0].xdp.address",
            ),
            (
                String::new(),
                &host("interface = \"eth1\", address = \"10.0.0.9/24\", router = \"10.0.1.1\""),
                "gateways[0].xdp.router",
            ),
            (
                LINES.into(),
                &host("interface = \"eth1\", queue = 3, address = \"10.0.0.9/24\""),
                "eth1 queue 3, as feeds[0].transports[0]",
            ),
        ] {
            let problems = resolved(&feed, gateway).unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
        }
    }
}
