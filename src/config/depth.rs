//! A feed of a venue of the web: its table `[feeds.depth]`.

use std::path::Path;

use feeds::depth::Market;

use super::resolve::Checks;
use super::secrets::Secrets;
use super::{rest, written};
use crate::protocol::FeedProtocol;

/// The venue, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthVenue {
    /// Which of its markets.
    pub market: Market,
    /// Where snapshots are: `https://host:port`.
    pub base_url: String,
    /// Where the stream is: `wss://host:port`.
    pub stream_url: String,
    /// The authorities believed, PEM; `None`: those of the public web.
    pub ca: Option<Vec<u8>>,
    /// What the venue lets an address weigh in a minute.
    pub weight_per_minute: u32,
}

/// Weight of the dearest thing that is asked for must fit into what is used of the limit.
const WEIGHT_MIN: i64 = 100;

/// The venue of a feed that speaks this protocol; of another there is none.
pub(super) fn of_feed(
    c: &mut Checks,
    feed: &str,
    (protocol, f): (FeedProtocol, &written::Feed),
    base: &Path,
    secrets: Secrets,
) -> Option<DepthVenue> {
    let key = format!("{feed}.depth");
    if protocol == FeedProtocol::Depth && !f.lines.is_empty() {
        let found = format!("{} lines", f.lines.len());
        c.problem(format!("{feed}.lines"), found, "nothing with protocol \"depth\"");
    }
    match (protocol, &f.depth) {
        (FeedProtocol::Depth, Some(venue)) => Some(resolve(c, &key, venue, base, secrets)),
        (FeedProtocol::Depth, None) => {
            c.problem(key, "not given", "a table: which market, and where the venue is");
            None
        }
        (_, Some(_)) => {
            c.problem(key, "given", "nothing but with protocol \"depth\"");
            None
        }
        (_, None) => None,
    }
}

fn resolve(
    c: &mut Checks,
    key: &str,
    depth: &written::DepthVenue,
    base: &Path,
    secrets: Secrets,
) -> DepthVenue {
    let markets = [("spot", Market::Spot), ("perpetual", Market::Perpetual)];
    let market = c.word(&format!("{key}.market"), &depth.market, &markets).unwrap_or(Market::Spot);
    let stream_url = rest::urls(c, key, &depth.base_url, depth.stream_url.as_ref());
    let ca = depth.ca_file.as_ref().map(|file| match secrets {
        Secrets::Skip | Secrets::Market => Vec::new(),
        Secrets::Read => rest::authorities(c, &format!("{key}.ca_file"), base, file),
    });
    let name = format!("{key}.weight_per_minute");
    let weight = c.range(&name, Some(depth.weight_per_minute.into()), WEIGHT_MIN, WEIGHT_MIN, 1_000_000);
    DepthVenue { market, base_url: depth.base_url.clone(), stream_url, ca, weight_per_minute: weight as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Written, parse_toml};

    const TABLE: &str = "market = \"spot\"\nbase_url = \"https://127.0.0.1:1\"\n";

    fn resolved(topology: &str, feed: &str) -> Result<Config, ConfigError> {
        let fixture = include_str!("../../tests/fixtures/core.toml");
        let (head, rest) = fixture.split_once("[[feeds]]").unwrap();
        let (_, tail) = rest.split_once("[[gateways]]").unwrap();
        let head =
            head.replace("name = \"unnamed\"", &format!("name = \"unnamed\"\ntopology = \"{topology}\""));
        let text = format!("{head}[[feeds]]\nid = \"f1\"\n{feed}\n[[gateways]]{tail}");
        let written: Written = parse_toml(&text, Path::new("depth.toml"))?;
        Config::resolve(written, Path::new("depth.toml"), Secrets::Skip)
    }

    #[test]
    fn a_depth_feed_has_a_venue_and_no_lines() {
        let feed = format!("protocol = \"depth\"\n[feeds.depth]\n{TABLE}");
        let config = resolved("pipelined", &feed).unwrap();
        let depth = config.feeds[0].depth.clone().unwrap();
        assert_eq!((depth.market, &*depth.stream_url, depth.ca), (Market::Spot, "wss://127.0.0.1:1", None));
        assert!(config.feeds[0].live_orders <= config.capacity.levels, "a level is an order and a level");
        let again: Written = parse_toml(&config.to_toml(), Path::new("again.toml")).unwrap();
        assert_eq!(
            Config::resolve(again, Path::new("again.toml"), Secrets::Skip).unwrap().feeds,
            config.feeds
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |table: &str| format!("protocol = \"depth\"\n[feeds.depth]\n{table}");
        let lines = "lines = [\"127.0.0.1:1\"]";
        for (topology, feed, parts) in [
            (
                "pipelined",
                with(&TABLE.replace("spot", "options")),
                &["feeds[0].depth.market", "perpetual"][..],
            ),
            ("pipelined", with(&TABLE.replace("https", "ftp")), &["depth.base_url", "https://"]),
            (
                "pipelined",
                with(&format!("{TABLE}weight_per_minute = 7")),
                &["depth.weight_per_minute", "100"],
            ),
            ("pipelined", "protocol = \"depth\"".into(), &["feeds[0].depth", "not given"]),
            (
                "pipelined",
                with(TABLE).replace("[feeds", &format!("{lines}\n[feeds")),
                &["feeds[0].lines", "depth"],
            ),
            ("pipelined", with(TABLE).replace("\"depth\"", "\"itch50\""), &["feeds[0].depth", "nothing"]),
            ("pipelined", "protocol = \"itch50\"".into(), &["feeds[0].lines", "1 to 4"]),
            ("inline", with(TABLE), &["topology", "depth"]),
        ] {
            let error = resolved(topology, &feed).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{part:?} in {error}");
            }
        }
    }
}
