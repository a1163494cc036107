//! `colo latency` as a person runs it.

mod program;

use program::colo;
use serde_json::Value;

#[test]
fn each_row_stands_beside_its_floor() {
    let out = colo(["latency", "--short", "--json", "-"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let rows: Vec<Value> = serde_json::from_str(&out.stdout).expect("a list");
    let names: Vec<&str> = rows.iter().map(|r| r["name"].as_str().unwrap()).collect();
    let mut wanted = vec!["decode", "book", "strategy_risk", "journal_append", "encode", "packet_to_order"];
    if std::thread::available_parallelism().map_or(1, |n| n.get()) > 1 {
        wanted.extend(["ring_round_trip"]);
        wanted.extend(["wire_floor", "wire_inline_untimed", "wire_inline", "wire_pipelined"]);
    }
    assert_eq!(names, wanted);
    for row in &rows {
        let of = |key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{key} of {row}"));
        assert_eq!(row["unit"], "ns");
        let ordered = [of("p50"), of("p99"), of("p999"), of("max")];
        assert!(ordered.is_sorted() && ordered[0] > 0, "{row}");
        assert!(of("floor_p50") > 0 && of("n") >= 500, "{row}");
        let ratio = row["ratio_p50"].as_f64().unwrap();
        assert!((ratio - of("p50") as f64 / of("floor_p50") as f64).abs() < 0.001, "{row}");
    }
    // Both sockets and everything between them cannot cost less than what is between them.
    let p50 = |name: &str| rows.iter().find(|r| r["name"] == name).map(|r| r["p50"].as_u64().unwrap());
    if let Some(wire) = p50("wire_inline") {
        assert!(wire > p50("packet_to_order").unwrap());
    }
}
