//! The live page in a real browser (headless Chromium, driven by its own protocol): what a person would see of a core that trades, and that they are told when it does not.
//!
//! `COLO_SCREENSHOTS=DIR` keeps the screenshots.

mod desk;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use base64::Engine as _;
use desk::{Core, Process, Server, has, say, until};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// A browser with one page.
struct Browser {
    socket: WebSocket<TcpStream>,
    sent: u64,
    /// What the page complained of.
    complaints: Vec<String>,
    _process: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn open() -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-sync",
                "--disable-component-update",
            ])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let process = Process(child);
        let mut lines = lines.map_while(Result::ok);
        let said = lines.find(|l| l.contains("DevTools listening on ")).expect("a browser that listens");
        // Nobody reads on; it must not wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let port = said
            .split("127.0.0.1:")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .expect("its port")
            .to_owned();
        let page = until("the page's address", || {
            let (_, text) = desk::get(&format!("http://127.0.0.1:{port}/json/list"), &[]);
            let all: Value = serde_json::from_str(&text).ok()?;
            let pages = all.as_array()?.iter().filter(|t| t["type"] == "page");
            pages.filter_map(|t| t["webSocketDebuggerUrl"].as_str().map(str::to_owned)).next()
        });
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let (socket, _) = tungstenite::client(page.as_str(), stream).unwrap();
        let mut browser =
            Browser { socket, sent: 0, complaints: Vec::new(), _process: process, _profile: profile };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let request = json!({"id": self.sent, "method": method, "params": params});
        self.socket.send(Message::text(request.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            match answer["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(answer["params"].to_string()),
                Some("Log.entryAdded") if answer["params"]["entry"]["level"] == "error" => {
                    self.complaints.push(answer["params"]["entry"].to_string());
                }
                _ => {}
            }
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    fn shows(&mut self, script: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({"expression": script, "returnByValue": true}));
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].clone()
    }

    fn text(&mut self, id: &str) -> String {
        self.shows(&format!("document.getElementById('{id}')?.innerText ?? ''")).as_str().unwrap().to_owned()
    }

    fn size(&mut self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.shows("window.dispatchEvent(new Event('resize'))");
    }

    /// The whole page as PNG, kept where that was asked for.
    fn screenshot(&mut self, name: &str) -> Vec<u8> {
        let shot =
            self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true, "format": "png"}));
        let png = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        if let Ok(folder) = std::env::var("COLO_SCREENSHOTS") {
            std::fs::write(format!("{folder}/{name}.png"), &png).unwrap();
        }
        png
    }
}

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
