//! Configurations that cannot be: each is refused with exit code 3 and a sentence that names file and key, before anything exists.

mod program;

use std::path::Path;

use program::desk::Desk;
use program::{Ended, colo};

/// What is wrong: what stands in the good configuration, what stands there instead, and words that the sentence needs.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// Keys that nobody knows, at each level.
const UNKNOWN_KEYS: &[Case] = &[
    ("topology =", "colour = 1\ntopology =", &["colour", "unknown field"]),
    ("interface =", "speed = 1\ninterface =", &["feeds[0]", "speed"]),
    ("environment =", "colour = 1\nenvironment =", &["gateways[0]", "colour"]),
    ("symbol =", "colour = 1\nsymbol =", &["instruments[0]", "colour"]),
    ("name = \"quoter\"", "name = \"quoter\"\ncolour = 1", &["strategy", "colour"]),
    ("[risk]", "[risk]\nmax_orders = 1", &["risk", "max_orders", "max_open_orders"]),
    ("[risk]", "[journal]\nsize = 1\n[risk]", &["journal", "size"]),
    ("[risk]", "[capacity]\norders = 1\n[risk]", &["capacity", "orders", "live_orders"]),
    ("[risk]", "[telemetry]\nrate = 1\n[risk]", &["telemetry", "rate"]),
    ("[risk]", "[cores]\nhot = 1\n[risk]", &["cores", "hot"]),
    ("[risk]", "[limits]\nx = 1\n[risk]", &["limits"]),
    ("topology =", "\"\" = 1\ntopology =", &["(empty key)", "unknown field"]),
];

/// Values of another type, and keys that are not there.
const TYPES: &[Case] = &[
    ("topology = \"pipelined\"", "topology = true", &["topology", "boolean"]),
    ("max_position = 5000", "max_position = \"5000\"", &["risk.max_position", "string"]),
    ("max_position = 5000", "max_position = 5000.5", &["risk.max_position", "float"]),
    ("params = { quantity = 100 }", "params = 7", &["strategy.params", "integer"]),
    ("quantity = 100", "quantity = 100.5", &["strategy.params.quantity", "float"]),
    ("quantity = 100", "quantity = \"100\"", &["quantity", "100"]),
    ("interface =", "gap_wait_us = -1\ninterface =", &["feeds[0].gap_wait_us", "-1"]),
    ("interface = \"127.0.0.1\"", "interface = 127", &["feeds[0].interface", "integer"]),
    ("[strategy]\nname = \"quoter\"\nparams = { quantity = 100 }", "", &["strategy", "missing field"]),
    ("symbol = \"AAPL\"\n", "", &["instruments[0]", "symbol"]),
    ("protocol = \"ouch50\"\n", "", &["gateways[0]", "protocol"]),
    ("firm = \"ABCD\"\n", "", &["gateways[0]", "firm"]),
];

/// Values that are out of range or say nothing that is known.
const VALUES: &[Case] = &[
    ("max_order_quantity = 1000", "max_order_quantity = -1", &["risk.max_order_quantity", "-1"]),
    ("max_order_quantity = 1000", "max_order_quantity = 1000000", &["risk.max_order_quantity", "999999"]),
    ("price_collar_bps = 500", "price_collar_bps = 0", &["risk.price_collar_bps", "1 to 10000"]),
    ("max_open_orders = 50", "max_open_orders = 10000000", &["risk.max_open_orders"]),
    ("max_messages_per_second = 500", "max_messages_per_second = 9999999999", &["max_messages_per_second"]),
    ("max_daily_loss_usd = 100000", "max_daily_loss_usd = 9223372036854775807", &["risk.max_daily_loss_usd"]),
    ("interface =", "silence_ms = 1\ninterface =", &["feeds[0].silence_ms", "10"]),
    ("interface =", "sources = [\"10.0.0.1\"]\ninterface =", &["feeds[0].sources", "one for each line"]),
    ("interface =", "sources = [\"a\", \"10.0.0.1\"]\ninterface =", &["feeds[0].sources", "\"a\""]),
    ("interface =", "reorder_window = 0\ninterface =", &["feeds[0].reorder_window"]),
    (
        "interface =",
        "snapshot_after_messages = 2000000000000\ninterface =",
        &["feeds[0].snapshot_after_messages", "1000000000000"],
    ),
    ("interface =", "receive_buffer_bytes = 1\ninterface =", &["feeds[0].receive_buffer_bytes"]),
    ("interface = \"127.0.0.1\"", "interface = \"lo\"", &["feeds[0].interface", "\"lo\""]),
    ("topology = \"pipelined\"", "topology = \"sideways\"", &["topology", "sideways", "inline"]),
    ("idle = \"yield\"", "idle = \"sleep\"", &["idle", "sleep", "spin", "park"]),
    ("protocol = \"itch50\"", "protocol = \"itch41\"", &["feeds[0].protocol", "itch41", "itch50"]),
    (
        "protocol = \"itch50\"",
        "protocol = \"cboe_pitch\"",
        &["feeds[0].rerequest", "[\"127.", "nothing", "cboe_pitch"],
    ),
    (
        "protocol = \"itch50\"",
        "protocol = \"cboe_pitch\"\nglimpse = { address = \"127.0.0.1:1\", username = \"user01\", password_file = \"pw\" }",
        &["feeds[0].glimpse", "nothing", "cboe_pitch"],
    ),
    ("protocol = \"itch50\"", "protocol = \"jnx_itch16\"", &["feeds[0].rerequest", "nothing", "jnx_itch16"]),
    ("protocol = \"itch50\"", "protocol = \"cboe_pitch\"", &["feeds[0].unit", "not given", "1 to 255"]),
    ("protocol = \"itch50\"", "protocol = \"cboe_pitch\"\nunit = 256", &["feeds[0].unit", "256", "1 to 255"]),
    ("protocol = \"itch50\"", "protocol = \"cboe_pitch\"\nunit = 0", &["feeds[0].unit", "1 to 255"]),
    ("interface =", "unit = 1\ninterface =", &["feeds[0].unit", "itch50", "no units"]),
    ("protocol = \"ouch50\"", "protocol = \"fix50\"", &["gateways[0].protocol", "fix50", "ouch50", "fix44"]),
    ("protocol = \"ouch50\"", "protocol = \"fix44\"", &["gateways[0].fix", "not given", "sender_comp_id"]),
    (
        "protocol = \"ouch50\"",
        "protocol = \"ouch50\"\nfix = { sender_comp_id = \"A\", target_comp_id = \"B\" }",
        &["gateways[0].fix", "given", "not FIX"],
    ),
    (
        "protocol = \"ouch50\"",
        "protocol = \"fix42\"\nfix = { sender_comp_id = \"../A\", target_comp_id = \"\", heartbeat_s = 3601, reset = \"daily\", sync = \"all\" }",
        &[
            "fix.sender_comp_id",
            "../A",
            "fix.target_comp_id",
            "fix.heartbeat_s",
            "3601",
            "each_logon",
            "fix.sync",
        ],
    ),
    (
        "protocol = \"ouch50\"",
        "protocol = \"fix44\"\nfix = { sender_comp_id = \"A\", target_comp_id = \"B\", sign_key_file = \"pw\", tls_roots_file = \"missing\" }",
        &["fix.sign_key_file", "base64", "fix.tls_roots_file", "tls_name"],
    ),
    (
        "protocol = \"ouch50\"",
        "protocol = \"fix44\"\nfix = { sender_comp_id = \"A\", target_comp_id = \"B\", tls_name = \"no name\", tls_roots_file = \"pw\" }",
        &["fix.tls_name", "no name", "fix.tls_roots_file", "no certificate"],
    ),
    (
        "firm = \"ABCD\"",
        "firm = \"ABCD\"\norder_tag = \"MM1\"",
        &["gateways[0].order_tag", "MM1", "4 letters"],
    ),
    ("firm = \"ABCD\"", "firm = \"ABCD\"\nbarrier = \"quiet\"", &["gateways[0].barrier", "quiet", "none"]),
    (
        "protocol = \"ouch50\"",
        "protocol = \"ouch42\"\nbarrier = \"account_query\"",
        &["gateways[0].barrier", "account_query", "none"],
    ),
    (
        "firm = \"ABCD\"",
        "firm = \"ABCD\"\noptions = { channel = 256 }",
        &["gateways[0].options.channel", "256", "1 to 255"],
    ),
    (
        "firm = \"ABCD\"",
        "firm = \"ABCD\"\noptions = { customer_type = \"X\" }",
        &["gateways[0].options.customer_type", "X", "R"],
    ),
    (
        "firm = \"ABCD\"",
        "firm = \"ABCD\"\noptions = { locate_broker = \"TOOLONG\" }",
        &["gateways[0].options.locate_broker", "TOOLONG", "4 letters"],
    ),
    (
        "protocol = \"ouch50\"",
        "protocol = \"ouch42\"\noptions = { channel = 1 }",
        &["gateways[0].options", "only ouch50"],
    ),
    ("environment = \"test\"\n", "", &["gateways[0].environment", "not given", "production"]),
    ("environment = \"test\"", "environment = \"prod\"", &["gateways[0].environment", "prod", "production"]),
    ("feed = \"f1\"", "feed = \"f2\"", &["instruments[0].feed", "f2", "f1"]),
    ("gateway = \"g1\"", "gateway = \"g2\"", &["instruments[0].gateway", "g2", "g1"]),
    ("symbol = \"AAPL\"", "symbol = \"TOOLONGSYMBOL\"", &["instruments[0].symbol", "TOOLONGSYMBOL"]),
    ("symbol = \"AAPL\"", "symbol = \"A B\"", &["instruments[0].symbol", "A B"]),
    ("symbol = \"AAPL\"", "symbol = \"\"", &["instruments[0].symbol"]),
    ("id = \"f1\"", "id = \"\"", &["feeds[0].id"]),
    ("id = \"f1\"", "id = \"../f1\"", &["feeds[0].id", "../f1"]),
    ("firm = \"ABCD\"", "firm = \"ABCDE\"", &["gateways[0].firm", "ABCDE"]),
    ("firm = \"ABCD\"", "firm = \"\"", &["gateways[0].firm"]),
    ("username = \"user01\"", "username = \"user0001\"", &["gateways[0].username", "user0001"]),
    (
        "[[instruments]]",
        "[[instruments]]\nsymbol = \"AAPL\"\nfeed = \"f1\"\ngateway = \"g1\"\n[[instruments]]",
        &["instruments[1].symbol", "AAPL", "once"],
    ),
    (
        "interface =",
        "glimpse = { address = \"127.0.0.1:1\" }\ninterface =",
        &["feeds[0].glimpse", "username"],
    ),
    (
        "interface =",
        "glimpse = { address = \"here\", username = \"user01\", password_file = \"pw\" }\ninterface =",
        &["feeds[0].glimpse.address", "here"],
    ),
    (
        "interface =",
        "glimpse = { address = \"127.0.0.1:1\", username = \"user01\", password_file = \"missing\" }\ninterface =",
        &["feeds[0].glimpse.password_file", "missing"],
    ),
    ("username = \"user01\"", "username = \"us er\"", &["gateways[0].username"]),
    ("password_file = \"pw\"", "password_file = \"missing\"", &["gateways[0].password_file", "missing"]),
    ("password_file = \"pw\"", "password_file = \".\"", &["gateways[0].password_file"]),
    ("password_file = \"pw\"", "password_file = \"long\"", &["gateways[0].password_file", "1 to 10"]),
    ("password_file = \"pw\"", "password_file = \"empty\"", &["gateways[0].password_file"]),
    ("password_file = \"pw\"", "password_file = \"binary\"", &["gateways[0].password_file"]),
    (
        "password_file = \"pw\"",
        "password_env = \"COLO_TEST_NOT_SET\"",
        &["password_env", "COLO_TEST_NOT_SET"],
    ),
    ("password_file = \"pw\"\n", "", &["gateways[0].password_file", "password_env"]),
    (
        "password_file = \"pw\"",
        "password_file = \"pw\"\npassword_env = \"HOME\"",
        &["password_file", "twice"],
    ),
    ("name = \"quoter\"", "name = \"no-such\"", &["strategy.name", "no-such", "observer"]),
    ("quantity = 100", "quantitee = 100", &["quantitee", "quantity"]),
    ("quantity = 100", "quantity = 0", &["quantity", "1 to"]),
    ("[risk]", "[sanity]\nmax_jump = 1\n[risk]", &["sanity", "max_jump", "max_jump_bps"]),
    ("[risk]", "[sanity]\nmax_jump_bps = 10001\n[risk]", &["sanity.max_jump_bps", "0 to 10000"]),
    ("[risk]", "[sanity]\nmax_crossed_ms = -1\n[risk]", &["sanity.max_crossed_ms", "0 to 600000"]),
    ("[risk]", "[sanity]\njump_rest_ms = 0\n[risk]", &["sanity.jump_rest_ms", "max_jump_bps"]),
    ("[risk]", "[journal]\nsync = \"never\"\n[risk]", &["journal.sync", "never", "interval"]),
    ("[risk]", "[journal]\nsegment_mib = 0\n[risk]", &["journal.segment_mib"]),
    ("[risk]", "[journal]\nsegment_mib = 1025\n[risk]", &["journal.segment_mib", "1024"]),
    ("[risk]", "[capacity]\nfeed_ring = 1\n[risk]", &["capacity.feed_ring"]),
    ("[risk]", "[capacity]\ngateway_ring = 1000\n[risk]", &["capacity.gateway_ring", "1024"]),
    (
        "max_open_orders = 50",
        "max_open_orders = 8192",
        &["capacity.gateway_ring", "16448", "max_open_orders"],
    ),
    (
        "max_messages_per_second = 500",
        "max_messages_per_second = 5000\nduplicate_window_ms = 60000",
        &["risk.duplicate_window_ms", "60000"],
    ),
    ("[risk]", "[cores]\nfeeds = [1, 2]\n[risk]", &["cores.feeds", "2 cores"]),
    ("[risk]", "[cores]\nrealtime_priority = 100\n[risk]", &["cores.realtime_priority"]),
];

/// What is not TOML, or not enough of it.
const SYNTAX: &[Case] = &[
    ("topology = \"pipelined\"", "topology = \"pipelined", &["`topology`", "line 3"]),
    ("topology = \"pipelined\"", "topology", &["line"]),
    ("idle = \"yield\"", "idle = \"yield\"\nidle = \"park\"", &["idle", "duplicate", "line"]),
    ("[[instruments]]", "[instruments]", &["instruments"]),
    ("[risk]", "[risk", &["line"]),
    ("max_position = 5000", "max_position = 99999999999999999999", &["max_position"]),
];

/// A desk with the password files that the cases name.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("long", "elevenchars");
    desk.write("empty", "\n");
    desk.write("binary", [0xff, 0xfe, 0]);
    desk
}

/// Checks that `check` and `run` refuse what stands in `file`, and that nothing was made.
#[track_caller]
fn is_refused(desk: &Desk, file: &Path, words: &[&str]) {
    let path = file.as_os_str();
    let check = ["config".as_ref(), "check".as_ref(), path];
    let run = ["run".as_ref(), "--config".as_ref(), path, "--seconds".as_ref(), "1".as_ref()];
    for ended in [colo(check), colo(run)] {
        let named = |line: &str| line.contains(&file.display().to_string());
        let ended: Ended = ended.exits(3);
        assert!(ended.stdout.is_empty() && ended.stderr.lines().all(named), "the file is named: {ended:#?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} is missing: {ended:#?}");
        }
        assert!(!ended.stderr.contains("secret77"), "the password is shown: {ended:#?}");
    }
    assert!(!desk.file("journal").exists(), "a folder was made");
    assert_eq!(desk.in_shared_memory(), [""; 0], "something is in shared memory");
}

#[track_caller]
fn are_refused(cases: &[Case]) {
    let desk = desk();
    let good = desk.core();
    for (from, to, words) in cases {
        assert!(good.contains(from), "{from:?} is not in the configuration");
        let file = desk.write("bad.toml", good.replacen(from, to, 1));
        is_refused(&desk, &file, words);
    }
}

#[test]
fn unknown_keys_are_refused_at_each_level() {
    are_refused(UNKNOWN_KEYS);
}

#[test]
fn values_of_another_type_are_refused() {
    are_refused(TYPES);
}

#[test]
fn values_that_cannot_be_are_refused() {
    are_refused(VALUES);
}

#[test]
fn what_is_no_toml_is_refused() {
    are_refused(SYNTAX);
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    let desk = desk();
    let [a, b] = desk.lines.map(|l| l.to_string());
    let ouch = desk.ouch.to_string();
    let cases: [(&str, &str, &str); 11] = [
        (&a, "127.0.0.1", "feeds[0].lines"),
        (&a, "127.0.0.1:0", "feeds[0].lines"),
        (&a, "127.0.0.1:65536", "feeds[0].lines"),
        (&a, "localhost:26001", "feeds[0].lines"),
        (&a, "[::1]:26001", "feeds[0].lines"),
        (&a, "", "feeds[0].lines"),
        (&a, &b, "feeds[0].lines"),
        (&ouch, "127.0.0.1", "gateways[0].address"),
        (&ouch, "venue:26010", "gateways[0].address"),
        (&desk.rerequest.to_string(), "nowhere", "feeds[0].rerequest"),
        (&format!("[\"{a}\", \"{b}\"]"), "[]", "feeds[0].lines"),
    ];
    for (from, to, key) in cases {
        let file = desk.write("bad.toml", desk.core().replacen(from, to, 1));
        is_refused(&desk, &file, &[key]);
    }
}

#[test]
fn names_are_no_paths_and_each_is_used_once() {
    let desk = desk();
    let good = desk.core();
    let name = format!("name = \"{}\"", desk.name);
    for bad in ["", "a/b", "..", "a b", "a.b", &"n".repeat(33)] {
        let file = desk.write("bad.toml", good.replacen(&name, &format!("name = {bad:?}"), 1));
        is_refused(&desk, &file, &["`name`", "1 to 32 letters"]);
    }
    let twice = |key: &str| {
        let table = good.split("\n\n").find(|t| t.starts_with(&format!("[[{key}]]"))).expect("a table");
        format!("{good}\n{table}\n")
    };
    for (key, words) in [
        ("instruments", ["instruments[1].symbol", "AAPL"]),
        ("feeds", ["feeds[1].id", "used before"]),
        ("gateways", ["gateways[1].id", "used before"]),
    ] {
        let file = desk.write("bad.toml", twice(key));
        is_refused(&desk, &file, &words);
    }
    // None of what there must be one of.
    for key in ["instruments", "feeds", "gateways"] {
        let without: Vec<_> = good.split("\n\n").filter(|t| !t.starts_with(&format!("[[{key}]]"))).collect();
        let file = desk.write("bad.toml", without.join("\n\n"));
        is_refused(&desk, &file, &[key, "0 entries"]);
    }
}

#[test]
fn a_fix_gateway_has_a_thread_and_a_store_of_its_own() {
    let desk = desk();
    let fix = "protocol = \"fix44\"\nfix = { sender_comp_id = \"A-B\", target_comp_id = \"C\" }";
    let good = desk.core().replace("protocol = \"ouch50\"", fix);
    let file = desk.write("bad.toml", good.replace("\"pipelined\"", "\"inline\""));
    is_refused(&desk, &file, &["`topology`", "speaks FIX"]);
    let table = good.split("\n\n").find(|t| t.starts_with("[[gateways]]")).expect("a table");
    let other = table.replace("\"g1\"", "\"g2\"");
    for (from, to) in
        [("\"A-B\"", "\"A-B\""), ("\"A-B\", target_comp_id = \"C\"", "\"A\", target_comp_id = \"B-C\"")]
    {
        let file = desk.write("bad.toml", format!("{good}\n{}\n", other.replace(from, to)));
        is_refused(&desk, &file, &["gateways[1].fix.target_comp_id", "as gateways[0]"]);
    }
}

#[test]
fn every_problem_is_named_at_once() {
    let desk = desk();
    let bad = desk.core().replace("firm = \"ABCD\"", "firm = \"\"").replace("feed = \"f1\"", "feed = \"f9\"");
    let file = desk.write("bad.toml", bad.replace("pipelined", "sideways"));
    is_refused(&desk, &file, &["gateways[0].firm", "instruments[0].feed", "`topology`"]);
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let desk = desk();
    is_refused(&desk, &desk.file("missing.toml"), &["unreadable"]);
    is_refused(&desk, desk.folder.path(), &["unreadable"]);
    is_refused(&desk, &desk.write("empty.toml", ""), &["missing field"]);
    is_refused(&desk, &desk.write("comment.toml", "# nothing\n"), &["missing field"]);
    is_refused(&desk, &desk.write("binary.toml", [0xff; 512]), &["unreadable"]);
    is_refused(&desk, &desk.write("nul.toml", [0; 512]), &["(syntax)", "not TOML"]);
    is_refused(&desk, &desk.write("text.toml", "Dear core,\nplease trade.\n"), &["line 1"]);
    is_refused(&desk, &desk.write("json.toml", "{\"name\": \"x\"}"), &["(syntax)"]);
    let utf16: Vec<u8> = desk.core().encode_utf16().flat_map(u16::to_le_bytes).collect();
    is_refused(&desk, &desk.write("utf16.toml", utf16), &["utf16.toml"]);
    is_refused(
        &desk,
        &desk.write("deep.toml", format!("name = {}", "[".repeat(100_000))),
        &["`name`", "not TOML"],
    );
}

#[test]
fn what_is_right_is_shown_whole_and_without_its_secret() {
    let desk = desk();
    let glimpse =
        "glimpse = { address = \"127.0.0.1:9\", username = \"user01\", password_file = \"pw\" }\ninterface =";
    let file = desk.write("colo.toml", desk.core().replacen("interface =", glimpse, 1));
    let ok = colo(["config".as_ref(), "check".as_ref(), file.as_os_str()]).exits(0);
    assert_eq!((ok.stdout, ok.stderr), (format!("{}: ok\n", file.display()), String::new()));
    let show = |file: &Path| colo(["config".as_ref(), "show".as_ref(), file.as_os_str()]).exits(0).stdout;
    let shown = show(&file);
    for (word, there) in [
        ("silence_ms", true),
        ("segment_mib", true),
        ("glimpse", true),
        ("\"pw\"", true),
        ("secret77", false),
    ] {
        assert_eq!(shown.contains(word), there, "{word}: {shown}");
    }
    // What is shown is a configuration, and the same one.
    let again = desk.write("shown.toml", &shown);
    assert_eq!(show(&again), shown);
    colo(["config".as_ref(), "check".as_ref(), again.as_os_str()]).exits(0);
    assert!(!desk.file("journal").exists() && desk.in_shared_memory().is_empty(), "looking made something");
}

#[test]
fn a_venues_bad_configuration_is_refused_too() {
    let desk = desk();
    let good = desk.venue();
    for (from, to, word) in [
        ("symbols = ", "symbol = ", "symbol"),
        ("symbols = [\"AAPL\"]", "symbols = [\"AAPL\", \"AAPL\"]", "symbols"),
        ("firm = \"ABCD\"", "firm = \"ABC\"", "accounts[0].firm"),
        ("password_file = \"pw\"", "password_file = \"missing\"", "missing"),
        ("password_file = \"pw\"", "password_file = \"long\"", "accounts[0].password"),
        ("messages_per_second = 2000", "messages_per_second = 0", "flow.messages_per_second"),
        ("kind = \"generated\"", "kind = \"magic\"", "magic"),
        ("[flow]", "[faults.line_a]\nloss = 1.5\n[flow]", "faults.line_a"),
    ] {
        assert!(good.contains(from), "{from}");
        let file = desk.write("exchange.toml", good.replacen(from, to, 1));
        let ended = colo(["exchange".as_ref(), "--config".as_ref(), file.as_os_str()]).exits(3);
        let said = &ended.stderr;
        assert!(said.contains(&file.display().to_string()) && said.contains(word), "{word}: {ended:#?}");
        assert!(!said.contains("elevenchars") && !said.contains("secret77"), "{ended:#?}");
    }
    let missing = desk.file("missing.toml");
    let ended = colo(["exchange".as_ref(), "--config".as_ref(), missing.as_os_str()]);
    ended.exits(3).says(&[&missing.display().to_string()]);
}
