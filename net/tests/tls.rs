//! TLS: whom the client believes, how an end is told from a cut, and what hostile bytes do.

use std::io::ErrorKind;
use std::net::TcpListener;

use net::mem::{self, MemStream};
use net::tcp::TcpLink;
use net::tls::{RECORD, TlsClient, TlsServer, TlsStream};
use net::{ByteStream, Received};

mod tls_ends;

use tls_ends::{Authority, joined};

/// Turns the handshake of both ends until one of them fails; the client's error, where it is its own.
fn refusal(near: &mut TlsStream<MemStream>, far: &mut TlsStream<MemStream>) -> std::io::Error {
    for _ in 0..10_000 {
        match near.poll_handshake() {
            Err(e) => return e,
            Ok(through) => assert!(!through, "believed"),
        }
        let _ = far.poll_handshake();
    }
    panic!("neither through nor refused");
}

#[test]
fn only_the_right_name_of_a_known_authority_is_believed() {
    let ours = Authority::new();
    let theirs = Authority::new();
    for (client, server, name, why) in [
        (&ours, &ours, "other.example", "not valid for name"),
        (&ours, &theirs, "venue.example", "invalid peer certificate"),
        (&theirs, &ours, "venue.example", "invalid peer certificate"),
        (&ours, &ours, "127.0.0.1", "not valid for name"),
    ] {
        let (a, b) = mem::streams(1 << 16);
        let mut near = client.client().connect(a, name).unwrap();
        let mut far = server.server("venue.example").accept(b).unwrap();
        let error = refusal(&mut near, &mut far);
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains(why), "{error}, wanted {why}");
        // It stays failed, and nothing is ever sent to whom was not believed.
        assert!(near.poll_handshake().is_err() && near.send(b"secret").is_err());
        assert!(near.recv(&mut [0; 8]).is_err() && near.flush().is_err());
        // The server is told, and sees no connection either.
        let error = (0..1_000).find_map(|_| far.poll_handshake().err()).expect("told");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    }
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    let (chain, key) = authority.certify("venue.example", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let server = TlsServer::new(chain.as_bytes(), key.as_bytes()).unwrap();
    let (a, b) = mem::streams(1 << 16);
    let mut near = authority.client().connect(a, "venue.example").unwrap();
    let error = refusal(&mut near, &mut server.accept(b).unwrap());
    assert!(error.to_string().contains("expired"), "{error}");
}

#[test]
fn the_public_web_does_not_vouch_for_a_private_server() {
    let (a, b) = mem::streams(1 << 16);
    let mut near = TlsClient::public().unwrap().connect(a, "venue.example").unwrap();
    let mut far = Authority::new().server("venue.example").accept(b).unwrap();
    assert!(refusal(&mut near, &mut far).to_string().contains("UnknownIssuer"));
}

#[test]
fn identities_that_cannot_be_are_refused_at_once() {
    let authority = Authority::new();
    let (chain, _) = authority.certify("a.example", |_| {});
    let (_, other_key) = authority.certify("a.example", |_| {});
    for (result, part) in [
        (TlsClient::trusting(b"no PEM").err(), "no certificate"),
        (TlsClient::trusting(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----").err(), "root"),
        (TlsServer::new(b"", b"").err(), "no certificate"),
        (TlsServer::new(chain.as_bytes(), b"").err(), "server key"),
        (TlsServer::new(chain.as_bytes(), other_key.as_bytes()).err(), "server certificate"),
    ] {
        let error = result.expect("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains(part), "{error}, wanted {part}");
    }
    let (a, _b) = mem::streams(16);
    assert!(authority.client().connect(a, "not a name").is_err());
}

#[test]
fn every_byte_may_come_alone() {
    // One byte fits into each direction, so that handshake, records and alerts are split everywhere.
    let (a, b) = mem::streams(1);
    let (mut near, mut far) = joined(&Authority::new(), a, b);
    let sent: Vec<u8> = (0..3_000u32).map(|i| (i * 7) as u8).collect();
    let (mut at, mut got, mut buf) = (0, Vec::new(), [0; 100]);
    while got.len() < sent.len() {
        at += near.send(&sent[at..(at + 37).min(sent.len())]).unwrap();
        assert_eq!(near.recv(&mut buf).unwrap(), Received::Nothing);
        if let Received::Data(n) = far.recv(&mut buf).unwrap() {
            got.extend_from_slice(&buf[..n]);
        }
    }
    assert_eq!(got, sent);
}

#[test]
fn a_cut_is_no_end() {
    let authority = Authority::new();
    let (a, b) = mem::streams(1 << 16);
    let (mut near, far) = joined(&authority, a, b);
    drop(far);
    assert_eq!(near.recv(&mut [0; 8]).unwrap(), Received::Closed, "an end that was said");

    // The same connection with somebody in between, who ends it: at every byte of what the server said, the last one of its alert excepted.
    for cut in [0, 1, 4, 5, 20, 26, 27, 60] {
        let (client, gate_near) = mem::streams(1 << 16);
        let (gate_far, server) = mem::streams(1 << 16);
        let mut gate = Gate { near: Some(gate_near), far: gate_far, passed: 0, cut_at: usize::MAX };
        let mut near = authority.client().connect(client, "127.0.0.1").unwrap();
        let mut far = authority.server("127.0.0.1").accept(server).unwrap();
        while !(near.poll_handshake().unwrap() & far.poll_handshake().unwrap()) {
            gate.turn();
        }
        gate.turn();
        gate.cut_at = gate.passed + cut;
        assert_eq!(far.send(b"hello").unwrap(), 5);
        drop(far);
        gate.turn();
        let mut buf = [0; 8];
        let mut got = near.recv(&mut buf);
        if cut >= 27 {
            // 5 bytes of content, its type, 16 of tag, 5 of head.
            assert_eq!(got.unwrap(), Received::Data(5), "cut at {cut}");
            assert_eq!(&buf[..5], b"hello");
            got = near.recv(&mut buf);
        }
        // Beyond what the server says in all, nothing was cut.
        match got {
            Ok(received) => assert_eq!((cut, received), (60, Received::Closed)),
            Err(e) => assert_eq!(e.kind(), ErrorKind::UnexpectedEof, "cut at {cut}: {e}"),
        }
    }
}

/// Between two ends: passes bytes on until so many of the far end's have passed.
struct Gate {
    near: Option<MemStream>,
    far: MemStream,
    passed: usize,
    cut_at: usize,
}

impl Gate {
    fn turn(&mut self) {
        let Some(near) = &mut self.near else { return };
        let mut buf = [0; 4096];
        while let Ok(Received::Data(n)) = near.recv(&mut buf) {
            let _ = self.far.send(&buf[..n]);
        }
        while let Ok(Received::Data(n)) = self.far.recv(&mut buf) {
            let n = n.min(self.cut_at - self.passed);
            near.send(&buf[..n]).unwrap();
            self.passed += n;
            if self.passed == self.cut_at {
                self.near = None;
                return;
            }
        }
    }
}

#[test]
fn an_altered_byte_is_an_error_and_never_content() {
    let authority = Authority::new();
    for at in 0..40 {
        let (client, mut tap_near) = mem::streams(1 << 16);
        let (mut tap_far, server) = mem::streams(1 << 16);
        let mut near = authority.client().connect(client, "127.0.0.1").unwrap();
        let mut far = authority.server("127.0.0.1").accept(server).unwrap();
        let pass = |from: &mut MemStream, to: &mut MemStream, alter: Option<usize>| {
            let mut buf = [0; 8192];
            while let Ok(Received::Data(n)) = from.recv(&mut buf) {
                if let Some(at) = alter.filter(|&at| at < n) {
                    buf[at] ^= 0x10;
                }
                to.send(&buf[..n]).unwrap();
            }
        };
        while !(near.poll_handshake().unwrap() & far.poll_handshake().unwrap()) {
            pass(&mut tap_near, &mut tap_far, None);
            pass(&mut tap_far, &mut tap_near, None);
        }
        assert_eq!(far.send(b"eighteen bytes....").unwrap(), 18);
        pass(&mut tap_far, &mut tap_near, Some(at));
        // A longer length waits for bytes that do not come; then the cut is an error.
        drop((tap_far, tap_near));
        let mut buf = [0; 64];
        let error = match near.recv(&mut buf) {
            Err(e) => e,
            Ok(received) => {
                // The version in a record's head is to be ignored (RFC 8446 section 5.1), and so is the byte.
                assert!(matches!(at, 1 | 2), "{at}: {received:?}");
                assert_eq!(&buf[..18], b"eighteen bytes....");
                continue;
            }
        };
        assert!(matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof), "{at}: {error}");
        assert!(near.recv(&mut [0; 64]).is_err(), "stays");
    }
}

#[test]
fn what_is_no_tls_is_refused_by_both_ends() {
    let authority = Authority::new();
    let mut x = 0x9E37_79B9_u32;
    let mut noise = move || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    };
    let mut texts = vec![
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        // A record longer than any may be, one of a type that is none, and a handshake message that says it has 16 MiB.
        [&[22, 3, 3, 0xFF, 0xFF][..], &[0; 64]].concat(),
        [&[99, 3, 3, 0, 8][..], &[0; 64]].concat(),
        [&[22, 3, 3, 0x40, 0, 1, 0xFF, 0xFF, 0xFF][..], &[0; 1 << 15]].concat(),
        // Records without content, for ever.
        [22, 3, 3, 0, 0].repeat(5_000),
    ];
    texts.extend((0..200).map(|_| (0..200).map(|_| noise()).collect()));
    for text in texts {
        for is_server in [false, true] {
            let (a, mut b) = mem::streams(1 << 16);
            let mut end = match is_server {
                true => authority.server("127.0.0.1").accept(a).unwrap(),
                false => authority.client().connect(a, "127.0.0.1").unwrap(),
            };
            b.send(&text).unwrap();
            b.shutdown();
            let error = (0..10_000).find_map(|_| end.poll_handshake().err());
            let error = error.unwrap_or_else(|| panic!("neither through nor refused: {:?}", &text[..9]));
            let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
            assert!(kinds.contains(&error.kind()), "{error}");
        }
    }
}

#[test]
fn one_record_is_kept_and_no_more() {
    let (a, b) = mem::streams(64);
    let (mut near, mut far) = joined(&Authority::new(), a, b);
    let sent: Vec<u8> = (0..4 * RECORD).map(|i| i as u8).collect();
    assert_eq!(near.send(&sent).unwrap(), RECORD);
    assert_eq!(near.send(&sent[RECORD..]).unwrap(), 0, "the first has not left");
    assert!(!near.flush().unwrap());
    let (mut at, mut got, mut buf) = (RECORD, Vec::new(), vec![0; 1_000]);
    while got.len() < sent.len() {
        if let Received::Data(n) = far.recv(&mut buf).unwrap() {
            got.extend_from_slice(&buf[..n]);
        }
        near.flush().unwrap();
        let n = near.send(&sent[at..]).unwrap();
        assert!(n == 0 || near.send(&[1]).unwrap() == 0, "a second one was taken");
        at += n;
    }
    assert_eq!(got, sent);
}

#[test]
fn a_connection_is_tcp_s_and_then_tls_s() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = TcpLink::start(listener.local_addr().unwrap()).unwrap();
    let mut near = authority.client().connect(link, "127.0.0.1").unwrap();
    assert_eq!(near.recv(&mut [0; 8]).unwrap(), Received::Nothing);
    let mut far = authority
        .server("127.0.0.1")
        .accept(TcpLink::accepted(listener.accept().unwrap().0).unwrap())
        .unwrap();
    let mut turns = 0..2_000_000;
    while !(near.poll_connected().unwrap() & far.poll_connected().unwrap()) {
        turns.next().expect("it connects");
    }
    assert_eq!(near.below().peer(), listener.local_addr().unwrap());

    // And nobody at all is an error, not a wait without end.
    drop(listener);
    let nobody = near.below().peer();
    let error = match TcpLink::start(nobody) {
        Err(e) => e,
        Ok(link) => {
            let mut near = authority.client().connect(link, "127.0.0.1").unwrap();
            turns.find_map(|_| near.poll_connected().err()).expect("refused")
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
