//! One connection for requests: one at a time, for an answer must be that of the request before it.
//!
//! Bytes that nobody asked for would be taken for the answer to what is asked next. So a connection that has any when a request is to be made has no further use, nor has
//! one where more comes behind an answer; which of the two is the answer is not known then. Nor has one where an answer begins before its request has left whole.

use gateways::apikey::{Lane, Response};
use model::{Nanos, Token};
use net::{ByteStream, Received};

use super::Asker;
use crate::agents::retry::Retry;
use crate::agents::words::{TOO_LATE, Voice};
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
pub(in crate::agents) struct Line {
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
    voice: Voice,
}

/// What a turn did.
#[derive(Default)]
pub(in crate::agents) struct Turn {
    pub(in crate::agents) work: usize,
    pub(in crate::agents) connected: bool,
    pub(in crate::agents) lost: bool,
    pub(in crate::agents) sent: Option<(Token, bool)>,
}

impl Line {
    pub(in crate::agents) fn new(lane: Lane, endpoint: Endpoint, voice: Voice) -> Line {
        Line {
            lane,
            endpoint,
            state: State::Waiting { until: Nanos::ZERO },
            input: Vec::new(),
            output: Vec::new(),
            asked: None,
            leaving: None,
            retry: Retry::new(),
            voice,
        }
    }

    pub(in crate::agents) fn is_idle(&self) -> bool {
        self.asked.is_none()
    }

    /// Does what there is to do.
    pub(in crate::agents) fn turn(&mut self, now: Nanos, asker: &mut impl Asker) -> Turn {
        let mut turn = Turn::default();
        match &mut self.state {
            State::Waiting { until } if *until <= now => match self.endpoint.start() {
                Ok(link) => self.state = State::Connecting { link, by: now.after(CONNECT) },
                Err(e) => {
                    self.voice.failed(now, &e);
                    self.lose(now, asker, &mut turn);
                }
            },
            State::Waiting { .. } => {}
            State::Connecting { link, by } => match link.poll_connected() {
                Ok(true) => {
                    if let State::Connecting { link, .. } =
                        std::mem::replace(&mut self.state, State::Waiting { until: now })
                    {
                        self.state = State::Up(link);
                        self.voice.stands();
                        turn.connected = true;
                    }
                }
                Ok(false) if now < *by => {}
                Ok(false) => {
                    self.voice.failed(now, &TOO_LATE);
                    self.lose(now, asker, &mut turn);
                }
                Err(e) => {
                    self.voice.failed(now, &e);
                    self.lose(now, asker, &mut turn);
                }
            },
            State::Up(_) => {
                if self.talk(now, asker, &mut turn).is_err() {
                    self.lose(now, asker, &mut turn);
                }
            }
        }
        turn
    }

    /// An error: the connection has no further use.
    fn talk(&mut self, now: Nanos, asker: &mut impl Asker, turn: &mut Turn) -> Result<(), ()> {
        let State::Up(link) = &mut self.state else { return Ok(()) };
        let mut buffer = [0; READ];
        if self.asked.is_none() {
            match link.recv(&mut buffer).map_err(drop)? {
                Received::Nothing => {}
                Received::Data(_) | Received::Closed => return Err(()),
            }
            let Some(request) = asker.next_request(now, self.lane) else { return Ok(()) };
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
        }
        let has_left = self.output.is_empty() && link.flush().map_err(drop)?;
        if has_left {
            turn.sent = self.leaving.take();
        }
        match link.recv(&mut buffer).map_err(drop)? {
            Received::Nothing => {}
            Received::Closed => return Err(()),
            // A part of a request is none, so this is no answer to it.
            Received::Data(_) if self.asked.is_some() && !has_left => return Err(()),
            Received::Data(n) => {
                turn.work += 1;
                self.input.extend_from_slice(&buffer[..n]);
                if self.input.len() > http::HEAD_MAX + BODY_MAX {
                    return Err(());
                }
            }
        }
        let Some((id, since)) = self.asked else { return Ok(()) };
        if turn.work > 0
            && let Some(response) = http::take_response(&mut self.input, BODY_MAX).map_err(drop)?
        {
            if !self.input.is_empty() {
                return Err(());
            }
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
            asker.on_response(now, id, &answer);
            let ends = headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
            return if ends { Err(()) } else { Ok(()) };
        }
        if now.since(since) >= ANSWER { Err(()) } else { Ok(()) }
    }

    #[cold]
    fn lose(&mut self, now: Nanos, asker: &mut impl Asker, turn: &mut Turn) {
        turn.lost = matches!(self.state, State::Up(_));
        turn.work += 1;
        if let Some((id, _)) = self.asked.take() {
            asker.on_no_answer(now, id);
        }
        self.leaving = None;
        self.input.clear();
        self.output.clear();
        self.state = State::Waiting { until: self.retry.after(now) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, sync_channel};

    use gateways::apikey::Request;
    use net::tcp::TcpLink;
    use net::tls::TlsClient;

    use super::*;
    use crate::agents::words::Word;

    #[derive(Default)]
    struct Session {
        wanted: Option<u64>,
        body: String,
        answers: Vec<(u64, String)>,
        unanswered: Vec<u64>,
    }

    impl Asker for Session {
        fn next_request(&mut self, _: Nanos, _: Lane) -> Option<Request> {
            let id = self.wanted.take()?;
            let target = format!("/{id}");
            let (body, token) = (self.body.clone(), Some(Token(1)));
            Some(Request { id, method: "GET", target, headers: Vec::new(), body, token })
        }
        fn on_response(&mut self, _: Nanos, id: u64, response: &Response<'_>) {
            self.answers.push((id, String::from_utf8(response.body.to_vec()).unwrap()));
        }
        fn on_no_answer(&mut self, _: Nanos, id: u64) {
            self.unanswered.push(id);
        }
    }

    fn answer(body: &str) -> Vec<u8> {
        let mut out = Vec::new();
        http::put_response(&mut out, 200, &[], body);
        out
    }

    /// A line and its venue, a plain socket.
    struct World {
        listener: TcpListener,
        line: Line,
        said: Receiver<Word>,
        session: Session,
        now: Nanos,
    }

    impl World {
        fn new() -> World {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let endpoint = Endpoint::new(&url, &TlsClient::public().unwrap()).unwrap();
            World::of(listener, endpoint)
        }

        fn of(listener: TcpListener, endpoint: Endpoint) -> World {
            let (words, said) = sync_channel(8);
            let line = Line::new(Lane::Orders, endpoint, Voice::new("orders".into(), words));
            World { listener, line, said, session: Session::default(), now: Nanos(1) }
        }

        /// Turns until one did as said.
        fn until(&mut self, is: impl Fn(&World, &Turn) -> bool) {
            for _ in 0..1_000_000 {
                let turn = self.line.turn(self.now, &mut self.session);
                if is(self, &turn) {
                    return;
                }
            }
            panic!("waited in vain: {:?}, {:?}", self.session.answers, self.session.unanswered);
        }

        fn connect(&mut self) -> TcpStream {
            self.now = self.now.after(CONNECT);
            self.until(|_, turn| turn.connected);
            self.listener.accept().unwrap().0
        }

        /// Makes a request that the venue reads.
        fn ask(&mut self, venue: &mut TcpStream, id: u64) {
            self.session.wanted = Some(id);
            self.until(|w, _| w.session.wanted.is_none());
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                venue.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            assert!(head.starts_with(format!("GET /{id} HTTP/1.1\r\n").as_bytes()));
        }
    }

    #[test]
    fn what_stands_behind_an_answer_makes_it_none() {
        let mut w = World::new();
        let mut venue = w.connect();
        w.ask(&mut venue, 1);
        venue.write_all(&answer("one")).unwrap();
        w.until(|w, _| w.session.answers == [(1, "one".to_owned())]);
        w.ask(&mut venue, 2);
        venue.write_all(&[answer("of whom?"), answer("two")].concat()).unwrap();
        w.until(|_, turn| turn.lost);
        assert_eq!((w.session.answers.len(), &w.session.unanswered[..]), (1, &[2][..]));
    }

    #[test]
    fn what_nobody_asked_for_is_no_answer_to_the_next_request() {
        let mut w = World::new();
        // A connection that can be looked at from outside, for what is on its way is there at its own time.
        let link = TcpStream::connect(w.listener.local_addr().unwrap()).unwrap();
        let probe = link.try_clone().unwrap();
        w.line.state = State::Up(Link::Plain(TcpLink::accepted(link).unwrap()));
        let mut venue = w.listener.accept().unwrap().0;
        for id in 1..=2 {
            w.ask(&mut venue, id);
            venue.write_all(&answer("right")).unwrap();
            w.until(|w, _| w.session.answers.len() as u64 == id);
        }
        venue.write_all(&answer("stray")).unwrap();
        while probe.peek(&mut [0]).is_err() {
            std::hint::spin_loop();
        }
        w.session.wanted = Some(3);
        w.until(|_, turn| turn.lost);
        assert_eq!((w.session.wanted, w.session.unanswered.len()), (Some(3), 0), "nothing was asked by it");
        w.session.wanted = None;
        let mut venue = w.connect();
        w.ask(&mut venue, 3);
        venue.write_all(&answer("right")).unwrap();
        w.until(|w, _| w.session.answers.len() == 3);
        assert_eq!(w.session.answers[2], (3, "right".to_owned()));
    }
    #[test]
    fn an_answer_to_a_request_that_has_not_left_whole_is_none() {
        let mut w = World::new();
        let mut venue = w.connect();
        // More than the sockets between us hold, and the venue reads nothing of it.
        w.session.body = "x".repeat(64 << 20);
        w.session.wanted = Some(1);
        w.until(|w, _| w.session.wanted.is_none());
        venue.write_all(&answer("too soon")).unwrap();
        w.until(|_, turn| {
            assert!(turn.sent.is_none());
            turn.lost
        });
        assert_eq!((w.session.answers.len(), &w.session.unanswered[..]), (0, &[1][..]));
        w.session.body.clear();
        let mut venue = w.connect();
        w.ask(&mut venue, 2);
        venue.write_all(&answer("two")).unwrap();
        w.until(|w, _| w.session.answers == [(2, "two".to_owned())]);
    }
    #[test]
    fn a_venue_that_does_not_prove_who_it_is_is_said_to_be_none_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let endpoint = Endpoint::new(&url, &TlsClient::public().unwrap()).unwrap();
        let mut w = World::of(listener, endpoint);
        for _ in 0..2 {
            w.now = w.now.after(CONNECT);
            w.until(|w, _| matches!(w.line.state, State::Connecting { .. }));
            let mut venue = w.listener.accept().unwrap().0;
            venue.write_all(&answer("in the clear")).unwrap();
            w.until(|w, _| matches!(w.line.state, State::Waiting { .. }));
        }
        let said: Vec<Word> = w.said.try_iter().collect();
        assert!(said.len() == 1 && said[0].why.contains("tls with 127.0.0.1"), "{said:?}");
    }
}
