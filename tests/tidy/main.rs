//! The house rules, as a test: it reads the manifests and sources of this checkout and fails on what a reviewer
//! would otherwise have to see.
//!
//! ```text
//!   checkout.rs   the files, read once (what .gitignore names is not part of the checkout)
//!   lexer.rs      a source split into code and comments, literals blanked, lines kept
//!   manifests.rs  arrows between crates, unused dependencies, shared lints
//!   purity.rs     the four deterministic crates: no unsafe, clock, I/O, hash order, float
//!   wording.rs    names that say nothing, things left over
//!   layout.rs     file length, module docs, white space, paths of one machine
//! ```
//!
//! A rule is a function from a [`Checkout`] to [`Finding`]s, so each has a unit test beside it in which it fails on a bad
//! sample: a rule that cannot fail protects nothing. An exception is an entry with its reason in the list of the
//! rule, and an entry that nothing needs any more is itself a finding.

mod checkout;
mod layout;
mod lexer;
mod manifests;
mod purity;
mod wording;

use checkout::{Checkout, Finding};

/// Runs a rule over the checkout this test was built from.
fn obeyed(rule: fn(&Checkout) -> Vec<Finding>) {
    let found = rule(&Checkout::read());
    let list: Vec<String> = found.iter().map(|finding| format!("  {finding}")).collect();
    assert!(found.is_empty(), "{} finding(s)\n{}", found.len(), list.join("\n"));
}

#[test]
fn the_checkout_is_seen() {
    let checkout = Checkout::read();
    for path in ["Cargo.toml", "model/src/lib.rs", "engine/src/lib.rs", "tests/tidy/main.rs", ".gitignore"] {
        assert!(checkout.files.iter().any(|file| file.path == path), "{path} was not read");
    }
    assert!(!checkout.files.iter().any(|file| file.path.starts_with("target/")), "build output was read");
}

#[test]
fn arrows_between_crates() {
    obeyed(manifests::arrows);
}

#[test]
fn deterministic_crates_take_no_other_dependency() {
    obeyed(manifests::lean);
}

#[test]
fn every_dependency_is_used() {
    obeyed(manifests::unused);
}

#[test]
fn every_crate_takes_the_shared_lints() {
    obeyed(manifests::lints);
}

#[test]
fn faults_are_planted_in_no_default_build() {
    obeyed(manifests::canaries);
}

#[test]
fn planted_faults_are_caught() {
    obeyed(manifests::canaries_are_caught);
}

#[test]
fn unsafe_stays_home() {
    obeyed(purity::unsafe_homes);
}

#[test]
fn the_venue_takes_nothing_from_what_it_judges() {
    obeyed(purity::oracle);
}

#[test]
fn deterministic_crates_forbid_unsafe() {
    obeyed(purity::forbid_unsafe);
}

#[test]
fn deterministic_crates_have_no_clock() {
    obeyed(purity::clocks);
}

#[test]
fn deterministic_crates_have_no_io() {
    obeyed(purity::io);
}

#[test]
fn the_engine_does_not_hash_in_random_order() {
    obeyed(purity::hash_order);
}

#[test]
fn deterministic_crates_have_no_floats() {
    obeyed(purity::floats);
}

#[test]
fn names_say_something() {
    obeyed(wording::names);
}

#[test]
fn nothing_is_left_over() {
    obeyed(wording::leftovers);
}

#[test]
fn files_are_short() {
    obeyed(layout::length);
}

#[test]
fn files_open_with_their_doc() {
    obeyed(layout::module_docs);
}

#[test]
fn white_space_is_plain() {
    obeyed(layout::white_space);
}

#[test]
fn files_are_small() {
    obeyed(layout::size);
}

#[test]
fn shared_material_is_read_by_tests_only() {
    obeyed(layout::shared_material);
}

#[test]
fn no_path_of_one_machine() {
    obeyed(layout::machine_paths);
}
