//! Other people's implementations as oracles of both sides. None of them shares a line with this repository.
//!
//! | oracle | what it must agree with |
//! |---|---|
//! | `itchfeed`, `itchcpp` (PyPI) | what a BinaryFILE holds: counts, every byte encoded again, books of what they decoded |
//! | `itchcpp`'s and `itch-book`'s (PyPI) own books | the rows of `colo book`, and what is left at the end |
//! | `tshark` (Debian) | the datagrams of the simulated exchange, its answers to re-requests, heartbeats and end |
//! | `nasdaq-protocols` (PyPI) | SoupBinTCP, as the server of our gateway and as a client of the simulated exchange |
//! | `tshark` | what the two say to each other |
//! | `tshark` | an OUCH 4.2 session between our gateway and the simulated exchange, both ways |
//! | the views of `feeds`, encoded again | the bytes that were decoded, over real and synthetic messages of every type |
//!
//! `scripts/test` installs them. The Python interpreter that has the packages is named by `COLO_PEERS_PYTHON`; a peer that is not there is
//! a part that is skipped, and says so.

mod binaryfile;
mod books;
mod captured;
mod dissected;
mod orders;
mod recorded;
mod reencoded;
mod soup;
mod soup_dissected;
mod venue;

#[path = "../exchange_support/client.rs"]
#[allow(dead_code)] // the other tests of the exchange use the rest
mod client;
#[path = "../book_cli/flow.rs"]
#[allow(dead_code)] // the tests of `colo book` frame it themselves
mod flow;
#[path = "../program/mod.rs"]
mod program;
