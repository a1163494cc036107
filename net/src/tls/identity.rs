//! Who is believed, and who we are: root certificates of a client, chain and key of a server, as PEM.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::TlsStream;
use crate::ByteStream;

/// `InvalidData` with what was wrong in what.
fn wrong(what: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what}: {why}"))
}

fn certificates(pem: &[u8], what: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|e| wrong(what, e))?;
    if read.is_empty() {
        return Err(wrong(what, "no certificate in it (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(read)
}

fn server_name(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|e| wrong("server name", format!("{name}: {e}")))
}

/// Whether a peer can be asked to prove to be `name`: before there is one, so that what never can be is said at once.
///
/// # Errors
/// `InvalidData`: it is neither a DNS name nor an IP address.
pub fn check_name(name: &str) -> io::Result<()> {
    server_name(name).map(drop)
}

/// What makes the client's end: the authorities it believes. Made once; each connection shares it, and resumes sessions by it.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Believes the authorities of the public web, as Mozilla lists them.
    ///
    /// # Errors
    /// Never for the versions of TLS that are built in.
    pub fn public() -> io::Result<TlsClient> {
        TlsClient::believing(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Believes the authorities in `pem`, and no other.
    ///
    /// # Errors
    /// `InvalidData`: no PEM, no certificate in it, or one that is not an authority's.
    pub fn trusting(pem: &[u8]) -> io::Result<TlsClient> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem, "root certificates")? {
            roots.add(certificate).map_err(|e| wrong("root certificates", e))?;
        }
        TlsClient::believing(roots)
    }

    fn believing(roots: RootCertStore) -> io::Result<TlsClient> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong("tls", e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsClient { config: Arc::new(config) })
    }

    /// The client's end over `below`, which need not be connected yet. The peer must prove to be `name`: a DNS name or an IP address.
    ///
    /// # Errors
    /// `InvalidData`: `name` is neither.
    pub fn connect<S: ByteStream>(&self, below: S, name: &str) -> io::Result<TlsStream<S>> {
        let server = server_name(name)?;
        let session = ClientConnection::new(Arc::clone(&self.config), server).map_err(|e| wrong("tls", e))?;
        Ok(TlsStream::new(below, session.into(), name.to_owned()))
    }
}

/// What makes the server's end: its certificate and key.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// Proves to be whom the first certificate of `chain` names. Clients need no certificate.
    ///
    /// # Errors
    /// `InvalidData`: no PEM, nothing in it, or the key is not the certificate's.
    pub fn new(chain: &[u8], key: &[u8]) -> io::Result<TlsServer> {
        let chain = certificates(chain, "server certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| wrong("server key", e))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong("tls", e))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| wrong("server certificate", e))?;
        // A ticket that the client has not read when it closes would make the kernel reset the connection, and its last words with it.
        config.send_tls13_tickets = 0;
        Ok(TlsServer { config: Arc::new(config) })
    }

    /// The server's end over an accepted stream.
    ///
    /// # Errors
    /// Never with a configuration that [`TlsServer::new`] took.
    pub fn accept<S: ByteStream>(&self, below: S) -> io::Result<TlsStream<S>> {
        let session = ServerConnection::new(Arc::clone(&self.config)).map_err(|e| wrong("tls", e))?;
        Ok(TlsStream::new(below, session.into(), "a client".to_owned()))
    }
}
