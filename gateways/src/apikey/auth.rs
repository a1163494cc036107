//! Who we are to the venue: a key that signs each request, or a client whose token is fetched and fetched again.
//!
//! ```text
//!   Key     X-MBX-APIKEY: key, and at the end of the query: &signature=hex(HMAC-SHA256(secret, query))
//!   Client  Authorization: Bearer token          (OAuth 2 client credentials, RFC 6749 section 4.4)
//!
//!   no token --ask--> asking --200--> held --a quarter of its life left, or 401--> ask
//!                       |  one at a time; a failure waits 0.5 s, doubled up to 30 s
//! ```
//!
//! Secrets appear in no `Debug` text and in no error.

use core::fmt;

use hmac::{Hmac, Mac};
use model::Nanos;
use sha2::Sha256;

use super::wire;

const RETRY_MIN: Nanos = Nanos::from_millis(500);
const RETRY_MAX: Nanos = Nanos::from_millis(30_000);
/// A token that says it lives longer is taken for one of a day.
const LIFE_MAX_S: u64 = 86_400;

/// What proves who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A key and the secret that signs.
    Key {
        /// Sent with each request.
        key: String,
        /// Never sent.
        secret: String,
    },
    /// An OAuth 2 client.
    Client {
        /// Its id.
        id: String,
        /// Its secret, sent to the token's endpoint alone.
        secret: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Key { .. } => "Key",
            Credentials::Client { .. } => "Client",
        })
    }
}

/// The MAC of `message`, in hex.
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn signature(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// A value in a query or a form: what is not unreserved (RFC 3986 section 2.3) is escaped.
#[must_use]
pub fn escaped(text: &str) -> String {
    let escape = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(escape).collect()
}

struct Token {
    text: String,
    refresh_at: Nanos,
    expires: Nanos,
}

/// The credentials and, of a client, its token.
pub(super) struct Auth {
    credentials: Credentials,
    token: Option<Token>,
    /// Counts tokens, so that a 401 about an older one changes nothing.
    generation: u64,
    asking: bool,
    retry: Nanos,
    ask_at: Nanos,
    refused: bool,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("credentials", &self.credentials)
            .field("generation", &self.generation)
            .finish()
    }
}

impl Auth {
    pub(super) fn new(credentials: Credentials) -> Auth {
        Auth {
            credentials,
            token: None,
            generation: 0,
            asking: false,
            retry: RETRY_MIN,
            ask_at: Nanos::ZERO,
            refused: false,
        }
    }

    /// Whether requests can be made that say who we are.
    pub(super) fn is_ready(&self, now: Nanos) -> bool {
        match &self.credentials {
            Credentials::Key { .. } => true,
            Credentials::Client { .. } => self.token.as_ref().is_some_and(|t| now < t.expires),
        }
    }

    /// Whether the venue does not know us: nothing is asked any more.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    pub(super) fn wants_token(&self, now: Nanos) -> bool {
        let due = self.token.as_ref().is_none_or(|t| now >= t.refresh_at);
        let client = matches!(self.credentials, Credentials::Client { .. });
        client && due && !self.asking && !self.refused && now >= self.ask_at
    }

    /// The form that asks for a token.
    pub(super) fn ask(&mut self) -> String {
        self.asking = true;
        match &self.credentials {
            Credentials::Key { .. } => String::new(),
            Credentials::Client { id, secret } => format!(
                "grant_type=client_credentials&client_id={}&client_secret={}",
                escaped(id),
                escaped(secret)
            ),
        }
    }

    /// The answer; none where it did not come. Whether there is a token.
    pub(super) fn on_token(&mut self, now: Nanos, status: u16, body: Option<&[u8]>) -> bool {
        self.asking = false;
        let granted = body.filter(|_| status == 200).and_then(|b| wire::read::<wire::Granted>(b).ok());
        let Some(granted) = granted.filter(|g| is_token(&g.access_token)) else {
            // 400 invalid_client or 401: asking again would lock us out. Everything else passes.
            self.refused |= matches!(status, 400 | 401);
            self.ask_at = now.after(self.retry);
            self.retry = Nanos((self.retry.0 * 2).min(RETRY_MAX.0));
            return false;
        };
        let life = Nanos::from_millis(granted.expires_in.min(LIFE_MAX_S) * 1_000);
        self.token = Some(Token {
            text: granted.access_token,
            refresh_at: now.after(Nanos(life.0 / 4 * 3)),
            expires: now.after(life),
        });
        self.generation += 1;
        // One that is over at once must not make us ask without a pause.
        self.ask_at = now.after(RETRY_MIN);
        self.retry = RETRY_MIN;
        true
    }

    /// A request made under `generation` was refused for it (401).
    pub(super) fn on_unauthorised(&mut self, generation: u64) {
        match self.credentials {
            Credentials::Key { .. } => self.refused = true,
            Credentials::Client { .. } if generation == self.generation => self.token = None,
            Credentials::Client { .. } => {}
        }
    }

    /// Which token requests are made under.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The header that says who we are.
    pub(super) fn header(&self) -> Option<(&'static str, String)> {
        match (&self.credentials, &self.token) {
            (Credentials::Key { key, .. }, _) => Some(("X-MBX-APIKEY", key.clone())),
            (Credentials::Client { .. }, Some(token)) => {
                Some(("Authorization", format!("Bearer {}", token.text)))
            }
            (Credentials::Client { .. }, None) => None,
        }
    }

    /// Ends a query with its signature, where a key signs.
    pub(super) fn sign(&self, query: &mut String) {
        if let Credentials::Key { secret, .. } = &self.credentials {
            let signature = signature(secret, query);
            query.push_str("&signature=");
            query.push_str(&signature);
        }
    }
}

/// What may stand in a header (RFC 6750 section 2.1), and is bounded.
fn is_token(text: &str) -> bool {
    (1..=4096).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn the_signature_is_the_one_of_the_venue_s_manual() {
        // The worked example of the Binance spot manual, "SIGNED endpoint examples".
        let query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
        let secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
        assert_eq!(
            signature(secret, query),
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
        );
    }

    fn client() -> Auth {
        Auth::new(Credentials::Client { id: "a&b".into(), secret: "c=d e".into() })
    }

    #[test]
    fn one_token_is_asked_for_at_a_time_and_before_it_is_over() {
        let mut auth = client();
        assert!(auth.wants_token(at(0)) && !auth.is_ready(at(0)) && auth.header().is_none());
        assert_eq!(auth.ask(), "grant_type=client_credentials&client_id=a%26b&client_secret=c%3Dd%20e");
        assert!(!auth.wants_token(at(1)), "single flight");
        assert!(auth.on_token(at(10), 200, Some(br#"{"access_token":"t1","expires_in":100}"#)));
        assert_eq!(auth.header(), Some(("Authorization", "Bearer t1".into())));
        assert!(auth.is_ready(at(100_009)) && !auth.is_ready(at(100_010)));
        assert!(!auth.wants_token(at(75_009)) && auth.wants_token(at(75_010)));
    }

    #[test]
    fn a_401_throws_the_token_away_that_it_was_about() {
        let mut auth = client();
        auth.ask();
        auth.on_token(at(0), 200, Some(br#"{"access_token":"t1","expires_in":100}"#));
        let old = auth.generation();
        auth.on_unauthorised(old);
        assert!(!auth.is_ready(at(1)) && !auth.wants_token(at(499)) && auth.wants_token(at(500)));
        auth.ask();
        auth.on_token(at(600), 200, Some(br#"{"access_token":"t2","expires_in":100}"#));
        auth.on_unauthorised(old);
        assert!(auth.is_ready(at(601)), "about the one before");
    }

    #[test]
    fn failures_back_off_and_a_refusal_ends_it() {
        let mut auth = client();
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..8 {
            auth.ask();
            assert!(!auth.on_token(at(now), 503, Some(b"busy")));
            let due = (now..).find(|ms| auth.wants_token(at(*ms))).unwrap();
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        for bad in [&b"{}"[..], br#"{"access_token":"a\nb","expires_in":1}"#, b"\xFF"] {
            auth.ask();
            assert!(!auth.on_token(at(now), 200, Some(bad)));
        }
        auth.ask();
        auth.on_token(at(now), 401, Some(br#"{"error":"invalid_client"}"#));
        assert!(auth.is_refused() && !auth.wants_token(at(now + 1_000_000)));
    }

    #[test]
    fn secrets_are_in_no_text() {
        let key = Credentials::Key { key: "KEY".into(), secret: "SECRET".into() };
        for text in [format!("{key:?}"), format!("{:?}", Auth::new(key.clone()))] {
            assert!(!text.contains("SECRET") && !text.contains("KEY"), "{text}");
        }
    }
}
