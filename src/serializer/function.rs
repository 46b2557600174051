//! `serialize_with`: a function as a serializer.

use super::{Serializer, SerializerError};
use crate::record::Headers;

/// Makes a serializer of a function that writes the value's bytes into a buffer. For a program's own types, JSON for
/// instance; a serializer that needs the topic, headers or settings implements [`Serializer`] itself.
///
/// The buffer is empty at the call and is used again for the next record. An error makes `send` fail with kind
/// [`Serialization`](crate::ErrorKind::Serialization); the function runs on the thread that calls `send`.
///
/// ```
/// use kafka_producer::{Headers, Serializer, SerializerError, serialize_with};
///
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// let serializer = serialize_with(|point: &Point, out: &mut Vec<u8>| {
///     out.extend(point.x.to_be_bytes());
///     out.extend(point.y.to_be_bytes());
///     Ok::<(), SerializerError>(())
/// });
///
/// let (mut headers, mut scratch) = (Headers::new(), Vec::new());
/// let bytes =
///     serializer.serialize("points", &mut headers, &Point { x: 1, y: 2 }, &mut scratch)?;
/// assert_eq!(bytes, Some(&[0, 0, 0, 1, 0, 0, 0, 2][..]));
/// # Ok::<(), SerializerError>(())
/// ```
pub fn serialize_with<T, F, E>(function: F) -> FnSerializer<F>
where
    T: ?Sized,
    F: Fn(&T, &mut Vec<u8>) -> Result<(), E> + Send + Sync,
    E: Into<SerializerError>,
{
    FnSerializer(function)
}

/// What [`serialize_with`] makes.
#[derive(Clone, Copy)]
pub struct FnSerializer<F>(F);

impl<T, F, E> Serializer<T> for FnSerializer<F>
where
    T: ?Sized,
    F: Fn(&T, &mut Vec<u8>) -> Result<(), E> + Send + Sync,
    E: Into<SerializerError>,
{
    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        data: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        (self.0)(data, scratch).map_err(Into::into)?;
        Ok(Some(scratch))
    }
}
