//! Kafka's primitive types as bytes: the encoder and the decoder know the version and whether it is flexible.

mod encoder;

pub(crate) use encoder::{EncodedMessage, Encoder};
