//! The control agent: serves the control socket, and passes its commands and the cold side's tokens on to the strategy. It does nothing else, and nothing that
//! waits for a disk: a halt must not stand behind an `fsync`.
//!
//! ```text
//!   ctl ── socket ──► ControlAgent ──── Control ring ───► StrategyAgent
//!                       ▲      │
//!   ColdAgent ─ tokens ─┘      └─ what was carried out ─► ColdAgent ──► log.jsonl
//! ```
//!
//! However it ends, the core ends with it, in order: one that cannot be told to halt must not trade.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use model::{Control, Nanos};
use ringbuf::counters::Counters;

use super::ending::Ending;
use crate::agent::Agent;
use crate::control::{Command, ControlServer, Request};
use crate::telemetry::counters::control as counter;

/// What a control agent is made from.
pub struct ControlParts {
    /// The control socket and the ring behind it.
    pub server: ControlServer,
    /// Tokens that are durable, from the cold agent.
    pub tokens: Receiver<Control>,
    /// Commands that were carried out, to the cold agent.
    pub said: Sender<(Nanos, Request)>,
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
    said: Sender<(Nanos, Request)>,
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
        for request in self.server.carried_out.drain(..) {
            if request.command == Command::Shutdown {
                self.ending.ask();
            }
            self.counters.add(counter::commands, 1);
            // A cold agent that is gone writes no log.
            let _ = self.said.send((now, request));
        }
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
    use crate::order_protocol::OrderProtocol;
    use model::{GatewayId, HaltReason, PortRequest, Token};
    use ringbuf::spsc;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    #[test]
    fn commands_and_tokens_reach_the_ring_and_a_full_one_is_counted() {
        let name = format!("control-{}", std::process::id());
        let (ring, mut inputs) = spsc::channel(2);
        let (grant, tokens) = channel();
        let (said, log) = channel();
        let words =
            ringbuf::region::Region::create(crate::telemetry::region_path(&name), 1, counter::COUNT * 8, 0);
        let mut region = words.unwrap();
        let ending = Arc::new(Ending::default());
        let mut agent = ControlAgent::new(ControlParts {
            server: ControlServer::bind(
                &name,
                ring,
                Vec::new(),
                vec![("g1".into(), OrderProtocol::Ouch50), ("g2".into(), OrderProtocol::Ouch42)],
            )
            .unwrap(),
            tokens,
            said,
            counters: Counters::over(region.words(0, counter::COUNT).unwrap()),
            ending: Arc::clone(&ending),
        });
        let mut client = UnixStream::connect(crate::control::socket_path(&name)).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut ask = |agent: &mut ControlAgent, command: &str| -> String {
            writeln!(client, "{{\"command\": \"{command}\"}}").unwrap();
            let mut answer = String::new();
            loop {
                agent.do_work(Nanos(1));
                match BufReader::new(&client).read_line(&mut answer) {
                    Ok(_) => return answer,
                    Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
        };
        assert!(ask(&mut agent, "halt").contains("true"));
        assert!(ask(&mut agent, "cancel-all").contains("true"));
        assert!(ask(&mut agent, "resume").contains("overloaded"), "the ring is full");
        let tokens = Control::Tokens { first: Token(1), end: Token(9) };
        grant.send(tokens).unwrap();
        agent.do_work(Nanos(2));
        assert_eq!(agent.counters.get(counter::ring_full), Some(2), "the command, and the grant that waits");
        assert!(ask(&mut agent, "shutdown").contains("true"), "an end needs no room");
        for (command, gateway, why) in [
            ("entry-off", "", "wants a `gateway`"),
            ("entry-off", r#", "gateway": "g9""#, "there is no gateway"),
            ("entry-off", r#", "gateway": "g2""#, "no such request"),
        ] {
            let answer = ask(&mut agent, &format!(r#"{command}"{gateway}, "feed": ""#));
            assert!(answer.contains(why), "{answer}");
        }
        assert!(ending.is_asked());
        assert_eq!(inputs.pop(), Some(Control::Halt(HaltReason::Operator)));
        agent.do_work(Nanos(3));
        assert_eq!((inputs.pop(), inputs.pop()), (Some(Control::CancelAll), Some(tokens)));
        assert!(ask(&mut agent, r#"mass-cancel", "gateway": "g2"#).contains("true"));
        let of_port = Control::Port { gateway: GatewayId(1), request: PortRequest::MassCancel };
        assert_eq!(inputs.pop(), Some(of_port));
        assert!(ask(&mut agent, "halt-for-reconciliation").contains("true"));
        assert_eq!(inputs.pop(), Some(Control::Halt(HaltReason::Reconciliation)));
        agent.do_work(Nanos(4));
        let said: Vec<_> = log.try_iter().map(|(_, r)| r.command).collect();
        let last = Command::HaltForReconciliation;
        assert_eq!(said, [Command::Halt, Command::CancelAll, Command::Shutdown, Command::MassCancel, last]);
        let _ = std::fs::remove_file(crate::telemetry::region_path(&name));
    }

    #[test]
    fn a_core_does_not_outlive_its_control() {
        let name = format!("control-gone-{}", std::process::id());
        let (ring, _inputs) = spsc::channel(2);
        let (_, tokens) = channel();
        let (said, _) = channel();
        let path = crate::telemetry::region_path(&name);
        let mut region = ringbuf::region::Region::create(&path, 1, counter::COUNT * 8, 0).unwrap();
        let ending = Arc::new(Ending::default());
        let counters = Counters::over(region.words(0, counter::COUNT).unwrap());
        let server = ControlServer::bind(
            &name,
            ring,
            Vec::new(),
            vec![("g1".into(), OrderProtocol::Ouch50), ("g2".into(), OrderProtocol::Ouch42)],
        )
        .unwrap();
        drop(ControlAgent::new(ControlParts { server, tokens, said, counters, ending: Arc::clone(&ending) }));
        assert!(ending.is_asked());
        let _ = std::fs::remove_file(path);
    }
}
