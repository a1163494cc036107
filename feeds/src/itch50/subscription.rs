//! The instruments that are wanted of a feed: the day's locates mapped to the configuration's numbers.
//!
//! ```text
//! locate ---> by_locate[65,536]: UNSEEN | OTHER | instrument
//!                                  |
//!                                  | the first R, H, A or F of the locate names its ticker
//!                                  v
//!                         wanted: ticker -> instrument (sorted)
//! ```
//!
//! Locates are given anew each day, so they are learned from the feed: from the directory (`R`), and from
//! `H`, `A` and `F` too for a start in the middle of a day. Invariant: at most one locate leads to an instrument.
//! A message of another instrument costs one look-up and is not decoded.

use model::{Instrument, InstrumentId, MarketEvent, Symbol};

use super::decode::{decode_as, decode_to};
use super::wire::{AddOrder, AddOrderMpid, IpoQuoting, LENGTHS, StockDirectory, TradingAction};
use super::{DecodeError, Tally, decode, is_odd_execution, locate};
use crate::moldudp64;
use crate::protocol::{Decode, Protocol, Refusal, Wanted as WantedOf};

const LOCATES: usize = 1 << 16;
/// No message of this locate named its ticker yet.
const UNSEEN: u16 = u16::MAX;
/// The locate's ticker is not wanted.
const OTHER: u16 = u16::MAX - 1;

#[derive(Clone, Copy, Debug)]
struct Wanted {
    symbol: Symbol,
    id: InstrumentId,
    /// Where it is today, 0 when not yet known.
    locate: u16,
}

/// Filter, decode and remap for the configured instruments of one feed.
#[derive(Clone, Debug)]
pub struct Subscription {
    by_locate: Box<[u16; LOCATES]>,
    wanted: Box<[Wanted]>,
    tally: Tally,
    filtered: u64,
    odd_executions: u64,
}

impl Subscription {
    /// For these instruments, all of one feed. Allocates 128 KiB and a line an instrument; nothing later does.
    ///
    /// # Panics
    /// When an instrument's number is 65,534 or 65,535: numbers are dense, no configuration has that many.
    #[must_use]
    pub fn new(instruments: &[Instrument]) -> Subscription {
        let mut wanted: Vec<Wanted> = instruments
            .iter()
            .map(|i| {
                assert!(i.id.0 < OTHER, "instrument numbers are dense and below 65,534");
                Wanted { symbol: i.symbol, id: i.id, locate: 0 }
            })
            .collect();
        wanted.sort_by_key(|w| w.symbol);
        let by_locate = vec![UNSEEN; LOCATES].into_boxed_slice();
        Subscription {
            by_locate: by_locate.try_into().expect("65,536 entries were just made"),
            wanted: wanted.into(),
            tally: Tally::new(),
            filtered: 0,
            odd_executions: 0,
        }
    }

    /// Forgets the locates, for a new session. Counts go on.
    pub fn reset(&mut self) {
        self.by_locate.fill(UNSEEN);
        for wanted in &mut self.wanted {
            wanted.locate = 0;
        }
    }

    /// The instrument of a locate, `None` when it is not wanted or not yet known. One look-up.
    #[inline]
    #[must_use]
    pub fn instrument(&self, locate: u16) -> Option<InstrumentId> {
        match self.by_locate[usize::from(locate)] {
            UNSEEN | OTHER => None,
            id => Some(InstrumentId(id)),
        }
    }

    /// The message as an event of a wanted instrument or of the whole market (`S`, `V`, `W`; its instrument is then 0);
    /// `None` when it concerns another. No allocation.
    ///
    /// # Errors
    /// [`DecodeError`]. A message of an instrument that is not wanted is not looked at closely: only its type is checked.
    #[inline]
    pub fn event(&mut self, msg: &[u8]) -> Result<Option<MarketEvent>, DecodeError> {
        let mut said = None;
        self.event_to(msg, |event| said = Some(event))?;
        Ok(said)
    }

    /// As [`Subscription::event`], which moves the event: here it is written where `to` puts it.
    ///
    /// # Errors
    /// [`DecodeError`]; `to` was not called then.
    #[inline(always)]
    pub fn event_to(&mut self, msg: &[u8], mut to: impl FnMut(MarketEvent)) -> Result<(), DecodeError> {
        self.tally.count(msg);
        // Without a locate it is shorter than any type: decoding tells which error it is.
        let Some(locate) = locate(msg) else { return decode(msg).map(to) };
        match self.instrument(locate) {
            // The one test on the type before decoding is a bit test that is almost never true.
            Some(id) if !matches!(msg[0], b'S' | b'V' | b'W' | b'R' | b'H' | b'K' | b'C') => {
                decode_to(id, msg, to)
            }
            known => {
                if let Some(event) = self.by_kind(locate, known, msg)? {
                    to(event);
                }
                Ok(())
            }
        }
    }

    /// A message whose type matters for where it goes, or whose locate is not a wanted instrument's.
    #[inline(never)]
    fn by_kind(
        &mut self,
        locate: u16,
        known: Option<InstrumentId>,
        msg: &[u8],
    ) -> Result<Option<MarketEvent>, DecodeError> {
        let instrument = match msg[0] {
            b'S' | b'V' | b'W' => Some(InstrumentId(0)),
            b'R' | b'H' | b'K' | b'A' | b'F' => return self.named(locate, msg),
            b'C' => {
                self.odd_executions += u64::from(known.is_some() && is_odd_execution(msg));
                known
            }
            _ => known,
        };
        match instrument {
            Some(id) => decode_as(id, msg).map(Some),
            None if LENGTHS[usize::from(msg[0])] == 0 => Err(DecodeError::Unknown(msg[0])),
            None => Ok(self.filter()),
        }
    }

    fn filter(&mut self) -> Option<MarketEvent> {
        self.filtered += 1;
        None
    }

    /// A message that carries its ticker, learning the locate. Nothing is learned of one that cannot be decoded: it counts as lost, and
    /// who reads the same stream without it has to know the same.
    fn named(&mut self, locate: u16, msg: &[u8]) -> Result<Option<MarketEvent>, DecodeError> {
        let symbol = match msg[0] {
            // Adds come by the million: once the locate is known to be another's, its ticker is not looked up again.
            b'A' | b'F' if self.by_locate[usize::from(locate)] == OTHER => return Ok(self.filter()),
            b'A' => AddOrder::new(msg)?.stock(),
            b'F' => AddOrderMpid::new(msg)?.stock(),
            b'H' => TradingAction::new(msg)?.stock(),
            b'K' => IpoQuoting::new(msg)?.stock(),
            _ => StockDirectory::new(msg)?.stock(),
        };
        let found = self.wanted.binary_search_by_key(&symbol, |w| w.symbol).ok();
        let event = found.map(|at| decode_as(self.wanted[at].id, msg)).transpose()?;
        // Locate 0 is the whole market's and never one instrument's (`K` may come with it, beside its ticker).
        if locate != 0 {
            self.learn(locate, found);
        }
        if event.is_none() { Ok(self.filter()) } else { Ok(event) }
    }

    fn learn(&mut self, locate: u16, found: Option<usize>) {
        let entry = usize::from(locate);
        if let Some(owner) = self.wanted.iter_mut().find(|w| w.locate == locate) {
            owner.locate = 0;
        }
        self.by_locate[entry] = OTHER;
        if let Some(at) = found {
            let wanted = &mut self.wanted[at];
            if wanted.locate != 0 {
                self.by_locate[usize::from(wanted.locate)] = UNSEEN;
            }
            wanted.locate = locate;
            self.by_locate[entry] = wanted.id.0;
        }
    }

    /// All messages seen, by type.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Executions whose printable letter is neither `Y` nor `N`: they reduce the book and are taken as not printable.
    #[must_use]
    pub fn odd_executions(&self) -> u64 {
        self.odd_executions
    }

    /// Messages of instruments that are not wanted.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.filtered
    }
}

impl Protocol for Subscription {
    type Packet<'a> = moldudp64::Packet<'a>;

    const HAS_SERVERS: bool = true;
}

impl Decode for Subscription {
    fn new(wanted: WantedOf<'_>) -> Subscription {
        Subscription::new(wanted.instruments)
    }

    fn reset(&mut self) {
        Subscription::reset(self);
    }

    #[inline]
    fn decode(&mut self, msg: &[u8], event: impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        self.event_to(msg, event).map_err(DecodeError::refusal)
    }

    fn events_max(&self) -> usize {
        1
    }

    fn odd_executions(&self) -> u64 {
        self.odd_executions
    }
}

#[cfg(test)]
mod tests {
    use model::{FeedId, GatewayId, MarketBody};

    use super::*;

    fn subscription() -> Subscription {
        let instrument = |id, symbol| Instrument {
            id: InstrumentId(id),
            symbol: Symbol::new(symbol).unwrap(),
            feed: FeedId(0),
            gateway: GatewayId(0),
        };
        Subscription::new(&[instrument(3, "MSFT"), instrument(7, "AAPL")])
    }

    fn message(kind: u8, locate: u16, symbol: &str) -> Vec<u8> {
        let mut msg = vec![b' '; usize::from(LENGTHS[usize::from(kind)])];
        msg[0] = kind;
        msg[1..3].copy_from_slice(&locate.to_be_bytes());
        let at = match kind {
            b'A' | b'F' => {
                msg[19] = b'B';
                24
            }
            b'R' | b'H' | b'K' => 11,
            _ => return msg,
        };
        msg[at..at + 8].copy_from_slice(&Symbol::new(symbol).unwrap().0);
        msg
    }

    fn delete(s: &mut Subscription, locate: u16) -> Option<InstrumentId> {
        s.event(&message(b'D', locate, "")).unwrap().map(|e| e.instrument)
    }

    #[test]
    fn learns_from_each_type_that_names_its_ticker() {
        for kind in *b"RHAF" {
            let mut s = subscription();
            assert_eq!(delete(&mut s, 14), None, "nothing is known of a locate before it is named");
            let event = s.event(&message(kind, 14, "AAPL")).unwrap().unwrap();
            assert_eq!(event.instrument, InstrumentId(7));
            assert_eq!(s.instrument(14), Some(InstrumentId(7)));
            assert_eq!(delete(&mut s, 14), Some(InstrumentId(7)));
            assert_eq!(s.event(&message(kind, 15, "IBM")), Ok(None));
            assert_eq!((delete(&mut s, 15), s.instrument(15)), (None, None));
            assert_eq!(s.filtered(), 3);
        }
    }

    #[test]
    fn whole_market_events_always_pass_whatever_their_locate() {
        let mut s = subscription();
        for kind in *b"SVW" {
            for locate in [0, 42_445] {
                let event = s.event(&message(kind, locate, "")).unwrap().unwrap();
                assert!(event.body.concerns_all());
                assert_eq!(event.instrument, InstrumentId(0));
            }
        }
    }

    #[test]
    fn a_new_day_gives_new_locates() {
        let mut s = subscription();
        s.event(&message(b'R', 14, "AAPL")).unwrap();
        s.reset();
        assert_eq!(s.instrument(14), None);
        s.event(&message(b'R', 14, "MSFT")).unwrap();
        assert_eq!(delete(&mut s, 14), Some(InstrumentId(3)));
    }

    #[test]
    fn a_directory_entry_moves_an_instrument_and_leaves_nothing_behind() {
        let mut s = subscription();
        s.event(&message(b'R', 14, "AAPL")).unwrap();
        s.event(&message(b'R', 20, "AAPL")).unwrap();
        assert_eq!((s.instrument(14), s.instrument(20)), (None, Some(InstrumentId(7))));
        s.event(&message(b'R', 20, "MSFT")).unwrap();
        assert_eq!(s.instrument(20), Some(InstrumentId(3)));
        s.event(&message(b'R', 20, "IBM")).unwrap();
        assert_eq!(s.instrument(20), None);
        s.event(&message(b'R', 21, "AAPL")).unwrap();
        assert_eq!((s.instrument(20), s.instrument(21)), (None, Some(InstrumentId(7))));
    }

    #[test]
    fn an_ipo_message_with_locate_0_goes_by_its_ticker_and_teaches_nothing() {
        let mut s = subscription();
        let event = s.event(&message(b'K', 0, "MSFT")).unwrap().unwrap();
        assert_eq!(event.instrument, InstrumentId(3));
        assert!(matches!(event.body, MarketBody::IpoQuoting { .. }));
        assert_eq!(s.instrument(0), None);
        assert_eq!(s.event(&message(b'K', 0, "IBM")), Ok(None));
        assert_eq!(s.event(&message(b'A', 0, "MSFT")).unwrap().unwrap().instrument, InstrumentId(3));
        assert_eq!(delete(&mut s, 0), None);
    }

    #[test]
    fn bad_messages_are_errors_and_are_counted() {
        let mut s = subscription();
        assert_eq!(s.event(&[]), Err(DecodeError::Empty));
        assert_eq!(s.event(b"z"), Err(DecodeError::Unknown(b'z')));
        assert_eq!(s.event(b"z\0\x01more"), Err(DecodeError::Unknown(b'z')));
        assert_eq!(s.event(b"A\0"), Err(DecodeError::Short { kind: b'A', len: 2, need: 36 }));
        for kind in *b"RHAFKSVW" {
            let msg = message(kind, 14, "AAPL");
            let short = s.event(&msg[..msg.len() - 1]);
            assert!(matches!(short, Err(DecodeError::Short { .. })), "{}", kind as char);
        }
        let mut no_side = message(b'A', 14, "AAPL");
        no_side[19] = b'?';
        assert!(matches!(s.event(&no_side), Err(DecodeError::Field { .. })));
        assert_eq!(s.instrument(14), None, "nothing is learned from half a message");
        assert_eq!((s.tally().unknown(), s.tally().empty(), s.tally().total()), (2, 1, 13));
    }

    #[test]
    fn an_execution_of_an_odd_letter_is_an_event_and_is_counted() {
        let mut s = subscription();
        s.event(&message(b'R', 14, "AAPL")).unwrap();
        for (letter, odd) in [(b'Y', 0), (b'N', 0), (b' ', 1), (b'?', 2)] {
            let mut msg = message(b'C', 14, "");
            msg[31] = letter;
            let event = s.event(&msg).unwrap().unwrap();
            let is_printed = matches!(event.body, MarketBody::ExecuteAt { printable: true, .. });
            assert_eq!((event.instrument, is_printed), (InstrumentId(7), letter == b'Y'));
            assert_eq!(s.odd_executions(), odd);
            msg[2] = 15;
            assert_eq!(s.event(&msg), Ok(None), "of another instrument nothing is looked at");
            assert_eq!(s.odd_executions(), odd);
        }
    }
}
