//! Into a secured cluster: the properties file that its operator gave you, or the same in Rust.
//!
//! ```text
//! cargo run --release --example secured
//! cargo run --release --example secured -- producer.properties test --bootstrap-servers broker:9093
//! ```
//!
//! Without arguments it starts a cluster inside this process whose brokers want a client certificate (mutual TLS), and sends
//! to it in both ways. `docs/security.md` says which settings belong to which cluster.

use std::error::Error;
use std::path::Path;

use kafka_embedded::{EmbeddedCluster, IssuedCertificate, TlsOptions};
use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if !arguments.is_empty() {
        // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    }
    match arguments.as_slice() {
        [] => on_a_cluster_of_our_own(),
        [file, topic] => send(ProducerConfig::from_file(file)?, topic),
        [file, topic, "--bootstrap-servers", servers] => {
            send(ProducerConfig::from_file(file)?.bootstrap_servers(servers), topic)
        }
        _ => Err("usage: secured [FILE TOPIC [--bootstrap-servers HOST:PORT,…]]".into()),
    }
}

/// One record, and what it means when the cluster does not let us in.
fn send(config: ProducerConfig, topic: &str) -> Result<(), Box<dyn Error>> {
    let config = config.key_serializer("StringSerializer").value_serializer("StringSerializer");
    // Stores and logins are read here: what is wrong with them is an error now, and names the setting.
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
    match producer.send(ProducerRecord::new(topic, "hello")).and_then(|future| future.get()) {
        Ok(metadata) => println!("let in: {metadata}"),
        Err(error) if error.kind() == ErrorKind::Authentication => println!("not let in: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(producer.close()?)
}

/// Mutual TLS from Rust, with PEM that the program has in memory.
fn with_certificate(authority: &str, own: &IssuedCertificate) -> ProducerConfig {
    ProducerConfig::new()
        .set(ProducerConfig::SECURITY_PROTOCOL_CONFIG, "SSL")
        .set(ProducerConfig::SSL_TRUSTSTORE_CERTIFICATES_CONFIG, authority)
        .set(ProducerConfig::SSL_KEYSTORE_KEY_CONFIG, own.key_pem())
        .set(ProducerConfig::SSL_KEYSTORE_CERTIFICATE_CHAIN_CONFIG, own.chain_pem())
}

/// A name and a password from Rust. There are `sasl_plain` and `sasl_scram_sha_256` as well.
fn with_password(config: ProducerConfig, name: &str, password: &str) -> ProducerConfig {
    config.set(ProducerConfig::SECURITY_PROTOCOL_CONFIG, "SASL_SSL").sasl_scram_sha_512(name, password)
}

fn on_a_cluster_of_our_own() -> Result<(), Box<dyn Error>> {
    let tls = TlsOptions::new().require_client_certificates();
    let cluster = EmbeddedCluster::builder().topic("test", 1).tls(tls).start()?;
    let server = cluster.tls().ok_or("the cluster has no TLS")?;
    let own = server.client_certificate("alice")?;
    let servers = cluster.bootstrap_servers();

    // In Rust.
    send(with_certificate(&server.trusted_pem(), &own).bootstrap_servers(&servers), "test")?;

    // By a properties file, as Java reads it, with files of PEM beside it.
    let folder = std::env::temp_dir().join(format!("kafka-producer-secured-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let sent = from_files(&folder, &server.trusted_pem(), &own, &servers);
    std::fs::remove_dir_all(&folder)?;
    sent?;

    // Without a certificate of our own the brokers do not let us in.
    let stranger = ProducerConfig::new()
        .set(ProducerConfig::SECURITY_PROTOCOL_CONFIG, "SSL")
        .set(ProducerConfig::SSL_TRUSTSTORE_CERTIFICATES_CONFIG, server.trusted_pem());
    send(stranger.bootstrap_servers(&servers), "test")?;

    // Neither are passwords shown when a configuration is printed.
    println!("{:?}", with_password(ProducerConfig::new(), "alice", "alice-secret"));
    Ok(())
}

fn from_files(
    folder: &Path,
    authority: &str,
    own: &IssuedCertificate,
    servers: &str,
) -> Result<(), Box<dyn Error>> {
    let (trusted, both) = (folder.join("ca.pem"), folder.join("alice.pem"));
    std::fs::write(&trusted, authority)?;
    std::fs::write(&both, own.key_pem() + &own.chain_pem())?;
    let file = folder.join("producer.properties");
    let text = format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\nssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n",
        trusted.display(),
        both.display()
    );
    std::fs::write(&file, text)?;
    send(ProducerConfig::from_file(&file)?.bootstrap_servers(servers), "test")
}
