//! The live page in a real browser: what a person would see of a core that trades, and that they are told when it does not.

mod desk;

use desk::browser::Browser;
use desk::{Core, Server, has, say, until};
use serde_json::json;

#[test]
fn a_core_is_seen_to_trade_on_a_desk_and_on_a_phone_and_seen_to_be_gone() {
    if !has("chromium", "the page in a browser") {
        return;
    }
    let mut core = Core::demo("browser");
    let server = Server::start(&["--name", &core.name]);
    let mut browser = Browser::open();
    browser.size(1400, 1000);
    browser.call("Page.navigate", json!({"url": format!("{}/", server.url)}));
    until("a page that shows the core", || (browser.text("state") == "trading enabled").then_some(()));
    let points = "document.querySelectorAll('#equity canvas, #latency canvas').length";
    until("two curves", || (browser.shows(points) == 2).then_some(()));
    for (id, word) in [
        ("cores", &*core.name),
        ("tiles", "tick to order p99"),
        ("limits", "open orders"),
        ("positions", "AAPL"),
        ("feeds", "yes"),
        ("gateways", "ready"),
        ("agents", "cold"),
        ("stages", "decode"),
        ("tape", "order sent"),
        ("events", "session ready"),
    ] {
        let text = browser.text(id);
        assert!(text.contains(word), "#{id} lacks {word:?}: {text}");
    }
    let clock = browser.text("clock");
    until("the next turn", || (browser.text("clock") != clock).then_some(()));
    // Enough for curves that can be looked at.
    until("some turns", || {
        browser.shows("document.querySelectorAll('#tape tr').length").as_u64().filter(|n| *n > 40)
    });
    let wide = browser.screenshot("desk");
    browser.size(390, 844);
    let (inner, page) =
        (browser.shows("window.innerWidth"), browser.shows("document.documentElement.scrollWidth"));
    assert_eq!((&inner, &page), (&json!(390), &json!(390)), "nothing is wider than the phone");
    let narrow = browser.screenshot("phone");
    for png in [&wide, &narrow] {
        assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{} bytes", png.len());
    }
    // It asks nobody but the server, and its own policy forbids it nothing that it wants.
    let asked = browser.shows("performance.getEntriesByType('resource').map(e => e.name).join(' ')");
    assert!(asked.as_str().unwrap().split_whitespace().all(|url| url.starts_with(&server.url)), "{asked}");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    core.process.end();
    until("the end of the core", || browser.text("down").contains("has ended").then_some(()));
    assert_eq!(
        browser.shows("document.getElementById('main').hidden"),
        json!(true),
        "nothing stale is shown"
    );
    browser.screenshot("gone");
    drop(server);
    until("the end of the server", || browser.text("down").contains("does not answer").then_some(()));
    say("the page was looked at in Chromium, 1400 and 390 wide");
}
