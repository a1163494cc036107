//! The trading binary.
fn main() {}
