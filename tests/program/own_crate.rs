//! A crate of a user's own, which depends on `colo` and on nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::COLO;

/// Has a cargo that a test starts take itself for one that a person has started. What cargo tells a test of the test's own package (`CARGO_PKG_NAME`) would be taken for a change of the environment by build
/// scripts that look at it, and half of what stands in the target folder would be built again, there and back.
pub fn as_a_person(command: &mut Command) {
    let of_this_test = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_CRATE_", "CARGO_TARGET_TMPDIR"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    for (name, _) in std::env::vars().filter(|(name, _)| of_this_test(name)) {
        command.env_remove(name);
    }
}

/// Makes the crate, outside any workspace, and builds it. It shares the target folder of this test, and the profile of the workspace, so that only what is its own is
/// compiled.
pub fn build(folder: &Path, name: &str, main: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
colo = {{ path = {here:?} }}

[workspace]

[profile.dev]
opt-level = 1
debug = "line-tables-only"

[profile.dev.package.dbn]
opt-level = 0
"#
    );
    fs::create_dir(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(folder.join("src/main.rs"), main).expect("a source");
    fs::copy(here.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    let profile = Path::new(COLO).parent().expect("the folder of a profile");
    let target = profile.parent().expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--quiet"]).env("CARGO_TARGET_DIR", target).current_dir(folder);
    as_a_person(&mut cargo);
    let built = cargo.output().expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug").join(name)
}
