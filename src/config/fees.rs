//! `fees_micro_usd` of a gateway: what its venue takes or gives for each share, by liquidity flag, in 1e-6 USD.

use std::collections::BTreeMap;

use engine::{FEE_MAX, Fees};

use super::resolve::Checks;

/// The key for every flag that has none of its own.
const OTHER: &str = "other";

pub(super) fn resolve(c: &mut Checks, key: &str, written: &BTreeMap<String, i64>) -> Fees {
    let mut fees = Fees::default();
    let rate =
        |c: &mut Checks, flag: &str, v: i64| c.range(&format!("{key}.{flag}"), Some(v), 0, -FEE_MAX, FEE_MAX);
    if let Some(v) = written.get(OTHER) {
        fees.set_all(rate(c, OTHER, *v));
    }
    for (flag, v) in written.iter().filter(|(flag, _)| *flag != OTHER) {
        match flag.as_bytes() {
            [one] if one.is_ascii_graphic() => fees.set(*one, rate(c, flag, *v)),
            _ => c.problem(key, format!("{flag:?}"), "liquidity flags of one letter, and \"other\""),
        }
    }
    fees
}
