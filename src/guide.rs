//! The guide: how to use the producer, page by page. Begin with [getting started](getting_started).
//!
//! Each page is a module without items; the same pages are in `docs/` of the repository. All programs in them are compiled
//! and run with the crate's tests.

// Pages name each other by reference (`[tuning]`), and say at their end where that is in the repository. Here a line before
// the page says where it is in this documentation: of two definitions of a reference the first one counts.

macro_rules! pages {
    ($($(#[$link:meta])* $name:ident $file:literal)*) => {
        $(
            $(#[$link])*
            #[doc = ""]
            #[doc = include_str!(concat!("../docs/", $file))]
            pub mod $name {}
        )*
    };
}

pages! {
    /// [tuning]: self::tuning
    /// [errors]: self::errors
    /// [settings]: self::settings
    /// [security]: self::security
    /// [threads and blocking]: self::threads_and_blocking
    getting_started "guide/getting-started.md"
    /// [errors]: self::errors
    /// [transactions]: self::transactions
    #[doc(alias = "idempotent")]
    #[doc(alias = "exactly once")]
    #[doc(alias = "at least once")]
    delivery_guarantees "guide/delivery-guarantees.md"
    threads_and_blocking "guide/threads-and-blocking.md"
    /// [logging]: self::logging
    /// [transactions]: self::transactions
    /// [codes]: crate::ErrorCode
    errors "errors.md"
    /// [errors]: self::errors
    /// [testing]: self::testing
    /// [prepare]: crate::KafkaProducer::prepare_transaction
    transactions "guide/transactions.md"
    /// [settings]: self::settings
    /// [compression]: self::compression
    /// [delivery guarantees]: self::delivery_guarantees
    /// [metrics]: self::metrics
    tuning "guide/tuning.md"
    settings "configuration.md"
    /// [settings]: self::settings
    /// [TLS]: self::tls
    /// [passwords]: self::plain_scram
    /// [tokens]: self::oauthbearer
    /// [MSK]: self::aws_msk
    /// [Kerberos]: self::kerberos
    /// [providers]: self::providers
    security "security.md"
    /// [settings]: self::settings
    tls "security/tls.md"
    plain_scram "security/plain-scram.md"
    oauthbearer "security/oauthbearer.md"
    /// [passwords]: self::plain_scram
    /// [TLS]: self::tls
    /// [providers]: self::providers
    aws_msk "security/aws-msk.md"
    /// [TLS]: self::tls
    kerberos "security/kerberos.md"
    /// [TLS]: self::tls
    /// [passwords]: self::plain_scram
    /// [tokens]: self::oauthbearer
    /// [MSK]: self::aws_msk
    /// [Kerberos]: self::kerberos
    providers "security/providers.md"
    compression "compression.md"
    /// [compression]: self::compression
    /// [logging]: self::logging
    /// [metrics]: self::metrics
    /// [TLS]: self::tls
    features "features.md"
    /// [errors]: self::errors
    /// [security]: self::security
    /// [getting started]: self::getting_started
    logging "logging.md"
    metrics "metrics.md"
    testing "guide/testing.md"
    /// [delivery guarantees]: self::delivery_guarantees
    /// [threads and blocking]: self::threads_and_blocking
    /// [errors]: self::errors
    /// [testing]: self::testing
    examples "guide/examples.md"
    /// [settings]: self::settings
    from_java "guide/from-java.md"
    from_librdkafka "guide/from-librdkafka.md"
    /// [logging]: self::logging
    /// [from librdkafka]: self::from_librdkafka
    /// [testing]: self::testing
    /// [delivery guarantees]: self::delivery_guarantees
    /// [providers]: self::providers
    questions "guide/questions.md"
}

/// The programs of the repository's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
