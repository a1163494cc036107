//! `colo config`: validation without starting.

use std::path::PathBuf;

use super::{Exit, Failure, Outcome, Registry, run::load};
use crate::config::Secrets;
use crate::manifest::Pair;

/// Checks or shows a configuration without starting anything.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo config check colo.toml")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Says whether it can be run; otherwise names file, key, value and what is allowed, and exits 3.
    Check {
        /// The configuration.
        file: PathBuf,
    },
    /// Prints the hashes of this program and of the configuration, as `[host] approved` wants them in its file.
    Manifest {
        /// The configuration.
        file: PathBuf,
    },
    /// Prints it with every default filled in. Secrets are named by file or variable, never printed.
    Show {
        /// The configuration.
        file: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// Exit code 3.
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    match &args.verb {
        Verb::Check { file } => {
            load(file, registry, Secrets::Read)?;
            super::print(&format!("{}: ok\n", file.display()));
        }
        Verb::Manifest { file } => {
            let config = load(file, registry, Secrets::Skip)?;
            let pair = Pair::of(&config).map_err(Failure::new)?;
            super::print(&pair.to_toml());
        }
        Verb::Show { file } => {
            let config = load(file, registry, Secrets::Skip)?;
            super::print(&config.to_toml());
        }
    }
    Ok(Exit::Ok)
}
