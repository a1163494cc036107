//! The cold processes around a running core: what it says of itself in shared memory, for a person, a script, a browser or Prometheus.
//!
//! ```text
//!   /dev/shm/colo-NAME --Viewer--> life::open --Ok(Snapshot)--> watch: read at a grain, with curves (history) and tape (events)
//!   run-N/log.jsonl  ----------------/      \--Err(Down)--> one sentence (and one JSON object), exit code 1
//! ```
//!
//! * [`find`]: which cores there are on this host; [`life`]: whether what a region holds is of a core that lives.
//! * [`watch`]: one core over time; [`history`]: curves; [`events`]: the tape; [`threads`]: what the kernel says of its threads.
//! * [`receipts`]: what the last orders took, one by one.
//! * [`alerts`], [`limits`]: what of it is out of order, and what is used of each limit.
//! * [`tui`]: the terminal monitor; [`view`]: a reading as plain text; [`monitor`]: the command line.
//! * [`notify`]: tells people of kills and dead cores.
//! * [`metrics`]: for Prometheus; [`serve`]: over HTTP, with the live page.
//! * [`ship`]: a journal's rows, to where [`store`] keeps them; [`report`]: a day out of there.
//!
//! Everything here is read-only and costs the core nothing: it shares memory with it and no lock.

#![forbid(unsafe_code)]

pub mod alerts;
pub mod events;
pub mod find;
pub mod history;
pub mod life;
pub mod limits;
pub mod metrics;
pub mod monitor;
pub mod notify;
pub mod receipts;
pub mod report;
pub mod serve;
pub mod ship;
#[cfg(test)]
mod specimen;
pub mod store;
pub mod threads;
pub mod tui;
pub mod view;
pub mod watch;
