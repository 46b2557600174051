//! `ProducerConfig`: what the user has set, by name or by typed setter, and what comes of it.
//!
//! Owns: the texts as they were given. Must not know: what the rest of the client does with a setting; it reads
//! `Settings`, which [`ProducerConfig::resolve`] makes.
//! Holds: every way to set something ends in the same row of `properties_table`; secrets are printed as `[hidden]`,
//! and so are values of unknown settings, which may be anything.

mod address;
mod choices;
mod contradictions;
mod faults;
pub(crate) mod jaas_text;
mod kinds;
mod prefix;
mod properties_file;
mod properties_table;
mod property;
mod providers;
mod readers;
mod remarks;
mod settings;
mod suggestion;
mod values;
mod variable_text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::error::Error;
use crate::escape::Escaped;
use crate::logging;
use choices::{Microseconds, SettingText};
use properties_file::Pair;
use properties_table::{PROPERTIES, find, for_each_property};
use property::{HIDDEN, PropertyValue, trim};
use remarks::Remarks;
use values::Values;

pub use choices::{
    Acks, ClientDnsLookup, ClusterChange, CompressionType, MetadataRecoveryStrategy, SecurityProtocol,
};
pub(crate) use faults::Faults;
pub(crate) use properties_file::count as read_properties;
pub(crate) use properties_file::open_regular;
pub(crate) use properties_file::pairs as properties_pairs;
#[cfg(feature = "tls")]
pub(crate) use properties_file::read_small;
pub use property::{Importance, PropertyDescription, PropertyOrigin, PropertySupport, PropertyType};
pub(crate) use settings::Settings;

/// The settings of a producer, under the names that Java's producer has, with its defaults and its rules.
///
/// They come from pairs of texts, from a Java properties file, or from typed setters, in any mixture; the last one
/// wins. [The guide](crate::guide::settings) describes all of them, and [`reference`](ProducerConfig::reference) lists
/// them for programs.
///
/// ```
/// use kafka_producer::{Acks, ProducerConfig};
/// use std::time::Duration;
///
/// let config = ProducerConfig::from_properties([
///     (ProducerConfig::BOOTSTRAP_SERVERS_CONFIG, "localhost:9092"),
///     ("linger.ms", "20"),
/// ])?
/// .acks(Acks::All)
/// .delivery_timeout(Duration::from_secs(60));
///
/// assert_eq!(config.get("linger.ms").as_deref(), Some("20"));
/// assert_eq!(config.get("delivery.timeout.ms").as_deref(), Some("60000"));
/// assert_eq!(config.get("batch.size").as_deref(), Some("16384"));
/// # Ok::<(), kafka_producer::Error>(())
/// ```
///
/// Each text is checked when it is read. Everything together is checked when the producer is created: contradictions
/// between settings, missing settings, and the values that typed setters were given. A setting that is known but not
/// supported is an error that names it, or a warning in the log if nothing that is promised depends on it
/// ([`PropertySupport`]). An unknown name is a warning, with the nearest known one. An empty text where a setting has no
/// empty value counts as not set, with a warning.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProducerConfig {
    given: BTreeMap<String, String>,
}

impl ProducerConfig {
    /// A configuration in which nothing is set.
    pub fn new() -> ProducerConfig {
        ProducerConfig::default()
    }

    /// Takes pairs of name and value, as in a Java `Properties` object. Of a name given twice the last value counts,
    /// with a warning in the log.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if values have the wrong type or are out of range, naming for
    /// each the setting, the value, and what is accepted.
    pub fn from_properties<K, V>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<ProducerConfig, Error>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut given = BTreeMap::new();
        for (name, value) in properties {
            let (name, value) = (name.into(), value.into());
            if given.contains_key(&name) {
                logging::warn!("{} is set more than once; the last value counts", Escaped(&name));
            }
            given.insert(name, value);
        }
        let config = ProducerConfig { given };
        config.check()?;
        Ok(config)
    }

    /// Reads a Java properties file: `name=value` lines with Java's escapes, continuation lines and comments. It is
    /// read as UTF-8, where Java reads Latin-1. Of a name given twice the last value counts, with a warning in the
    /// log that names both lines.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the file cannot be read, is no regular file or larger than
    /// 4 MiB, is not UTF-8 (naming the position), has a broken escape, or holds a value that [`from_properties`](ProducerConfig::from_properties) would refuse.
    pub fn from_file(path: impl AsRef<Path>) -> Result<ProducerConfig, Error> {
        let path = path.as_ref();
        let mut given = BTreeMap::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        for Pair { name, value, line } in properties_file::read(path)? {
            if let Some(earlier) = lines.insert(name.clone(), line) {
                logging::warn!(
                    "{}: {} is set on line {earlier} and again on line {line}; the last value counts",
                    Escaped(&path.display().to_string()),
                    Escaped(&name)
                );
            }
            given.insert(name, value);
        }
        let config = ProducerConfig { given };
        let named = |error| Error::config(format!("{}: {error}", Escaped(&path.display().to_string())));
        config.check().map_err(named)?;
        Ok(config)
    }

    /// Sets one setting by name. The value is checked when the producer is created.
    #[must_use = "it returns the changed configuration"]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> ProducerConfig {
        self.given.insert(name.into(), value.into());
        self
    }

    /// Logs in by PLAIN: sets `sasl.mechanism` and `sasl.jaas.config`. The password goes over the network as it is, so
    /// `security.protocol` should be `SASL_SSL`; it has to be set as well.
    ///
    /// ```
    /// use kafka_producer::{ProducerConfig, SecurityProtocol};
    ///
    /// let config = ProducerConfig::new()
    ///     .bootstrap_servers("pkc-1234.eu-central-1.aws.confluent.cloud:9092")
    ///     .security_protocol(SecurityProtocol::SaslSsl)
    ///     .sasl_plain("API key", "API secret");
    /// assert_eq!(config.get("sasl.mechanism").as_deref(), Some("PLAIN"));
    /// ```
    #[must_use = "it returns the changed configuration"]
    pub fn sasl_plain(self, username: &str, password: &str) -> ProducerConfig {
        self.sasl("PLAIN", jaas_text::PLAIN_LOGIN_MODULE, username, password)
    }

    /// Logs in by SCRAM-SHA-256: sets `sasl.mechanism` and `sasl.jaas.config`. `security.protocol` has to be set as well:
    /// `SASL_SSL`, or `SASL_PLAINTEXT`.
    #[must_use = "it returns the changed configuration"]
    pub fn sasl_scram_sha_256(self, username: &str, password: &str) -> ProducerConfig {
        self.sasl("SCRAM-SHA-256", jaas_text::SCRAM_LOGIN_MODULE, username, password)
    }

    /// Logs in by SCRAM-SHA-512: as [`sasl_scram_sha_256`](ProducerConfig::sasl_scram_sha_256).
    #[must_use = "it returns the changed configuration"]
    pub fn sasl_scram_sha_512(self, username: &str, password: &str) -> ProducerConfig {
        self.sasl("SCRAM-SHA-512", jaas_text::SCRAM_LOGIN_MODULE, username, password)
    }

    fn sasl(self, mechanism: &str, module: &str, username: &str, password: &str) -> ProducerConfig {
        let (username, password) = (jaas_text::quoted(username), jaas_text::quoted(password));
        let line = format!("{module} required username={username} password={password};");
        self.set(Self::SASL_MECHANISM, mechanism).set(Self::SASL_JAAS_CONFIG, line)
    }

    /// Removes a setting, so that its default holds again.
    #[must_use = "it returns the changed configuration"]
    pub fn unset(mut self, name: &str) -> ProducerConfig {
        self.given.remove(name);
        self
    }

    /// Keeps the settings whose names begin with `prefix`, without it, and drops all others. This is for files of other
    /// programs in which a producer's settings stand among theirs: `producer.` in a worker of Kafka Connect,
    /// `producer.override.` in a connector, `NAME.producer.` in MirrorMaker, `spring.kafka.producer.` in Spring.
    ///
    /// Settings that such a program adds by itself have to be set afterwards, most often `bootstrap.servers`.
    /// `config.providers` and its parameters are kept although they have no prefix. As in Spring, names may be written with
    /// `-` in place of dots, and may have `properties.` after the prefix. Values are checked when the producer is created.
    ///
    /// ```
    /// use kafka_producer::ProducerConfig;
    ///
    /// let file = ProducerConfig::from_properties([
    ///     ("bootstrap.servers", "localhost:9092"),
    ///     ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
    ///     ("producer.linger.ms", "20"),
    /// ])?;
    /// let servers = file.get("bootstrap.servers").unwrap_or_default();
    /// let config = file.with_prefix("producer.").bootstrap_servers(&servers);
    /// assert_eq!(config.get("linger.ms").as_deref(), Some("20"));
    /// assert_eq!(config.get("key.converter"), None);
    /// # Ok::<(), kafka_producer::Error>(())
    /// ```
    #[must_use = "it returns the changed configuration"]
    pub fn with_prefix(self, prefix: &str) -> ProducerConfig {
        ProducerConfig { given: prefix::below(self.given, prefix) }
    }

    /// The value of a setting as text: what was set, or else the default. Passwords are `[hidden]`, and so are the
    /// values of unknown settings, which may be secrets, and logins in addresses. `None` where nothing is set and there
    /// is no default. A `client.id` that is not set is chosen when the producer is created.
    pub fn get(&self, name: &str) -> Option<String> {
        let property = find(name);
        match self.given.get(name) {
            Some(text) if property.is_none_or(|property| !property.is_unset_by(text)) => {
                Some(shown(name, trim(text)).into_owned())
            }
            _ => property?.default().map(str::to_owned),
        }
    }

    /// Whether anybody has set this, be it to an empty text.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Every known setting with type, default, range and description, in the order of the reference.
    ///
    /// ```
    /// use kafka_producer::ProducerConfig;
    ///
    /// let linger =
    ///     ProducerConfig::reference().find(|p| p.name() == "linger.ms").ok_or("unknown")?;
    /// assert_eq!(
    ///     (linger.property_type().to_string(), linger.default()),
    ///     ("long".to_string(), Some("5"))
    /// );
    /// # Ok::<(), &str>(())
    /// ```
    pub fn reference() -> impl Iterator<Item = &'static PropertyDescription> {
        PROPERTIES.iter().copied()
    }

    /// Checks everything and gives each setting its type; what is wrong counts as not set, and is added to the faults.
    /// `given` are the names of those settings that are not needed since their part was given as a value.
    pub(crate) fn resolve(&self, given: &[&str], faults: &mut Faults) -> Settings {
        let mut remarks = Remarks::default();
        let settings = self.settings(given, &mut remarks, faults);
        remarks.log();
        settings
    }

    /// Prints all settings at info, with what the rules have made of them.
    pub(crate) fn log(&self, settings: &Settings) {
        logging::info!("{}", self.in_effect(settings));
    }

    /// What was set, with what the rules have made of it. A value with variables stays as it was written: what stands
    /// for them may be secret.
    fn in_effect(&self, settings: &Settings) -> ProducerConfig {
        let mut config = self.clone();
        for (name, text) in settings.adjusted().map(|(property, text)| (property.name(), text)) {
            let given = config.given.get(name);
            if given.is_none_or(|given| !given.contains("${")) && config.get(name).as_ref() != Some(&text) {
                config.given.insert(String::from(name), text);
            }
        }
        config
    }

    fn settings(&self, given: &[&str], remarks: &mut Remarks, faults: &mut Faults) -> Settings {
        for name in self.given.keys().filter(|name| find(name).is_none() && !providers::is_parameter(name)) {
            remarks.warn(match (prefix::of(name), suggestion::suggested(name)) {
                (Some(prefix), _) => format!(
                    "{} is not a known setting, but is one without the prefix {prefix}: see \
                     ProducerConfig::with_prefix",
                    Escaped(name)
                ),
                (None, Some(known)) => {
                    format!("{} is not a known setting, did you mean {known}?", Escaped(name))
                }
                (None, None) => format!("{} is not a known setting", Escaped(name)),
            });
        }
        let replaced = providers::replace_variables(&self.given, remarks, faults);
        let values = Values::parse(&self.given, &replaced, remarks, faults);
        values.required(given, remarks, faults);
        let mut settings = Settings::read(&values);
        contradictions::settle(&mut settings, &values, remarks, faults);
        values.supported(settings.security_protocol, remarks, faults);
        settings
    }

    /// Each text by itself; those that may hold variables are checked when these are replaced.
    fn check(&self) -> Result<(), Error> {
        let variables = self.given.contains_key(ProducerConfig::CONFIG_PROVIDERS_CONFIG);
        let mut faults = Faults::default();
        for (name, text) in &self.given {
            let is_final = !(variables && text.contains("${"));
            if let Some(property) = find(name).filter(|property| is_final && !property.is_unset_by(text)) {
                faults.keep(property.parse(text, text));
            }
        }
        faults.into_result()
    }
}

/// A setting's value as it may be shown; one of a name that is not known may be anything.
fn shown<'a>(name: &str, text: &'a str) -> Cow<'a, str> {
    match find(name) {
        Some(property) => property.shown(text),
        None if providers::is_shown(name) => Cow::Borrowed(text),
        None => Cow::Borrowed(HIDDEN),
    }
}

macro_rules! default_text {
    (required) => {
        "Required."
    };
    (null) => {
        "Not set by default."
    };
    ("") => {
        "Empty by default."
    };
    ($text:literal) => {
        concat!("Default ", $text, ".")
    };
}

/// The names, as in Java's `ProducerConfig`, `SslConfigs` and `SaslConfigs`, and the typed setters of the rows that have
/// one.
macro_rules! names_and_setters {
    ($($constant:ident = $name:literal {
        doc: $doc:literal,
        type: $kind:ident, default: $default:tt,
        $(setter: $setter:ident($given:ty $(as $unit:ident)?),)? $(field: $field:ident: $type:ty = $reader:ident,)?
        accepts: $($rest:tt)*
    })*) => {
        // The setters first: rustdoc shows them in this order, and there are many names.
        impl ProducerConfig {
            $($(
                #[doc = concat!("Sets `", $name, "`. ", $doc, " ", default_text!($default))]
                ///
                /// The value is checked when the producer is created; a duration is rounded up to the setting's unit.
                #[must_use = "it returns the changed configuration"]
                pub fn $setter(self, value: $given) -> ProducerConfig {
                    self.set($name, $($unit)?(value).into_text())
                }
            )?)*
        }

        impl ProducerConfig {
            $(
                #[doc = concat!("`", $name, "`: ", $doc, " ", default_text!($default))]
                #[doc(alias = $name)]
                pub const $constant: &'static str = $name;
            )*
        }
    };
}
for_each_property!(names_and_setters);

/// All known settings with their values, one a line and sorted, as Java's producer prints them at start-up. Passwords
/// are `[hidden]`.
impl fmt::Display for ProducerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = PROPERTIES.to_vec();
        lines.sort_by_key(|property| property.name());
        f.write_str("ProducerConfig values:")?;
        for property in lines {
            let value = match self.get(property.name()) {
                None => PropertyValue::Null,
                // A secret, or with variables: as it is shown.
                Some(text) => property.parse(&text, &text).unwrap_or(PropertyValue::Text(text)),
            };
            write!(f, "\n\t{} = {value}", property.name())?;
        }
        Ok(())
    }
}

/// What was set, with passwords and the values of unknown settings hidden.
impl fmt::Debug for ProducerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProducerConfig ")?;
        f.debug_map().entries(self.given.iter().map(|(name, text)| (name, shown(name, text)))).finish()
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
