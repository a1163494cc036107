//! A file of the market as the records of a run that only listens: tokens, sessions that stand, a feed that is whole, and then each message that holds something for the engine, under its number.
//!
//! What the file does not say cannot be recorded: an instrument whose orders come before its trading state (a file that begins in mid-day) is an error here, where a backtest without a journal takes it that it trades.

use std::collections::VecDeque;
use std::path::Path;

use backtest::latency::{Latency, Way};
use feeds::itch50::Subscription;
use model::{Control, FeedId, FeedStatus, GatewayId, MarketBody, MarketEvent, Nanos, SessionEvent, Token};

use super::ReplayError;
use crate::config::Config;
use crate::journal::{CaptureError, Record};
use crate::source::Source;

const FEED: FeedId = FeedId(0);

/// See the module.
pub(super) struct Filed {
    source: Source,
    subscription: Subscription,
    begin: VecDeque<Record>,
    midnight: Nanos,
    leg: Way,
    index: u64,
    /// By instrument: the venue has said whether it trades.
    is_told: Vec<bool>,
    always_open: bool,
}

impl Filed {
    pub(super) fn open(
        file: &Path,
        config: &Config,
        latency: &Latency,
        midnight: Nanos,
    ) -> Result<Filed, ReplayError> {
        let now = midnight;
        let mut begin: VecDeque<_> =
            [Record::Control { now, control: Control::Tokens { first: Token(1), end: Token(u32::MAX) } }]
                .into();
        for k in 0..config.gateways.len() {
            let event = SessionEvent::Ready { next_token: Token(0), proven: true };
            begin.push_back(Record::Session { now, gateway: GatewayId(k as u8), event });
        }
        begin.push_back(Record::Feed { now, feed: FEED, status: FeedStatus::Synced { next: 1 } });
        Ok(Filed {
            source: Source::open(file)?,
            subscription: Subscription::new(&config.instruments),
            begin,
            midnight,
            leg: Way::new(&latency.feed, latency.seed, 1),
            index: 0,
            is_told: vec![false; config.instruments.len()],
            always_open: config.history.always_open,
        })
    }

    /// The next record; what it brought goes to `events`.
    pub(super) fn advance(
        &mut self,
        events: &mut Vec<MarketEvent>,
    ) -> Result<Option<(u64, Record)>, ReplayError> {
        self.index += 1;
        if let Some(record) = self.begin.pop_front() {
            return Ok(Some((self.index, record)));
        }
        while let Some(message) = self.source.next_message()? {
            let first = message.sequence;
            let missing = CaptureError::Missing { feed: FEED, first, count: 1 };
            let wrong = |source| ReplayError::Capture { index: first, source };
            let Ok(event) = self.subscription.event(message.bytes) else { return Err(wrong(missing)) };
            let Some(event) = event else { continue };
            if self.always_open && matches!(event.body, MarketBody::System { .. }) {
                continue;
            }
            if let Some(is_told) = self.is_told.get_mut(event.instrument.index()) {
                *is_told |= matches!(event.body, MarketBody::TradingAction { .. });
                if !*is_told && event.body.touches_book() {
                    return Err(ReplayError::Untold { message: first });
                }
            }
            let now = self.leg.arrival(self.midnight.after(event.ts_event));
            events.push(event);
            return Ok(Some((self.index, Record::Market { now, feed: FEED, count: 1, first })));
        }
        Ok(None)
    }
}
