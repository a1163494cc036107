//! A core that trades with the simulated exchange over each order entry protocol in turn: orders, replaces, cancels, fills on both sides, and at the end every
//! figure as the venue's own ledger has it, its stream read again, and a replay of the journal.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use colo::config::{Config, OrderOptions, Secrets, Written, parse_toml};
use colo::core::{Plan, start};
use colo::exchange::{self, ExchangeConfig};
use colo::reconcile::{self, Figures, Verdict};
use colo::replay::{Journal, replay};
use colo::telemetry::region_path;
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use engine::{InstrumentChange, OrderState};
use model::{GatewayId, InstrumentId, Nanos, Px, Qty};

/// Buys at the market, rests an order away from it, replaces that, cancels it, and sells what it holds: lap after lap, with one order at a time.
#[derive(Clone, Default)]
struct Everything {
    stage: Arc<AtomicU64>,
    laps: Arc<AtomicU64>,
}

impl Strategy for Everything {
    const NAME: &'static str = "everything";

    fn new(_: &mut Params) -> Result<Everything, ParamError> {
        Ok(Everything::default())
    }

    fn on_instrument(&mut self, view: &View<'_>, _: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        out.wake_at(view.now().after(Nanos::from_millis(2)));
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        out.wake_at(view.now().after(Nanos::from_millis(2)));
        let id = InstrumentId(0);
        let (top, order, held) = (view.top(id), view.orders(id).next(), view.position(id).shares);
        let in_flight = order.is_some_and(|o| o.state() != OrderState::Live);
        if !view.can_trade(id) || top.bid_qty == 0 || top.ask_qty == 0 || in_flight {
            return;
        }
        let below = |percent| {
            let px = top.bid_px.0 * percent / 100;
            Px(px - px % 100)
        };
        let stage = self.stage.load(Ordering::Relaxed);
        match (stage, order) {
            (0, None) => out.buy(id, Qty(10), top.ask_px),
            (1, None) => out.buy(id, Qty(30), below(96)),
            (2, Some(order)) => out.replace(order.id, Qty(40), below(95)),
            (3, Some(order)) => out.cancel(order.id),
            (4, None) if held > 0 => out.sell(id, Qty(held.unsigned_abs() as u32), top.bid_px),
            // The market went away from the order.
            (0 | 1 | 4 | 5, Some(order)) => return out.cancel(order.id),
            (2..=5, None) => {}
            _ => return,
        }
        if stage == 5 {
            self.laps.fetch_add(1, Ordering::Relaxed);
        }
        self.stage.store((stage + 1) % 6, Ordering::Relaxed);
    }
}

fn look(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

#[test]
fn every_order_protocol_trades_and_reconciles() {
    // On OUCH 5.0's plain row of tokens, and on a channel of its own with as many options as there are.
    for (protocol, options) in [("ouch50", false), ("ouch50", true), ("ouch42", false)] {
        let folder = tempfile::tempdir().unwrap();
        let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [a, b] = [0, 1].map(|k: usize| ports[k].local_addr().unwrap());
        drop(ports);
        let text = format!(
            "symbols = [\"AAPL\"]\nlines = [\"{a}\", \"{b}\"]\nrerequest = \"127.0.0.1:0\"\nouch = \"127.0.0.1:0\"\nwait_for_login = true\n\
             [[accounts]]\nusername = \"user01\"\npassword = \"pass\"\nfirm = \"ABCD\"\nprotocol = \"{protocol}\"\n\
             [flow]\nkind = \"generated\"\nseed = 5\nmessages_per_second = 2000\n"
        );
        let venue = exchange::spawn(ExchangeConfig::from_toml(&text, Path::new(".")).unwrap()).unwrap();
        let file = Path::new("core.toml");
        let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
        written.name = format!("orders-{protocol}-{}", std::process::id());
        written.journal_dir = folder.path().join("journal").display().to_string();
        written.topology = "inline".into();
        written.idle = "yield".into();
        written.strategy.name = Everything::NAME.into();
        written.gateways[0].protocol = protocol.into();
        written.gateways[0].order_tag = Some("CORE".into());
        written.gateways[0].options = options.then(|| OrderOptions {
            channel: Some(7),
            customer_type: Some("N".into()),
            group: Some(3),
            post_only: Some(false),
            self_match: Some("O".into()),
            locate_broker: Some("BRKR".into()),
        });
        written.risk.price_collar_bps = Some(1_000);
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        config.feeds[0].lines = vec![a, b];
        config.feeds[0].rerequest = venue.rerequest.into_iter().collect();
        config.gateways[0].account.address = venue.ouch;
        config.gateways[0].account.password = "pass".into();

        let strategy = Everything::default();
        let core = start(&config, &Plan::new(&config, 2), strategy.clone()).unwrap();
        look("ten laps", || {
            assert!(!core.has_ended(), "{protocol}: it ended");
            strategy.laps.load(Ordering::Relaxed) >= 10
        });
        let report = core.end();
        let _ = std::fs::remove_file(region_path(&config.name));
        let _ = std::fs::remove_file(format!("/dev/shm/colo-{}.lock", config.name));

        let ours = Figures::ours(&report);
        let stream =
            reconcile::from_stream(&config.gateways[0], GatewayId(0), &config.instruments, report.began)
                .unwrap();
        assert!(ours.fills >= 10 && ours.open == 0, "{protocol}: {ours:?}");
        let verdict = Verdict::of(&ours, &stream);
        assert!(verdict.is_equal(), "{protocol}, its stream: {verdict}");
        let outcome = venue.stop().unwrap();
        let verdict = Verdict::of(&ours, &Figures::of_accounts(&outcome.accounts));
        assert!(verdict.is_equal(), "{protocol}, its ledger: {verdict}");
        let counts = outcome.accounts[0].counts;
        assert!(counts.replaced >= 10 && counts.canceled >= 10, "{protocol}: {counts:?}");
        assert_eq!(outcome.counts.malformed, 0, "{protocol}: {:?}", outcome.counts);

        let replayed = replay::<Everything>(&Journal::open(&report.journal).unwrap()).unwrap();
        assert!(replayed.ended);
        assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats), "{protocol}");
    }
}
