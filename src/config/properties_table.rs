//! The one table of all settings: Kafka's 119, its internal one, and ours.
//!
//! Owns: name, constant, type, default, range, importance, origin, support, typed setter, field and description of each.
//! Constants, typed setters, `Settings`, conversion, checks and `docs/configuration.md` are made from these rows, so
//! that they cannot differ. Must not know: how values are stored, rules between settings.
//!
//! A row: the constant and the name; what it does; its type in Java and its default (`required`, `null`, or Java's
//! text); the typed setter, if it has one, and what that takes; the field in `Settings`, if the client reads it, and the
//! function in `readers.rs` that makes it; what is accepted, and what the reference says besides. To support a
//! setting that was refused: `support: Supported`, and a field.

use super::property::Importance::{High, Low, Medium};
use super::property::PropertyOrigin::{Internal, Kafka, Kafka44, Ours};
use super::property::PropertySupport::{Ignored, Refused, Supported};
use super::property::PropertyType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use super::property::Rule::{Any, AtLeast, Between, BetweenOr, BetweenReal, NonEmpty, OneOf, OneOfAnyCase};
use super::property::{Preset, PropertyDescription};

macro_rules! for_each_property {
    ($then:ident) => {
        $then! {
            // What a producer needs.
            BOOTSTRAP_SERVERS_CONFIG = "bootstrap.servers" {
                doc: "Addresses of some of the cluster's brokers, host:port separated by commas. The client learns the whole cluster from the first that answers, so two or three brokers on different machines are enough. A name that resolves to nothing is skipped with a warning; if none resolves, the producer does not start.",
                type: List, default: required, setter: bootstrap_servers(&str), field: bootstrap_entries: Vec<Named> = list,
                accepts: NonEmpty, importance: High, origin: Kafka, support: Supported,
            }
            KEY_SERIALIZER_CLASS_CONFIG = "key.serializer" {
                doc: "Turns a record's key into bytes: a stock serializer by Java's class name or its short name, or one that was registered under a name. Not needed if the serializer is given as a value.",
                type: Class, default: required, setter: key_serializer(&str), field: key_serializer: Option<Named> = class,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            VALUE_SERIALIZER_CLASS_CONFIG = "value.serializer" {
                doc: "Turns a record's value into bytes: a stock serializer by Java's class name or its short name, or one that was registered under a name. Not needed if the serializer is given as a value.",
                type: Class, default: required, setter: value_serializer(&str), field: value_serializer: Option<Named> = class,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            CLIENT_ID_CONFIG = "client.id" {
                doc: "Name of this producer in the brokers' logs, metrics and quotas. If it is not set: producer-1, producer-2, … by the order of creation in the process.",
                type: String, default: "", setter: client_id(&str), field: client_id: String = text,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }

            // Delivery.
            ACKS_CONFIG = "acks" {
                doc: "Which replicas must have a record before the broker acknowledges it: with all (or -1) every in-sync replica, with 1 the leader alone, with 0 none: the broker does not answer, records have no offset, and nothing is retried. Idempotence needs all: with another value it is switched off, and if it was asked for, the producer does not start.",
                type: String, default: "all", setter: acks(Acks), field: acks: Acks = choice,
                accepts: OneOf(&["all", "-1", "0", "1"]), importance: Low, origin: Kafka, support: Supported,
            }
            ENABLE_IDEMPOTENCE_CONFIG = "enable.idempotence" {
                doc: "Whether the broker drops repeated batches, so that a retry neither duplicates nor reorders records. Needs acks=all, retries above 0 and at most 5 requests in flight per connection. If it was not set and acks or retries contradict, it is switched off.",
                type: Boolean, default: "true", setter: enable_idempotence(bool), field: enable_idempotence: bool = switch,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            RETRIES_CONFIG = "retries" {
                doc: "How often a batch is sent again after a retriable error. Better left alone: delivery.timeout.ms limits how long the producer retries. Without idempotence and with more than one request in flight per connection, a retry can change the order of records.",
                type: Int, default: "2147483647", setter: retries(u32), field: retries: u32 = count,
                accepts: Between(0, 2_147_483_647), importance: High, origin: Kafka, support: Supported,
            }
            DELIVERY_TIMEOUT_MS_CONFIG = "delivery.timeout.ms" {
                doc: "Milliseconds from the moment that send has accepted a record until it is delivered or has failed, whatever happens in between. At least linger.ms + request.timeout.ms; if it was not set, it is raised to that sum.",
                type: Int, default: "120000", setter: delivery_timeout(Duration), field: delivery_timeout: Duration = millis,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            REQUEST_TIMEOUT_MS_CONFIG = "request.timeout.ms" {
                doc: "Milliseconds to wait for the answer to one request; then the connection is closed and the request is retried or fails. Also sent with produce requests as the time that the broker may wait for its replicas, so it should be above the broker's replica.lag.time.max.ms.",
                type: Int, default: "30000", setter: request_timeout(Duration), field: request_timeout: Duration = millis,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            RETRY_BACKOFF_MS_CONFIG = "retry.backoff.ms" {
                doc: "Milliseconds to wait before the first retry of a failed request. Doubles with each failure, up to retry.backoff.max.ms, give or take a fifth.",
                type: Long, default: "100", setter: retry_backoff(Duration), field: retry_backoff: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            RETRY_BACKOFF_MAX_MS_CONFIG = "retry.backoff.max.ms" {
                doc: "The longest wait before a retry, in milliseconds. If it is below retry.backoff.ms, every wait is this long.",
                type: Long, default: "1000", setter: retry_backoff_max(Duration), field: retry_backoff_max: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION = "max.in.flight.requests.per.connection" {
                doc: "How many requests may be unanswered on one connection. With idempotence at most 5, the number of batches whose sequence a broker remembers. Without it, any value above 1 lets a retried batch be written after later ones.",
                type: Int, default: "5", setter: max_in_flight_requests_per_connection(u32), field: max_in_flight_requests_per_connection: usize = size,
                accepts: AtLeast(1), importance: Low, origin: Kafka, support: Supported,
            }

            // Batching and memory.
            BATCH_SIZE_CONFIG = "batch.size" {
                doc: "Bytes that a batch of one partition is filled to. Larger batches cost fewer requests and compress better; memory is not taken for all of it at once: a batch begins with the size of the partition's last ones, the first with 512 bytes to 16 KiB (the more partitions, the less), and doubles as it is filled. A larger record gets a batch of its own. 0 means a batch for each record.",
                type: Int, default: "16384", setter: batch_size(usize), field: batch_size_bytes: usize = size_above_zero,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            LINGER_MS_CONFIG = "linger.ms" {
                doc: "Milliseconds that a batch which is not full waits for more records. A batch that is full goes at once, and so does one whose record a thread waits for in get or flush. Values above 2147483647 count as that.",
                type: Long, default: "5", setter: linger(Duration), field: linger: Duration = millis_of_an_int,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            BUFFER_MEMORY_CONFIG = "buffer.memory" {
                doc: "Bytes for all records that are accepted and have no outcome yet. When they are used up, send waits up to max.block.ms and then fails. The process uses a little more, for requests and connections.",
                type: Long, default: "33554432", setter: buffer_memory(usize), field: buffer_memory_bytes: usize = size,
                accepts: AtLeast(0), importance: High, origin: Kafka, support: Supported,
            }
            BUFFER_MEMORY_ALLOCATION_STRATEGY_CONFIG = "buffer.memory.allocation.strategy" {
                doc: "Whether a new batch takes its whole batch.size from the buffer memory, or grows in pieces. In Kafka it is unfinished and undocumented. Here a batch begins with the size of the last ones and doubles as it is filled, whatever this setting is.",
                type: String, default: "full",
                accepts: OneOf(&["full", "incremental"]), importance: Low, origin: Internal, support: Ignored,
            }
            MAX_REQUEST_SIZE_CONFIG = "max.request.size" {
                doc: "Bytes of the largest request, and of the largest record as it is before compression. The broker has a limit of its own, message.max.bytes.",
                type: Int, default: "1048576", setter: max_request_size(usize), field: max_request_size_bytes: usize = size,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            MAX_BLOCK_MS_CONFIG = "max.block.ms" {
                doc: "Milliseconds that send may wait for metadata and buffer memory together, and partitions_for and each transaction call for their answer. Time in serializers and partitioners does not count. 0 means never to wait.",
                type: Long, default: "60000", setter: max_block(Duration), field: max_block: Duration = millis,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            COMPRESSION_TYPE_CONFIG = "compression.type" {
                doc: "How whole batches are compressed. The fuller the batch, the better the ratio.",
                type: String, default: "none", setter: compression_type(CompressionType), field: compression_type: CompressionType = choice,
                accepts: OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]), importance: High, origin: Kafka, support: Supported,
            }
            COMPRESSION_GZIP_LEVEL_CONFIG = "compression.gzip.level" {
                doc: "The compression level of gzip, from 1 (fastest) to 9 (smallest); -1 is the codec's default.",
                type: Int, default: "-1", setter: compression_gzip_level(i32), field: compression_gzip_level: i32 = level,
                accepts: BetweenOr(1, 9, -1), importance: Medium, origin: Kafka, support: Supported,
            }
            COMPRESSION_LZ4_LEVEL_CONFIG = "compression.lz4.level" {
                doc: "The compression level of lz4, from 1 to 17 (smallest). The default, 9, stands for the fast encoder, as in Kafka. The other levels need the crate's feature lz4-c and are refused without it.",
                type: Int, default: "9", setter: compression_lz4_level(i32), field: compression_lz4_level: i32 = level,
                accepts: Between(1, 17), importance: Medium, origin: Kafka, support: Supported,
            }
            COMPRESSION_ZSTD_LEVEL_CONFIG = "compression.zstd.level" {
                doc: "The compression level of zstd, from -131072 (fastest) to 22 (smallest). The codec is written in Rust; with the crate's feature zstd-c it is the C library, which is faster.",
                type: Int, default: "3", setter: compression_zstd_level(i32), field: compression_zstd_level: i32 = level,
                accepts: Between(-131_072, 22), importance: Medium, origin: Kafka, support: Supported,
            }

            // Partitioning.
            PARTITIONER_CLASS_CONFIG = "partitioner.class" {
                doc: "Chooses the partition of records that name none: a stock partitioner or one that was registered under a name. Without it, a record with a key goes to the partition that its key's hash selects (murmur2, as in Java), and records without a key fill one partition's batch after another.",
                type: Class, default: null, setter: partitioner_class(&str), field: partitioner_class: Option<Named> = class,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            PARTITIONER_IGNORE_KEYS_CONFIG = "partitioner.ignore.keys" {
                doc: "Whether records with a key are spread as if they had none. Of no effect with partitioner.class.",
                type: Boolean, default: "false", setter: partitioner_ignore_keys(bool), field: partitioner_ignore_keys: bool = switch,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            PARTITIONER_ADAPTIVE_PARTITIONING_ENABLE_CONFIG = "partitioner.adaptive.partitioning.enable" {
                doc: "Whether records without a key go more often to partitions whose queues are short, so that a slow broker gets less. Otherwise all partitions get the same share. Of no effect with partitioner.class.",
                type: Boolean, default: "true", setter: partitioner_adaptive_partitioning_enable(bool), field: partitioner_adaptive: bool = switch,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            PARTITIONER_AVAILABILITY_TIMEOUT_MS_CONFIG = "partitioner.availability.timeout.ms" {
                doc: "Milliseconds after which a broker that could not take batches gets no more records without a key until it can. 0 means never. Of no effect with partitioner.class or without adaptive partitioning.",
                type: Long, default: "0", setter: partitioner_availability_timeout(Duration), field: partitioner_availability_timeout: Option<Duration> = millis_unless_zero,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            PARTITIONER_RACK_AWARE_CONFIG = "partitioner.rack.aware" {
                doc: "Whether records without a key prefer partitions whose leader is in the rack client.rack, which must then be set (KIP-1123). If no leader is in that rack, they go to the others. Of no effect with partitioner.class.",
                type: Boolean, default: "false", setter: partitioner_rack_aware(bool), field: partitioner_rack_aware: bool = switch,
                accepts: Any, importance: Low, origin: Kafka44, support: Supported,
            }
            CLIENT_RACK_CONFIG = "client.rack" {
                doc: "The rack or zone that this client is in, named as in the brokers' broker.rack. partitioner.rack.aware uses it, and metrics that are pushed to the cluster (enable.metrics.push) name it.",
                type: String, default: "", setter: client_rack(&str), field: client_rack: Option<String> = text_unless_empty,
                accepts: Any, importance: Low, origin: Kafka44, support: Supported,
            }

            // Metadata.
            METADATA_MAX_AGE_CONFIG = "metadata.max.age.ms" {
                doc: "Milliseconds after which metadata is fetched again although nothing seems to have changed, so that new brokers and partitions are seen.",
                type: Long, default: "300000", setter: metadata_max_age(Duration), field: metadata_max_age: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            METADATA_MAX_IDLE_CONFIG = "metadata.max.idle.ms" {
                doc: "Milliseconds after which a topic that nothing was sent to is forgotten; the next send to it fetches its metadata again.",
                type: Long, default: "300000", setter: metadata_max_idle(Duration), field: metadata_max_idle: Duration = millis,
                accepts: AtLeast(5000), importance: Low, origin: Kafka, support: Supported,
            }
            METADATA_RECOVERY_STRATEGY_CONFIG = "metadata.recovery.strategy" {
                doc: "What to do when none of the known brokers can be used: begin again with bootstrap.servers (rebootstrap), or keep trying those (none). With rebootstrap that is also done when a broker asks for it, and after metadata.recovery.rebootstrap.trigger.ms.",
                type: String, default: "rebootstrap", setter: metadata_recovery_strategy(MetadataRecoveryStrategy), field: metadata_recovery_strategy: MetadataRecoveryStrategy = choice,
                accepts: OneOfAnyCase(&["none", "rebootstrap"]), importance: Low, origin: Kafka, support: Supported,
            }
            METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS_CONFIG = "metadata.recovery.rebootstrap.trigger.ms" {
                doc: "Milliseconds without an answer to requests for metadata after which the client closes its connections and begins again with bootstrap.servers. Of no effect with metadata.recovery.strategy=none.",
                type: Long, default: "300000", setter: metadata_recovery_rebootstrap_trigger(Duration), field: metadata_recovery_rebootstrap_trigger: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            METADATA_CLUSTER_CHANGE_CONFIG = "metadata.cluster.change" {
                doc: "What to do when the brokers turn out to belong to another cluster than before: the cluster was set up anew, its host names lead elsewhere now, or bootstrap.servers names brokers of two clusters. With follow, records that are not acknowledged yet are sent to the other cluster, under a new producer id, and a warning tells the ids of both clusters. With fail, the producer can no longer be used, and nothing is sent to the other cluster. A producer with a transactional.id always fails, since only one cluster knows that id. Another cluster is recognised by its cluster id; one that was set up anew under the same id is recognised by its topics: brokers were connected anew, and none of the producer's topics has the topic id that it had. So fail also ends a producer that uses a single topic when that topic is deleted and created anew while connections are lost. Brokers before Kafka 2.8 have no topic ids.",
                type: String, default: "follow", setter: metadata_cluster_change(ClusterChange), field: metadata_cluster_change: ClusterChange = choice,
                accepts: OneOf(&["follow", "fail"]), importance: Low, origin: Ours, support: Supported,
            }
            METADATA_CLUSTER_CHECK_ENABLE_CONFIG = "metadata.cluster.check.enable" {
                doc: "Whether brokers are told which cluster and broker the connection is meant for, so that they can refuse one that went astray (KIP-1242). This version does not tell them: both values behave as false.",
                type: Boolean, default: "true",
                accepts: Any, importance: Low, origin: Kafka44, support: Ignored,
            }
            BOOTSTRAP_RESOLVE_TIMEOUT_MS_CONFIG = "bootstrap.resolve.timeout.ms" {
                doc: "Milliseconds that the names in bootstrap.servers may take to resolve (KIP-909). They are looked up in the background until one resolves; if none does in time, the producer can no longer be used. 0 means that they are resolved while the producer is created, which fails if none resolves.",
                type: Long, default: "0", setter: bootstrap_resolve_timeout(Duration), field: bootstrap_resolve_timeout: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka44, support: Supported,
            }

            // Connections.
            CLIENT_DNS_LOOKUP_CONFIG = "client.dns.lookup" {
                doc: "How a host name with several addresses is used: use_all_dns_ips tries one address after the other until one connects; resolve_canonical_bootstrap_servers_only first replaces each bootstrap name by the canonical names of its addresses.",
                type: String, default: "use_all_dns_ips", setter: client_dns_lookup(ClientDnsLookup), field: client_dns_lookup: ClientDnsLookup = choice,
                accepts: OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), importance: Medium, origin: Kafka, support: Supported,
            }
            RECONNECT_BACKOFF_MS_CONFIG = "reconnect.backoff.ms" {
                doc: "Milliseconds to wait before connecting again to a broker that could not be reached. Doubles with each failure, up to reconnect.backoff.max.ms, give or take a fifth. If it is set and the maximum is not, all waits are this long.",
                type: Long, default: "50", setter: reconnect_backoff(Duration), field: reconnect_backoff: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            RECONNECT_BACKOFF_MAX_MS_CONFIG = "reconnect.backoff.max.ms" {
                doc: "The longest wait before connecting again to a broker, in milliseconds.",
                type: Long, default: "1000", setter: reconnect_backoff_max(Duration), field: reconnect_backoff_max: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            SOCKET_CONNECTION_SETUP_TIMEOUT_MS_CONFIG = "socket.connection.setup.timeout.ms" {
                doc: "Milliseconds that a new connection may take. Doubles with each failure, up to socket.connection.setup.timeout.max.ms, give or take a fifth.",
                type: Long, default: "10000", setter: socket_connection_setup_timeout(Duration), field: socket_connection_setup_timeout: Duration = millis,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS_CONFIG = "socket.connection.setup.timeout.max.ms" {
                doc: "The longest time that a new connection may take, in milliseconds. If it is below socket.connection.setup.timeout.ms, the time is always this.",
                type: Long, default: "30000", setter: socket_connection_setup_timeout_max(Duration), field: socket_connection_setup_timeout_max: Duration = millis,
                accepts: AtLeast(0), importance: Medium, origin: Kafka, support: Supported,
            }
            CONNECTIONS_MAX_IDLE_MS_CONFIG = "connections.max.idle.ms" {
                doc: "Milliseconds after which an unused connection is closed. The default is a little less than the brokers' ten minutes, so that the client closes first. A negative value means never.",
                type: Long, default: "540000", setter: connections_max_idle(Duration), field: connections_max_idle: Option<Duration> = millis_unless_negative,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SEND_BUFFER_CONFIG = "send.buffer.bytes" {
                doc: "Bytes of the socket's send buffer (SO_SNDBUF). -1 leaves it to the operating system.",
                type: Int, default: "131072", setter: send_buffer(usize), field: send_buffer_bytes: Option<usize> = size_unless_negative,
                accepts: AtLeast(-1), importance: Medium, origin: Kafka, support: Supported,
            }
            RECEIVE_BUFFER_CONFIG = "receive.buffer.bytes" {
                doc: "Bytes of the socket's receive buffer (SO_RCVBUF). -1 leaves it to the operating system.",
                type: Int, default: "32768", setter: receive_buffer(usize), field: receive_buffer_bytes: Option<usize> = size_unless_negative,
                accepts: AtLeast(-1), importance: Medium, origin: Kafka, support: Supported,
            }
            GET_SPIN_US_CONFIG = "get.spin.us" {
                doc: "Microseconds for which a thread in get, and the producer's own thread meanwhile, poll for the answer before they sleep. They do so only while answers come that fast. It saves a synchronous send the time of falling asleep and waking up. Of several threads in get one polls and the others sleep; a polling thread yields to others that have work, and an idle producer never polls. 0 turns it off.",
                type: Long, default: "50", setter: get_spin(Duration as Microseconds), field: get_spin: Duration = micros,
                accepts: AtLeast(0), importance: Low, origin: Ours, support: Supported,
            }

            // Interceptors, metrics, configuration.
            INTERCEPTOR_CLASSES_CONFIG = "interceptor.classes" {
                doc: "Interceptors that see each record before it is serialized and its outcome afterwards, in this order, by the names that they were registered under.",
                type: List, default: "", field: interceptor_classes: Vec<Named> = list,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            ENABLE_METRICS_PUSH_CONFIG = "enable.metrics.push" {
                doc: "Whether this producer's metrics are pushed to brokers where somebody has subscribed to them (KIP-714). A broker without a plugin for that is asked nothing. What is pushed goes over a connection of its own, so that no record waits behind it.",
                type: Boolean, default: "true", setter: enable_metrics_push(bool), field: enable_metrics_push: bool = switch,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            METRICS_SAMPLE_WINDOW_MS_CONFIG = "metrics.sample.window.ms" {
                doc: "Milliseconds that one window of a metric spans: averages, maxima and rates cover the last metrics.num.samples windows and the one that has begun. 0 counts as 1.",
                type: Long, default: "30000", setter: metrics_sample_window(Duration), field: metrics_sample_window: Duration = millis,
                accepts: AtLeast(0), importance: Low, origin: Kafka, support: Supported,
            }
            METRICS_NUM_SAMPLES_CONFIG = "metrics.num.samples" {
                doc: "How many windows of metrics.sample.window.ms averages, maxima and rates cover.",
                type: Int, default: "2", setter: metrics_num_samples(u32), field: metrics_num_samples: u32 = count,
                accepts: AtLeast(1), importance: Low, origin: Kafka, support: Supported,
            }
            METRICS_RECORDING_LEVEL_CONFIG = "metrics.recording.level" {
                doc: "Up to which level of detail metrics are recorded. All that a producer has are of the level INFO, as in Java, so there is nothing to choose.",
                type: String, default: "INFO",
                accepts: OneOf(&["INFO", "DEBUG", "TRACE"]), importance: Low, origin: Kafka, support: Ignored,
            }
            METRIC_REPORTER_CLASSES_CONFIG = "metric.reporters" {
                doc: "Reporters that get the metrics again and again, by the names that they were registered under (MetricsReporter). JmxReporter is Java's and has no effect.",
                type: List, default: "org.apache.kafka.common.metrics.JmxReporter", field: metric_reporters: Vec<Named> = list,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            CONFIG_PROVIDERS_CONFIG = "config.providers" {
                doc: "Names of the providers that variables in values are looked up with: ${NAME:KEY} or ${NAME:PATH:KEY}. Each name has its class in config.providers.NAME.class and its options in config.providers.NAME.param.OPTION.",
                type: List, default: "", setter: config_providers(&str),
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }

            // Transactions.
            TRANSACTIONAL_ID_CONFIG = "transactional.id" {
                doc: "Turns transactions on. It is the name by which the brokers know a producer across restarts: a new producer with the same name fences the old one. Needs idempotence. At most 32767 bytes.",
                type: String, default: null, setter: transactional_id(&str), field: transactional_id: Option<String> = text_if_set,
                accepts: NonEmpty, importance: Low, origin: Kafka, support: Supported,
            }
            TRANSACTION_TIMEOUT_CONFIG = "transaction.timeout.ms" {
                doc: "Milliseconds after which the coordinator aborts a transaction that is still open. It has to be above 0; the broker has an upper limit, transaction.max.timeout.ms, 15 minutes by default.",
                type: Int, default: "60000", field: transaction_timeout_ms: i32 = level,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            TRANSACTION_TWO_PHASE_COMMIT_ENABLE_CONFIG = "transaction.two.phase.commit.enable" {
                doc: "Whether an outside coordinator decides how transactions end (KIP-939): prepare_transaction and complete_transaction are there, and no transaction times out; transaction.timeout.ms must not be set then. The brokers need the same setting, and Kafka 4.3's unstable.api.versions.enable=true as well.",
                type: Boolean, default: "false", field: transaction_two_phase_commit_enable: bool = switch,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }

            // Security: TLS.
            SECURITY_PROTOCOL_CONFIG = "security.protocol" {
                doc: "Whether connections to brokers are encrypted (SSL, SASL_SSL) and whether clients log in on them (SASL_PLAINTEXT, SASL_SSL). With PLAINTEXT, settings that begin with ssl. or sasl. have no effect, and a warning says so.",
                type: String, default: "PLAINTEXT", setter: security_protocol(SecurityProtocol), field: security_protocol: SecurityProtocol = choice,
                accepts: OneOfAnyCase(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), importance: Medium, origin: Kafka, support: Supported,
            }
            SECURITY_PROVIDERS_CONFIG = "security.providers" {
                doc: "Java classes that add security algorithms to the JVM.",
                type: String, default: null,
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SSL_PROTOCOL_CONFIG = "ssl.protocol" {
                doc: "The newest version of TLS that may be used: TLSv1.3 (or TLS) or TLSv1.2. ssl.enabled.protocols lists all that may be used.",
                type: String, default: "TLSv1.3", field: ssl_protocol: String = text,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SSL_PROVIDER_CONFIG = "ssl.provider" {
                doc: "The JVM's security provider for TLS.",
                type: String, default: null,
                accepts: Any, importance: Medium, origin: Kafka, support: Ignored,
            }
            SSL_CIPHER_SUITES_CONFIG = "ssl.cipher.suites" {
                doc: "The cipher suites that may be used, by Java's names, the preferred ones first. An empty list means all that the producer has: TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256 and TLS_CHACHA20_POLY1305_SHA256 of TLS 1.3; of TLS 1.2 those with ECDHE and one of these ciphers. Suites that it does not have are left out, with a warning; if none is left, the producer does not start.",
                type: List, default: "", field: ssl_cipher_suites: Vec<Named> = list,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SSL_ENABLED_PROTOCOLS_CONFIG = "ssl.enabled.protocols" {
                doc: "The versions of TLS that may be used: TLSv1.2, TLSv1.3 or both. Older ones are left out, with a warning.",
                type: List, default: "TLSv1.2,TLSv1.3", field: ssl_enabled_protocols: Vec<Named> = list,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SSL_KEYSTORE_TYPE_CONFIG = "ssl.keystore.type" {
                doc: "The format of the key store: JKS, PKCS12 or PEM. PKCS12 and JKS are told apart by the file's content, whichever of the two is set, as in Java. If it is not set, PEM is recognised, too.",
                type: String, default: "JKS", field: ssl_keystore_type: String = text,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SSL_KEYSTORE_LOCATION_CONFIG = "ssl.keystore.location" {
                doc: "The file with this client's key and certificates, for brokers that ask for them. Before each new connection, and every ssl.reload.interval.ms, the producer checks whether the file has changed, and reads it again if so. A key that does not fit its certificate, a wrong password and a certificate that has expired are errors when the producer is created; later the last good key store is kept, with a warning.",
                type: String, default: null, field: ssl_keystore_location: Option<String> = text_unless_empty,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_KEYSTORE_PASSWORD_CONFIG = "ssl.keystore.password" {
                doc: "The password of the key store. Not used for PEM.",
                type: Password, default: null, field: ssl_keystore_password: Option<Secret> = secret,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_KEY_PASSWORD_CONFIG = "ssl.key.password" {
                doc: "The password of the private key in the key store, or of the PEM key in ssl.keystore.key. If it is not set, that of a PKCS12 or JKS store is the store's.",
                type: Password, default: null, field: ssl_key_password: Option<Secret> = secret,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_KEYSTORE_KEY_CONFIG = "ssl.keystore.key" {
                doc: "The private key itself, as PEM, in place of a file: PKCS#8 as in Java, encrypted or not, and also PKCS#1 and SEC1. Goes with ssl.keystore.certificate.chain.",
                type: Password, default: null, field: ssl_keystore_key: Option<Secret> = secret_unless_empty,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_KEYSTORE_CERTIFICATE_CHAIN_CONFIG = "ssl.keystore.certificate.chain" {
                doc: "The certificates of ssl.keystore.key themselves, as PEM, in place of a file: the key's own first, then that of whoever signed it, and so on.",
                type: Password, default: null, field: ssl_keystore_certificate_chain: Option<Secret> = secret_unless_empty,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_TRUSTSTORE_CERTIFICATES_CONFIG = "ssl.truststore.certificates" {
                doc: "The certificates of the authorities to trust, as PEM, in place of a file.",
                type: Password, default: null, field: ssl_truststore_certificates: Option<Secret> = secret_unless_empty,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_TRUSTSTORE_TYPE_CONFIG = "ssl.truststore.type" {
                doc: "The format of the trust store: JKS, PKCS12 or PEM. PKCS12 and JKS are told apart by the file's content, whichever of the two is set, as in Java. If it is not set, PEM is recognised, too.",
                type: String, default: "JKS", field: ssl_truststore_type: String = text,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SSL_TRUSTSTORE_LOCATION_CONFIG = "ssl.truststore.location" {
                doc: "The file with the certificates of the authorities to trust, or of the brokers themselves. It is read again like the key store. If neither it nor ssl.truststore.certificates is set, the operating system's authorities are trusted, or Mozilla's by the feature webpki-roots, where Java trusts those that come with the JVM.",
                type: String, default: null, field: ssl_truststore_location: Option<String> = text_unless_empty,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_TRUSTSTORE_PASSWORD_CONFIG = "ssl.truststore.password" {
                doc: "The password of the trust store. Without it the store is read, but its integrity is not checked.",
                type: Password, default: null, field: ssl_truststore_password: Option<Secret> = secret,
                accepts: Any, importance: High, origin: Kafka, support: Supported,
            }
            SSL_RELOAD_INTERVAL_MS_CONFIG = "ssl.reload.interval.ms" {
                doc: "How often, in milliseconds, the producer checks whether the files of the key store and the trust store have changed; it also checks before each new connection. Changed files are read in the background, for new connections: so a file that is broken is a warning in the log at once, and not only when a broker is connected again. Connections that are open are not changed. 0 means to check only before new connections.",
                type: Long, default: "300000", field: ssl_reload_interval: Option<Duration> = millis_unless_zero,
                accepts: AtLeast(0), importance: Low, origin: Ours, support: Supported,
            }
            SSL_KEYMANAGER_ALGORITHM_CONFIG = "ssl.keymanager.algorithm" {
                doc: "The JVM's algorithm for choosing keys.",
                type: String, default: "SunX509",
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SSL_TRUSTMANAGER_ALGORITHM_CONFIG = "ssl.trustmanager.algorithm" {
                doc: "The JVM's algorithm for checking certificates.",
                type: String, default: "PKIX",
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SSL_ENDPOINT_IDENTIFICATION_ALGORITHM_CONFIG = "ssl.endpoint.identification.algorithm" {
                doc: "How the name in a broker's certificate is compared with the name that was connected to: https, as browsers do it, by the subject alternative names, or by the common name where none of them is a DNS name. An empty text turns off this check, and no other, with a warning: whoever has any certificate of a trusted authority can then pose as a broker.",
                type: String, default: "https", field: ssl_endpoint_identification_algorithm: String = text,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SSL_SECURE_RANDOM_IMPLEMENTATION_CONFIG = "ssl.secure.random.implementation" {
                doc: "The JVM's random number generator for TLS.",
                type: String, default: null,
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SSL_ENGINE_FACTORY_CLASS_CONFIG = "ssl.engine.factory.class" {
                doc: "A Java class in place of the JVM's TLS. Refused rather than ignored: whoever sets it wants something else than the usual TLS.",
                type: Class, default: null,
                accepts: Any, importance: Low, origin: Kafka, support: Refused,
            }

            // Security: SASL.
            SASL_MECHANISM = "sasl.mechanism" {
                doc: "How this client logs in, if security.protocol is SASL_PLAINTEXT or SASL_SSL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI (Kerberos) or AWS_MSK_IAM. Brokers refuse a mechanism that their listener has not enabled, and no other is tried.",
                type: String, default: "GSSAPI", field: sasl_mechanism: String = text,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_JAAS_CONFIG = "sasl.jaas.config" {
                doc: "The credentials, as a line in the format of JAAS: login module, control flag, options, a semicolon. For PLAIN org.apache.kafka.common.security.plain.PlainLoginModule, for SCRAM org.apache.kafka.common.security.scram.ScramLoginModule, with username and password; with tokenauth=true these are a delegation token's id and HMAC; for GSSAPI com.sun.security.auth.module.Krb5LoginModule, with useKeyTab, keyTab and principal, or useTicketCache. Variables in it (config.providers) are replaced anew for each login, so that a password may change. ProducerConfig::sasl_plain, sasl_scram_sha_256 and sasl_scram_sha_512 set it.",
                type: Password, default: null, field: sasl_jaas_config: Option<Secret> = secret_unless_empty,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_CLIENT_CALLBACK_HANDLER_CLASS = "sasl.client.callback.handler.class" {
                doc: "A custom source of credentials: the name of a closure that was registered with KafkaProducerBuilder::register_sasl_credentials, which is asked for name and password for each login.",
                type: Class, default: null, field: sasl_client_callback_handler_class: Option<Named> = class,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_CALLBACK_HANDLER_CLASS = "sasl.login.callback.handler.class" {
                doc: "A custom source of tokens.",
                type: Class, default: null, field: sasl_login_callback_handler_class: Option<Named> = class,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_CLASS = "sasl.login.class" {
                doc: "A custom way to log in and to renew the login.",
                type: Class, default: null,
                accepts: Any, importance: Medium, origin: Kafka, support: Refused,
            }
            SASL_KERBEROS_SERVICE_NAME = "sasl.kerberos.service.name" {
                doc: "The name that the brokers have in Kerberos: kafka of kafka/broker.example.com@EXAMPLE.COM. The host is the one that the client connects to. The option serviceName in sasl.jaas.config says the same; both together have to agree. For GSSAPI.",
                type: String, default: null, field: sasl_kerberos_service_name: Option<String> = text_if_set,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_KERBEROS_KINIT_CMD = "sasl.kerberos.kinit.cmd" {
                doc: "The command that renews the ticket in a ticket cache before it ends: it is run as kinit -R, with -c where ticketCache in sasl.jaas.config names the cache. Tickets from a keytab need no command. For GSSAPI.",
                type: String, default: "/usr/bin/kinit", field: sasl_kerberos_kinit_cmd: String = text,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR = "sasl.kerberos.ticket.renew.window.factor" {
                doc: "The share of a ticket's life after which it is renewed, or fetched anew with the keytab. For GSSAPI.",
                type: Double, default: "0.8", field: sasl_kerberos_ticket_renew_window_factor: f64 = number,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_KERBEROS_TICKET_RENEW_JITTER = "sasl.kerberos.ticket.renew.jitter" {
                doc: "The largest share of a ticket's life that is added to that time at random. For GSSAPI.",
                type: Double, default: "0.05", field: sasl_kerberos_ticket_renew_jitter: f64 = number,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN = "sasl.kerberos.min.time.before.relogin" {
                doc: "The shortest time between two renewals of a ticket, in milliseconds, unless the ticket would end before; and the longest wait after a login that failed. For GSSAPI.",
                type: Long, default: "60000", field: sasl_kerberos_min_time_before_relogin: Duration = millis,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_REFRESH_WINDOW_FACTOR = "sasl.login.refresh.window.factor" {
                doc: "The share of a token's life after which a new one is fetched. For OAUTHBEARER.",
                type: Double, default: "0.8", field: sasl_login_refresh_window_factor: f64 = number,
                accepts: BetweenReal(0.5, 1.0), importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_REFRESH_WINDOW_JITTER = "sasl.login.refresh.window.jitter" {
                doc: "The largest share of a token's life that is added to that time at random. For OAUTHBEARER.",
                type: Double, default: "0.05", field: sasl_login_refresh_window_jitter: f64 = number,
                accepts: BetweenReal(0.0, 0.25), importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS = "sasl.login.refresh.min.period.seconds" {
                doc: "The shortest time between two fetches of a token, in seconds. For OAUTHBEARER.",
                type: Short, default: "60", field: sasl_login_refresh_min_period: Duration = seconds,
                accepts: Between(0, 900), importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_REFRESH_BUFFER_SECONDS = "sasl.login.refresh.buffer.seconds" {
                doc: "How many seconds before its end a token is refreshed at the latest. For OAUTHBEARER.",
                type: Short, default: "300", field: sasl_login_refresh_buffer: Duration = seconds,
                accepts: Between(0, 3600), importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_CONNECT_TIMEOUT_MS = "sasl.login.connect.timeout.ms" {
                doc: "Milliseconds that connecting to the token provider may take. For OAUTHBEARER.",
                type: Int, default: null, field: sasl_login_connect_timeout: Option<Duration> = millis_unless_zero,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_READ_TIMEOUT_MS = "sasl.login.read.timeout.ms" {
                doc: "Milliseconds that reading the token provider's answer may take. For OAUTHBEARER.",
                type: Int, default: null, field: sasl_login_read_timeout: Option<Duration> = millis_unless_zero,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_RETRY_BACKOFF_MS = "sasl.login.retry.backoff.ms" {
                doc: "Milliseconds before the token provider is asked again after a failure; doubles with each failure. For OAUTHBEARER.",
                type: Long, default: "100", field: sasl_login_retry_backoff: Duration = millis,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_LOGIN_RETRY_BACKOFF_MAX_MS = "sasl.login.retry.backoff.max.ms" {
                doc: "The longest wait before the token provider is asked again, in milliseconds. For OAUTHBEARER.",
                type: Long, default: "10000", field: sasl_login_retry_backoff_max: Duration = millis,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }

            // Security: OAUTHBEARER.
            SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS = "sasl.oauthbearer.jwt.retriever.class" {
                doc: "How a token is fetched.",
                type: Class, default: "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", field: sasl_oauthbearer_jwt_retriever_class: Option<Named> = class,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS = "sasl.oauthbearer.jwt.validator.class" {
                doc: "How a fetched token is checked before it is used.",
                type: Class, default: "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", field: sasl_oauthbearer_jwt_validator_class: Option<Named> = class,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_SCOPE = "sasl.oauthbearer.scope" {
                doc: "The scope that is asked for when a token is fetched.",
                type: String, default: null, field: sasl_oauthbearer_scope: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID = "sasl.oauthbearer.client.credentials.client.id" {
                doc: "The client id for the client credentials grant.",
                type: String, default: null, field: sasl_oauthbearer_client_id: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET = "sasl.oauthbearer.client.credentials.client.secret" {
                doc: "The client secret for the client credentials grant.",
                type: Password, default: null, field: sasl_oauthbearer_client_secret: Option<Secret> = secret,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_ALGORITHM = "sasl.oauthbearer.assertion.algorithm" {
                doc: "The algorithm that an assertion is signed with.",
                type: String, default: "RS256", field: sasl_oauthbearer_assertion_algorithm: String = text,
                accepts: OneOfAnyCase(&["ES256", "RS256"]), importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD = "sasl.oauthbearer.assertion.claim.aud" {
                doc: "The audience that an assertion claims.",
                type: String, default: null, field: sasl_oauthbearer_assertion_claim_aud: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS = "sasl.oauthbearer.assertion.claim.iss" {
                doc: "The issuer that an assertion claims.",
                type: String, default: null, field: sasl_oauthbearer_assertion_claim_iss: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB = "sasl.oauthbearer.assertion.claim.sub" {
                doc: "The subject that an assertion claims.",
                type: String, default: null, field: sasl_oauthbearer_assertion_claim_sub: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS = "sasl.oauthbearer.assertion.claim.exp.seconds" {
                doc: "Seconds from now until an assertion ends.",
                type: Int, default: "300", field: sasl_oauthbearer_assertion_claim_exp: Duration = seconds,
                accepts: Between(0, 86_400), importance: Low, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS = "sasl.oauthbearer.assertion.claim.nbf.seconds" {
                doc: "Seconds before now at which an assertion begins.",
                type: Int, default: "60", field: sasl_oauthbearer_assertion_claim_nbf: Duration = seconds,
                accepts: Between(0, 3600), importance: Low, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE = "sasl.oauthbearer.assertion.claim.jti.include" {
                doc: "Whether an assertion has an id of its own.",
                type: Boolean, default: "false", field: sasl_oauthbearer_assertion_claim_jti_include: bool = switch,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_FILE = "sasl.oauthbearer.assertion.file" {
                doc: "The file with an assertion that is ready and signed.",
                type: String, default: null, field: sasl_oauthbearer_assertion_file: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE = "sasl.oauthbearer.assertion.private.key.file" {
                doc: "The file with the private key that assertions are signed with.",
                type: String, default: null, field: sasl_oauthbearer_assertion_private_key_file: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE = "sasl.oauthbearer.assertion.private.key.passphrase" {
                doc: "The password of the key that assertions are signed with.",
                type: Password, default: null, field: sasl_oauthbearer_assertion_private_key_passphrase: Option<Secret> = secret,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE = "sasl.oauthbearer.assertion.template.file" {
                doc: "The file with headers and claims that are put into assertions.",
                type: String, default: null, field: sasl_oauthbearer_assertion_template_file: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_SCOPE_CLAIM_NAME = "sasl.oauthbearer.scope.claim.name" {
                doc: "The name of the claim with the scope in a token.",
                type: String, default: "scope", field: sasl_oauthbearer_scope_claim_name: String = text,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_SUB_CLAIM_NAME = "sasl.oauthbearer.sub.claim.name" {
                doc: "The name of the claim with the subject in a token.",
                type: String, default: "sub", field: sasl_oauthbearer_sub_claim_name: String = text,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL = "sasl.oauthbearer.token.endpoint.url" {
                doc: "Where tokens are fetched from: an http, https or file URL.",
                type: String, default: null, field: sasl_oauthbearer_token_endpoint_url: Option<String> = text_unless_blank,
                accepts: Any, importance: Medium, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_JWKS_ENDPOINT_URL = "sasl.oauthbearer.jwks.endpoint.url" {
                doc: "Where keys for checking signatures are fetched from. A broker's setting that clients have too.",
                type: String, default: null,
                accepts: Any, importance: Medium, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS = "sasl.oauthbearer.jwks.endpoint.refresh.ms" {
                doc: "Milliseconds after which keys for checking signatures are fetched again. A broker's setting that clients have too.",
                type: Long, default: "3600000",
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS = "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" {
                doc: "Milliseconds before keys for checking signatures are asked for again after a failure. A broker's setting that clients have too.",
                type: Long, default: "100",
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS = "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" {
                doc: "The longest wait before keys for checking signatures are asked for again, in milliseconds. A broker's setting that clients have too.",
                type: Long, default: "10000",
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS = "sasl.oauthbearer.clock.skew.seconds" {
                doc: "Seconds by which the clocks of token provider and broker may differ. A broker's setting that clients have too.",
                type: Int, default: "30",
                accepts: Any, importance: Low, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_ALLOW_UNVERIFIED_AUDIENCE = "sasl.oauthbearer.allow.unverified.audience" {
                doc: "Whether tokens are accepted without a check of their audience. A broker's setting that clients have too.",
                type: Boolean, default: "false",
                accepts: Any, importance: Low, origin: Kafka44, support: Ignored,
            }
            SASL_OAUTHBEARER_ALLOW_UNVERIFIED_ISSUER = "sasl.oauthbearer.allow.unverified.issuer" {
                doc: "Whether tokens are accepted without a check of their issuer. A broker's setting that clients have too.",
                type: Boolean, default: "false",
                accepts: Any, importance: Low, origin: Kafka44, support: Ignored,
            }
            SASL_OAUTHBEARER_EXPECTED_AUDIENCE = "sasl.oauthbearer.expected.audience" {
                doc: "The audiences that a token may be meant for. A broker's setting that clients have too.",
                type: List, default: "",
                accepts: Any, importance: High, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_EXPECTED_ISSUER = "sasl.oauthbearer.expected.issuer" {
                doc: "The issuer that a token must come from. A broker's setting that clients have too.",
                type: String, default: null,
                accepts: Any, importance: High, origin: Kafka, support: Ignored,
            }
            SASL_OAUTHBEARER_HEADER_URLENCODE = "sasl.oauthbearer.header.urlencode" {
                doc: "Whether client id and secret are URL-encoded in the request for a token.",
                type: Boolean, default: "false", field: sasl_oauthbearer_header_urlencode: bool = switch,
                accepts: Any, importance: Low, origin: Kafka, support: Supported,
            }
            SASL_OAUTHBEARER_ALLOW_UNSECURED_TOKENS_CONFIG = "sasl.oauthbearer.allow.unsecured.tokens" {
                doc: "Whether the options unsecuredLogin* of sasl.jaas.config may make tokens without a signature. For tests: brokers that accept such tokens believe whoever connects.",
                type: Boolean, default: "false", field: sasl_oauthbearer_allow_unsecured_tokens: bool = switch,
                accepts: Any, importance: Low, origin: Ours, support: Supported,
            }
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
    ($($constant:ident = $name:literal {
        doc: $doc:literal,
        type: $kind:ident, default: $default:tt,
        $(setter: $setter:ident($given:ty $(as $unit:ident)?),)? $(field: $field:ident: $type:ty = $reader:ident,)?
        accepts: $rule:expr, importance: $importance:ident, origin: $origin:ident, support: $support:ident,
    })*) => {
        $(
            #[doc = concat!("The row of `", $name, "`.")]
            pub(super) const $constant: &PropertyDescription = &PropertyDescription {
                name: $name,
                kind: $kind,
                default: preset!($default),
                rule: $rule,
                importance: $importance,
                origin: $origin,
                support: $support,
                doc: $doc,
            };
        )*

        /// All settings, in the order of the reference.
        pub(super) static PROPERTIES: &[&PropertyDescription] = &[$($constant,)*];
    };
}
for_each_property!(rows);

/// The row of a setting, if the name is known.
pub(super) fn find(name: &str) -> Option<&'static PropertyDescription> {
    PROPERTIES.iter().copied().find(|property| property.name == name)
}
