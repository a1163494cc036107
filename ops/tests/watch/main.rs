//! All that watches a core, at once and for real: an exchange and a core, Prometheus, Alertmanager, the page in a browser, the shipper with PostgreSQL and NATS, the notifier, and a
//! service that takes pages. A gap of the feed, a loss and a kill are injected, and each has to be seen everywhere.
//!
//! | incident | made by | is over by |
//! |---|---|---|
//! | gap | both lines are cut, until somebody was paged | the lines again: what was missed is asked for, or taken from a snapshot |
//! | loss | the exchange corrects the price of a trade: 60, 80, 95 % of what halts | it corrects it back |
//! | kill | `colo ctl kill` | `unkill` |
//!
//! First the time from packet to order with the watchers and without, in turns ([`latency`]). `COLO_WATCH_PAIRS` and `COLO_WATCH_ORDERS` say how many turns of how many orders,
//! `COLO_SCREENSHOTS=DIR` keeps the pictures of the page. `scripts/drill-watch` runs it.

#[path = "../desk/mod.rs"]
mod desk;
mod latency;
mod places;

use std::path::{Path, PathBuf};
use std::time::Instant;

use desk::browser::Browser;
use desk::endpoint::Endpoint;
use desk::notifier::Surroundings;
use desk::prometheus::{Prometheus, alertmanager};
use desk::services;
use desk::venue::{LOSS_USD, Venue};
use desk::{free_port, has, say, until};
use ops::store::Cell;
use ops::store::ask::Ask;
use ops::store::postgres::Postgres;
use ops::store::tls::Reach;
use places::{Bus, LOOKS, Place, everywhere};
use serde_json::{Value, json};

/// Messages of the venue a second.
const FLOW: u32 = 2_000;

/// An action that a pager was told of this core, by its alert: the key.
fn paged(pager: &Endpoint, action: &str, alert: &str, core: &str) -> Option<String> {
    pager.told().iter().filter(|t| t.path == "/v2/enqueue" && t.body.contains(core)).find_map(|t| {
        let event: Value = serde_json::from_str(&t.body).ok()?;
        let key = event["dedup_key"].as_str().filter(|k| !k.is_empty())?;
        // Of Alertmanager by the class; of the notifier the key says what it is.
        let is_it = event["payload"]["class"] == alert || key == format!("colo/{core}/{alert}");
        (event["event_action"] == action && is_it).then(|| key.to_owned())
    })
}

/// Everything that watches.
struct Watchers {
    venue: Venue,
    prometheus: Prometheus,
    /// What Alertmanager pages.
    pager: Endpoint,
    /// What the notifier pages, past it.
    direct: Endpoint,
    database: PathBuf,
    bus: Bus,
    browser: Browser,
    /// Where the incident began: in the log, in the journal, on the bus.
    began: (usize, u64, usize),
}

impl Watchers {
    /// What is seen from now on is of the next incident.
    fn begin(&mut self) {
        let records =
            until("a core", || Some(ops::life::look(&self.venue.name).ok()?.engine["journal_records"]));
        self.began = (self.venue.log().len(), records, self.bus.len());
    }

    fn asks(&self, expression: &str) -> bool {
        let of = format!("core=\"{}\"", self.venue.name);
        self.prometheus.ask(&expression.replace("CORE", &of)).is_ok_and(|n| n > 0)
    }

    /// Waits until it is seen in each of these places, and says how long each took.
    fn see(&mut self, what: &str, since: Instant, places: &[Place<'_>]) -> String {
        let mut store = store(&self.database);
        let (line, record, message) = self.began;
        let core = self.venue.name.clone();
        let mut look = |place: &Place<'_>| match place {
            Place::Metric(expression) => self.asks(expression),
            Place::Paged(action, alert) => paged(&self.pager, action, alert, &core).is_some(),
            Place::Told(action, alert) => paged(&self.direct, action, alert, &core).is_some(),
            Place::Log(words) => {
                let log = self.venue.log();
                log[line..].lines().any(|line| words.iter().all(|word| line.contains(word)))
            }
            Place::Row(table, such) => {
                let sql = format!("SELECT COUNT(*) FROM {table} WHERE seq >= {record} AND {such}");
                matches!(store.rows(&sql, &[]).ok().as_deref(), Some([row, ..]) if row[0] > Cell::Int(0))
            }
            Place::Message(table, words) => self.bus.has(message, table, words),
            Place::Page(words) => ["state", "alerts"].iter().any(|id| self.browser.text(id).contains(words)),
        };
        everywhere(what, since, places, LOOKS, &mut look)
    }

    /// The picture of the page, which has to be one.
    fn picture(&mut self, name: &str) {
        let png = self.browser.screenshot(name);
        assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{name}: {} bytes", png.len());
    }

    /// The key under which an alert was raised is the one under which it is taken back.
    fn same_key(&self, pager: &Endpoint, alert: &str) {
        let [raised, over] =
            ["trigger", "resolve"].map(|action| paged(pager, action, alert, &self.venue.name));
        assert!(raised.is_some() && raised == over, "{alert}: {raised:?} {over:?}");
    }
}

fn store(database: &Path) -> Postgres {
    Postgres::new(&std::fs::read_to_string(database).unwrap(), &Reach::default()).unwrap()
}

fn gap(w: &mut Watchers) -> String {
    let began = Instant::now();
    w.venue.cut(true);
    until("a datagram that is lost", || (w.venue.lost() > 0).then_some(()));
    let seen = w.see(
        "gap",
        began,
        &[
            Place::Metric("colo_feed_synced{CORE} == 0"),
            Place::Paged("trigger", "ColoFeedStale"),
            Place::Log(&["feed silent"]),
            Place::Row("link_events", "kind = 'feed' AND status = 'silent'"),
            Place::Message("link_events", &["silent"]),
            Place::Page("lacks messages or is silent"),
        ],
    );
    w.picture("watch-gap");
    let began = Instant::now();
    w.venue.cut(false);
    let over = w.see(
        "gap over",
        began,
        &[
            Place::Metric("(colo_feed_gaps_total{CORE} > 0) and (colo_feed_synced{CORE} == 1)"),
            Place::Paged("resolve", "ColoFeedStale"),
            Place::Log(&["feed gap"]),
            Place::Row("link_events", "kind = 'feed' AND status = 'recovering' AND to_number > from_number"),
            Place::Message("link_events", &["recovering"]),
            Place::Page("trading enabled"),
        ],
    );
    w.same_key(&w.pager, "ColoFeedStale");
    format!("{seen}; over {over}")
}

/// A buy that the core remembers, and its price: the largest of the last ones.
fn a_buy(w: &Watchers) -> (String, i64, i64) {
    let mut store = store(&w.database);
    let sql = "SELECT match_number, shares, px_usd_e4 FROM (SELECT * FROM fills WHERE kind = 'fill' AND side = 'B' AND booked = 1 ORDER BY seq DESC LIMIT 50) f ORDER BY shares DESC LIMIT 1";
    until("a buy", || match store.rows(sql, &[]).ok()?.into_iter().next()?.as_slice() {
        [Cell::Text(number), Cell::Int(shares), Cell::Int(px)] => Some((number.clone(), *shares, *px)),
        other => panic!("{other:?}"),
    })
}

fn loss(w: &mut Watchers) -> String {
    let (number, shares, px) = a_buy(w);
    let dollars = |e4: i64| format!("{}.{:04}", e4 / 10_000, e4 % 10_000);
    let mut seen = String::new();
    for (used, percent, alert) in [(60, 50, "ColoLoss50"), (80, 75, "ColoLoss75"), (95, 90, "ColoLoss90")] {
        let pnl = until("a P&L", || Some(ops::life::look(&w.venue.name).ok()?.risk?.pnl));
        // What is lost on this one trade besides what it has cost so far, whole cents a share.
        let so_far = if used == 60 { 0 } else { last_correction(w, &number) - px };
        let more = (LOSS_USD * used / 100 * 10_000 + (pnl * 10_000.0) as i64) / shares;
        let to = (px + so_far + more) / 100 * 100;
        let began = Instant::now();
        w.venue.command(&["correct", &number, &dollars(to)]);
        let firing = format!("ALERTS{{CORE,alertname=\"{alert}\",alertstate=\"firing\"}}");
        let row = format!("kind = 'warning' AND what = 'loss' AND percent = {percent}");
        let (limit_of, of) = ("\"limit_of\":\"loss\"", format!("\"percent\":{percent}"));
        let log = [limit_of, &of];
        let message = ["\"loss\"", "\"warning\"", &of];
        let mut places = vec![
            Place::Metric(&firing),
            Place::Log(&log),
            Place::Row("risk_events", &row),
            Place::Message("risk_events", &message),
        ];
        if used >= 80 {
            places.push(Place::Page("loss: "));
        }
        if used == 95 {
            places.push(Place::Paged("trigger", alert));
        }
        seen = w.see(&format!("loss of {used} %"), began, &places);
        say(&format!("a loss of {used} % of what halts: {seen}"));
    }
    w.picture("watch-loss");
    let began = Instant::now();
    w.venue.command(&["correct", &number, &dollars(px)]);
    let over = w.see(
        "loss over",
        began,
        &[
            Place::Metric("core:colo_loss_used:ratio{CORE} < 0.5"),
            Place::Paged("resolve", "ColoLoss90"),
            Place::Log(&["trade corrected", &format!("\"px\":\"{}\"", dollars(px))]),
            Place::Row("fills", &format!("kind = 'corrected' AND px_usd_e4 = {px}")),
            Place::Message("fills", &["\"corrected\"", &format!("\"px_usd_e4\":{px}")]),
            Place::Page("trading enabled"),
        ],
    );
    w.same_key(&w.pager, "ColoLoss90");
    format!("{seen}; over {over}")
}

/// The price that a trade was last corrected to, 1e-4 USD.
fn last_correction(w: &Watchers, number: &str) -> i64 {
    let mut store = store(&w.database);
    let sql = "SELECT px_usd_e4 FROM fills WHERE kind = 'corrected' AND match_number = $1 ORDER BY seq DESC LIMIT 1";
    until("a correction", || match store.rows(sql, &[number.into()]).ok()?.first()?.first()? {
        Cell::Int(px) => Some(*px),
        other => panic!("{other:?}"),
    })
}

fn kill(w: &mut Watchers) -> String {
    let began = Instant::now();
    w.venue.ctl(&["kill", "--reason", "drill", "--operator", "tester"]);
    let seen = w.see(
        "kill",
        began,
        &[
            Place::Metric("colo_engine_kill{CORE} == 2"),
            Place::Paged("trigger", "ColoKilled"),
            Place::Told("trigger", "killed"),
            Place::Log(&["\"killed\"", "\"scope\":\"all\""]),
            Place::Row("risk_events", "kind = 'operator' AND what = 'kill' AND operator = 'tester'"),
            Place::Message("risk_events", &["\"operator\"", "\"kill\""]),
            Place::Page("KILLED, flat"),
        ],
    );
    w.picture("watch-kill");
    let began = Instant::now();
    w.venue.ctl(&["unkill", "--reason", "drill over", "--operator", "tester"]);
    let over = w.see(
        "kill over",
        began,
        &[
            Place::Metric("colo_engine_kill{CORE} == 0"),
            Place::Paged("resolve", "ColoKilled"),
            Place::Told("resolve", "killed"),
            Place::Row("risk_events", "kind = 'operator' AND what = 'unkill'"),
            Place::Message("risk_events", &["\"unkill\""]),
        ],
    );
    w.same_key(&w.pager, "ColoKilled");
    w.same_key(&w.direct, "killed");
    format!("{seen}; over {over}")
}

#[test]
fn a_gap_a_loss_and_a_kill_are_seen_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_database, database)) = services::postgres(folder.path()) else { return };
    let Some(bus_server) = services::nats(folder.path()) else { return };
    let programs = ["prometheus", "prometheus-alertmanager", "chromium"];
    if !programs.iter().all(|p| has(p, "everything at once")) {
        return;
    }
    let venue = Venue::trading("watch", FLOW);
    let bus = Bus::listen(bus_server.port, &venue.name);
    let direct = Endpoint::open(0);
    let place = Surroundings::new(&venue.name, direct.port);
    let nats = format!("127.0.0.1:{}", bus_server.port);
    let attach = || latency::attach(&venue, &place, &database, &nats);
    let compared = latency::compare(&venue, &database, &attach);

    let watching = attach();
    let url = &watching.server.url;
    let pager = Endpoint::open(0);
    let (port, alerts) = (free_port(), tempfile::tempdir().unwrap());
    let _alertmanager = alertmanager(alerts.path(), port, pager.port);
    let prometheus = Prometheus::start(url.strip_prefix("http://").unwrap(), port);
    let mut browser = Browser::open();
    browser.size(1400, 1000);
    browser.call("Page.navigate", json!({"url": format!("{url}/?core={}", venue.name)}));
    until("a page that shows the core", || (browser.text("state") == "trading enabled").then_some(()));
    // Nothing that was there before an incident is taken for it.
    for pages in [&pager, &direct] {
        assert!(pages.told().iter().all(|t| !t.body.contains(&venue.name)), "{:?}", pages.told());
    }
    let mut w = Watchers { venue, prometheus, pager, direct, database, bus, browser, began: (0, 0, 0) };
    until("a scrape", || w.asks("colo_up{CORE} == 1").then_some(()));

    let mut told = Vec::new();
    for (what, incident) in [("gap", gap as fn(&mut Watchers) -> String), ("loss", loss), ("kill", kill)] {
        w.begin();
        let seen = incident(&mut w);
        say(&format!("{what}: {seen}"));
        told.push(what);
    }
    assert!(w.browser.complaints.is_empty(), "{:#?}", w.browser.complaints);
    say(&format!(
        "watch: {} incidents ({}), each raised and taken back in every place: metric, page, PagerDuty by Alertmanager (and of the kill by the notifier), log, PostgreSQL, NATS; {compared}",
        told.len(),
        told.join(", ")
    ));
}
