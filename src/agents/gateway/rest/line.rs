//! One connection for requests: one at a time, for an answer must be that of the request before it.

use gateways::apikey::{Lane, Response, Session};
use model::{Nanos, Token};
use net::{ByteStream, Received};

use crate::agents::retry::Retry;
use crate::web::http;
use crate::web::{Endpoint, Link};

/// How long a connection may take to stand.
const CONNECT: Nanos = Nanos::from_millis(5_000);
/// How long an answer may take; then it is not known what became of the request.
const ANSWER: Nanos = Nanos::from_millis(5_000);
/// Longest answer: a large venue's list of instruments.
const BODY_MAX: usize = 32 << 20;
/// Bytes read in one turn.
const READ: usize = 64 * 1024;

enum State {
    Waiting { until: Nanos },
    Connecting { link: Link, by: Nanos },
    Up(Link),
}

/// See the module.
pub(super) struct Line {
    lane: Lane,
    endpoint: Endpoint,
    state: State,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The request that is not answered, and when it was made.
    asked: Option<(u64, Nanos)>,
    /// Of what token it is, until it has left, and whether it cancels.
    leaving: Option<(Token, bool)>,
    retry: Retry,
}

/// What a turn did.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) work: usize,
    pub(super) connected: bool,
    pub(super) lost: bool,
    pub(super) sent: Option<(Token, bool)>,
}

impl Line {
    pub(super) fn new(lane: Lane, endpoint: Endpoint) -> Line {
        Line {
            lane,
            endpoint,
            state: State::Waiting { until: Nanos::ZERO },
            input: Vec::new(),
            output: Vec::new(),
            asked: None,
            leaving: None,
            retry: Retry::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_none()
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, now: Nanos, session: &mut Session) -> Turn {
        let mut turn = Turn::default();
        match &mut self.state {
            State::Waiting { until } if *until <= now => match self.endpoint.start() {
                Ok(link) => self.state = State::Connecting { link, by: now.after(CONNECT) },
                Err(_) => self.lose(now, session, &mut turn),
            },
            State::Waiting { .. } => {}
            State::Connecting { link, by } => match link.poll_connected() {
                Ok(true) => {
                    if let State::Connecting { link, .. } =
                        std::mem::replace(&mut self.state, State::Waiting { until: now })
                    {
                        self.state = State::Up(link);
                        turn.connected = true;
                    }
                }
                Ok(false) if now < *by => {}
                Ok(false) | Err(_) => self.lose(now, session, &mut turn),
            },
            State::Up(_) => {
                if self.talk(now, session, &mut turn).is_err() {
                    self.lose(now, session, &mut turn);
                }
            }
        }
        turn
    }

    /// An error: the connection has no further use.
    fn talk(&mut self, now: Nanos, session: &mut Session, turn: &mut Turn) -> Result<(), ()> {
        let State::Up(link) = &mut self.state else { return Ok(()) };
        if self.asked.is_none()
            && let Some(request) = session.next_request(now, self.lane)
        {
            let host = self.endpoint.authority();
            let (method, target) = (request.method, &request.target);
            http::put_request(&mut self.output, method, target, host, &request.headers, &request.body);
            self.asked = Some((request.id, now));
            self.leaving = request.token.map(|token| (token, method == "DELETE"));
            turn.work += 1;
        }
        if !self.output.is_empty() {
            let n = link.send(&self.output).map_err(drop)?;
            self.output.drain(..n);
            turn.work += n.min(1);
            if self.output.is_empty() {
                turn.sent = self.leaving.take();
            }
        }
        let mut buffer = [0; READ];
        match link.recv(&mut buffer).map_err(drop)? {
            Received::Nothing => {}
            Received::Closed => return Err(()),
            Received::Data(n) => {
                turn.work += 1;
                self.input.extend_from_slice(&buffer[..n]);
                if self.input.len() > http::HEAD_MAX + BODY_MAX {
                    return Err(());
                }
            }
        }
        let Some((id, since)) = self.asked else {
            // Words that nobody asked for.
            return if self.input.is_empty() { Ok(()) } else { Err(()) };
        };
        if turn.work > 0
            && let Some(response) = http::take_response(&mut self.input, BODY_MAX).map_err(drop)?
        {
            self.asked = None;
            self.retry.reset();
            let headers = &response.headers;
            let answer = Response {
                status: response.status,
                retry_after_s: headers.number("retry-after"),
                used_weight: headers.number("x-mbx-used-weight-1m"),
                order_count: headers.number("x-mbx-order-count-10s"),
                body: &response.body,
            };
            session.on_response(now, id, &answer);
            let ends = headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
            return if ends { Err(()) } else { Ok(()) };
        }
        if now.since(since) >= ANSWER { Err(()) } else { Ok(()) }
    }

    #[cold]
    fn lose(&mut self, now: Nanos, session: &mut Session, turn: &mut Turn) {
        turn.lost = matches!(self.state, State::Up(_));
        turn.work += 1;
        if let Some((id, _)) = self.asked.take() {
            session.on_no_answer(now, id);
        }
        self.leaving = None;
        self.input.clear();
        self.output.clear();
        self.state = State::Waiting { until: self.retry.after(now) };
    }
}
