//! A day in virtual time: the venue, two lines, two re-request servers, a snapshot server, and the core.
//!
//! ```text
//!  Venue --+-- line A --- FaultyLine --+
//!          +-- line B --- FaultyLine --+--> Channel --> Ears --> Engine --> Judge
//!          +-- re-requests ------------+                  ^                  |
//!          +-- snapshots --------------+                  |   every message  |
//!          +-- what it published ----------> Tape --------+------------------+
//! ```
//!
//! Storms and calms take turns. In a calm everything comes, and the core has to become valid and equal to the venue's own book.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use colo::exchange::faults::{FaultyLine, LineFaults};
use colo::exchange::flow::Flow;
use colo::exchange::flow::generated::{GeneratedFlow, Recipe};
use colo::exchange::glimpse::SnapshotFaults;
use colo::exchange::{Venue, VenueConfig};
use feeds::channel::{Channel, ChannelConfig, REREQUEST, SnapshotLimits};
use model::{Nanos, Side};

use crate::core::{Core, Ears, Lie, SYMBOLS};
use crate::exchange_support::{self, MORNING, MS, SECOND, symbol};
use crate::glimpse::Glimpse;
use crate::weather::{Answers, Rng, Storm};

/// In a calm the core is level within this, ns: the longest back-off several times over.
const LEVEL_WITHIN: u64 = 20 * SECOND;

/// A calm goes on for so long after that.
const CALM: u64 = 300 * MS;

/// What came of a day, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ran {
    pub messages: u64,
    /// Comparisons of valid instruments after a message, and of whole books.
    pub compared: u64,
    pub whole: u64,
    pub calms: u64,
    pub gaps: u64,
    pub requests: u64,
    pub snapshots: u64,
    pub snapshots_failed: u64,
    pub lost: u64,
}

impl Ran {
    pub fn add(&mut self, o: Ran) {
        self.messages += o.messages;
        self.compared += o.compared;
        self.whole += o.whole;
        self.calms += o.calms;
        self.gaps += o.gaps;
        self.requests += o.requests;
        self.snapshots += o.snapshots;
        self.snapshots_failed += o.snapshots_failed;
        self.lost += o.lost;
    }
}

pub struct Day {
    rng: Rng,
    venue: Venue,
    lines: [FaultyLine; 2],
    storm: Storm,
    began: u64,
    answers: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>>,
    glimpse: Glimpse,
    channel: Channel,
    core: Core,
    now: u64,
    tick: u64,
    /// Nothing is heard before.
    joins: u64,
    /// After the last message that a line told of.
    shown: u64,
    has_snapshots: bool,
    calms: u64,
    requests: u64,
}

impl Day {
    pub fn new(seed: u64, lie: Option<Lie>) -> Day {
        let mut rng = Rng(seed);
        let messages_per_second = rng.among(&[20_000, 60_000, 200_000]);
        let has_snapshots = lie.is_some() || !rng.chance(10);
        let servers = if has_snapshots { rng.below(3) as usize } else { 1 + rng.below(2) as usize };
        let small = servers > 0 && rng.chance(50);
        let window = if small { rng.among(&[256, 1_024]) } else { rng.among(&[4_096, 16_384, 65_536]) };
        let line = |datagram_bytes| LineFaults { datagram_bytes, ..LineFaults::default() };
        let mut symbols: Vec<_> = SYMBOLS.iter().map(|s| symbol(s)).collect();
        symbols.insert(rng.below(6) as usize, symbol("TSLA"));
        let config = VenueConfig {
            symbols,
            lines: vec![line(rng.among(&[200, 500, 1_400])), line(rng.among(&[128, 300, 1_400]))],
            rerequest_loss: 0.0,
            snapshot_faults: SnapshotFaults { refused: 0.1, cut: 0.1 },
            flow: Flow::Generated(Box::new(GeneratedFlow::new(Recipe {
                seed,
                messages_per_second,
                messages: None,
            }))),
            seed,
            ..exchange_support::config()
        };
        let limits = SnapshotLimits {
            after_messages: 1 + rng.below(20_000),
            after: Nanos::from_millis(300),
            timeout: Nanos::from_millis(400),
            spacing: Nanos::from_millis(40),
            spacing_max: Nanos::from_millis(400),
            attempts_max: u32::MAX,
        };
        let channel = Channel::new(ChannelConfig {
            reorder_window: window,
            gap_wait: Nanos(rng.below(2 * MS)),
            request_timeout: Nanos::from_millis(2),
            request_retries: 4,
            servers,
            silence: Nanos::from_millis(1_500),
            snapshots: has_snapshots.then_some(limits),
            ..ChannelConfig::default()
        });
        let late = rng.chance(25);
        Day {
            venue: Venue::new(config, MORNING),
            lines: [0, 1].map(|n| FaultyLine::new(LineFaults::default(), seed, n)),
            storm: Storm::calm(),
            began: MORNING,
            answers: BinaryHeap::new(),
            glimpse: Glimpse::new(),
            channel,
            core: Core::new(rng.among(&[1, 1 << 12, 1 << 22]), lie),
            now: MORNING,
            tick: 20_000 + rng.below(180_000),
            joins: MORNING + if late { rng.below(500 * MS) } else { 0 },
            shown: 1,
            has_snapshots,
            calms: 0,
            requests: 0,
            rng,
        }
    }

    /// Storms and calms until the venue has published so many messages.
    ///
    /// # Errors
    /// What was wrong, in words.
    pub fn run(&mut self, messages: u64) -> Result<Ran, String> {
        self.calm()?;
        while self.venue.counts().messages < messages && !self.is_hopeless() {
            self.storm = Storm::draw(&mut self.rng);
            self.change_weather();
            while self.now < self.began + self.storm.lasts && self.venue.counts().messages < messages {
                if self.rng.below(20_000) == 0 {
                    self.storm.answers = self.rng.among(&[Answers::Prompt, Answers::Dead, Answers::Late]);
                }
                self.turn()?;
            }
            self.calm()?;
        }
        let truth = self.core.truth.lock().expect("one thread");
        let s = self.channel.stats();
        Ok(Ran {
            messages: self.venue.counts().messages,
            compared: truth.compared,
            whole: truth.whole,
            calms: self.calms,
            gaps: s.gaps_opened,
            requests: self.requests,
            snapshots: s.snapshots_taken,
            snapshots_failed: s.snapshots_failed,
            lost: self.core.lost,
        })
    }

    /// Where there are no snapshots, what is lost is lost for the day.
    fn is_hopeless(&self) -> bool {
        !self.has_snapshots && self.core.lost > 0
    }

    fn change_weather(&mut self) {
        self.began = self.now;
        let seed = self.rng.next();
        for (n, line) in (0..).zip(&mut self.lines) {
            *line = FaultyLine::new(self.storm.lines[n as usize].clone(), seed, n);
        }
    }

    /// Everything comes, until the core is valid and where the venue is; then its books are the venue's own.
    fn calm(&mut self) -> Result<(), String> {
        self.storm = Storm::calm();
        self.change_weather();
        self.until_level()?;
        let until = self.now + CALM;
        while self.now < until && !self.is_hopeless() {
            self.turn()?;
        }
        self.until_level()?;
        self.calms += 1;
        if self.is_hopeless() {
            return Ok(());
        }
        let truth = self.core.truth.lock().expect("one thread");
        for name in SYMBOLS {
            let own = self.venue.book_snapshot(symbol(name)).expect("it is listed");
            for (side, orders) in [(Side::Buy, own.bids), (Side::Sell, own.asks)] {
                let own: Vec<_> = orders.iter().map(|o| (o.order_ref, o.px, o.shares)).collect();
                // The judge holds this one to the core's.
                if truth.tape.queue(symbol(name), side) != own {
                    return Err(format!("{name} {side:?}: the venue's book is not what it published"));
                }
            }
        }
        Ok(())
    }

    fn until_level(&mut self) -> Result<(), String> {
        let late = self.now.max(self.joins) + LEVEL_WITHIN;
        loop {
            self.turn()?;
            let (next, messages) = (self.core.next(), self.venue.counts().messages);
            if self.is_hopeless() || (self.core.all_valid() && next == messages + 1) {
                return Ok(());
            }
            if self.now > late {
                let stats = self.channel.stats();
                return Err(format!("not level in a calm: at {next} of {messages}, {stats:?}"));
            }
        }
    }

    /// A tick of the clock.
    fn turn(&mut self) -> Result<(), String> {
        self.now += self.tick;
        let now = self.now;
        self.venue.step(now);
        let (from, span) = self.storm.dark;
        let dark_from = self.began.saturating_add(from);
        let is_heard = now >= self.joins && !(dark_from..dark_from.saturating_add(span)).contains(&now);
        while let Some((line, bytes)) = self.venue.poll_datagram() {
            if is_heard {
                let (first, end) = range(&bytes);
                self.lines[line].send(now, first..end, bytes);
            }
        }
        for line in 0..2 {
            while let Some(bytes) = self.lines[line].poll(now) {
                let (first, end) = range(&bytes);
                self.shown = self.shown.max(end);
                self.hear(line as u8, first, end, &bytes)?;
            }
        }
        while self.answers.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((.., bytes))) = self.answers.pop() else { break };
            let (first, end) = range(&bytes);
            self.hear(REREQUEST, first, end, &bytes)?;
        }
        if self.glimpse.read(now, &mut self.venue, &mut self.channel) {
            let mut ears = Ears::new(now, &mut self.core, &self.venue);
            if self.glimpse.take(now, &mut self.channel, &mut ears) {
                self.glimpse.close(now, &mut self.venue);
            }
            self.check()?;
        }
        if self.channel.next_timeout().is_some_and(|t| t.0 <= now) {
            let mut ears = Ears::new(now, &mut self.core, &self.venue);
            self.channel.on_timeout(Nanos(now), &mut ears);
            self.check()?;
        }
        while let Some(request) = self.channel.poll_transmit(Nanos(now)) {
            self.requests += 1;
            self.serve(&request.bytes);
        }
        if self.channel.poll_snapshot(Nanos(now)) {
            let fate = self.storm.fate(&mut self.rng);
            self.glimpse.begin(now, &mut self.venue, &mut self.channel, fate);
        }
        Ok(())
    }

    fn hear(&mut self, line: u8, first: u64, end: u64, bytes: &[u8]) -> Result<(), String> {
        self.core.before_datagram(first, end, self.channel.expected());
        let mut ears = Ears::new(self.now, &mut self.core, &self.venue);
        self.channel.on_datagram(Nanos(self.now), line, bytes, &mut ears);
        self.check()
    }

    fn serve(&mut self, request: &[u8]) {
        let Some(mut answer) = self.venue.on_request(request) else { return };
        let delay = match self.storm.answers {
            Answers::Dead => return,
            Answers::Seldom if self.rng.chance(70) => return,
            Answers::Late => self.rng.below(20 * MS),
            Answers::InPart => {
                keep_first(&mut answer);
                50_000
            }
            Answers::Prompt | Answers::Seldom => 50_000,
        };
        self.answers.push(Reverse((self.now + delay, self.requests, answer)));
    }

    /// What holds after each call of the channel: the judge has found nothing, and who is valid has all that the lines have told of.
    fn check(&mut self) -> Result<(), String> {
        let mut truth = self.core.truth.lock().expect("one thread");
        if let Some(fault) = truth.fault.take() {
            return Err(fault);
        }
        let next = truth.next;
        drop(truth);
        if next != self.shown && self.core.any_valid() {
            return Err(format!("valid before message {next}, and the lines are at {}", self.shown));
        }
        Ok(())
    }
}

/// The messages of a MoldUDP64 packet.
fn range(packet: &[u8]) -> (u64, u64) {
    let first = u64::from_be_bytes(packet[10..18].try_into().expect("eight bytes"));
    match u16::from_be_bytes([packet[18], packet[19]]) {
        u16::MAX => (first, first),
        count => (first, first + u64::from(count)),
    }
}

/// Cuts a packet down to the first half of its messages.
fn keep_first(packet: &mut Vec<u8>) {
    let (first, end) = range(packet);
    let keep = ((end - first) as u16).div_ceil(2);
    let mut at = 20;
    for _ in 0..keep {
        at += 2 + usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    }
    packet.truncate(at);
    packet[18..20].copy_from_slice(&keep.to_be_bytes());
}
