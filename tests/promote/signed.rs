//! Keys, signatures, the log, and what a core looks at before it logs in.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use colo::manifest::{Pair, of_file, of_this_program};
use colo::release::Stage;
use colo::release::approval::{Proposal, Signed, Statement};
use colo::release::fleet::{self, Compare};
use colo::release::gate::admit;
use colo::release::keys::PrivateKey;
use colo::release::log::Log;
use colo::release::rollback::Rollback;
use colo::release::store::Kept;
use model::Nanos;

use crate::case::{CORE, Case, DAY, HOST, NOW, each_byte_changed};

#[test]
fn what_is_approved_is_let_in_and_nothing_else() {
    let mut case = Case::approved();
    let admission = case.admit().expect("approved");
    assert_eq!(admission.signers, ["anna", "ben"]);
    assert_eq!((admission.number, admission.approval), (2, case.in_force()));
    assert!(!admission.params_may_change, "the policy says nothing of it");
    // Approvers sign for a policy, so what it lets operators do is signed for too.
    for (word, may) in [("allow", true), ("refuse", false)] {
        let open = Case::new();
        open.edit("live.toml", "valid_days = 30", &format!("valid_days = 30\nparams = {word:?}"));
        open.promote_to_paper();
        open.promote(false).expect("everything is there");
        assert_eq!(open.admit().expect("approved").params_may_change, may);
        open.edit("live.toml", word, if may { "refuse" } else { "allow" });
        assert!(open.refused("another policy").contains("live.toml: is"));
    }

    type Change = fn(&Case);
    let table: &[(&str, Change, &str)] = &[
        ("colo.toml", |c| c.edit("colo.toml", "max_open_orders = 5", "max_open_orders = 4"), "config_sha256"),
        ("colo.toml", |c| c.edit("colo.toml", "quantity = 100 }", "quantity = 101 }"), "params_sha256"),
        ("colo.toml", |c| c.edit("colo.toml", "symbol = \"AAPL\"", "symbol = \"MSFT\""), "params_sha256"),
        (
            "colo.toml",
            |c| c.edit("colo.toml", "name = \"desk1\"", "name = \"desk2\""),
            "nothing was ever approved for \"desk2\"",
        ),
        ("colo.toml", |c| c.edit("colo.toml", "\"production\"", "\"test\""), "gateway g1 is marked \"test\""),
        ("colo.toml", |c| c.edit("colo.toml", "live.toml", "paper.toml"), "is the policy of the stage paper"),
        ("colo.toml", |c| c.edit("colo.toml", "releases.jsonl", "absent.jsonl"), "absent.jsonl"),
        (
            "colo.toml",
            |c| {
                let text = c.read("colo.toml");
                c.write("colo.toml", text.split("[release]").next().expect("a head"));
            },
            "`release` is not given",
        ),
        ("live.toml", |c| c.edit("live.toml", "valid_days = 30", "valid_days = 30 # days"), "live.toml: is"),
        ("live.toml", |c| c.edit("live.toml", "approvals = 2", "approvals = 3"), "2 of 3 approvers"),
        ("live.toml", |c| c.edit("live.toml", "approvals = 2", "approvals = 1"), "`approvals` is 1"),
        (
            "live.toml",
            |c| fs::remove_file(c.file("live.toml")).expect("gone"),
            "live.toml: `(file)` is unreadable",
        ),
        ("approvers.toml", |c| fs::remove_file(c.file("approvers.toml")).expect("gone"), "approvers.toml"),
        (
            "approvers.toml",
            |c| c.edit("approvers.toml", "name = \"ben\"", "name = \"anna\""),
            "1 of 2 approvers have signed it (anna)",
        ),
        (
            "approvers.toml",
            |c| {
                let (ben, mallory) = (c.keys[1].public().to_string(), c.keys[3].public().to_string());
                c.edit("approvers.toml", &ben, &mallory);
            },
            "1 of 2 approvers",
        ),
        ("releases.jsonl", |c| c.write("releases.jsonl", ""), "lacks entry 2"),
    ];
    for (k, (file, change, says)) in table.iter().enumerate() {
        let whole = case.read(file);
        change(&case);
        let refused = case.refused(says);
        assert!(refused.contains(says), "row {k}: {says:?} is not in: {refused}");
        case.write(file, &whole);
        case.admit().unwrap_or_else(|e| panic!("row {k} was put back: {e}"));
    }
    let elsewhere =
        admit(&case.config(), &case.pair(), "ny4-8", case.now).expect_err("another host").to_string();
    assert!(elsewhere.contains("this host is \"ny4-8\"") && elsewhere.contains(HOST), "{elsewhere}");
    case.now = Nanos(NOW.0 + 30 * DAY + 1);
    assert!(case.refused("too old").contains("the approval has ended"));
    case.now = NOW;
    case.binary = "c".repeat(64);
    let refused = case.refused("another program");
    assert!(refused.contains("binary_sha256") && refused.contains(&case.binary), "{refused}");
}

#[test]
fn each_changed_byte_of_policy_keys_and_log_refuses() {
    let case = Case::approved();
    case.admit().expect("approved");
    let mut bytes = 0;
    for (file, says) in [("live.toml", "live.toml"), ("releases.jsonl", "releases.jsonl")] {
        each_byte_changed(&case.file(file), |at| {
            let refused = case.refused(file);
            // The policy names the approvers' file, by a name that may be another now.
            assert!(refused.contains(says) || refused.contains("`(file)`"), "{file}, byte {at}: {refused}");
            bytes += 1;
        });
    }
    // Of the keys' file every digit of both who have signed.
    let text = case.read("approvers.toml");
    for key in &case.keys[..2] {
        let at = text.find(&key.public().to_string()).expect("the key") + "ed25519:".len();
        for k in at..at + 64 {
            let mut changed = text.clone().into_bytes();
            changed[k] ^= 1;
            fs::write(case.file("approvers.toml"), &changed).expect("written");
            case.refused("a digit");
            bytes += 1;
        }
    }
    case.write("approvers.toml", &text);
    case.admit().expect("all is as it was");
    assert!(bytes > 3_000, "{bytes} bytes");
}

#[test]
fn two_people_are_two_people() {
    let case = Case::new();
    case.promote_to_paper();
    let text = case.statement(false).expect("everything is there").to_toml();
    // One alone, one twice, one with two keys, and one who is nobody.
    for by in [&[0][..], &[0, 0], &[0, 2], &[0, 3]] {
        let before = case.read("releases.jsonl");
        case.append(&text, by).expect("the log takes what is signed for its place");
        let refused = case.refused("one person");
        assert!(refused.contains("1 of 2 approvers have signed it (anna)"), "{by:?}: {refused}");
        case.write("releases.jsonl", &before);
    }
    case.append(&text, &[2, 1]).expect("the log");
    case.admit().expect("anna by her other key, and ben");
}

#[test]
fn a_signature_is_of_one_text_at_one_place() {
    let case = Case::approved();
    let first = case.log().entries[1].clone();
    // Another text under good signatures.
    let text = case.statement(false).expect("again").to_toml();
    let larger = text.replace("limits_percent = 10", "limits_percent = 100");
    assert_ne!(text, larger);
    let signed: Vec<_> = [0, 1].map(|k: usize| Signed::by(&case.keys[k], &text)).into();
    let before = case.read("releases.jsonl");
    Log::append(&case.log_file(), &larger, &signed, NOW).expect("the chain holds");
    assert!(case.refused("another text").contains("does not hold"));
    case.write("releases.jsonl", &before);
    // Taken back, and then the same approval once more.
    let back = Rollback::new("desk1", Stage::Live, &first.seal, None, "a test", NOW).to_toml();
    case.append(&back, &[0]).expect("the log");
    assert!(case.refused("taken back").contains("has been taken back (entry 3)"));
    let again =
        Log::append(&case.log_file(), &first.text, &first.signatures, NOW).expect_err("for another place");
    assert!(again.to_string().contains("another place in the log"), "{again}");
    let again = case.append(&back, &[0]).expect_err("for another place");
    assert!(again.to_string().contains("another place in the log"), "{again}");
}

#[test]
fn the_way_back_is_an_entry_that_an_approver_signs() {
    let case = Case::approved();
    let (first, old) = (case.in_force(), case.read("colo.toml"));
    case.edit("colo.toml", "max_open_orders = 5", "max_open_orders = 4");
    case.promote(false).expect("a new configuration");
    case.admit().expect("the new one");
    let new = case.read("colo.toml");
    case.write("colo.toml", &old);
    assert!(case.refused("the old one").contains("config_sha256"));
    let before = case.read("releases.jsonl");
    let back =
        |to: &str| Rollback::new("desk1", Stage::Live, &case.in_force(), Some(to), "a test", NOW).to_toml();
    // By somebody who is no approver, and to what never was.
    case.append(&back(&first), &[3]).expect("the chain holds");
    let refused = case.refused("no approver");
    assert!(refused.contains("the roll-back is not signed by an approver"), "{refused}");
    case.write("releases.jsonl", &before);
    let never = case.append(&back(&"0".repeat(64)), &[0]).expect_err("never approved");
    assert!(never.to_string().contains("never approved"), "{never}");
    case.append(&back(&first), &[1]).expect("the log");
    assert_eq!(case.admit().expect("the old one again").approval, first);
    case.write("colo.toml", &new);
    assert!(case.refused("the new one").contains("config_sha256"));
    // A host that has seen it is not told otherwise by a log without it.
    case.write("releases.jsonl", &before);
    let refused = case.refused("a log that was cut");
    assert!(refused.contains("lacks entry 4") && refused.contains("release-seen"), "{refused}");
}

#[test]
fn lines_have_their_order() {
    let case = Case::approved();
    case.edit("colo.toml", "max_open_orders = 5", "max_open_orders = 4");
    case.promote(false).expect("another");
    let text = case.read("releases.jsonl");
    let lines: Vec<_> = text.lines().collect();
    let of = |order: &[usize]| order.iter().map(|k| format!("{}\n", lines[*k])).collect::<String>();
    for (what, bad) in [
        ("removed", of(&[0, 2])),
        ("the first is gone", of(&[1, 2])),
        ("swapped", of(&[0, 2, 1])),
        ("repeated", of(&[0, 1, 1, 2])),
        ("cut", text[..text.len() - 1].to_owned()),
        ("half a line", text[..text.len() - 40].to_owned()),
        ("not a line", format!("{text}\n")),
        ("not JSON", "sealed\n".to_owned()),
    ] {
        case.write("releases.jsonl", &bad);
        let refused = Log::read(&case.log_file()).expect_err(what).to_string();
        assert!(refused.contains("releases.jsonl: line "), "{what}: {refused}");
    }
    fs::write(case.log_file(), [0xff, b'\n']).expect("written");
    Log::read(&case.log_file()).expect_err("not UTF-8");
    case.write("releases.jsonl", &text);
    assert_eq!(case.log().entries.len(), 3);
}

#[test]
fn a_proposal_is_signed_as_it_is_or_not_at_all() {
    let case = Case::new();
    case.promote_to_paper();
    let text = case.statement(false).expect("everything is there").to_toml();
    let file = Proposal::file(&case.log_file(), "desk1", Stage::Live);
    Proposal { text: text.clone(), signatures: vec![Signed::by(&case.keys[0], &text)] }
        .write(&file)
        .expect("written");
    Proposal::read(&file).expect("as it was written");
    each_byte_changed(&file, |at| {
        let refused = Proposal::read(&file).expect_err("changed").to_string();
        assert!(refused.contains("proposed-desk1-live.json"), "byte {at}: {refused}");
    });
    // There is one way to write a text.
    assert!(Statement::parse(&text).is_some());
    for other in [
        text.replace("version = 1", "version = 2"),
        text.replace(" = ", "="),
        format!("{text}# more\n"),
        format!("{text}more = 1\n"),
    ] {
        assert!(Statement::parse(&other).is_none(), "{other}");
    }
}

#[test]
fn a_private_key_is_one_persons() {
    let case = Case::new();
    let file = case.file("anna.key");
    let read = || PrivateKey::read(&file);
    assert_eq!(read().expect("a key").public(), case.keys[0].public());
    PrivateKey::make(&file).expect_err("it is there");
    for mode in [0o640, 0o604, 0o666, 0o700] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a mode");
        let refused = read().expect_err("exposed").to_string();
        assert!(refused.contains("0600") && refused.contains(&format!("{mode:04o}")), "{refused}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    let link = case.file("link.key");
    symlink(&file, &link).expect("a link");
    PrivateKey::read(&link).expect_err("a link");
    PrivateKey::read(case.folder.path()).expect_err("a folder");
    let text = case.read("anna.key");
    for bad in [
        "".to_owned(),
        text.replace("key 1", "key 2"),
        text.replace('\n', " "),
        text[..text.len() - 3].to_owned(),
        text.to_uppercase(),
    ] {
        case.write("anna.key", &bad);
        let refused = read().expect_err("malformed").to_string();
        assert!(refused.contains("is not a private key"), "{refused}");
        let secret = text.lines().nth(1).expect("the seed");
        assert!(!refused.contains(&secret[..16]) && !format!("{:?}", case.keys[0]).contains(&secret[..16]));
    }
}

#[test]
fn what_is_kept_is_put_back_as_it_was_or_not_at_all() {
    let mut case = Case::new();
    case.binary = of_this_program().expect("this program");
    let (pair, whole) = (case.pair(), format!("# why it is so\n{CORE}"));
    case.write("colo.toml", &whole);
    let kept = Kept::beside(&case.log_file());
    kept.keep(&pair, &case.file("colo.toml")).expect("kept");
    // Comments come back too, and what is there already is left alone.
    let place = case.file("colo.toml");
    case.write("colo.toml", "name = 1\n");
    assert!(kept.restore_config(&pair, &place).expect("put back"));
    assert_eq!(case.read("colo.toml"), whole);
    assert!(!kept.restore_config(&pair, &place).expect("is there"));
    let program = case.file("program");
    assert!(kept.restore_program(&pair, &program).expect("put back"));
    assert_eq!(of_file(&program).expect("a program"), pair.binary_sha256);
    assert_ne!(fs::metadata(&program).expect("a program").permissions().mode() & 0o100, 0, "it can be run");
    assert!(!kept.restore_program(&pair, &program).expect("is there"));
    // What was changed meanwhile goes nowhere.
    let config = kept.folder().join(format!("{}.toml", pair.config_sha256));
    fs::write(&config, whole.replace("max_open_orders = 5", "max_open_orders = 9")).expect("written");
    fs::write(kept.folder().join(&pair.binary_sha256), "another program").expect("written");
    case.write("colo.toml", "name = 1\n");
    for (what, refused) in [
        ("configuration", kept.restore_config(&pair, &place)),
        ("program", kept.restore_program(&pair, &case.file("elsewhere"))),
    ] {
        let refused = refused.expect_err(what).to_string();
        assert!(refused.contains(&format!("is not the {what} that was kept")), "{refused}");
    }
    assert_eq!(case.read("colo.toml"), "name = 1\n");
    assert!(!case.file("elsewhere").exists());
    let never = Pair { binary_sha256: "0".repeat(64), config_sha256: "0".repeat(64) };
    kept.restore_config(&never, &place).expect_err("never kept");
    kept.restore_program(&never, &program).expect_err("never kept");
}

#[test]
fn a_fleet_without_a_majority_names_everybody() {
    let case = Case::new();
    let server = |name: &str, binary: &str| {
        let pair = Pair { binary_sha256: binary.repeat(64), config_sha256: "c".repeat(64) };
        case.write(name, &pair.to_toml());
        fleet::read(&format!("{name}={}", case.file(name).display())).expect("a manifest")
    };
    let (a, b) = (server("ny1", "a"), server("ny2", "b"));
    let said = fleet::differences(&[a.clone(), b.clone()], Compare::Everything);
    assert!(said.len() == 2 && said[0].starts_with("ny1: binary_sha256 is aaa"), "{said:?}");
    assert!(said[1].starts_with("ny2: ") && said[1].ends_with("there is no majority"), "{said:?}");
    let said = fleet::differences(&[a.clone(), b, a.clone()], Compare::Everything);
    assert!(said.len() == 1 && said[0].starts_with("ny2: "), "{said:?}");
    assert!(fleet::differences(&[a.clone(), a], Compare::Everything).is_empty());
    fleet::read(&case.file("absent").display().to_string()).expect_err("no manifest");
}
