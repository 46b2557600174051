//! TLS for a case: a key and a certificate of the sink, and what each client is told of them; and the folder where they and
//! other files of this process lie.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kafka_producer_benchmarks::Failure;

use crate::case::Program;

/// A folder with both, gone at the end.
pub(crate) struct SinkIdentity(PathBuf);

impl SinkIdentity {
    /// Made by openssl: a key on the curve P-256, as most have it.
    pub(crate) fn make() -> Result<SinkIdentity, Failure> {
        let folder = own_folder()?;
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "30", "-subj", "/CN=sink", "-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.arg("-keyout").arg(folder.join("sink.key")).arg("-out").arg(folder.join("sink.pem"));
        let status = openssl.stderr(Stdio::null()).status().map_err(|error| format!("openssl: {error}"))?;
        if status.success() { Ok(SinkIdentity(folder)) } else { Err(format!("openssl: {status}").into()) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// What makes this client trust the sink.
    pub(crate) fn properties(&self, client: Program) -> Vec<(String, String)> {
        let file = self.0.join("sink.pem").display().to_string();
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let protocol = set("security.protocol", "SSL");
        if client == Program::Librdkafka {
            return vec![protocol, set("ssl.ca.location", &file)];
        }
        vec![protocol, set("ssl.truststore.type", "PEM"), set("ssl.truststore.location", &file)]
    }
}

impl Drop for SinkIdentity {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A folder of this process's own.
fn own_folder() -> std::io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("kafka-producer-benchmarks-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
