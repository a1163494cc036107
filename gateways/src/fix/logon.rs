//! Who may log on: a password in the clear, or a signature.
//!
//! The signature is HMAC-SHA256 over these values of the Logon itself, joined by SOH (0x01), in this order:
//!
//! ```text
//!   SendingTime (52)  MsgType (35, "A")  MsgSeqNum (34)  SenderCompID (49)  TargetCompID (56)  Password (554, empty where there is none)
//! ```
//!
//! and stands in base64 in RawData (96), its length in RawDataLength (95). The time and the number make it good for one logon; the acceptor checks the time
//! against its clock as that of any message.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::Nanos;
use sha2::Sha256;

use super::compose::{Fields, decimal};
use super::framing::Message;
use super::tags::{self, SOH};
use super::value;

/// What a logon shows, or must show.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// Username (553, may be empty) and Password (554).
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A signature in RawData. Username and Password as above, where they are not empty.
    Hmac {
        /// The user.
        user: String,
        /// The password.
        password: String,
        /// The key.
        key: Vec<u8>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Password { .. } => "Password",
            Credentials::Hmac { .. } => "Hmac",
        })
    }
}

/// The values that are signed.
struct Signed<'a> {
    time: &'a [u8],
    seq: &'a [u8],
    sender: &'a [u8],
    target: &'a [u8],
    password: &'a [u8],
}

impl Signed<'_> {
    fn mac(&self, key: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        let values = [self.time, tags::admin::LOGON, self.seq, self.sender, self.target, self.password];
        for (n, value) in values.into_iter().enumerate() {
            if n > 0 {
                mac.update(&[SOH]);
            }
            mac.update(value);
        }
        mac
    }
}

impl Credentials {
    pub(super) fn check(&self) -> Result<(), ()> {
        let text = |text: &str| text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
        let good = match self {
            Credentials::None => true,
            Credentials::Password { user, password } => text(user) && text(password) && !password.is_empty(),
            Credentials::Hmac { user, password, key } => {
                text(user) && text(password) && (16..=128).contains(&key.len())
            }
        };
        if good { Ok(()) } else { Err(()) }
    }

    /// Appends the fields below 108 of a Logon.
    pub(super) fn sign(&self, now: Nanos, seq: u64, sender: &str, target: &str, body: &mut Fields) {
        if let Credentials::Hmac { password, key, .. } = self {
            let mut digits = [0; 20];
            let signed = Signed {
                time: &value::utc_text(now),
                seq: decimal(seq, &mut digits),
                sender: sender.as_bytes(),
                target: target.as_bytes(),
                password: password.as_bytes(),
            };
            let mut text = [0; 44];
            let length =
                STANDARD.encode_slice(signed.mac(key).finalize().into_bytes(), &mut text).unwrap_or(0);
            body.uint(tags::RAW_DATA_LENGTH, length as u64).text(tags::RAW_DATA, &text[..length]);
        }
    }

    /// Appends the fields above 141 of a Logon.
    pub(super) fn name(&self, body: &mut Fields) {
        let (Credentials::Password { user, password } | Credentials::Hmac { user, password, .. }) = self
        else {
            return;
        };
        for (tag, text) in [(tags::USERNAME, user), (tags::PASSWORD, password)] {
            if !text.is_empty() {
                body.text(tag, text.as_bytes());
            }
        }
    }

    /// Whether a Logon shows what it must. Takes as long whatever is wrong with a signature.
    #[must_use]
    pub fn admit(&self, m: &Message<'_>) -> bool {
        let same = |tag: i32, expected: &str| {
            let shown = m.get(tag).unwrap_or_default();
            let differs = shown.iter().zip(expected.bytes()).fold(0, |d, (a, b)| d | (a ^ b));
            shown.len() == expected.len() && differs == 0
        };
        match self {
            Credentials::None => true,
            Credentials::Password { user, password } => {
                same(tags::USERNAME, user) && same(tags::PASSWORD, password)
            }
            Credentials::Hmac { user, password, key } => {
                let value = |tag| m.get(tag).unwrap_or_default();
                let signed = Signed {
                    time: value(tags::SENDING_TIME),
                    seq: value(tags::MSG_SEQ_NUM),
                    sender: value(tags::SENDER_COMP_ID),
                    target: value(tags::TARGET_COMP_ID),
                    password: value(tags::PASSWORD),
                };
                let mut shown = [0; 48];
                let length = STANDARD.decode_slice(value(tags::RAW_DATA), &mut shown).unwrap_or(0);
                let right = signed.mac(key).verify_slice(&shown[..length]).is_ok();
                right && same(tags::USERNAME, user) && same(tags::PASSWORD, password)
            }
        }
    }
}
