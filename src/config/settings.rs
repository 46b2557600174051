//! `Settings`: what the rest of the client reads. Every setting has its type here, and no contradiction is left.
//!
//! Owns: the fields, which are those of the table's rows. Must not know: where the texts came from, rules between settings.
//! Holds: a field and its row are one line of the table, so no setting is looked up by a text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::choices::{
    Acks, ClientDnsLookup, ClusterChange, CompressionType, MetadataRecoveryStrategy, SecurityProtocol,
};
use super::kinds::{self, ValueKind};
use super::properties_table::{self as row, for_each_property};
use super::property::{PropertyDescription, trim};
use super::readers;
use super::values::Values;
use super::variable_text::VariableText;
use crate::backoff::ExponentialBackoff;
use crate::properties::Named;
use crate::secret::Secret;

macro_rules! settings {
    ($($constant:ident = $name:literal {
        doc: $doc:literal,
        type: $kind:ident, default: $default:tt,
        $(setter: $setter:ident($given:ty $(as $unit:ident)?),)? $(field: $field:ident: $type:ty = $reader:ident,)?
        accepts: $($rest:tt)*
    })*) => {
        /// All that the client's parts need to know, checked and with types.
        #[derive(Clone)]
        #[cfg_attr(
            not(all(feature = "oidc", feature = "gssapi")),
            expect(dead_code, reason = "some are only for what a feature brings")
        )]
        pub(crate) struct Settings {
            $($(#[doc = concat!("`", $name, "`")] pub(crate) $field: $type,)?)*

            /// Host and port of each entry of `bootstrap.servers`, at least one, in the order given.
            pub(crate) bootstrap_servers: Vec<(String, u16)>,
            /// Everything that was set, known or not, with variables replaced: for `configure` of serializers and the
            /// like. It holds secrets: not for printing.
            pub(crate) properties: Arc<BTreeMap<String, String>>,
            /// The same before variables were replaced, for messages.
            pub(crate) written: Arc<BTreeMap<String, String>>,
        }

        impl Settings {
            /// The values as they are, before the rules between them.
            pub(super) fn read(values: &Values<'_>) -> Settings {
                Settings {
                    $($($field: readers::$reader(kinds::$kind::read(values, row::$constant)),)?)*
                    bootstrap_servers: Vec::new(),
                    properties: Arc::new(values.replaced.clone()),
                    written: Arc::new(values.given.clone()),
                }
            }
        }
    };
}
for_each_property!(settings);

/// Nothing: settings hold secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// How long to wait before a request is sent again: `retry.backoff.ms` to `retry.backoff.max.ms`.
    pub(crate) fn retry(&self) -> ExponentialBackoff {
        ExponentialBackoff::new(self.retry_backoff, self.retry_backoff_max)
    }

    /// How long to wait before a broker is connected again: `reconnect.backoff.ms` to `reconnect.backoff.max.ms`.
    pub(crate) fn reconnect(&self) -> ExponentialBackoff {
        ExponentialBackoff::new(self.reconnect_backoff, self.reconnect_backoff_max)
    }

    /// How long a connection may take: `socket.connection.setup.timeout.ms` to its maximum.
    pub(crate) fn connection_setup(&self) -> ExponentialBackoff {
        ExponentialBackoff::new(
            self.socket_connection_setup_timeout,
            self.socket_connection_setup_timeout_max,
        )
    }

    /// What messages show in place of `bootstrap.servers`, if a part of it came out of a variable.
    pub(crate) fn bootstrap_variable(&self) -> Option<&str> {
        let entry = self.bootstrap_entries.iter().find(|entry| !entry.is_literal())?;
        Some(&entry.shown)
    }

    /// What messages show in place of a setting that is no secret: as it was written, with variables.
    pub(crate) fn shown(&self, name: &str) -> &str {
        self.written.get(name).map_or("", |written| trim(written))
    }

    /// A text with variables, to be read again later; none where this setting has none.
    pub(crate) fn variable_text(&self, name: &str) -> Option<VariableText> {
        VariableText::of(name, &self.written, &self.properties)
    }

    /// The settings whose values the rules may have changed, as they are now.
    pub(super) fn adjusted(&self) -> [(&'static PropertyDescription, String); 5] {
        let millis = |time: Duration| time.as_millis().to_string();
        [
            (row::CLIENT_ID_CONFIG, self.client_id.clone()),
            (row::ENABLE_IDEMPOTENCE_CONFIG, self.enable_idempotence.to_string()),
            (row::LINGER_MS_CONFIG, millis(self.linger)),
            (row::DELIVERY_TIMEOUT_MS_CONFIG, millis(self.delivery_timeout)),
            (row::RECONNECT_BACKOFF_MAX_MS_CONFIG, millis(self.reconnect_backoff_max)),
        ]
    }
}
