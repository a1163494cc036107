//! Both lines as multicast groups, from the venue to the core: in a network namespace of this test's own, where no datagram can leave.
//!
//! ```text
//!   test ── unshare: a user and a network namespace ── ip: an interface 10.77.0.1 ── this binary again: desk, venue, core ── exit status
//! ```

mod program;

use std::process::Command;

use program::desk::Desk;
use program::{colo, skipped};

/// Set in the child that lives in the namespace.
const INSIDE: &str = "COLO_TEST_IN_NAMESPACE";

/// Nobody is at the other end of this cable; the loop of multicast to receivers on the same host is done before it.
const PREPARE: &str = "ip link set lo up && ip link add feed0 type veth peer name feed1 && \
                       ip addr add 10.77.0.1/24 dev feed0 && ip link set feed0 up && ip link set feed1 up";

/// Without [`INSIDE`] this is no child, and nothing happens.
#[test]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let desk = Desk::new();
    let [a, b] = desk.lines.map(|line| line.to_string());
    let groups = |config: String| {
        let config = config.replace(&a, "239.77.0.1:26001").replace(&b, "239.77.0.2:26001");
        config.replace("interface = \"127.0.0.1\"", "interface = \"10.77.0.1\"")
    };
    let venue = desk.start_venue(&groups(desk.venue()));
    let mut core = desk.start_core(&groups(desk.core()), &[]);
    desk.until_trading(&mut core);
    let fills =
        desk.until_status("a fill", &mut core, |s| s.count("/engine/fills") > 0).count("/engine/fills");
    colo(["ctl", "--name", &desk.name, "feed", "reconnect"])
        .exits(0)
        .shows(&["2 multicast groups joined again"]);
    desk.until_status("a fill after that", &mut core, |s| s.count("/engine/fills") > fills);
    core.signal("TERM");
    core.end().exits(130);
    let report = desk.report();
    report.is("/reconciled", true).some("/orders_sent").some("/fills").some("/messages");
    assert!(report.count("/feed/duplicates") > 0, "the second line was heard too: {report:?}");
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}

#[test]
fn a_core_trades_on_multicast_lines() {
    // As root the network alone; otherwise in a user namespace, in which this user may make interfaces.
    let isolated = [&["--net"][..], &["--net", "--map-root-user"]].into_iter().find(|how| {
        let probe = Command::new("unshare").args(*how).args(["sh", "-c", PREPARE]).output();
        probe.is_ok_and(|output| output.status.success())
    });
    let Some(how) = isolated else {
        return skipped("this host gives no network namespace (unshare), or has no `ip`");
    };
    let binary = std::env::current_exe().expect("this binary");
    let mut child = Command::new("unshare");
    child.args(how).args(["sh", "-c", &format!("{PREPARE} && exec \"$0\" --exact inside --nocapture")]);
    let output = child.arg(binary).env(INSIDE, "1").output().expect("unshare");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{}\n{told}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the part was played: {told}");
}
