//! `colo-monitor notify`: tells people at once, by their own services, of what cannot wait for Prometheus: a kill switch, a core that died or went silent.
//!
//! ```text
//!   shared memory --watcher (twice a second)--> Notice: trigger or resolve --> spool, durable, one file for each channel
//!                                                                               \-- a thread a channel --> PagerDuty, Twilio, Slack, webhook
//! ```
//!
//! What is to be told is on the disk before it is tried, and stays there until its service has taken it: an outage of the network, or of this process, loses
//! nothing. Each channel tells its notices in their order, so no resolve overtakes its trigger. What an incident is called (`dedup_key`) follows from core and kind, so
//! a notice that is told twice is one incident; an SMS may come twice where its answer was lost.
//!
//! * [`incidents`]: what is wrong, as a state machine over readings; [`settings`]: the file; [`channels`]: what each service wants to hear; [`spool`]: the files;
//!   [`delivery`]: the attempts.

pub mod channels;
pub mod delivery;
pub mod incidents;
pub mod settings;
pub mod spool;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::life;
use incidents::{Incidents, Notice};
use settings::Settings;
use spool::Spool;

/// From one look at the cores to the next.
const EVERY: Duration = Duration::from_millis(500);

/// Tells people of kills and of cores that died, by PagerDuty, SMS, Slack or webhook.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Example:\n  colo-monitor notify --config deploy/notify.toml\n  colo-monitor notify --config deploy/notify.toml --test"
)]
pub struct Args {
    /// The file with the cores and the channels
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Tell every channel of a test and take it back, and end: exit 1 where one did not take it
    #[arg(long)]
    pub test: bool,
}

/// Runs until SIGTERM or SIGINT (exit 0; what is not told stays in the spool).
pub fn run(args: &Args, err: &mut impl Write) -> ExitCode {
    let (code, sentence) = match notify(args, err) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(refused) => refused,
    };
    let _ = writeln!(err, "colo-monitor: {sentence}");
    ExitCode::from(code)
}

type Refused = (u8, String);

fn notify(args: &Args, err: &mut impl Write) -> Result<(), Refused> {
    let settings = Settings::read(&args.config).map_err(|e| (3, e))?;
    let names: Vec<String> = settings.channels.iter().map(|c| c.name.clone()).collect();
    let spool = Spool::open(&settings.spool, &names).map_err(|e| (1, e))?;
    if args.test {
        return delivery::test(&settings).map_err(|e| (1, e));
    }
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&ended))
            .map_err(|e| (1, format!("no signals: {e}")))?;
    }
    let spool = Arc::new(spool);
    let threads = delivery::start(&settings, &spool, &ended).map_err(|e| (1, format!("no thread: {e}")))?;
    let _ = writeln!(
        err,
        "colo-monitor: watching {} core(s), telling {}",
        settings.cores.len(),
        names.join(", ")
    );
    let mut incidents = Incidents::new(settings.cores.clone(), spool.open_incidents());
    while !ended.load(Ordering::Acquire) {
        for notice in incidents.look(life::now()) {
            tell(&spool, &notice, err);
        }
        std::thread::sleep(EVERY);
    }
    // Each is between two attempts, or in one that has a time limit.
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// A spool that takes nothing must not end the watch: it is said, and tried again as long as the incident lasts.
fn tell(spool: &Spool, notice: &Notice, err: &mut impl Write) {
    let _ = match spool.put(notice) {
        Ok(()) => {
            writeln!(err, "colo-monitor: {} {}: {}", notice.action.word(), notice.dedup_key, notice.summary)
        }
        Err(e) => writeln!(err, "colo-monitor: {e}; not told: {}", notice.summary),
    };
}
