//! Rules over the manifests: which crate may know which, what is declared and never used, the shared lints.

use toml::{Table, Value};

use crate::checkout::{Checkout, File, Finding};

/// A crate of this repository and the crates of this repository that it may name, in any kind of dependency.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("feeds", &["model"]),
    ("gateways", &["model"]),
    ("prefetch", &[]),
    ("engine", &["model", "prefetch"]),
    ("backtest", &["model", "engine"]),
    ("ringbuf", &[]),
    ("net", &[]),
    ("colo", &["model", "feeds", "gateways", "engine", "backtest", "ringbuf", "net"]),
    ("ops", &["colo", "model", "ringbuf"]),
    ("benches", &["colo", "backtest", "model", "feeds", "gateways", "engine", "ringbuf", "net"]),
    ("fuzz", &["colo", "model", "feeds", "gateways", "engine", "ringbuf", "net"]),
];

/// What the deterministic crates may take from outside: a crate that can reach a socket or a clock is not among them.
/// Development dependencies are free.
const LEAN: &[(&str, &[&str])] = &[
    ("model", &[]),
    // What reads JSON, and what signs logons and requests: none can reach a socket or a clock.
    ("feeds", &["model", "thiserror", "serde", "serde_json"]),
    ("gateways", &["model", "thiserror", "base64", "hmac", "sha2", "serde", "serde_json"]),
    ("engine", &["model", "prefetch", "thiserror"]),
    ("backtest", &["model", "engine", "thiserror", "serde", "statrs"]),
];

/// Crates that no source names, each with what needs it.
const USED_WITHOUT_A_NAME: &[(&str, &str)] =
    &[("tungstenite", "ops/tests/page.rs, by the browser that it shares with tests/backtest_report.rs")];

/// One entry of a manifest's tables of dependencies.
struct Dependency {
    /// The package's name, where the manifest renames it too.
    package: String,
    /// The name that sources use.
    name: String,
    dev: bool,
}

/// The manifests that have a `[package]`, parsed; a manifest that does not parse is cargo's to complain of.
fn packages(checkout: &Checkout) -> Vec<(&File, String, Table)> {
    let mut packages = Vec::new();
    for (file, text) in checkout.texts().filter(|(file, _)| is_manifest(&file.path)) {
        let manifest: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path));
        if let Some(name) =
            manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str)
        {
            packages.push((file, name.to_owned(), manifest));
        }
    }
    packages
}

fn is_manifest(path: &str) -> bool {
    path == "Cargo.toml" || path.ends_with("/Cargo.toml")
}

/// Every dependency of a manifest: normal, of development, of build scripts, and those of single targets.
fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let per_target = targets.into_iter().flat_map(|targets| targets.values()).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(per_target) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(kind).and_then(Value::as_table);
            for (name, value) in entries.into_iter().flatten() {
                let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
                let dev = kind == "dev-dependencies";
                found.push(Dependency { package: package.to_owned(), name: name.clone(), dev });
            }
        }
    }
    found
}

/// A crate names only the crates that [`ARROWS`] lets it name, tests included.
pub fn arrows(checkout: &Checkout) -> Vec<Finding> {
    let ours = |name: &str| ARROWS.iter().find(|(of, _)| *of == name);
    let mut findings = Vec::new();
    for (file, name, manifest) in packages(checkout) {
        let Some((_, allowed)) = ours(&name) else {
            findings.push(file.finding(0, format!("crate `{name}` has no row in tidy's table of arrows")));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let to = dependency.package.as_str();
            if ours(to).is_some() && !allowed.contains(&to) {
                findings.push(file.finding(0, format!("`{name}` must not depend on `{to}`")));
            }
        }
    }
    findings
}

/// The deterministic crates take nothing else from outside.
pub fn lean(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, name, manifest) in packages(checkout) {
        let Some((_, allowed)) = LEAN.iter().find(|(of, _)| *of == name) else { continue };
        for dependency in dependencies(&manifest).iter().filter(|dependency| !dependency.dev) {
            if !allowed.contains(&dependency.package.as_str()) {
                let what = format!("`{name}` is deterministic and takes no `{}`", dependency.package);
                findings.push(file.finding(0, what));
            }
        }
    }
    findings
}

/// What the workspace offers, a crate takes; what a crate takes, its sources name.
pub fn unused(checkout: &Checkout) -> Vec<Finding> {
    let packages = packages(checkout);
    let mut findings = Vec::new();
    let taken: Vec<Dependency> =
        packages.iter().flat_map(|(_, _, manifest)| dependencies(manifest)).collect();
    for (file, _, manifest) in &packages {
        let offered = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        for (name, _) in offered.and_then(Value::as_table).into_iter().flatten() {
            if !taken.iter().any(|dependency| dependency.name == *name) {
                findings.push(file.finding(0, format!("no crate takes the workspace's `{name}`")));
            }
        }
    }
    for (file, name, manifest) in &packages {
        let folder = file.path.trim_end_matches("Cargo.toml");
        for dependency in dependencies(manifest) {
            let word = dependency.name.replace('-', "_");
            let named = checkout
                .sources()
                .filter(|(source, _)| belongs(&source.path, folder, &packages))
                .any(|(_, source)| source.words().any(|(_, used)| used == word));
            let excused = USED_WITHOUT_A_NAME.iter().any(|(excused, _)| *excused == dependency.name);
            if !named && !excused {
                findings.push(file.finding(0, format!("no source of `{name}` names `{}`", dependency.name)));
            }
        }
    }
    findings
}

/// Is this source of the package in `folder`, and not of one in a folder below?
fn belongs(path: &str, folder: &str, packages: &[(&File, String, Table)]) -> bool {
    let folders = packages.iter().map(|(file, _, _)| file.path.trim_end_matches("Cargo.toml"));
    folders.filter(|folder| path.starts_with(folder)).max_by_key(|folder| folder.len()) == Some(folder)
}

/// Packages outside of the workspace, whose lints they cannot take.
const OUTSIDE: &[&str] = &["benches", "fuzz"];

/// Every crate of the workspace takes the workspace's lints.
pub fn lints(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, name, manifest) in packages(checkout) {
        let taken = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
        if !OUTSIDE.contains(&name.as_str()) && taken != Some(true) {
            findings.push(file.finding(0, "`[lints] workspace = true` is missing"));
        }
    }
    findings
}

/// The feature that plants faults is never on by itself: no default leads to it, and nobody takes a crate with it.
pub fn canaries(checkout: &Checkout) -> Vec<Finding> {
    let leads = |words: Option<&Value>| {
        let words = words.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        words.into_iter().any(|w| w == CANARIES || w.ends_with(&format!("/{CANARIES}")))
    };
    let mut findings = Vec::new();
    for (file, name, manifest) in packages(checkout) {
        let features = manifest.get("features").and_then(Value::as_table).into_iter().flatten();
        for (feature, words) in features.filter(|(feature, _)| *feature != CANARIES) {
            if leads(Some(words)) {
                findings.push(file.finding(0, format!("`{name}`'s feature `{feature}` plants faults")));
            }
        }
    }
    for (file, text) in checkout.texts().filter(|(file, _)| is_manifest(&file.path)) {
        let manifest: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let workspace = manifest.get("workspace").and_then(Value::as_table);
        for table in [Some(&manifest), workspace].into_iter().flatten() {
            for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
                let entries = table.get(kind).and_then(Value::as_table);
                for (taken, value) in entries.into_iter().flatten() {
                    if leads(value.get("features")) {
                        findings.push(file.finding(0, format!("`{taken}` is taken with planted faults")));
                    }
                }
            }
        }
    }
    findings
}

/// Every fault that can be planted is planted somewhere, and a drill is held to noticing it.
pub fn canaries_are_caught(checkout: &Checkout) -> Vec<Finding> {
    let text = |path: &str| checkout.file(path).and_then(|file| file.text.as_deref()).unwrap_or_default();
    let rows: Vec<&str> = text(CAUGHT).lines().filter_map(|l| l.split_ascii_whitespace().next()).collect();
    let mut findings = Vec::new();
    for (line, row) in (1..).zip(text(PLANTED).lines()) {
        let Some((variant, name)) = row.trim().split_once(" = \"") else { continue };
        let Some(name) = name.strip_suffix("\",") else { continue };
        let finding = |what: String| Finding { path: PLANTED.into(), line, what };
        if !rows.contains(&name) {
            findings.push(finding(format!("no drill is held to `{name}`: {CAUGHT} has no row for it")));
        }
        let seam = format!("Canary::{variant}.sings()");
        if !checkout.sources().any(|(file, source)| !file.is_test() && source.code.contains(&seam)) {
            findings.push(finding(format!("`{name}` is planted nowhere")));
        }
    }
    findings
}

/// Where faults are named, and where drills are held to them.
const PLANTED: &str = "model/src/canary.rs";
const CAUGHT: &str = "scripts/drill-canaries";

/// What the feature is called in every crate.
const CANARIES: &str = "canaries";

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    fn whats(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.what.as_str()).collect()
    }

    #[test]
    fn a_wrong_arrow_is_found_in_every_table() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
            "target.'cfg(unix)'.dev-dependencies",
        ] {
            let feeds =
                manifest("feeds", &format!("[{table}]\nmodel.workspace = true\nengine.workspace = true\n"));
            let found = arrows(&Checkout::of(&[("feeds/Cargo.toml", &feeds)]));
            assert_eq!(whats(&found), ["`feeds` must not depend on `engine`"], "{table}");
        }
    }

    #[test]
    fn a_renamed_arrow_is_found() {
        let net = manifest("net", "[dependencies]\nwords = { package = \"model\", path = \"../model\" }\n");
        assert_eq!(arrows(&Checkout::of(&[("net/Cargo.toml", &net)])).len(), 1);
    }

    #[test]
    fn an_unknown_crate_is_found_and_the_right_arrow_is_not() {
        let extra = manifest("extra", "");
        let ops = manifest("ops", "[dependencies]\nmodel.workspace = true\nclap = \"4\"\n");
        let found = arrows(&Checkout::of(&[("extra/Cargo.toml", &extra), ("ops/Cargo.toml", &ops)]));
        assert_eq!(whats(&found), ["crate `extra` has no row in tidy's table of arrows"]);
    }

    #[test]
    fn a_deterministic_crate_that_takes_a_socket_is_found() {
        let engine = manifest(
            "engine",
            "[dependencies]\nmodel = \"1\"\nmio = \"1\"\n[dev-dependencies]\nmio = \"1\"\n",
        );
        let found = lean(&Checkout::of(&[("engine/Cargo.toml", &engine)]));
        assert_eq!(whats(&found), ["`engine` is deterministic and takes no `mio`"]);
    }

    #[test]
    fn an_unused_dependency_is_found() {
        let root = manifest(
            "colo",
            "[workspace.dependencies]\nmio = \"1\"\nlibc = \"1\"\n[dependencies]\nlibc = \"1\"\n",
        );
        let net = manifest("net", "[dependencies]\nsocket-two = \"1\"\n");
        let files = [
            ("Cargo.toml", root.as_str()),
            ("net/Cargo.toml", net.as_str()),
            ("net/src/lib.rs", "use socket_two::A; use libc::b;"),
            ("src/lib.rs", "// libc and socket_two in a comment\n"),
        ];
        let found = unused(&Checkout::of(&files));
        assert_eq!(
            whats(&found),
            ["no crate takes the workspace's `mio`", "no source of `colo` names `libc`"]
        );
    }

    #[test]
    fn a_crate_without_the_shared_lints_is_found() {
        let bare = manifest("net", "");
        let own = manifest("model", "[lints.rust]\nmissing_docs = \"allow\"\n");
        let good = manifest("feeds", "[lints]\nworkspace = true\n");
        let files = [("net/Cargo.toml", &*bare), ("model/Cargo.toml", &*own), ("feeds/Cargo.toml", &*good)];
        assert_eq!(lints(&Checkout::of(&files)).len(), 2);
    }

    #[test]
    fn a_fault_that_is_planted_by_default_is_found() {
        let files = [
            (
                "Cargo.toml",
                "[workspace.dependencies]\nmodel = { path = \"model\", features = [\"canaries\"] }\n",
            ),
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\n[features]\ndefault = [\"canaries\"]\ncanaries = []\n",
            ),
            (
                "b/Cargo.toml",
                "[package]\nname = \"b\"\n[features]\nx = [\"model/canaries\"]\ncanaries = [\"model/canaries\"]\n",
            ),
            (
                "c/Cargo.toml",
                "[package]\nname = \"c\"\n[dev-dependencies]\nmodel = { features = [\"canaries\"] }\n",
            ),
        ];
        let found = canaries(&Checkout::of(&files));
        assert_eq!(
            whats(&found),
            [
                "`a`'s feature `default` plants faults",
                "`b`'s feature `x` plants faults",
                "`model` is taken with planted faults",
                "`model` is taken with planted faults",
            ]
        );
    }

    #[test]
    fn a_fault_that_nobody_plants_or_catches_is_found() {
        let named = "canaries! {\n    /// One.\n    One = \"one\",\n    Two = \"two\",\n}\n";
        let files = [
            (PLANTED, named),
            (CAUGHT, "two kill colo kill_session x y\n"),
            ("src/a.rs", "fn f() -> bool { Canary::One.sings() }\n"),
            ("tests/a.rs", "fn f() -> bool { Canary::Two.sings() }\n"),
        ];
        let found = canaries_are_caught(&Checkout::of(&files));
        assert_eq!(
            whats(&found),
            [
                "no drill is held to `one`: scripts/drill-canaries has no row for it",
                "`two` is planted nowhere"
            ]
        );
    }
}
