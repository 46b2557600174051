//! `KafkaProducerBuilder`: from settings to a running producer.
//!
//! Owns: the choice of serializers and partitioner, the wiring of the parts, the start of the sender thread. Must not
//! know: what happens to a record afterwards.
//! Holds: nothing is left running when `build` fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::sync::channel::bounded;

use crate::accumulator::RecordAccumulator;
use crate::catch_panic::{catch_panic, text_of};
use crate::class_registry::ClassRegistry;
use crate::completion::{ProducerToken, become_sender_thread, end_of_answers};
use crate::config::{Faults, ProducerConfig, Settings};
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::fork_guard::ForkGuard;
use crate::interceptor::{Interceptors, ProducerInterceptor};
use crate::logging;
use crate::mailbox::Mailbox;
use crate::metadata::Metadata;
use crate::metrics::MetricsReporter;
use crate::network::{BootstrapServers, ChannelBuilder, Network, SocketNetwork, SocketOptions, Transport};
use crate::partitioner::{Partitioner, PartitionerRegistry};
use crate::producer::plugins::Plugins;
use crate::producer::reporting::{GivenReporters, MetricsSource, Reporting};
use crate::producer::{Core, KafkaProducer, ProducerParts, SendSettings, SenderThread};
use crate::properties::{Named, Properties};
use crate::security::{self, GivenLogins, SaslCredentials, TokenProvider};
use crate::sender::{Assembly, Bootstrap, Control, Sender, assemble};
use crate::serializer::{DefaultSerializer, Serializer, SerializerRegistry};

/// Creates a producer with serializers, a partitioner, interceptors and credentials of your own, as values or under
/// registered names.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{
///     KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer, serialize_with,
/// };
///
/// let cluster = EmbeddedCluster::builder().topic("temperatures", 1).start()?;
/// let config = ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers());
/// let producer: KafkaProducer<str, f64> = KafkaProducer::builder(config)
///     .key_serializer(StringSerializer)
///     .value_serializer(serialize_with(|value: &f64, out: &mut Vec<u8>| {
///         out.extend_from_slice(value.to_string().as_bytes());
///         Ok::<(), std::convert::Infallible>(())
///     }))
///     .build()?;
/// producer.send(ProducerRecord::new("temperatures", 36.6).with_key("patient-7"))?.get()?;
/// assert_eq!(cluster.records("temperatures")[0].value.as_deref(), Some(&b"36.6"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KafkaProducerBuilder<K: ?Sized + 'static, V: ?Sized + 'static> {
    config: ProducerConfig,
    serializers: SerializerRegistry,
    partitioners: PartitionerRegistry,
    key_serializer: Option<Box<dyn Serializer<K>>>,
    value_serializer: Option<Box<dyn Serializer<V>>>,
    partitioner: Option<Box<dyn Partitioner>>,
    interceptor_names: ClassRegistry,
    interceptors: Vec<Box<dyn ProducerInterceptor<K, V>>>,
    reporters: GivenReporters,
    logins: GivenLogins,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// Creates a producer with the serializers that `key.serializer` and `value.serializer` name, and starts its
    /// sender thread. Blocks as long as the names in `bootstrap.servers` take to resolve.
    ///
    /// # Errors
    /// See [`KafkaProducerBuilder::build`].
    pub fn new(config: ProducerConfig) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// Creates a producer with serializers given as values.
    ///
    /// # Errors
    /// See [`KafkaProducerBuilder::build`].
    pub fn with_serializers(
        config: ProducerConfig,
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> Result<Self, Error> {
        Self::builder(config).key_serializer(key_serializer).value_serializer(value_serializer).build()
    }

    /// Creates a producer with the default serializers of its types and the default settings: all it needs is some of the
    /// cluster's brokers, `host:port,host:port`. Blocks as long as their names take to resolve.
    ///
    /// ```no_run
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let producer = KafkaProducer::<str, str>::connect("localhost:9092")?;
    /// producer.send(ProducerRecord::new("orders", "two apples").with_key("customer-7"))?;
    /// producer.close()?;
    /// # Ok::<(), kafka_producer::Error>(())
    /// ```
    ///
    /// With settings: [`KafkaProducerBuilder::default_serializers`].
    ///
    /// # Errors
    /// See [`KafkaProducerBuilder::build`].
    pub fn connect(bootstrap_servers: &str) -> Result<Self, Error>
    where
        K: DefaultSerializer,
        V: DefaultSerializer,
    {
        Self::builder(ProducerConfig::new().bootstrap_servers(bootstrap_servers))
            .default_serializers()
            .build()
    }

    /// A builder, for parts of your own.
    pub fn builder(config: ProducerConfig) -> KafkaProducerBuilder<K, V> {
        KafkaProducerBuilder::new(config)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducerBuilder<K, V> {
    fn new(config: ProducerConfig) -> Self {
        KafkaProducerBuilder {
            config,
            serializers: SerializerRegistry::new(),
            partitioners: PartitionerRegistry::new(),
            key_serializer: None,
            value_serializer: None,
            partitioner: None,
            interceptor_names: ClassRegistry::default(),
            interceptors: Vec::new(),
            reporters: GivenReporters::default(),
            logins: GivenLogins::default(),
        }
    }

    /// The serializer for keys, as a value; `key.serializer` is then not needed. As in Java its `configure` is not called.
    pub fn key_serializer(mut self, serializer: impl Serializer<K> + 'static) -> Self {
        self.key_serializer = Some(Box::new(serializer));
        self
    }

    /// The serializer for values, as a value; `value.serializer` is then not needed.
    pub fn value_serializer(mut self, serializer: impl Serializer<V> + 'static) -> Self {
        self.value_serializer = Some(Box::new(serializer));
        self
    }

    /// Uses the default serializers of `K` and `V` where none was given as a value; `key.serializer` and
    /// `value.serializer` are then not needed and not read.
    ///
    /// ```no_run
    /// use kafka_producer::{KafkaProducer, ProducerConfig};
    ///
    /// let config = ProducerConfig::from_file("producer.properties")?;
    /// let producer = KafkaProducer::<str, [u8]>::builder(config).default_serializers().build()?;
    /// # Ok::<(), kafka_producer::Error>(())
    /// ```
    pub fn default_serializers(mut self) -> Self
    where
        K: DefaultSerializer,
        V: DefaultSerializer,
    {
        self.key_serializer.get_or_insert_with(K::default_serializer);
        self.value_serializer.get_or_insert_with(V::default_serializer);
        self
    }

    /// The serializers that `key.serializer` and `value.serializer` may name, your own among them.
    pub fn serializers(mut self, registry: SerializerRegistry) -> Self {
        self.serializers = registry;
        self
    }

    /// The partitioner, as a value. Without one, records with a key go by the key's hash, and records without a key fill one
    /// partition's batch after the other (KIP-794).
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioner = Some(Box::new(partitioner));
        self
    }

    /// A name that `partitioner.class` may have, and what it stands for.
    pub fn register_partitioner<F>(mut self, class_name: &str, factory: F) -> Self
    where
        F: Fn() -> Box<dyn Partitioner> + Send + Sync + 'static,
    {
        self.partitioners.register(class_name, factory);
        self
    }

    /// Adds an interceptor, as a value; those named in `interceptor.classes` come first, then these in the order of the
    /// calls.
    pub fn interceptor(mut self, interceptor: impl ProducerInterceptor<K, V> + 'static) -> Self {
        self.interceptors.push(Box::new(interceptor));
        self
    }

    /// A name that may stand in `interceptor.classes`, and what it stands for.
    pub fn register_interceptor<F>(mut self, class_name: &str, factory: F) -> Self
    where
        F: Fn() -> Box<dyn ProducerInterceptor<K, V>> + Send + Sync + 'static,
    {
        self.interceptor_names.register::<dyn ProducerInterceptor<K, V>>(class_name, "records", factory);
        self
    }

    /// Adds a reporter of metrics, as a value; those named in `metric.reporters` come first, then these in the order of the
    /// calls.
    pub fn metrics_reporter(self, reporter: impl MetricsReporter + 'static) -> Self {
        self.reporters.give(reporter);
        self
    }

    /// A name that may stand in `metric.reporters`, and what it stands for.
    pub fn register_metrics_reporter<F>(mut self, class_name: &str, factory: F) -> Self
    where
        F: Fn() -> Box<dyn MetricsReporter> + Send + Sync + 'static,
    {
        self.reporters.named.register::<dyn MetricsReporter>(class_name, "metrics", factory);
        self
    }

    /// Fetches tokens for `sasl.mechanism=OAUTHBEARER`: a closure, or a [`TokenProvider`] of your own.
    /// `sasl.login.callback.handler.class` is then not read.
    pub fn token_provider(mut self, provider: impl TokenProvider + 'static) -> Self {
        self.logins.tokens.given = Some(Box::new(provider));
        self
    }

    /// A name that `sasl.login.callback.handler.class` may have, and what it stands for.
    pub fn register_token_provider<F>(mut self, class_name: &str, factory: F) -> Self
    where
        F: Fn() -> Box<dyn TokenProvider> + Send + Sync + 'static,
    {
        self.logins.tokens.named.register::<dyn TokenProvider>(class_name, "tokens", factory);
        self
    }

    /// A closure that returns name and password for `sasl.mechanism=PLAIN`, `SCRAM-SHA-256` and `SCRAM-SHA-512`;
    /// `sasl.jaas.config` is then not needed and not read.
    ///
    /// It is called for each new connection, and for each login that is repeated on one, on a thread of its own: it may
    /// block, for at most `request.timeout.ms`, and it may return another password than before. If it fails or panics, so
    /// does that login, and it is called again after `reconnect.backoff.ms`. The text of its error is part of the
    /// producer's error, so it must contain no secret.
    ///
    /// ```no_run
    /// use kafka_producer::{KafkaProducer, ProducerConfig, SaslCredentials};
    ///
    /// let config = ProducerConfig::new()
    ///     .bootstrap_servers("broker:9093")
    ///     .set("security.protocol", "SASL_SSL")
    ///     .set("sasl.mechanism", "SCRAM-SHA-512");
    /// let producer = KafkaProducer::<str, str>::builder(config)
    ///     .default_serializers()
    ///     .sasl_credentials(|| {
    ///         let password = std::fs::read_to_string("/run/secrets/kafka")?;
    ///         Ok(SaslCredentials::new("orders", password.trim_end()))
    ///     })
    ///     .build()?;
    /// # Ok::<(), kafka_producer::Error>(())
    /// ```
    pub fn sasl_credentials<F>(mut self, source: F) -> Self
    where
        F: Fn() -> Result<SaslCredentials, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.logins.credentials = Some(Arc::new(source));
        self
    }

    /// A name that `sasl.client.callback.handler.class` may have, and the closure that is asked then: see
    /// [`sasl_credentials`](KafkaProducerBuilder::sasl_credentials).
    pub fn register_sasl_credentials<F>(mut self, class_name: &str, source: F) -> Self
    where
        F: Fn() -> Result<SaslCredentials, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.logins.register(class_name, Arc::new(source));
        self
    }

    /// Checks everything, resolves `bootstrap.servers` and starts the sender thread. Blocks as long as the names take
    /// to resolve, unless `bootstrap.resolve.timeout.ms` has them resolved in the background; connections are made
    /// later, by the sender thread.
    ///
    /// # Errors
    /// Of kind [`Config`](ErrorKind::Config): a setting that is missing, wrong, contradicts another or is not
    /// supported; a key or trust store that cannot be used; a named serializer that is not known or does not fit the producer's type; no bootstrap server whose
    /// name resolves. Of kind [`Network`](ErrorKind::Network): the operating system gives no more threads or sockets.
    pub fn build(self) -> Result<KafkaProducer<K, V>, Error> {
        self.build_on(|settings, channels, close_parts| {
            start(settings, channels, bootstrap(settings)?, close_parts)
        })
    }

    /// As `build`; what runs is started by `start`.
    pub(crate) fn build_on(
        mut self,
        start: impl FnOnce(&Settings, Arc<dyn ChannelBuilder>, CloseParts) -> Result<Running, Error>,
    ) -> Result<KafkaProducer<K, V>, Error> {
        let mut faults = Faults::default();
        let given: Vec<&str> =
            [(KEY, self.key_serializer.is_some()), (VALUE, self.value_serializer.is_some())]
                .into_iter()
                .filter_map(|(setting, is_given)| is_given.then_some(setting))
                .collect();
        let settings = self.config.resolve(&given, &mut faults);
        let map: HashMap<String, String> =
            settings.properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let properties = Properties::new(&map).with_written(&settings.written);
        let plugins = self.take_plugins(&settings, &properties, &mut faults);
        let chain = self.take_interceptors(&settings.interceptor_classes, &properties, &mut faults);
        let reporters = self.reporters.take(&settings.metric_reporters, &properties, &mut faults);
        let channels = security::channels(&settings, self.logins, &mut faults);
        faults.into_result()?;
        // Without a serializer there is a fault: what is missing is one.
        let plugins = plugins.ok_or_else(|| missing(KEY))?;
        self.config.log(&settings);
        let reporting = Reporting::prepare(reporters, &settings.client_id)?;
        let parts =
            Arc::new(ProducerParts { plugins, interceptors: Arc::new(Interceptors::new(chain)), reporting });
        let of_the_thread = Arc::clone(&parts);
        let running = start(&settings, Arc::clone(&channels), Box::new(move || of_the_thread.close()))?;
        let process = ForkGuard::here();
        if let Some(reporting) = &parts.reporting {
            reporting
                .begin(MetricsSource { process: process.clone(), control: Arc::clone(&running.control) });
        }
        Ok(KafkaProducer {
            core: Arc::new(Core {
                parts,
                process,
                settings: SendSettings::from(&settings),
                accumulator: running.accumulator,
                metadata: running.metadata,
                control: running.control,
                thread: running.thread,
                channels,
                token: running.token,
            }),
        })
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducerBuilder<K, V> {
    /// Serializers and partitioner; `None` where something is wrong with them or they are missing.
    fn take_plugins(
        &mut self,
        settings: &Settings,
        properties: &Properties<'_>,
        faults: &mut Faults,
    ) -> Option<Plugins<K, V>> {
        let key = self.key_serializer.take().map(Ok).or_else(|| {
            let class = settings.key_serializer.as_ref()?;
            Some(serializer(&self.serializers, properties, KEY, class))
        });
        let value = self.value_serializer.take().map(Ok).or_else(|| {
            let class = settings.value_serializer.as_ref()?;
            Some(serializer(&self.serializers, properties, VALUE, class))
        });
        let partitioner = match (self.partitioner.take(), &settings.partitioner_class) {
            (Some(partitioner), _) => Some(partitioner),
            (None, Some(class)) => {
                let setting = "partitioner.class";
                let created = self.partitioners.create(setting, class).and_then(|mut partitioner| {
                    partitioner.configure(properties).map_err(|error| not_configured(setting, error))?;
                    Ok(partitioner)
                });
                faults.keep(created)
            }
            (None, None) => None,
        };
        let (key, value) = (key.and_then(|key| faults.keep(key)), value.and_then(|value| faults.keep(value)));
        Some(Plugins { key_serializer: key?, value_serializer: value?, partitioner })
    }

    fn take_interceptors(
        &mut self,
        classes: &[Named],
        properties: &Properties<'_>,
        faults: &mut Faults,
    ) -> Vec<Box<dyn ProducerInterceptor<K, V>>> {
        let setting = "interceptor.classes";
        let named = classes.iter().filter_map(|class| {
            let created = self.interceptor_names.create::<dyn ProducerInterceptor<K, V>>(
                setting,
                class,
                "interceptor",
                "others are wanted",
            );
            let mut interceptor = faults.keep(created.map_err(Error::config))?;
            let configured = interceptor.configure(properties);
            faults.keep(configured.map_err(|error| not_configured(setting, error)))?;
            Some(interceptor)
        });
        let mut chain: Vec<_> = named.collect();
        chain.append(&mut self.interceptors);
        chain
    }
}

fn serializer<T: ?Sized + 'static>(
    registry: &SerializerRegistry,
    properties: &Properties<'_>,
    setting: &'static str,
    class: &Named,
) -> Result<Box<dyn Serializer<T>>, Error> {
    let mut serializer = registry.create::<T>(setting, class)?;
    let is_key = setting.starts_with("key");
    serializer.configure(properties, is_key).map_err(|error| not_configured(setting, error))?;
    Ok(serializer)
}

fn missing(setting: &str) -> Error {
    Error::config(format!("Missing required configuration \"{setting}\" which has no default value."))
}

fn not_configured(setting: &str, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::config(format!("{setting}: {}", text_of(&error))).with_source(error)
}

/// Where to begin: names that are looked up now, or in the background.
fn bootstrap(settings: &Settings) -> Result<Bootstrap, Error> {
    let names = BootstrapServers::from(settings);
    let patience = settings.bootstrap_resolve_timeout;
    if !patience.is_zero() {
        return Ok(Bootstrap::look_up(names, patience));
    }
    names.look_up().map(Bootstrap::found).map_err(|error| Error::config(error.to_string()))
}

/// What runs, and how the handles reach it.
pub(crate) struct Running {
    pub(crate) accumulator: Arc<RecordAccumulator>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) control: Arc<Control>,
    pub(crate) thread: SenderThread,
    pub(crate) token: ProducerToken,
}

/// Closes what is the user's.
pub(crate) type CloseParts = Box<dyn FnOnce() + Send>;

fn start(
    settings: &Settings,
    channels: Arc<dyn ChannelBuilder>,
    bootstrap: Bootstrap,
    close_parts: CloseParts,
) -> Result<Running, Error> {
    let no_socket = |error| {
        Error::new(
            ErrorKind::Network,
            format!("the operating system gives no means to wait for sockets: {error}"),
        )
    };
    let (network, waker) = SocketNetwork::new(SocketOptions::from(settings)).map_err(no_socket)?;
    let token = ProducerToken::next();
    let mailbox = Mailbox::new(Instant::now(), Box::new(move || waker.wake())).with_spin(settings.get_spin);
    let transport = Transport { network, channels };
    let assembly = assemble(settings, token, transport, mailbox, bootstrap, fastrand::Rng::new());
    let Assembly { sender, accumulator, metadata, control } = assembly;
    let ends = Ends { accumulator: Arc::clone(&accumulator), close_parts };
    let thread = spawn(sender, token, ends, &settings.client_id)?;
    Ok(Running { accumulator, metadata, control, thread, token })
}

/// What the sender thread does when its work is over.
struct Ends {
    accumulator: Arc<RecordAccumulator>,
    close_parts: CloseParts,
}

/// Starts the sender thread. Whatever ends it, everything that was accepted is answered, and only then is closed what is
/// the user's.
fn spawn<N: Network + Send + 'static>(
    mut sender: Sender<N>,
    token: ProducerToken,
    ends: Ends,
    client_id: &str,
) -> Result<SenderThread, Error> {
    let (alive, ended) = bounded(0);
    // So that no handle has the last one: to drop that takes a lock, which a forked child must not.
    let kept = ended.clone();
    let body = move || {
        let Ends { accumulator, close_parts } = ends;
        become_sender_thread(token);
        let ran = catch_panic(|| sender.run(Instant::now()));
        if accumulator.mailbox().is_forked() {
            // A callback has forked. The connections are the parent's, and so is all that is not answered.
            return std::mem::forget((sender, alive, kept, accumulator, close_parts));
        }
        let finished = catch_panic(|| sender.finish(Instant::now()));
        drop(sender);
        // Nothing is left here, unless one of the two has panicked.
        catch_panic(|| accumulator.abandon());
        accumulator.mailbox().close();
        end_of_answers();
        accumulator.mailbox().counts().calling(|| catch_panic(close_parts));
        drop((alive, kept));
        // Not before: the duty comes first.
        if ran.and(finished).is_none() {
            logging::error!(
                "the sender thread panicked: this is a defect of kafka-producer, please report it"
            );
        }
    };
    // A name may hold anything but what ends it.
    let name = format!("kafka-producer-network-thread | {}", Escaped(client_id));
    let short_name = short_thread_name(token, client_id);
    let body = move || {
        name_for_the_system(&short_name);
        body();
    };
    thread::Builder::new().name(name).spawn(body).map_err(Error::no_thread)?;
    Ok(SenderThread { ended })
}

/// What tools of the system show of the thread: they keep 15 bytes, by which producers have to differ.
fn short_thread_name(token: ProducerToken, client_id: &str) -> String {
    let mut name = format!("kafka-{} {}", token.0, Escaped(client_id));
    while name.len() > SYSTEM_NAME_BYTES {
        name.pop();
    }
    name
}

#[cfg(target_os = "linux")]
fn name_for_the_system(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// Elsewhere the whole name of the thread is shown.
#[cfg(not(target_os = "linux"))]
fn name_for_the_system(_name: &str) {}

const KEY: &str = "key.serializer";
const VALUE: &str = "value.serializer";
const SYSTEM_NAME_BYTES: usize = 15;
