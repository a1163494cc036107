//! The order entry protocols that a core can be configured with: one line each in `each_order_protocol`.
//!
//! A gateway agent is generic over its protocol, so that nothing on the way of an order asks which it is; whoever puts agents together asks once.

use std::io;
use std::path::{Path, PathBuf};

use gateways::codec::SoupProtocol;
use gateways::fix::logon::Credentials;
use gateways::fix::session::{Role, SessionConfig, Version};
use gateways::fix::{FixConfig, FixConfigError, FixGateway};
use gateways::gateway::{Barrier, ConfigError, GatewayConfig, OrderGateway, SoupGateway};
use gateways::order::ClOrdId;
use gateways::soupbintcp::ClientConfig;
use model::{GatewayId, Instrument, PortRequest};
use net::ByteStream;
use thiserror::Error;

use crate::config;
use crate::fix_store::FileStore;
use crate::session_file::SessionFile;

/// Gives the list to a macro: name, word in the configuration, session, connection.
macro_rules! each_order_protocol {
    ($then:ident) => {
        $then! {
            Ouch50 "ouch50" gateways::gateway::OuchGateway, crate::order_link::OrderLink;
            Ouch42 "ouch42" gateways::gateway::SoupGateway<gateways::ouch42::Ouch42>, crate::order_link::OrderLink;
            Fix44 "fix44" gateways::fix::FixGateway<crate::fix_store::FileStore>, crate::fix_link::FixLink;
            Fix42 "fix42" gateways::fix::FixGateway<crate::fix_store::FileStore>, crate::fix_link::FixLink;
        }
    };
}
pub(crate) use each_order_protocol;

macro_rules! by_protocol {
    ($($name:ident $word:literal $gateway:ty, $link:ty;)*) => {
        /// The protocol that a gateway speaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum OrderProtocol {
            $(#[doc = concat!("`", $word, "`.")] $name,)*
            /// `rest_ws`: requests and a stream, by an agent of its own.
            RestWs,
        }

        impl OrderProtocol {
            /// Every protocol by its word in a configuration.
            pub const WORDS: &[(&str, OrderProtocol)] = &[$(($word, OrderProtocol::$name),)* ("rest_ws", OrderProtocol::RestWs)];

            /// How the end of a replay can be known.
            #[must_use]
            pub const fn barrier(self) -> Barrier {
                match self {
                    $(OrderProtocol::$name => <$gateway as Configured>::BARRIER,)*
                    OrderProtocol::RestWs => Barrier::None,
                }
            }
        }
    };
}
each_order_protocol! { by_protocol }

impl OrderProtocol {
    /// Whether its venues can be asked this.
    #[must_use]
    pub const fn knows(self, request: PortRequest) -> bool {
        match (self, request) {
            (OrderProtocol::RestWs, _) => false,
            (OrderProtocol::Ouch50, PortRequest::EntryOff | PortRequest::EntryOn) => true,
            (_, PortRequest::EntryOff | PortRequest::EntryOn) => false,
            (_, PortRequest::MassCancel) => true,
        }
    }
}

/// A session made from its configuration.
pub trait Configured: OrderGateway + Sized {
    /// How the end of a replay can be known.
    const BARRIER: Barrier;

    /// For the instruments of `instruments` that trade through `id`.
    ///
    /// # Errors
    /// What the configuration asks for and the protocol cannot say.
    fn configured(g: &config::Gateway, id: GatewayId, instruments: &[Instrument])
    -> Result<Self, SetupError>;
}

/// Why a session cannot be made from its configuration.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A protocol over SoupBinTCP.
    #[error(transparent)]
    Soup(#[from] ConfigError),
    /// FIX.
    #[error(transparent)]
    Fix(#[from] FixConfigError),
    /// The file that a session's state is in.
    #[error("{}: {source}", path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl<P: SoupProtocol> Configured for SoupGateway<P> {
    const BARRIER: Barrier = if P::QUERY.is_some() { Barrier::AccountQuery } else { Barrier::None };

    fn configured(
        g: &config::Gateway,
        id: GatewayId,
        instruments: &[Instrument],
    ) -> Result<Self, SetupError> {
        let session = ClientConfig::new(&g.account.username, &g.account.password);
        let mut config = GatewayConfig::new(id, g.firm, session);
        config.barrier = g.barrier;
        config.orders.clordid = g.order_text;
        config.orders.options = g.options.clone();
        let path = g.sessions.clone();
        let memory = SessionFile::open(&path).map_err(|source| SetupError::Store { path, source })?;
        Ok(SoupGateway::new(config, instruments)?.with_memory(Box::new(memory)))
    }
}

impl Configured for FixGateway<FileStore> {
    const BARRIER: Barrier = Barrier::AccountQuery;

    /// Opens its store.
    fn configured(
        g: &config::Gateway,
        id: GatewayId,
        instruments: &[Instrument],
    ) -> Result<Self, SetupError> {
        let fix = g.fix.as_ref().expect("a configuration of FIX has its table");
        let version = if g.protocol == OrderProtocol::Fix42 { Version::Fix42 } else { Version::Fix44 };
        let (user, password) = (g.account.username.clone(), g.account.password.clone());
        let credentials = match fix.key.clone() {
            Some(key) => Credentials::Hmac { user, password, key },
            None => Credentials::Password { user, password },
        };
        let session = SessionConfig {
            heartbeat_s: fix.heartbeat_s,
            reset: fix.reset,
            credentials,
            ..SessionConfig::new(Role::Initiator, version, &fix.sender, &fix.target)
        };
        let prefix = match &g.order_text {
            ClOrdId::Tagged(tag) => String::from_utf8_lossy(tag).into_owned(),
            ClOrdId::Blank => "0000".to_owned(),
        };
        let config = FixConfig {
            account: fix.account.clone(),
            barrier: g.barrier,
            drop_copy: fix.drop_copy,
            ..FixConfig::new(id, session, &prefix)
        };
        let store = std::fs::create_dir_all(fix.store.parent().unwrap_or(Path::new(".")))
            .and_then(|()| FileStore::open(&fix.store, fix.sync))
            .map_err(|source| SetupError::Store { path: fix.store.clone(), source })?;
        Ok(FixGateway::new(config, store, instruments)?)
    }
}

/// A connection that is begun and then waited for, without blocking.
pub trait Dial: ByteStream + Send + Sized {
    /// What its connections stand on, for a way that has something to take before the first of them; and what the host refuses of that, in words for a person.
    /// May wait some seconds.
    fn prepare(to: &config::Gateway) -> (Option<Self>, Vec<String>) {
        let _ = to;
        (None, Vec::new())
    }

    /// Begins to connect, on what [`Dial::prepare`] took or the connection before left ([`Dial::end`]): taken from `kept` if that is used.
    ///
    /// # Errors
    /// What is known at once; with the address in it.
    fn start(to: &config::Gateway, kept: &mut Option<Self>) -> io::Result<Self>;

    /// Whether the connection stands and takes bytes. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The connection failed. Stays failed; start a new one.
    fn poll_connected(&mut self) -> io::Result<bool>;

    /// Ends the connection; what the next one can stand on, if there is something.
    fn end(self) -> Option<Self> {
        None
    }
}
