//! How far trading is restrained, and by what.

/// How far trading is restrained. Each level forbids what the one before it does, and more. Up goes by itself, down by a person's word alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum BreakerLevel {
    /// Within the limits anything goes.
    #[default]
    Normal = 0,
    /// Only orders that take a position towards nothing, whatever is open filled.
    ReduceOnly = 1,
    /// No order and no replace; what is open stays until it is canceled.
    CancelOnly = 2,
    /// No order and no replace, and all that is open is canceled.
    Halted = 3,
}

impl BreakerLevel {
    /// Every one, by code.
    pub const ALL: [BreakerLevel; 4] =
        [BreakerLevel::Normal, BreakerLevel::ReduceOnly, BreakerLevel::CancelOnly, BreakerLevel::Halted];

    /// It in one word, as configurations, logs and `status` have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            BreakerLevel::Normal => "normal",
            BreakerLevel::ReduceOnly => "reduce_only",
            BreakerLevel::CancelOnly => "cancel_only",
            BreakerLevel::Halted => "halted",
        }
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $id:ident = $code:literal $word:literal,)*) => {
        /// What restrained trading. The codes are stable: journals, logs and shared memory carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum BreakerCause { $($(#[$doc])* $id = $code,)* }

        impl BreakerCause {
            /// Every one, by code; the codes begin at 1.
            pub const ALL: [BreakerCause; [$($code),*].len()] = [$(BreakerCause::$id),*];

            /// It in one word, as logs and `status` have it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(BreakerCause::$id => $word,)* }
            }
        }
    };
}

causes! {
    /// A person asked.
    Operator = 1 "operator",
    /// The day's loss.
    Loss = 2 "loss",
    /// What was lost since the day's best.
    Drawdown = 3 "drawdown",
    /// The venue refuses too much.
    Rejects = 4 "rejects",
    /// More trades than the strategy should make.
    Fills = 5 "fills",
    /// Too many messages for what trades.
    MessagesPerFill = 6 "messages_per_fill",
    /// Orders leave too late.
    Latency = 7 "latency",
    /// Books went stale, locked, crossed or torn too often.
    Market = 8 "market",
    /// Market data was missing too often.
    Gaps = 9 "gaps",
    /// The journal is behind.
    Journal = 10 "journal",
    /// The disk is nearly full.
    Disk = 11 "disk",
    /// The clock is off.
    Clock = 12 "clock",
    /// A thread is not heard from.
    Heartbeat = 13 "heartbeat",
    /// Our own orders went too far from where the price was.
    Impact = 14 "impact",
    /// The same fill and order again and again.
    Repeated = 15 "repeated",
    /// The venue's word cannot be true of what we know.
    Reconciliation = 16 "reconciliation",
    /// An arithmetic limit was reached.
    Overflow = 17 "overflow",
    /// The process was told to end.
    Shutdown = 18 "shutdown",
    /// The kill switch.
    Kill = 19 "kill",
    /// What the strategy does is not what was expected of it.
    Expectation = 20 "expectation",
    /// A request would have passed a limit of the whole: gross, net, or orders open.
    Exposure = 21 "exposure",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_places() {
        for (k, level) in BreakerLevel::ALL.into_iter().enumerate() {
            assert_eq!(level as usize, k);
        }
        for (k, cause) in BreakerCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, k + 1);
        }
    }
}
