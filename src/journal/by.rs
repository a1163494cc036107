//! Who asked for something over the control plane, and why: journaled in front of what came of it.
//!
//! Names and reasons are a person's text, or whatever a program puts there. What is kept of them is printable ASCII of a bounded length: everything else is
//! escaped (`\n`, `\u{202e}`), so that no line of a log, of a dump or on a terminal can be forged or cut by it.

use super::bytes::{Malformed, Take};

/// Bytes of an operator's name at most.
pub const OPERATOR_MAX: usize = 32;
/// Bytes of a reason at most, escapes counted.
pub const REASON_MAX: usize = 160;
/// Bytes of a command's word at most.
const COMMAND_MAX: usize = 24;
/// An encoded record at most.
const BYTES_MAX: usize = 8 + 4 + 4 + 3 + COMMAND_MAX + OPERATOR_MAX + REASON_MAX;

const _: () = assert!(REASON_MAX <= u8::MAX as usize);

/// Printable ASCII, `N` bytes at most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Text<N> {
    /// What fits of `text`, with all that is not printable ASCII escaped. An escape is kept whole or not at all.
    #[must_use]
    pub fn escaped(text: &str) -> Text<N> {
        let mut kept = Text { bytes: [0; N], len: 0 };
        for c in text.chars() {
            let mut escape = [0; 10];
            let escape = match c {
                ' '..='~' => c.encode_utf8(&mut escape).as_bytes(),
                _ => {
                    let mut at = 0;
                    for e in c.escape_default() {
                        // An escape is ASCII, `\u{10ffff}` at the longest.
                        escape[at] = e as u8;
                        at += 1;
                    }
                    &escape[..at]
                }
            };
            let end = usize::from(kept.len) + escape.len();
            if end > N {
                break;
            }
            kept.bytes[usize::from(kept.len)..end].copy_from_slice(escape);
            kept.len = end as u8;
        }
        kept
    }

    /// As a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("?")
    }

    fn take(t: &mut Take<'_>) -> Result<Text<N>, Malformed> {
        let len = t.u8()?;
        let mut bytes = [0; N];
        for b in bytes.get_mut(..usize::from(len)).ok_or(Malformed)? {
            *b = t.u8()?;
            if !matches!(b, b' '..=b'~') {
                return Err(Malformed);
            }
        }
        Ok(Text { bytes, len })
    }
}

impl<const N: usize> std::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Who asked, for what, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The user of the process that asked, as the kernel says.
    pub uid: u32,
    /// That process.
    pub pid: u32,
    /// The command's word.
    pub command: Text<COMMAND_MAX>,
    /// The name that was given; the user's number where none was.
    pub operator: Text<OPERATOR_MAX>,
    /// The reason that was given; may be empty.
    pub reason: Text<REASON_MAX>,
}

impl By {
    /// Encodes it behind the time at which it reached the engine. No allocation.
    pub(super) fn encode<R>(&self, now: u64, f: impl FnOnce(&[u8]) -> R) -> R {
        let mut buf = [0; BYTES_MAX];
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            buf[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
        };
        put(&now.to_le_bytes());
        put(&self.uid.to_le_bytes());
        put(&self.pid.to_le_bytes());
        for text in [self.command.as_str(), self.operator.as_str(), self.reason.as_str()] {
            put(&[text.len() as u8]);
            put(text.as_bytes());
        }
        f(&buf[..len])
    }

    pub(super) fn take(t: &mut Take<'_>) -> Result<By, Malformed> {
        let (uid, pid) = (t.u32()?, t.u32()?);
        Ok(By { uid, pid, command: Text::take(t)?, operator: Text::take(t)?, reason: Text::take(t)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_printable_ascii_is_kept() {
        let kept = |text: &str| Text::<24>::escaped(text).as_str().to_owned();
        assert_eq!(kept("desk head, J. O'Neil"), "desk head, J. O'Neil");
        assert_eq!(kept("a\nb\r\t\0"), "a\\nb\\r\\t\\u{0}");
        assert_eq!(kept("\u{1b}[2J\u{7f}\u{9b}"), "\\u{1b}[2J\\u{7f}\\u{9b}");
        assert_eq!(kept("\u{202e}x\u{2028}"), "\\u{202e}x\\u{2028}");
        // An escape that does not fit is left out, and so is all behind it.
        assert_eq!(kept(&format!("{}\u{10ffff}z", "y".repeat(15))), "y".repeat(15));
        assert_eq!(
            kept(&format!("{}\u{10ffff}z", "y".repeat(14))),
            format!("{}\\u{{10ffff}}", "y".repeat(14))
        );
        assert_eq!(kept(&"x".repeat(100)).len(), 24);
    }

    #[test]
    fn what_is_not_printable_is_no_text() {
        for bad in [&[1, b'\n'][..], &[1, 0x80], &[2, b'a'], &[25]] {
            assert!(Text::<24>::take(&mut Take(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(Text::<24>::take(&mut Take(&[2, b'o', b'k'])).unwrap().as_str(), "ok");
    }
}
