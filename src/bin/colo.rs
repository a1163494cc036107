//! The trading binary with the strategies that come with it.

use std::process::ExitCode;

fn main() -> ExitCode {
    colo::cli::main(&[])
}
