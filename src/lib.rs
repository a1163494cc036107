//! colo
pub mod agent;
pub mod clock;
pub mod exchange;
pub mod host;
