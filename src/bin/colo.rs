//! The trading binary with the strategies that come with it.

use std::process::ExitCode;

#[global_allocator]
static COUNTED: colo::host::Counted = colo::host::Counted;

fn main() -> ExitCode {
    colo::cli::main(&[])
}
