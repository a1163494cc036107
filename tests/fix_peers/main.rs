//! QuickFIX, the reference engine of the protocol, as our counterparty in both roles, over TCP and over TLS: what we send passes its data dictionary, and
//! what it sends passes ours.
//!
//! It is the wheel of PyPI's `quickfix-py`: QuickFIX's own C++ with TLS built in and its dictionaries beside it (`quickfix` is the same source without a wheel,
//! and takes a quarter of an hour to build). `scripts/test` installs it; where it is missing the test is skipped and says so.

mod acceptor;
#[path = "../../net/tests/tls_ends/authority.rs"]
mod authority;
mod initiator;
mod peer;
