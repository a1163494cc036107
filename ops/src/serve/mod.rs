//! `colo-monitor serve`: metrics, health and a live page over HTTP, for the cores of this host.
//!
//! ```text
//!   shared memory --board: one thread, once a second--> Board --routes--> /metrics /healthz /readyz
//!   log.jsonl     -/                                        \-page------> /  and /events (server-sent events)
//! ```
//!
//! However many ask, each core is read once a second by one thread, so nobody can make this process a burden to the host. It listens on loopback; anywhere else it wants a
//! token or TLS (`door`). Nothing can be commanded here: every route is a GET.

pub mod board;
mod door;
mod page;
mod routes;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::find;
use board::Board;
use door::{Door, Guard};
pub use page::session_word;

/// Serves metrics, health and a live page of the cores of this host.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Example:\n  colo-monitor serve --listen 127.0.0.1:9464\n  curl -s http://127.0.0.1:9464/metrics | grep colo_up"
)]
pub struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// A core, any number of times; without it, every core on this host
    #[arg(long = "name", value_parser = find::parse_name)]
    pub names: Vec<String>,
    /// A file with the token that clients must have: as a bearer, or as the password of a browser
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file with the certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// A file with its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Time between two looks at a core, ms
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub every_ms: u64,
}

/// Serves until SIGTERM (exit 0) or SIGINT (exit 130).
pub fn run(args: &Args, err: &mut impl Write) -> ExitCode {
    match serve(args, err) {
        Ok(code) => ExitCode::from(code),
        Err((code, sentence)) => {
            let _ = writeln!(err, "colo-monitor: {sentence}");
            ExitCode::from(code)
        }
    }
}

type Refused = (u8, String);

fn serve(args: &Args, err: &mut impl Write) -> Result<u8, Refused> {
    let usage = |sentence: String| (2, sentence);
    let guard = Guard::new(args.token_file.as_deref()).map_err(usage)?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(door::acceptor(cert, key).map_err(usage)?),
        _ => None,
    };
    if !args.listen.ip().is_loopback() && !guard.has_token() && tls.is_none() {
        return Err((
            2,
            format!("{} is not loopback: give --token-file, or --tls-cert and --tls-key", args.listen),
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|e| (1, format!("no runtime: {e}")))?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .map_err(|e| (1, format!("cannot listen on {}: {e}", args.listen)))?;
        let address = listener.local_addr().map_err(|e| (1, e.to_string()))?;
        let board = Arc::new(Board::new(args.names.clone(), Duration::from_millis(args.every_ms)));
        board::look_on(&board).map_err(|e| (1, format!("no thread: {e}")))?;
        // Before it says that it serves: whoever reads that may end it.
        let ended = signals().map_err(|e| (1, format!("no signals: {e}")))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        // A reader who has gone away ends nothing.
        let _ = writeln!(err, "colo-monitor: serving {scheme}://{address}/ and /metrics")
            .and_then(|()| err.flush());
        let door = Door::new(listener, tls, routes::router(board, guard));
        tokio::select! {
            () = door.open() => Ok(1),
            code = ended => Ok(code),
        }
    })
}

/// Catches the signals that end it; the future waits for one, and gives its exit code.
fn signals() -> std::io::Result<impl Future<Output = u8>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => 0,
            _ = int.recv() => 130,
        }
    })
}
