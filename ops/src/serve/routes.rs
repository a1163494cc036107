//! The routes, and what stands on every answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::watch;

use super::board::Board;
use super::door::Guard;
use super::page;
use crate::find;
use crate::metrics;
use crate::metrics::exposition::Format;

/// Pages that are kept up to date at once.
const STREAMS_MAX: usize = 32;

/// What the routes share.
#[derive(Clone)]
struct Served {
    board: Arc<Board>,
    page: Arc<str>,
    streams: Arc<AtomicUsize>,
}

/// All routes, behind the guard.
pub fn router(board: Arc<Board>, guard: Guard) -> Router {
    let (html, policy) = page::html();
    let served = Served { board, page: html.into(), streams: Arc::default() };
    let policy = HeaderValue::from_str(&policy).expect("a policy of printable characters");
    Router::new()
        .route("/", get(index))
        .route("/events", get(events))
        .route("/metrics", get(exposition))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(served)
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            admit(guard.clone(), policy.clone(), request, next)
        }))
}

/// Asks for what the guard wants, and says on each answer what a browser may do with it.
async fn admit(guard: Guard, policy: HeaderValue, request: Request, next: Next) -> Response {
    let mut response = match guard.admits(request.headers()) {
        true => next.run(request).await,
        false if guard.has_token() => {
            let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"colo-monitor\", charset=\"UTF-8\"")];
            (StatusCode::UNAUTHORIZED, ask, "a token is needed\n").into_response()
        }
        false => (StatusCode::FORBIDDEN, "ask by an address, not by a name\n").into_response(),
    };
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    response.headers_mut().extend(fixed);
    response
}

async fn index(State(served): State<Served>) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], served.page.to_string()).into_response()
}

async fn exposition(State(served): State<Served>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let format = Format::accepted(accept);
    let text = {
        let cores = served.board.cores();
        let readings: Vec<_> = cores.iter().filter(|w| served.board.expects(w)).map(|w| &*w.last).collect();
        metrics::of(&readings).text(format)
    };
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// Whether this process is of use.
async fn healthz(State(served): State<Served>) -> Response {
    match served.board.is_fresh() {
        true => (StatusCode::OK, "ok\n").into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the cores are not being looked at\n").into_response(),
    }
}

/// Whether there is a core, and each that is to live does.
async fn readyz(State(served): State<Served>) -> Response {
    let (cores, ready) = {
        let cores = served.board.cores();
        let each: Vec<_> = cores
            .iter()
            .map(|w| match &w.last.found {
                Ok(_) => json!({"name": w.name, "alive": true}),
                Err(d) => json!({"name": w.name, "alive": false, "reason": d.word(), "message": d.sentence(&w.name)}),
            })
            .collect();
        let mut expected = cores.iter().filter(|w| served.board.expects(w)).peekable();
        (each, expected.peek().is_some() && expected.all(|w| w.last.live().is_some()))
    };
    let status =
        if ready && served.board.is_fresh() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = json!({"ready": status == StatusCode::OK, "cores": cores}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response()
}

/// A stream's place among those that there may be.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(streams: &Arc<AtomicUsize>) -> Option<Place> {
        let more = |n: usize| (n < STREAMS_MAX).then_some(n + 1);
        streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place(Arc::clone(streams)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where a page's stream stands.
struct Follower {
    board: Arc<Board>,
    turns: watch::Receiver<u64>,
    /// The core that is shown; none for the first there is.
    name: Option<String>,
    /// Nothing was sent yet.
    is_new: bool,
    /// The last line of the tape that was sent; none before everything was.
    seen: Option<u64>,
    _place: Place,
}

async fn events(State(served): State<Served>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or("");
    let name = query.split('&').find_map(|pair| pair.strip_prefix("core="));
    if name.is_some_and(|n| !find::is_name(n)) {
        return (StatusCode::BAD_REQUEST, "core= wants the name of a core\n").into_response();
    }
    let Some(place) = Place::take(&served.streams) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open\n").into_response();
    };
    let turns = served.board.turns();
    let follower = Follower {
        board: served.board,
        turns,
        name: name.map(Into::into),
        is_new: true,
        seen: None,
        _place: place,
    };
    Sse::new(stream(follower)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

/// `all` first, then a `turn` for each look.
fn stream(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(follower, |mut f| async move {
        if !std::mem::take(&mut f.is_new) {
            f.turns.changed().await.ok()?;
        }
        let event = {
            let cores = f.board.cores();
            let expected = cores.iter().filter(|w| f.board.expects(w));
            let names: Vec<&str> = expected.map(|w| &*w.name).collect();
            // Without a name the first that lives; it is then stayed with.
            let chosen = match &f.name {
                Some(name) => cores.iter().find(|w| w.name == *name),
                None => cores
                    .iter()
                    .find(|w| w.last.live().is_some())
                    .or_else(|| cores.iter().find(|w| f.board.expects(w))),
            };
            if let (None, Some(w)) = (&f.name, chosen.filter(|w| w.last.live().is_some())) {
                f.name = Some(w.name.clone());
                f.seen = None;
            }
            let (kind, value) = match (chosen, f.seen) {
                (Some(w), None) => ("all", page::all(w, &names)),
                (Some(w), Some(seen)) => ("turn", page::turn(w, &names, seen)),
                (None, _) => ("none", json!({"cores": names, "name": f.name})),
            };
            f.seen = chosen.map(|w| w.events.seen());
            Event::default().event(kind).data(value.to_string())
        };
        Some((Ok(event), f))
    })
}
