//! HTTP/1.1 and WebSocket over our own streams, plain or TLS: polled like every other transport, without a runtime.
//!
//! Both ends are here, for `colo exchange` has a server of it. Framing only: who asks what is the business of those who use it.

pub mod http;
pub mod link;
pub mod socket;

pub use link::{Address, Endpoint, Link};
