//! Who talks to whom, in which version, and how strictly.

use core::fmt;

use model::Nanos;
use thiserror::Error;

use super::super::dictionary::{Dictionary, Strictness};
use super::super::logon::Credentials;

/// The versions spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// FIX 4.2.
    Fix42,
    /// FIX 4.4.
    Fix44,
}

impl Version {
    /// BeginString.
    #[must_use]
    pub const fn begin(self) -> &'static [u8] {
        match self {
            Version::Fix42 => b"FIX.4.2",
            Version::Fix44 => b"FIX.4.4",
        }
    }

    pub(super) fn dictionary(self) -> Dictionary {
        match self {
            Version::Fix42 => Dictionary::fix42(),
            Version::Fix44 => Dictionary::fix44(),
        }
    }

    /// The highest SessionRejectReason that the version has.
    pub(super) const fn reject_reasons(self) -> u8 {
        match self {
            Version::Fix42 => 11,
            Version::Fix44 => 99,
        }
    }
}

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We do, and log on first.
    Initiator,
    /// The counterparty does.
    Acceptor,
}

/// When both sequences begin at 1 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// When the counterparty asks for it. An initiator never does.
    Never,
    /// At each logon: the initiator asks for it. What was missed while disconnected is then lost, so this is for venues that demand it.
    EachLogon,
    /// Once a day, at this time since midnight UTC: the initiator says goodbye then, and asks for it at the next logon, or at the first one after it was not there
    /// at that time. It asks again until the counterparty has agreed.
    Daily(Nanos),
}

impl Reset {
    /// Whether the numbers are to begin anew before anything is said at `now`, where they last began at `began`.
    pub(super) fn is_due(self, now: Nanos, began: Nanos) -> bool {
        match self {
            Reset::Never => false,
            Reset::EachLogon => true,
            Reset::Daily(at) => began < last(at, now),
        }
    }

    /// When the day of `now` began: at the time of the daily reset where there is one, at midnight UTC otherwise.
    #[must_use]
    pub fn day_began(self, now: Nanos) -> Nanos {
        match self {
            Reset::Never | Reset::EachLogon => last(Nanos::ZERO, now),
            Reset::Daily(at) => last(at, now),
        }
    }

    /// When a session that stands at `now` is to end for it.
    pub(super) fn next(self, began: Nanos) -> Option<Nanos> {
        match self {
            Reset::Never | Reset::EachLogon => None,
            Reset::Daily(at) => Some(Nanos(last(at, began).0 + DAY_NS)),
        }
    }
}

/// A day, in ns.
pub(super) const DAY_NS: u64 = 86_400_000_000_000;

/// The last time not after `now` that is `at` since midnight.
fn last(at: Nanos, now: Nanos) -> Nanos {
    let today = now.0 / DAY_NS * DAY_NS + at.0;
    Nanos(if today <= now.0 { today } else { today.saturating_sub(DAY_NS) })
}

/// What is asked for at the first logon of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// What came after the last message that was acted upon.
    Missed,
    /// Everything since the session began: a process that knows nothing learns its orders and positions from it.
    All,
}

/// What is sent again when the counterparty asks for it. The rest is gap-filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Every application message.
    Application,
    /// No request. An order that did not arrive was priced for a market that is gone: it must not reach a venue seconds or hours late. The gap fill tells the
    /// venue that nothing is missing, and thereby tells us that the order never will be executed. Only session rejects are sent again.
    NoRequests,
}

/// How a session behaves. Secrets do not show in `Debug`.
#[derive(Clone)]
pub struct SessionConfig {
    /// Initiator or acceptor.
    pub role: Role,
    /// 4.2 or 4.4.
    pub version: Version,
    /// SenderCompID of what we send: 1 to 64 printable ASCII characters.
    pub sender: String,
    /// TargetCompID of what we send.
    pub target: String,
    /// HeartBtInt in whole seconds that an initiator asks for; 0 for none. An acceptor takes the initiator's.
    pub heartbeat_s: u32,
    /// Resets.
    pub reset: Reset,
    /// Replays.
    pub replay: Replay,
    /// Resends.
    pub resend: Resend,
    /// How the logon is authenticated.
    pub credentials: Credentials,
    /// How strictly messages are judged.
    pub strictness: Strictness,
    /// How far a SendingTime may be from our clock.
    pub accuracy: Nanos,
    /// How long a logon, a logout or a resend may take.
    pub patience: Nanos,
    /// Bytes of the receive buffer, and of a message.
    pub receive_capacity: usize,
    /// Bytes of the transmit buffer.
    pub transmit_capacity: usize,
    /// Bytes of messages ahead of a gap that are kept until it is filled; more are dropped, and come again with the resend.
    pub held_capacity: usize,
}

/// The smallest receive and transmit buffers.
pub(super) const CAPACITY_MIN: usize = 4096;

impl SessionConfig {
    /// Heartbeats of 30 s, no resets, no authentication, two minutes of accuracy, 10 s of patience, buffers of 64 KiB. An initiator is tolerant, has all
    /// replayed and sends no request again; an acceptor is strict, and sends again what is asked for.
    #[must_use]
    pub fn new(role: Role, version: Version, sender: &str, target: &str) -> SessionConfig {
        let initiator = role == Role::Initiator;
        SessionConfig {
            role,
            version,
            sender: sender.into(),
            target: target.into(),
            heartbeat_s: 30,
            reset: Reset::Never,
            replay: if initiator { Replay::All } else { Replay::Missed },
            resend: if initiator { Resend::NoRequests } else { Resend::Application },
            credentials: Credentials::None,
            strictness: if initiator { Strictness::Tolerant } else { Strictness::Full },
            accuracy: Nanos::from_millis(120_000),
            patience: Nanos::from_millis(10_000),
            receive_capacity: 64 * 1024,
            transmit_capacity: 64 * 1024,
            held_capacity: 64 * 1024,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let id = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !id(&self.sender) || !id(&self.target) {
            return Err(ConfigError::CompId);
        }
        if self.heartbeat_s > HEARTBEAT_MAX_S {
            return Err(ConfigError::Heartbeat);
        }
        if self.receive_capacity < CAPACITY_MIN || self.transmit_capacity < CAPACITY_MIN {
            return Err(ConfigError::Capacity);
        }
        if matches!(self.reset, Reset::Daily(at) if at.0 >= DAY_NS) {
            return Err(ConfigError::ResetTime);
        }
        self.credentials.check().map_err(|()| ConfigError::Credentials)
    }
}

impl fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionConfig { role, version, sender, target, .. } = self;
        f.debug_struct("SessionConfig")
            .field("role", role)
            .field("version", version)
            .field("sender", sender)
            .field("target", target)
            .finish_non_exhaustive()
    }
}

/// The longest HeartBtInt taken.
pub(super) const HEARTBEAT_MAX_S: u32 = 3_600;

/// Why a session cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A CompID.
    #[error("sender_comp_id and target_comp_id: 1 to 64 printable ASCII characters without spaces")]
    CompId,
    /// The heartbeat.
    #[error("heartbeat_s: at most {HEARTBEAT_MAX_S}")]
    Heartbeat,
    /// A buffer too small to work with.
    #[error("receive_capacity and transmit_capacity: at least {CAPACITY_MIN} bytes")]
    Capacity,
    /// A time of day that there is none.
    #[error("reset_at: a time of day")]
    ResetTime,
    /// A user, password or key.
    #[error("user and password: 1 to 128 printable ASCII characters; key: 16 to 128 bytes")]
    Credentials,
}
