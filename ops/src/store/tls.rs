//! Where what is sent to a store is encrypted. A store of this host is reached as it is; one elsewhere only by TLS, with the server's certificate held to an authority and
//! to the name in its address, for orders, positions and the password go there.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::StoreError;

/// How stores may be reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reach {
    /// A file (PEM) with the authorities that a server's certificate is held to, in place of the public ones; a server of another host is reached by TLS
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Reach servers of other hosts without TLS: what goes there can be read on the way
    #[arg(long)]
    pub plain: bool,
}

/// Whether a host is this one.
pub(super) fn is_near(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Reach {
    /// Whether a connection is encrypted, by where it leads and whether its address asks for that (`Some(false)`: it asks for none).
    ///
    /// # Errors
    /// It leads elsewhere in plain text, and nobody allowed that.
    pub(super) fn is_encrypted(&self, is_near: bool, asked: Option<bool>) -> Result<bool, StoreError> {
        match asked {
            Some(asked) if asked || is_near || self.plain => Ok(asked),
            Some(_) => Err(StoreError::refused(
                "the address is of another host and asks for no TLS: what goes there could be read on the way (--plain allows it)",
            )),
            None => Ok(!is_near && !self.plain),
        }
    }

    /// What a client of ours believes and speaks.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub(super) fn client(&self) -> Result<ClientConfig, StoreError> {
        let roots = match &self.ca_file {
            Some(file) => of_file(file)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let speaks = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(StoreError::refused)?;
        Ok(speaks.with_root_certificates(roots).with_no_client_auth())
    }
}

fn of_file(file: &Path) -> Result<RootCertStore, StoreError> {
    let at = |e: &dyn std::fmt::Display| StoreError::Refused(format!("{}: {e}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| at(&e))? {
        roots.add(certificate.map_err(|e| at(&e))?).map_err(|e| at(&e))?;
    }
    if roots.is_empty() { Err(at(&"holds no certificate")) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_means_tls_unless_it_was_told_otherwise() {
        let (strict, lax) = (Reach::default(), Reach { plain: true, ..Reach::default() });
        for (near, asked, strictly, laxly) in [
            (true, None, Some(false), Some(false)),
            (true, Some(true), Some(true), Some(true)),
            (true, Some(false), Some(false), Some(false)),
            (false, None, Some(true), Some(false)),
            (false, Some(true), Some(true), Some(true)),
            (false, Some(false), None, Some(false)),
        ] {
            assert_eq!(strict.is_encrypted(near, asked).ok(), strictly, "{near} {asked:?}");
            assert_eq!(lax.is_encrypted(near, asked).ok(), laxly, "{near} {asked:?}");
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_no_authority() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let of =
            |file: &Path| Reach { ca_file: Some(file.to_owned()), ..Reach::default() }.client().map(drop);
        assert!(of(&file).is_err(), "absent");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nnonsense\n").unwrap();
        assert!(of(&file).is_err());
        std::fs::write(&file, "").unwrap();
        assert!(of(&file).unwrap_err().to_string().contains("no certificate"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&file, made.cert.pem()).unwrap();
        assert!(of(&file).is_ok());
        assert!(Reach::default().client().is_ok(), "the public ones");
    }
}
