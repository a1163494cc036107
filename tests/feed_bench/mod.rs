//! A feed agent on a bench: the far end of its lines, what it says to the strategy, and what it publishes. Its clock is the agent's own, and time
//! goes as a test gives it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::sync_channel;

use colo::agents::{FeedAgent, FeedItem, FeedParts};
use colo::clock::Clock;
use colo::config::Config;
use colo::telemetry::publish::Publication;
use colo::telemetry::region_path;
use colo::telemetry::snapshot::{Feed, Viewer};
use model::FeedId;
use ringbuf::spsc::{self, Consumer};

/// See the module.
pub struct Bench {
    name: String,
    pub clock: Clock,
    pub agent: FeedAgent,
    pub items: Consumer<FeedItem>,
    pub lines: Vec<SocketAddr>,
    /// Datagrams that were sent to the lines.
    pub sent: u64,
    sender: UdpSocket,
    pub viewer: Viewer,
}

impl Bench {
    /// The first feed of a configuration, both lines of it on free ports; but out of captures, where it says so.
    pub fn open(mut config: Config) -> Bench {
        let clock = Clock::new();
        let mut publication = Publication::create(&config, &["feed-f1".into()], clock.now()).unwrap();
        let (out, items) = spsc::channel(4_096);
        let mut feed = config.feeds.remove(0);
        if feed.ways.is_empty() {
            feed.lines = vec!["127.0.0.1:0".parse().unwrap(); 2];
        }
        let agent = FeedAgent::open(FeedParts {
            id: FeedId(0),
            config: feed,
            instruments: config.instruments,
            out,
            capture: None,
            publisher: publication.feed(0).unwrap(),
            clock: clock.clone(),
            sample_every: 0,
            words: sync_channel(1).0,
        })
        .unwrap();
        Bench {
            clock,
            items,
            lines: agent.local_addrs().collect(),
            agent,
            sent: 0,
            sender: UdpSocket::bind("127.0.0.1:0").unwrap(),
            viewer: Viewer::open(&config.name).unwrap(),
            name: config.name,
        }
    }

    /// Sends a datagram to a line.
    pub fn send(&mut self, line: usize, bytes: &[u8]) {
        self.sender.send_to(bytes, self.lines[line]).unwrap();
        self.sent += 1;
    }

    /// What is published of the feed.
    pub fn feed(&self) -> Feed {
        self.viewer.read().feeds.remove(0)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(region_path(&self.name));
    }
}
