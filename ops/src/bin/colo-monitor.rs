//! `colo-monitor`: see [`ops::monitor`].

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = ops::monitor::Args::parse();
    ops::monitor::run(&args, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}
