//! colo
pub mod exchange;
