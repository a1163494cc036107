//! A database and a bus that take nobody without TLS: the rows come to both, and a server that an authority does not vouch for, or that has another name, gets none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ops::store::postgres::Postgres;
use ops::store::tls::Reach;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::journal::traded;
use crate::services::{Certified, nats_with, postgres_with};
use crate::{everything, of_file, same, ship, ship_once};

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    file: PathBuf,
}

impl Authority {
    fn new(file: PathBuf) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, file.display().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), file }
    }

    /// A certificate for `localhost`, and its key.
    fn certify(&self) -> (String, String) {
        let (params, key) =
            (CertificateParams::new(["localhost".to_owned()]).unwrap(), KeyPair::generate().unwrap());
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// Ships what is there, and how that ended: what was said where it did not.
fn shipped(journal: &Path, args: &[&str], ca: Option<&Path>) -> Result<(), String> {
    let mut command = ship(&["--once".as_ref(), "--journal".as_ref(), journal.as_ref()]);
    command.args(args);
    if let Some(ca) = ca {
        command.arg("--ca-file").arg(ca);
    }
    let done = command.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(!said.contains("hunter2") && !said.contains("panicked"), "{said}");
    if done.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn a_database_that_wants_tls_gets_it_and_has_every_row() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, other] = ["ours", "other"].map(|name| Authority::new(dir.path().join(format!("{name}.pem"))));
    let (cert, key) = ours.certify();
    let certified = Certified { cert: &cert, key: &key };
    let Some((_server, address)) = postgres_with(dir.path(), Some(certified)) else { return };
    let folder = dir.path().join("replayed");
    traded(200).write(&folder, true);
    let by_number = fs::read_to_string(&address).unwrap();
    let by_name = by_number.replace("127.0.0.1", "localhost") + " sslmode=require";
    let ship = |text: &str, ca: Option<&Path>| {
        fs::write(&address, text).unwrap();
        fs::set_permissions(&address, fs::Permissions::from_mode(0o600)).unwrap();
        shipped(&folder, &["--postgres-file", address.to_str().unwrap()], ca)
    };
    // The server refuses plain text; we refuse a server that others vouch for, and one that has another name than the one asked for.
    let plain = ship(&by_number, None).expect_err("plain text");
    assert!(plain.contains("no encryption"), "{plain}");
    for (text, ca, says) in [
        (&by_name, Some(&*other.file), "UnknownIssuer"),
        (&by_name, None, "UnknownIssuer"),
        (&(by_number.clone() + " sslmode=require"), Some(&*ours.file), "not valid for name"),
    ] {
        let refused = ship(text, ca).expect_err(says);
        assert!(refused.contains("certificate") && refused.contains(says), "{refused}");
    }
    ship(&by_name, Some(&ours.file)).unwrap();
    let straight = dir.path().join("straight.db");
    ship_once(&folder, &straight);
    let reach = Reach { ca_file: Some(ours.file.clone()), plain: false };
    same(&of_file(&straight), &everything(&mut Postgres::new(&by_name, &reach).unwrap()));
}

#[test]
fn a_bus_that_wants_tls_gets_it_and_has_every_message() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, other] = ["ours", "other"].map(|name| Authority::new(dir.path().join(format!("{name}.pem"))));
    let (cert, key) = ours.certify();
    let certified = Certified { cert: &cert, key: &key };
    let Some(server) = nats_with(dir.path(), Some(certified)) else { return };
    let folder = dir.path().join("replayed");
    traded(200).write(&folder, true);
    let [by_name, by_number] = ["localhost", "127.0.0.1"].map(|host| format!("tls://{host}:{}", server.port));
    let ship = |address: &str, ca: &Path| shipped(&folder, &["--nats", address], Some(ca));
    for (address, ca) in [(&by_name, &other.file), (&by_number, &ours.file)] {
        let refused = ship(address, ca).expect_err("another authority, another name");
        assert!(refused.contains("certificate"), "{refused}");
    }
    ship(&by_name, &ours.file).unwrap();
    let straight = dir.path().join("straight.db");
    ship_once(&folder, &straight);
    let rows: usize = of_file(&straight)
        .iter()
        .filter(|(table, _)| ops::store::tables::ADDED.iter().any(|t| t.name == table.as_str()))
        .map(|(_, rows)| rows.len())
        .sum();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let there = runtime.block_on(async {
        let options =
            async_nats::ConnectOptions::new().require_tls(true).add_root_certificates(ours.file.clone());
        let client = options.connect(&by_name).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("COLO-replayed").await.unwrap();
        stream.cached_info().state.messages
    });
    assert_eq!(there, rows as u64);
}
