//! Whether the servers of a fleet run the same: the manifests that their runs left, side by side. Knight Capital, 1 August 2012, lost 460 million dollars in 45 minutes to the one server of eight on
//! which the old program had stayed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Refused;
use crate::journal::RunDir;
use crate::manifest::{self, Ran};

/// A server, by what its last run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// What it is called here: what the person said, or the path.
    pub name: String,
    /// The manifest that was read.
    pub file: PathBuf,
    /// What it runs.
    #[serde(flatten)]
    pub ran: Ran,
}

/// Reads a server: `NAME=PATH` or `PATH`, which is a manifest, a run's folder, or a folder of runs (the last is taken).
///
/// # Errors
/// There is none, or it is not understood.
pub fn read(given: &str) -> Result<Server, Refused> {
    let (name, path) = match given.split_once('=') {
        Some((name, path)) if !name.contains('/') => (name, path),
        _ => (given, given),
    };
    let path = Path::new(path);
    let file = if path.is_dir() { RunDir::find(path).join(manifest::FILE) } else { path.to_path_buf() };
    let ran = manifest::read_ran(&file).map_err(Refused::because)?;
    Ok(Server { name: name.into(), file, ran })
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Program, configuration, and the approval that it runs under.
    Everything,
    /// The program alone: for servers whose configurations differ by address and core.
    Programs,
}

/// Who differs from the rest, and in what; nothing where all are the same. The rest is what most run; where no answer has a majority, each is named.
#[must_use]
pub fn differences(servers: &[Server], compare: Compare) -> Vec<String> {
    type Part = fn(&Ran) -> &str;
    let parts: [(&str, Part); 4] = [
        ("binary_sha256", |r| &r.pair.binary_sha256),
        ("config_sha256", |r| &r.pair.config_sha256),
        ("approval_sha256", |r| r.approval_sha256.as_deref().unwrap_or("none")),
        ("params_sha256", |r| r.params_sha256.as_deref().unwrap_or("none")),
    ];
    let parts = match compare {
        Compare::Everything => &parts[..],
        Compare::Programs => &parts[..1],
    };
    let mut said = Vec::new();
    for (key, part) in parts {
        let mut by: BTreeMap<&str, Vec<&Server>> = BTreeMap::new();
        servers.iter().for_each(|s| by.entry(part(&s.ran)).or_default().push(s));
        if by.len() < 2 {
            continue;
        }
        let most = by.iter().find(|(_, s)| s.len() * 2 > servers.len()).map(|(value, s)| (*value, s.len()));
        for (value, same) in by.iter().filter(|(value, _)| most.is_none_or(|(m, _)| m != **value)) {
            let names = same.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
            let rest = most.map_or("there is no majority".into(), |(m, n)| format!("{n} others have {m}"));
            said.push(format!("{names}: {key} is {value}; {rest}"));
        }
    }
    if compare == Compare::Everything {
        said.extend(servers.iter().filter_map(left));
    }
    said
}

/// That a server's parameters are not those that it was started with, whatever the others do: what is approved is what is configured.
fn left(server: &Server) -> Option<String> {
    let ran = &server.ran;
    let now = ran.params_in_force_sha256.as_ref()?;
    let approved = if ran.approval_sha256.is_some() { "approved and configured" } else { "configured" };
    let was = ran.params_sha256.as_deref().unwrap_or("none");
    Some(format!("{}: an operator has put params_sha256 {now} in force; {was} is {approved}", server.name))
}
