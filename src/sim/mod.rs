//! The simulator: core, venue, network, disk and clocks of a whole day in one thread and virtual time, with everything going wrong that can, by a seed.
//!
//! ```text
//!   Venue --+-- lines, re-requests ----> feed agent ==seam==> strategy agent ==seam==> gateway agent --+
//!     ^     +-- snapshots -------------> (channel, decoder)   (engine, journal)        (session, codec) |
//!     +----------------------------- order session: delayed, split, frozen, cut <-----------------------+
//!     |                                                    |
//!     +--> oracle: tape by hand, requests by hand, ledger  +--> journal --> replay
//! ```
//!
//! Storms and calms take turns. In a storm anything may fail ([`Fault`]); after each step everything is looked at that has to hold always ([`Invariant`]). In a
//! calm nothing is in the core's way, and it has to come to rest and be what the venue is. At the end of a process its journal is replayed.
//!
//! **Real**: the agents of a core (feed, strategy, gateway) with their rings, channel, decoders, engine, risk, codecs and sessions; the journal and its captures,
//! mapped and segmented, with their keepers, in a folder in memory; token blocks; run folders; the discipline of the clock; replay; the venue.
//! **Modelled**: sockets (queues with the bounds of a kernel's buffers), the host's threads (agents take turns; one that stands still is passed over), the disk
//! (a gate before each operation), power failure (the last pages of the journal), the processor's counter and the wall clock, and of the cold thread its
//! rounds: segments, tokens, clock. Not here: the control socket, the log for people, other protocols than ITCH 5.0 and OUCH 5.0, several feeds and gateways.
//!
//! The output is a function of the seed: of 16 seeds one is run twice and compared.
//!
//! | module | story |
//! |---|---|
//! | `run` | seeds, threads, the first failure |
//! | `world` | a step, a calm, an end |
//! | `strike`, `faults` | what goes wrong, by chance |
//! | `rules` | what restrains the core |
//! | `lines`, `streams`, `link` | the network |
//! | `process`, `seams`, `trader` | the core, and what passes in it |
//! | `crash` | what is left of a process |
//! | `judge`, `oracle` | what has to hold |
//! | `canary` | cores that are broken on purpose |
//! | `clocks` | one day twice, the wall clock stepped in one of them |

mod canary;
mod clocks;
mod crash;
mod faults;
mod figures;
mod judge;
mod lines;
mod link;
mod oracle;
mod process;
mod rules;
mod run;
mod seams;
mod streams;
mod strike;
mod trace;
mod trader;
mod world;

pub use canary::Canary;
pub use clocks::{Stepped, clock_steps};
pub use faults::{Fault, FaultCounts};
pub use figures::Figures;
pub use oracle::{Invariant, Violation};
pub use run::{Failure, Order, SimError, run, run_seed};

use world::Setup;
