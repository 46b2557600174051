//! The one table of all settings: Kafka's 119, its internal one, and ours.
//!
//! Owns: name, constant, type, default, range, importance, origin, support, typed setter and description of each.
//! Constants, typed setters, conversion, checks and `docs/configuration.md` are made from these rows, so that they
//! cannot differ. Must not know: how values are stored, rules between settings.
//!
//! A row: (constant, name, type, default, rule, importance, origin, support, [setter: type], description).
//! A default is `required`, `null`, or Java's text. To build a setting that was not: write `Built` in its row.

use super::property::Importance::{High, Low, Medium};
use super::property::PropertyOrigin::{Internal, Kafka, Kafka44, Ours};
use super::property::PropertySupport::{Built, Dormant, NoEffect, NotBuilt};
use super::property::PropertyType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use super::property::Rule::{Any, AtLeast, Between, BetweenOr, BetweenReal, NonEmpty, OneOf, OneOfAnyCase};
use super::property::{Preset, PropertyDescription};

macro_rules! for_each_property {
    ($then:ident) => {
        $then! {
            // What a producer needs.
            (BOOTSTRAP_SERVERS_CONFIG, "bootstrap.servers", List, required, NonEmpty, High, Kafka, Built, [bootstrap_servers: &str],
             "Addresses of some of the cluster's brokers, host:port separated by commas. They are only where the client begins: the whole cluster is learned from the first that answers, so two or three of different machines are enough. A name that resolves to nothing is skipped with a warning; if none resolves, the producer does not start.")
            (KEY_SERIALIZER_CLASS_CONFIG, "key.serializer", Class, required, Any, High, Kafka, Built, [key_serializer: &str],
             "Turns a record's key into bytes: a stock serializer by Java's class name or its short name, or one that was registered under a name. Not needed if the serializer is given as a value.")
            (VALUE_SERIALIZER_CLASS_CONFIG, "value.serializer", Class, required, Any, High, Kafka, Built, [value_serializer: &str],
             "Turns a record's value into bytes: a stock serializer by Java's class name or its short name, or one that was registered under a name. Not needed if the serializer is given as a value.")
            (CLIENT_ID_CONFIG, "client.id", String, "", Any, Medium, Kafka, Built, [client_id: &str],
             "Name of this producer in the brokers' logs, metrics and quotas. If it is not set: producer-1, producer-2, … by the order of creation in the process.")

            // Delivery.
            (ACKS_CONFIG, "acks", String, "all", OneOf(&["all", "-1", "0", "1"]), Low, Kafka, Built, [acks: Acks],
             "How many replicas must have a record before it counts as sent: all (or -1) those in sync, 1 the leader alone, 0 none: the broker does not answer, offsets are -1 and nothing is retried. Idempotence needs all: with another value it goes off, and if it was asked for, the producer does not start.")
            (ENABLE_IDEMPOTENCE_CONFIG, "enable.idempotence", Boolean, "true", Any, Low, Kafka, Built, [enable_idempotence: bool],
             "Whether the broker drops repeated batches, so that a retry neither duplicates nor reorders records. Needs acks=all, retries above 0 and at most 5 requests in flight per connection. If it was not set and acks or retries contradict, it is switched off.")
            (RETRIES_CONFIG, "retries", Int, "2147483647", Between(0, 2_147_483_647), High, Kafka, Built, [retries: u32],
             "How often a batch is sent again after an error that may pass. Better left alone: delivery.timeout.ms is the bound that counts. Without idempotence and with more than one request in flight per connection, a retry can change the order of records.")
            (DELIVERY_TIMEOUT_MS_CONFIG, "delivery.timeout.ms", Int, "120000", AtLeast(0), Medium, Kafka, Built, [delivery_timeout: Duration],
             "Milliseconds from the moment that send has accepted a record until it is delivered or has failed, whatever happens in between. At least linger.ms + request.timeout.ms; if it was not set, it is raised to that sum.")
            (REQUEST_TIMEOUT_MS_CONFIG, "request.timeout.ms", Int, "30000", AtLeast(0), Medium, Kafka, Built, [request_timeout: Duration],
             "Milliseconds to wait for the answer to one request; then the connection is closed and the request is retried or fails. Also sent with produce requests as the time that the broker may wait for its replicas, so it should be above the broker's replica.lag.time.max.ms.")
            (RETRY_BACKOFF_MS_CONFIG, "retry.backoff.ms", Long, "100", AtLeast(0), Low, Kafka, Built, [retry_backoff: Duration],
             "Milliseconds to wait before the first retry of a failed request. Doubles with each failure, up to retry.backoff.max.ms, give or take a fifth.")
            (RETRY_BACKOFF_MAX_MS_CONFIG, "retry.backoff.max.ms", Long, "1000", AtLeast(0), Low, Kafka, Built, [retry_backoff_max: Duration],
             "Milliseconds that a wait before a retry grows to. If it is below retry.backoff.ms, every wait is this long.")
            (MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, "max.in.flight.requests.per.connection", Int, "5", AtLeast(1), Low, Kafka, Built, [max_in_flight_requests_per_connection: u32],
             "How many requests may be unanswered on one connection. With idempotence at most 5, the number of batches whose sequence a broker remembers. Without it, any value above 1 lets a retry overtake.")

            // Batching and memory.
            (BATCH_SIZE_CONFIG, "batch.size", Int, "16384", AtLeast(0), Medium, Kafka, Built, [batch_size: usize],
             "Bytes that a batch of one partition is filled to. Larger batches cost fewer requests and compress better; each partition in use holds at least one buffer of this size. A larger record gets a batch of its own. 0 means a batch for each record.")
            (LINGER_MS_CONFIG, "linger.ms", Long, "5", AtLeast(0), Medium, Kafka, Built, [linger: Duration],
             "Milliseconds that a batch which is not full waits for more records. A batch that is full goes at once, and so does one that somebody waits for. Values above 2147483647 count as that.")
            (BUFFER_MEMORY_CONFIG, "buffer.memory", Long, "33554432", AtLeast(0), High, Kafka, Built, [buffer_memory: usize],
             "Bytes for all records that are accepted and not yet settled. When they are used up, send waits up to max.block.ms and then fails. The process uses a little more, for requests and connections.")
            (BUFFER_MEMORY_ALLOCATION_STRATEGY_CONFIG, "buffer.memory.allocation.strategy", String, "full", OneOf(&["full", "incremental"]), Low, Internal, Dormant, [],
             "Whether a new batch takes its whole batch.size from the buffer memory, or grows in pieces. Kafka has it unfinished and undocumented. Here a batch begins with at most 16 KiB and grows by doubling, whatever this says.")
            (MAX_REQUEST_SIZE_CONFIG, "max.request.size", Int, "1048576", AtLeast(0), Medium, Kafka, Built, [max_request_size: usize],
             "Bytes of the largest request, and of the largest record as it is before compression. The broker has a limit of its own, message.max.bytes.")
            (MAX_BLOCK_MS_CONFIG, "max.block.ms", Long, "60000", AtLeast(0), Medium, Kafka, Built, [max_block: Duration],
             "Milliseconds that send may wait for metadata and buffer memory together, and partitions_for and each transaction call for their answer. Time in serializers and partitioners does not count. 0 means never to wait.")
            (COMPRESSION_TYPE_CONFIG, "compression.type", String, "none", OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]), High, Kafka, Built, [compression_type: CompressionType],
             "How whole batches are compressed. The fuller the batch, the better the ratio.")
            (COMPRESSION_GZIP_LEVEL_CONFIG, "compression.gzip.level", Int, "-1", BetweenOr(1, 9, -1), Medium, Kafka, Built, [compression_gzip_level: i32],
             "How hard gzip tries, from 1 (fast) to 9 (small); -1 leaves it to the codec.")
            (COMPRESSION_LZ4_LEVEL_CONFIG, "compression.lz4.level", Int, "9", Between(1, 17), Medium, Kafka, Built, [compression_lz4_level: i32],
             "How hard lz4 tries, from 1 to 17 (small). The default is none of them: it is the fast encoder, as in Kafka. The others need the crate's feature lz4-c and are refused without it.")
            (COMPRESSION_ZSTD_LEVEL_CONFIG, "compression.zstd.level", Int, "3", Between(-131_072, 22), Medium, Kafka, Built, [compression_zstd_level: i32],
             "How hard zstd tries, from -131072 (fast) to 22 (small). By a codec without C; with the crate's feature zstd-c by the C library, which is faster.")

            // Partitioning.
            (PARTITIONER_CLASS_CONFIG, "partitioner.class", Class, null, Any, Medium, Kafka, Built, [partitioner_class: &str],
             "Chooses the partition of records that name none: a stock partitioner or one that was registered under a name. Without it, records with a key go to the partition that the key's hash says, and the others fill one partition's batch after another.")
            (PARTITIONER_IGNORE_KEYS_CONFIG, "partitioner.ignore.keys", Boolean, "false", Any, Medium, Kafka, Built, [partitioner_ignore_keys: bool],
             "Whether records with a key are spread as if they had none. Of no effect with partitioner.class.")
            (PARTITIONER_ADAPTIVE_PARTITIONING_ENABLE_CONFIG, "partitioner.adaptive.partitioning.enable", Boolean, "true", Any, Low, Kafka, Built, [partitioner_adaptive_partitioning_enable: bool],
             "Whether records without a key go more often to partitions whose queues are short, so that a slow broker gets less. Otherwise all partitions get the same share. Of no effect with partitioner.class.")
            (PARTITIONER_AVAILABILITY_TIMEOUT_MS_CONFIG, "partitioner.availability.timeout.ms", Long, "0", AtLeast(0), Low, Kafka, Built, [partitioner_availability_timeout: Duration],
             "Milliseconds after which a broker that could not take batches gets no more records without a key until it can. 0 means never. Of no effect with partitioner.class or without adaptive partitioning.")
            (PARTITIONER_RACK_AWARE_CONFIG, "partitioner.rack.aware", Boolean, "false", Any, Low, Kafka44, Built, [partitioner_rack_aware: bool],
             "Whether records without a key prefer partitions whose leader stands in client.rack, which must then be set (KIP-1123). Where no leader stands there they go to the others. Of no effect with partitioner.class.")
            (CLIENT_RACK_CONFIG, "client.rack", String, "", Any, Low, Kafka44, Built, [client_rack: &str],
             "The rack or zone that this client is in, in the words of the brokers' broker.rack. Only partitioner.rack.aware looks at it.")

            // Metadata.
            (METADATA_MAX_AGE_CONFIG, "metadata.max.age.ms", Long, "300000", AtLeast(0), Low, Kafka, Built, [metadata_max_age: Duration],
             "Milliseconds after which metadata is fetched again although nothing seems to have changed, so that new brokers and partitions are seen.")
            (METADATA_MAX_IDLE_CONFIG, "metadata.max.idle.ms", Long, "300000", AtLeast(5000), Low, Kafka, Built, [metadata_max_idle: Duration],
             "Milliseconds after which a topic that nothing was sent to is forgotten; the next send to it fetches its metadata again.")
            (METADATA_RECOVERY_STRATEGY_CONFIG, "metadata.recovery.strategy", String, "rebootstrap", OneOfAnyCase(&["none", "rebootstrap"]), Low, Kafka, Built, [metadata_recovery_strategy: MetadataRecoveryStrategy],
             "What to do when none of the known brokers can be used: begin again with bootstrap.servers (rebootstrap), or keep trying those (none). With rebootstrap that is also done when a broker asks for it, and after metadata.recovery.rebootstrap.trigger.ms.")
            (METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS_CONFIG, "metadata.recovery.rebootstrap.trigger.ms", Long, "300000", AtLeast(0), Low, Kafka, Built, [metadata_recovery_rebootstrap_trigger: Duration],
             "Milliseconds for which metadata is asked for and none comes, after which the client closes its connections and begins again with bootstrap.servers. Of no effect with metadata.recovery.strategy=none.")
            (METADATA_CLUSTER_CHANGE_CONFIG, "metadata.cluster.change", String, "follow", OneOf(&["follow", "fail"]), Low, Ours, Built, [metadata_cluster_change: ClusterChange],
             "What to do when brokers of another cluster answer than before: it was set up anew, its name leads elsewhere, or bootstrap.servers names brokers of two clusters. With follow all that is not acknowledged yet goes there, under a new producer id, and a warning tells both clusters' ids. With fail the producer can no longer be used, and nothing is sent to the other cluster. Another cluster is known by its id, and one that was set up anew under its old id by its topics: brokers were connected anew, and none of the producer's topics has the id that it had. So with fail it is the end as well if a producer has one topic only, and that is created again while connections are lost. Kafka before 2.8 tells no ids of topics.")
            (METADATA_CLUSTER_CHECK_ENABLE_CONFIG, "metadata.cluster.check.enable", Boolean, "true", Any, Low, Kafka44, Dormant, [],
             "Whether brokers are told which cluster and broker the connection is meant for, so that they can refuse one that went astray (KIP-1242). This version does not tell them: both values behave as false.")
            (BOOTSTRAP_RESOLVE_TIMEOUT_MS_CONFIG, "bootstrap.resolve.timeout.ms", Long, "0", AtLeast(0), Low, Kafka44, Built, [bootstrap_resolve_timeout: Duration],
             "Milliseconds that the names in bootstrap.servers may take to resolve in the background, where they are looked up until one is found; after that the producer can no longer be used. 0 means that they are resolved while the producer is created, which fails if none does (KIP-909).")

            // Connections.
            (CLIENT_DNS_LOOKUP_CONFIG, "client.dns.lookup", String, "use_all_dns_ips", OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), Medium, Kafka, Built, [client_dns_lookup: ClientDnsLookup],
             "What is done with a name that has several addresses: try one after the other until one connects, or first replace each bootstrap name by the canonical names of its addresses.")
            (RECONNECT_BACKOFF_MS_CONFIG, "reconnect.backoff.ms", Long, "50", AtLeast(0), Low, Kafka, Built, [reconnect_backoff: Duration],
             "Milliseconds to wait before connecting again to a broker that could not be reached. Doubles with each failure, up to reconnect.backoff.max.ms, give or take a fifth. If it is set and the maximum is not, all waits are this long.")
            (RECONNECT_BACKOFF_MAX_MS_CONFIG, "reconnect.backoff.max.ms", Long, "1000", AtLeast(0), Low, Kafka, Built, [reconnect_backoff_max: Duration],
             "Milliseconds that a wait before a new connection grows to.")
            (SOCKET_CONNECTION_SETUP_TIMEOUT_MS_CONFIG, "socket.connection.setup.timeout.ms", Long, "10000", AtLeast(0), Medium, Kafka, Built, [socket_connection_setup_timeout: Duration],
             "Milliseconds that a new connection may take. Doubles with each failure, up to socket.connection.setup.timeout.max.ms, give or take a fifth.")
            (SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS_CONFIG, "socket.connection.setup.timeout.max.ms", Long, "30000", AtLeast(0), Medium, Kafka, Built, [socket_connection_setup_timeout_max: Duration],
             "Milliseconds that the time for a new connection grows to. If it is below socket.connection.setup.timeout.ms, the time is always this.")
            (CONNECTIONS_MAX_IDLE_MS_CONFIG, "connections.max.idle.ms", Long, "540000", Any, Medium, Kafka, Built, [connections_max_idle: Duration],
             "Milliseconds after which an unused connection is closed; a little less than the brokers' ten minutes, so that it is closed from here. A negative value means never.")
            (SEND_BUFFER_CONFIG, "send.buffer.bytes", Int, "131072", AtLeast(-1), Medium, Kafka, Built, [send_buffer: usize],
             "Bytes of the socket's send buffer (SO_SNDBUF). -1 leaves it to the operating system.")
            (RECEIVE_BUFFER_CONFIG, "receive.buffer.bytes", Int, "32768", AtLeast(-1), Medium, Kafka, Built, [receive_buffer: usize],
             "Bytes of the socket's receive buffer (SO_RCVBUF). -1 leaves it to the operating system.")
            (GET_SPIN_US_CONFIG, "get.spin.us", Long, "50", AtLeast(0), Low, Ours, Built, [],
             "Microseconds that a thread in get, and the sender's thread meanwhile, go on looking for the answer before they sleep, while answers come that fast. It shortens a synchronous send by what falling asleep and waking up take. Of several threads in get one polls and the others sleep; both give way to whoever else has work; an idle producer never polls. 0 turns it off.")

            // Interceptors, metrics, configuration.
            (INTERCEPTOR_CLASSES_CONFIG, "interceptor.classes", List, "", Any, Low, Kafka, Built, [],
             "Interceptors that see each record before it is serialized and its outcome afterwards, in this order, by the names that they were registered under.")
            (ENABLE_METRICS_PUSH_CONFIG, "enable.metrics.push", Boolean, "true", Any, Low, Kafka, Dormant, [],
             "Whether metrics are pushed to brokers that subscribe to them (KIP-714). This version pushes none: both values behave as false.")
            (METRICS_SAMPLE_WINDOW_MS_CONFIG, "metrics.sample.window.ms", Long, "30000", AtLeast(0), Low, Kafka, NotBuilt, [],
             "Milliseconds that one sample of a metric spans.")
            (METRICS_NUM_SAMPLES_CONFIG, "metrics.num.samples", Int, "2", AtLeast(1), Low, Kafka, NotBuilt, [],
             "How many samples a metric keeps.")
            (METRICS_RECORDING_LEVEL_CONFIG, "metrics.recording.level", String, "INFO", OneOf(&["INFO", "DEBUG", "TRACE"]), Low, Kafka, NotBuilt, [],
             "Up to which level of detail metrics are recorded.")
            (METRIC_REPORTER_CLASSES_CONFIG, "metric.reporters", List, "org.apache.kafka.common.metrics.JmxReporter", Any, Low, Kafka, NoEffect, [],
             "Java classes that metrics are reported to.")
            (CONFIG_PROVIDERS_CONFIG, "config.providers", List, "", Any, Low, Kafka, Built, [config_providers: &str],
             "Names of the providers that variables in values are looked up with: ${NAME:KEY} or ${NAME:PATH:KEY}. Each name has its class in config.providers.NAME.class and its options in config.providers.NAME.param.OPTION.")

            // Transactions.
            (TRANSACTIONAL_ID_CONFIG, "transactional.id", String, null, NonEmpty, Low, Kafka, NotBuilt, [],
             "Turns transactions on, and is the name under which a producer is known across restarts: a new one with the same name fences the old. Needs idempotence.")
            (TRANSACTION_TIMEOUT_CONFIG, "transaction.timeout.ms", Int, "60000", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds after which the coordinator aborts a transaction that is still open. The broker has an upper limit, transaction.max.timeout.ms.")
            (TRANSACTION_TWO_PHASE_COMMIT_ENABLE_CONFIG, "transaction.two.phase.commit.enable", Boolean, "false", Any, Low, Kafka, NotBuilt, [],
             "Whether an outside coordinator ends the transactions, which then never time out; transaction.timeout.ms must not be set then.")

            // Security: TLS.
            (SECURITY_PROTOCOL_CONFIG, "security.protocol", String, "PLAINTEXT", OneOfAnyCase(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium, Kafka, NotBuilt, [],
             "How brokers are spoken to: with or without TLS, with or without logging in.")
            (SECURITY_PROVIDERS_CONFIG, "security.providers", String, null, Any, Low, Kafka, NoEffect, [],
             "Java classes that add security algorithms to the JVM.")
            (SSL_PROTOCOL_CONFIG, "ssl.protocol", String, "TLSv1.3", Any, Medium, Kafka, NotBuilt, [],
             "The TLS version that connections are set up for; those that are allowed stand in ssl.enabled.protocols.")
            (SSL_PROVIDER_CONFIG, "ssl.provider", String, null, Any, Medium, Kafka, NoEffect, [],
             "The JVM's security provider for TLS.")
            (SSL_CIPHER_SUITES_CONFIG, "ssl.cipher.suites", List, "", Any, Low, Kafka, NotBuilt, [],
             "The cipher suites that may be used. An empty list means all that are safe.")
            (SSL_ENABLED_PROTOCOLS_CONFIG, "ssl.enabled.protocols", List, "TLSv1.2,TLSv1.3", Any, Medium, Kafka, NotBuilt, [],
             "The TLS versions that may be used.")
            (SSL_KEYSTORE_TYPE_CONFIG, "ssl.keystore.type", String, "JKS", Any, Medium, Kafka, NotBuilt, [],
             "The format of the key store: JKS, PKCS12 or PEM.")
            (SSL_KEYSTORE_LOCATION_CONFIG, "ssl.keystore.location", String, null, Any, High, Kafka, NotBuilt, [],
             "The file with this client's key and certificates, where brokers ask for them.")
            (SSL_KEYSTORE_PASSWORD_CONFIG, "ssl.keystore.password", Password, null, Any, High, Kafka, NotBuilt, [],
             "The password of the key store. Not used for PEM.")
            (SSL_KEY_PASSWORD_CONFIG, "ssl.key.password", Password, null, Any, High, Kafka, NotBuilt, [],
             "The password of the private key in the key store, or of the PEM key in ssl.keystore.key.")
            (SSL_KEYSTORE_KEY_CONFIG, "ssl.keystore.key", Password, null, Any, High, Kafka, NotBuilt, [],
             "The private key itself, as PEM with PKCS#8, in place of a file.")
            (SSL_KEYSTORE_CERTIFICATE_CHAIN_CONFIG, "ssl.keystore.certificate.chain", Password, null, Any, High, Kafka, NotBuilt, [],
             "The certificate chain itself, as PEM, in place of a file.")
            (SSL_TRUSTSTORE_CERTIFICATES_CONFIG, "ssl.truststore.certificates", Password, null, Any, High, Kafka, NotBuilt, [],
             "The certificates of the authorities to trust, as PEM, in place of a file.")
            (SSL_TRUSTSTORE_TYPE_CONFIG, "ssl.truststore.type", String, "JKS", Any, Medium, Kafka, NotBuilt, [],
             "The format of the trust store: JKS, PKCS12 or PEM.")
            (SSL_TRUSTSTORE_LOCATION_CONFIG, "ssl.truststore.location", String, null, Any, High, Kafka, NotBuilt, [],
             "The file with the certificates of the authorities to trust.")
            (SSL_TRUSTSTORE_PASSWORD_CONFIG, "ssl.truststore.password", Password, null, Any, High, Kafka, NotBuilt, [],
             "The password of the trust store. Without it the store is read unchecked.")
            (SSL_KEYMANAGER_ALGORITHM_CONFIG, "ssl.keymanager.algorithm", String, "SunX509", Any, Low, Kafka, NoEffect, [],
             "The JVM's algorithm for choosing keys.")
            (SSL_TRUSTMANAGER_ALGORITHM_CONFIG, "ssl.trustmanager.algorithm", String, "PKIX", Any, Low, Kafka, NoEffect, [],
             "The JVM's algorithm for checking certificates.")
            (SSL_ENDPOINT_IDENTIFICATION_ALGORITHM_CONFIG, "ssl.endpoint.identification.algorithm", String, "https", Any, Low, Kafka, NotBuilt, [],
             "How the name in a broker's certificate is compared with the name that was connected to. An empty text turns it off, which lets anyone with any certificate pose as the broker.")
            (SSL_SECURE_RANDOM_IMPLEMENTATION_CONFIG, "ssl.secure.random.implementation", String, null, Any, Low, Kafka, NoEffect, [],
             "The JVM's random number generator for TLS.")
            (SSL_ENGINE_FACTORY_CLASS_CONFIG, "ssl.engine.factory.class", Class, null, Any, Low, Kafka, NotBuilt, [],
             "A Java class in place of the JVM's TLS. Refused rather than ignored: whoever sets it wants something else than the usual TLS.")

            // Security: SASL.
            (SASL_MECHANISM, "sasl.mechanism", String, "GSSAPI", Any, Medium, Kafka, NotBuilt, [],
             "How this client logs in, where security.protocol says that it does.")
            (SASL_JAAS_CONFIG, "sasl.jaas.config", Password, null, Any, Medium, Kafka, NotBuilt, [],
             "Who logs in with what, as a line in the format of JAAS: login module, control flag, options.")
            (SASL_CLIENT_CALLBACK_HANDLER_CLASS, "sasl.client.callback.handler.class", Class, null, Any, Medium, Kafka, NotBuilt, [],
             "A custom source of credentials.")
            (SASL_LOGIN_CALLBACK_HANDLER_CLASS, "sasl.login.callback.handler.class", Class, null, Any, Medium, Kafka, NotBuilt, [],
             "A custom source of tokens.")
            (SASL_LOGIN_CLASS, "sasl.login.class", Class, null, Any, Medium, Kafka, NotBuilt, [],
             "A custom way to log in and to renew the login.")
            (SASL_KERBEROS_SERVICE_NAME, "sasl.kerberos.service.name", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The Kerberos name that the brokers run under.")
            (SASL_KERBEROS_KINIT_CMD, "sasl.kerberos.kinit.cmd", String, "/usr/bin/kinit", Any, Low, Kafka, NotBuilt, [],
             "The path of Kerberos' kinit command.")
            (SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR, "sasl.kerberos.ticket.renew.window.factor", Double, "0.8", Any, Low, Kafka, NotBuilt, [],
             "The share of a ticket's life after which it is renewed.")
            (SASL_KERBEROS_TICKET_RENEW_JITTER, "sasl.kerberos.ticket.renew.jitter", Double, "0.05", Any, Low, Kafka, NotBuilt, [],
             "The share of random time that is added to the time of a ticket's renewal.")
            (SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN, "sasl.kerberos.min.time.before.relogin", Long, "60000", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds between two attempts to renew a ticket, at least.")
            (SASL_LOGIN_REFRESH_WINDOW_FACTOR, "sasl.login.refresh.window.factor", Double, "0.8", BetweenReal(0.5, 1.0), Low, Kafka, NotBuilt, [],
             "The share of a token's life after which a new one is fetched. For OAUTHBEARER.")
            (SASL_LOGIN_REFRESH_WINDOW_JITTER, "sasl.login.refresh.window.jitter", Double, "0.05", BetweenReal(0.0, 0.25), Low, Kafka, NotBuilt, [],
             "The share of random time that is added to the time of a token's refresh. For OAUTHBEARER.")
            (SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS, "sasl.login.refresh.min.period.seconds", Short, "60", Between(0, 900), Low, Kafka, NotBuilt, [],
             "Seconds to wait at least before a token is refreshed. For OAUTHBEARER.")
            (SASL_LOGIN_REFRESH_BUFFER_SECONDS, "sasl.login.refresh.buffer.seconds", Short, "300", Between(0, 3600), Low, Kafka, NotBuilt, [],
             "Seconds before a token's end by which it is refreshed at the latest. For OAUTHBEARER.")
            (SASL_LOGIN_CONNECT_TIMEOUT_MS, "sasl.login.connect.timeout.ms", Int, null, Any, Low, Kafka, NotBuilt, [],
             "Milliseconds for connecting to the token's provider. For OAUTHBEARER.")
            (SASL_LOGIN_READ_TIMEOUT_MS, "sasl.login.read.timeout.ms", Int, null, Any, Low, Kafka, NotBuilt, [],
             "Milliseconds for reading from the token's provider. For OAUTHBEARER.")
            (SASL_LOGIN_RETRY_BACKOFF_MS, "sasl.login.retry.backoff.ms", Long, "100", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds before a token's provider is asked again after a failure; doubles with each. For OAUTHBEARER.")
            (SASL_LOGIN_RETRY_BACKOFF_MAX_MS, "sasl.login.retry.backoff.max.ms", Long, "10000", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds that the wait before a token's provider is asked again grows to. For OAUTHBEARER.")

            // Security: OAUTHBEARER.
            (SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS, "sasl.oauthbearer.jwt.retriever.class", Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", Any, Medium, Kafka, NotBuilt, [],
             "How a token is fetched.")
            (SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS, "sasl.oauthbearer.jwt.validator.class", Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", Any, Medium, Kafka, NotBuilt, [],
             "How a fetched token is checked before it is used.")
            (SASL_OAUTHBEARER_SCOPE, "sasl.oauthbearer.scope", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The scope that is asked for when a token is fetched.")
            (SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID, "sasl.oauthbearer.client.credentials.client.id", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The client id for the client credentials grant.")
            (SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET, "sasl.oauthbearer.client.credentials.client.secret", Password, null, Any, Medium, Kafka, NotBuilt, [],
             "The client secret for the client credentials grant.")
            (SASL_OAUTHBEARER_ASSERTION_ALGORITHM, "sasl.oauthbearer.assertion.algorithm", String, "RS256", OneOfAnyCase(&["ES256", "RS256"]), Medium, Kafka, NotBuilt, [],
             "The algorithm that an assertion is signed with.")
            (SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD, "sasl.oauthbearer.assertion.claim.aud", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The audience that an assertion claims.")
            (SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS, "sasl.oauthbearer.assertion.claim.iss", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The issuer that an assertion claims.")
            (SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB, "sasl.oauthbearer.assertion.claim.sub", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The subject that an assertion claims.")
            (SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS, "sasl.oauthbearer.assertion.claim.exp.seconds", Int, "300", Between(0, 86_400), Low, Kafka, NotBuilt, [],
             "Seconds from now until an assertion ends.")
            (SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS, "sasl.oauthbearer.assertion.claim.nbf.seconds", Int, "60", Between(0, 3600), Low, Kafka, NotBuilt, [],
             "Seconds before now at which an assertion begins.")
            (SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE, "sasl.oauthbearer.assertion.claim.jti.include", Boolean, "false", Any, Medium, Kafka, NotBuilt, [],
             "Whether an assertion has an id of its own.")
            (SASL_OAUTHBEARER_ASSERTION_FILE, "sasl.oauthbearer.assertion.file", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The file with an assertion that is ready and signed.")
            (SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE, "sasl.oauthbearer.assertion.private.key.file", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The file with the private key that assertions are signed with.")
            (SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE, "sasl.oauthbearer.assertion.private.key.passphrase", Password, null, Any, Medium, Kafka, NotBuilt, [],
             "The password of the key that assertions are signed with.")
            (SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE, "sasl.oauthbearer.assertion.template.file", String, null, Any, Medium, Kafka, NotBuilt, [],
             "The file with headers and claims that are put into assertions.")
            (SASL_OAUTHBEARER_SCOPE_CLAIM_NAME, "sasl.oauthbearer.scope.claim.name", String, "scope", Any, Low, Kafka, NotBuilt, [],
             "The name of the claim with the scope in a token.")
            (SASL_OAUTHBEARER_SUB_CLAIM_NAME, "sasl.oauthbearer.sub.claim.name", String, "sub", Any, Low, Kafka, NotBuilt, [],
             "The name of the claim with the subject in a token.")
            (SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, "sasl.oauthbearer.token.endpoint.url", String, null, Any, Medium, Kafka, NotBuilt, [],
             "Where tokens are fetched from: an http, https or file URL.")
            (SASL_OAUTHBEARER_JWKS_ENDPOINT_URL, "sasl.oauthbearer.jwks.endpoint.url", String, null, Any, Medium, Kafka, NotBuilt, [],
             "Where keys for checking signatures are fetched from. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS, "sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, "3600000", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds after which those keys are fetched again. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS, "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, "100", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds before those keys are asked for again after a failure. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS, "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, "10000", Any, Low, Kafka, NotBuilt, [],
             "Milliseconds that the wait before those keys are asked for again grows to. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS, "sasl.oauthbearer.clock.skew.seconds", Int, "30", Any, Low, Kafka, NotBuilt, [],
             "Seconds by which the clocks of token provider and broker may differ. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_ALLOW_UNVERIFIED_AUDIENCE, "sasl.oauthbearer.allow.unverified.audience", Boolean, "false", Any, Low, Kafka44, NotBuilt, [],
             "Whether tokens pass whose audience is not checked. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_ALLOW_UNVERIFIED_ISSUER, "sasl.oauthbearer.allow.unverified.issuer", Boolean, "false", Any, Low, Kafka44, NotBuilt, [],
             "Whether tokens pass whose issuer is not checked. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_EXPECTED_AUDIENCE, "sasl.oauthbearer.expected.audience", List, "", Any, High, Kafka, NotBuilt, [],
             "The audiences that a token may be meant for. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_EXPECTED_ISSUER, "sasl.oauthbearer.expected.issuer", String, null, Any, High, Kafka, NotBuilt, [],
             "The issuer that a token must come from. A broker's setting that clients have too.")
            (SASL_OAUTHBEARER_HEADER_URLENCODE, "sasl.oauthbearer.header.urlencode", Boolean, "false", Any, Low, Kafka, NotBuilt, [],
             "Whether client id and secret are URL-encoded in the request for a token.")
        }
    };
}
pub(super) use for_each_property;

macro_rules! preset {
    (required) => {
        Preset::Required
    };
    (null) => {
        Preset::Null
    };
    ($text:literal) => {
        Preset::Text($text)
    };
}

macro_rules! rows {
    ($(($constant:ident, $name:literal, $kind:ident, $default:tt, $rule:expr, $importance:ident, $origin:ident,
        $support:ident, [$($setter:ident: $type:ty)?], $doc:literal))*) => {
        /// All settings, in the order of the reference.
        pub(super) static PROPERTIES: &[PropertyDescription] = &[$(PropertyDescription {
            name: $name,
            kind: $kind,
            default: preset!($default),
            rule: $rule,
            importance: $importance,
            origin: $origin,
            support: $support,
            doc: $doc,
        },)*];
    };
}
for_each_property!(rows);

/// The row of a setting, if the name is known.
pub(super) fn find(name: &str) -> Option<&'static PropertyDescription> {
    PROPERTIES.iter().find(|property| property.name == name)
}
