//! The login request and its answer.
//!
//! Written strictly (user and password padded on the right, session and sequence on the left), read liberally: Nasdaq's own open library
//! pads the answer's fields on the wrong side, and others fill with NUL.

use core::fmt;

use super::packet_type::LOGIN_REQUEST;

/// Bytes of a login request, its length field included.
pub const LOGIN_REQUEST_LEN: usize = 49;

/// A session's name: up to ten printable ASCII characters, held as the wire has it (spaces on the left). Blank means the current one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionName([u8; 10]);

impl SessionName {
    /// Whatever session is current.
    pub const BLANK: SessionName = SessionName([b' '; 10]);

    /// From text of 0 to 10 printable ASCII characters; `None` otherwise. Spaces and NULs around it do not count.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<SessionName> {
        let text = trim(text);
        if text.len() > 10 || !text.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            return None;
        }
        let mut name = [b' '; 10];
        name[10 - text.len()..].copy_from_slice(text);
        Some(SessionName(name))
    }

    /// As on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    /// Whether it names no session.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == SessionName::BLANK
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(trim(&self.0)).unwrap_or("?"))
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", core::str::from_utf8(trim(&self.0)).unwrap_or("?"))
    }
}

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginRequest {
    /// Padded on the right.
    pub username: [u8; 6],
    /// Padded on the right.
    pub password: [u8; 10],
    /// The session to join, or [`SessionName::BLANK`].
    pub session: SessionName,
    /// The number of the first sequenced message wanted: 1 from the start, 0 only from the most recent one on.
    pub sequence: u64,
}

impl LoginRequest {
    /// The whole packet.
    #[must_use]
    pub fn encode(&self) -> [u8; LOGIN_REQUEST_LEN] {
        let mut p = [b' '; LOGIN_REQUEST_LEN];
        p[..3].copy_from_slice(&[0, 47, LOGIN_REQUEST]);
        p[3..9].copy_from_slice(&self.username);
        p[9..19].copy_from_slice(&self.password);
        p[19..29].copy_from_slice(self.session.as_bytes());
        let mut n = self.sequence;
        for digit in p[29..].iter_mut().rev() {
            *digit = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        p
    }
}

/// The server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginAccepted {
    /// The session joined.
    pub session: SessionName,
    /// The number that the next sequenced message has.
    pub next: u64,
}

impl LoginAccepted {
    /// Reads the payload; `None` where it is too short, where the name is not text or where the sequence is not a number from 1.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<LoginAccepted> {
        let (session, rest) = payload.split_first_chunk::<10>()?;
        let (sequence, _) = rest.split_first_chunk::<20>()?;
        let session = SessionName::new(session)?;
        let digits = trim(sequence);
        if digits.is_empty() {
            return None;
        }
        let mut next = 0u64;
        for d in digits {
            if !d.is_ascii_digit() {
                return None;
            }
            next = next.checked_mul(10)?.checked_add(u64::from(d - b'0'))?;
        }
        (next > 0).then_some(LoginAccepted { session, next })
    }
}

/// Without the spaces and NULs on either side.
fn trim(mut b: &[u8]) -> &[u8] {
    while let [b' ' | 0, rest @ ..] = b {
        b = rest;
    }
    while let [rest @ .., b' ' | 0] = b {
        b = rest;
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_of_a_real_client_comes_out_byte_for_byte() {
        let r = LoginRequest {
            username: *b"user  ",
            password: *b"password  ",
            session: SessionName::BLANK,
            sequence: 0,
        };
        assert_eq!(&r.encode(), b"\0\x2fLuser  password                               0");
    }

    #[test]
    fn session_and_sequence_are_padded_on_the_left() {
        let r = LoginRequest {
            username: *b"USER01",
            password: *b"PASSWORD01",
            session: SessionName::new(b"S1").unwrap(),
            sequence: u64::MAX,
        };
        assert_eq!(&r.encode()[3..], b"USER01PASSWORD01        S118446744073709551615");
    }

    #[test]
    fn the_answer_of_a_real_server_is_read() {
        let a = LoginAccepted::parse(b"1689192121                 135").unwrap();
        assert_eq!(a, LoginAccepted { session: SessionName::new(b"1689192121").unwrap(), next: 135 });
    }

    #[test]
    fn padding_on_either_side_and_nul_is_read() {
        let want = LoginAccepted { session: SessionName::new(b"S1").unwrap(), next: 7 };
        for p in [
            b"        S1                   7",
            b"S1        7                   ",
            b"S1\0\0\0\0\0\0\0\x007\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\0\0\0\0S1\0\0\0\x0000000000000000000007",
        ] {
            assert_eq!(LoginAccepted::parse(p), Some(want), "{p:?}");
        }
        let mut longer = b"        S1                   7".to_vec();
        longer.push(b'x');
        assert_eq!(LoginAccepted::parse(&longer), Some(want));
    }

    #[test]
    fn an_answer_that_is_no_answer_is_refused() {
        for p in [
            &b""[..],
            b"        S1                  7",
            b"        S1                    ",
            b"        S1                   0",
            b"        S1                  -7",
            b"        S1                 7 7",
            b"        S199999999999999999999",
            b"      \xff\x01S1                   7",
        ] {
            assert_eq!(LoginAccepted::parse(p), None, "{p:?}");
        }
    }

    #[test]
    fn names_compare_whatever_their_padding() {
        assert_eq!(SessionName::new(b"A1        "), SessionName::new(b"        A1"));
        assert!(SessionName::new(b"\0\0").unwrap().is_blank());
        assert_eq!(SessionName::new(b"ELEVENCHARS"), None);
        assert_eq!(SessionName::new(b"A1").unwrap().to_string(), "A1");
    }
}
