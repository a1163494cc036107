//! The notifier's file: which cores, where the spool is, which channels. Secrets are in files of their own.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::channels::{Channel, Service};
use crate::find;

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cores: Vec<String>,
    spool: PathBuf,
    channels: Vec<WrittenChannel>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum WrittenChannel {
    Pagerduty {
        name: String,
        routing_key_file: PathBuf,
        url: Option<String>,
    },
    Twilio {
        name: String,
        account_sid: String,
        auth_token_file: PathBuf,
        from: String,
        to: String,
        url: Option<String>,
    },
    Slack {
        name: String,
        url_file: PathBuf,
    },
    Webhook {
        name: String,
        url: String,
        token_file: Option<PathBuf>,
    },
}

/// As it is meant.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cores to watch.
    pub cores: Vec<String>,
    /// The folder of what is to be told.
    pub spool: PathBuf,
    /// Whom to tell.
    pub channels: Vec<Channel>,
}

impl Settings {
    /// Reads the file; paths in it are relative to it.
    ///
    /// # Errors
    /// In a sentence that names the file and the key.
    pub fn read(file: &Path) -> Result<Settings, String> {
        let at = |e: String| format!("{}: {e}", file.display());
        let text = std::fs::read_to_string(file).map_err(|e| at(e.to_string()))?;
        let written: Written = toml::from_str(&text).map_err(|e| at(e.to_string()))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        resolve(written, folder).map_err(at)
    }
}

fn resolve(written: Written, folder: &Path) -> Result<Settings, String> {
    if written.cores.is_empty() || written.channels.is_empty() {
        return Err("`cores` and `channels` want one each at least".into());
    }
    if let Some(odd) = written.cores.iter().find(|c| !find::is_name(c)) {
        return Err(format!("cores: {odd:?} is no name of a core"));
    }
    let mut channels: Vec<Channel> = Vec::new();
    for written in written.channels {
        let channel = channel(written, folder)?;
        if !find::is_name(&channel.name) {
            return Err(format!("channels: name {:?}: 1 to 32 letters, digits, `-` or `_`", channel.name));
        }
        if channels.iter().any(|c| c.name == channel.name) {
            return Err(format!("channels: two are called {:?}", channel.name));
        }
        channels.push(channel);
    }
    Ok(Settings { cores: written.cores, spool: folder.join(written.spool), channels })
}

fn channel(written: WrittenChannel, folder: &Path) -> Result<Channel, String> {
    let secret = |name: &str, key: &str, file: &Path| {
        secret(&folder.join(file)).map_err(|e| format!("channel {name:?}: {key} {}: {e}", file.display()))
    };
    Ok(match written {
        WrittenChannel::Pagerduty { name, routing_key_file, url } => {
            let routing_key = secret(&name, "routing_key_file", &routing_key_file)?;
            let url =
                checked(&name, url.unwrap_or_else(|| "https://events.pagerduty.com/v2/enqueue".into()))?;
            Channel { name, url, service: Service::PagerDuty { routing_key } }
        }
        WrittenChannel::Twilio { name, account_sid, auth_token_file, from, to, url } => {
            let auth_token = secret(&name, "auth_token_file", &auth_token_file)?;
            if !account_sid.bytes().all(|b| b.is_ascii_alphanumeric()) || account_sid.is_empty() {
                return Err(format!("channel {name:?}: account_sid is letters and digits"));
            }
            let host = url.unwrap_or_else(|| "https://api.twilio.com".into());
            let host = host.trim_end_matches('/');
            let url = checked(&name, format!("{host}/2010-04-01/Accounts/{account_sid}/Messages.json"))?;
            Channel { name, url, service: Service::Twilio { account_sid, auth_token, from, to } }
        }
        WrittenChannel::Slack { name, url_file } => {
            let url = secret(&name, "url_file", &url_file)?;
            Channel { url: checked(&name, url)?, name, service: Service::Slack }
        }
        WrittenChannel::Webhook { name, url, token_file } => {
            let token = token_file.map(|f| secret(&name, "token_file", &f)).transpose()?;
            Channel { url: checked(&name, url)?, name, service: Service::Webhook { token } }
        }
    })
}

/// Secrets go by TLS, save on this host.
fn checked(name: &str, url: String) -> Result<String, String> {
    let is_sound = match url.split_once("://") {
        Some(("https", rest)) => !rest.is_empty(),
        Some(("http", rest)) => {
            let host = rest.split(['/', ':']).next().unwrap_or("");
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        _ => false,
    };
    // A URL may be a secret itself: it is not repeated.
    is_sound
        .then_some(url)
        .ok_or(format!("channel {name:?}: its URL is not https:// (http:// is for this host only)"))
}

fn secret(file: &Path) -> Result<String, String> {
    let mode = std::fs::metadata(file).map_err(|e| e.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("its mode is {:o}: others may read it (chmod 600)", mode & 0o777));
    }
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let text = text.trim();
    let is_sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    is_sound.then(|| text.to_owned()).ok_or("it holds no secret: one line of printable characters".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mode: u32) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cret\n").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(mode)).unwrap();
        let file = folder.path().join("notify.toml");
        std::fs::write(&file, text).unwrap();
        Settings::read(&file)
    }

    const GOOD: &str = "cores = [\"desk1\"]\nspool = \"spool\"\n[[channels]]\nkind = \"pagerduty\"\nname = \"pd\"\nrouting_key_file = \"secret\"\n";

    #[test]
    fn a_good_file_is_read_with_its_secrets() {
        let s = read(GOOD, 0o600).unwrap();
        assert_eq!((s.cores.len(), s.channels.len()), (1, 1));
        assert_eq!(s.channels[0].url, "https://events.pagerduty.com/v2/enqueue");
        assert!(!format!("{s:?}").contains("s3cret"), "secrets are not shown");
    }

    #[test]
    fn a_bad_file_is_refused_by_what_is_bad() {
        let twilio = "cores = [\"a\"]\nspool = \"s\"\n[[channels]]\nkind = \"twilio\"\nname = \"t\"\nauth_token_file = \"secret\"\nfrom = \"+1\"\nto = \"+2\"\n";
        for (text, mode, words) in [
            (GOOD.to_owned(), 0o644, "chmod 600"),
            (GOOD.replace("secret", "missing"), 0o600, "routing_key_file missing"),
            (GOOD.replace("\"desk1\"", ""), 0o600, "one each at least"),
            (GOOD.replace("desk1", "../x"), 0o600, "no name of a core"),
            (GOOD.replace("routing_key_file", "routing_key"), 0o600, "routing_key"),
            (format!("{GOOD}url = \"http://example.com/x\"\n"), 0o600, "not https"),
            (
                format!(
                    "{GOOD}{}",
                    GOOD.split_once('[').unwrap().1.split_once('\n').unwrap().1.split_once('\n').unwrap().1
                ),
                0o600,
                "two are called",
            ),
            (format!("{twilio}account_sid = \"AC/../x\"\n"), 0o600, "letters and digits"),
            ("nonsense".into(), 0o600, "notify.toml"),
        ] {
            let refused = read(&text, mode).expect_err(&text);
            assert!(refused.contains(words), "{refused} lacks {words}");
        }
    }
}
