//! Sessions of order entry that are not as they should be: latency, a second host, and each misbehaviour of the script, in virtual time. The
//! venue's own books and ledger stay true throughout.

mod exchange_support;

use colo::exchange::accounts::AccountRules;
use colo::exchange::desk::Host;
use colo::exchange::entry::Cause;
use colo::exchange::latency::Latency;
use colo::exchange::script::{Action, Step, Trigger};
use colo::exchange::{Venue, VenueConfig};
use exchange_support::client::{Client, Report, cancel, enter, login, packet, replace};
use exchange_support::{Bench, MORNING, MS, SECOND, config};
use model::Side;

type Brief = (char, u32, u32, u64, u16);

fn briefs(reports: &[Report]) -> Vec<Brief> {
    reports.iter().map(Report::brief).collect()
}

fn kinds(reports: &[Report]) -> String {
    reports.iter().map(|r| r.kind).collect()
}

/// A venue with one step for user01.
fn scripted(trigger: Trigger, action: Action) -> Bench {
    let step = Step { trigger, account: Some(0), symbol: None, action };
    Bench::new(VenueConfig { script: vec![step], ..config() })
}

/// All bytes that a client would be sent now.
fn drain(venue: &mut Venue, id: u64) -> Vec<u8> {
    let mut all = Vec::new();
    while !venue.output(id).is_empty() {
        let output = venue.output(id).to_vec();
        venue.written(id, output.len());
        all.extend(output);
    }
    all
}

const ACCEPTED: Trigger = Trigger::Report(1, Some(b'A'));

#[test]
fn requests_and_reports_take_their_time_and_keep_their_order() {
    let mut settings = config();
    settings.accounts[0].rules = AccountRules {
        inbound_latency: Latency::Fixed(5 * MS),
        outbound_latency: Latency::Fixed(3 * MS),
        ..AccountRules::default()
    };
    let mut b = Bench::new(settings);
    let mut c = b.login("user01", "pass", "", "1");
    b.wait(&mut c, 10);
    let sent = b.now;
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 100, 1_000_000)), []);
    assert_eq!(b.venue.next_due(), sent + 5 * MS);
    assert_eq!((b.wait(&mut c, 4), b.queue(Side::Buy).len()), (vec![], 0));
    assert_eq!((b.wait(&mut c, 1), b.queue(Side::Buy).len()), (vec![], 1), "at the floor, not told yet");
    assert_eq!(b.wait(&mut c, 2), []);
    let got = b.wait(&mut c, 1);
    assert_eq!((kinds(&got).as_str(), &got[0].raw[1..9]), ("A", &(sent + 5 * MS).to_be_bytes()[..]));
    // Whatever is drawn, nothing overtakes: a cancel behind an order finds it, and its report comes behind.
    for latency in [Latency::Uniform(0, 20 * MS), Latency::lognormal(MS, 3.0)] {
        let mut settings = config();
        let (inbound_latency, outbound_latency) = (latency.clone(), latency);
        settings.accounts[0].rules =
            AccountRules { inbound_latency, outbound_latency, ..AccountRules::default() };
        let mut b = Bench::new(settings);
        let mut c = b.login("user01", "pass", "", "1");
        for n in 1..=50 {
            b.bytes(
                &mut c,
                &[packet(b'U', &enter(n, b'B', 1, 1_000_000)), packet(b'U', &cancel(n, 0))].concat(),
            );
            b.run(1);
        }
        let got = b.wait(&mut c, 100);
        let want: Vec<_> = (1..=50).flat_map(|n| [('A', n), ('C', n)]).collect();
        let told: Vec<_> = got.iter().filter(|r| r.kind != 'S').map(|r| (r.kind, r.number)).collect();
        assert_eq!(told, want);
    }
}

#[test]
fn an_order_on_its_way_when_the_socket_dies_is_canceled_behind_it() {
    let mut settings = VenueConfig { cancel_on_disconnect: true, ..config() };
    settings.accounts[0].rules.inbound_latency = Latency::Fixed(5 * MS);
    let mut b = Bench::new(settings);
    let mut c = b.client(0);
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    b.venue.disconnect(b.now, c.id);
    b.run(10);
    let c = b.login("user01", "pass", "", "2");
    assert_eq!(kinds(&c.reports), "AC");
    assert_eq!(b.queue(Side::Buy), []);
}

#[test]
fn both_hosts_of_an_account_are_told_everything() {
    let mut b = Bench::new(VenueConfig { cancel_on_disconnect: true, ..config() });
    let mut one = b.client(0);
    let mirror = |b: &mut Bench| {
        let mut c = Client::new(b.venue.connect_to(b.now, Host::Mirror));
        b.bytes(&mut c, &login("user01", "pass", "", "1"));
        c
    };
    let mut two = mirror(&mut b);
    assert_eq!(kinds(&two.reports), "S");
    two.reports.clear();
    let first = b.ask(&mut one, &enter(1, b'B', 100, 1_000_000));
    assert_eq!(b.wait(&mut two, 0), first, "to the byte");
    let second = b.ask(&mut two, &enter(2, b'B', 100, 1_000_000));
    assert_eq!((kinds(&second).as_str(), b.wait(&mut one, 0)), ("A", second), "either may send");
    assert_eq!(b.ask(&mut one, &enter(2, b'B', 100, 1_000_000)), [], "one sequence of numbers");
    // A newer login takes over its own host only.
    let mut third = mirror(&mut b);
    assert!(b.venue.is_over(two.id) && !b.venue.is_over(one.id) && third.reports.len() == 3);
    // The account is connected while one of them is.
    b.venue.disconnect(b.now, one.id);
    assert_eq!((b.wait(&mut third, 0).len(), b.queue(Side::Buy).len()), (3, 2));
    b.venue.disconnect(b.now, third.id);
    b.listen();
    assert_eq!(b.queue(Side::Buy), []);
}

#[test]
fn a_request_is_lost_before_it_is_processed() {
    let mut b = scripted(Trigger::Request(2, Some(b'O')), Action::Drop);
    let mut c = b.client(0);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000)).len(), 1);
    assert_eq!(b.ask(&mut c, &enter(2, b'B', 2, 1_000_000)), []);
    assert_eq!(
        (b.queue(Side::Buy).len(), b.venue.counts().dropped, b.venue.counts().script_steps),
        (1, 1, 1)
    );
    assert_eq!(b.ask(&mut c, b"Q")[0].number, 2, "its number is free: it may be sent again");
    assert_eq!(b.ask(&mut c, &enter(2, b'B', 2, 1_000_000)).len(), 1);
}

#[test]
fn the_connection_ends_with_a_request_unheard() {
    let mut b = scripted(Trigger::Request(1, None), Action::Disconnect);
    let mut c = b.client(0);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000)), []);
    assert!(b.venue.is_over(c.id));
    assert_eq!(b.queue(Side::Buy), []);
}

#[test]
fn the_connection_ends_between_an_order_and_its_report() {
    for cancels in [false, true] {
        let step = Step { trigger: ACCEPTED, account: Some(0), symbol: None, action: Action::Disconnect };
        let mut b = Bench::new(VenueConfig { script: vec![step], cancel_on_disconnect: cancels, ..config() });
        let mut c = b.client(0);
        assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000)), []);
        assert!(b.venue.is_over(c.id));
        assert_eq!(b.queue(Side::Buy).len(), usize::from(!cancels), "the order was taken");
        b.venue.disconnect(b.now, c.id);
        let c = b.login("user01", "pass", "", "2");
        assert_eq!(kinds(&c.reports), if cancels { "AC" } else { "A" });
    }
}

#[test]
fn a_packet_is_cut_at_every_byte_and_repeated_whole_after_a_login() {
    for bytes in 0..=67 {
        let mut b = scripted(ACCEPTED, Action::Cut(bytes));
        let c = b.client(0);
        b.venue.on_client_bytes(b.now, c.id, &packet(b'U', &enter(1, b'B', 1, 1_000_000)));
        let got = drain(&mut b.venue, c.id);
        assert_eq!((got.len(), b.venue.is_over(c.id)), (bytes.min(67), true));
        b.venue.disconnect(b.now, c.id);
        let c = b.login("user01", "pass", "", "2");
        assert_eq!(kinds(&c.reports), "A", "cut at {bytes}");
        let whole = packet(b'S', &c.reports[0].raw);
        assert_eq!(got[..], whole[..bytes]);
    }
}

#[test]
fn silence_says_nothing_and_hears_everything() {
    let mut b = scripted(ACCEPTED, Action::Silence(3 * SECOND));
    let mut c = b.client(0);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000)), []);
    assert_eq!((b.ask(&mut c, &enter(2, b'B', 1, 1_000_000)), b.queue(Side::Buy).len()), (vec![], 2));
    assert_eq!((b.wait(&mut c, 2_999), c.heartbeats), (vec![], 0));
    assert_eq!((kinds(&b.wait(&mut c, 1)).as_str(), c.heartbeats), ("AA", 1));
    b.wait(&mut c, 1_000);
    assert_eq!(c.heartbeats, 2);
}

#[test]
fn a_deaf_venue_speaks_and_hears_later() {
    let mut b = scripted(ACCEPTED, Action::Deaf(20 * SECOND));
    let mut c = b.client(0);
    assert_eq!(kinds(&b.ask(&mut c, &enter(1, b'B', 1, 1_000_000))), "A");
    assert!(b.venue.is_deaf(c.id));
    assert_eq!(b.ask(&mut c, &enter(2, b'B', 1, 1_000_000)), []);
    b.run(19_999);
    assert_eq!(b.queue(Side::Buy).len(), 1);
    assert_eq!(
        kinds(&b.wait(&mut c, 1)),
        "A",
        "nor is the client dropped for a silence that it did not keep"
    );
    assert!(!b.venue.is_deaf(c.id) && !b.venue.is_over(c.id));
}

#[test]
fn a_message_comes_twice() {
    let mut b = scripted(ACCEPTED, Action::Repeat);
    let mut c = b.client(0);
    let got = b.ask(&mut c, &enter(1, b'B', 1, 1_000_000));
    assert_eq!((kinds(&got).as_str(), &got[0]), ("AA", &got[1]));
    assert_eq!(b.login("user01", "pass", "", "2").reports.len(), 1, "the stream has it once");
}

#[test]
fn a_replay_repeats_what_was_had_or_says_another_number() {
    for (action, said, want) in [(Action::Rewind(2), 4, "AAA"), (Action::Ahead(3), 7, "A")] {
        let mut b = scripted(Trigger::Login(2), action);
        let mut c = b.client(0);
        for n in 1..=3 {
            b.ask(&mut c, &enter(n, b'B', 1, 1_000_000));
        }
        let c = b.login("user01", "pass", "", "4");
        assert_eq!((c.next - c.reports.len() as u64, kinds(&c.reports).as_str()), (said, want));
        let c = b.login("user01", "pass", "", "4");
        assert_eq!((c.next - c.reports.len() as u64, c.reports.len()), (4, 1), "only once");
    }
}

#[test]
fn a_login_is_refused_once() {
    let mut b = scripted(Trigger::Login(1), Action::RefuseLogin);
    let c = b.login("user01", "pass", "", "1");
    assert_eq!((c.logged_in, c.refused), (false, Some(b'A')));
    assert!(b.login("user01", "pass", "", "1").logged_in);
}

#[test]
fn everything_is_refused_for_a_while() {
    let mut b = scripted(Trigger::Report(2, None), Action::Reject(Cause::ProcessingError, SECOND));
    let mut c = b.client(0);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000))[0].kind, 'A');
    assert_eq!(briefs(&b.ask(&mut c, &enter(2, b'B', 1, 1_000_000))), [('J', 2, 0, 0, 0x0A)]);
    assert_eq!(briefs(&b.ask(&mut c, &replace(1, 3, 2, 1_000_000))), [('J', 3, 0, 0, 0x0A)]);
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 1, true)]);
    b.run(1_000);
    assert_eq!(b.ask(&mut c, &enter(4, b'B', 1, 1_000_000))[0].kind, 'A');
}

#[test]
fn a_fill_comes_after_the_cancel_and_is_true() {
    let (u, a) = (u16::from(b'U'), u16::from(b'A'));
    let mut b = scripted(Trigger::Report(2, Some(b'C')), Action::LateFill);
    let mut c = b.client(0);
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    assert_eq!(briefs(&b.ask(&mut c, &cancel(1, 70))), [('C', 1, 30, 0, u)]);
    let got = b.ask(&mut c, &cancel(1, 0));
    assert_eq!(briefs(&got), [('C', 1, 70, 0, u), ('E', 1, 70, 1_000_000, a)]);
    let view = b.venue.account("user01").unwrap();
    assert_eq!((b.position("user01"), view.cash_e4, view.live_orders.len()), (70, -70_000_000, 0));
    assert_eq!(b.tape.types[&'P'], 1);

    // Of an order that lives on nobody could tell such a fill from another.
    let mut b = scripted(Trigger::Report(1, Some(b'C')), Action::LateFill);
    let mut c = b.client(0);
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    assert_eq!(briefs(&b.ask(&mut c, &cancel(1, 70))), [('C', 1, 30, 0, u)]);
}

#[test]
fn a_session_ends_in_mid_day_and_another_begins() {
    let mut b = scripted(Trigger::Report(2, Some(b'A')), Action::EndSession);
    let mut c = b.client(0);
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    assert_eq!(kinds(&b.ask(&mut c, &enter(2, b'B', 200, 1_000_000))), "A", "what was said, then the end");
    assert!(c.ended && b.venue.is_over(c.id));
    assert_eq!(b.login("user01", "pass", "SESSION001", "4").refused, Some(b'S'), "it cannot be joined again");
    let mut c = b.login("user01", "pass", "", "1");
    assert_eq!((c.session.as_str(), c.next, c.reports.len()), ("SESSION002", 1, 0));
    assert_eq!(b.queue(Side::Buy).len(), 2, "the orders live on");
    assert_eq!(b.ask(&mut c, &cancel(2, 0))[0].kind, 'C');
    assert_eq!((c.next, b.login("user01", "pass", "session002", "1").reports.len()), (2, 1));
    assert!(b.client(1).logged_in, "the other account's goes on");
}

/// A step that the last report of a session sets off beside its end has nothing left to act on: above all not the next session's report of that number.
#[test]
fn what_was_to_happen_in_a_session_that_ends_does_not_happen_in_the_next() {
    let step =
        |action| Step { trigger: Trigger::Report(2, Some(b'A')), account: Some(0), symbol: None, action };
    for other in [Action::Disconnect, Action::Cut(3), Action::Repeat, Action::Garbage(9)] {
        let mut b =
            Bench::new(VenueConfig { script: vec![step(Action::EndSession), step(other)], ..config() });
        let mut c = b.client(0);
        b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
        b.ask(&mut c, &enter(2, b'B', 200, 1_000_000));
        let mut c = b.login("user01", "pass", "", "1");
        for n in 3..10 {
            assert_eq!(kinds(&b.ask(&mut c, &enter(n, b'B', 1, 1_000_000))), "A", "{other:?}");
        }
        assert_eq!((c.next, b.venue.is_over(c.id)), (8, false), "{other:?}");
    }
}

#[test]
fn garbage_is_bytes_between_packets() {
    for (trigger, before) in [(Trigger::Report(1, Some(b'A')), 0), (Trigger::At(5 * MS), 67)] {
        let mut b = scripted(trigger, Action::Garbage(9));
        let c = b.client(0);
        b.venue.on_client_bytes(b.now, c.id, &packet(b'U', &enter(1, b'B', 1, 1_000_000)));
        b.run(5);
        let got = drain(&mut b.venue, c.id);
        assert_eq!(got.len(), 67 + 9);
        let whole = b.login("user01", "pass", "", "2").reports[0].raw.clone();
        let at = if before == 0 { 9 } else { 0 };
        assert_eq!(got[at..at + 67], packet(b'S', &whole));
    }
}

/// The same script and calls, the same bytes.
#[test]
fn a_day_that_goes_wrong_goes_wrong_the_same_way_again() {
    let run = || {
        let mut settings = config();
        settings.accounts[0].rules.outbound_latency = Latency::Uniform(0, 5 * MS);
        settings.script = [Action::Garbage(100), Action::Silence(50 * MS), Action::Garbage(3)]
            .into_iter()
            .zip(1..)
            .map(|(action, n)| Step {
                trigger: Trigger::Report(n * 3, None),
                account: Some(0),
                symbol: None,
                action,
            })
            .collect();
        let mut venue = Venue::new(settings, MORNING);
        let id = venue.connect(MORNING);
        venue.on_client_bytes(MORNING, id, &login("user01", "pass", "", "1"));
        let mut all = Vec::new();
        for n in 1..=20 {
            venue.on_client_bytes(MORNING, id, &packet(b'U', &enter(n, b'B', 1, 1_000_000)));
            venue.step(MORNING + u64::from(n) * MS);
            all.extend(drain(&mut venue, id));
        }
        venue.step(MORNING + SECOND);
        all.extend(drain(&mut venue, id));
        all
    };
    let first = run();
    assert!(first.len() > 20 * 67);
    assert_eq!(first, run());
}
