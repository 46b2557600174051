//! `KafkaProducer::client_instance_id`: the id under which brokers know this producer's telemetry.
//!
//! Owns: how long it is waited for, and its errors. Must not know: requests; who asks the brokers.
//! Threads: any application thread.
//! Source: Kafka's `KafkaProducer.clientInstanceId`, `ClientTelemetryUtils.fetchClientInstanceId`.

use std::time::Duration;

use crate::completion::not_in_callback;
use crate::error::{Error, ErrorKind};
use crate::interrupt::{self, Wait};
use crate::mailbox::Event;
use crate::producer::{Core, KafkaProducer};
use crate::stage;
use crate::uuid::Uuid;

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// The id under which the brokers know what this producer tells of itself (KIP-714): with it a line in its log is found beside
    /// its metrics. A broker makes it up; it stays the same as long as the producer lives.
    ///
    /// Blocks up to `timeout` for the first broker that gives one; zero does not wait. Brokers give ids only where a plugin for
    /// client telemetry is configured: where there is none, every call waits in vain. Java's `clientInstanceId` then returns null.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::{EmbeddedCluster, TelemetryOptions};
    /// use kafka_producer::KafkaProducer;
    ///
    /// let cluster = EmbeddedCluster::builder().telemetry(TelemetryOptions::new()).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// println!("{}", producer.client_instance_id(Duration::from_secs(60))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`IllegalState`](ErrorKind::IllegalState) with `enable.metrics.push=false`, and in a callback; `Timeout`; `Interrupted`;
    /// `Closed` where the producer was closed before there was an id, and whatever else has ended it; `Forked`.
    #[doc(alias = "clientInstanceId")]
    #[doc(alias = "telemetry")]
    pub fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        self.core.client_instance_id(timeout)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        self.check_process()?;
        let instance = self.control.instance();
        if !instance.is_enabled() {
            let text = "telemetry is turned off: set enable.metrics.push to true";
            return Err(Error::new(ErrorKind::IllegalState, text));
        }
        if let Some(id) = instance.id() {
            return Ok(id);
        }
        not_in_callback("client_instance_id()")?;
        self.accumulator.mailbox().push(Event::Turn, None);
        match interrupt::wait(instance.news(), stage::now().checked_add(timeout)) {
            Wait::Ready(never) => match never {},
            Wait::Disconnected => {}
            Wait::Interrupted => return Err(Error::interrupted("the client instance id")),
            Wait::TimedOut => return Err(no_id(timeout)),
        }
        let ended = || self.control.lifecycle().refusal().unwrap_or_else(Error::closed);
        instance.id().ok_or_else(ended)
    }
}

fn no_id(timeout: Duration) -> Error {
    let text = format!(
        "no broker has given this producer a client instance id within {} ms; they give one only where a plugin for client \
         telemetry is configured (metric.reporters)",
        timeout.as_millis()
    );
    Error::new(ErrorKind::Timeout, text)
}
