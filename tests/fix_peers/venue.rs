//! QuickFIX as the client of the simulated venue: what the venue says passes its dictionary, and its session goes on over a connection that the venue loses.

use colo::exchange::{self, ExchangeConfig};
use gateways::fix::session::Version;

use crate::authority::Authority;
use crate::peer::{Peer, Setup, field, python};

const TIME: &str = "60=20240102-12:00:00";

/// Its tenth report breaks off after so many bytes.
const VENUE: &str = r#"
    symbols = ["AAPL"]
    lines = ["127.0.0.1:1"]
    ouch = "127.0.0.1:0"
    close_with_flow = false
    [fix]
    listen = "127.0.0.1:0"
    tls = "127.0.0.1:0"
    ca_file = "ca.pem"
    [[accounts]]
    username = "user01"
    password = "secret"
    firm = "ABCD"
    protocol = "PROTOCOL"
    [accounts.fix]
    comp_id = "CLIENT"
    [[script]]
    account = "user01"
    report = 10
    do = "cut"
    bytes = 50
    [flow]
    kind = "silent"
"#;

struct Client(Peer);

impl Client {
    fn ask(&mut self, kind: &str, fields: &str) {
        self.0.tell(&format!("send {kind} {fields}"));
    }

    /// The next message, whose fields of these tags are to be these.
    #[track_caller]
    fn hears(&mut self, expected: &[(u32, &str)]) -> String {
        let told = self.0.says("app", || {});
        for (tag, value) in expected {
            assert_eq!(field(&told, *tag), *value, "field {tag} of {told}");
        }
        told
    }
}

fn order(id: &str, side: u8, shares: u32, px: &str) -> String {
    format!("11={id}|21=1|38={shares}|40=2|44={px}|54={side}|55=AAPL|59=0|{TIME}")
}

fn a_day(version: Version, tls: bool) {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let is_44 = version == Version::Fix44;
    let text = VENUE.replace("PROTOCOL", if is_44 { "fix44" } else { "fix42" });
    let text = if tls {
        text.replace(
            "comp_id = \"CLIENT\"",
            "comp_id = \"CLIENT\"\nsign_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"",
        )
    } else {
        text
    };
    let venue = exchange::spawn(ExchangeConfig::from_toml(&text, folder.path()).unwrap()).unwrap();
    let mut authority = Authority::new();
    authority.root = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let setup = Setup {
        role: "initiator",
        version,
        port: if tls { venue.fix_tls } else { venue.fix }.unwrap().port(),
        tls,
        authority: &authority,
        credentials: Some(if tls {
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:user01:secret"
        } else {
            "user01:secret"
        }),
    };
    let mut c = Client(Peer::start(&python, &setup));
    c.0.says("logon", || {});
    let trade = |status| if is_44 { "F" } else { status };

    c.ask("D", &order("a", 1, 100, "10.5"));
    let told = c.hears(&[(35, "8"), (150, "0"), (39, "0"), (11, "a"), (151, "100")]);
    let order_id = field(&told, 37);
    // It trades with itself.
    c.ask("D", &order("b", 2, 40, "10.5"));
    c.hears(&[(150, "0"), (11, "b")]);
    let told = c.hears(&[
        (150, trade("1")),
        (39, "1"),
        (11, "a"),
        (32, "40"),
        (31, "10.50"),
        (151, "60"),
        (14, "40"),
    ]);
    assert_eq!(field(&told, 37), order_id);
    c.hears(&[(150, trade("2")), (39, "2"), (11, "b"), (151, "0"), (14, "40"), (6, "10.50")]);
    c.ask("G", &format!("11=c|21=1|38=120|40=2|41=a|44=10.6|54=1|55=AAPL|59=0|{TIME}"));
    c.hears(&[(150, "5"), (11, "c"), (41, "a"), (38, "120"), (151, "80"), (14, "40")]);
    c.ask("H", "11=c|54=1|55=AAPL");
    c.hears(&[(39, "1"), (11, "c"), (151, "80")]);
    c.ask("F", &format!("11=d|41=c|54=1|55=AAPL|{TIME}"));
    c.hears(&[(150, "4"), (39, "4"), (11, "d"), (41, "c"), (151, "0"), (14, "40")]);
    c.ask("F", &format!("11=e|41=c|54=1|55=AAPL|{TIME}"));
    c.hears(&[(35, "9"), (11, "e"), (41, "c"), (39, "4"), (434, "1"), (102, "0")]);
    c.ask("D", &order("f", 1, 0, "10.5"));
    c.hears(&[(150, "8"), (39, "8"), (11, "f")]);

    // The connection breaks off in the middle of the tenth; QuickFIX comes back and asks for it.
    c.ask("D", &order("g", 1, 10, "9.5"));
    c.0.says("logout", || {});
    c.0.says("logon", || {});
    c.hears(&[(150, "0"), (11, "g"), (43, "Y")]);
    c.ask("D", &order("h", 1, 10, "9.4"));
    c.hears(&[(150, "0"), (11, "h")]);
    c.0.nothing_was_refused();
    if is_44 {
        c.ask("q", &format!("11=i|530=7|{TIME}"));
        c.hears(&[(35, "r"), (11, "i"), (531, "7"), (533, "2")]);
        c.hears(&[(150, "4"), (11, "g")]);
        c.hears(&[(150, "4"), (11, "h")]);
        c.0.nothing_was_refused();
    }
    // What the dictionary does not have, and what the venue does not do.
    c.ask("D", "11=j|21=1|38=100|40=2|44=10.5|54=1|55=AAPL|59=0");
    let rejected = c.0.says("rejected", || {});
    assert_eq!((field(&rejected, 371), field(&rejected, 373)), ("60".into(), "1".into()));
    c.ask("B", "33=1|58=news|148=news");
    c.hears(&[(35, "j"), (372, "B"), (380, "3")]);
    c.0.tell("logout");
    c.0.says("logout", || {});
    let truth = venue.stop().unwrap();
    let account = &truth.accounts[0];
    assert_eq!((account.counts.accepted, account.counts.fills, account.counts.rejected), (4, 2, 1));
    assert_eq!((truth.counts.logins, truth.counts.script_steps, truth.counts.malformed), (2, 1, 0));
}

#[test]
fn a_day_at_the_venue_over_tcp() {
    a_day(Version::Fix44, false);
}

#[test]
fn a_day_at_the_venue_signed_and_over_tls() {
    a_day(Version::Fix44, true);
}

#[test]
fn a_day_at_the_venue_in_42() {
    a_day(Version::Fix42, false);
}
