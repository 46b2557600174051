//! The list serializer that `key.serializer=…ListSerializer` makes: it learns from the settings what its items are.
//!
//! Owns: the settings that name the items' class and how Java's names for it are read. Must not know: which names
//! there are.

use super::list::ListSerializer;
use super::{Serializer, SerializerError};
use crate::error::Error;
use crate::properties::{Named, Properties};
use crate::record::Headers;

/// Where Java's stock serializers live.
pub(super) const KAFKA_PACKAGE: &str = "org.apache.kafka.common.serialization.";

/// `T` is what the stock serializer of the items reads, `S` that serializer as the list needs it.
pub(super) struct NamedListSerializer<T, S> {
    list: Option<ListSerializer<S>>,
    create: CreateItems<T>,
    wrap: fn(Box<dyn Serializer<T>>) -> S,
}

/// Makes the serializer of the items, from the setting's name and the class name in it.
pub(super) type CreateItems<T> = fn(&str, &Named) -> Result<Box<dyn Serializer<T>>, Error>;

impl<T: 'static, S> NamedListSerializer<T, S> {
    pub(super) fn new(create: CreateItems<T>, wrap: fn(Box<dyn Serializer<T>>) -> S) -> Self {
        NamedListSerializer { list: None, create, wrap }
    }

    fn configure_list(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        let setting = if is_key { "default.list.key.serde.inner" } else { "default.list.value.serde.inner" };
        let Some(given) = properties.named(setting) else {
            return Err(format!(
                "ListSerializer needs {setting}, the class of the list's items, for instance \
                 org.apache.kafka.common.serialization.Serdes$IntegerSerde"
            )
            .into());
        };
        let name = serializer_of_serde(&given.name);
        let shown = if given.is_literal() { name.clone() } else { given.shown };
        let class_name = Named { name, shown };
        let mut items = (self.create)(setting, &class_name)?;
        items.configure(properties, is_key)?;
        let constant_size = is_constant_size_class(&class_name.name);
        self.list = Some(ListSerializer { items: (self.wrap)(items), constant_size });
        Ok(())
    }

    fn list(&self) -> Result<&ListSerializer<S>, SerializerError> {
        self.list.as_ref().ok_or_else(|| "ListSerializer was not configured".into())
    }
}

impl<T: 'static, I, S: Serializer<I>> Serializer<[I]> for NamedListSerializer<T, S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.configure_list(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a [I],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.list()?.serialize(topic, headers, data, scratch)
    }
}

impl<T: 'static, I, S: Serializer<I>> Serializer<Vec<I>> for NamedListSerializer<T, S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.configure_list(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a Vec<I>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.list()?.serialize(topic, headers, data, scratch)
    }
}

/// Java names the items' *serde* here, `…Serdes$IntegerSerde`: the serializer of it is `…IntegerSerializer`. Other
/// names stay as they are.
fn serializer_of_serde(given: &str) -> String {
    let name = given.strip_prefix(KAFKA_PACKAGE).unwrap_or(given);
    let name = name.strip_prefix("Serdes$").unwrap_or(name);
    match name.strip_suffix("Serde") {
        Some(stem) if !stem.contains(['.', '$']) => format!("{stem}Serializer"),
        _ => given.to_owned(),
    }
}

/// Whether Java's `FIXED_LENGTH_SERIALIZERS` has the class of this name.
fn is_constant_size_class(class_name: &str) -> bool {
    let name = class_name.strip_prefix(KAFKA_PACKAGE).unwrap_or(class_name);
    ["Short", "Integer", "Float", "Long", "Double", "UUID"]
        .iter()
        .any(|stem| name.strip_prefix(stem) == Some("Serializer"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::serializer::SerializerRegistry;

    fn written<T: ?Sized>(serializer: &impl Serializer<T>, data: &T) -> Result<String, String> {
        let (mut headers, mut scratch) = (Headers::new(), Vec::new());
        match serializer.serialize("t", &mut headers, data, &mut scratch) {
            Ok(bytes) => Ok(bytes.unwrap().iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn configured<T: ?Sized + 'static>(settings: &[(&str, &str)]) -> Result<Box<dyn Serializer<T>>, String> {
        let settings: HashMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let registry = SerializerRegistry::new();
        let mut list =
            registry.create::<T>("value.serializer", &"ListSerializer".into()).map_err(|e| e.to_string())?;
        list.configure(&Properties::new(&settings), false).map_err(|e| e.to_string())?;
        Ok(list)
    }

    #[test]
    fn by_name_the_items_are_named_by_serde_or_serializer() {
        for inner in [
            "org.apache.kafka.common.serialization.Serdes$IntegerSerde",
            "Serdes$IntegerSerde",
            "IntegerSerde",
            "org.apache.kafka.common.serialization.IntegerSerializer",
            "IntegerSerializer",
        ] {
            let settings = [("default.list.value.serde.inner", inner)];
            let list = configured::<[i32]>(&settings).map_err(|error| format!("{inner}: {error}")).unwrap();
            assert_eq!(written(&list, &[1][..]), Ok("00000000000000000100000001".into()));
        }
        let settings = [("default.list.value.serde.inner", "Serdes$IntegerSerde")];
        let list = configured::<Vec<Option<i32>>>(&settings).unwrap();
        let expected = "000000000200000000000000020000000300000001";
        assert_eq!(written(&list, &vec![None, Some(1), None]), Ok(expected.into()));
        let settings = [("default.list.value.serde.inner", "Serdes$StringSerde")];
        let list = configured::<Vec<String>>(&settings).unwrap();
        assert_eq!(written(&list, &vec!["a".to_owned()]), Ok("01000000010000000161".into()));
        let settings = [("default.list.value.serde.inner", "Serdes$UUIDSerde")];
        let list = configured::<[u128]>(&settings).unwrap();
        assert!(written(&list, &[5][..]).unwrap().starts_with("000000000000000001"));
    }

    #[test]
    fn by_name_each_mistake_is_an_error_of_its_own() {
        let inner = "default.list.value.serde.inner";
        let failed = |settings: &[(&str, &str)]| configured::<[i32]>(settings).err().unwrap();
        assert_eq!(
            failed(&[("default.list.key.serde.inner", "Serdes$IntegerSerde")]),
            "ListSerializer needs default.list.value.serde.inner, the class of the list's items, for instance \
             org.apache.kafka.common.serialization.Serdes$IntegerSerde"
        );
        assert_eq!(
            failed(&[(inner, "Serdes$LongSerde")]),
            "default.list.value.serde.inner is org.apache.kafka.common.serialization.LongSerializer, which reads \
             i64, but the list's items are i32"
        );
        let unknown = failed(&[(inner, "com.example.OrderSerde")]);
        assert!(
            unknown.starts_with(
                "default.list.value.serde.inner is \"com.example.OrderSerde\", which is not a known serializer"
            ),
            "{unknown}"
        );
        let encoding = [(inner, "Serdes$StringSerde"), ("value.serializer.encoding", "UTF-16")];
        let error = configured::<[String]>(&encoding).err().unwrap();
        assert!(error.starts_with("value.serializer.encoding is \"UTF-16\""), "{error}");
        let list =
            SerializerRegistry::new().create::<[i32]>("value.serializer", &"ListSerializer".into()).unwrap();
        assert_eq!(written(&list, &[1][..]), Err("ListSerializer was not configured".into()));
    }
}
