//! A feed recorded: its arbitrated, gap-filled message stream as a BinaryFILE with an index, and every datagram as pcapng.
//!
//! ```text
//!   line A ─┐                          ┌─ ring of bytes ─► writer ─► FILE.itch, FILE.itch.idx
//!   line B ─┼─► Listener: Channel ─────┤
//!   servers ┤   (one thread)           └─ ring of bytes ─► writer ─► FILE.pcapng
//!   glimpse ┘                                                └─────► FILE.snapshot-NEXT.itch ([`snapshots`])
//! ```
//!
//! The thread that reads the sockets writes no file, so a disk that hangs for a while holds up nothing. When a ring is full:
//!
//! * of messages ([`MESSAGE_RING`]): no socket is read until there is room. What the kernel's receive buffers cannot hold meanwhile is a gap like any other
//!   and asked for again. Counted: [`Recorded::ring_full`].
//! * of datagrams ([`RAW_RING`]): the datagram is left out of the raw capture, for the stream is worth more. Counted: [`Recorded::raw_dropped`].
//!
//! A writer that fails (a full disk) ends the recording: both rings are written out as far as that goes, and [`Recorded::failure`] says what failed.
//!
//! Invariants:
//! * The file is a prefix of the session, whole and in order, save for what [`Recorded::lost`] and [`Recorded::bridged`] name. Nothing is made up for what is
//!   missing: a snapshot that stands for it lies beside the file.
//! * The zero length at its end says that the venue announced the end of the session and that it was reached; no other end writes it.
//! * One recording is of one session: where the venue goes over to another, it ends ([`End::OtherSession`]).
//! * A message without bytes cannot be told from the end in BinaryFILE framing: it is left out and counted ([`Recorded::empty`]), as where a capture is read
//!   ([`crate::source`]).

pub mod index;
mod listener;
mod messages;
mod raw;
mod ring;
mod series;
mod snapshots;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use feeds::channel::ChannelStats;
use feeds::moldudp64::Session;

use crate::clock::Clock;
use crate::config;
use crate::protocol::FeedProtocol;
use listener::Listener;
use messages::MessageFiles;
use raw::RawFiles;

/// Bytes of messages on their way to the disk.
pub const MESSAGE_RING: usize = 32 << 20;
/// Bytes of datagrams on their way to the disk.
pub const RAW_RING: usize = 64 << 20;
/// What is behind a file's name in its index's.
const INDEX: &str = ".idx";
/// How long a writer without work sleeps.
const IDLE: Duration = Duration::from_millis(1);

/// Why something cannot be recorded, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file of that name holds something.
    #[error("{}: exists already and is not written over", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be made.
    #[error("{}: cannot be created: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written any more; it ends with the last whole record.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A socket cannot be opened.
    #[error("feed {feed}: {source}")]
    Socket {
        /// The feed.
        feed: String,
        /// What the system said, with the address.
        source: io::Error,
    },
    /// A recording is ITCH 5.0, and so is its index.
    #[error("feed {feed}: it speaks {word}, and only messages of itch50 are recorded")]
    Protocol {
        /// The feed.
        feed: String,
        /// What it speaks.
        word: &'static str,
    },
    /// A thread cannot be started.
    #[error("no thread can be started: {0}")]
    Thread(io::Error),
    /// A thread panicked, which is a bug.
    #[error("the thread of the {0} panicked")]
    Panicked(&'static str),
}

/// What to record, and where to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The feed.
    pub feed: config::Feed,
    /// The stream.
    pub out: PathBuf,
    /// The raw capture.
    pub raw: Option<PathBuf>,
    /// Bytes at which a file is followed by the next, numbered: `day.itch` is `day.000001.itch` then.
    pub rotate: Option<u64>,
    /// Whether files of that name may be replaced.
    pub overwrite: bool,
}

/// What a person should know at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `[from, to)` is lost for good.
    Lost {
        /// First lost.
        from: u64,
        /// First not lost.
        to: u64,
    },
    /// `[from, to)` is not to be had; a snapshot says what the books were before message `to`.
    Bridged {
        /// First missing.
        from: u64,
        /// With which the stream goes on.
        to: u64,
    },
    /// A line brought another message under this number than the one in the file; the first time.
    Disputed {
        /// The number.
        sequence: u64,
    },
    /// Nothing is heard on any line.
    Silent,
}

/// Where a recording stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages delivered.
    pub messages: u64,
    /// Messages lost for good.
    pub lost: u64,
    /// Whether a gap is open.
    pub gap: bool,
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The venue announced the session's end, and it was reached.
    Session,
    /// It was stopped.
    Stopped,
    /// The venue went over to another session before the end of this one was reached.
    OtherSession,
    /// A file could not be written.
    Failed,
}

/// What was written of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// Messages, or datagrams.
    pub records: u64,
    /// Bytes, without the index.
    pub bytes: u64,
}

/// What became of a recording.
#[derive(Debug)]
pub struct Recorded {
    /// How it ended.
    pub end: End,
    /// The session; `None` where nothing was heard.
    pub session: Option<Session>,
    /// The stream's files.
    pub stream: Written,
    /// The raw capture's.
    pub raw: Option<Written>,
    /// The first message's sequence, and the one that would have come next.
    pub first: Option<u64>,
    /// See [`Recorded::first`].
    pub next: u64,
    /// Stretches `[from, to)` that are lost for good, the first [`LOST_KEPT`] of them; how many messages in all is in `stats`.
    pub lost: Vec<(u64, u64)>,
    /// Stretches `[from, to)` that are missing and that a snapshot stands for, as many at most.
    pub bridged: Vec<(u64, u64)>,
    /// Messages in all such stretches.
    pub messages_bridged: u64,
    /// The files of the snapshots.
    pub snapshots: Vec<PathBuf>,
    /// Messages without bytes, left out.
    pub empty: u64,
    /// What the channel counted.
    pub stats: ChannelStats,
    /// Datagrams received.
    pub datagrams: u64,
    /// Datagrams that the kernel dropped at the lines' sockets.
    pub kernel_drops: u64,
    /// How often the sockets had to wait for the disk.
    pub ring_full: u64,
    /// Datagrams that the raw capture lacks.
    pub raw_dropped: u64,
    /// The first thing that could not be written.
    pub failure: Option<RecordError>,
}

/// Stretches of lost messages that are kept by name.
pub const LOST_KEPT: usize = 1_000;

impl Recorded {
    /// Whether the files are what the venue sent up to the last message in them.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stats.messages_lost == 0
            && self.messages_bridged == 0
            && self.raw_dropped == 0
            && self.stats.disputed == 0
            && self.end != End::OtherSession
    }
}

/// What both sides see while it runs. Counters stand alone (`Relaxed`); the flags say nothing about other memory either.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    over: AtomicBool,
    messages: AtomicU64,
    lost: AtomicU64,
    gap: AtomicBool,
}

type Writer = JoinHandle<(Written, Option<RecordError>)>;
/// With the files of snapshots.
type StreamWriter = JoinHandle<(Written, Vec<PathBuf>, Option<RecordError>)>;

/// A recording that runs. Dropping it without [`Recorder::stop`] leaves its threads to the process's end.
#[derive(Debug)]
pub struct Recorder {
    lines: Vec<SocketAddr>,
    warnings: Vec<String>,
    shared: Arc<Shared>,
    notices: mpsc::Receiver<Notice>,
    listener: JoinHandle<listener::Heard>,
    stream: StreamWriter,
    raw: Option<Writer>,
}

impl Recorder {
    /// Opens the sockets, creates the files, starts the threads.
    ///
    /// # Errors
    /// [`RecordError`]: a port in use, a folder that is not there, a file that is.
    pub fn start(plan: &Plan, clock: Clock) -> Result<Recorder, RecordError> {
        let config::Feed { id, protocol, .. } = &plan.feed;
        if *protocol != FeedProtocol::Itch50 {
            return Err(RecordError::Protocol { feed: id.clone(), word: protocol.word() });
        }
        let shared = Arc::new(Shared::default());
        let (told, notices) = mpsc::channel();
        // Sockets first: a port in use leaves no empty files behind.
        let mut listener = Listener::open(&plan.feed, clock, Arc::clone(&shared), told)?;
        let files = MessageFiles::create(&plan.out, plan.rotate, plan.overwrite)?;
        let raw_files = match &plan.raw {
            Some(name) => Some(RawFiles::create(name, listener.interfaces(), plan.rotate, plan.overwrite)?),
            None => None,
        };
        let stream = listener.stream();
        let stream = spawn("record-stream", move || files.run(stream))?;
        let raw = match raw_files {
            Some(files) => {
                let datagrams = listener.raw();
                Some(spawn("record-raw", move || files.run(datagrams))?)
            }
            None => None,
        };
        let (lines, warnings) = (listener.lines(), listener.warnings());
        let listener = spawn("record-lines", move || listener.run())?;
        Ok(Recorder { lines, warnings, shared, notices, listener, stream, raw })
    }

    /// What the lines are bound to.
    #[must_use]
    pub fn lines(&self) -> &[SocketAddr] {
        &self.lines
    }

    /// What the host refused to the lines, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What came up since the last time. Does not wait.
    pub fn notices(&self) -> impl Iterator<Item = Notice> + '_ {
        self.notices.try_iter()
    }

    /// Where it stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let s = &self.shared;
        Progress {
            messages: s.messages.load(Ordering::Relaxed),
            lost: s.lost.load(Ordering::Relaxed),
            gap: s.gap.load(Ordering::Relaxed),
        }
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed) || self.listener.is_finished()
    }

    /// Ends it where it has not ended, waits until all that was heard is written, and tells what became of it.
    ///
    /// # Errors
    /// [`RecordError::Panicked`]. What could not be written is in [`Recorded::failure`].
    pub fn stop(self) -> Result<Recorded, RecordError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let heard = self.listener.join().map_err(|_| RecordError::Panicked("lines"))?;
        let (stream, snapshots, failed) =
            self.stream.join().map_err(|_| RecordError::Panicked("stream's writer"))?;
        let (raw, raw_failed) = match self.raw.map(JoinHandle::join) {
            None => (None, None),
            Some(Ok((written, failed))) => (Some(written), failed),
            Some(Err(_)) => return Err(RecordError::Panicked("raw capture's writer")),
        };
        let failure = failed.or(raw_failed);
        Ok(heard.recorded(stream, snapshots, raw, failure))
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RecordError> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(RecordError::Thread)
}
