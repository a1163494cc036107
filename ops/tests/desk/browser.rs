//! A real browser (headless Chromium), driven by its own protocol.
//!
//! `COLO_SCREENSHOTS=DIR` keeps the screenshots.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::{Process, get, until};

/// A browser with one page.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    sent: u64,
    /// What the page complained of.
    pub complaints: Vec<String>,
    _process: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one, with an empty page.
    pub fn open() -> Browser {
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
            let (_, text) = get(&format!("http://127.0.0.1:{port}/json/list"), &[]);
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

    /// Calls a method of its protocol and gives the result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
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

    /// What a script gives in the page.
    pub fn shows(&mut self, script: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({"expression": script, "returnByValue": true}));
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].clone()
    }

    /// What a person reads in the element of this id.
    pub fn text(&mut self, id: &str) -> String {
        self.shows(&format!("document.getElementById('{id}')?.innerText ?? ''")).as_str().unwrap().to_owned()
    }

    /// Makes the window so large.
    pub fn size(&mut self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.shows("window.dispatchEvent(new Event('resize'))");
    }

    /// The whole page as PNG, kept where that was asked for.
    pub fn screenshot(&mut self, name: &str) -> Vec<u8> {
        let shot =
            self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true, "format": "png"}));
        let png = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        if let Ok(folder) = std::env::var("COLO_SCREENSHOTS") {
            std::fs::write(format!("{folder}/{name}.png"), &png).unwrap();
        }
        png
    }
}
