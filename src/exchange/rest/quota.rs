//! How much each address and account has asked for, and what is done about too much.
//!
//! This is the independent count that a client's own is judged by: windows that roll, by the time of arrival.

use std::collections::{BTreeMap, VecDeque};

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Weight in any 60 s, by address.
    pub weight: u32,
    /// New orders in any 10 s and in any day, by account.
    pub orders: [u32; 2],
    /// Refusals by 429 that are borne in any 60 s; the next is a ban.
    pub patience: u32,
    /// How long the first ban lasts, ms; each further one twice as long.
    pub ban_ms: u64,
}

const SPANS_MS: [u64; 2] = [10_000, 86_400_000];
const MINUTE_MS: u64 = 60_000;

/// One rolling window.
#[derive(Debug, Default)]
struct Rolling {
    entries: VecDeque<(u64, u32)>,
    used: u32,
    most: u32,
}

impl Rolling {
    fn expire(&mut self, now: u64, span: u64) {
        while let Some(&(at, n)) = self.entries.front()
            && now >= at + span
        {
            self.entries.pop_front();
            self.used -= n;
        }
    }

    fn add(&mut self, now: u64, n: u32) {
        self.entries.push_back((now, n));
        self.used += n;
        self.most = self.most.max(self.used);
    }

    /// Seconds until `n` more have room under `limit`, at least 1.
    fn wait_s(&self, now: u64, span: u64, n: u32, limit: u32) -> u64 {
        let mut used = self.used;
        for &(at, weight) in &self.entries {
            used -= weight;
            if used + n <= limit {
                return (at + span - now).div_ceil(1_000).max(1);
            }
        }
        span / 1_000
    }
}

#[derive(Debug, Default)]
struct Visitor {
    weight: Rolling,
    refusals: Rolling,
    banned_until: u64,
    bans: u32,
}

/// What the venue has counted, for tests and people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaCounts {
    /// Requests that came, whatever became of them.
    pub requests: u64,
    /// Refused by 429.
    pub throttled: u64,
    /// Refused by 418.
    pub banned: u64,
    /// The most weight in any window, of any address.
    pub most_weight: u32,
    /// The most orders in any 10 s, of any account.
    pub most_orders: u32,
    /// Differences of books that were not sent, as the configuration wants some.
    pub differences_lost: u64,
}

impl QuotaCounts {
    /// As people and programs read it.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let QuotaCounts { requests, throttled, banned, most_weight, most_orders, differences_lost } = *self;
        serde_json::json!({
            "requests": requests,
            "throttled": throttled,
            "banned": banned,
            "most_weight": most_weight,
            "most_orders": most_orders,
            "differences_lost": differences_lost,
        })
    }
}

/// A refusal: status, and seconds to stay away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// 429 or 418.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after_s: u64,
}

/// All windows.
#[derive(Debug)]
pub struct Counter {
    quota: Quota,
    visitors: BTreeMap<u64, Visitor>,
    orders: BTreeMap<u16, [Rolling; 2]>,
    counts: QuotaCounts,
}

impl Counter {
    /// With nothing counted.
    #[must_use]
    pub fn new(quota: Quota) -> Counter {
        Counter { quota, visitors: BTreeMap::new(), orders: BTreeMap::new(), counts: QuotaCounts::default() }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> QuotaCounts {
        self.counts
    }

    /// The limits.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// A request of `weight` from an address.
    ///
    /// # Errors
    /// [`Refused`]: it is not served.
    pub fn visit(&mut self, now: u64, from: u64, weight: u32) -> Result<(), Refused> {
        self.counts.requests += 1;
        let v = self.visitors.entry(from).or_default();
        v.weight.expire(now, MINUTE_MS);
        v.refusals.expire(now, MINUTE_MS);
        if now < v.banned_until {
            self.counts.banned += 1;
            return Err(Refused { status: 418, retry_after_s: (v.banned_until - now).div_ceil(1_000) });
        }
        if v.weight.used + weight <= self.quota.weight {
            v.weight.add(now, weight);
            self.counts.most_weight = self.counts.most_weight.max(v.weight.most);
            return Ok(());
        }
        let retry_after_s = v.weight.wait_s(now, MINUTE_MS, weight, self.quota.weight);
        Err(self.too_much(now, from, retry_after_s))
    }

    /// New orders of an account.
    ///
    /// # Errors
    /// [`Refused`]: they are not made.
    pub fn order(&mut self, now: u64, from: u64, account: u16) -> Result<(), Refused> {
        let windows = self.orders.entry(account).or_default();
        let mut wait = None;
        for ((w, span), limit) in windows.iter_mut().zip(SPANS_MS).zip(self.quota.orders) {
            w.expire(now, span);
            if w.used >= limit {
                wait = Some(w.wait_s(now, span, 1, limit));
            }
        }
        if let Some(wait) = wait {
            return Err(self.too_much(now, from, wait));
        }
        windows.iter_mut().for_each(|w| w.add(now, 1));
        self.counts.most_orders = self.counts.most_orders.max(windows[0].most);
        Ok(())
    }

    fn too_much(&mut self, now: u64, from: u64, retry_after_s: u64) -> Refused {
        let v = self.visitors.entry(from).or_default();
        v.refusals.add(now, 1);
        if v.refusals.used <= self.quota.patience {
            self.counts.throttled += 1;
            return Refused { status: 429, retry_after_s };
        }
        let span = self.quota.ban_ms << v.bans.min(8);
        v.bans += 1;
        v.banned_until = now + span;
        self.counts.banned += 1;
        Refused { status: 418, retry_after_s: span.div_ceil(1_000) }
    }

    /// Weight of an address that counts now.
    #[must_use]
    pub fn weight(&self, from: u64) -> u32 {
        self.visitors.get(&from).map_or(0, |v| v.weight.used)
    }

    /// Orders of an account that count now over 10 s.
    #[must_use]
    pub fn orders(&self, account: u16) -> u32 {
        self.orders.get(&account).map_or(0, |w| w[0].used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_rolls_and_who_goes_on_is_banned() {
        let mut c = Counter::new(Quota { weight: 10, orders: [2, 100], patience: 2, ban_ms: 5_000 });
        assert_eq!(c.visit(0, 1, 6), Ok(()));
        assert_eq!(c.visit(30_000, 1, 4), Ok(()));
        assert_eq!(c.visit(0, 2, 10), Ok(()), "another address");
        let refused = |status, retry_after_s| Err(Refused { status, retry_after_s });
        assert_eq!(c.visit(31_000, 1, 1), refused(429, 29));
        assert_eq!(c.visit(31_000, 1, 8), refused(429, 59), "there is room when both are gone");
        assert_eq!(c.visit(32_000, 1, 1), refused(418, 5));
        assert_eq!(c.visit(36_500, 1, 1), refused(418, 1));
        assert_eq!(c.visit(60_000, 1, 6), Ok(()), "the first six are gone");
        assert_eq!(c.visit(60_001, 1, 1), refused(418, 10), "not forgotten, and longer");
        assert_eq!((c.counts().throttled, c.counts().banned, c.counts().most_weight), (2, 3, 10));
    }

    #[test]
    fn orders_count_by_account() {
        let mut c = Counter::new(Quota { weight: 10, orders: [2, 3], patience: 9, ban_ms: 1 });
        for (now, account, ok) in [(0, 7, true), (1, 7, true), (2, 7, false), (3, 8, true), (10_000, 7, true)]
        {
            assert_eq!(c.order(now, 1, account).is_ok(), ok, "{now}");
        }
        assert_eq!(c.order(30_000, 1, 7), Err(Refused { status: 429, retry_after_s: 86_370 }), "the day's");
    }
}
