//! `colo-monitor notify` beside a real core, against services that are down, that refuse, and that come back: no alert is lost, each is told in its order.

mod desk;

use std::process::Command;

use desk::endpoint::{Endpoint, Told};
use desk::notifier::{Surroundings, count};
use desk::{Core, MONITOR, free_port, until};
use serde_json::Value;

const PATHS: [&str; 4] = ["/v2/enqueue", "/2010-04-01/Accounts/AC0123/Messages.json", "/slack", "/hook"];

/// What was taken at a path.
fn taken(endpoint: &Endpoint, path: &str) -> Vec<Told> {
    endpoint.told().into_iter().filter(|t| t.path == path && t.status < 300).collect()
}

/// Of PagerDuty: actions with their keys.
fn pages(endpoint: &Endpoint) -> Vec<String> {
    let word = |t: &Told| {
        let event: Value = serde_json::from_str(&t.body).unwrap();
        assert_eq!(event["routing_key"], "R0123456789");
        format!("{} {}", event["event_action"].as_str().unwrap(), event["dedup_key"].as_str().unwrap())
    };
    taken(endpoint, PATHS[0]).iter().map(word).collect()
}

#[test]
fn a_kill_its_release_and_a_death_reach_every_service_through_an_outage() {
    let mut core = Core::demo("notified");
    let port = free_port();
    let place = Surroundings::new(&core.name, port);
    let mut notifier = place.start();
    until("the notifier's spool", || place.folder.path().join("spool/hook").exists().then_some(()));

    // Nobody listens: what happens is kept.
    core.ctl(&["kill", "--reason", "drill", "--operator", "tester"]);
    let channels = ["pagerduty", "sms", "slack", "hook"];
    until("a notice for each", || channels.iter().all(|c| place.waiting(c) == 1).then_some(()));
    // The notifier dies in the outage, and the kill is released while it is away and told by the next one.
    notifier.end();
    core.ctl(&["unkill", "--reason", "drill over", "--operator", "tester"]);
    let mut notifier = place.start();
    until("the release, kept too", || channels.iter().all(|c| place.waiting(c) == 2).then_some(()));

    // The services are there, and have no time; then they have.
    let endpoint = Endpoint::open(port);
    endpoint.answers(503);
    until("an attempt at each", || {
        PATHS.iter().all(|p| endpoint.told().iter().any(|t| t.path == *p)).then_some(())
    });
    assert!(pages(&endpoint).is_empty());
    endpoint.answers(202);
    until("both notices at each", || PATHS.iter().all(|p| taken(&endpoint, p).len() == 2).then_some(()));
    let killed = format!("colo/{}/killed", core.name);
    assert_eq!(
        pages(&endpoint),
        [format!("trigger {killed}"), format!("resolve {killed}")],
        "in their order"
    );
    let sms = taken(&endpoint, PATHS[1]);
    assert!(sms[0].body.contains("To=%2B15550002") && sms[0].body.contains("Body=ALERT"), "{sms:?}");
    assert!(
        sms[1].body.contains("Body=RESOLVED") && sms[0].head.contains("authorization: basic "),
        "{sms:?}"
    );
    assert!(taken(&endpoint, PATHS[2])[0].body.contains("kill switch"));
    assert!(taken(&endpoint, PATHS[3])[0].head.contains("authorization: bearer hook-secret"));

    // It dies: the dead man's event.
    core.process.end();
    until("the death", || pages(&endpoint).get(2).cloned());
    assert_eq!(pages(&endpoint)[2], format!("trigger colo/{}/dead", core.name));
    until("nothing that waits", || channels.iter().all(|c| place.waiting(c) == 0).then_some(()));
    notifier.signal("TERM");
    assert_eq!(notifier.0.wait().unwrap().code(), Some(0));
}

#[test]
fn what_a_service_refuses_for_good_is_put_aside_and_the_next_is_told() {
    let core = Core::demo("refused");
    let endpoint = Endpoint::open(0);
    endpoint.answers(400);
    let place = Surroundings::new(&core.name, endpoint.port);
    let _notifier = place.start();
    until("the notifier's spool", || place.folder.path().join("spool/hook").exists().then_some(()));
    core.ctl(&["kill", "--reason", "drill", "--operator", "tester"]);
    until("four refusals", || (count(&place.folder.path().join("spool/refused")) == 4).then_some(()));
    endpoint.answers(200);
    core.ctl(&["unkill", "--reason", "drill", "--operator", "tester"]);
    until("the release", || pages(&endpoint).first().cloned());
    assert_eq!(pages(&endpoint), [format!("resolve colo/{}/killed", core.name)]);
}

#[test]
fn a_test_is_told_to_every_channel_and_says_which_did_not_take_it() {
    let endpoint = Endpoint::open(0);
    let place = Surroundings::new("desk1", endpoint.port);
    let test = || {
        Command::new(MONITOR)
            .args(["notify", "--test", "--config", place.file.to_str().unwrap()])
            .output()
            .unwrap()
    };
    let told = test();
    assert_eq!((told.status.code(), endpoint.told().len()), (Some(0), 8), "{told:?}");
    assert_eq!(pages(&endpoint), ["trigger colo/desk1/test", "resolve colo/desk1/test"]);
    endpoint.answers(401);
    let told = test();
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1));
    assert!(said.contains("pagerduty: status 401") && !said.contains("secret"), "{said}");
}

#[test]
fn a_file_that_is_wrong_is_exit_3() {
    let place = Surroundings::new("desk1", 1);
    std::fs::write(&place.file, "cores = []").unwrap();
    let told =
        Command::new(MONITOR).args(["notify", "--config", place.file.to_str().unwrap()]).output().unwrap();
    assert_eq!(told.status.code(), Some(3), "{told:?}");
}
