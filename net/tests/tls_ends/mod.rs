//! The two ends of a TLS connection, for tests.

mod authority;

use net::ByteStream;
use net::tls::TlsStream;

pub use authority::Authority;

/// Client and server with the handshake through.
pub fn joined<S: ByteStream>(authority: &Authority, near: S, far: S) -> (TlsStream<S>, TlsStream<S>) {
    let mut near = authority.client().connect(near, "127.0.0.1").unwrap();
    let mut far = authority.server("127.0.0.1").accept(far).unwrap();
    for _ in 0..2_000_000 {
        let (a, b) = (near.poll_handshake().unwrap(), far.poll_handshake().unwrap());
        if a && b {
            return (near, far);
        }
        std::thread::yield_now();
    }
    panic!("the handshake does not end");
}
