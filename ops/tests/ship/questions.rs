//! The questions of `docs/storage.md` are answered by a store that was shipped to, and the report of it says the same in each form.

use std::path::Path;
use std::process::Command;

use ops::store::ask::Ask;
use ops::store::sqlite::Sqlite;
use serde_json::Value;

/// What stands between ```` ```sql ```` and ```` ``` ````.
fn questions(text: &str) -> Vec<&str> {
    text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What the documentation asks, a server takes as it stands there (that it means the same by it, the other store shows).
pub fn of_the_documentation_are_understood(store: &mut dyn Ask) {
    for sql in questions(include_str!("../../../docs/storage.md")) {
        let plan = store.rows(&format!("EXPLAIN {sql}"), &[]).unwrap_or_else(|e| panic!("{sql}\n{e}"));
        assert!(!plan.is_empty(), "{sql}");
    }
}

pub fn of_the_documentation_are_answered(file: &Path) {
    let text = include_str!("../../../docs/storage.md");
    let all = questions(text);
    assert!(all.len() >= 6, "{} questions", all.len());
    let mut store = Sqlite::open(file).unwrap();
    let mut answered = 0;
    for sql in &all {
        let rows = store.rows(sql, &[]).unwrap_or_else(|e| panic!("{sql}\n{e}"));
        answered += usize::from(!rows.is_empty());
    }
    assert!(answered >= 5, "{answered} of {} questions have an answer", all.len());
    reported(file);
}

fn report(file: &Path, form: &str) -> String {
    let done =
        Command::new(crate::MONITOR).args(["report", "--form", form, "--sqlite"]).arg(file).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn reported(file: &Path) {
    let json: Value = serde_json::from_str(&report(file, "json")).unwrap();
    let mut store = Sqlite::open(file).unwrap();
    let fills = crate::number(&mut store, "SELECT COUNT(*) FROM trades");
    let pnl = crate::number(&mut store, "SELECT pnl_usd_e4 FROM pnl_marks ORDER BY seq DESC LIMIT 1");
    let said: i64 = json["trades"].as_array().unwrap().iter().map(|t| t["fills"].as_i64().unwrap()).sum();
    assert_eq!((said, &json["pnl_usd_e4"]), (fills, &pnl.into()));
    assert!(
        json["latency_ns"]["total"]["n"].as_i64().unwrap() > 0 && json["latency_ns"]["total"]["p50"] == 9
    );
    assert!(json["refusals"].as_object().unwrap().values().any(|n| n.as_i64() > Some(0)), "{json}");
    let dollars = model::Usd(pnl).to_string();
    let (text, page) = (report(file, "text"), report(file, "html"));
    assert!(text.contains(&dollars) && page.contains(&dollars), "{dollars}\n{text}");
    assert!(
        !page.contains("<script") && !page.contains("http://") && !page.contains("https://"),
        "the page needs nothing"
    );
    assert!(page.contains("<polyline") && page.contains("default-src 'none'"));
    let absent = Command::new(crate::MONITOR)
        .args(["report", "--day", "1999-01-01", "--sqlite"])
        .arg(file)
        .output()
        .unwrap();
    assert!(absent.status.success(), "a day without a run is an empty report");
}
