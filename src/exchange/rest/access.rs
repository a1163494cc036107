//! Who asks: keys with signatures, and OAuth 2 clients with tokens.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::config::Client;

/// Why a request is not let in: status, code, words.
pub type Refusal = (u16, i64, &'static str);

const NO_KEY: Refusal = (401, -2014, "API-key format invalid.");
const BAD_KEY: Refusal = (401, -2015, "Invalid API-key, IP, or permissions for action.");
const BAD_SIGNATURE: Refusal = (400, -1022, "Signature for this request is not valid.");
const BAD_STAMP: Refusal = (400, -1021, "Timestamp for this request is outside of the recvWindow.");
/// A stamp may be so far ahead of the venue's clock, ms.
const AHEAD_MS: u64 = 1_000;
/// A window may be no longer than this, ms.
const WINDOW_MAX_MS: u64 = 60_000;

/// The clients and their tokens.
#[derive(Debug)]
pub struct Access {
    clients: Vec<Client>,
    /// By token: which client, and until when, ms.
    tokens: BTreeMap<String, (usize, u64)>,
    token_life_s: u64,
    issued: u64,
}

impl Access {
    /// With no token issued.
    #[must_use]
    pub fn new(clients: Vec<Client>, token_life_s: u64) -> Access {
        Access { clients, tokens: BTreeMap::new(), token_life_s, issued: 0 }
    }

    /// The clients.
    #[must_use]
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// Who asks, by key or token.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn who(&self, now: u64, key: Option<&str>, bearer: Option<&str>) -> Result<usize, Refusal> {
        if let Some(token) = bearer.and_then(|b| b.strip_prefix("Bearer ")) {
            let held = self.tokens.get(token).filter(|(_, until)| now < *until);
            return held.map(|(client, _)| *client).ok_or(BAD_KEY);
        }
        let key = key.ok_or(NO_KEY)?;
        self.clients.iter().position(|c| !c.key.is_empty() && c.key == key).ok_or(BAD_KEY)
    }

    /// Whether a query is signed (where a key asks) and of this moment.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, now: u64, client: usize, by_key: bool, query: &str) -> Result<(), Refusal> {
        if by_key {
            let (signed, signature) = query.rsplit_once("&signature=").ok_or(BAD_SIGNATURE)?;
            let mut mac = Hmac::<Sha256>::new_from_slice(self.clients[client].secret.as_bytes())
                .map_err(|_| BAD_SIGNATURE)?;
            mac.update(signed.as_bytes());
            // In the time that any signature takes.
            mac.verify_slice(&unhex(signature).ok_or(BAD_SIGNATURE)?).map_err(|_| BAD_SIGNATURE)?;
        }
        let number = |name: &str| parameter(query, name).and_then(|v| v.parse::<u64>().ok());
        let stamp = number("timestamp").ok_or(BAD_STAMP)?;
        let window = number("recvWindow").unwrap_or(5_000).min(WINDOW_MAX_MS);
        if stamp >= now + AHEAD_MS || now.saturating_sub(stamp) > window { Err(BAD_STAMP) } else { Ok(()) }
    }

    /// A token for the form's client, and its life in seconds.
    pub fn grant(&mut self, now: u64, form: &str) -> Option<(String, u64)> {
        let of = |name| parameter(form, name);
        if of("grant_type").as_deref() != Some("client_credentials") {
            return None;
        }
        let (id, secret) = (of("client_id")?, of("client_secret")?);
        let client = self
            .clients
            .iter()
            .position(|c| !c.client_id.is_empty() && c.client_id == id && c.client_secret == secret)?;
        self.issued += 1;
        let token = digest(&format!("{id}/{secret}/{now}/{}", self.issued));
        self.tokens.retain(|_, (_, until)| now < *until);
        self.tokens.insert(token.clone(), (client, now + self.token_life_s * 1_000));
        Some((token, self.token_life_s))
    }
}

/// A text that nobody guesses who does not know what it is of, in hex.
#[must_use]
pub fn digest(of: &str) -> String {
    use sha2::Digest;
    Sha256::digest(of.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The value of a parameter, unescaped.
#[must_use]
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(n, _)| *n == name)?;
    let mut out = Vec::new();
    let mut bytes = value.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let hex = [bytes.next()?, bytes.next()?];
                *unhex(std::str::from_utf8(&hex).ok()?)?.first()?
            }
            b'+' => b' ',
            b => b,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let client = Client {
            account: 0,
            key: "K".into(),
            secret: "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j".into(),
            client_id: "me".into(),
            client_secret: "a&b".into(),
        };
        Access::new(vec![client], 10)
    }

    #[test]
    fn the_manual_s_example_is_let_in_and_nothing_near_it() {
        let query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559\
                     &signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
        let now = 1_499_827_319_559;
        let a = access();
        assert_eq!(a.who(now, Some("K"), None), Ok(0));
        assert_eq!(a.who(now, Some("L"), None), Err(BAD_KEY));
        assert_eq!(a.who(now, None, None), Err(NO_KEY));
        assert_eq!(a.check(now, 0, true, query), Ok(()));
        assert_eq!(a.check(now + 5_000, 0, true, query), Ok(()));
        assert_eq!(a.check(now + 5_001, 0, true, query), Err(BAD_STAMP));
        assert_eq!(a.check(now - 999, 0, true, query), Ok(()));
        assert_eq!(a.check(now - 1_000, 0, true, query), Err(BAD_STAMP));
        for bad in [
            query.replace("=1&", "=2&"),
            query.replace("c8db", "c8dc"),
            query.replace("c8db", "zz"),
            "a=b".into(),
        ] {
            assert_eq!(a.check(now, 0, true, &bad), Err(BAD_SIGNATURE), "{bad}");
        }
    }

    #[test]
    fn a_token_is_for_who_knows_the_secret_and_lasts_its_time() {
        let mut a = access();
        let form = "grant_type=client_credentials&client_id=me&client_secret=a%26b";
        assert_eq!(a.grant(0, &form.replace("%26", "")), None);
        assert_eq!(a.grant(0, &form.replace("client_credentials", "password")), None);
        let (token, life) = a.grant(0, form).unwrap();
        let bearer = format!("Bearer {token}");
        assert_eq!((life, a.who(9_999, None, Some(&bearer))), (10, Ok(0)));
        assert_eq!(a.who(10_000, None, Some(&bearer)), Err(BAD_KEY));
    }
}
