//! Kafka's primitive types as bytes: the encoder and the decoder know the version and whether it is flexible.
//!
//! Owns: integers, strings, arrays, tagged sections and variable-length integers. Must not know: messages.
//! Holds: reading trusts nothing. Any bytes give a value or an error that names a field, never a panic, and memory
//! is taken for what arrived, not for what a length field announces.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod decode_error;
mod decoder;
mod encoder;
mod varint;

pub(crate) use decode_error::DecodeError;
pub(crate) use decoder::Decoder;
pub(crate) use encoder::{EncodedMessage, Encoder};
pub(crate) use varint::{put_varint, put_varlong, size_of_varint, size_of_varlong, take_varlong};
