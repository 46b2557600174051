//! `StoreSources`: where our key and the certificates that we trust are, by the `ssl.keystore.*` and `ssl.truststore.*`
//! settings.
//!
//! Owns: the rules between those settings, reading the files, when they have changed, and what errors name. Must not know:
//! formats of stores, what is made of keys and certificates.
//! Holds: an error names the file and the setting, and no secret; what was read from a store of keys is overwritten after use.
//! Source: Java's `DefaultSslEngineFactory`. What it refuses although it says all that is needed is accepted: PEM inline or in
//! a file without a word about its type.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::config::{Faults, Settings, read_small};
use crate::error::Error;
use crate::escape::Escaped;
use crate::logging;
use crate::secret::Secret;
use crate::security::stores::{self, KeyEntry, StoreError, StorePassword, StoreType};

/// Where our key and the certificates that we trust are.
#[derive(Debug)]
pub(super) struct StoreSources {
    /// None: brokers are shown no certificate.
    key: Option<StoreSource>,
    /// None: the system's.
    trusted: Option<StoreSource>,
}

/// Where one store is, and what opens it.
#[derive(Debug)]
struct StoreSource {
    names: &'static StoreSettings,
    /// As it may be shown.
    origin: String,
    bytes: StoreBytes,
    said: Option<StoreType>,
    password: Option<Secret>,
    key_password: Option<Secret>,
}

#[derive(Debug)]
enum StoreBytes {
    File(PathBuf),
    /// PEM in the settings themselves.
    Certificates(Secret),
    Key {
        key: Secret,
        chain: Secret,
    },
}

/// The names of a store's settings.
#[derive(Debug)]
struct StoreSettings {
    store: &'static str,
    location: &'static str,
    store_type: &'static str,
    password: &'static str,
    key_password: &'static str,
    inline: &'static str,
}

static KEY_STORE: StoreSettings = StoreSettings {
    store: "key store",
    location: "ssl.keystore.location",
    store_type: "ssl.keystore.type",
    password: "ssl.keystore.password",
    key_password: "ssl.key.password",
    inline: "ssl.keystore.key",
};

static TRUST_STORE: StoreSettings = StoreSettings {
    store: "trust store",
    location: "ssl.truststore.location",
    store_type: "ssl.truststore.type",
    password: "ssl.truststore.password",
    key_password: "",
    inline: "ssl.truststore.certificates",
};

/// What tells whether a file is still what it was: none where it cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileStamps(Vec<Option<FileStamp>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    modified: Option<SystemTime>,
    bytes: u64,
    /// Which file of which device, and when anything of it was last changed, where the system has that.
    identity: (u64, u64, i64, i64),
}

impl StoreSources {
    /// What contradicts each other is added to the faults.
    pub(super) fn new(settings: &Settings, faults: &mut Faults) -> StoreSources {
        StoreSources { key: key_source(settings, faults), trusted: trust_source(settings, faults) }
    }

    /// Our keys, each with its certificates, and where they are from; none where brokers are shown none.
    pub(super) fn keys(&self) -> Result<Option<(Vec<KeyEntry>, &str)>, Error> {
        let Some(source) = &self.key else { return Ok(None) };
        let [password, key_password] =
            [&source.password, &source.key_password].map(|it| it.as_ref().map(Secret::expose));
        let entries = match &source.bytes {
            StoreBytes::Key { key, chain } => {
                let (key, chain) = (key.expose().as_bytes(), chain.expose().as_bytes());
                let certificates = stores::read_trusted_certificates(StoreType::Pem, chain, None);
                certificates
                    .map_err(|error| Error::config(format!("ssl.keystore.certificate.chain: {error}")))?;
                let entry = stores::read_pem_key_entry(key, chain, key_password);
                vec![entry.map_err(|error| source.unusable(&error))?]
            }
            _ => source.read(|kind, bytes| stores::read_key_entries(kind, bytes, password, key_password))?,
        };
        Ok(Some((entries, &source.origin)))
    }

    /// The certificates that we trust, and where they are from; none where the system's count.
    pub(super) fn trusted(&self) -> Result<Option<(Vec<CertificateDer<'static>>, &str)>, Error> {
        let Some(source) = &self.trusted else { return Ok(None) };
        let password = source.password.as_ref().map(Secret::expose);
        let read = |kind, bytes: &[u8]| stores::read_trusted_certificates(kind, bytes, password);
        Ok(Some((source.read(read)?, &source.origin)))
    }

    /// There are files, which may change.
    pub(super) fn has_files(&self) -> bool {
        self.files().next().is_some()
    }

    /// How the files stand now. Blocks as long as looking at them takes.
    pub(super) fn stamps(&self) -> FileStamps {
        FileStamps(self.files().map(|(_, path)| FileStamp::of(path)).collect())
    }

    /// The files that differ, as they may be shown.
    pub(super) fn changed(&self, before: &FileStamps, now: &FileStamps) -> Vec<&str> {
        let pairs = before.0.iter().zip(&now.0);
        self.files()
            .zip(pairs)
            .filter(|(_, (before, now))| before != now)
            .map(|((origin, _), _)| origin)
            .collect()
    }

    /// All of them, as they may be shown.
    pub(super) fn all_files(&self) -> Vec<&str> {
        self.files().map(|(origin, _)| origin).collect()
    }

    /// Where they are: as it may be shown, and as it is.
    fn files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.key.iter().chain(&self.trusted).filter_map(|source| match &source.bytes {
            StoreBytes::File(path) => Some((source.origin.as_str(), path.as_path())),
            StoreBytes::Certificates(_) | StoreBytes::Key { .. } => None,
        })
    }
}

impl StoreSource {
    /// Reads it, as the type that was said, or else as that which its bytes are.
    fn read<T>(&self, read: impl FnOnce(StoreType, &[u8]) -> Result<T, StoreError>) -> Result<T, Error> {
        let content = match &self.bytes {
            StoreBytes::File(path) => Zeroizing::new(read_small(path).map_err(|(problem, source)| {
                let error = Error::config(format!("{}: cannot read the file: {problem}", self.origin));
                match source {
                    Some(source) => error.with_source(source),
                    None => error,
                }
            })?),
            StoreBytes::Certificates(text) => Zeroizing::new(text.expose().as_bytes().to_vec()),
            StoreBytes::Key { .. } => Zeroizing::default(),
        };
        let kind = match self.said {
            Some(said) => said,
            None => {
                let found = stores::type_by_bytes(&content).map_err(|error| self.unusable(&error))?;
                found.ok_or_else(|| {
                    Error::config(format!("{}: it is neither PEM, PKCS12 nor JKS", self.origin))
                })?
            }
        };
        read(kind, &content).map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &StoreError) -> Error {
        let at_fault = match error.password() {
            Some(StorePassword::Store) => format!(" (see {})", self.names.password),
            Some(StorePassword::Key) => format!(" (see {})", self.names.key_password),
            None => String::new(),
        };
        let at_fault = match error {
            StoreError::OtherType { .. } => format!(" (see {})", self.names.store_type),
            _ => at_fault,
        };
        Error::config(format!("{}: {error}{at_fault}", self.origin))
    }
}

fn key_source(settings: &Settings, faults: &mut Faults) -> Option<StoreSource> {
    let names = &KEY_STORE;
    warn_of_empty(settings, names.location, settings.ssl_keystore_location.is_none());
    warn_of_empty(settings, names.inline, settings.ssl_keystore_key.is_none());
    let said = faults.keep(said_type(settings, names, &settings.ssl_keystore_type))?;
    let inline = match (&settings.ssl_keystore_key, &settings.ssl_keystore_certificate_chain) {
        (Some(key), Some(chain)) => Some(StoreBytes::Key { key: key.clone(), chain: chain.clone() }),
        (Some(_), None) => {
            faults.add(Error::config(
                "ssl.keystore.certificate.chain is not set, and ssl.keystore.key is: the key's certificates are needed as well",
            ));
            return None;
        }
        (None, Some(_)) => {
            faults.add(Error::config(
                "ssl.keystore.key is not set, and ssl.keystore.certificate.chain is: the certificates' key is needed as well",
            ));
            return None;
        }
        (None, None) => None,
    };
    let given = Given {
        location: settings.ssl_keystore_location.as_deref(),
        inline,
        said,
        password: settings.ssl_keystore_password.clone(),
        key_password: settings.ssl_key_password.clone(),
    };
    faults.keep(source(settings, names, given))?
}

fn trust_source(settings: &Settings, faults: &mut Faults) -> Option<StoreSource> {
    let names = &TRUST_STORE;
    warn_of_empty(settings, names.location, settings.ssl_truststore_location.is_none());
    warn_of_empty(settings, names.inline, settings.ssl_truststore_certificates.is_none());
    let said = faults.keep(said_type(settings, names, &settings.ssl_truststore_type))?;
    let given = Given {
        location: settings.ssl_truststore_location.as_deref(),
        inline: settings.ssl_truststore_certificates.clone().map(StoreBytes::Certificates),
        said,
        password: settings.ssl_truststore_password.clone(),
        key_password: None,
    };
    faults.keep(source(settings, names, given))?
}

/// Where others are trusted than was meant, or no certificate of ours is shown, this is why.
fn warn_of_empty(settings: &Settings, name: &str, has_no_value: bool) {
    if has_no_value && settings.properties.contains_key(name) {
        logging::warn!("{name} is empty, which counts as not set");
    }
}

/// What the settings of one store say.
struct Given<'a> {
    location: Option<&'a str>,
    inline: Option<StoreBytes>,
    said: Option<StoreType>,
    password: Option<Secret>,
    key_password: Option<Secret>,
}

fn source(
    settings: &Settings,
    names: &'static StoreSettings,
    given: Given<'_>,
) -> Result<Option<StoreSource>, Error> {
    let Given { location, inline, said, password, key_password } = given;
    let StoreSettings {
        store,
        location: location_name,
        store_type,
        password: password_name,
        inline: inline_name,
        ..
    } = names;
    if location.is_some() && inline.is_some() {
        return Err(Error::config(format!(
            "both {location_name} and {inline_name} are set: one of them is enough"
        )));
    }
    let is_pem = said == Some(StoreType::Pem) || inline.is_some();
    if is_pem && password.is_some() {
        let instead = if names.key_password.is_empty() { "" } else { ", the key's own is ssl.key.password" };
        return Err(Error::config(format!(
            "{password_name} is set, and PEM has no password of the whole{instead}"
        )));
    }
    let (origin, bytes) = match (location, inline) {
        (_, Some(_)) if said.is_some_and(|said| said != StoreType::Pem) => {
            let said = settings.shown(store_type);
            return Err(Error::config(format!(
                "Invalid value {} for configuration {store_type}: {inline_name} is always PEM",
                Escaped(said)
            )));
        }
        (_, Some(inline)) => ((*inline_name).to_owned(), inline),
        (Some(path), None) => {
            let shown = Escaped(settings.shown(location_name));
            (format!("{location_name} ({shown})"), StoreBytes::File(PathBuf::from(path)))
        }
        (None, None) if password.is_some() => {
            return Err(Error::config(format!(
                "{password_name} is set, and there is no {store} that it opens: {location_name} is not set"
            )));
        }
        (None, None) => return Ok(None),
    };
    let said = if is_pem { Some(StoreType::Pem) } else { said };
    Ok(Some(StoreSource { names, origin, bytes, said, password, key_password }))
}

/// The type, where it was said and is not just the default, which no inline PEM and few files have nowadays.
fn said_type(settings: &Settings, names: &StoreSettings, value: &str) -> Result<Option<StoreType>, Error> {
    if !settings.properties.contains_key(names.store_type) {
        return Ok(None);
    }
    let known = StoreType::of_name(value).map(Some);
    known.ok_or_else(|| {
        Error::config(format!(
            "Invalid value {} for configuration {}: Value must be one of: JKS, PKCS12, PEM",
            Escaped(settings.shown(names.store_type)),
            names.store_type
        ))
    })
}

impl FileStamp {
    fn of(path: &Path) -> Option<FileStamp> {
        let metadata = fs::metadata(path).ok()?;
        Some(FileStamp {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            identity: identity(&metadata),
        })
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;

    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> (u64, u64, i64, i64) {
    (0, 0, 0, 0)
}
