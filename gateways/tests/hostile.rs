//! Whatever comes over the wire: no panic, no growth, and the buffers' sizes stay as configured.

mod support;

use gateways::gateway::OrderGateway;
use gateways::ouch50::Decoder;
use gateways::soupbintcp::Deframer;
use model::Nanos;
use proptest::prelude::*;
use support::venue::{accepted, canceled, login_accepted, next_token};
use support::{MS, Sink, buy, cancel, flush, gateway, instruments, packet, receive};

/// Packets that are mostly plausible, so that the state machine is reached and not only the deframer.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        any::<u32>().prop_map(accepted),
        any::<u32>().prop_map(canceled),
        any::<u32>().prop_map(next_token),
        prop::collection::vec(any::<u8>(), 0..80),
        (prop::sample::select(b"SAUCDEBJPITMRXGKQ".to_vec()), prop::collection::vec(any::<u8>(), 0..120))
            .prop_map(|(letter, mut m)| {
                m.insert(0, letter);
                m
            }),
    ];
    prop_oneof![
        8 => message.prop_map(|m| packet(b'S', &m)),
        2 => any::<u64>().prop_map(|n| login_accepted("S1", n)),
        1 => (prop::sample::select(b"+AJSUHZLRO".to_vec()), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(kind, p)| packet(kind, &p)),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_as_a_message(seq in any::<u64>(), m in prop::collection::vec(any::<u8>(), 0..200)) {
        let decoder = Decoder::new(support::GATEWAY, &instruments()).unwrap();
        let _ = decoder.decode(seq, &m);
        for letter in *b"SAUCDEBJPITMRXGKQ" {
            let mut m = m.clone();
            m.insert(0, letter);
            let _ = decoder.decode(seq, &m);
        }
    }

    #[test]
    fn any_bytes_as_a_stream(bytes in prop::collection::vec(any::<u8>(), 0..2_000), chunk in 1usize..300) {
        let mut d = Deframer::new(512);
        'stream: for part in bytes.chunks(chunk) {
            let mut part = part;
            while !part.is_empty() {
                let space = d.space();
                let n = part.len().min(space.len());
                prop_assert!(n > 0, "a buffer without a packet in it has space");
                space[..n].copy_from_slice(&part[..n]);
                d.commit(n);
                part = &part[n..];
                loop {
                    match d.next_packet() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(e) => {
                            prop_assert_eq!(d.next_packet(), Err(e));
                            break 'stream;
                        }
                    }
                }
            }
        }
        prop_assert_eq!(d.capacity(), 512);
    }

    #[test]
    fn a_plausible_but_wrong_server(
        logs_in in prop::bool::weighted(0.9),
        packets in prop::collection::vec(plausible(), 0..60),
        chunk in 1usize..200,
        steps in prop::collection::vec(0u64..3_000, 1..60),
    ) {
        let mut g = gateway(|c| {
            c.receive_capacity = 4096;
            c.transmit_capacity = 4096;
        });
        let mut sink = Sink::default();
        let mut now = Nanos(MS);
        let mut token = 1;
        g.on_connected(now);
        let login = if logs_in { login_accepted("S1", 1) } else { Vec::new() };
        let mut broken = receive(&mut g, now, &login, chunk, &mut sink).is_err();
        for (p, step) in packets.iter().zip(steps.iter().cycle()) {
            if broken || g.is_over() {
                g.on_disconnected(now, &mut sink);
                g.on_connected(now);
            }
            now = now.after(Nanos::from_millis(*step));
            broken = receive(&mut g, now, p, chunk, &mut sink).is_err()
                || g.on_timeout(now, &mut sink).is_err();
            if g.encode(now, &buy(token)).is_ok() {
                token = token.saturating_add(1);
            }
            let _ = g.encode(now, &cancel(token));
            prop_assert!(g.transmit().len() <= 4096);
            if step % 3 == 0 {
                flush(&mut g);
            }
            if !broken && let Some(t) = g.next_timeout() {
                // A timer that stays due would make the agent spin; only a reply that waits for room may.
                prop_assert!(t > now, "{t:?} at {now:?} in {:?}", g.state());
            }
        }
        let seqs: Vec<u64> = sink.reports().iter().map(|r| r.seq).collect();
        prop_assert!(seqs.len() as u64 <= g.counters().sequenced);
    }
}
