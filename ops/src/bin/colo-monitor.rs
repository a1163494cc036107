//! `colo-monitor`: see [`ops::monitor`].

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = ops::monitor::Args::parse();
    // Stderr is not held: other threads of a command have something to say too.
    ops::monitor::run(&args, &mut std::io::stdout().lock(), &mut std::io::stderr())
}
