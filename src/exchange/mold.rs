//! The market data channel: MoldUDP64 1.00 on every line, and the re-request server over the same log.
//!
//! ```text
//! publish(message) -> log[n]           flush(now): per line, log[next..] packed into datagrams -> FaultyLine -> poll
//! datagram: session(10) sequence(8) count(2) { length(2) message }*
//! heartbeat: count 0, sequence = next    end of session: count 0xFFFF, sequence = next
//! ```
//!
//! Invariants: both lines carry the same messages under the same numbers, each packed by its own datagram size; a datagram holds at least
//! one message and never more bytes than its line allows; once ended, nothing more is numbered.

use super::faults::{FaultyLine, LineFaults};
use super::message_log::MessageLog;

/// Bytes of the header.
pub const HEADER: usize = 20;
/// Largest payload of a re-request's answer, bytes.
const ANSWER_BYTES: usize = 1400;
/// Silence after which a line says that it lives.
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// How often the end is said.
const END_EVERY_NS: u64 = 100_000_000;
/// The count that says that the session is over.
const END_OF_SESSION: u16 = 0xFFFF;

#[derive(Debug)]
struct Line {
    network: FaultyLine,
    datagram_bytes: usize,
    next: u64,
    last_sent: u64,
}

/// The end of the session, said for a while.
#[derive(Clone, Copy, Debug)]
struct Ending {
    until: u64,
    next: u64,
}

/// The publisher of one channel.
#[derive(Debug)]
pub struct Publisher {
    session: [u8; 10],
    log: MessageLog,
    lines: Vec<Line>,
    ending: Option<Ending>,
    datagrams: u64,
}

impl Publisher {
    /// A channel with one line for each entry of `lines`, silent until `now`.
    #[must_use]
    pub fn new(session: [u8; 10], lines: &[LineFaults], seed: u64, now: u64) -> Publisher {
        let lines = lines
            .iter()
            .zip(0u64..)
            .map(|(faults, n)| Line {
                network: FaultyLine::new(faults.clone(), seed, n),
                datagram_bytes: faults.datagram_bytes,
                next: 1,
                last_sent: now,
            })
            .collect();
        Publisher { session, log: MessageLog::default(), lines, ending: None, datagrams: 0 }
    }

    /// Appends a message to the stream; [`Self::flush`] sends it.
    pub fn publish(&mut self, message: &[u8]) {
        debug_assert!(self.ending.is_none(), "the session is over");
        self.log.push(message);
    }

    /// Sends what was published, heartbeats that are due, and the end of the session while it lasts.
    pub fn flush(&mut self, now: u64) {
        for line in &mut self.lines {
            while line.next < self.log.next() {
                let (bytes, count) =
                    pack(&self.session, &self.log, line.next, u64::from(u16::MAX), line.datagram_bytes);
                let messages = line.next..line.next + count;
                line.next += count;
                line.last_sent = now;
                line.network.send(now, messages, bytes);
                self.datagrams += 1;
            }
            if self.ending.is_none() && now.saturating_sub(line.last_sent) >= HEARTBEAT_NS {
                line.last_sent = now;
                line.network.send(now, line.next..line.next, header(&self.session, line.next, 0).to_vec());
                self.datagrams += 1;
            }
        }
        if let Some(ending) = self.ending.as_mut()
            && ending.next <= now
            && ending.next <= ending.until
        {
            ending.next = now.saturating_add(END_EVERY_NS);
            for line in &mut self.lines {
                let end = header(&self.session, line.next, END_OF_SESSION).to_vec();
                line.network.send(now, line.next..line.next, end);
                self.datagrams += 1;
            }
        }
    }

    /// Ends the session: what was published still goes out, then its end is said every 100 ms for `span_ns`.
    pub fn end(&mut self, now: u64, span_ns: u64) {
        self.flush(now);
        self.ending.get_or_insert(Ending { until: now.saturating_add(span_ns), next: now });
    }

    /// Whether the session is over and its end has been said for long enough.
    #[must_use]
    pub fn finished(&self, now: u64) -> bool {
        self.ending.is_some_and(|e| e.until < now)
            && self.lines.iter().all(|l| l.network.next_due().is_none())
    }

    /// The next datagram to put on the wire, with its line's index.
    pub fn poll(&mut self, now: u64) -> Option<(usize, Vec<u8>)> {
        self.lines.iter_mut().enumerate().find_map(|(i, line)| Some((i, line.network.poll(now)?)))
    }

    /// When [`Self::flush`] or [`Self::poll`] has something to do next without anything published.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        let lines = self.lines.iter().flat_map(|line| {
            let heartbeat = match self.ending {
                None => Some(line.last_sent.saturating_add(HEARTBEAT_NS)),
                Some(_) => None,
            };
            [line.network.next_due(), heartbeat]
        });
        let ending = self.ending.filter(|e| e.next <= e.until).map(|e| e.next);
        lines.chain([ending]).flatten().min().unwrap_or(u64::MAX)
    }

    /// The answer to a request packet: the messages asked for, as many as fit one datagram. A request that is not 20 bytes, names another
    /// session, asks for nothing or for what was not sent yet gets silence, as the protocol has no refusal.
    #[must_use]
    pub fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request: &[u8; HEADER] = request.try_into().ok()?;
        let (session, rest) = request.split_first_chunk::<10>()?;
        let (sequence, count) = rest.split_first_chunk::<8>()?;
        let sequence = u64::from_be_bytes(*sequence);
        let count = u16::from_be_bytes(*count.first_chunk()?);
        // What the lines have not carried yet is not asked for by anyone who counts, and is not answered.
        let sent = self.lines.iter().map(|l| l.next).max().unwrap_or_else(|| self.log.next());
        if *session != self.session || sequence == 0 || sequence >= sent || count == 0 {
            return None;
        }
        Some(pack(&self.session, &self.log, sequence, u64::from(count).min(sent - sequence), ANSWER_BYTES).0)
    }

    /// Messages published so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.log.next() - 1
    }

    /// Datagrams put on the lines so far, those that the fault model then lost included.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// Datagrams that the fault model lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lines.iter().map(|l| l.network.lost()).sum()
    }

    /// Message number `sequence` of the stream.
    #[must_use]
    pub fn message(&self, sequence: u64) -> Option<&[u8]> {
        self.log.get(sequence)
    }
}

fn header(session: &[u8; 10], sequence: u64, count: u16) -> [u8; HEADER] {
    let mut h = [0; HEADER];
    h[..10].copy_from_slice(session);
    h[10..18].copy_from_slice(&sequence.to_be_bytes());
    h[18..].copy_from_slice(&count.to_be_bytes());
    h
}

/// Packs messages from `first` on, at most `count` of them and at most what fits `limit` bytes, but at least one.
fn pack(session: &[u8; 10], log: &MessageLog, first: u64, count: u64, limit: usize) -> (Vec<u8>, u64) {
    let mut bytes = header(session, first, 0).to_vec();
    let mut packed = 0u16;
    while u64::from(packed) < count && packed < END_OF_SESSION - 1 {
        let Some(message) = log.get(first + u64::from(packed)) else { break };
        if packed > 0 && bytes.len() + 2 + message.len() > limit {
            break;
        }
        bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        bytes.extend_from_slice(message);
        packed += 1;
    }
    bytes[18..HEADER].copy_from_slice(&packed.to_be_bytes());
    (bytes, u64::from(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: [u8; 10] = *b"SESSION001";

    fn channel(lines: &[LineFaults]) -> Publisher {
        Publisher::new(SESSION, lines, 1, 0)
    }

    /// Sequence, count and messages of a datagram.
    fn open(d: &[u8]) -> (u64, u16, Vec<Vec<u8>>) {
        assert_eq!(d[..10], SESSION);
        let sequence = u64::from_be_bytes(d[10..18].try_into().unwrap());
        let count = u16::from_be_bytes(d[18..20].try_into().unwrap());
        let mut rest = &d[20..];
        let mut messages = Vec::new();
        while let [a, b, tail @ ..] = rest {
            let n = usize::from(u16::from_be_bytes([*a, *b]));
            messages.push(tail[..n].to_vec());
            rest = &tail[n..];
        }
        (sequence, count, messages)
    }

    fn request(session: &[u8; 10], sequence: u64, count: u16) -> Vec<u8> {
        [&session[..], &sequence.to_be_bytes(), &count.to_be_bytes()].concat()
    }

    #[test]
    fn lines_pack_differently_and_carry_the_same() {
        let small = LineFaults { datagram_bytes: 128, ..LineFaults::default() };
        let mut p = channel(&[LineFaults::default(), small]);
        let sent: Vec<Vec<u8>> = (0..100u8).map(|i| vec![i; 36]).collect();
        sent.iter().for_each(|m| p.publish(m));
        p.flush(0);
        let mut got = [Vec::new(), Vec::new()];
        let mut datagrams = [0, 0];
        while let Some((line, d)) = p.poll(0) {
            assert!(d.len() <= [1400, 128][line]);
            let (sequence, count, messages) = open(&d);
            assert_eq!(sequence, got[line].len() as u64 + 1);
            assert_eq!(usize::from(count), messages.len());
            got[line].extend(messages);
            datagrams[line] += 1;
        }
        assert_eq!(got, [sent.clone(), sent]);
        assert_eq!(datagrams, [3, 50]);
    }

    #[test]
    fn silence_brings_heartbeats_with_the_next_number() {
        let mut p = channel(&[LineFaults::default()]);
        p.publish(b"x");
        p.flush(5);
        assert_eq!(open(&p.poll(5).unwrap().1).1, 1);
        p.flush(5 + HEARTBEAT_NS - 1);
        assert_eq!((p.poll(u64::MAX), p.next_due()), (None, 5 + HEARTBEAT_NS));
        p.flush(5 + HEARTBEAT_NS);
        assert_eq!(open(&p.poll(u64::MAX).unwrap().1), (2, 0, vec![]));
    }

    #[test]
    fn the_end_is_said_for_a_while_and_requests_still_work() {
        let mut p = channel(&[LineFaults::default()]);
        p.publish(b"x");
        p.end(0, 250_000_000);
        let mut said = 0;
        let mut now = 0;
        while !p.finished(now) {
            p.flush(now);
            while let Some((_, d)) = p.poll(now) {
                said += u32::from(open(&d) == (2, END_OF_SESSION, vec![]));
            }
            now += 10_000_000;
        }
        assert_eq!(said, 3);
        assert_eq!(p.next_due(), u64::MAX);
        assert_eq!(open(&p.answer(&request(&SESSION, 1, 1)).unwrap()).2, [b"x"]);
    }

    /// A client may ask up to the highest message that it saw, again and again, while the same messages are on the lines.
    #[test]
    fn requests_may_overlap_each_other_and_what_is_sent() {
        let mut p = channel(&[LineFaults::default()]);
        for i in 0..10u8 {
            p.publish(&[i; 36]);
        }
        p.flush(0);
        let first = p.answer(&request(&SESSION, 3, 6)).unwrap();
        assert_eq!(p.answer(&request(&SESSION, 3, 6)), Some(first), "as often as it is asked for");
        p.publish(&[10; 36]);
        let (sequence, count, messages) = open(&p.answer(&request(&SESSION, 5, 100)).unwrap());
        assert_eq!((sequence, count, messages[0][0]), (5, 6, 4), "what is not sent yet is not answered");
        p.flush(1);
        let sent: Vec<_> = std::iter::from_fn(|| p.poll(u64::MAX)).map(|(_, d)| open(&d)).collect();
        let next = sent.iter().map(|(sequence, count, _)| sequence + u64::from(*count)).max();
        assert_eq!(next, Some(12), "and the lines go on as if nobody had asked: {sent:?}");
    }

    #[test]
    fn requests_are_clamped_and_nonsense_is_ignored() {
        let mut p = channel(&[LineFaults::default()]);
        for i in 0..100u8 {
            p.publish(&[i; 36]);
        }
        assert_eq!(p.answer(&request(&SESSION, 1, 5)), None, "nothing was sent yet");
        p.flush(0);
        let (sequence, count, messages) = open(&p.answer(&request(&SESSION, 98, 65535)).unwrap());
        assert_eq!((sequence, count, messages.len(), messages[0][0]), (98, 3, 3, 97));
        let answer = p.answer(&request(&SESSION, 1, 100)).unwrap();
        assert!(answer.len() <= ANSWER_BYTES);
        assert_eq!(open(&answer).1, 36, "(1400 - 20) / 38");
        for bad in [
            request(&SESSION, 0, 1),
            request(&SESSION, 101, 1),
            request(&SESSION, u64::MAX, 65535),
            request(&SESSION, 1, 0),
            request(b"ANOTHER001", 1, 1),
            request(&SESSION, 1, 1)[..19].to_vec(),
            [request(&SESSION, 1, 1), vec![0]].concat(),
            vec![],
        ] {
            assert_eq!(p.answer(&bad), None, "{bad:?}");
        }
    }
}
