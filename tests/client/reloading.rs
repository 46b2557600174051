//! Key and trust stores that are replaced, in every way there is, while a whole client works on them: over sockets, with
//! embedded brokers that want a certificate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafka_embedded::{Api, EmbeddedCluster, Fault, IssuedCertificate, TlsFault, TlsOptions, TlsServer};
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

use crate::support::logged::listen;
use crate::support::{AGES, SOON, TextProducer, config, wait_until};

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As those tools do it that know what they do.
    fn replace(&self, name: &str, text: &str) {
        let beside = self.path("beside");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, self.path(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
}

/// Who reads it waits until somebody writes.
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn key_store(own: &IssuedCertificate) -> String {
    format!("{}{}", own.key_pem(), own.chain_pem())
}

/// Two brokers that want certificates, and take up no session again: who comes is seen each time.
fn cluster() -> EmbeddedCluster {
    let tls = TlsOptions::new().require_client_certificates().without_resumption();
    EmbeddedCluster::builder().brokers(2).topic("t", 4).tls(tls).start().unwrap()
}

/// A client by the files `trust.pem` and `key.pem` of this folder.
fn by_files(cluster: &EmbeddedCluster, folder: &Folder, more: &[(&str, &str)]) -> ProducerConfig {
    let config = config(&cluster.bootstrap_servers(), more).set("security.protocol", "SSL");
    let config = config.set("delivery.timeout.ms", "60000");
    let config = config.set("ssl.truststore.location", folder.path("trust.pem").display().to_string());
    config.set("ssl.keystore.location", folder.path("key.pem").display().to_string())
}

fn send(producer: &TextProducer, count: usize) {
    let futures: Vec<_> =
        (0..count).map(|_| producer.send(ProducerRecord::new("t", "two apples")).unwrap()).collect();
    futures.iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
}

/// All certificates that brokers were shown, from the connection of this number on.
fn shown(tls: &TlsServer, from: usize) -> Vec<Vec<u8>> {
    tls.handshakes().split_off(from).into_iter().map(|seen| seen.client_certificate.unwrap()).collect()
}

/// Replaces the key store by `text` in the way of this number; between, it is what nobody should read.
fn replace_somehow(folder: &Folder, way: u64, text: &str) {
    let path = folder.path("key.pem");
    let (half, rest) = text.split_at(text.len() / 2);
    let pause = || thread::sleep(Duration::from_millis(7));
    match way % 7 {
        0 => folder.replace("key.pem", text),
        1 => {
            // In place, and slowly.
            fs::write(&path, half).unwrap();
            pause();
            fs::write(&path, format!("{half}{rest}")).unwrap();
        }
        2 => {
            remove(&path);
            pause();
            fs::write(&path, text).unwrap();
        }
        3 => {
            folder.replace("key.pem", "-----BEGIN PRIVATE KEY-----\nnothing\n");
            pause();
            folder.replace("key.pem", text);
        }
        4 => {
            remove(&path);
            fs::create_dir(&path).unwrap();
            pause();
            fs::remove_dir(&path).unwrap();
            fs::write(&path, text).unwrap();
        }
        5 => {
            remove(&path);
            make_pipe(&path);
            pause();
            folder.replace("key.pem", text);
        }
        _ => {
            // As Kubernetes does it: the folder behind a link is another one.
            let target = folder.path(&format!("version-{way}"));
            fs::write(&target, text).unwrap();
            let link = folder.path("link");
            symlink(&target, &link).unwrap();
            fs::rename(&link, &path).unwrap();
        }
    }
}

/// Everything at once: many threads, several clients with the same files, handshakes that last, connections that break, files
/// that are half written.
/// Behaviour 99.
#[test]
fn no_record_is_lost_whatever_becomes_of_the_files_and_each_connection_has_a_whole_key() {
    let cluster = cluster();
    let tls = cluster.tls().unwrap();
    let folder = Folder::new("reload-storm");
    let [alice, bob] = ["alice", "bob"].map(|name| tls.client_certificate(name).unwrap());
    folder.replace("trust.pem", &tls.trusted_pem());
    folder.replace("key.pem", &key_store(&alice));
    tls.inject(TlsFault::slow_handshake(Duration::from_millis(5)).always());
    let clients: Vec<TextProducer> = (0..4)
        .map(|number| {
            let interval = [("ssl.reload.interval.ms", ["1", "10", "300000", "0"][number])];
            KafkaProducer::new(by_files(&cluster, &folder, &interval)).unwrap()
        })
        .collect();
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for client in clients.iter().chain(&clients) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    send(client, 20);
                    sent.fetch_add(20, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // What is broken just now is an error here, and nothing else.
                let _ = clients[0].reload_credentials();
            }
        });
        let start = Instant::now();
        // Until there were enough connections, however long those take on this machine.
        let is_enough = |way| way >= 200 && shown(tls, 0).len() > 50;
        for way in 0.. {
            if is_enough(way) || start.elapsed() > AGES {
                break;
            }
            replace_somehow(&folder, way, &key_store(if way % 2 == 0 { &bob } else { &alice }));
            cluster.inject(Fault::cut_before(Api::Produce).times(4));
            thread::sleep(Duration::from_millis(10));
        }
        over.store(true, Ordering::Relaxed);
        cluster.clear_faults();
    });
    assert_eq!(cluster.records("t").len() as u64, sent.load(Ordering::Relaxed));
    let all = shown(tls, 0);
    assert!(all.len() > 50, "{} connections", all.len());
    assert!(all.iter().all(|der| der == alice.der() || der == bob.der()));
    // And in the end, each of them has what is there.
    for own in [&bob, &alice] {
        folder.replace("key.pem", &key_store(own));
        let from = tls.handshakes().len();
        for client in &clients {
            cluster.cut_before(Api::Produce, 1);
            send(client, 20);
        }
        let seen = shown(tls, from);
        assert!(seen.len() >= clients.len() && seen.iter().all(|der| der == own.der()), "{}", seen.len());
    }
    clients.iter().for_each(|client| client.close().unwrap());
}

/// What was said of the files of the test below.
static TOLD: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

/// Behaviour 99.
#[test]
fn what_is_no_file_or_has_no_end_holds_up_neither_records_nor_close() {
    listen(log::LevelFilter::Info, |record| {
        let text = record.args().to_string();
        if text.contains("reload-odd/") {
            TOLD.lock().unwrap().push((record.level(), text));
        }
    });
    let take_told = || std::mem::take(&mut *TOLD.lock().unwrap());
    let cluster = cluster();
    let tls = cluster.tls().unwrap();
    let folder = Folder::new("reload-odd");
    let path = folder.path("key.pem");
    let alice = tls.client_certificate("alice").unwrap();
    folder.replace("trust.pem", &tls.trusted_pem());
    let (fifo, giant, folder_in_place, nothing) = (
        || make_pipe(&path),
        || {
            File::create(folder.path("beside")).unwrap().set_len(1 << 40).unwrap();
            fs::rename(folder.path("beside"), &path).unwrap();
        },
        || fs::create_dir(&path).unwrap(),
        || {},
    );
    let ways: [(&dyn Fn(), &str); 4] = [
        (&fifo, "it is a pipe, a device or a socket and not a regular file"),
        (&giant, "it is larger than 4194304 bytes"),
        (&folder_in_place, "it is a directory and not a regular file"),
        (&nothing, "No such file or directory"),
    ];
    for (put, words) in ways {
        remove(&path);
        folder.replace("key.pem", &key_store(&alice));
        let client: TextProducer =
            KafkaProducer::new(by_files(&cluster, &folder, &[("ssl.reload.interval.ms", "1")])).unwrap();
        send(&client, 10);
        take_told();
        remove(&path);
        wait_until("it is seen that it is gone", || !TOLD.lock().unwrap().is_empty());
        let gone = take_told();
        put();
        for _ in 0..3 {
            cluster.cut_before(Api::Produce, 1);
            let begin = Instant::now();
            send(&client, 10);
            assert!(begin.elapsed() < SOON, "{words}: {:?}", begin.elapsed());
        }
        // Of two looks at the same time the later one may say the same once more.
        let mut told = take_told();
        told.retain(|line| !gone.contains(line));
        told.dedup();
        if words != "No such file or directory" {
            assert!(
                matches!(&*told, [(log::Level::Warn, text)] if text.contains(words)),
                "{words}: {told:?}"
            );
        } else {
            assert!(told.is_empty(), "{told:?}");
        }
        let begin = Instant::now();
        client.close().unwrap();
        assert!(begin.elapsed() < SOON, "{words}: {:?}", begin.elapsed());
    }
}
