//! Who may come in, and how: connections (bounded, with or without TLS), tokens, and the name that a browser came by.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 64;
/// A client that has not said by then what it wants goes.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pause where the host has no descriptor left.
const BREATH: Duration = Duration::from_millis(100);
/// A shorter token can be guessed.
const TOKEN_MIN: usize = 16;

/// Accepts connections.
pub struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
}

impl Door {
    /// In front of `router`.
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) -> Door {
        Door { listener, tls, router }
    }

    /// Serves for ever.
    pub async fn open(self) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // It is never closed.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let (tls, router) = (self.tls.clone(), self.router.clone());
            tokio::spawn(async move {
                let _place = place;
                match tls {
                    None => converse(stream, router).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                            converse(stream, router).await;
                        }
                    }
                }
            });
        }
    }
}

/// One connection to its end. How it ended is nobody's news.
async fn converse(io: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let service = TowerToHyperService::new(router);
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(io), service)
        .await;
}

/// TLS 1.2 and 1.3 with this certificate.
///
/// # Errors
/// In a sentence that names the file.
pub fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let at = |path: &Path, e: String| format!("{}: {e}", path.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| at(cert, e.to_string()))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| at(key, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key_der))
        .map_err(|e| at(cert, e.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What a request must bring.
#[derive(Clone)]
pub struct Guard {
    token: Option<Arc<[u8]>>,
}

impl Guard {
    /// With the token of a file, where one is given.
    ///
    /// # Errors
    /// In a sentence: the file cannot be read, is open to others, or holds no good token.
    pub fn new(file: Option<&Path>) -> Result<Guard, String> {
        let Some(file) = file else { return Ok(Guard { token: None }) };
        let said = |e: &dyn std::fmt::Display| format!("--token-file {}: {e}", file.display());
        let text = read_secret(file).map_err(|e| said(&e))?;
        let token = text.trim();
        if token.len() < TOKEN_MIN || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(said(&format!(
                "a token is {TOKEN_MIN} printable characters or more, without spaces"
            )));
        }
        Ok(Guard { token: Some(token.as_bytes().into()) })
    }

    /// Whether there is one.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a request may pass. Without a token it must have come by an address or `localhost`: a page of somebody else's, whose name was made
    /// to point here, is not to read what this host's user may.
    #[must_use]
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
        match &self.token {
            Some(token) => presented(text(header::AUTHORIZATION)).is_some_and(|t| same(&t, token)),
            None => is_plain_host(text(header::HOST)),
        }
    }
}

/// A secret's file that only its owner may read.
fn read_secret(file: &Path) -> io::Result<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "its mode is {:o}: others may read it (chmod 600)",
            mode & 0o777
        )));
    }
    std::fs::read_to_string(file)
}

/// The token of a bearer, or the password of a browser, whatever the user.
fn presented(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok())??;
    let colon = pair.iter().position(|b| *b == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Compares in a time that depends on the lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

fn is_plain_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn guard(token: &str, mode: u32) -> Result<Guard, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        Guard::new(Some(&file))
    }

    #[test]
    fn a_token_opens_and_nothing_like_it_does() {
        let guard = guard("0123456789abcdef\n", 0o600).unwrap();
        let basic = STANDARD.encode("anybody:0123456789abcdef");
        for good in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", &format!("Basic {basic}")] {
            assert!(guard.admits(&headers(header::AUTHORIZATION, good)), "{good}");
        }
        let other = STANDARD.encode("0123456789abcdef:x");
        let bad = ["", "Bearer", "Bearer ", "Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Basic x"];
        for bad in bad.into_iter().chain([&*format!("Basic {other}")]) {
            assert!(!guard.admits(&headers(header::AUTHORIZATION, bad)), "{bad}");
        }
        assert!(!guard.admits(&headers(header::HOST, "127.0.0.1")));
    }

    #[test]
    fn a_token_that_others_may_read_or_guess_is_refused() {
        assert!(guard("0123456789abcdef", 0o640).err().unwrap().contains("chmod 600"));
        for weak in ["", "short", "0123456789 bcdef"] {
            assert!(guard(weak, 0o600).err().unwrap().contains("16 printable"), "{weak:?}");
        }
        assert!(Guard::new(Some(Path::new("not/there"))).is_err());
    }

    #[test]
    fn without_a_token_a_name_that_points_here_is_not_enough() {
        let open = Guard { token: None };
        for good in ["127.0.0.1", "127.0.0.1:9464", "localhost:1", "[::1]:9464", "10.0.0.7"] {
            assert!(open.admits(&headers(header::HOST, good)), "{good}");
        }
        for bad in ["", "evil.example", "evil.example:9464", "127.0.0.1.evil.example", "["] {
            assert!(!open.admits(&headers(header::HOST, bad)), "{bad}");
        }
        assert!(!open.admits(&HeaderMap::new()));
    }
}
