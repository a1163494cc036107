//! One WebSocket, opened by the path that its listener wants, and closed when it wants another.

use std::fmt::Display;

use model::Nanos;

use super::Listener;
use crate::agents::retry::Retry;
use crate::agents::words::{TOO_LATE, Voice};
use crate::web::socket::{Heard, Opening, Socket};
use crate::web::{Endpoint, Link};

/// How long it may take to open.
const OPEN: Nanos = Nanos::from_millis(5_000);
/// A stream that stood for so long, or said something, was one: the next is opened soon. One that is closed as soon as it opens is a proxy without its venue.
const STOOD: Nanos = Nanos::from_millis(5_000);
/// Messages taken in one turn.
const BURST: usize = 64;

enum State {
    Waiting { until: Nanos },
    Connecting { link: Link, by: Nanos },
    Opening { opening: Box<Opening<Link>>, by: Nanos },
    Open { socket: Box<Socket<Link>>, since: Nanos, heard: Nanos, pinged: bool },
}

/// See the module.
pub(in crate::agents) struct Stream {
    endpoint: Endpoint,
    state: State,
    /// What was asked for.
    path: String,
    /// Silence after which the stream is gone; after half of it a sign of life is asked for.
    silence: Nanos,
    retry: Retry,
    voice: Voice,
}

impl Stream {
    /// The stream is gone when nothing was heard for `silence`; after half of it a sign of life is asked for.
    pub(in crate::agents) fn new(endpoint: Endpoint, silence: Nanos, voice: Voice) -> Stream {
        Stream {
            endpoint,
            state: State::Waiting { until: Nanos::ZERO },
            path: String::new(),
            silence,
            retry: Retry::new(),
            voice,
        }
    }

    /// Does what there is to do.
    pub(in crate::agents) fn turn(&mut self, now: Nanos, listener: &mut impl Listener) -> usize {
        let wanted = listener.wants_stream();
        if !matches!(self.state, State::Waiting { .. }) && wanted.as_deref() != Some(&*self.path) {
            self.lose(now, listener);
            return 1;
        }
        let Some(path) = wanted else { return 0 };
        match &mut self.state {
            State::Waiting { until } if *until <= now => {
                self.path = path;
                match self.endpoint.start() {
                    Ok(link) => self.state = State::Connecting { link, by: now.after(OPEN) },
                    Err(e) => self.fail(now, &e, listener),
                }
                1
            }
            State::Waiting { .. } => 0,
            State::Connecting { link, by } => match link.poll_connected() {
                Ok(true) => {
                    self.ask(now, listener);
                    1
                }
                Ok(false) if now < *by => 0,
                Ok(false) => {
                    self.fail(now, &TOO_LATE, listener);
                    1
                }
                Err(e) => {
                    self.fail(now, &e, listener);
                    1
                }
            },
            State::Opening { opening, by } => match opening.poll() {
                Ok(Some(socket)) => {
                    self.voice.stands();
                    self.state =
                        State::Open { socket: Box::new(socket), since: now, heard: now, pinged: false };
                    listener.on_stream_open(now);
                    1
                }
                Ok(None) if now < *by => 0,
                Ok(None) => {
                    listener.on_stream_refused();
                    self.fail(now, &TOO_LATE, listener);
                    1
                }
                Err(e) => {
                    listener.on_stream_refused();
                    self.fail(now, &e, listener);
                    1
                }
            },
            State::Open { .. } => self.listen(now, listener),
        }
    }

    /// Begins anew, and soon.
    pub(in crate::agents) fn reconnect(&mut self, now: Nanos, listener: &mut impl Listener) {
        self.retry.reset();
        self.drop_it(now, listener, false);
    }

    fn ask(&mut self, now: Nanos, listener: &mut impl Listener) {
        let state = std::mem::replace(&mut self.state, State::Waiting { until: now });
        let State::Connecting { link, by } = state else { return };
        match Opening::new(link, self.endpoint.authority(), &self.path) {
            Ok(opening) => self.state = State::Opening { opening: Box::new(opening), by },
            Err(e) => self.fail(now, &e, listener),
        }
    }

    #[cold]
    fn fail(&mut self, now: Nanos, why: &dyn Display, listener: &mut impl Listener) {
        self.voice.failed(now, why);
        self.lose(now, listener);
    }

    fn listen(&mut self, now: Nanos, listener: &mut impl Listener) -> usize {
        let State::Open { socket, heard, pinged, .. } = &mut self.state else { return 0 };
        for work in 0..BURST {
            if !listener.has_room() {
                // Whoever does not listen hears nothing, which is not the venue's silence.
                *heard = now;
                return work;
            }
            match socket.poll() {
                Ok(Heard::Text(text)) => {
                    (*heard, *pinged) = (now, false);
                    self.retry.reset();
                    listener.on_stream_text(now, &text);
                    if listener.wants_stream().as_deref() != Some(&*self.path) {
                        return work + 1;
                    }
                }
                Ok(Heard::Life) => {
                    (*heard, *pinged) = (now, false);
                    listener.on_stream_alive();
                }
                Ok(Heard::Nothing) => {
                    let silent = now.since(*heard);
                    let gone = silent >= self.silence;
                    let asked = gone || *pinged || silent.0 < self.silence.0 / 2 || {
                        *pinged = true;
                        socket.ping().is_ok()
                    };
                    if gone || !asked {
                        self.drop_it(now, listener, gone);
                    }
                    return work;
                }
                Ok(Heard::Closed) | Err(_) => {
                    self.lose(now, listener);
                    return work + 1;
                }
            }
        }
        BURST
    }

    fn lose(&mut self, now: Nanos, listener: &mut impl Listener) {
        self.drop_it(now, listener, false);
    }

    #[cold]
    fn drop_it(&mut self, now: Nanos, listener: &mut impl Listener, silent: bool) {
        if let State::Open { since, .. } = self.state {
            if now.since(since) >= STOOD {
                self.retry.reset();
            }
            listener.on_stream_closed(now, silent);
        }
        self.state = State::Waiting { until: self.retry.after(now) };
    }
}
