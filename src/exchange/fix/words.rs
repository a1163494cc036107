//! The venue's words as FIX's codes.

use gateways::fix::session::Version;

use crate::exchange::entry::{Cause, Reason};

/// OrdRejReason (103) of a refusal.
pub(super) fn refusal(cause: Cause, version: Version) -> u64 {
    let reason = match cause {
        Cause::Symbol => 1,
        Cause::DestinationClosed | Cause::Halted => 2,
        Cause::SharesThreshold
        | Cause::MaxNotional
        | Cause::FatFinger
        | Cause::RiskAggregateExposure
        | Cause::RiskMarketImpact
        | Cause::RiskAverageDailyVolume
        | Cause::RiskFatFinger
        | Cause::RiskSymbolRate
        | Cause::RiskPortRate
        | Cause::RiskDuplicateRate
        | Cause::RiskSingleOrderNotional
        | Cause::RiskMaxQuantity => 3,
        Cause::LateLocTooAggressive | Cause::CancelPending | Cause::ReplaceNotAllowed => 4,
        Cause::Display
        | Cause::MaxFloor
        | Cause::PegType
        | Cause::Pegging
        | Cause::IsoNotAllowed
        | Cause::MinQuantity
        | Cause::CrossOrder
        | Cause::Routing => 11,
        Cause::Quantity => 13,
        _ => 99,
    };
    within(reason, version)
}

/// A reason that 4.2 has no number for is the broker's own.
pub(super) const fn within(reason: u64, version: Version) -> u64 {
    match version {
        Version::Fix42 if reason > 8 => 0,
        Version::Fix42 | Version::Fix44 => reason,
    }
}

/// What a person reads of it.
pub(super) const fn said(reason: Reason) -> &'static str {
    match reason {
        Reason::Closed => "the market or the cross is over",
        Reason::PostOnly => "post-only and would have traded",
        Reason::Halted => "halted",
        Reason::Ioc => "immediate or cancel",
        Reason::Collars => "outside of the bands",
        Reason::SelfMatch => "self-match prevention",
        Reason::Supervisory => "by the venue",
        Reason::Timeout => "its time is up",
        Reason::User => "as asked",
        Reason::System => "the connection was lost",
    }
}

/// The venue's letter of Side (54); 0 for one it does not have, which is refused.
pub(super) fn side_letter(text: &[u8]) -> u8 {
    match text {
        b"1" => b'B',
        b"2" => b'S',
        b"5" => b'T',
        b"6" => b'E',
        _ => 0,
    }
}

/// Side (54) of the venue's letter.
pub(super) const fn side(letter: u8) -> &'static [u8] {
    match letter {
        b'B' => b"1",
        b'T' => b"5",
        b'E' => b"6",
        _ => b"2",
    }
}
