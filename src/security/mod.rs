//! Who the brokers are, and who we are to them: TLS and SASL.
//!
//! Owns: what `security.protocol` means. Must not know: requests of the caller, batches.
//! Source: Kafka's `ChannelBuilders`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub(crate) mod sasl;
#[cfg(feature = "tls")]
pub(crate) mod stores;
#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Instant;

use crate::config::{Faults, Settings};
use crate::error::Error;
use crate::network::{BackgroundWork, ChannelBuilder, HandshakeStep, TransportLayer, Upkeep};
#[cfg(feature = "tls")]
use tls::TlsContext;

pub(crate) use sasl::GivenLogins;
use sasl::Mechanisms;
pub use sasl::SaslCredentials;
pub use sasl::oauthbearer::{OAuthBearerToken, TokenProvider, TokenProviderError};

/// What connections have beside their sockets, by `security.protocol`.
#[derive(Debug)]
struct SecurityChannels {
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsContext>>,
    sasl: Option<Arc<dyn Mechanisms>>,
}

/// What new connections are made with. Reads the key and trust stores, and blocks as long as that takes. What is wrong is
/// added to the faults.
pub(crate) fn channels(
    settings: &Settings,
    logins: GivenLogins,
    faults: &mut Faults,
) -> Arc<dyn ChannelBuilder> {
    let protocol = settings.security_protocol;
    #[cfg(not(feature = "tls"))]
    if protocol.has_tls() {
        faults.add(Error::config(format!(
            "Invalid value {} for configuration security.protocol: this build is without TLS; turn on the feature `tls` of \
             the crate kafka-producer",
            settings.shown("security.protocol")
        )));
    }
    Arc::new(SecurityChannels {
        #[cfg(feature = "tls")]
        tls: protocol.has_tls().then(|| TlsContext::new(settings, faults)).flatten(),
        sasl: protocol.has_sasl().then(|| sasl::mechanisms(settings, logins, faults)).flatten(),
    })
}

impl ChannelBuilder for SecurityChannels {
    fn prepare(&self) -> Option<BackgroundWork> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().and_then(TlsContext::look_again);
        #[cfg(not(feature = "tls"))]
        None
    }

    fn reload(&self) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())?;
        Ok(())
    }

    fn transport_layer(&self, host: &str) -> Result<Option<Box<dyn TransportLayer>>, Error> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().map(|tls| tls.layer(host)).transpose();
        #[cfg(not(feature = "tls"))]
        {
            let _ = host;
            Ok(None)
        }
    }

    fn authentication(&self, host: &str) -> Vec<Box<dyn HandshakeStep>> {
        self.sasl.as_ref().map(|mechanisms| sasl::authentication(mechanisms, host)).unwrap_or_default()
    }

    fn upkeep(&self, now: Instant) -> Upkeep {
        let upkeep = self.sasl.as_ref().map(|mechanisms| mechanisms.upkeep(now)).unwrap_or_default();
        #[cfg(feature = "tls")]
        let upkeep = upkeep.and(self.tls.as_ref().map(|tls| tls.upkeep(now)).unwrap_or_default());
        upkeep
    }
}
