//! The trading binary with the strategies that come with it.
fn main() {}
