//! The user stream: one WebSocket, opened by the path that the session wants, and closed when it wants another.

use gateways::apikey::Session;
use model::Nanos;

use crate::agents::retry::Retry;
use crate::web::socket::{Heard, Opening, Socket};
use crate::web::{Endpoint, Link};

/// How long it may take to open.
const OPEN: Nanos = Nanos::from_millis(5_000);
/// Silence after which a sign of life is asked for, and after which the stream is gone.
const PING: Nanos = Nanos::from_millis(15_000);
const SILENCE: Nanos = Nanos::from_millis(30_000);
/// Messages taken in one turn.
const BURST: usize = 64;

enum State {
    Waiting { until: Nanos },
    Connecting { link: Link, by: Nanos },
    Opening { opening: Box<Opening<Link>>, by: Nanos },
    Open { socket: Box<Socket<Link>>, heard: Nanos, pinged: bool },
}

/// See the module.
pub(super) struct Stream {
    endpoint: Endpoint,
    state: State,
    /// What was asked for.
    path: String,
    retry: Retry,
}

impl Stream {
    pub(super) fn new(endpoint: Endpoint) -> Stream {
        Stream {
            endpoint,
            state: State::Waiting { until: Nanos::ZERO },
            path: String::new(),
            retry: Retry::new(),
        }
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, now: Nanos, session: &mut Session) -> usize {
        let wanted = session.wants_stream();
        if !matches!(self.state, State::Waiting { .. }) && wanted.as_deref() != Some(&*self.path) {
            self.lose(now, session);
            return 1;
        }
        let Some(path) = wanted else { return 0 };
        match &mut self.state {
            State::Waiting { until } if *until <= now => {
                self.path = path;
                match self.endpoint.start() {
                    Ok(link) => self.state = State::Connecting { link, by: now.after(OPEN) },
                    Err(_) => self.lose(now, session),
                }
                1
            }
            State::Waiting { .. } => 0,
            State::Connecting { link, by } => match link.poll_connected() {
                Ok(true) => {
                    self.ask(now, session);
                    1
                }
                Ok(false) if now < *by => 0,
                Ok(false) | Err(_) => {
                    self.lose(now, session);
                    1
                }
            },
            State::Opening { opening, by } => match opening.poll() {
                Ok(Some(socket)) => {
                    self.state = State::Open { socket: Box::new(socket), heard: now, pinged: false };
                    self.retry.reset();
                    session.on_stream_open();
                    1
                }
                Ok(None) if now < *by => 0,
                Ok(None) | Err(_) => {
                    // The venue may not know the key any more.
                    session.forget_listen_key();
                    self.lose(now, session);
                    1
                }
            },
            State::Open { .. } => self.listen(now, session),
        }
    }

    fn ask(&mut self, now: Nanos, session: &mut Session) {
        let state = std::mem::replace(&mut self.state, State::Waiting { until: now });
        let State::Connecting { link, by } = state else { return };
        match Opening::new(link, self.endpoint.authority(), &self.path) {
            Ok(opening) => self.state = State::Opening { opening: Box::new(opening), by },
            Err(_) => self.lose(now, session),
        }
    }

    fn listen(&mut self, now: Nanos, session: &mut Session) -> usize {
        let State::Open { socket, heard, pinged } = &mut self.state else { return 0 };
        for work in 0..BURST {
            match socket.poll() {
                Ok(Heard::Text(text)) => {
                    (*heard, *pinged) = (now, false);
                    session.on_stream_text(now, &text);
                    if session.wants_stream().as_deref() != Some(&*self.path) {
                        return work + 1;
                    }
                }
                Ok(Heard::Life) => (*heard, *pinged) = (now, false),
                Ok(Heard::Nothing) => {
                    let silent = now.since(*heard);
                    let gone = silent >= SILENCE;
                    let asked = gone || *pinged || silent < PING || {
                        *pinged = true;
                        socket.ping().is_ok()
                    };
                    if gone || !asked {
                        self.lose(now, session);
                    }
                    return work;
                }
                Ok(Heard::Closed) | Err(_) => {
                    self.lose(now, session);
                    return work + 1;
                }
            }
        }
        BURST
    }

    #[cold]
    fn lose(&mut self, now: Nanos, session: &mut Session) {
        if matches!(self.state, State::Open { .. }) {
            session.on_stream_closed(now);
        }
        self.state = State::Waiting { until: self.retry.after(now) };
    }
}
