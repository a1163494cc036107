//! How far what a strategy does is from what was expected of it.

macro_rules! figures {
    ($($(#[$doc:meta])* $id:ident = $code:literal $word:literal,)*) => {
        /// What is looked at, over a trailing window. The codes are stable: journals carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DriftFigure { $($(#[$doc])* $id = $code,)* }

        impl DriftFigure {
            /// Every one, by code.
            pub const ALL: [DriftFigure; [$($code),*].len()] = [$(DriftFigure::$id),*];

            /// It in one word with its unit, as files, logs and alarms have it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(DriftFigure::$id => $word,)* }
            }
        }
    };
}

figures! {
    /// Profit after fees, 1e-4 USD.
    Pnl = 0 "pnl_e4_usd",
    /// New orders.
    Orders = 1 "orders",
    /// Fills of 10,000 new orders.
    FillRatio = 2 "fills_per_10k_orders",
    /// What trades were worth a second later over what they cost, 1e-6 of the money traded.
    Markout = 3 "markout_1s_ppm",
    /// Return on the capital less that of the benchmark, 1e-6.
    Excess = 4 "excess_ppm",
    /// What trades cost beyond the middles that their orders were decided at, 1e-6 of the money traded.
    Slippage = 5 "slippage_ppm",
}

/// A figure that has left its bounds, or is back within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which.
    pub figure: DriftFigure,
    /// What it is, in its unit.
    pub value: i64,
    /// The bound that it passed, or of the two the one that it is nearer to.
    pub bound: i64,
    /// It is beyond it now.
    pub is_beyond: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_places() {
        for (k, figure) in DriftFigure::ALL.into_iter().enumerate() {
            assert_eq!(figure as usize, k);
        }
    }
}
