//! What may stand in a record for its key and value, and what may be given to `send`.
//!
//! Owns: the traits by which `send` reads whatever the record holds, and `RecordView`, a record's parts as the serializers'
//! types. Must not know: serializers, producers.
//! Holds: nothing is copied to be read, but text and bytes for producers whose own types are `String` and `Vec<u8>`.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use crate::record::headers::Headers;
use crate::record::{Key, NoKey, ProducerRecord, Tombstone, Value};

/// The types that a record's key or value may have if the producer's serializer reads `T`: `T` itself, any type that
/// borrows as `T`, and a reference to either.
///
/// | the serializer reads | a record may hold |
/// |---|---|
/// | `str` | `&str`, `String`, `&String`, `Box<str>`, `Arc<str>`, `Cow<str>`, your own type that is `Borrow<str>`, … |
/// | `[u8]` | `&[u8]`, `Vec<u8>`, `&Vec<u8>`, `[u8; N]`, `b"…"`, `Arc<[u8]>`, `bytes::Bytes`, … |
/// | `Order`, `i64`, … | itself, `&Order`, `Box<Order>`, `Arc<Order>`, `&Arc<Order>`, … |
/// | `String`, `Vec<u8>` | as for any type, and also `&str` and `&[u8]`, which are copied; a producer of `str` and `[u8]` does not copy them |
///
/// `By` says which of these it is, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "a record that holds `{Self}` cannot be sent by a producer whose serializer reads `{T}`",
    label = "this is neither a `{T}`, nor does it borrow as one",
    note = "`K` and `V` of a `KafkaProducer<K, V>` are the types that its serializers read; a record's key and value may be any type that borrows as them"
)]
pub trait Payload<T: ?Sized + 'static, By = ByBorrow> {
    /// What the serializer reads it from.
    type Held<'a>: Borrow<T>
    where
        Self: 'a;

    /// The value as the serializer reads it.
    fn hold(&self) -> Self::Held<'_>;
}

/// A [`Payload`] that borrows as the serializer's type.
#[derive(Debug, Clone, Copy)]
pub struct ByBorrow;

/// A [`Payload`] that is a reference to what derefs to the serializer's type.
#[derive(Debug, Clone, Copy)]
pub struct ByDeref;

/// A [`Payload`] that is a reference to an array of bytes.
#[derive(Debug, Clone, Copy)]
pub struct ByArray;

/// A [`Payload`] that is copied into the serializer's type.
#[derive(Debug, Clone, Copy)]
pub struct ByCopy;

impl<T: ?Sized + 'static, B: Borrow<T>> Payload<T, ByBorrow> for B {
    type Held<'a>
        = &'a T
    where
        B: 'a;

    #[inline(always)]
    fn hold(&self) -> &T {
        self.borrow()
    }
}

impl<T: ?Sized + 'static, D: Deref<Target = T> + ?Sized> Payload<T, ByDeref> for &D {
    type Held<'a>
        = &'a T
    where
        Self: 'a;

    #[inline(always)]
    fn hold(&self) -> &T {
        self
    }
}

impl<const N: usize> Payload<[u8], ByArray> for &[u8; N] {
    type Held<'a>
        = &'a [u8]
    where
        Self: 'a;

    #[inline(always)]
    fn hold(&self) -> &[u8] {
        *self
    }
}

impl Payload<String, ByCopy> for &str {
    type Held<'a>
        = String
    where
        Self: 'a;

    fn hold(&self) -> String {
        String::from(*self)
    }
}

impl Payload<Vec<u8>, ByCopy> for &[u8] {
    type Held<'a>
        = Vec<u8>
    where
        Self: 'a;

    fn hold(&self) -> Vec<u8> {
        self.to_vec()
    }
}

/// What may stand as the key of a record for a producer whose keys are `K`: [`NoKey`], [`Key`], `Option`.
pub trait RecordKey<K: ?Sized + 'static, By = ByBorrow> {
    /// What the serializer reads the key from.
    type Held<'a>: Borrow<K>
    where
        Self: 'a;

    /// The key as the serializer reads it, or none.
    fn hold_key(&self) -> Option<Self::Held<'_>>;
}

/// What may stand as the value of a record for a producer whose values are `V`: [`Value`], [`Tombstone`], `Option`.
pub trait RecordValue<V: ?Sized + 'static, By = ByBorrow> {
    /// What the serializer reads the value from.
    type Held<'a>: Borrow<V>
    where
        Self: 'a;

    /// The value as the serializer reads it, or none.
    fn hold_value(&self) -> Option<Self::Held<'_>>;
}

/// The same for keys and values: nothing, something, perhaps something.
macro_rules! parts {
    ($part:ident, $hold:ident: $nothing:ty, $something:ident) => {
        impl<T: ?Sized + 'static> $part<T> for $nothing {
            type Held<'a> = &'a T;

            #[inline(always)]
            fn $hold(&self) -> Option<&T> {
                None
            }
        }

        impl<T: ?Sized + 'static, By, P: Payload<T, By>> $part<T, By> for $something<P> {
            type Held<'a>
                = P::Held<'a>
            where
                P: 'a;

            #[inline(always)]
            fn $hold(&self) -> Option<P::Held<'_>> {
                Some(self.0.hold())
            }
        }

        impl<T: ?Sized + 'static, By, P: Payload<T, By>> $part<T, By> for Option<P> {
            type Held<'a>
                = P::Held<'a>
            where
                P: 'a;

            #[inline(always)]
            fn $hold(&self) -> Option<P::Held<'_>> {
                match self {
                    Some(part) => Some(part.hold()),
                    None => None,
                }
            }
        }
    };
}

parts!(RecordKey, hold_key: NoKey, Key);
parts!(RecordValue, hold_value: Tombstone, Value);

/// What may be given to `send`: a [`ProducerRecord`], or a reference to one, which stays with the caller.
///
/// `By` is always inferred.
pub trait AsRecord<K: ?Sized + 'static, V: ?Sized + 'static, By = (ByBorrow, ByBorrow)> {
    /// Shows the record to `look`, as the producer's serializers read it.
    fn view<R>(&self, look: impl FnOnce(RecordView<'_, K, V>) -> R) -> R;
}

impl<K, V, KeyBy, ValueBy, RK, RV, T> AsRecord<K, V, (KeyBy, ValueBy)> for ProducerRecord<RK, RV, T>
where
    K: ?Sized + 'static,
    V: ?Sized + 'static,
    RK: RecordKey<K, KeyBy>,
    RV: RecordValue<V, ValueBy>,
    T: AsRef<str>,
{
    #[inline(always)]
    fn view<R>(&self, look: impl FnOnce(RecordView<'_, K, V>) -> R) -> R {
        let (key, value) = (self.key.hold_key(), self.value.hold_value());
        look(RecordView {
            topic: self.topic.as_ref(),
            partition: self.partition,
            timestamp: self.timestamp,
            headers: &self.headers,
            key: key.as_ref().map(Borrow::borrow),
            value: value.as_ref().map(Borrow::borrow),
        })
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static, By, R: AsRecord<K, V, By>> AsRecord<K, V, By> for &R {
    #[inline(always)]
    fn view<S>(&self, look: impl FnOnce(RecordView<'_, K, V>) -> S) -> S {
        (**self).view(look)
    }
}

/// A record as a producer's serializers read it, whatever types it holds. See
/// [`Producer::send_view`](crate::Producer::send_view).
pub struct RecordView<'r, K: ?Sized, V: ?Sized> {
    pub(crate) topic: &'r str,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: &'r Headers,
    pub(crate) key: Option<&'r K>,
    pub(crate) value: Option<&'r V>,
}

impl<'r, K: ?Sized, V: ?Sized> RecordView<'r, K, V> {
    /// The topic's name.
    pub fn topic(&self) -> &'r str {
        self.topic
    }

    /// The partition that was asked for, if one was.
    pub fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// The time that was asked for, in milliseconds since the epoch.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The headers.
    pub fn headers(&self) -> &'r Headers {
        self.headers
    }

    /// The key, if there is one.
    pub fn key(&self) -> Option<&'r K> {
        self.key
    }

    /// The value; none is a tombstone.
    pub fn value(&self) -> Option<&'r V> {
        self.value
    }
}

impl<K: ?Sized, V: ?Sized> Clone for RecordView<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized, V: ?Sized> Copy for RecordView<'_, K, V> {}

/// A view is a record, too: a producer that was given one may send it on.
impl<K: ?Sized + 'static, V: ?Sized + 'static> AsRecord<K, V> for RecordView<'_, K, V> {
    fn view<R>(&self, look: impl FnOnce(RecordView<'_, K, V>) -> R) -> R {
        look(*self)
    }
}

/// Not key and value: what is inside may be confidential.
impl<K: ?Sized, V: ?Sized> fmt::Debug for RecordView<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordView")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}
