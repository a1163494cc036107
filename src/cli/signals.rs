//! SIGTERM and SIGINT as a flag: the core ends in order. A second signal ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The flag of this process.
pub struct Signals {
    raised: Arc<AtomicBool>,
}

/// Installs the handlers.
///
/// # Errors
/// The system's.
pub fn install() -> io::Result<Signals> {
    let raised = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // Order matters: with the flag already up, the process ends; otherwise the flag goes up.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&raised))?;
        flag::register(signal, Arc::clone(&raised))?;
    }
    Ok(Signals { raised })
}

impl Signals {
    /// Whether a signal came.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}
