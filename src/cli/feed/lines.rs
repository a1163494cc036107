//! The configured lines of a feed, listened to and counted.
//!
//! Only read: nothing is asked for again and nothing is answered, so that looking at a feed costs the venue nothing. The sockets are this process's own. A multicast
//! group gives each of them a copy; a unicast port has one owner, and where a core listens already, opening says so.

use std::time::{Duration, Instant};

use feeds::channel::{Channel, ChannelConfig, Sink, Taken};
use model::{FeedStatus, Nanos};
use net::Datagrams;
use net::udp::UdpLine;

use super::counts::Counts;
use super::report::{Packets, Report};
use crate::cli::{Failure, warn};
use crate::config;
use crate::protocol::FeedProtocol;

/// Datagrams taken from one line before the next is asked.
const BURST: usize = 64;
/// Largest datagram taken.
const DATAGRAM: usize = 65_536;
/// How long nothing is done when no line had anything. A receive buffer holds far more than comes in this time.
const IDLE: Duration = Duration::from_micros(200);

struct Counting(Counts);

impl Sink for Counting {
    fn message(&mut self, _seq: u64, msg: &[u8]) -> Taken {
        self.0.count(msg);
        // No book hangs on it here.
        Taken::Whole
    }

    fn status(&mut self, _status: FeedStatus) {}
}

/// One feed.
struct Feed {
    id: String,
    lines: Vec<UdpLine>,
    channel: Channel,
    counts: Counting,
}

/// All feeds of a configuration.
pub(super) struct Lines {
    feeds: Vec<Feed>,
    began: Instant,
    buffer: Vec<u8>,
}

impl Lines {
    /// Opens the lines of those feeds whose messages can be counted; of the others it warns.
    ///
    /// # Errors
    /// A line's, with its address; or that no feed can be counted.
    pub(super) fn open(feeds: &[config::Feed]) -> Result<Lines, Failure> {
        let open = |f: &config::Feed| {
            let failed = |e: String| Failure::new(format!("feed {}: {e}", f.id));
            let lines = f.line_configs().map(|line| UdpLine::open(&line));
            let channel = Channel::new(ChannelConfig { servers: 0, snapshots: None, ..f.channel() });
            let lines = lines.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
            Ok(Feed { id: f.id.clone(), lines, channel, counts: Counting(Counts::new()) })
        };
        let (counted, others): (Vec<_>, Vec<_>) =
            feeds.iter().partition(|f| f.protocol == FeedProtocol::Itch50);
        let left_out = |f: &config::Feed| {
            let (id, word) = (&f.id, f.protocol.word());
            format!("feed {id}: it speaks {word}, and only messages of itch50 are counted")
        };
        match (others.first(), counted.is_empty()) {
            (Some(f), true) => return Err(Failure::new(left_out(f))),
            _ => others.into_iter().for_each(|f| warn(&left_out(f))),
        }
        let feeds = counted.into_iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Lines { feeds, began: Instant::now(), buffer: vec![0; DATAGRAM] })
    }

    /// Takes what there is; sleeps for a moment where there is nothing.
    ///
    /// # Errors
    /// A socket's.
    pub(super) fn poll(&mut self) -> Result<(), Failure> {
        let mut any = false;
        for f in &mut self.feeds {
            // Of the process's own, from 1: the channel takes 0 for never.
            let now = Nanos(self.began.elapsed().as_nanos() as u64 + 1);
            for (k, line) in f.lines.iter_mut().enumerate() {
                for _ in 0..BURST {
                    let failed = |e| Failure::new(format!("feed {}: {e}", f.id));
                    let Some(len) = line.recv(&mut self.buffer).map_err(failed)? else { break };
                    any = true;
                    f.channel.on_datagram(now, k as u8, &self.buffer[..len], &mut f.counts);
                }
            }
            if f.channel.next_timeout().is_some_and(|at| at <= now) {
                f.channel.on_timeout(now, &mut f.counts);
            }
        }
        if !any {
            std::thread::sleep(IDLE);
        }
        Ok(())
    }

    /// How long it has listened.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Messages and lost messages so far.
    pub(super) fn so_far(&self) -> (u64, u64) {
        let of = |f: &Feed| (f.counts.0.messages(), f.channel.stats().messages_lost);
        self.feeds.iter().map(of).fold((0, 0), |(a, b), (m, l)| (a + m, b + l))
    }

    /// What was counted of each feed.
    pub(super) fn reports(&self, top: usize) -> Vec<Report> {
        let report = |f: &Feed| {
            let names: Vec<_> = f.lines.iter().map(|l| l.local_addr().to_string()).collect();
            let drops: Vec<_> = f.lines.iter().map(|l| l.kernel_drops().ok().map(u64::from)).collect();
            let packets = Packets::of(f.channel.stats(), &names, &drops);
            Report { source: f.id.clone(), summary: f.counts.0.summary(top), packets: Some(packets) }
        };
        self.feeds.iter().map(report).collect()
    }
}
