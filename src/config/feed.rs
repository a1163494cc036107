//! A feed, resolved, and what its sockets and its channel are told of it: the same for a core, a recording and a look from beside.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use feeds::channel::{ChannelConfig, SnapshotLimits};
use feeds::framing::Session;
use model::Nanos;
use net::udp::{LineConfig, Stamps};

use super::transport::Way;
use super::{Account, DepthVenue};
use crate::protocol::FeedProtocol;

/// A feed, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub id: String,
    /// What it speaks.
    pub protocol: FeedProtocol,
    /// How many orders of its instruments may rest at once.
    pub live_orders: usize,
    /// Its lines; none where `depth` is.
    pub lines: Vec<SocketAddr>,
    /// The one source of each line; none where anyone may send.
    pub sources: Vec<Ipv4Addr>,
    /// The one stream that is followed, where a line may carry several.
    pub only: Option<Session>,
    /// The venue of a depth stream.
    pub depth: Option<DepthVenue>,
    /// The interface for multicast.
    pub interface: Ipv4Addr,
    /// Re-request servers.
    pub rerequest: Vec<SocketAddr>,
    /// The snapshot server.
    pub glimpse: Option<Account>,
    /// Messages missing beyond which a snapshot is taken at once.
    pub snapshot_after_messages: u64,
    /// Wait before asking.
    pub gap_wait: Nanos,
    /// Silence that makes it stale.
    pub silence: Nanos,
    /// Messages held back behind a gap.
    pub reorder_window: usize,
    /// Socket receive buffer, bytes.
    pub receive_buffer: usize,
    /// Whether what lines bring twice is compared.
    pub compare_lines: bool,
    /// SO_BUSY_POLL.
    pub busy_poll_us: Option<u32>,
    /// SO_INCOMING_CPU.
    pub incoming_cpu: Option<u32>,
    /// Who stamps its datagrams.
    pub stamps: Stamps,
    /// How each line is heard; empty where all are by the kernel.
    pub ways: Vec<Way>,
}

impl Feed {
    /// How each of its lines is opened.
    pub fn line_configs(&self) -> impl Iterator<Item = LineConfig> + '_ {
        self.lines.iter().enumerate().map(|(k, address)| LineConfig {
            interface: self.interface,
            source: self.sources.get(k).copied(),
            receive_buffer: self.receive_buffer,
            busy_poll_us: self.busy_poll_us,
            incoming_cpu: self.incoming_cpu,
            stamps: self.stamps,
            bypass: self.ways.get(k).and_then(Way::queue).cloned(),
            capture: self.ways.get(k).and_then(Way::capture).map(Path::to_owned),
            ..LineConfig::new(*address)
        })
    }

    /// Its channel, asking all its servers.
    #[must_use]
    pub fn channel(&self) -> ChannelConfig {
        let shipped = ChannelConfig::default();
        let limits =
            SnapshotLimits { after_messages: self.snapshot_after_messages, ..SnapshotLimits::default() };
        ChannelConfig {
            lines: self.lines.len(),
            reorder_window: self.reorder_window,
            compared: if self.compare_lines { shipped.compared } else { 0 },
            gap_wait: self.gap_wait,
            silence: self.silence,
            servers: self.rerequest.len(),
            only: self.only,
            snapshots: self.glimpse.as_ref().map(|_| limits),
            ..shipped
        }
    }
}
