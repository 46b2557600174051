//! The provider of the ciphers: those of the program, else those that need no C, else those of a feature.
//!
//! Owns: the choice, and what is said where there is none. Must not know: settings.
//! Holds: a processor that graviola cannot use never gets as far as graviola, which would panic; for most kinds of processors it
//! does not even compile.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::error::Error;

/// The ciphers: those that the program has installed for all of its TLS, else graviola's where the processor can do them, else
/// those that a feature of this crate has brought.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    choose(CryptoProvider::get_default().map(Arc::clone), without_c(), written_in_c())
}

fn choose(
    installed: Option<Arc<CryptoProvider>>,
    without_c: Option<CryptoProvider>,
    written_in_c: Option<CryptoProvider>,
) -> Result<Arc<CryptoProvider>, Error> {
    installed.or_else(|| without_c.or(written_in_c).map(Arc::new)).ok_or_else(|| {
        Error::config(
            "security.protocol: this processor lacks what the built-in ciphers need (x86-64 with AVX2, ADX and BMI2, or \
             aarch64 with AES); turn on the feature `tls-ring` or `tls-aws-lc` of the crate kafka-producer, or install \
             another provider of rustls by CryptoProvider::install_default before the producer is made",
        )
    })
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn without_c() -> Option<CryptoProvider> {
    graviola::util::is_cpu_supported().then(rustls_graviola::default_provider)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn without_c() -> Option<CryptoProvider> {
    None
}

#[cfg(feature = "tls-aws-lc")]
fn written_in_c() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "tls-ring", not(feature = "tls-aws-lc")))]
fn written_in_c() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc")))]
fn written_in_c() -> Option<CryptoProvider> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// Told apart by how many suites it has.
    fn with_suites(count: usize) -> CryptoProvider {
        let mut provider = rustls_graviola::default_provider();
        provider.cipher_suites.truncate(count);
        provider
    }

    fn suites(chosen: Result<Arc<CryptoProvider>, Error>) -> usize {
        chosen.unwrap().cipher_suites.len()
    }

    #[test]
    fn the_programs_own_comes_first_then_what_needs_no_c_then_a_feature_s() {
        let installed = || Some(Arc::new(with_suites(1)));
        let (pure, in_c) = (|| Some(with_suites(3)), || Some(with_suites(2)));
        assert_eq!(suites(choose(installed(), pure(), in_c())), 1);
        assert_eq!(suites(choose(installed(), None, None)), 1);
        assert_eq!(suites(choose(None, pure(), in_c())), 3);
        assert_eq!(suites(choose(None, None, in_c())), 2);
    }

    #[test]
    fn a_processor_without_any_is_an_error_that_names_the_features() {
        let error = choose(None, None, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        for part in ["security.protocol", "`tls-ring`", "`tls-aws-lc`", "install_default"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
