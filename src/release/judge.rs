//! Evidence held to a policy, at a time that is handed in.
//!
//! Only what is of this program, this strategy and these parameters counts, and only for as long as the policy lets it. What speaks against counts as well: the last word on a drill or a host is the
//! one that holds, a session that was not clean begins the count anew, and a replay that differed refuses whatever else there is.

use std::collections::{BTreeMap, BTreeSet};

use model::Nanos;

use super::evidence::{Backtest, Piece, Session, Shown};
use super::policy::{self, Policy, days};
use super::{Refused, Subject};

/// What clocks of a desk's hosts may differ by.
const AHEAD: Nanos = Nanos(300_000_000_000);
const MINUTE_NS: u64 = 60_000_000_000;

/// What was found good.
#[derive(Clone, Debug, Default)]
pub struct Found<'a> {
    /// What is relied on, by file.
    pub used: BTreeMap<&'a str, &'a Piece>,
    /// Hosts that passed, where the policy binds to them.
    pub hosts: BTreeSet<String>,
}

/// Which part of a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// All of it.
    Everything,
    /// For a step of the limits: sessions under this approval, in place of history and paper.
    Step {
        /// The approval's seal in the log.
        approval: &'a str,
    },
}

/// One look at the evidence.
struct Look<'a> {
    subject: &'a Subject,
    pieces: &'a [Piece],
    now: Nanos,
    found: Found<'a>,
    missing: Vec<String>,
}

/// Holds evidence to a policy.
///
/// # Errors
/// Everything that is missing or does not do, each in a sentence that begins with the policy's table.
pub fn judge<'a>(
    policy: &Policy,
    subject: &'a Subject,
    pieces: &'a [Piece],
    asked: Asked<'_>,
    now: Nanos,
) -> Result<Found<'a>, Refused> {
    let mut look = Look { subject, pieces, now, found: Found::default(), missing: Vec::new() };
    look.nothing_from_the_future();
    match asked {
        Asked::Everything => {
            if let Some(b) = &policy.asks.backtest {
                look.backtest(b);
            }
            let sessions = policy.asks.paper.as_ref().map(|p| look.paper(p)).unwrap_or_default();
            if let Some(r) = &policy.asks.replay {
                look.replay(r, &sessions);
            }
        }
        Asked::Step { approval } => {
            if let Some(limits) = &policy.asks.limits {
                look.live(limits, approval);
            }
        }
    }
    if let Some(d) = &policy.asks.drills {
        look.drills(d);
    }
    if let Some(d) = &policy.asks.doctor {
        look.doctor(d);
    }
    match look.missing.is_empty() {
        true => Ok(look.found),
        false => Err(Refused(look.missing)),
    }
}

impl<'a> Look<'a> {
    fn nothing_from_the_future(&mut self) {
        let limit = self.now.after(AHEAD).0;
        for p in self.pieces.iter().filter(|p| p.stamp.at_ns > limit) {
            self.missing.push(format!("evidence {}: was made in the future of this host's clock", p.file));
        }
    }

    fn is_of_params(&self, p: &Piece) -> bool {
        p.stamp.strategy == self.subject.strategy && p.stamp.params_sha256 == self.subject.params_sha256
    }

    fn is_of_binary(&self, p: &Piece) -> bool {
        p.stamp.binary_sha256 == self.subject.pair.binary_sha256
    }

    fn is_within(&self, p: &Piece, within_days: u64) -> bool {
        self.now.0.saturating_sub(p.stamp.at_ns) <= days(within_days).0
    }

    /// What a kind has for this subject; and, where that is nothing, why: for there may well be files.
    fn of_kind<T: 'a>(
        &self,
        within_days: u64,
        pick: impl Fn(&'a Shown) -> Option<&'a T>,
    ) -> (Vec<(&'a Piece, &'a T)>, String) {
        let all: Vec<_> = self.pieces.iter().filter_map(|p| Some((p, pick(&p.shown)?))).collect();
        let n = all.len();
        let (mut params, mut binary, mut old) = (0, 0, 0);
        let mut good = Vec::new();
        for (p, t) in all {
            match p {
                p if !self.is_of_params(p) => params += 1,
                p if !self.is_of_binary(p) => binary += 1,
                p if !self.is_within(p, within_days) => old += 1,
                p => good.push((p, t)),
            }
        }
        let parts = [
            (params, "of another strategy, other parameters or symbols".to_owned()),
            (binary, "of another program (`binary_sha256`)".to_owned()),
            (old, format!("older than {within_days} days")),
        ];
        let said: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, w)| format!("{n} {w}")).collect();
        let why = match (n, said.is_empty()) {
            (0, _) => "; there is no file of it".to_owned(),
            (_, true) => String::new(),
            _ => format!("; of {n} file(s): {}", said.join(", ")),
        };
        (good, why)
    }

    fn use_piece(&mut self, p: &'a Piece) {
        self.found.used.insert(&p.file, p);
    }

    fn backtest(&mut self, asks: &policy::Backtest) {
        let pick = |s: &'a Shown| match s {
            Shown::Backtest(b) => Some(b),
            _ => None,
        };
        let (mut all, why) = self.of_kind(asks.within_days, pick);
        all.sort_by_key(|(p, _)| std::cmp::Reverse(p.stamp.at_ns));
        // The last word is the one that holds.
        let Some((newest, b)) = all.first() else {
            return self.missing.push(format!("backtest: none of this program and these parameters{why}"));
        };
        let short = shortfalls(asks, &self.subject.model_sha256, b);
        if short.is_empty() {
            return self.use_piece(newest);
        }
        self.missing.extend(short.into_iter().map(|what| format!("backtest: {} {what}", newest.file)));
    }

    /// The last sessions of a mode, as long as they are clean; or, where these are too few, what broke the row.
    fn clean(
        &self,
        mode: &str,
        within_days: u64,
        asks: &Clean<'_>,
    ) -> (Vec<(&'a Piece, &'a Session)>, String) {
        let pick = |s: &'a Shown| match s {
            Shown::Session(s) => Some(s),
            _ => None,
        };
        let (all, mut why) = self.of_kind(within_days, pick);
        let mut all: Vec<_> = all
            .into_iter()
            .filter(|(_, s)| s.mode == mode && asks.approval.is_none_or(|a| s.approval.as_deref() == Some(a)))
            .collect();
        all.sort_by_key(|(_, s)| (s.started_ns, s.ended_ns));
        let mut row: Vec<(&Piece, &Session)> = Vec::new();
        for (p, s) in all {
            if row.last().is_some_and(|(_, last)| s.started_ns < last.ended_ns) {
                why = format!("; {} is of the same time as another", p.file);
                continue;
            }
            let minutes = s.ended_ns.saturating_sub(s.started_ns) / MINUTE_NS;
            let short = format!("it took {minutes} minutes, and {} are asked for", asks.min_minutes);
            let few = format!("it has {} fills, and {} are asked for", s.fills, asks.min_fills);
            let blemish = s
                .blemish(asks.max_alarms)
                .or_else(|| (minutes < asks.min_minutes).then_some(short))
                .or_else(|| (s.fills < asks.min_fills).then_some(few));
            match blemish {
                None => row.push((p, s)),
                Some(what) => {
                    why = format!("; {} begins the count anew: {what}", p.file);
                    row.clear();
                }
            }
        }
        (row, why)
    }

    fn paper(&mut self, asks: &policy::Paper) -> Vec<&'a Session> {
        let clean = Clean {
            approval: None,
            min_minutes: asks.min_minutes,
            min_fills: asks.min_fills,
            max_alarms: asks.max_alarms,
        };
        self.enough("paper", "paper", (asks.sessions, asks.within_days), &clean)
    }

    fn live(&mut self, asks: &policy::Limits, approval: &str) {
        let clean = Clean {
            approval: Some(approval),
            min_minutes: asks.min_minutes,
            min_fills: 0,
            max_alarms: asks.max_alarms,
        };
        // An approval ends by itself, and its sessions with it.
        self.enough("limits", "live", (asks.sessions_a_step, 366), &clean);
    }

    fn enough(
        &mut self,
        table: &str,
        mode: &str,
        (wanted, within): (u64, u64),
        asks: &Clean<'_>,
    ) -> Vec<&'a Session> {
        let (row, why) = self.clean(mode, within, asks);
        if (row.len() as u64) < wanted {
            let n = row.len();
            self.missing.push(format!("{table}: {n} of {wanted} clean {mode} sessions in a row{why}"));
        }
        row.iter().for_each(|(p, _)| self.use_piece(p));
        row.into_iter().map(|(_, s)| s).collect()
    }

    fn replay(&mut self, asks: &policy::Replay, sessions: &[&Session]) {
        let pick = |s: &'a Shown| match s {
            Shown::Replay(r) => Some(r),
            _ => None,
        };
        let (all, why) = self.of_kind(asks.within_days, pick);
        for (p, _) in all.iter().filter(|(_, r)| !r.ok) {
            self.missing.push(format!("replay: {} found a difference", p.file));
        }
        let good: BTreeMap<_, _> =
            all.iter().filter(|(_, r)| r.ok).map(|(p, r)| (r.state_hash.as_str(), *p)).collect();
        if (good.len() as u64) < asks.runs {
            let n = good.len();
            self.missing.push(format!("replay: {n} of {} journals were replayed{why}", asks.runs));
        }
        if asks.every_session {
            for s in sessions.iter().filter(|s| !good.contains_key(s.state_hash.as_str())) {
                let hash = &s.state_hash;
                self.missing.push(format!("replay: no replay of the session that ended in the state {hash}"));
            }
        }
        good.values().for_each(|p| self.use_piece(p));
    }

    fn drills(&mut self, asks: &policy::Drills) {
        let pieces = self.pieces;
        for name in &asks.names {
            let of = |p: &'a Piece| match &p.shown {
                Shown::Drill(d) if d.name == *name => Some((p, d)),
                _ => None,
            };
            let held = pieces.iter().filter_map(of);
            let (mine, others): (Vec<_>, Vec<_>) =
                held.partition(|(p, _)| !asks.same_binary || self.is_of_binary(p));
            let why = match mine.into_iter().max_by_key(|(p, _)| p.stamp.at_ns) {
                None if others.is_empty() => "was not held".to_owned(),
                None => "was held with another program (`binary_sha256`)".to_owned(),
                Some((p, d)) if !d.passed => format!("has failed ({})", p.file),
                Some((p, _)) if !self.is_within(p, asks.within_days) => {
                    format!("was held more than {} days ago ({})", asks.within_days, p.file)
                }
                Some((p, _)) => {
                    self.use_piece(p);
                    continue;
                }
            };
            self.missing.push(format!("drills: {name} {why}"));
        }
    }

    fn doctor(&mut self, asks: &policy::Doctor) {
        let mut by_host = BTreeMap::new();
        for p in self.pieces {
            if let Shown::Doctor(d) = &p.shown {
                let newest = by_host.entry(&p.stamp.host).or_insert((p, d));
                if p.stamp.at_ns >= newest.0.stamp.at_ns {
                    *newest = (p, d);
                }
            }
        }
        if by_host.is_empty() {
            return self.missing.push("doctor: no host was looked at; there is no file of it".into());
        }
        for (host, (p, d)) in by_host {
            let (fail, warn) = (d.rows_with("fail"), d.rows_with("warn"));
            let why = if !self.is_within(p, asks.within_days) {
                format!("was looked at more than {} days ago", asks.within_days)
            } else if fail.len() > asks.max_failures {
                format!("fails in {} ({} are allowed)", fail.join(", "), asks.max_failures)
            } else if warn.len() > asks.max_warnings {
                format!("warns in {} ({} are allowed)", warn.join(", "), asks.max_warnings)
            } else {
                self.use_piece(p);
                if asks.same_host {
                    self.found.hosts.insert(host.clone());
                }
                continue;
            };
            self.missing.push(format!("doctor: {host} {why} ({})", p.file));
        }
    }
}

/// What makes a session count.
struct Clean<'a> {
    approval: Option<&'a str>,
    min_minutes: u64,
    min_fills: u64,
    max_alarms: u64,
}

/// Where a backtest falls short.
fn shortfalls(asks: &policy::Backtest, model_sha256: &str, b: &Backtest) -> Vec<String> {
    let mut short = Vec::new();
    if b.model_sha256 != model_sha256 {
        short.push("was made with another `[backtest]` or other fees than this configuration has".into());
    }
    // The same day twice is one day, and figures that count it twice are of no days that were.
    let days = b.data.iter().filter_map(|f| f.sha256.as_ref()).collect::<BTreeSet<_>>().len() as u64;
    if days < b.data.len() as u64 {
        short.push(format!("has {} days, and {days} different days are known by their hash", b.data.len()));
    }
    if days < asks.min_days {
        short.push(format!("has {days} different days (`min_days` = {})", asks.min_days));
    }
    // A figure that is not defined is none that was reached.
    if let Some(min) = asks.min_pnl_usd.filter(|min| b.pnl < *min as f64) {
        short.push(format!("made {:.2} USD (`min_pnl_usd` = {min})", b.pnl));
    }
    let shown = |v: Option<f64>| v.map_or("nothing".to_owned(), |v| format!("{v:.3}"));
    if let Some(min) = asks.min_sharpe.filter(|min| b.sharpe().is_none_or(|v| v < *min)) {
        short.push(format!("has a Sharpe ratio of {} (`min_sharpe` = {min})", shown(b.sharpe())));
    }
    let fell_bps = b.max_drawdown().map(|part| -part * 10_000.0);
    if let Some(max) = asks.max_drawdown_bps.filter(|max| fell_bps.is_none_or(|v| v > *max as f64)) {
        short.push(format!("fell by {} bps at most (`max_drawdown_bps` = {max})", shown(fell_bps)));
    }
    if let Some(min) = asks.min_fills.filter(|min| b.fills() < *min) {
        short.push(format!("has {} fills (`min_fills` = {min})", b.fills()));
    }
    short
}
