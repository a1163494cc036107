//! `colo-monitor serve` beside a real core: what it says of it, to whom, and what a real Prometheus makes of that.

mod desk;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use desk::{Core, MONITOR, Process, Server, free_port, get, has, say, until};
use serde_json::Value;

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn linted(text: &str) {
    if !has("promtool", "promtool check metrics") {
        return;
    }
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let complaints =
        String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && complaints.trim().is_empty(), "{complaints}");
    say(&format!("promtool check metrics: {} lines, no complaint", text.lines().count()));
}

#[test]
fn a_core_is_told_of_as_it_trades_and_as_down_when_it_is() {
    let mut core = Core::demo("metrics");
    let server = Server::start(&["--name", &core.name]);
    let labels = format!("{{core=\"{}\"}}", core.name);
    let (status, text) = server.get("/metrics", &[]);
    assert_eq!(status, 200);
    linted(&text);
    assert_eq!(value(&text, &format!("colo_up{labels}")), Some(1.0), "{text}");
    let fills = format!("colo_engine_fills_total{labels}");
    let first = value(&text, &fills).expect("fills");
    assert!(first > 0.0);
    until("more fills", || value(&server.get("/metrics", &[]).1, &fills).filter(|n| *n > first));
    let tick = format!("colo_latency_seconds_count{{core=\"{}\",stage=\"tick_to_order\"}}", core.name);
    assert!(value(&text, &tick).is_some_and(|n| n > 0.0), "{text}");
    let allocations = text.lines().filter(|l| l.starts_with("colo_agent_allocations_total{"));
    assert!(allocations.clone().count() > 1 && allocations.clone().all(|l| !l.ends_with(" 0")), "{text}");
    assert!(text.contains("colo_thread_minor_faults_total"), "the kernel tells of its threads: {text}");
    assert!(value(&text, &format!("colo_journal_disk_free_bytes{labels}")).is_some_and(|n| n > 0.0));
    let (_, open) = server.get("/metrics", &[("accept", "application/openmetrics-text; version=1.0.0")]);
    assert!(open.ends_with("# EOF\n"));
    assert_eq!(server.get("/healthz", &[]), (200, "ok\n".into()));
    let (status, ready) = server.get("/readyz", &[]);
    assert_eq!((status, ready.contains("\"ready\":true")), (200, true), "{ready}");

    // It stops without an end: no word of it is passed on as if it lived.
    core.process.end();
    let down = until("the core's end", || {
        Some(server.get("/metrics", &[]).1).filter(|t| value(t, &format!("colo_up{labels}")) == Some(0.0))
    });
    let said: Vec<_> = down.lines().filter(|l| l.contains(&core.name)).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(down.contains("reason=\"ended\""), "{down}");
    let (status, ready) = server.get("/readyz", &[]);
    assert_eq!((status, ready.contains("its process")), (503, true), "{ready}");
    assert_eq!(server.get("/healthz", &[]).0, 200, "the process that serves is well");
}

/// What a page of this core is told, by kind.
fn events(address: &str, core: &str) -> impl Iterator<Item = (String, Value)> + use<> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events?core={core} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    std::iter::from_fn(move || {
        let kind = lines.find_map(|l| l.strip_prefix("event: ").map(str::to_owned))?;
        let told = lines.find_map(|l| l.strip_prefix("data: ").map(str::to_owned))?;
        Some((kind, serde_json::from_str(&told).unwrap()))
    })
}

#[test]
fn a_page_is_told_everything_once_and_then_each_turn() {
    let core = Core::demo("page");
    let server = Server::start(&[]);
    let (status, page) = server.get("/", &[]);
    assert_eq!((status, page.contains("uPlot")), (200, true));
    let address = server.url.strip_prefix("http://").unwrap();
    // Somebody has the page open for a while, and the next one comes.
    let first = events(address, &core.name).filter(|(kind, _)| kind == "turn").nth(5).expect("turns").1;
    let mut all = events(address, &core.name);
    let mut next = |kind: &str| -> Value { all.find(|(of, _)| of == kind).expect("an event").1 };
    let all = next("all");
    let curve = all["recent"]["t"].as_array().unwrap();
    assert!((5..=600).contains(&curve.len()), "{} points", curve.len());
    let (begins, turned) = (curve[0].as_f64().unwrap() * 1e3, first["at_ms"].as_f64().unwrap());
    assert!(begins < turned - 500.0, "the curves begin at {begins}, before the page was opened at {turned}");
    assert_eq!(all["core"], core.name);
    assert!(!all["tape"].as_array().unwrap().is_empty(), "orders stand on the tape");
    assert!(
        all["events"].as_array().unwrap().iter().any(|e| e["message"] == "session ready"),
        "{}",
        all["events"]
    );
    let turns: Vec<Value> = (0..8).map(|_| next("turn")).collect();
    assert!(turns.is_sorted_by_key(|t| t["at_ms"].as_u64()));
    assert!(
        turns.iter().all(|t| t["alive"] == true && t["point"]["t"].as_array().is_some_and(|t| t.len() == 1))
    );
    let goes_on = |t: &Value| !t["new"].as_array().unwrap().is_empty();
    assert!(turns.iter().any(goes_on) || (0..200).any(|_| goes_on(&next("turn"))), "the tape goes on");
    let cycles = |t: &Value| t["agents"][0]["cycles_per_s"].as_f64();
    assert!(turns.iter().filter_map(cycles).any(|rate| rate > 0.0));
    // Nobody by this name, and what is no name at all.
    assert_eq!(server.get("/events?core=../x", &[]).0, 400);
}

#[test]
fn whoever_brings_no_token_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token-of-some-length\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let server = Server::start(&["--token-file", token.to_str().unwrap()]);
    for path in ["/", "/metrics", "/events", "/healthz", "/readyz", "/nowhere"] {
        assert_eq!(server.get(path, &[]).0, 401, "{path}");
        assert_eq!(server.get(path, &[("authorization", "Bearer a-token-of-some-lengtH")]).0, 401, "{path}");
    }
    assert_eq!(server.get("/healthz", &[("authorization", "Bearer a-token-of-some-length")]).0, 200);
}

#[test]
fn beyond_loopback_it_wants_a_token_or_tls() {
    let refused = Command::new(MONITOR).args(["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("--token-file") && said.contains("--tls-cert"), "{said}");
}

#[test]
fn a_name_that_was_made_to_point_here_is_refused() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/metrics", &[("host", "evil.example")]).0, 403);
    assert_eq!(server.get("/metrics", &[("host", "localhost:1")]).0, 200);
}

#[test]
fn with_a_certificate_it_speaks_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let server = Server::start(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    let port = server.url.rsplit(':').next().unwrap();
    let roots = ureq::tls::Certificate::from_pem(issued.cert.pem().as_bytes()).unwrap();
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::from(vec![roots])).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    let mut answer = agent.get(format!("https://localhost:{port}/healthz")).call().unwrap();
    assert_eq!(answer.body_mut().read_to_string().unwrap(), "ok\n");
    assert_eq!(get(&format!("http://127.0.0.1:{port}/healthz"), &[]).0, 0, "plain HTTP gets no answer");
    // A key that is none.
    let wrong = Command::new(MONITOR)
        .args(["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert.to_str().unwrap()])
        .args(["--tls-key", cert.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn noise_and_clients_that_say_nothing_keep_nobody_out() {
    let server = Server::start(&[]);
    let address = server.url.strip_prefix("http://").unwrap();
    let silent: Vec<TcpStream> = (0..32).map(|_| TcpStream::connect(address).unwrap()).collect();
    let seed = std::process::id();
    let mut noise = u64::from(seed);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).unwrap();
        let bytes: Vec<u8> = (0..4_096)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (noise >> 56) as u8
            })
            .collect();
        // It may be shown the door in the middle of it.
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 64]);
    }
    assert_eq!(server.get("/healthz", &[]).0, 200, "noise of seed {seed}");
    drop(silent);
}

#[test]
fn it_ends_in_order_when_asked() {
    for (signal, code) in [("TERM", 0), ("INT", 130)] {
        let mut server = Server::start(&[]);
        server.process.signal(signal);
        assert_eq!(server.process.0.wait().unwrap().code(), Some(code), "SIG{signal}");
    }
}

#[test]
fn prometheus_scrapes_it_and_every_family_comes_through() {
    if !has("prometheus", "a real Prometheus scrapes") {
        return;
    }
    let core = Core::demo("scraped");
    let server = Server::start(&["--name", &core.name]);
    let folder = tempfile::tempdir().unwrap();
    let target = server.url.strip_prefix("http://").unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: colo\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let port = free_port();
    let _prometheus = Process(
        Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let ask = |query: &str| -> Option<Value> {
        let (_, text) = get(&format!("http://127.0.0.1:{port}/api/v1/query?query={query}"), &[]);
        let value: Value = serde_json::from_str(&text).ok()?;
        value["data"]["result"].as_array().filter(|r| !r.is_empty()).map(|r| r[0]["value"][1].clone())
    };
    assert_eq!(until("a scrape", || ask("colo_up")), "1");
    // By name of family: what we say is what it has.
    let (_, said) = server.get("/metrics", &[("accept", "application/openmetrics-text")]);
    let families: Vec<_> = said.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
    assert!(families.len() > 100, "{}", families.len());
    for family in families {
        let (name, kind) = family.split_once(' ').unwrap();
        let series = match kind {
            "counter" => format!("{name}_total"),
            "histogram" => format!("{name}_bucket"),
            _ => name.to_owned(),
        };
        until(&series, || ask(&format!("count({series})")));
    }
    let p99 =
        "histogram_quantile(0.99,sum(rate(colo_latency_seconds_bucket{stage=\"tick_to_order\"}[10s]))by(le))";
    let escaped = p99.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let seconds = until("a percentile", || ask(&escaped).filter(|v| v != "NaN"));
    say(&format!("tick_to_order p99 by Prometheus: {seconds} s"));
}
