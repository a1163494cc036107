//! The report of `colo backtest` in a real browser: every picture is drawn, nothing is asked of anybody, no script fails, on a desk and on a phone, by day and in the dark.

mod browser;
mod program;

use std::process::{Command, Stdio};

use browser::Browser;
use program::desk::Desk;
use program::{colo, shared};
use serde_json::json;

#[test]
fn a_report_is_seen_whole_by_itself() {
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    if Command::new("chromium").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: the report in a browser: chromium is not installed");
        return;
    }
    let desk = Desk::new();
    let legs = "order_latency = { least_us = 20, most_us = 400 }";
    let config =
        desk.core().replace("[strategy]", &format!("[backtest]\nhours = \"always\"\n{legs}\n[strategy]"));
    let config = desk.write("colo.toml", config).display().to_string();
    // A name that would end a script, were it markup; and the same hour as the day after.
    let odd = desk.file("</script><b>20120622.itch").display().to_string();
    std::fs::create_dir(desk.file("<")).unwrap();
    std::fs::copy(&hour, &odd).unwrap();
    let prices = desk.write("prices.csv", "date,close\n2012-06-20,100\n2012-06-21,101\n2012-06-22,100.5\n");
    let (prices, report) = (prices.display().to_string(), desk.file("report.html").display().to_string());
    let hour = hour.display().to_string();
    let arguments = [
        "backtest",
        "--config",
        &config,
        "--data",
        &hour,
        "--data",
        &odd,
        "--report",
        &report,
        "--benchmark",
        &prices,
    ];
    let ended = colo(arguments.map(str::to_owned)).exits(0);
    assert!(ended.stdout.contains("information ratio"), "{}", ended.stdout);

    let mut browser = Browser::open();
    browser.size(1280, 900);
    browser.call("Page.navigate", json!({"url": format!("file://{report}")}));
    let drawn = "document.documentElement?.dataset?.drawn ?? ''";
    while browser.shows(drawn) != "yes" {
        assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
        std::thread::yield_now();
    }
    for id in ["equity", "drawdown", "positions", "prices", "shares", "latency"] {
        // A curve was drawn: not every point of its picture is of one colour.
        let script = format!(
            "(() => {{ const c = document.querySelector('#{id} canvas'); if (!c) return 0; \
             const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer); \
             return new Set(d).size; }})()"
        );
        let colours = browser.shows(&script).as_u64().unwrap();
        assert!(colours > 10, "#{id} has {colours} colours");
    }
    // What the terminal says, the page says.
    let (figures, days) = (browser.text("figures"), browser.text("days"));
    for line in ended.stdout.lines().skip(1) {
        let (name, value) = (line[..20].trim(), line[20..].trim());
        assert!(figures.contains(name) && figures.contains(value), "{name}: {value} is not in {figures}");
    }
    assert!(days.contains("</script><b>20120622.itch"), "{days}");
    for (id, word) in [("tiles", "Sharpe"), ("markouts", "100 ms"), ("legs", "order"), ("symbols", "AAPL")] {
        assert!(browser.text(id).contains(word), "#{id}: {}", browser.text(id));
    }
    let wide = browser.screenshot("backtest-desk");
    browser.size(390, 844);
    let widths = (browser.shows("window.innerWidth"), browser.shows("document.documentElement.scrollWidth"));
    assert_eq!(widths, (json!(390), json!(390)), "nothing is wider than the phone");
    let narrow = browser.screenshot("backtest-phone");
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    let ink = browser.shows("getComputedStyle(document.body).color");
    browser.call("Emulation.setEmulatedMedia", dark);
    assert_ne!(
        browser.shows("getComputedStyle(document.body).color"),
        ink,
        "the dark has colours of its own"
    );
    browser.size(1280, 900);
    let night = browser.screenshot("backtest-dark");
    for png in [&wide, &narrow, &night] {
        assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{} bytes", png.len());
    }
    assert!(
        browser.asked.iter().all(|url| url.starts_with("file://") && url.contains("report.html")),
        "{:?}",
        browser.asked
    );
    assert!(!browser.asked.is_empty(), "what it asks for is seen");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
