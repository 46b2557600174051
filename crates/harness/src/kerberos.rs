//! A realm of Kerberos, `TEST.LOCAL`, by MIT's programs, without touching the system's files.
//!
//! Owns: its database, its principals `kafka/localhost` and `alice`, their keytabs, the running KDC. Must not know: Kafka.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::command::{Process, run};
use super::kafka_cluster::free_port;

/// A running KDC. Its tickets may last for a second, and be renewed for a day.
pub struct KeyDistributionCenter {
    folder: PathBuf,
    _process: Process,
}

impl KeyDistributionCenter {
    /// In this folder, which has `kafka.keytab` and `alice.keytab` afterwards; none where the programs are not installed.
    pub fn start(folder: &Path) -> Option<KeyDistributionCenter> {
        if !is_installed("krb5kdc") || !is_installed("kadmin.local") || !is_installed("kdb5_util") {
            return None;
        }
        let port = free_port();
        let fill = |text: &str| {
            text.replace("@PORT@", &port.to_string()).replace("@FOLDER@", &folder.display().to_string())
        };
        fs::write(folder.join("krb5.conf"), fill(KRB5_CONF)).unwrap();
        fs::write(folder.join("kdc.conf"), fill(KDC_CONF)).unwrap();
        let mut create = program_of(folder, "kdb5_util");
        create.args(["create", "-s", "-r", REALM, "-P", "masterpassword"]);
        run(&mut create, b"", LIMIT).unwrap_or_else(|error| panic!("{error}"));
        for (principal, keytab) in [("kafka/localhost", "kafka.keytab"), ("alice", "alice.keytab")] {
            administer(folder, &format!("addprinc -randkey {principal}"));
            administer(folder, &format!("ktadd -k {} {principal}", folder.join(keytab).display()));
        }
        let mut command = program_of(folder, "krb5kdc");
        command.arg("-n").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command).unwrap();
        let deadline = Instant::now() + LIMIT;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the KDC does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(KeyDistributionCenter { folder: folder.to_owned(), _process: process })
    }

    /// What `KRB5_CONFIG` has to be.
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("krb5.conf")
    }

    /// The same with another line in the place of one.
    pub fn configuration_with(&self, name: &str, line: &str, by: &str) -> PathBuf {
        let text = fs::read_to_string(self.configuration()).unwrap();
        assert!(text.contains(line), "{line} is not in {text}");
        let path = self.folder.join(name);
        fs::write(&path, text.replace(line, by)).unwrap();
        path
    }

    /// One of the KDC's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What `kadmin.local` is to do.
    pub fn administer(&self, query: &str) {
        administer(&self.folder, query);
    }

    /// A principal that is made with these options of `addprinc`, and its keytab.
    pub fn keytab(&self, principal: &str, options: &str) -> PathBuf {
        let keytab = self.folder.join(format!("{principal}.keytab"));
        self.administer(&format!("addprinc {options} -randkey {principal}"));
        self.administer(&format!("ktadd -norandkey -k {} {principal}", keytab.display()));
        keytab
    }

    /// What the KDC has told.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("kdc.log")).unwrap()
    }

    /// Gets a ticket for `alice` into a cache of this name: its path.
    pub fn ticket_cache(&self, name: &str) -> PathBuf {
        self.ticket_cache_with(name, &[])
    }

    /// The same with further arguments of `kinit`.
    pub fn ticket_cache_with(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let cache = self.folder.join(name);
        let mut kinit = program_of(&self.folder, "kinit");
        kinit
            .args(arguments)
            .arg("-c")
            .arg(&cache)
            .arg("-kt")
            .arg(self.folder.join("alice.keytab"))
            .arg(format!("alice@{REALM}"));
        run(&mut kinit, b"", LIMIT).unwrap_or_else(|error| panic!("{error}"));
        cache
    }
}

fn administer(folder: &Path, query: &str) {
    let mut kadmin = program_of(folder, "kadmin.local");
    run(kadmin.args(["-q", query]), b"", LIMIT).unwrap_or_else(|error| panic!("{error}"));
}

fn is_installed(program: &str) -> bool {
    folders().any(|folder| folder.join(program).is_file())
}

/// Those of the path, and where Debian has programs of servers.
fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).collect::<Vec<_>>().into_iter()
}

fn program_of(folder: &Path, program: &str) -> Command {
    let path = folders().map(|folder| folder.join(program)).find(|path| path.is_file());
    let mut command = Command::new(path.unwrap_or_else(|| program.into()));
    command.env("KRB5_CONFIG", folder.join("krb5.conf")).env("KRB5_KDC_PROFILE", folder.join("kdc.conf"));
    command
}

pub const REALM: &str = "TEST.LOCAL";
const LIMIT: Duration = Duration::from_secs(60);
const KRB5_CONF: &str = "\
[libdefaults]
 default_realm = TEST.LOCAL
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
 ticket_lifetime = 10m
[realms]
 TEST.LOCAL = {
  kdc = 127.0.0.1:@PORT@
 }
[domain_realm]
 localhost = TEST.LOCAL
";
const KDC_CONF: &str = "\
[kdcdefaults]
 kdc_listen = 127.0.0.1:@PORT@
 kdc_tcp_listen = 127.0.0.1:@PORT@
[realms]
 TEST.LOCAL = {
  database_name = @FOLDER@/principal
  key_stash_file = @FOLDER@/stash
  acl_file = @FOLDER@/kadm5.acl
  max_life = 1h
  max_renewable_life = 1d
  supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal aes128-cts-hmac-sha256-128:normal aes256-cts-hmac-sha384-192:normal
 }
[logging]
 kdc = FILE:@FOLDER@/kdc.log
";
