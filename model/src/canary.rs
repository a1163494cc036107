//! Faults planted on purpose, so that it is seen that a drill would notice them.
//!
//! A check that has never failed shows nothing. Where a drill judges, one line of the code under it asks [`Canary::sings`] whether to do the wrong thing. In every
//! build but one that is the constant `false`, and the line is gone. The feature `canaries` makes that one build (`scripts/drill-canaries`); in it the environment
//! variable `COLO_CANARY` names the one fault, and without it there is none. A core of that build says so in `--version`, and reaches no venue of production.
//!
//! ```text
//!   fault's name  ->  Canary::NAME.sings() at one seam  ->  the drill fails, with the words that scripts/drill-canaries holds it to
//! ```

/// Whether this build can be told to do wrong.
pub const IN_THIS_BUILD: bool = cfg!(feature = "canaries");

macro_rules! canaries {
    ($($(#[$what:meta])* $variant:ident = $name:literal,)*) => {
        /// A fault, by what the code does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Canary {
            $($(#[$what])* $variant,)*
        }

        impl Canary {
            /// Every one.
            pub const ALL: &'static [Canary] = &[$(Canary::$variant,)*];

            /// What `COLO_CANARY` calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Canary::$variant => $name,)*
                }
            }
        }
    };
}

canaries! {
    /// A start grants tokens that were granted before, and neither risk nor the gateway heeds what the venue has seen (T3).
    TokensAgain = "tokens-again",
    /// A fill moves no position (T8).
    IgnoredFill = "ignored-fill",
    /// The throttle of repeated executions counts none (T8).
    EndlessRepeats = "endless-repeats",
    /// A core whose program or configuration is another than approved starts all the same (T8).
    MixedFleet = "mixed-fleet",
    /// A start does not look for the kill switch's latch (T9).
    DeafToLatch = "deaf-to-latch",
    /// Anybody may say anything on the control socket (T13).
    ObeysAnybody = "obeys-anybody",
    /// One message of a thousand is not delivered, and nobody notices (T14).
    MissesMessage = "misses-message",
    /// The cold thread opens a file once a second and keeps it (T15).
    Hoards = "hoards",
    /// The core's clock follows the wall clock wherever it steps (T16).
    WallClock = "wall-clock",
    /// What the venue says of trading is not heard (T19).
    DeafToHalts = "deaf-to-halts",
    /// A day that ends with a position is not said (T19).
    QuietClose = "quiet-close",
    /// The drop copy's shares are not compared (T20).
    BlindCopy = "blind-copy",
}

impl Canary {
    /// Whether this fault is the one that is planted. Cost: nothing, in a build without the feature.
    #[inline(always)]
    #[must_use]
    pub fn sings(self) -> bool {
        #[cfg(feature = "canaries")]
        return planted() == Some(self);
        #[cfg(not(feature = "canaries"))]
        false
    }
}

/// The fault that is planted.
///
/// # Panics
/// When `COLO_CANARY` names none that there is: a drill that meant another one would have shown nothing.
#[cfg(feature = "canaries")]
#[must_use]
pub fn planted() -> Option<Canary> {
    static PLANTED: std::sync::OnceLock<Option<Canary>> = std::sync::OnceLock::new();
    *PLANTED.get_or_init(|| {
        let name = std::env::var("COLO_CANARY").ok()?;
        let found = Canary::ALL.iter().copied().find(|c| c.name() == name);
        Some(found.unwrap_or_else(|| panic!("COLO_CANARY is {name:?}, and there is no such fault")))
    })
}

/// None: this build has no faults to plant.
#[cfg(not(feature = "canaries"))]
#[must_use]
pub const fn planted() -> Option<Canary> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_one_name() {
        for (k, a) in Canary::ALL.iter().enumerate() {
            assert!(Canary::ALL[..k].iter().all(|b| b.name() != a.name()), "{}", a.name());
        }
    }

    #[cfg(not(feature = "canaries"))]
    #[test]
    fn none_sings_in_a_build_of_users() {
        assert!(!IN_THIS_BUILD && planted().is_none());
        assert!(Canary::ALL.iter().all(|c| !c.sings()));
    }
}
