//! HTTP/1.1 messages in a buffer: found, bounded, and written.
//!
//! A message is whole or it is not there yet; one that cannot be, or is too long, is an error, and the connection has no further use. Bodies have a length or come in
//! chunks (RFC 9112 section 7.1); one that lasts until the connection ends is refused, for its end could not be told from a cut.

use std::fmt::Write;

/// Longest head of a message, bytes.
pub const HEAD_MAX: usize = 16 * 1024;
/// Headers of one message.
const HEADERS_MAX: usize = 64;

/// Why a message cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not HTTP/1.1.
    #[error("not an HTTP/1.1 message")]
    Malformed,
    /// Longer than is taken.
    #[error("an HTTP message that is too long")]
    TooLong,
    /// A body whose end cannot be known.
    #[error("an HTTP body without a length")]
    NoLength,
}

/// Headers by their name in small letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first of this name, which is in small letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.trim().parse().ok()
    }

    fn new(parsed: &[httparse::Header<'_>]) -> Result<Headers, HttpError> {
        let one = |h: &httparse::Header<'_>| {
            let value = std::str::from_utf8(h.value).map_err(|_| HttpError::Malformed)?;
            Ok((h.name.to_ascii_lowercase(), value.to_owned()))
        };
        parsed.iter().map(one).collect::<Result<_, _>>().map(Headers)
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, ...
    pub method: String,
    /// Before the `?`.
    pub path: String,
    /// Behind it.
    pub query: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// Takes the first request out of `buffer`; `None`: it is not whole yet.
///
/// # Errors
/// [`HttpError`].
pub fn take_request(buffer: &mut Vec<u8>, body_max: usize) -> Result<Option<Request>, HttpError> {
    let mut parsed = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut parsed);
    let Some(length) = head_length(buffer, head.parse(buffer))? else { return Ok(None) };
    let headers = Headers::new(head.headers)?;
    let (method, target) = (head.method.unwrap_or_default().to_owned(), head.path.unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let Some((body, end)) = body(buffer, length, &headers, body_max, Some(0))? else { return Ok(None) };
    buffer.drain(..end);
    Ok(Some(Request { method, path, query, headers, body }))
}

/// Takes the first response out of `buffer`; `None`: it is not whole yet.
///
/// # Errors
/// [`HttpError`].
pub fn take_response(buffer: &mut Vec<u8>, body_max: usize) -> Result<Option<Response>, HttpError> {
    let mut parsed = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut parsed);
    let Some(length) = head_length(buffer, head.parse(buffer))? else { return Ok(None) };
    let headers = Headers::new(head.headers)?;
    let status = head.code.unwrap_or_default();
    let empty = (status < 200 || status == 204 || status == 304).then_some(0);
    let Some((body, end)) = body(buffer, length, &headers, body_max, empty)? else { return Ok(None) };
    buffer.drain(..end);
    Ok(Some(Response { status, headers, body }))
}

fn head_length(buffer: &[u8], parsed: httparse::Result<usize>) -> Result<Option<usize>, HttpError> {
    match parsed {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_MAX => Ok(Some(length)),
        Ok(httparse::Status::Complete(_)) => Err(HttpError::TooLong),
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_MAX => Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(HttpError::TooLong),
        Err(_) => Err(HttpError::Malformed),
    }
}

/// The body, and where the message ends. `absent`: its length where no header says one.
fn body(
    buffer: &[u8],
    start: usize,
    headers: &Headers,
    most: usize,
    absent: Option<usize>,
) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
    if let Some(coding) = headers.get("transfer-encoding") {
        // Both at once is how requests are smuggled (RFC 9112 section 6.3).
        if !coding.eq_ignore_ascii_case("chunked") || headers.get("content-length").is_some() {
            return Err(HttpError::Malformed);
        }
        return chunks(buffer, start, most);
    }
    let length = match headers.get("content-length") {
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map_err(|_| HttpError::Malformed)?
        }
        Some(_) => return Err(HttpError::Malformed),
        None => absent.ok_or(HttpError::NoLength)?,
    };
    if length > most {
        return Err(HttpError::TooLong);
    }
    let end = start + length;
    Ok(buffer.get(start..end).map(|body| (body.to_vec(), end)))
}

/// Nothing is copied before all of it is there: what comes in many reads would be copied as often.
fn chunks(buffer: &[u8], start: usize, most: usize) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
    let mut length = 0;
    let Some(end) = walk(buffer, start, most, |chunk| length += chunk.len())? else { return Ok(None) };
    let mut body = Vec::with_capacity(length);
    walk(buffer, start, most, |chunk| body.extend_from_slice(chunk))?;
    Ok(Some((body, end)))
}

/// Each chunk, and where the last ends; `None`: it is not there yet.
fn walk(
    buffer: &[u8],
    start: usize,
    most: usize,
    mut chunk: impl FnMut(&[u8]),
) -> Result<Option<usize>, HttpError> {
    let (mut room, mut at) = (most, start);
    loop {
        let rest = buffer.get(at..).unwrap_or_default();
        let (head, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) if rest.len() < HEAD_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(HttpError::TooLong),
            Err(_) => return Err(HttpError::Malformed),
        };
        let size = usize::try_from(size).map_err(|_| HttpError::TooLong)?;
        room = room.checked_sub(size).ok_or(HttpError::TooLong)?;
        let (from, to) = (at + head, at + head + size);
        // The line's end behind each chunk; trailers are not taken.
        let Some(end) = buffer.get(to..to + 2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(HttpError::Malformed);
        }
        chunk(&buffer[from..to]);
        at = to + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

/// Writes a request behind what is in `out`.
pub fn put_request(
    out: &mut Vec<u8>,
    method: &str,
    target: &str,
    host: &str,
    headers: &[(&str, String)],
    body: &str,
) {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    put_rest(&mut head, headers, body, method != "GET");
    out.extend_from_slice(head.as_bytes());
}

/// Writes a response behind what is in `out`.
pub fn put_response(out: &mut Vec<u8>, status: u16, headers: &[(&str, String)], body: &str) {
    let reason = match status {
        101 => "Switching Protocols",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        409 => "Conflict",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Other",
    };
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    put_rest(&mut head, headers, body, status != 101);
    out.extend_from_slice(head.as_bytes());
}

/// Writing to a string does not fail.
fn put_rest(text: &mut String, headers: &[(&str, String)], body: &str, has_length: bool) {
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if has_length {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 7\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n";

    #[test]
    fn a_message_is_there_when_its_last_byte_is() {
        let mut request = Vec::new();
        put_request(&mut request, "POST", "/a/b?c=d", "h:1", &[("X-K", "v".into())], "body");
        let mut response = Vec::new();
        put_response(&mut response, 429, &[("Retry-After", "3".into())], "{}");
        for cut in 0..request.len() {
            assert!(take_request(&mut request[..cut].to_vec(), 100).unwrap().is_none(), "{cut}");
        }
        for message in [&response[..], CHUNKED] {
            for cut in 0..message.len() {
                assert!(take_response(&mut message[..cut].to_vec(), 100).unwrap().is_none(), "{cut}");
            }
        }
        request.extend_from_slice(b"GET /");
        let r = take_request(&mut request, 100).unwrap().unwrap();
        assert_eq!((&*r.method, &*r.path, &*r.query, &*r.body), ("POST", "/a/b", "c=d", &b"body"[..]));
        assert_eq!((r.headers.get("x-k"), r.headers.get("host")), (Some("v"), Some("h:1")));
        assert_eq!(request, b"GET /", "the next one stays");
        let r = take_response(&mut response, 100).unwrap().unwrap();
        assert_eq!((r.status, r.headers.number("retry-after"), &*r.body), (429, Some(3), &b"{}"[..]));
        let r = take_response(&mut CHUNKED.to_vec(), 100).unwrap().unwrap();
        assert_eq!((r.headers.number("x-a"), &*r.body), (Some(7), &b"hello!"[..]));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        use HttpError::{Malformed, NoLength, TooLong};
        let head = "HTTP/1.1 200 OK\r\n";
        for (text, want) in [
            ("garbage\r\n\r\n".to_owned(), Malformed),
            (format!("{head}\r\n"), NoLength),
            (format!("{head}Content-Length: -1\r\n\r\n"), Malformed),
            (format!("{head}Content-Length: 99999999999999999999999\r\n\r\n"), Malformed),
            (format!("{head}Content-Length: 101\r\n\r\n"), TooLong),
            (format!("{head}Transfer-Encoding: gzip\r\n\r\n"), Malformed),
            (format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), Malformed),
            (format!("{head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"), TooLong),
            (format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), Malformed),
            (format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\nabc"), Malformed),
            (format!("{head}{}", "A: b\r\n".repeat(65)), TooLong),
            (format!("{head}A: {}", "x".repeat(HEAD_MAX)), TooLong),
        ] {
            let error = take_response(&mut text.clone().into_bytes(), 100).unwrap_err();
            assert_eq!(error, want, "{:?}", &text[..text.len().min(80)]);
        }
    }

    #[test]
    fn noise_is_no_panic() {
        let mut x = 1_u32;
        for _ in 0..20_000 {
            let mut text =
                if x & 64 == 0 { CHUNKED.to_vec() } else { b"GET / HTTP/1.1\r\nA: b\r\n\r\n".to_vec() };
            for _ in 0..1 + x % 4 {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (x >> 8) as usize % text.len();
                text[at] = (x >> 24) as u8;
            }
            let _ = take_request(&mut text.clone(), 50);
            let _ = take_response(&mut text, 50);
        }
    }
}
