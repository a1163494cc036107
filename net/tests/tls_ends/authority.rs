//! A private authority, for tests.

use net::tls::{TlsClient, TlsServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority that nobody else knows, and the certificate of a server that it vouches for.
pub struct Authority {
    /// Its own certificate, PEM.
    pub root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        Authority { root, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name`, and its key.
    pub fn certify(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A server that is `name`.
    pub fn server(&self, name: &str) -> TlsServer {
        let (chain, key) = self.certify(name, |_| {});
        TlsServer::new(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    /// A client that believes this authority.
    pub fn client(&self) -> TlsClient {
        TlsClient::trusting(self.root.as_bytes()).unwrap()
    }
}
