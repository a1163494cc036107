//! What `colo run --mode paper` is run with: a simulated venue as far away as `[backtest]` says.

use super::{Exit, Failure};
use crate::config::Config;
use crate::core::Stage;
use crate::research;

/// The stage, with the latency of its legs. Nothing of a gateway is looked at but its number.
///
/// # Errors
/// In a sentence: a gateway that only listens, or a journal of latencies that cannot be read (3).
pub fn stage(config: &Config) -> Result<Stage, Failure> {
    if let Some(id) = config.drop_copies().next() {
        let name = &config.gateways[id.index()].id;
        let why =
            format!("gateway {name} is a drop copy of others' orders, and on paper there are no others");
        return Err(Failure::with(Exit::Config, why));
    }
    let latency = research::latency(config).map_err(|e| Failure::with(Exit::Config, e))?;
    Ok(Stage::Paper(Box::new(latency)))
}
