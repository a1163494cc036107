//! The connection of an order entry session that is not encrypted: by the kernel, or past it where the configuration says so and the host allows.

use std::io;

use net::tcp::TcpLink;
use net::xdp::XdpTcp;
use net::{ByteStream, Received};

use crate::config;
use crate::order_protocol::Dial;

/// See the module.
#[derive(Debug)]
pub enum OrderLink {
    /// By the kernel.
    Kernel(TcpLink),
    /// By AF_XDP.
    Bypass(Box<XdpTcp>),
}

impl Dial for OrderLink {
    /// Takes the queue. Without it orders go by the kernel, and from the kernel's address.
    fn prepare(to: &config::Gateway) -> (Option<OrderLink>, Vec<String>) {
        let Some(bypass) = &to.bypass else { return (None, Vec::new()) };
        let named = |what: &dyn std::fmt::Display| format!("gateway {}: {what}", to.id);
        match XdpTcp::open(bypass) {
            Ok(link) => {
                let warnings = link.refusals().iter().map(|r| named(r)).collect();
                (Some(OrderLink::Bypass(Box::new(link))), warnings)
            }
            Err(e) => (None, vec![named(&format_args!("AF_XDP (orders go by the kernel): {e}"))]),
        }
    }

    fn start(to: &config::Gateway, kept: &mut Option<OrderLink>) -> io::Result<OrderLink> {
        if let Some(OrderLink::Bypass(link)) = kept {
            link.start(to.account.address)?;
        }
        match kept.take() {
            Some(link @ OrderLink::Bypass(_)) => Ok(link),
            Some(OrderLink::Kernel(_)) | None => TcpLink::start(to.account.address).map(OrderLink::Kernel),
        }
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        match self {
            OrderLink::Kernel(link) => link.poll_connected(),
            OrderLink::Bypass(link) => link.poll_connected(),
        }
    }

    fn end(self) -> Option<OrderLink> {
        match self {
            OrderLink::Kernel(_) => None,
            OrderLink::Bypass(mut link) => {
                link.end();
                Some(OrderLink::Bypass(link))
            }
        }
    }
}

impl ByteStream for OrderLink {
    #[inline]
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        match self {
            OrderLink::Kernel(link) => link.recv(buf),
            OrderLink::Bypass(link) => link.recv(buf),
        }
    }

    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            OrderLink::Kernel(link) => link.send(bytes),
            OrderLink::Bypass(link) => link.send(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<bool> {
        match self {
            OrderLink::Kernel(link) => link.flush(),
            OrderLink::Bypass(link) => link.flush(),
        }
    }
}
