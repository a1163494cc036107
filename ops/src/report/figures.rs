//! The figures of a day, by questions that every store of ours takes.
//!
//! A core that was started again may have had the venue repeat the day: the later run then booked the earlier one's trades, and holds them in its account. Such an earlier run is *carried*:
//! it is listed, and its account and trades are not counted a second time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Day;
use crate::store::ask::Ask;
use crate::store::{Cell, StoreError};

/// Points of a curve at most.
const POINTS_MAX: usize = 720;
/// Spans that latency is shown over.
const SPANS: usize = 96;
/// Alerts listed at most; all are counted.
const ALERTS_MAX: usize = 200;

/// A run of the day; its fields are those of the table `runs` (docs/storage.md).
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Run {
    #[serde(skip)]
    pub run_id: i64,
    pub core: String,
    pub run: i64,
    pub started_ns: i64,
    pub last_ns: i64,
    /// `in order`, `in disorder` or `goes on`.
    pub ended: &'static str,
    pub strategy: String,
    pub config_hash: String,
    pub binary_sha256: Option<String>,
    pub records: i64,
    pub lost_records: i64,
    /// Whether a later run holds its trades.
    pub carried: bool,
    pub pnl_usd_e4: i64,
    pub realised_usd_e4: i64,
    pub unrealised_usd_e4: i64,
    pub fees_usd_e6: i64,
    pub low_usd_e4: i64,
    pub high_usd_e4: i64,
    pub open_orders: i64,
}

/// Trades of one symbol and side.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Trades {
    /// The symbol.
    pub symbol: String,
    /// `B` or `S`.
    pub side: String,
    /// How many.
    pub fills: i64,
    /// Their shares.
    pub shares: i64,
    /// Shares times price.
    pub notional_usd_e4: i64,
    /// What was paid beyond the middle of the best prices when the order was last asked for; negative where it was less. Of those trades where both prices were known.
    pub slippage_usd_e4: i64,
    /// The notional of these.
    pub slippage_of_usd_e4: i64,
}

/// An account as it stands; its fields are those of the table `positions` (docs/storage.md).
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Account {
    pub core: String,
    pub symbol: String,
    pub shares: i64,
    pub mark_usd_e4: i64,
    pub realised_usd_e4: i64,
    pub unrealised_usd_e4: i64,
    pub fees_usd_e6: i64,
    pub fills: i64,
}

/// What a step took, ns.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Percentiles {
    /// Half were at or below.
    pub p50: i64,
    /// 99 %.
    pub p99: i64,
    /// 99.9 %.
    pub p999: i64,
    /// The longest.
    pub max: i64,
    /// How many.
    pub n: usize,
}

impl Percentiles {
    /// Of values in any order: the smallest at or below which the share lies (nearest rank).
    fn of(values: &mut [i64]) -> Percentiles {
        values.sort_unstable();
        let n = values.len();
        let at = |per_mille: usize| {
            let rank = (n * per_mille).div_ceil(1_000).max(1);
            values.get(rank - 1).copied().unwrap_or(0)
        };
        Percentiles { p50: at(500), p99: at(990), p999: at(999), max: at(1_000), n }
    }
}

/// How much of a limit was used at most.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Limit {
    /// The core.
    pub core: String,
    /// Which.
    pub limit: String,
    /// Of which instrument, where it is one's.
    pub symbol: Option<String>,
    /// The highest step that was passed.
    pub percent: i64,
    /// What was used at most.
    pub value: i64,
    /// Of how much.
    pub limit_value: i64,
    /// Whether both are 1e-4 USD.
    pub is_money: bool,
    /// How often it was said.
    pub warnings: i64,
}

/// What a person has to have seen.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Alert {
    /// When, ns since the Unix epoch.
    pub time_ns: i64,
    /// Where.
    pub core: String,
    /// What, in few words.
    pub what: String,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct Point {
    /// When, ns since the Unix epoch.
    pub time_ns: i64,
    /// How much.
    pub value: i64,
}

/// Latency in a span of the day.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct Span {
    /// Its beginning, ns since the Unix epoch.
    pub time_ns: i64,
    /// Of the whole way.
    pub p50: i64,
    /// Of the whole way.
    pub p99: i64,
}

/// The figures of a day.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Figures {
    /// The day.
    pub day: Day,
    /// The core, where one was asked for.
    pub core: Option<String>,
    /// Profit and loss of all accounts at their last marks, after fees.
    pub pnl_usd_e4: i64,
    /// Of it realised, by average cost, without fees.
    pub realised_usd_e4: i64,
    /// Of it not realised, without fees.
    pub unrealised_usd_e4: i64,
    /// Fees paid less rebates.
    pub fees_usd_e6: i64,
    /// The day's runs.
    pub runs: Vec<Run>,
    /// What is held, and what was traded and is not.
    pub accounts: Vec<Account>,
    /// By symbol and side.
    pub trades: Vec<Trades>,
    /// Events of orders by kind.
    pub events: BTreeMap<String, i64>,
    /// What risk refused, by reason.
    pub refusals: BTreeMap<String, i64>,
    /// By step: `decode`, `decide`, `send`, `total`.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
    /// Limits of which a half or more was used.
    pub limits: Vec<Limit>,
    /// The last alerts.
    pub alerts: Vec<Alert>,
    /// All of them.
    pub alerts_count: i64,
    /// P&L over the day, by core and run.
    pub pnl_curves: BTreeMap<String, Vec<Point>>,
    /// Latency over the day.
    pub latency_spans: Vec<Span>,
}

fn int(c: &Cell) -> i64 {
    if let Cell::Int(v) = c { *v } else { 0 }
}

fn text(c: &Cell) -> String {
    if let Cell::Text(s) = c { s.clone() } else { String::new() }
}

fn word(c: &Cell) -> Option<String> {
    if let Cell::Text(s) = c { Some(s.clone()) } else { None }
}

/// The span asked about, as every question has it.
struct Window<'a> {
    store: &'a mut dyn Ask,
    from: i64,
    to: i64,
    core: Option<String>,
}

impl Window<'_> {
    /// Rows of a question whose `{in}` is the window over `t` joined with `runs r`: places `$1` to `$3` are its own.
    fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Cell>>, StoreError> {
        let within = "t.time_ns >= $1 AND t.time_ns < $2 AND ($3 = '' OR r.core = $3)";
        let sql = sql.replace("{in}", within);
        let given = [self.from.into(), self.to.into(), self.core.clone().unwrap_or_default().into()];
        self.store.rows(&sql, &given)
    }
}

impl Figures {
    /// Asks for a day, or the last one that the store has; of one core, or of all.
    ///
    /// # Errors
    /// The store's; or it holds nothing.
    pub fn of(store: &mut dyn Ask, day: Option<Day>, core: Option<&str>) -> Result<Figures, StoreError> {
        let nothing = || StoreError::refused("the store holds no run: `colo-monitor ship` fills it");
        let day = match day {
            Some(day) => day,
            None => {
                let last = store.rows(
                    "SELECT MAX(last_ns) FROM runs WHERE ($1 = '' OR core = $1)",
                    &[core.unwrap_or("").into()],
                )?;
                let last = last.first().and_then(|row| row.first()).cloned().unwrap_or(Cell::Null);
                u64::try_from(int(&last)).ok().filter(|ns| *ns > 0).map(Day::of).ok_or_else(nothing)?
            }
        };
        let (from, to) = day.span();
        let clip = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        let mut w = Window { store, from: clip(from), to: clip(to), core: core.map(str::to_owned) };
        let runs = runs(&mut w)?;
        let counted: BTreeSet<i64> = runs.iter().filter(|r| !r.carried).map(|r| r.run_id).collect();
        let sum = |of: &dyn Fn(&Run) -> i64| {
            runs.iter().filter(|r| !r.carried).map(of).fold(0, i64::saturating_add)
        };
        let (latency_ns, latency_spans) = latency(&mut w)?;
        let (alerts, alerts_count) = alerts(&mut w)?;
        Ok(Figures {
            day,
            core: w.core.clone(),
            pnl_usd_e4: sum(&|r| r.pnl_usd_e4),
            realised_usd_e4: sum(&|r| r.realised_usd_e4),
            unrealised_usd_e4: sum(&|r| r.unrealised_usd_e4),
            fees_usd_e6: sum(&|r| r.fees_usd_e6),
            accounts: accounts(&mut w, &counted)?,
            trades: trades(&mut w, &counted)?,
            events: counts(
                &mut w,
                "SELECT t.kind, COUNT(*) FROM order_events t JOIN runs r ON r.run_id = t.run_id WHERE {in} GROUP BY t.kind",
            )?,
            refusals: counts(
                &mut w,
                "SELECT t.what, COUNT(*) FROM risk_events t JOIN runs r ON r.run_id = t.run_id WHERE {in} AND t.kind = 'refusal' GROUP BY t.what",
            )?,
            latency_ns,
            limits: limits(&mut w)?,
            alerts,
            alerts_count,
            pnl_curves: curves(&mut w)?,
            latency_spans,
            runs,
        })
    }
}

fn counts(w: &mut Window<'_>, sql: &str) -> Result<BTreeMap<String, i64>, StoreError> {
    Ok(w.ask(sql)?.iter().map(|row| (text(&row[0]), int(&row[1]))).collect())
}

fn runs(w: &mut Window<'_>) -> Result<Vec<Run>, StoreError> {
    let found = w.ask(
        "SELECT t.run_id, t.core, t.run, t.started_ns, t.last_ns, t.ended, t.strategy, t.config_hash, t.binary_sha256, t.next_seq, \
         (SELECT CAST(COALESCE(SUM(l.to_seq - l.from_seq), 0) AS BIGINT) FROM losses l WHERE l.run_id = t.run_id) \
         FROM runs t WHERE t.last_ns >= $1 AND t.started_ns < $2 AND ($3 = '' OR t.core = $3) ORDER BY t.core, t.started_ns",
    )?;
    let marks = w.ask(
        "SELECT t.run_id, t.pnl_usd_e4, t.realised_usd_e4, t.unrealised_usd_e4, t.fees_usd_e6, t.open_orders \
         FROM pnl_marks t JOIN runs r ON r.run_id = t.run_id \
         WHERE {in} AND NOT EXISTS (SELECT 1 FROM pnl_marks n WHERE n.run_id = t.run_id AND n.time_ns < $2 AND n.seq > t.seq)",
    )?;
    let ranges = w.ask(
        "SELECT t.run_id, MIN(t.pnl_usd_e4), MAX(t.pnl_usd_e4) FROM pnl_marks t JOIN runs r ON r.run_id = t.run_id WHERE {in} GROUP BY t.run_id",
    )?;
    // Trades that two runs of a core have both booked: the venue repeated them to the later one.
    let carried = w.ask(
        "SELECT DISTINCT t.run_id FROM fills t JOIN runs r ON r.run_id = t.run_id \
         JOIN fills n ON n.match_number = t.match_number AND n.gateway = t.gateway AND n.token = t.token \
         JOIN runs q ON q.run_id = n.run_id AND q.core = r.core AND q.started_ns > r.started_ns \
         WHERE {in} AND t.kind = 'fill' AND t.booked = 1 AND n.kind = 'fill' AND n.booked = 1 AND n.time_ns < $2",
    )?;
    let carried: BTreeSet<i64> = carried.iter().map(|row| int(&row[0])).collect();
    let of = |rows: &[Vec<Cell>], id: i64, k: usize| {
        rows.iter().find(|r| int(&r[0]) == id).map_or(0, |r| int(&r[k]))
    };
    let run = |row: &Vec<Cell>| {
        let id = int(&row[0]);
        Run {
            run_id: id,
            core: text(&row[1]),
            run: int(&row[2]),
            started_ns: int(&row[3]),
            last_ns: int(&row[4]),
            ended: match int(&row[5]) {
                1 => "in order",
                2 => "in disorder",
                _ => "goes on",
            },
            strategy: text(&row[6]),
            config_hash: text(&row[7]),
            binary_sha256: word(&row[8]),
            records: int(&row[9]),
            lost_records: int(&row[10]),
            carried: carried.contains(&id),
            pnl_usd_e4: of(&marks, id, 1),
            realised_usd_e4: of(&marks, id, 2),
            unrealised_usd_e4: of(&marks, id, 3),
            fees_usd_e6: of(&marks, id, 4),
            low_usd_e4: of(&ranges, id, 1),
            high_usd_e4: of(&ranges, id, 2),
            open_orders: of(&marks, id, 5),
        }
    };
    Ok(found.iter().map(run).collect())
}

fn accounts(w: &mut Window<'_>, counted: &BTreeSet<i64>) -> Result<Vec<Account>, StoreError> {
    let rows = w.ask(
        "SELECT t.run_id, r.core, t.symbol, t.shares, t.mark_usd_e4, t.realised_usd_e4, t.unrealised_usd_e4, t.fees_usd_e6, t.fills \
         FROM positions t JOIN runs r ON r.run_id = t.run_id \
         WHERE {in} AND NOT EXISTS (SELECT 1 FROM positions n WHERE n.run_id = t.run_id AND n.symbol = t.symbol AND n.time_ns < $2 \
                                    AND (n.seq > t.seq OR (n.seq = t.seq AND n.sub > t.sub))) ORDER BY r.core, t.symbol",
    )?;
    let account = |row: &Vec<Cell>| Account {
        core: text(&row[1]),
        symbol: text(&row[2]),
        shares: int(&row[3]),
        mark_usd_e4: int(&row[4]),
        realised_usd_e4: int(&row[5]),
        unrealised_usd_e4: int(&row[6]),
        fees_usd_e6: int(&row[7]),
        fills: int(&row[8]),
    };
    Ok(rows.iter().filter(|row| counted.contains(&int(&row[0]))).map(account).collect())
}

fn trades(w: &mut Window<'_>, counted: &BTreeSet<i64>) -> Result<Vec<Trades>, StoreError> {
    let rows = w.ask(
        "SELECT t.run_id, t.symbol, t.side, t.shares, t.px_usd_e4, t.arrival_bid_usd_e4, t.arrival_ask_usd_e4 \
         FROM trades t JOIN runs r ON r.run_id = t.run_id WHERE {in}",
    )?;
    let mut found: BTreeMap<(String, String), (Trades, i128)> = BTreeMap::new();
    for row in rows.iter().filter(|row| counted.contains(&int(&row[0]))) {
        let key = (text(&row[1]), text(&row[2]));
        let (t, twice) = found.entry(key.clone()).or_default();
        (t.symbol, t.side) = key;
        let (shares, px) = (int(&row[3]), int(&row[4]));
        let notional = shares.saturating_mul(px);
        t.fills += 1;
        t.shares = t.shares.saturating_add(shares);
        t.notional_usd_e4 = t.notional_usd_e4.saturating_add(notional);
        if let (Cell::Int(bid), Cell::Int(ask)) = (&row[5], &row[6]) {
            // By twice the middle, which is an integer.
            let beyond = i128::from(px) * 2 - i128::from(*bid) - i128::from(*ask);
            *twice += beyond * i128::from(shares) * if t.side == "S" { -1 } else { 1 };
            t.slippage_of_usd_e4 = t.slippage_of_usd_e4.saturating_add(notional);
        }
    }
    let halve = |(mut t, twice): (Trades, i128)| {
        t.slippage_usd_e4 = i64::try_from(twice / 2).unwrap_or(if twice < 0 { i64::MIN } else { i64::MAX });
        t
    };
    Ok(found.into_values().map(halve).collect())
}

type Latency = (BTreeMap<&'static str, Percentiles>, Vec<Span>);

fn latency(w: &mut Window<'_>) -> Result<Latency, StoreError> {
    let rows = w.ask(
        "SELECT t.time_ns, t.decode_ns, t.decide_ns, t.send_ns, t.total_ns FROM order_latency t JOIN runs r ON r.run_id = t.run_id \
         WHERE {in} ORDER BY t.time_ns",
    )?;
    let column = |k: usize| Percentiles::of(&mut rows.iter().map(|row| int(&row[k])).collect::<Vec<_>>());
    let steps = ["decode", "decide", "send", "total"]
        .into_iter()
        .zip(1..)
        .map(|(name, k)| (name, column(k)))
        .collect();
    let (Some(first), Some(last)) = (rows.first().map(|r| int(&r[0])), rows.last().map(|r| int(&r[0])))
    else {
        return Ok((steps, Vec::new()));
    };
    let width = last.saturating_sub(first) / SPANS as i64 + 1;
    let mut by_span: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in &rows {
        by_span.entry(int(&row[0]).saturating_sub(first) / width).or_default().push(int(&row[4]));
    }
    let span = |(k, mut values): (i64, Vec<i64>)| {
        let p = Percentiles::of(&mut values);
        Span { time_ns: first.saturating_add(k.saturating_mul(width)), p50: p.p50, p99: p.p99 }
    };
    Ok((steps, by_span.into_iter().map(span).collect()))
}

fn limits(w: &mut Window<'_>) -> Result<Vec<Limit>, StoreError> {
    let rows = w.ask(
        "SELECT r.core, t.what, t.symbol, MAX(t.percent), MAX(t.value), MAX(t.limit_value), MAX(t.is_money), COUNT(*) \
         FROM risk_events t JOIN runs r ON r.run_id = t.run_id WHERE {in} AND t.kind = 'warning' \
         GROUP BY r.core, t.what, t.symbol ORDER BY r.core, t.what, t.symbol",
    )?;
    let limit = |row: &Vec<Cell>| Limit {
        core: text(&row[0]),
        limit: text(&row[1]),
        symbol: word(&row[2]),
        percent: int(&row[3]),
        value: int(&row[4]),
        limit_value: int(&row[5]),
        is_money: int(&row[6]) == 1,
        warnings: int(&row[7]),
    };
    Ok(rows.iter().map(limit).collect())
}

fn alerts(w: &mut Window<'_>) -> Result<(Vec<Alert>, i64), StoreError> {
    let risk = w.ask(
        "SELECT t.time_ns, r.core, t.kind, t.what, t.cause, t.symbol, t.operator, t.reason FROM risk_events t JOIN runs r ON r.run_id = t.run_id \
         WHERE {in} AND (t.kind IN ('breaker', 'disabled', 'operator') OR (t.kind = 'control' AND t.what IN ('halt', 'kill', 'unkill', 'resume', 'trip'))) \
         ORDER BY t.time_ns",
    )?;
    let links = w.ask(
        "SELECT t.time_ns, r.core, t.kind, t.name, t.status, t.detail FROM link_events t JOIN runs r ON r.run_id = t.run_id \
         WHERE {in} AND t.status IN ('lost', 'silent', 'disputed', 'doubted', 'disconnected', 'login_rejected', 'doubt', 'blind') ORDER BY t.time_ns",
    )?;
    let said = |row: &[Cell], from: usize| {
        row[from..].iter().filter_map(word).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let alert = |row: &Vec<Cell>| Alert { time_ns: int(&row[0]), core: text(&row[1]), what: said(row, 2) };
    let mut all: Vec<Alert> = risk.iter().chain(&links).map(alert).collect();
    all.sort_by_key(|a| a.time_ns);
    let count = all.len();
    Ok((all.split_off(count.saturating_sub(ALERTS_MAX)), count as i64))
}

fn curves(w: &mut Window<'_>) -> Result<BTreeMap<String, Vec<Point>>, StoreError> {
    let rows = w.ask(
        "SELECT r.core, r.run, t.time_ns, t.pnl_usd_e4 FROM pnl_marks t JOIN runs r ON r.run_id = t.run_id WHERE {in} ORDER BY r.core, r.run, t.seq",
    )?;
    let mut found: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for row in &rows {
        let name = format!("{} run {}", text(&row[0]), int(&row[1]));
        found.entry(name).or_default().push(Point { time_ns: int(&row[2]), value: int(&row[3]) });
    }
    for points in found.values_mut() {
        thin(points);
    }
    Ok(found)
}

/// Leaves so many points that a chart can show, the lowest and the highest of each stretch among them.
fn thin(points: &mut Vec<Point>) {
    if points.len() <= POINTS_MAX {
        return;
    }
    let last = points.last().copied();
    let stretch = points.len().div_ceil(POINTS_MAX / 2);
    let kept = points.chunks(stretch).flat_map(|part| {
        let low = part.iter().min_by_key(|p| p.value).copied();
        let high = part.iter().max_by_key(|p| p.value).copied();
        let mut both: Vec<Point> = low.into_iter().chain(high).collect();
        both.sort_by_key(|p| p.time_ns);
        both.dedup();
        both
    });
    *points = kept.chain(last).collect();
    points.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let p = Percentiles::of(&mut (1..=1_000).rev().collect::<Vec<_>>());
        assert_eq!((p.p50, p.p99, p.p999, p.max, p.n), (500, 990, 999, 1_000, 1_000));
        assert_eq!(Percentiles::of(&mut [7]), Percentiles { p50: 7, p99: 7, p999: 7, max: 7, n: 1 });
        assert_eq!(Percentiles::of(&mut []), Percentiles::default());
    }

    #[test]
    fn a_thinned_curve_keeps_its_extremes_and_its_end() {
        let mut points: Vec<Point> = (0..10_000).map(|k| Point { time_ns: k, value: k % 97 }).collect();
        points[5_003].value = -1_000;
        points[7_001].value = 1_000;
        let last = points[9_999];
        thin(&mut points);
        assert!(points.len() <= POINTS_MAX + 1, "{}", points.len());
        assert!(points.iter().any(|p| p.value == -1_000) && points.iter().any(|p| p.value == 1_000));
        assert_eq!(points.last(), Some(&last));
        assert!(points.is_sorted_by_key(|p| p.time_ns));
    }
}
