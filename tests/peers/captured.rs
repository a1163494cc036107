//! Real messages of three markets and a synthetic one of every type, out of packet captures.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use colo::source;

use crate::binaryfile;
use crate::books;
use crate::program;

/// The captures of ITCH 5.0, by name.
pub fn captures() -> Option<Vec<PathBuf>> {
    let mut found = vec![program::shared("data/synthetic/itch50_mold.pcap")?];
    for folder in fs::read_dir(program::shared("data/pcap")?).unwrap().map(|e| e.unwrap().path()) {
        // The other folders are of another venue's protocols.
        if folder.to_string_lossy().contains("Equities.TotalView.Itch.v5.0") {
            found.extend(fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()));
        }
    }
    found.sort();
    Some(found)
}

/// The messages of a capture as `colo` takes them out, which the peers then have to find whole.
pub fn messages(capture: &Path) -> Vec<Vec<u8>> {
    let framed = source::read_all(capture).unwrap_or_else(|e| panic!("{}: {e}", capture.display()));
    framed.iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn every_message_of_every_capture_decodes() {
    let Some(captures) = captures() else { return };
    assert!(captures.len() > 35, "{}", captures.len());
    let mut types = BTreeMap::new();
    for capture in captures {
        let built = books::build(&capture);
        built.counts.is("/malformed", 0).is("/bad_prices", 0).is("/zero_quantities", 0).some("/messages");
        for (kind, n) in built.counts.at("/by_type").as_object().unwrap() {
            *types.entry(kind.clone()).or_insert(0) += n.as_u64().unwrap();
        }
    }
    let kinds: String = types.keys().map(String::as_str).collect();
    assert_eq!(kinds, "ABCDEFHIJKLNOPQRSUVWXYh", "all 23 types, and no other");
}

#[test]
fn the_peers_read_every_message_of_every_capture() {
    let (Some(captures), Some(python)) = (captures(), books::python()) else { return };
    let all: Vec<_> = captures.iter().flat_map(|c| messages(c)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("captures.itch");
    fs::write(&file, binaryfile::framed(all.iter().map(Vec::as_slice))).unwrap();
    // No day of a market: every type, one after the other.
    books::decoders_agree(&python, &file, &books::build(&file));
}
