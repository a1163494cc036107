//! The control agent: serves the control socket, and passes its commands and the cold side's tokens on to the strategy. It does nothing else, and nothing that
//! waits for a disk: a halt must not stand behind an `fsync`.
//!
//! ```text
//!   ctl ── socket ──► ControlAgent ──── Control ring ───► StrategyAgent
//!                       ▲      │
//!   ColdAgent ─ tokens ─┘      └─ what was asked, by whom ─► ColdAgent ──► log.jsonl
//! ```
//!
//! However it ends, the core ends with it, in order: one that cannot be told to halt must not trade.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use model::{Control, Nanos};
use ringbuf::counters::Counters;

use super::ending::Ending;
use crate::agent::Agent;
use crate::control::{ControlServer, Said};
use crate::telemetry::counters::control as counter;

/// What a control agent is made from.
pub struct ControlParts {
    /// The control socket and the ring behind it.
    pub server: ControlServer,
    /// Tokens that are durable, from the cold agent.
    pub tokens: Receiver<Control>,
    /// Lines for the log, to the cold agent.
    pub said: Sender<(Nanos, Said)>,
    /// Shared memory.
    pub counters: Counters,
    /// Asked to end by `shutdown`.
    pub ending: Arc<Ending>,
}

/// See the module.
pub struct ControlAgent {
    server: ControlServer,
    tokens: Receiver<Control>,
    /// A grant that found no room in the ring.
    pending: Option<Control>,
    said: Sender<(Nanos, Said)>,
    counters: Counters,
    ending: Arc<Ending>,
}

impl ControlAgent {
    /// Puts it together.
    #[must_use]
    pub fn new(p: ControlParts) -> ControlAgent {
        ControlAgent {
            server: p.server,
            tokens: p.tokens,
            pending: None,
            said: p.said,
            counters: p.counters,
            ending: p.ending,
        }
    }

    fn pass_on_tokens(&mut self) -> usize {
        let Some(grant) = self.pending.take().or_else(|| self.tokens.try_recv().ok()) else { return 0 };
        if !self.server.send(grant) {
            self.pending = Some(grant);
            return 0;
        }
        1
    }
}

impl Agent for ControlAgent {
    fn name(&self) -> &str {
        "control"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        // The poll's own failure leaves nothing to serve; signals and the next cycle do not depend on it.
        let mut work = self.server.serve(now).unwrap_or(0);
        for said in self.server.said.drain(..) {
            // A cold agent that is gone writes no log.
            let _ = self.said.send((now, said));
        }
        self.counters.set(counter::commands, self.server.commands());
        self.counters.set(counter::killed_at_ns, self.ending.kill().at().0);
        work += self.pass_on_tokens();
        self.counters.set(counter::clients, self.server.clients() as u64);
        self.counters.set(counter::ring_full, self.server.ring_full());
        work
    }
}

impl Drop for ControlAgent {
    fn drop(&mut self) {
        self.ending.ask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::ControlItem;
    use crate::clock::Clock;
    use crate::control::roles::Roles;
    use crate::control::{KillParts, ServerParts, SettingsParts};
    use crate::latch::Latch;
    use crate::order_protocol::OrderProtocol;
    use engine::strategy::{Params, Quoter, try_out};
    use model::{FeedId, GatewayId, HaltReason, Instrument, InstrumentId, PortRequest, Symbol, Token};
    use ringbuf::region::{Region, RegionMut};
    use ringbuf::spsc::{self, Consumer};
    use serde_json::Value;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    struct Bench {
        agent: ControlAgent,
        inputs: Consumer<ControlItem>,
        grant: Sender<Control>,
        log: Receiver<(Nanos, Said)>,
        ending: Arc<Ending>,
        client: UnixStream,
        name: String,
        folder: tempfile::TempDir,
        _region: RegionMut,
    }

    impl Bench {
        fn new(test: &str, ring: usize) -> Bench {
            Bench::over(test, ring, tempfile::tempdir().unwrap())
        }

        fn over(test: &str, ring: usize, folder: tempfile::TempDir) -> Bench {
            let name = format!("{test}-{}", std::process::id());
            let (ring, inputs) = spsc::channel(ring);
            let (grant, tokens) = channel();
            let (said, log) = channel();
            let path = crate::telemetry::region_path(&name);
            let mut region = Region::create(path, 1, counter::COUNT * 8, 0).unwrap();
            let ending = Arc::new(Ending::default());
            let (feed, gateway, id) = (FeedId(0), GatewayId(0), InstrumentId(0));
            let server = ControlServer::bind(ServerParts {
                name: name.clone(),
                ring,
                feeds: Vec::new(),
                ports: vec![("g1".into(), OrderProtocol::Ouch50), ("g2".into(), OrderProtocol::Ouch42)],
                roles: Roles::default(),
                kill: KillParts {
                    folder: folder.path().to_owned(),
                    latch: Latch::read(folder.path()),
                    ending: Arc::clone(&ending),
                    instruments: vec![Instrument { id, symbol: Symbol(*b"AAPL    "), feed, gateway }],
                    operators_needed: 1,
                    confined: None,
                },
                settings: SettingsParts {
                    strategy: "quoter".into(),
                    params: Params::default().read_by::<Quoter>().unwrap(),
                    limits: engine::RiskLimits::default(),
                    try_out: try_out::<Quoter>,
                    operators_needed: 1,
                    traded: crate::release::Traded::default(),
                    approval: None,
                    may_change: true,
                },
                clock: Clock::new(),
            });
            let counters = Counters::over(region.words(0, counter::COUNT).unwrap());
            let server = server.unwrap();
            let agent = ControlAgent::new(ControlParts {
                server,
                tokens,
                said,
                counters,
                ending: Arc::clone(&ending),
            });
            let client = UnixStream::connect(crate::control::socket_path(&name)).unwrap();
            client.set_nonblocking(true).unwrap();
            Bench { agent, inputs, grant, log, ending, client, name, folder, _region: region }
        }

        fn ask(&mut self, command: &str) -> Value {
            writeln!(self.client, "{{\"command\": \"{command}\"}}").unwrap();
            let mut answer = String::new();
            loop {
                self.agent.do_work(Nanos(1));
                match BufReader::new(&self.client).read_line(&mut answer) {
                    Ok(_) => return serde_json::from_str(&answer).unwrap(),
                    Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
        }

        #[track_caller]
        fn refused(&mut self, command: &str, why: &str) {
            let answer = self.ask(command);
            assert!(answer["ok"] == false && answer["error"].as_str().unwrap().contains(why), "{answer}");
        }

        fn next(&mut self) -> Option<Control> {
            self.inputs.pop().and_then(|item| item.control)
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(crate::telemetry::region_path(&self.name));
        }
    }

    #[test]
    fn commands_and_tokens_reach_the_ring_and_a_full_one_is_counted() {
        let mut b = Bench::new("control", 2);
        assert_eq!(b.ask("halt")["ok"], true);
        assert_eq!(b.ask("cancel-all")["ok"], true);
        b.refused(r#"resume", "reason": "r"#, "overloaded");
        let tokens = Control::Tokens { first: Token(1), end: Token(9) };
        b.grant.send(tokens).unwrap();
        b.agent.do_work(Nanos(2));
        assert_eq!(
            b.agent.counters.get(counter::ring_full),
            Some(2),
            "the command, and the grant that waits"
        );
        assert_eq!(b.ask("shutdown")["ok"], true, "an end needs no room");
        for (command, gateway, why) in [
            ("entry-off", "", "wants a `gateway`"),
            ("entry-off", r#", "gateway": "g9""#, "there is no gateway"),
            ("entry-off", r#", "gateway": "g2""#, "no such request"),
        ] {
            b.refused(&format!(r#"{command}"{gateway}, "feed": ""#), why);
        }
        assert!(b.ending.is_asked());
        let first = b.inputs.pop().unwrap();
        assert_eq!(first.control, Some(Control::Halt(HaltReason::Operator)));
        let by = first.by.unwrap();
        assert_eq!(
            (by.command.as_str(), by.uid, by.pid),
            ("halt", crate::host::own_uid(), std::process::id())
        );
        b.agent.do_work(Nanos(3));
        assert_eq!((b.next(), b.next()), (Some(Control::CancelAll), Some(tokens)));
        assert_eq!(b.ask(r#"mass-cancel", "gateway": "g2"#)["ok"], true);
        let of_port = Control::Port { gateway: GatewayId(1), request: PortRequest::MassCancel };
        assert_eq!(b.next(), Some(of_port));
        assert_eq!(b.ask("halt-for-reconciliation")["ok"], true);
        assert_eq!(b.next(), Some(Control::Halt(HaltReason::Reconciliation)));
        b.agent.do_work(Nanos(4));
        let said = |b: &Bench, message: &str| -> Vec<String> {
            let said = b.log.try_iter().filter(|(_, s)| s.message == message);
            said.map(|(_, s)| s.fields["command"].as_str().unwrap().to_owned()).collect()
        };
        let all = ["halt", "cancel-all", "shutdown", "mass-cancel", "halt-for-reconciliation"];
        assert_eq!(said(&b, "control command"), all);
    }

    #[test]
    fn a_kill_needs_no_room_is_on_disk_before_it_is_answered_and_stays_until_released() {
        let mut b = Bench::new("control-kill", 2);
        b.refused("kill", "wants a `reason`");
        b.refused(r#"kill", "reason": "r", "symbol": "MSFT"#, "no instrument \"MSFT\"");
        assert!(Latch::read(b.folder.path()).is_empty() && b.ending.kill().at() == Nanos::ZERO);
        assert_eq!((b.ask("halt")["ok"].clone(), b.ask("halt")["ok"].clone()), (true.into(), true.into()));
        // The ring is full, and the kill is in force and latched all the same.
        let answer = b.ask(r#"kill", "reason": "wrong\nprices", "operator": "anna"#);
        assert_eq!((&answer["ok"], &answer["latched"]), (&true.into(), &true.into()));
        let latch = Latch::read(b.folder.path());
        assert!(latch.holds_all() && b.ending.kill().holds_all());
        assert_eq!((&*latch.kills[0].by.operator, &*latch.kills[0].by.reason), ("anna", "wrong\\nprices"));
        b.refused(r#"resume", "reason": "r"#, "killed by anna");
        assert_eq!(
            (b.next(), b.next(), b.next()),
            (Some(Control::Halt(HaltReason::Operator)), Some(Control::Halt(HaltReason::Operator)), None)
        );
        b.agent.do_work(Nanos(2));
        assert_eq!(b.next(), Some(Control::Kill { instrument: None }), "as soon as there is room");
        b.refused(r#"unkill", "reason": "r"#, "wants an `operator`");
        b.refused(r#"unkill", "reason": "r", "operator": "bert", "symbol": "AAPL"#, "not killed");
        let answer = b.ask(r#"unkill", "reason": "r", "operator": "bert"#);
        assert_eq!(answer["released"], true, "{answer}");
        assert_eq!(b.next(), Some(Control::Unkill { instrument: None }));
        assert!(Latch::read(b.folder.path()).is_empty() && !b.ending.kill().holds_all());
        assert_eq!(b.ask(r#"resume", "reason": "r"#)["ok"], true);
    }

    #[test]
    fn what_is_latched_is_the_first_input_and_what_others_latch_or_take_away_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("killed"), "torn").unwrap();
        let mut b = Bench::over("control-latched", 8, folder);
        assert!(b.ending.kill().holds_all());
        assert_eq!(b.next(), Some(Control::Kill { instrument: None }));
        // Nobody released it, so it is put back.
        std::fs::remove_file(b.folder.path().join("killed")).unwrap();
        while !Latch::read(b.folder.path()).holds_all() {
            b.agent.do_work(Nanos(2));
        }
        let anna = crate::latch::Word::new("anna", "r", 1, 1);
        let aapl = crate::latch::Scope::Symbol("AAPL".into());
        Latch::add(b.folder.path(), aapl, anna, 1).unwrap();
        let wanted = Some(Control::Kill { instrument: Some(InstrumentId(0)) });
        loop {
            b.agent.do_work(Nanos(3));
            if std::iter::from_fn(|| b.inputs.pop()).any(|item| item.control == wanted) {
                break;
            }
        }
    }

    #[test]
    fn where_it_takes_two_operators_one_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        let anna = crate::latch::Word::new("anna", "r", 1, 1);
        Latch::add(folder.path(), crate::latch::Scope::All, anna, 2).unwrap();
        let mut b = Bench::over("control-two", 8, folder);
        let answer = b.ask(r#"unkill", "reason": "r", "operator": "bert"#);
        assert_eq!((&answer["released"], &answer["operators_missing"]), (&false.into(), &1.into()));
        b.refused(r#"unkill", "reason": "r", "operator": "bert"#, "another one is needed");
        assert!(b.ending.kill().holds_all() && Latch::read(b.folder.path()).holds_all());
        assert_eq!(b.ask(r#"unkill", "reason": "r", "operator": "carl"#)["released"], true);
        assert!(!b.ending.kill().holds_all());
        // Both are in the journal.
        let by: Vec<_> = std::iter::from_fn(|| b.inputs.pop()).filter_map(|item| item.by).collect();
        let names: Vec<_> = by.iter().map(|by| by.operator.as_str()).collect();
        assert_eq!(names, ["bert", "carl"]);
    }

    #[test]
    fn a_core_does_not_outlive_its_control() {
        let b = Bench::new("control-gone", 2);
        let ending = Arc::clone(&b.ending);
        drop(b);
        assert!(ending.is_asked());
    }
}
