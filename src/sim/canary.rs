//! Cores and venues that are broken on purpose, each in one way, so that it can be seen that the invariants can fail. The fault is planted where things pass from one
//! part to the next, or in what a part is started with; none of the parts knows of it.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// An order carries a token that was used before.
    ReusesTokens,
    /// A fill is not applied.
    IgnoresFill,
    /// A trade that the venue breaks stands.
    IgnoresBust,
    /// A market message is applied twice.
    AppliesTwice,
    /// A market message is lost, and nobody notices.
    MissesMessage,
    /// An order is sent again.
    SendsAgain,
    /// An order leaves with other values than were decided.
    AltersOrder,
    /// What is open is not held against the limit.
    ReservesNothing,
    /// The throttle lets twice as much pass.
    Outpaces,
    /// A cancel is held back.
    HoldsCancel,
    /// Breakers are not heeded, ...
    IgnoresBreakers,
    /// ... nor is what is said from outside.
    MissesTrip,
    /// Limits of money let three times as much pass.
    Overspends,
    /// A loss stops nothing.
    IgnoresLoss,
    /// A record is not journaled.
    SkipsRecord,
    /// A halt of the venue is not heard.
    MissesHalt,
    /// A request is lost on the way, and nobody notices.
    LosesRequest,
    /// An order is taken to be over when it was accepted.
    ForgetsOrder,
}

impl Canary {
    /// Every one.
    pub const ALL: [Canary; 18] = {
        use Canary::*;
        [
            ReusesTokens,
            IgnoresFill,
            IgnoresBust,
            AppliesTwice,
            MissesMessage,
            SendsAgain,
            AltersOrder,
            ReservesNothing,
            Outpaces,
            HoldsCancel,
            IgnoresBreakers,
            MissesTrip,
            Overspends,
            IgnoresLoss,
            SkipsRecord,
            MissesHalt,
            LosesRequest,
            ForgetsOrder,
        ]
    };

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Canary::ReusesTokens => "reuses-tokens",
            Canary::IgnoresFill => "ignores-fill",
            Canary::IgnoresBust => "ignores-bust",
            Canary::AppliesTwice => "applies-twice",
            Canary::MissesMessage => "misses-message",
            Canary::SendsAgain => "sends-again",
            Canary::AltersOrder => "alters-order",
            Canary::ReservesNothing => "reserves-nothing",
            Canary::Outpaces => "outpaces",
            Canary::HoldsCancel => "holds-cancel",
            Canary::IgnoresBreakers => "ignores-breakers",
            Canary::MissesTrip => "misses-trip",
            Canary::Overspends => "overspends",
            Canary::IgnoresLoss => "ignores-loss",
            Canary::SkipsRecord => "skips-record",
            Canary::MissesHalt => "misses-halt",
            Canary::LosesRequest => "loses-request",
            Canary::ForgetsOrder => "forgets-order",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Canary> {
        Canary::ALL.into_iter().find(|c| c.name() == name)
    }
}
