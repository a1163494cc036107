//! A gateway at a venue with API keys: its table `[gateways.rest]`. Secrets come from files alone.

use std::fmt;
use std::path::Path;

use gateways::apikey::Credentials;
use net::tls::TlsClient;

use super::resolve::Checks;
use super::secrets::Secrets;
use super::written;
use crate::web::Address;

/// The venue, resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct RestVenue {
    /// Where requests go: `https://host:port`.
    pub base_url: String,
    /// Where the user stream is: `wss://host:port`.
    pub stream_url: String,
    /// The authorities believed, PEM; `None`: those of the public web.
    pub ca: Option<Vec<u8>>,
    /// Who we are; empty where secrets were not asked for.
    pub credentials: Credentials,
}

impl fmt::Debug for RestVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}", self.credentials, self.base_url)
    }
}

/// Reads the certificates of the authorities that are believed, from a file named at `key`; empty, and a problem noted, where there are none in it.
pub(super) fn authorities(c: &mut Checks, key: &str, base: &Path, file: &str) -> Vec<u8> {
    match std::fs::read(base.join(file)) {
        Ok(pem) => {
            if let Err(e) = TlsClient::trusting(&pem) {
                c.problem(key, format!("{file:?}: {e}"), "certificates of authorities, in PEM");
            }
            pem
        }
        Err(e) => {
            c.problem(key, format!("{file:?}, unreadable ({e})"), "a readable file");
            Vec::new()
        }
    }
}

/// Longest secret.
const SECRET_MAX: usize = 1_024;

/// Checks where a venue is; where its stream is, which is the same place if not said.
pub(super) fn urls(c: &mut Checks, key: &str, base_url: &String, stream_url: Option<&String>) -> String {
    for (name, url) in [("base_url", Some(base_url)), ("stream_url", stream_url)] {
        let schemes = if name == "base_url" { ["https://", "http://"] } else { ["wss://", "ws://"] };
        let Some(url) = url else { continue };
        let allowed = || format!("{}host:port, or {} where nobody listens", schemes[0], schemes[1]);
        if !schemes.iter().any(|s| url.starts_with(s)) {
            c.problem(format!("{key}.{name}"), format!("{url:?}"), allowed());
        } else if let Err(why) = Address::read(url) {
            c.problem(format!("{key}.{name}"), format!("{url:?}: {why}"), allowed());
        }
    }
    stream_url.cloned().unwrap_or_else(|| base_url.replacen("http", "ws", 1))
}

pub(super) fn resolve(
    c: &mut Checks,
    key: &str,
    rest: &written::RestVenue,
    base: &Path,
    secrets: Secrets,
) -> RestVenue {
    let stream_url = urls(c, key, &rest.base_url, rest.stream_url.as_ref());
    let mut read = |name: &str, file: &String| -> String {
        if secrets != Secrets::Read {
            return String::new();
        }
        let text = match std::fs::read_to_string(base.join(file)) {
            Ok(text) => text.trim_end_matches(['\n', '\r']).to_owned(),
            Err(e) => {
                c.problem(format!("{key}.{name}"), format!("{file:?}, unreadable ({e})"), "a readable file");
                return String::new();
            }
        };
        if !(1..=SECRET_MAX).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let allowed = format!("1 to {SECRET_MAX} printable characters in its first line");
            c.problem(format!("{key}.{name}"), format!("{file:?}, whose text is none"), allowed);
        }
        text
    };
    let credentials =
        match (&rest.api_key_file, &rest.secret_file, &rest.client_id_file, &rest.client_secret_file) {
            (Some(api), Some(secret), None, None) => {
                Credentials::Key { key: read("api_key_file", api), secret: read("secret_file", secret) }
            }
            (None, None, Some(id), Some(secret)) => Credentials::Client {
                id: read("client_id_file", id),
                secret: read("client_secret_file", secret),
            },
            _ => {
                let allowed = "api_key_file and secret_file, or client_id_file and client_secret_file";
                c.problem(key, "not one pair of files", allowed);
                Credentials::Key { key: String::new(), secret: String::new() }
            }
        };
    let ca = rest.ca_file.as_ref().map(|file| match secrets {
        Secrets::Skip | Secrets::Market => Vec::new(),
        Secrets::Read => authorities(c, &format!("{key}.ca_file"), base, file),
    });
    RestVenue { base_url: rest.base_url.clone(), stream_url, ca, credentials }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Written, parse_toml};

    const TABLE: &str =
        "base_url = \"https://127.0.0.1:1\"\napi_key_file = \"key\"\nsecret_file = \"secret\"\n";

    fn resolved(topology: &str, gateway: &str, folder: &Path) -> Result<Config, ConfigError> {
        let fixture = include_str!("../../tests/fixtures/core.toml");
        let (head, rest) = fixture.split_once("[[gateways]]").unwrap();
        let (_, tail) = rest.split_once("[[instruments]]").unwrap();
        let head =
            head.replace("name = \"unnamed\"", &format!("name = \"unnamed\"\ntopology = \"{topology}\""));
        let text = format!(
            "{head}[[gateways]]\nid = \"g1\"\nenvironment = \"test\"\n{gateway}\n[[instruments]]{tail}"
        );
        let file = folder.join("core.toml");
        let written: Written = parse_toml(&text, &file)?;
        Config::resolve(written, &file, Secrets::Read)
    }

    #[test]
    fn secrets_come_from_files_and_stay_out_of_every_text() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "K-E-Y\n").unwrap();
        std::fs::write(folder.path().join("secret"), "S-E-C\n").unwrap();
        let gateway = format!("protocol = \"rest_ws\"\n[gateways.rest]\n{TABLE}");
        let config = resolved("pipelined", &gateway, folder.path()).unwrap();
        let rest = config.gateways[0].rest.clone().unwrap();
        assert_eq!(rest.credentials, Credentials::Key { key: "K-E-Y".into(), secret: "S-E-C".into() });
        assert_eq!((&*rest.stream_url, rest.ca), ("wss://127.0.0.1:1", None));
        for text in [format!("{config:?}"), config.to_toml()] {
            assert!(!text.contains("K-E-Y") && !text.contains("S-E-C"), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "K-E-Y\n").unwrap();
        std::fs::write(folder.path().join("secret"), "\n").unwrap();
        let with = |table: &str| format!("protocol = \"rest_ws\"\n[gateways.rest]\n{table}");
        for (topology, gateway, parts) in [
            ("pipelined", with(TABLE), &["gateways[0].rest.secret_file", "printable"][..]),
            ("pipelined", with(&TABLE.replace("\"key\"", "\"none\"")), &["rest.api_key_file", "unreadable"]),
            ("pipelined", with(&TABLE.replace("https", "ftp")), &["rest.base_url", "https://"]),
            ("pipelined", with(&format!("{TABLE}client_id_file = \"key\"")), &["rest", "client_secret_file"]),
            ("pipelined", with(&format!("{TABLE}ca_file = \"none\"")), &["rest.ca_file", "unreadable"]),
            ("pipelined", with(&format!("{TABLE}ca_file = \"key\"")), &["rest.ca_file", "no certificate"]),
            ("pipelined", with(&TABLE.replace(":1", ":x")), &["rest.base_url", "\"x\" is no port"]),
            ("pipelined", with(&TABLE.replace("127.0.0.1", "a..b")), &["rest.base_url", "a..b: invalid"]),
            ("pipelined", "protocol = \"rest_ws\"".into(), &["gateways[0].rest", "not given"]),
            ("pipelined", "protocol = \"ouch50\"".into(), &["address", "firm"]),
            ("pipelined", with(TABLE).replace("rest_ws", "ouch50"), &["gateways[0].rest", "given"]),
            ("inline", with(TABLE), &["topology", "rest_ws"]),
        ] {
            let error = resolved(topology, &gateway, folder.path()).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{part:?} in {error}");
            }
        }
    }
}
