//! Headless Chromium with one page, driven by its own protocol, for tests of what a person would see.
//!
//! `COLO_SCREENSHOTS=DIR` keeps the screenshots.
#![allow(dead_code)] // each test crate uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// Looks for the page before it is given up: it is there once the browser listens, or soon after.
const LOOKS: usize = 10_000;

/// A browser with one page.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    sent: u64,
    /// What the page complained of.
    pub complaints: Vec<String>,
    /// Whom it asked for anything, the page itself among them.
    pub asked: Vec<String>,
    process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens one on an empty page.
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
        let page = (0..LOOKS).find_map(|_| page_of(&port)).expect("the address of a page");
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let (socket, _) = tungstenite::client(page.as_str(), stream).unwrap();
        let mut browser = Browser {
            socket,
            sent: 0,
            complaints: Vec::new(),
            asked: Vec::new(),
            process: child,
            _profile: profile,
        };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    /// Asks it by its protocol.
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
                Some("Network.requestWillBeSent") => {
                    self.asked.push(answer["params"]["request"]["url"].as_str().unwrap_or("?").to_owned());
                }
                _ => {}
            }
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// The value of an expression in the page.
    pub fn shows(&mut self, script: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({"expression": script, "returnByValue": true}));
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].clone()
    }

    /// What an element shows.
    pub fn text(&mut self, id: &str) -> String {
        self.shows(&format!("document.getElementById('{id}')?.innerText ?? ''")).as_str().unwrap().to_owned()
    }

    /// Gives the page a size.
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

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of the page of a browser that listens on a port, once there is one.
fn page_of(port: &str) -> Option<String> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    write!(stream, "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0u64);
    // It keeps the connection open whatever it is asked for.
    while answer.read_line(&mut line).ok()? > 2 {
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = String::new();
    answer.take(length).read_to_string(&mut body).ok()?;
    let all: Value = serde_json::from_str(&body).ok()?;
    let mut pages = all.as_array()?.iter().filter(|t| t["type"] == "page");
    pages.find_map(|t| t["webSocketDebuggerUrl"].as_str().map(str::to_owned))
}
