//! Two venues in one core: each a feed of two lines with an instrument of its own, each with a gateway. The core trades on both, and what one feed has lost makes
//! only its own instruments invalid.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{Plan, start};
use colo::exchange::{self, ExchangeConfig};
use colo::replay::{Journal, replay};
use colo::telemetry::region_path;
use engine::InstrumentChange;
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use model::{InstrumentId, Nanos, Qty, Validity};

/// A strategy that buys a share of each instrument at its best offer until it has one, and writes down how often each was valid and not.
#[derive(Clone, Default)]
struct OneOfEach(Arc<Mutex<[Seen; 2]>>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    valid: bool,
    /// How often it became anything but valid, once it had been.
    fell: u64,
    bought: bool,
}

impl Strategy for OneOfEach {
    const NAME: &'static str = "one-of-each";

    fn new(_: &mut Params) -> Result<OneOfEach, ParamError> {
        Ok(OneOfEach::default())
    }

    fn on_instrument(&mut self, view: &View<'_>, id: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        let is_valid = view.instrument(id).validity == Validity::Valid;
        let seen = &mut self.0.lock().unwrap()[id.index()];
        seen.fell += u64::from(seen.valid && !is_valid);
        seen.valid = is_valid;
        out.wake_at(view.now().after(Nanos::from_millis(10)));
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        for (k, seen) in self.0.lock().unwrap().iter_mut().enumerate() {
            let id = InstrumentId(k as u16);
            let ask = view.top(id).ask_px;
            seen.bought |= view.position(id).shares != 0;
            if !seen.bought && view.can_trade(id) && ask.0 != 0 && view.orders(id).next().is_none() {
                out.buy(id, Qty(1), ask);
            }
        }
        out.wake_at(view.now().after(Nanos::from_millis(10)));
    }
}

/// A venue of one symbol, and its lines. `faults` go to both of them; it has no re-request server.
fn venue(name: &str, faults: &str) -> (exchange::Running, Vec<SocketAddr>) {
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let lines: Vec<_> = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    let [a, b] = &lines[..] else { unreachable!("two ports") };
    drop(ports);
    let text = format!(
        "symbols = [{name:?}]\nlines = [\"{a}\", \"{b}\"]\nouch = \"127.0.0.1:0\"\nwait_for_login = true\nclose_with_flow = false\n\
         [[accounts]]\nusername = \"user01\"\npassword = \"pass\"\nfirm = \"ABCD\"\n\
         [flow]\nkind = \"generated\"\nmessages_per_second = 4000\n[faults]\nseed = 40\n[faults.line_a]\n{faults}\n[faults.line_b]\n{faults}\n"
    );
    (exchange::spawn(ExchangeConfig::from_toml(&text, Path::new(".")).unwrap()).unwrap(), lines)
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
fn two_feeds_trade_and_fail_apart() {
    for topology in ["pipelined", "inline"] {
        let folder = tempfile::tempdir().unwrap();
        // With this seed messages 27,104 to 27,119 are the first that both lines of the second venue lose: after seven seconds, and nothing can bring them back.
        let venues = [venue("AAPL", ""), venue("MSFT", "shared_loss = 0.001")];
        let file = Path::new("core.toml");
        let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
        written.name = format!("feeds-{topology}-{}", std::process::id());
        written.journal_dir = folder.path().join("journal").display().to_string();
        written.topology = topology.into();
        written.idle = "yield".into();
        written.strategy.name = OneOfEach::NAME.into();
        let mut feed = written.feeds[0].clone();
        let mut gateway = written.gateways[0].clone();
        let mut msft = written.instruments[0].clone();
        (feed.id, gateway.id) = ("f2".into(), "g2".into());
        // Addresses that are told apart; what is listened to is set below.
        feed.lines = vec!["127.0.0.1:5".into(), "127.0.0.1:6".into()];
        gateway.address = "127.0.0.1:7".into();
        (msft.symbol, msft.feed, msft.gateway) = ("MSFT".into(), "f2".into(), "g2".into());
        written.feeds.push(feed);
        written.gateways.push(gateway);
        written.instruments.push(msft);
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        for (k, (venue, lines)) in venues.iter().enumerate() {
            config.feeds[k].lines.clone_from(lines);
            config.gateways[k].account.address = venue.ouch;
            config.gateways[k].account.password = "pass".into();
        }
        let strategy = OneOfEach::default();
        let core = start(&config, &Plan::new(&config, 2), strategy.clone()).unwrap();
        let seen = || *strategy.0.lock().unwrap();
        look("a share of each", || seen().iter().all(|s| s.bought));
        look("the second feed to have lost something", || !seen()[1].valid);
        let then = venues[0].0.progress().messages.load(Ordering::Relaxed);
        look("the first to go on", || venues[0].0.progress().messages.load(Ordering::Relaxed) > then + 2_000);
        let [aapl, msft] = seen();
        assert_eq!((aapl.valid, aapl.fell), (true, 0), "{topology}");
        assert!(!msft.valid && msft.fell > 0, "{topology}: {msft:?}");

        let report = core.end();
        let _ = std::fs::remove_file(region_path(&config.name));
        let _ = std::fs::remove_file(format!("/dev/shm/colo-{}.lock", config.name));
        let replayed = replay::<OneOfEach>(&Journal::open(&report.journal).unwrap()).unwrap();
        assert!(replayed.ended);
        assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats), "{topology}");
        for (venue, _) in venues {
            let outcome = venue.stop().unwrap();
            assert_eq!(outcome.counts.fills, 1, "{topology}: {:?}", outcome.counts);
        }
    }
}
