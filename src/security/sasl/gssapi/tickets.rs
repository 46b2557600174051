//! `KerberosLogin`: the first ticket, from a ticket cache or by a keytab; `Tickets`: it, and those for brokers that it buys.
//!
//! Owns: where tickets come from, which are kept. Must not know: what is said with them.
//! Threads: all that reads files or asks a KDC is called on workers' threads. Lock: for a moment, with nothing called under it.
//! Holds: no ticket cache is written to; only `kinit -R` renews what is in one. `krb5.conf` and the keytab are read at each login.
//! Source: JDK's `Krb5LoginModule` for the order, Java's `KerberosLogin` for the renewal.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use krb5::{CCache, CacheError, CacheName, Credentials, KdcClient, Keytab, Krb5Conf, Principal};

use super::kerberos_errors::{Asked, explain, is_the_tickets_end};
use super::kinit::Kinit;
use super::krb5_options::{FilePlace, Krb5Options};
use crate::catch_panic::catch_panic;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::logging;
use crate::security::sasl::refresh_time::Lifetime;
use crate::security::sasl::refreshing_login::{CredentialSource, ExpiringCredential, NoCredential};
use crate::sync::Mutex;

/// Logs in.
#[derive(Debug)]
pub(super) struct KerberosLogin {
    options: Krb5Options,
    kinit: Kinit,
    /// When the ticket ends that a cache had last: the same one again is to be renewed.
    last_end: AtomicI64,
    /// Which was told to be the last one.
    told: AtomicI64,
}

impl KerberosLogin {
    pub(super) fn new(options: Krb5Options, kinit: Kinit) -> KerberosLogin {
        KerberosLogin { options, kinit, last_end: AtomicI64::new(0), told: AtomicI64::new(0) }
    }

    /// What can be known before anybody is asked. Ticket caches may be filled later, keytabs are there.
    pub(super) fn check(&self) -> Result<(), String> {
        let conf = configuration()?;
        if let Some(FilePlace::At(name)) = &self.options.cache {
            CacheName::parse_with(name, &conf).map_err(|error| cache_text(&error, name))?;
        }
        let principal = self.principal(&conf)?;
        match (&self.options.keytab, &principal) {
            // The cache comes first, and may not be there yet.
            (Some(place), Some(principal)) if self.options.cache.is_none() => {
                keytab(place, principal, &conf).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// As the option has it; without a realm it is of the usual one.
    fn principal(&self, conf: &Krb5Conf) -> Result<Option<Principal>, String> {
        let Some(name) = &self.options.principal else { return Ok(None) };
        let parsed = match (name.contains('@'), conf.default_realm()) {
            (true, _) => Principal::parse(name),
            (false, Some(realm)) => Principal::parse_in_realm(name, realm),
            (false, None) => {
                return Err(format!(
                    "principal {} has no realm, and krb5.conf has no default_realm",
                    Escaped(name)
                ));
            }
        };
        parsed.map(Some).map_err(|_| format!("principal {} is not NAME@REALM", Escaped(name)))
    }

    /// The ticket of a ticket cache, after `kinit -R` where it is the one that was there before.
    fn of_cache(&self, place: &FilePlace, conf: &Krb5Conf) -> Result<Tickets, NoCredential> {
        let (cache, named) = match place {
            FilePlace::Usual => (CacheName::default(conf), None),
            FilePlace::At(name) => (CacheName::parse_with(name, conf), Some(name.as_str())),
        };
        let shown = named.unwrap_or("(the usual one)");
        let cache = cache.map_err(|error| NoCredential::lasting(cache_text(&error, shown)))?;
        let shown = cache.to_string();
        let read = || {
            if let CacheName::File(path) | CacheName::DirMember(path) = &cache {
                let refused =
                    |why| NoCredential::passing(format!("the ticket cache {}: {why}", Escaped(&shown)));
                check_size(path).map_err(refused)?;
            }
            cache.read().map_err(|error| NoCredential::passing(cache_text(&error, &shown)))
        };
        let mut contents = read()?;
        let wanted = self.principal(conf).map_err(NoCredential::lasting)?;
        check_owner(&contents, wanted.as_ref(), &shown)?;
        let now = now();
        if contents.tgt(now).is_some_and(|ticket| self.is_to_be_renewed(&ticket, now, &shown)) {
            match self.kinit.renew(named) {
                Ok(()) => contents = read()?,
                Err(why) => {
                    logging::warn!("the Kerberos ticket in {} is not renewed: {why}", Escaped(&shown))
                }
            }
            check_owner(&contents, wanted.as_ref(), &shown)?;
        }
        let ticket = contents.tgt(now).ok_or_else(|| no_ticket(&contents, &shown))?;
        self.last_end.store(ticket.endtime, Ordering::Relaxed);
        let client = kdc(conf, &contents.principal.realm)?;
        let ticket = if self.options.renews { renewed(&client, ticket, now) } else { ticket };
        Ok(Tickets::new(client, conf.clone(), ticket))
    }

    /// Whether it is the one from before, and can be renewed. That it cannot is told once.
    fn is_to_be_renewed(&self, ticket: &Credentials, now: i64, cache: &str) -> bool {
        if self.last_end.load(Ordering::Relaxed) != ticket.endtime {
            return false;
        }
        if ticket.can_renew_at(now) && ticket.renew_till.is_some_and(|till| till > ticket.endtime) {
            return true;
        }
        if self.told.swap(ticket.endtime, Ordering::Relaxed) != ticket.endtime {
            logging::warn!(
                "the Kerberos ticket of {} in {} ends in {} s and cannot be renewed beyond that: without a new one (kinit), \
                 or a keytab, no login succeeds then",
                Escaped(&ticket.client.to_string()),
                Escaped(cache),
                ticket.endtime.saturating_sub(now)
            );
        }
        false
    }

    /// A ticket for the key in a keytab.
    fn of_keytab(&self, place: &FilePlace, conf: &Krb5Conf) -> Result<Tickets, NoCredential> {
        let principal = self.principal(conf).map_err(NoCredential::lasting)?;
        let principal = principal.ok_or_else(|| NoCredential::lasting("useKeyTab=true needs principal"))?;
        let keytab = keytab(place, &principal, conf).map_err(NoCredential::passing)?;
        let client = kdc(conf, &principal.realm)?;
        let ticket = client.login_with_keytab(&principal, &keytab).map_err(|error| {
            let (text, is_final) =
                explain(&error, Asked { principal: &principal.to_string(), service: None });
            NoCredential { text, is_final, source: Some(Box::new(error)) }
        })?;
        Ok(Tickets::new(client, conf.clone(), ticket))
    }
}

impl CredentialSource<Tickets> for KerberosLogin {
    fn fetch(&self) -> Result<Tickets, NoCredential> {
        let conf = configuration().map_err(NoCredential::passing)?;
        let cached = self.options.cache.as_ref().map(|place| self.of_cache(place, &conf));
        match (cached, &self.options.keytab) {
            (Some(Ok(tickets)), _) => Ok(tickets),
            (Some(Err(why)), Some(place)) => self.of_keytab(place, &conf).map_err(|second| NoCredential {
                text: format!("{}; before that, {}", second.text, why.text),
                ..second
            }),
            (Some(Err(why)), None) => Err(why),
            (None, Some(place)) => self.of_keytab(place, &conf),
            (None, None) => Err(NoCredential::lasting("neither a ticket cache nor a keytab is to be used")),
        }
    }
}

/// What a login comes to.
pub(super) struct Tickets {
    kdc: KdcClient,
    conf: Krb5Conf,
    first: Credentials,
    /// By the brokers' hosts.
    of_brokers: Mutex<BTreeMap<String, Arc<Credentials>>>,
}

impl Tickets {
    fn new(kdc: KdcClient, conf: Krb5Conf, first: Credentials) -> Tickets {
        Tickets { kdc, conf, first, of_brokers: Mutex::new(BTreeMap::new()) }
    }

    /// The ticket for the broker on this host, if it was bought before and is good.
    pub(super) fn kept(&self, host: &str) -> Option<Arc<Credentials>> {
        self.of_brokers.lock().get(host).filter(|ticket| !ticket.is_expired_at(now())).cloned()
    }

    /// Buys it: asks the KDC.
    pub(super) fn buy(&self, service: &str, host: &str) -> Result<Arc<Credentials>, NoTicket> {
        let wanted = Principal::host_service(service, host, &self.conf);
        let bought = self.kdc.service_ticket(&self.first, &wanted).map_err(|error| {
            let asked =
                Asked { principal: &self.first.client.to_string(), service: Some(&wanted.to_string()) };
            let (text, _) = explain(&error, asked);
            let kind = match error {
                krb5::ClientError::Unreachable { .. } => ErrorKind::Network,
                _ => ErrorKind::Authentication,
            };
            let is_over = is_the_tickets_end(&error);
            let error =
                Error::new(kind, format!("no Kerberos ticket for the broker: {text}")).with_source(error);
            NoTicket { error, is_over }
        })?;
        let bought = Arc::new(bought);
        let before = self.of_brokers.lock().insert(host.to_owned(), Arc::clone(&bought));
        drop(before);
        Ok(bought)
    }

    /// The broker does not take it: the next one is bought.
    pub(super) fn forget(&self, host: &str) {
        let gone = self.of_brokers.lock().remove(host);
        drop(gone);
    }
}

impl ExpiringCredential for Tickets {
    fn lifetime(&self) -> Lifetime {
        let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let starts = self.first.starttime.unwrap_or(self.first.authtime);
        Lifetime { starts: Some(at(starts)), ends: Some(at(self.first.endtime)) }
    }
}

/// Whose, and no key.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tickets").field(&self.first.client.to_string()).finish()
    }
}

/// Why there is no ticket for a broker.
#[derive(Debug)]
pub(super) struct NoTicket {
    pub(super) error: Error,
    /// The first ticket is of no use any more.
    pub(super) is_over: bool,
}

/// The files of `KRB5_CONFIG`, or `/etc/krb5.conf`.
fn configuration() -> Result<Krb5Conf, String> {
    Krb5Conf::load_default().map_err(|error| format!("krb5.conf: {}", Escaped(&error.to_string())))
}

/// The servers of a realm.
fn kdc(conf: &Krb5Conf, realm: &str) -> Result<KdcClient, NoCredential> {
    KdcClient::from_config(conf, realm).map_err(|error| {
        let text = format!("krb5.conf: {}", Escaped(&error.to_string()));
        NoCredential { text, is_final: false, source: Some(Box::new(error)) }
    })
}

/// The keytab, if it has a key of the principal.
fn keytab(place: &FilePlace, principal: &Principal, conf: &Krb5Conf) -> Result<Keytab, String> {
    let path = match place {
        FilePlace::At(path) => path.as_str(),
        FilePlace::Usual => conf.get(&["libdefaults", "default_keytab_name"]).ok_or_else(|| {
            "useKeyTab=true needs keyTab, the file, where krb5.conf has no default_keytab_name".to_owned()
        })?,
    };
    let path = path.strip_prefix("FILE:").unwrap_or(path);
    let refused = |why: &str| format!("keyTab={}: {}", Escaped(path), Escaped(why));
    check_size(Path::new(path)).map_err(|why| refused(&why))?;
    let keytab = catch_panic(|| Keytab::load(path))
        .ok_or_else(|| refused("it is damaged: reading it has panicked"))?;
    let keytab = keytab.map_err(|error| refused(&error.to_string()))?;
    let mut others: Vec<String> =
        keytab.keys().iter().map(|key| format!("{}@{}", key.principal, key.realm)).collect();
    if others.contains(&principal.to_string()) {
        return Ok(keytab);
    }
    others.dedup();
    others.truncate(MOST_NAMES);
    let others = if others.is_empty() { "none at all".to_owned() } else { others.join(", ") };
    Err(refused(&format!(
        "it has no AES key of the principal {principal}; it has keys of: {others} (those of RC4 and DES are not read)"
    )))
}

/// A keytab or a cache is a file, and not a large one. What is not there is for whoever reads it to say.
fn check_size(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(it) if !it.is_file() => Err("it is no file".to_owned()),
        Ok(it) if it.len() > MOST_BYTES => Err(format!("it has {} bytes, which none has", it.len())),
        _ => Ok(()),
    }
}

fn check_owner(cache: &CCache, wanted: Option<&Principal>, shown: &str) -> Result<(), NoCredential> {
    let (owner, shown) = (cache.principal.to_string(), Escaped(shown));
    match wanted.map(ToString::to_string).filter(|wanted| *wanted != owner) {
        None => Ok(()),
        Some(wanted) => Err(NoCredential::passing(format!(
            "the ticket cache {shown} is {}'s, and the principal is {}",
            Escaped(&owner),
            Escaped(&wanted)
        ))),
    }
}

/// The cache is there, and has nothing that is good.
fn no_ticket(cache: &CCache, shown: &str) -> NoCredential {
    let (owner, shown) = (cache.principal.to_string(), Escaped(shown));
    let owner = Escaped(&owner);
    let first = |ticket: &Credentials| ticket.server.components.first().is_some_and(|name| name == "krbtgt");
    let ended = cache.credentials().filter(first).map(|ticket| ticket.endtime).max();
    NoCredential::passing(match ended {
        Some(end) => format!(
            "the ticket of {owner} in the ticket cache {shown} has ended {} s ago: kinit gets a new one",
            now().saturating_sub(end)
        ),
        None => format!("the ticket cache {shown} of {owner} has no ticket-granting ticket: kinit gets one"),
    })
}

/// Renewed, if half of its life is over and it can be; as the option `renewTGT` wants it.
fn renewed(client: &KdcClient, ticket: Credentials, now: i64) -> Credentials {
    let is_old = now.saturating_sub(ticket.authtime) > ticket.endtime.saturating_sub(now);
    if !is_old || !ticket.can_renew_at(now) {
        return ticket;
    }
    client.renew(&ticket).unwrap_or_else(|error| {
        logging::warn!("renewTGT=true: the Kerberos ticket is not renewed: {}", Escaped(&error.to_string()));
        ticket
    })
}

fn cache_text(error: &CacheError, shown: &str) -> String {
    match error {
        CacheError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            format!("there is no ticket cache {}: kinit makes one", Escaped(shown))
        }
        CacheError::UnsupportedType(kind) => format!(
            "the ticket cache {} is of the type {}, which cannot be read: FILE, DIR and KCM can (kinit -c FILE:…)",
            Escaped(shown),
            Escaped(kind)
        ),
        error => format!("the ticket cache {}: {}", Escaped(shown), Escaped(&error.to_string())),
    }
}

/// Seconds since the epoch, as tickets have them.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Tens of thousands of tickets.
const MOST_BYTES: u64 = 64 << 20;
/// More names than help anybody.
const MOST_NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::test_realm::{REALM, TestRealm, ticket_cache};
    use super::*;
    use crate::security::sasl::gssapi::kinit::tests::program;
    use std::path::PathBuf;

    fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        path
    }

    fn login(options: Krb5Options, kinit: &str) -> KerberosLogin {
        KerberosLogin::new(options, Kinit::new(kinit))
    }

    fn of_cache(path: &Path, principal: Option<&str>) -> Krb5Options {
        Krb5Options {
            cache: Some(FilePlace::At(path.to_str().unwrap().to_owned())),
            keytab: None,
            principal: principal.map(str::to_owned),
            renews: false,
        }
    }

    fn conf() -> Krb5Conf {
        let text = format!(
            "[libdefaults]\n default_realm = {REALM}\n[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:1\n }}\n"
        );
        Krb5Conf::parse(&text).unwrap()
    }

    fn refusal(login: &KerberosLogin) -> String {
        let place = login.options.cache.clone().unwrap();
        login.of_cache(&place, &conf()).unwrap_err().text
    }

    #[test]
    fn a_ticket_cache_is_taken_from_its_owner_and_what_is_wrong_with_it_is_said() {
        let realm = TestRealm::new();
        let path = scratch("cache", &realm.first_ticket_cache(now() - 100, now() + 600));
        for principal in [None, Some("alice"), Some("alice@TEST.LOCAL")] {
            let login = login(of_cache(&path, principal), "none");
            let place = login.options.cache.clone().unwrap();
            let tickets = login.of_cache(&place, &conf()).unwrap();
            let Lifetime { starts, ends } = tickets.lifetime();
            let life = ends.unwrap().duration_since(starts.unwrap()).unwrap();
            assert!((699..=701).contains(&life.as_secs()), "{life:?}");
            assert_eq!(format!("{tickets:?}"), "Tickets(\"alice@TEST.LOCAL\")");
            assert!(tickets.kept("broker").is_none());
        }
        let text = refusal(&login(of_cache(&path, Some("bob")), "none"));
        assert!(text.contains("alice@TEST.LOCAL's") && text.contains("bob@TEST.LOCAL"), "{text}");
        fs::write(&path, realm.first_ticket_cache(now() - 700, now() - 100)).unwrap();
        let text = refusal(&login(of_cache(&path, None), "none"));
        assert!(text.contains("has ended 10") && text.contains("kinit"), "{text}");
        fs::write(&path, ticket_cache(&[])).unwrap();
        assert!(refusal(&login(of_cache(&path, None), "none")).contains("has no ticket-granting ticket"));
        fs::write(&path, "tiger").unwrap();
        let text = refusal(&login(of_cache(&path, None), "none"));
        assert!(text.contains("not a credential cache") && !text.contains("tiger"), "{text}");
        fs::remove_file(&path).unwrap();
        assert!(refusal(&login(of_cache(&path, None), "none")).contains("there is no ticket cache"));
        let keyring = Krb5Options {
            cache: Some(FilePlace::At("KEYRING:persistent:0".to_owned())),
            ..of_cache(&path, None)
        };
        let text = login(keyring, "none").check().unwrap_err();
        assert!(text.contains("KEYRING") && text.contains("FILE"), "{text}");
    }

    /// Behaviour 113.
    #[test]
    fn kinit_renews_what_was_read_before_and_where_it_cannot_the_cache_is_read_again_all_the_same() {
        let realm = TestRealm::new();
        let (begun, end) = (now() - 100, now() + 600);
        let path = scratch("renewed", &realm.renewable_cache(begun, end, end + 3600));
        let renewed = scratch("renewed-by", &realm.renewable_cache(begun, end + 300, end + 3600));
        let script = format!("echo \"$@\" >> \"$0.said\"\ncp {} {}", renewed.display(), path.display());
        let kinit = program("kinit", &script);
        let said = kinit.with_extension("said");
        let login = login(of_cache(&path, None), kinit.to_str().unwrap());
        let ends = || {
            let place = login.options.cache.clone().unwrap();
            login.of_cache(&place, &conf()).unwrap().first.endtime
        };
        assert_eq!(ends(), end);
        assert!(!said.exists(), "it was just got");
        assert_eq!(ends(), end + 300);
        assert_eq!(fs::read_to_string(&said).unwrap(), format!("-R -c {}\n", path.display()));
        fs::remove_file(&kinit).unwrap();
        assert_eq!(ends(), end + 300, "without kinit it is the same one");
        // Somebody else has renewed it, so that nobody has to.
        fs::write(&path, realm.renewable_cache(begun, end + 400, end + 3600)).unwrap();
        assert_eq!(ends(), end + 400);
        for path in [path, renewed, said] {
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_keytab_has_to_have_a_key_of_the_principal() {
        let realm = TestRealm::new();
        let path = scratch("keytab", &realm.keytab_bytes());
        let place = FilePlace::At(format!("FILE:{}", path.display()));
        let of = |name: &str| keytab(&place, &Principal::parse(name).unwrap(), &conf());
        assert!(of("kafka/broker@TEST.LOCAL").is_ok());
        let text = of("alice@TEST.LOCAL").unwrap_err();
        assert!(
            text.contains("alice@TEST.LOCAL") && text.contains("keys of: kafka/broker@TEST.LOCAL"),
            "{text}"
        );
        // A hole that is as large as no number, and what is no file.
        fs::write(&path, [5, 2, 0x80, 0, 0, 0]).unwrap();
        assert!(of("alice@TEST.LOCAL").unwrap_err().contains("keyTab="));
        let device = FilePlace::At("/dev/zero".to_owned());
        let text = keytab(&device, &Principal::parse("alice@TEST.LOCAL").unwrap(), &conf()).unwrap_err();
        assert!(text.contains("keyTab=/dev/zero") && text.contains("no file"), "{text}");
        assert!(refusal(&login(of_cache(Path::new("/dev/zero"), None), "none")).contains("no file"));
        fs::write(&path, "tiger").unwrap();
        let text = of("alice@TEST.LOCAL").unwrap_err();
        assert!(text.contains("keyTab=") && !text.contains("tiger"), "{text}");
        fs::remove_file(&path).unwrap();
        assert!(of("alice@TEST.LOCAL").unwrap_err().contains("No such file"));
        let usual = keytab(&FilePlace::Usual, &Principal::parse("alice@TEST.LOCAL").unwrap(), &conf());
        assert!(usual.unwrap_err().contains("default_keytab_name"));
    }

    #[test]
    fn a_principal_without_a_realm_is_of_the_usual_one() {
        let of = |name: &str, conf: &Krb5Conf| {
            let options = of_cache(Path::new("/none"), Some(name));
            login(options, "none").principal(conf).map(|principal| principal.unwrap().to_string())
        };
        assert_eq!(of("alice", &conf()).unwrap(), "alice@TEST.LOCAL");
        assert_eq!(of("app/host.example", &conf()).unwrap(), "app/host.example@TEST.LOCAL");
        assert_eq!(of("alice@OTHER", &conf()).unwrap(), "alice@OTHER");
        assert!(of("alice", &Krb5Conf::empty()).unwrap_err().contains("default_realm"));
        assert!(of("a//b", &conf()).unwrap_err().contains("NAME@REALM"));
    }

    #[test]
    fn a_kdc_that_nobody_finds_is_said_and_tried_again() {
        let realm = TestRealm::new();
        let tickets = realm.tickets(KdcClient::new(REALM, ["127.0.0.1:1"]), conf());
        let NoTicket { error, is_over } = tickets.buy("kafka", "broker").unwrap_err();
        assert_eq!((error.kind(), is_over), (ErrorKind::Network, false));
        assert!(error.to_string().contains("no KDC for TEST.LOCAL answered"), "{error}");
    }

    impl TestRealm {
        /// Those of alice.
        pub(in super::super) fn tickets(&self, kdc: KdcClient, conf: Krb5Conf) -> Tickets {
            let first = CCache::decode(&self.first_ticket_cache(now(), now() + 600)).unwrap();
            Tickets::new(kdc, conf, first.tgt(now()).unwrap())
        }
    }

    impl Tickets {
        /// As if it had been bought.
        pub(in super::super) fn with(self, host: &str, ticket: Credentials) -> Tickets {
            self.of_brokers.lock().insert(host.to_owned(), Arc::new(ticket));
            self
        }
    }
}
