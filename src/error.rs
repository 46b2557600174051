//! `Error`: one opaque type that says what happened, where, and what may be done about it.
//!
//! Owns: the kinds, the predicates and the wording of context. Must not know: who raises which error.
//! Holds: an error is cheap to clone (all records of a batch share one) and never carries a secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error_code::ErrorCode;
use crate::escape::Escaped;
use crate::log_labels::LogLabels;
use crate::record::TopicName;

/// Everything that can go wrong. Branch on [`kind`](Error::kind) and the predicates; the text is for people.
///
/// From `send` it means that the record was **not accepted**: nothing was queued, and no callback will run. From a
/// [`RecordFuture`](crate::RecordFuture) or in a callback it is the outcome of a record that was.
///
/// ```
/// use kafka_producer::{Error, KafkaProducer, ProducerRecord};
///
/// enum Next {
///     Done,
///     Again,
///     LookFirst,
///     GiveUp,
///     AnotherProducer,
/// }
///
/// fn after(outcome: Result<kafka_producer::RecordMetadata, Error>) -> Next {
///     match outcome {
///         Ok(_) => Next::Done,
///         Err(error) if error.is_fatal() => Next::AnotherProducer,
///         Err(error) if error.possibly_written() => Next::LookFirst, // else a duplicate?
///         Err(error) if error.is_retriable() => Next::Again,
///         Err(_) => Next::GiveUp, // the same record fails again: a dead-letter topic
///     }
/// }
/// ```
///
/// What each kind and each broker's code means, and what to do: [the error handbook](crate::guide::errors).
#[derive(Clone)]
pub struct Error(Arc<ErrorDetails>);

/// What sort of thing went wrong. Prints as its name: `Timeout`.
///
/// ```
/// use kafka_producer::{ErrorKind, MockProducer, Producer, ProducerRecord, StringSerializer};
///
/// let producer: MockProducer<str, str> =
///     MockProducer::new(StringSerializer, StringSerializer);
/// let error = producer.send(ProducerRecord::new("no such topic", "-")).unwrap_err();
/// match error.kind() {
///     ErrorKind::InvalidTopic => println!("correct the name: {error}"),
///     ErrorKind::Timeout | ErrorKind::Network => println!("try again later: {error}"),
///     kind => println!("{kind}: {error}"), // more kinds may be added
/// }
/// # assert_eq!(error.kind(), ErrorKind::InvalidTopic);
/// ```
///
/// [The error handbook](crate::guide::errors) goes through the kinds, the brokers' codes and the texts: what each means
/// and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing, has a wrong value, or contradicts another, or no name in `bootstrap.servers` resolves. From
    /// `ProducerConfig` and `KafkaProducer::new`; from every call after `bootstrap.resolve.timeout.ms`.
    ///
    /// **What to do**: correct the configuration; the error names each setting that is at fault.
    #[doc(alias = "ConfigException")]
    Config,
    /// A serializer failed, or panicked. The record was not accepted.
    ///
    /// **What to do**: correct the record, or put it aside; [`Error::get_ref`] is the serializer's own error. The same
    /// record fails again.
    #[doc(alias = "SerializationException")]
    Serialization,
    /// A partitioner failed or named a partition that does not exist. The record was not accepted.
    ///
    /// **What to do**: correct the partitioner, or name the partition in the record.
    Partitioning,
    /// Something did not happen in time: `max.block.ms`, `delivery.timeout.ms`, `request.timeout.ms`, or the limit
    /// given to the call. The text says what was waited for and what was last heard from the brokers.
    ///
    /// **What to do**: from `send`, the record was not accepted: give it to `send` again when the brokers answer, or the
    /// buffer has room. As an outcome, all retries are over: where [`possibly_written`](Error::possibly_written) is false
    /// the record can be sent again; where it is true that may make a duplicate. From `get_timeout` nothing is decided: ask
    /// again later. The same from `flush_timeout` and `close`.
    #[doc(alias = "TimeoutException")]
    #[doc(alias = "_MSG_TIMED_OUT")]
    Timeout,
    /// The thread was interrupted through its `InterruptHandle`.
    ///
    /// **What to do**: end what the thread was doing. What was accepted goes on its way, and its future still works.
    #[doc(alias = "InterruptException")]
    Interrupted,
    /// The record itself is not valid: negative partition or timestamp, or refused by the broker.
    ///
    /// **What to do**: correct the record, or put it aside. The same record is refused again.
    #[doc(alias = "InvalidRecordException")]
    InvalidRecord,
    /// The record is larger than `max.request.size`, `buffer.memory`, or what the broker takes.
    ///
    /// **What to do**: send less in one record, compress it, or raise the limit that the text names, also the topic's
    /// `max.message.bytes`.
    #[doc(alias = "RecordTooLargeException")]
    #[doc(alias = "MSG_SIZE_TOO_LARGE")]
    RecordTooLarge,
    /// The topic's name is not valid. The record was not accepted.
    ///
    /// **What to do**: correct the name: 1 to 249 characters of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`.
    #[doc(alias = "InvalidTopicException")]
    InvalidTopic,
    /// The topic, or the partition that the record asks for, does not exist: the brokers answer, and do not know it. From
    /// `send` and `partitions_for` after `max.block.ms`, since it may come into being until then. (Where no broker
    /// answers it is a [`Timeout`](ErrorKind::Timeout).)
    ///
    /// **What to do**: create the topic or correct its name, and send the record again: the producer finds the topic once
    /// it is there. Clients without the right to see a topic are told this, too.
    #[doc(alias = "UnknownTopicOrPartitionException")]
    UnknownTopicOrPartition,
    /// The producer is closed, or was closed before the record could be sent.
    ///
    /// **What to do**: nothing, if the program is ending; otherwise send the record through another producer, unless it is
    /// [`possibly_written`](Error::possibly_written).
    Closed,
    /// The call would have blocked: `try_send`, or `send` from a callback.
    ///
    /// **What to do**: try again a little later, or refuse work yourself: the brokers are slower than the program.
    #[doc(alias = "BufferExhaustedException")]
    #[doc(alias = "_QUEUE_FULL")]
    WouldBlock,
    /// The call is not allowed here, for instance `flush` from a callback; or not now, for instance `begin` before
    /// `init_transactions`, or a `send` outside of a transaction where there is a `transactional.id`.
    ///
    /// **What to do**: make the call on another thread, or in the order that the text names.
    #[doc(alias = "IllegalStateException")]
    IllegalState,
    /// The process was forked after the producer was created, and this is the child: it has none of the producer's threads.
    ///
    /// **What to do**: create another producer in the child, or the first one after the fork.
    Forked,
    /// A connection was lost, refused, or carried something that is not Kafka's protocol; or the operating system gives no
    /// more threads or sockets.
    ///
    /// **What to do**: as an outcome, the same as for [`Timeout`](ErrorKind::Timeout). The text says which address, and
    /// what answered there.
    #[doc(alias = "NetworkException")]
    #[doc(alias = "DisconnectException")]
    #[doc(alias = "_TRANSPORT")]
    Network,
    /// No version of a request is spoken by both sides: the broker is older than 2.1, or too old for a setting that is on; or
    /// a proxy between knows fewer versions.
    ///
    /// **What to do**: upgrade the broker, or do without the setting.
    #[doc(alias = "UnsupportedVersionException")]
    UnsupportedVersion,
    /// The broker refused the login, or the client's certificate; or the broker's own certificate is not trusted.
    ///
    /// **What to do**: correct the credentials, or the trust store. The same producer works as soon as a login succeeds.
    #[doc(alias = "AuthenticationException")]
    #[doc(alias = "SaslAuthenticationException")]
    #[doc(alias = "SslAuthenticationException")]
    Authentication,
    /// The client is known to the broker, and may not do what it asked for: an ACL is missing.
    ///
    /// **What to do**: have the access granted: `Write` and `Describe` on the topic; with transactions the same on the
    /// `transactional.id`; `IdempotentWrite` on the cluster for brokers older than 2.8. Then the same producer works,
    /// unless the error [is fatal](Error::is_fatal).
    #[doc(alias = "AuthorizationException")]
    #[doc(alias = "TopicAuthorizationException")]
    #[doc(alias = "ACL")]
    Authorization,
    /// Another producer with the same `transactional.id` has taken over, or the transaction was open for longer than
    /// `transaction.timeout.ms` and its coordinator has aborted it.
    ///
    /// **What to do**: close this producer. If another instance of the program has taken over, end this one; else create
    /// another producer, and do the transaction's work again.
    #[doc(alias = "ProducerFencedException")]
    #[doc(alias = "InvalidProducerEpochException")]
    Fenced,
    /// The record was not sent, or the call not carried out, because its transaction was aborted.
    ///
    /// **What to do**: nothing for the record itself: who aborted the transaction does its work again, in another one.
    #[doc(alias = "TransactionAbortedException")]
    TransactionAborted,
    /// An argument of the call is not valid, for instance a negative offset.
    ///
    /// **What to do**: correct the program; the text says what was expected.
    #[doc(alias = "IllegalArgumentException")]
    InvalidArgument,
    /// The broker answered with an error that has no kind of its own, see [`Error::code`]; or the record cannot be written
    /// in its order any more: its partition is gone, later records are in the log already, or the brokers belong to another
    /// cluster now.
    ///
    /// **What to do**: as an outcome, what could be retried has been: [`is_retriable`](Error::is_retriable) says whether it
    /// may succeed later, [`possibly_written`](Error::possibly_written) whether sending it again may make a duplicate, and
    /// [`is_fatal`](Error::is_fatal) whether another producer is needed for that. Otherwise the code says what has to be
    /// put right, at the brokers or in the topic's settings.
    Broker,
    /// A defect of this crate.
    ///
    /// **What to do**: please report it, with its text.
    Bug,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ErrorKind {
    fn is_retriable(self) -> bool {
        matches!(
            self,
            ErrorKind::Timeout
                | ErrorKind::WouldBlock
                | ErrorKind::Network
                | ErrorKind::UnknownTopicOrPartition
        )
    }
}

struct ErrorDetails {
    kind: ErrorKind,
    message: String,
    topic: Option<TopicName>,
    partition: Option<i32>,
    node: Option<i32>,
    code: Option<ErrorCode>,
    attempts: u32,
    elapsed: Option<Duration>,
    flags: Flags,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    retriable: bool,
    fatal: bool,
    requires_abort: bool,
    possibly_written: bool,
    /// What may be written is the end of a transaction.
    of_commit: bool,
}

impl Error {
    /// What sort of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later, without anything being changed. What the producer could retry itself it has
    /// retried already.
    #[doc(alias = "RetriableException")]
    #[doc(alias = "rd_kafka_error_is_retriable")]
    pub fn is_retriable(&self) -> bool {
        self.0.flags.retriable
    }

    /// Whether the producer cannot be used any more: close it, and create another one.
    #[doc(alias = "rd_kafka_error_is_fatal")]
    pub fn is_fatal(&self) -> bool {
        self.0.flags.fatal
    }

    /// Whether the open transaction has to be aborted. Always false without a `transactional.id`.
    #[doc(alias = "rd_kafka_error_txn_requires_abort")]
    #[doc(alias = "TransactionAbortableException")]
    pub fn requires_abort(&self) -> bool {
        self.0.flags.requires_abort
    }

    /// Whether the record may be in the log all the same: it was sent, and no answer came, or one that leaves it open. False
    /// means that it is certainly not there. Of an error of `commit_transaction`: whether the transaction may be committed.
    /// [What it means for a program](crate::guide::delivery_guarantees).
    #[doc(alias = "rd_kafka_message_status")]
    #[doc(alias = "duplicate")]
    pub fn possibly_written(&self) -> bool {
        self.0.flags.possibly_written
    }

    /// The topic that the error is about; `None` where it is about none.
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// The partition that the error is about; `None` where it is about none, or before one was chosen.
    pub fn partition(&self) -> Option<i32> {
        self.0.partition
    }

    /// The id of the broker that the error is about; `None` where it is about none.
    pub fn node(&self) -> Option<i32> {
        self.0.node
    }

    /// The code that a broker answered with, or the last one before a time-out. Where no answer came it is one of the client's
    /// own, as in Java: `REQUEST_TIMED_OUT` after `request.timeout.ms`, `NETWORK_EXCEPTION` where the connection was lost. `None`
    /// where nothing was to be answered, as for a record above `max.request.size`. [What each code
    /// means](crate::guide::errors#by-code).
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code
    }

    /// What a line of the log about it has beside its text.
    pub(crate) fn labels(&self) -> LogLabels<'_> {
        let labels = LogLabels {
            topic: self.topic(),
            partition: self.partition(),
            node: self.node(),
            ..LogLabels::NONE
        };
        labels.with_code(self.code().unwrap_or(ErrorCode::NONE).0)
    }

    /// The same where it does not say which partition it is about.
    pub(crate) fn labels_at<'a>(&'a self, topic: &'a str, partition: i32) -> LogLabels<'a> {
        LogLabels { topic: Some(topic), partition: Some(partition), ..self.labels() }
    }

    /// How often the record's batch was sent; 0 where it never was.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long after `send` the record failed, or how long the call waited.
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// The cause: the error of a serializer or partitioner as it was, or what was last heard from a broker. Its
    /// text stands in this error's text; `source()` goes on behind it.
    ///
    /// ```
    /// use kafka_producer::{Error, ErrorKind};
    ///
    /// fn is_my_own(error: &Error) -> bool {
    ///     error.get_ref().is_some_and(|cause| cause.is::<std::num::ParseIntError>())
    /// }
    /// assert!(!is_my_own(&Error::new(ErrorKind::Serialization, "of another kind")));
    /// ```
    pub fn get_ref(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// An error of this kind, for tests of code that handles errors: see
    /// [`MockProducer::error_next`](crate::MockProducer::error_next). It is retriable where its kind is.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        let retriable = kind.is_retriable();
        Error(Arc::new(ErrorDetails {
            kind,
            message: message.into(),
            topic: None,
            partition: None,
            node: None,
            code: None,
            attempts: 0,
            elapsed: None,
            flags: Flags { retriable, ..Flags::default() },
            source: None,
        }))
    }

    pub(crate) fn config(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Config, message)
    }

    pub(crate) fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the producer is closed")
    }

    #[cold]
    pub(crate) fn forked() -> Error {
        let text = "the process was forked after the producer was created, and this is the child, which has no thread of \
                    the producer's: create another one here";
        Error::new(ErrorKind::Forked, text)
    }

    /// A thread could not be started.
    pub(crate) fn no_thread(error: std::io::Error) -> Error {
        Error::new(ErrorKind::Network, format!("the operating system gives no thread: {error}"))
    }

    pub(crate) fn interrupted(during: &str) -> Error {
        Error::new(ErrorKind::Interrupted, format!("interrupted while waiting for {during}"))
    }

    /// The error that a broker's code stands for, with the broker's own words where it sent some. Retriable where the
    /// code is.
    ///
    /// ```
    /// use kafka_producer::{Error, ErrorCode, ErrorKind};
    ///
    /// let error = Error::from_code(ErrorCode::TOPIC_AUTHORIZATION_FAILED, None);
    /// assert_eq!((error.kind(), error.is_retriable()), (ErrorKind::Authorization, false));
    /// ```
    pub fn from_code(code: ErrorCode, broker_message: Option<&str>) -> Error {
        let kind = match code {
            ErrorCode::REQUEST_TIMED_OUT => ErrorKind::Timeout,
            ErrorCode::NETWORK_EXCEPTION => ErrorKind::Network,
            ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => ErrorKind::RecordTooLarge,
            ErrorCode::INVALID_TOPIC_EXCEPTION => ErrorKind::InvalidTopic,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => {
                ErrorKind::UnknownTopicOrPartition
            }
            ErrorCode::INVALID_TIMESTAMP | ErrorCode::INVALID_RECORD => ErrorKind::InvalidRecord,
            ErrorCode::UNSUPPORTED_VERSION => ErrorKind::UnsupportedVersion,
            ErrorCode::SASL_AUTHENTICATION_FAILED => ErrorKind::Authentication,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => ErrorKind::Authorization,
            ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH => ErrorKind::Fenced,
            _ => ErrorKind::Broker,
        };
        let message = match broker_message {
            Some(words) => format!("the broker answered {code}: {}", Escaped(words)),
            None => format!("the broker answered {code}"),
        };
        Error::new(kind, message).with(|inner| {
            inner.code = Some(code);
            inner.flags.retriable = code.is_retriable();
        })
    }

    pub(crate) fn with_topic(self, topic: &TopicName) -> Error {
        self.with(|inner| inner.topic = Some(topic.clone()))
    }

    pub(crate) fn with_partition(self, partition: i32) -> Error {
        self.with(|inner| inner.partition = Some(partition))
    }

    pub(crate) fn with_node(self, node: i32) -> Error {
        self.with(|inner| inner.node = Some(node))
    }

    pub(crate) fn with_code(self, code: ErrorCode) -> Error {
        self.with(|inner| inner.code = Some(code))
    }

    /// The same as an error of another kind. It is retriable where that is.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Error {
        self.with(|inner| {
            inner.kind = kind;
            inner.flags.retriable = kind.is_retriable();
        })
    }

    pub(crate) fn with_attempts(self, attempts: u32) -> Error {
        self.with(|inner| inner.attempts = attempts)
    }

    pub(crate) fn with_elapsed(self, elapsed: Duration) -> Error {
        self.with(|inner| inner.elapsed = Some(elapsed))
    }

    /// The same error, with another answer to [`possibly_written`](Error::possibly_written).
    pub fn with_possibly_written(self, possibly_written: bool) -> Error {
        self.with(|inner| inner.flags.possibly_written = possibly_written)
    }

    /// The same error as a fatal one: see [`is_fatal`](Error::is_fatal). It is not retriable then.
    pub fn with_fatal(self) -> Error {
        self.with(|inner| {
            inner.flags.fatal = true;
            inner.flags.requires_abort = false;
            inner.flags.retriable = false;
        })
    }

    /// The same error as one after which the transaction can only be aborted: see
    /// [`requires_abort`](Error::requires_abort). It is not retriable then; a fatal one stays as it is.
    pub fn with_requires_abort(self) -> Error {
        if self.is_fatal() {
            return self;
        }
        self.with(|inner| {
            inner.flags.requires_abort = true;
            inner.flags.retriable = false;
        })
    }

    /// The same as one of a call that ends a transaction: what may be written then is not a record.
    pub(crate) fn with_possibly_committed(self, possibly_committed: bool) -> Error {
        self.with(|inner| {
            inner.flags.possibly_written = possibly_committed;
            inner.flags.of_commit = possibly_committed;
        })
    }

    /// Adds what was last heard, as text and as source.
    pub(crate) fn with_last(self, last: &Error) -> Error {
        let error = self.with_remark(&format!("the last error was: {last}")).with_source(last.clone());
        match last.code() {
            Some(code) => error.with_code(code),
            None => error,
        }
    }

    pub(crate) fn with_remark(self, remark: &str) -> Error {
        self.with(|inner| inner.message = format!("{}; {remark}", inner.message))
    }

    /// Adds the cause. Its text stands in this error's own.
    pub(crate) fn with_source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let source: Box<dyn std::error::Error + Send + Sync> = source.into();
        self.with(|inner| inner.source = Some(Arc::from(source)))
    }

    /// Changes an error that is still being built; one that is shared already is copied first.
    fn with(mut self, change: impl FnOnce(&mut ErrorDetails)) -> Error {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
            return self;
        }
        let mut inner = self.0.copy();
        change(&mut inner);
        Error(Arc::new(inner))
    }
}

impl ErrorDetails {
    fn copy(&self) -> ErrorDetails {
        ErrorDetails {
            kind: self.kind,
            message: self.message.clone(),
            topic: self.topic.clone(),
            partition: self.partition,
            node: self.node,
            code: self.code,
            attempts: self.attempts,
            elapsed: self.elapsed,
            flags: self.flags,
            source: self.source.clone(),
        }
    }
}

/// The message with all that is known: topic-partition, broker, attempts, time, and whether it may be written.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        match (&inner.topic, inner.partition) {
            (Some(topic), Some(partition)) => write!(f, "{}-{partition}: ", Escaped(topic))?,
            (Some(topic), None) if !topic.is_empty() => write!(f, "{}: ", Escaped(topic))?,
            _ => {}
        }
        f.write_str(&inner.message)?;
        if let Some(node) = inner.node {
            write!(f, " (broker {node})")?;
        }
        let sent = match inner.attempts {
            0 => None,
            1 => Some(String::from("sent once")),
            attempts => Some(format!("sent {attempts} times")),
        };
        let after = inner.elapsed.map(|elapsed| format!("after {} ms", elapsed.as_millis()));
        let history: Vec<String> = sent.into_iter().chain(after).collect();
        if !history.is_empty() {
            write!(f, " ({})", history.join(", "))?;
        }
        if inner.flags.of_commit {
            f.write_str("; the transaction may have been committed")?;
        } else if inner.flags.possibly_written {
            f.write_str("; the record may have been written")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

/// An error's text has that of its cause in it, so that one line says everything. The chain goes on behind the cause: no
/// level says what another has said. See [`get_ref`](Error::get_ref).
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().and_then(std::error::Error::source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_everything_it_knows() {
        let error = Error::from_code(ErrorCode::NOT_LEADER_OR_FOLLOWER, Some("moved"))
            .with_topic(&"test".into())
            .with_partition(3)
            .with_node(2)
            .with_attempts(4)
            .with_elapsed(Duration::from_millis(1200))
            .with_possibly_written(true);
        assert_eq!(
            error.to_string(),
            "test-3: the broker answered 6 NOT_LEADER_OR_FOLLOWER: moved (broker 2) (sent 4 times, after 1200 ms); \
             the record may have been written"
        );
        assert!(error.is_retriable() && error.possibly_written());
    }

    #[test]
    fn a_topic_without_a_name_does_not_stand_before_the_message() {
        let error = Error::new(ErrorKind::InvalidTopic, "the topic's name is empty").with_topic(&"".into());
        assert_eq!((error.to_string().as_str(), error.topic()), ("the topic's name is empty", Some("")));
    }

    /// Fault C10.
    #[test]
    fn a_brokers_words_stay_on_their_line() {
        let error = Error::from_code(ErrorCode::INVALID_RECORD, Some("no\n\u{1b}[2Jkey"));
        assert_eq!(error.to_string(), "the broker answered 87 INVALID_RECORD: no\\n\\u{1b}[2Jkey");
    }

    #[test]
    fn changing_a_shared_error_leaves_the_other_alone() {
        let first = Error::new(ErrorKind::Timeout, "too late");
        let second = first.clone().with_attempts(2);
        assert_eq!((first.attempts(), second.attempts()), (0, 2));
    }

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Layer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|layer| layer as &(dyn std::error::Error + 'static))
        }
    }

    /// Fault D7.
    #[test]
    fn each_level_of_an_error_says_its_own_part() {
        let own = Layer("no such colour", Some(Box::new(Layer("octarine", None))));
        let serializer =
            Error::new(ErrorKind::Serialization, "cannot be serialized: no such colour").with_source(own);
        assert!(serializer.get_ref().is_some_and(|cause| cause.is::<Layer>()));
        let last = Error::from_code(ErrorCode::NOT_LEADER_OR_FOLLOWER, Some("moved")).with_node(1);
        let late = Error::new(ErrorKind::Timeout, "too late").with_last(&last);
        let twice = Error::new(ErrorKind::Closed, "closed").with_last(&late);
        let fatal = Error::new(last.kind(), format!("no producer id: {last}")).with_source(last).with_fatal();
        for (error, levels) in [(serializer, 2), (late, 1), (twice, 1), (fatal, 1)] {
            let mut said = vec![error.to_string()];
            let mut source = std::error::Error::source(&error);
            while let Some(deeper) = source {
                said.push(deeper.to_string());
                source = deeper.source();
            }
            assert_eq!(said.len(), levels, "{said:?}");
            assert_eq!(
                said.len(),
                said.iter().filter(|text| said.concat().matches(text.as_str()).count() == 1).count()
            );
        }
    }
}
