//! How a configuration is put on the cores of a host.
//!
//! Hot threads that spin, or that the kernel never takes off a core (`SCHED_FIFO`), must not have all cores: the cold threads keep the journal, serve the
//! operator's `halt` and grant tokens, and a core that trades on without them cannot be told to stop.

use std::collections::BTreeMap;

use backtest::latency::Latency;

use crate::agent::IdleStrategy;
use crate::config::{Config, Topology};
use crate::host;
use crate::manifest::Ran;

/// What a core's orders reach.
#[derive(Clone, Debug, Default)]
pub enum Stage {
    /// Venues that are there for tests.
    #[default]
    Test,
    /// No venue: a simulated one in the same process, so far away. No connection for orders is opened.
    Paper(Box<Latency>),
    /// The market.
    Live,
}

impl Stage {
    /// Every one by its word, at its code; the code is what shared memory has.
    pub const WORDS: [&str; 3] = ["test", "paper", "live"];

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> usize {
        match self {
            Stage::Test => 0,
            Stage::Paper(_) => 1,
            Stage::Live => 2,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        Stage::WORDS[self.code()]
    }
}

/// How a configuration is put on this host, and what had to give.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The topology.
    pub topology: Topology,
    /// What idle threads do.
    pub idle: IdleStrategy,
    /// Priority of the hot threads under `SCHED_FIFO`, if any.
    pub realtime: Option<u8>,
    /// What its orders reach.
    pub stage: Stage,
    /// Whether its feeds are heard. What only ends what another core left hears no market.
    pub hears: bool,
    /// Whether it gives up, once it is set up, what it has no use for; with it all threads that this one starts later. For a process that is nothing but a core.
    pub sandbox: bool,
    /// Which program runs which configuration, where that is known: the run leaves it.
    pub manifest: Option<Ran>,
    /// Whether operators may change parameters while it runs: under an approval that is the policy's word.
    pub params_may_change: bool,
    /// What the person should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Fits the configuration to the cores there are. `others`: busy threads of this process beside the core's.
    #[must_use]
    pub fn new(config: &Config, others: usize) -> Plan {
        Plan::on(config, others, host::available_core_count())
    }

    /// Fits the configuration to so many cores.
    fn on(config: &Config, others: usize, cores: usize) -> Plan {
        let hot = match config.topology {
            Topology::Pipelined => config.feeds.len() + 1 + config.gateways.len(),
            Topology::Inline => 1,
        };
        let mut plan = Plan {
            topology: config.topology,
            idle: config.idle,
            realtime: config.cores.realtime,
            stage: Stage::Test,
            hears: true,
            sandbox: false,
            manifest: None,
            params_may_change: true,
            warnings: Vec::new(),
        };
        // Threads that yield under the default policy share with the cold ones.
        let greedy = plan.idle == IdleStrategy::Spin || plan.realtime.is_some();
        let wanted = hot + others + usize::from(greedy);
        let late = plan.idle != IdleStrategy::Park || plan.realtime.is_some();
        if wanted > cores && late {
            let without = match plan.realtime.take() {
                Some(_) => ", without real-time priority",
                None => "",
            };
            plan.idle = IdleStrategy::Park;
            plan.warnings.push(format!(
                "{hot} hot thread(s) on {cores} core(s), and one core is for the cold threads: idle threads back off and sleep instead of spinning{without}, \
                 which adds tens of microseconds; use topology \"inline\", or a host with at least {} cores",
                hot + others + 1
            ));
        }
        plan.look_for_shared_cores(config);
        plan
    }

    /// Warns of agents that are configured onto one core, and takes the priority from them: under `SCHED_FIFO` the second would never run.
    fn look_for_shared_cores(&mut self, config: &Config) {
        let cores = &config.cores;
        let mut on: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut put = |core: Option<usize>, name: String| {
            if let Some(core) = core {
                on.entry(core).or_default().push(name);
            }
        };
        match config.topology {
            Topology::Inline => put(cores.strategy, "inline".into()),
            Topology::Pipelined => {
                config.feeds.iter().zip(&cores.feeds).for_each(|(f, c)| put(*c, format!("feed-{}", f.id)));
                put(cores.strategy, "strategy".into());
                let gateways = config.gateways.iter().zip(&cores.gateways);
                gateways.for_each(|(g, c)| put(*c, format!("gateway-{}", g.id)));
            }
        }
        put(cores.cold, "cold".into());
        for (core, names) in on.into_iter().filter(|(_, names)| names.len() > 1) {
            let without = match self.realtime.take() {
                Some(_) => "; real-time priority is off, or one of them would never run",
                None => "",
            };
            let names = names.join(", ");
            self.warnings
                .push(format!("core {core} is configured for {names}: they wait for each other{without}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Secrets, parse_toml};

    fn config(head: &str, cores: &str) -> Config {
        let text = format!("{head}\n{}\n{cores}", include_str!("../../tests/fixtures/core.toml"));
        let written = parse_toml(&text, Path::new("plan.toml")).unwrap();
        Config::resolve(written, Path::new("plan.toml"), Secrets::Skip).unwrap()
    }

    fn plan(head: &str, cores: &str, host: usize) -> (IdleStrategy, Option<u8>, usize) {
        let p = Plan::on(&config(head, cores), 0, host);
        (p.idle, p.realtime, p.warnings.len())
    }

    const SPIN: &str = "idle = \"spin\"";
    const REALTIME: &str = "[cores]\nrealtime_priority = 50";

    #[test]
    fn spinning_threads_leave_a_core_to_the_cold_ones() {
        assert_eq!(plan(SPIN, "", 4), (IdleStrategy::Spin, None, 0));
        assert_eq!(plan(SPIN, "", 3), (IdleStrategy::Park, None, 1), "three spin, and none is left");
        assert_eq!(plan(&format!("{SPIN}\ntopology = \"inline\""), "", 2), (IdleStrategy::Spin, None, 0));
        assert_eq!(plan(&format!("{SPIN}\ntopology = \"inline\""), "", 1), (IdleStrategy::Park, None, 1));
        // Threads that yield give way.
        assert_eq!(plan("idle = \"yield\"", "", 3), (IdleStrategy::Yield, None, 0));
        assert_eq!(plan("idle = \"yield\"", "", 2), (IdleStrategy::Park, None, 1));
    }

    #[test]
    fn real_time_threads_leave_a_core_to_the_cold_ones() {
        for idle in ["spin", "yield", "park"] {
            let head = format!("idle = {idle:?}");
            assert_eq!(plan(&head, REALTIME, 4).1, Some(50), "{idle}");
            assert_eq!(plan(&head, REALTIME, 3), (IdleStrategy::Park, None, 1), "{idle}");
        }
        let p = Plan::on(&config(SPIN, REALTIME), 1, 4);
        assert_eq!((p.idle, p.realtime), (IdleStrategy::Park, None), "others want theirs too");
        assert!(p.warnings[0].contains("real-time") && p.warnings[0].contains("at least 5 cores"), "{p:?}");
    }

    #[test]
    fn agents_on_one_core_are_told_of() {
        let hot_on_hot = "[cores]\nfeeds = [2]\nstrategy = 2\ngateways = [3]\ncold = 0";
        let p = Plan::on(&config(SPIN, hot_on_hot), 0, 8);
        assert!(p.warnings.len() == 1 && p.warnings[0].contains("core 2"), "{p:?}");
        assert!(p.warnings[0].contains("feed-f1") && p.warnings[0].contains("strategy"), "{p:?}");
        let hot_on_cold =
            "[cores]\nfeeds = [1]\nstrategy = 2\ngateways = [3]\ncold = 3\nrealtime_priority = 50";
        let p = Plan::on(&config(SPIN, hot_on_cold), 0, 8);
        assert!(p.warnings.len() == 1 && p.warnings[0].contains("gateway-g1, cold"), "{p:?}");
        assert_eq!(p.realtime, None, "a real-time thread would keep the cold one off its core");
        let apart = "[cores]\nfeeds = [1]\nstrategy = 2\ngateways = [3]\ncold = 0\nrealtime_priority = 50";
        assert_eq!(plan(SPIN, apart, 8), (IdleStrategy::Spin, Some(50), 0));
    }
}
