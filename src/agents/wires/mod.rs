//! What goes to a venue of the web and back: a connection for requests ([`Line`]) and a WebSocket for what it says by itself ([`Stream`]), polled. What is asked
//! and what is made of it is somebody else's: a session with its orders, or a depth feed.

mod line;
mod stream;

use gateways::apikey::{Lane, Request, Response};
use model::Nanos;
use net::tls::TlsClient;

pub(in crate::agents) use self::line::Line;
pub(in crate::agents) use self::stream::Stream;
use crate::web::Endpoint;

/// Who asks by a [`Line`].
pub(in crate::agents) trait Asker {
    /// What is to be asked now, if anything.
    fn next_request(&mut self, now: Nanos, lane: Lane) -> Option<Request>;

    /// The answer.
    fn on_response(&mut self, now: Nanos, id: u64, response: &Response<'_>);

    /// There is none, and it is not known whether the venue has heard of it.
    fn on_no_answer(&mut self, now: Nanos, id: u64);
}

/// Who listens to a [`Stream`].
pub(in crate::agents) trait Listener {
    /// The path of the stream that is wanted, if any: it is opened, and closed when it is not wanted any more.
    fn wants_stream(&self) -> Option<String>;

    /// Whether there is room for what it brings; until then it waits in the socket.
    fn has_room(&self) -> bool;

    /// It is open.
    fn on_stream_open(&mut self, now: Nanos);

    /// The venue does not let it be opened.
    fn on_stream_refused(&mut self);

    /// A text.
    fn on_stream_text(&mut self, now: Nanos, text: &str);

    /// Another sign of life.
    fn on_stream_alive(&mut self);

    /// It was open and is not any more; `silent`: there was no sign of life for too long.
    fn on_stream_closed(&mut self, now: Nanos, silent: bool);
}

/// Where requests go and where the stream is, or which of the two keys is wrong and why. May ask a name server, and wait for it.
pub(in crate::agents) fn endpoints(
    ca: Option<&[u8]>,
    base_url: &str,
    stream_url: &str,
) -> Result<[Endpoint; 2], String> {
    let tls = match ca {
        Some(pem) => TlsClient::trusting(pem),
        None => TlsClient::public(),
    };
    let tls = tls.map_err(|e| format!("ca_file: {e}"))?;
    let endpoint = |key: &str, url: &str| Endpoint::new(url, &tls).map_err(|e| format!("{key}: {e}"));
    Ok([endpoint("base_url", base_url)?, endpoint("stream_url", stream_url)?])
}
