//! The cold processes around a running core. Today that is `colo-monitor`: what a core says of itself in shared memory, for a person or a script.
//!
//! ```text
//!   /dev/shm/colo-NAME --Viewer--> life::look --Ok(Snapshot)--> view: 80 x 24 text, or one JSON object
//!                                       \------Err(Down)-------> one sentence (and one JSON object), exit code 1
//! ```
//!
//! * [`find`]: which cores there are on this host.
//! * [`life`]: whether what a region holds is of a core that lives.
//! * [`view`]: the text.
//! * [`monitor`]: the command line around them.
//! * [`ship`]: a journal's rows, to where [`store`] keeps them; [`report`]: a day out of there.
//!
//! Everything here is read-only and costs the core nothing: it shares memory with it and no lock.

#![forbid(unsafe_code)]

pub mod find;
pub mod life;
pub mod monitor;
pub mod report;
pub mod ship;
pub mod store;
pub mod view;
