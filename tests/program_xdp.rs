//! A whole core past the kernel: a feed's line and order entry by AF_XDP, in a network namespace of this test's own.
//!
//! ```text
//!   venue ── feed0 ─────cable───── feed1: line A by AF_XDP      line B by the kernel, on feed0's own copy
//!   venue ── gate0 10.79.0.1 ───── gate1: 10.79.0.9, TCP by AF_XDP
//! ```

mod program;

use std::process::Command;

use program::desk::Desk;
use program::{skipped, until};

/// Set in the child that lives in the namespace.
const INSIDE: &str = "COLO_TEST_PAST_THE_KERNEL";

const PREPARE: &str = "ip link set lo up && ip link add feed0 type veth peer name feed1 && \
                       ip link add gate0 type veth peer name gate1 && \
                       ip addr add 10.77.0.1/24 dev feed0 && ip addr add 10.78.0.1/24 dev feed1 && \
                       ip addr add 10.79.0.1/24 dev gate0 && \
                       for i in feed0 feed1 gate0 gate1; do ip link set $i up; done";

/// How many interfaces have a program.
fn programs() -> usize {
    let output = Command::new("ip").args(["-o", "link"]).output().expect("ip");
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains("xdp")).count()
}

/// Without [`INSIDE`] this is no child, and nothing happens.
#[test]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let desk = Desk::new();
    let [a, b] = desk.lines.map(|line| line.to_string());
    let order_entry = format!("10.79.0.1:{}", desk.ouch.port());
    let moved = |config: String| {
        let config = config.replace(&a, "239.77.0.1:26001").replace(&b, "239.77.0.2:26001");
        let config = config.replace("interface = \"127.0.0.1\"", "interface = \"10.77.0.1\"");
        config.replace(&desk.ouch.to_string(), &order_entry)
    };
    let past = moved(desk.core())
        .replace(
            "[[gateways]]",
            "transports = [{ transport = \"xdp\", interface = \"feed1\" }, { transport = \"udp\" }]\n\n[[gateways]]\n\
             transport = \"xdp\"\nxdp = { interface = \"gate1\", address = \"10.79.0.9/24\" }",
        );
    let venue = desk.start_venue(&moved(desk.venue()));
    for signal in ["TERM", "KILL", "TERM"] {
        let mut core = desk.start_core(&past, &[]);
        let said = core.stderr();
        assert!(!said.contains("AF_XDP"), "{said}");
        desk.until_trading(&mut core);
        assert_eq!(programs(), 2);
        desk.until_status("fills, and datagrams by both lines", &mut core, |s| {
            let heard = |line: &str| s.count(&format!("/feeds/0/lines/{line}/packets")) > 0;
            s.count("/engine/fills") > 0 && heard("0") && heard("1")
        });
        core.signal(signal);
        let ended = core.end();
        if signal == "TERM" {
            ended.exits(130);
            desk.report().is("/reconciled", true).some("/orders_sent").some("/fills");
        }
        until("the programs to be gone", || (programs() == 0).then_some(()));
    }
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}

#[test]
fn a_core_trades_past_the_kernel_and_leaves_nothing_behind() {
    let probe = Command::new("unshare").args(["--net", "sh", "-c", PREPARE]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skipped("AF_XDP and a network namespace want root, `unshare` and `ip`");
    }
    let binary = std::env::current_exe().expect("this binary");
    let mut child = Command::new("unshare");
    child.args(["--net", "sh", "-c", &format!("{PREPARE} && exec \"$0\" --exact inside --nocapture")]);
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
