//! Bytes to values and back, by a schema.

use super::model::{Message, SchemaField, Structure, Type};
use super::value::{SchemaError, SchemaValue};

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), SchemaError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(SchemaError::new(format!("{left} bytes left over"))),
        }
    }

    pub(super) fn message(&mut self, message: &Message, version: i16) -> Result<SchemaValue, SchemaError> {
        check_version(message, version)?;
        let flexible = message.is_flexible(version);
        self.structure(&message.structure, version, flexible).map_err(|error| error.at(&message.name))
    }

    fn structure(
        &mut self,
        structure: &Structure,
        version: i16,
        flexible: bool,
    ) -> Result<SchemaValue, SchemaError> {
        let mut found = Vec::new();
        for field in structure.plain(version) {
            let value = self.field(field, version, flexible).map_err(|error| error.at(&field.name))?;
            found.push((field.name.clone(), value));
        }
        if flexible {
            found.extend(self.tagged(structure, version)?);
        }
        // In the order of the schema, and what was left out is its default.
        let fields = structure.all(version).map(|field| {
            let value = found.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
            (field.name.clone(), value.unwrap_or_else(|| field.default(version)))
        });
        Ok(SchemaValue::Struct(fields.collect()))
    }

    fn tagged(
        &mut self,
        structure: &Structure,
        version: i16,
    ) -> Result<Vec<(String, SchemaValue)>, SchemaError> {
        let known = structure.tagged(version);
        let mut found = Vec::new();
        let mut lowest = 0;
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            if tag < lowest {
                return Err(SchemaError::new(format!("tag {tag} out of order")));
            }
            lowest = tag + 1;
            let size = self.varint()? as usize;
            let mut content = Reader::new(self.take(size)?);
            let Some((_, field)) = known.iter().find(|(candidate, _)| *candidate == tag) else {
                return Err(SchemaError::new(format!("unknown tag {tag}")));
            };
            let value = content.field(field, version, true).and_then(|value| content.end().map(|()| value));
            found.push((field.name.clone(), value.map_err(|error| error.at(&field.name))?));
        }
        Ok(found)
    }

    fn field(
        &mut self,
        field: &SchemaField,
        version: i16,
        flexible: bool,
    ) -> Result<SchemaValue, SchemaError> {
        let flexible = flexible && field.is_flexible(version);
        let nullable = field.may_be_null(version);
        let null = matches!(field.kind, Type::Struct(_)) && nullable && self.is_null_struct()?;
        let value = if null { SchemaValue::Null } else { self.value(&field.kind, version, flexible)? };
        match value {
            SchemaValue::Null if !nullable => Err(SchemaError::new("null where there may be none")),
            value => Ok(value),
        }
    }

    /// A struct that may be null has a byte in front: 1, or -1 for null.
    fn is_null_struct(&mut self) -> Result<bool, SchemaError> {
        match self.take(1)?[0] {
            1 => Ok(false),
            0xff => Ok(true),
            other => Err(SchemaError::new(format!("{other} where 1 or -1 says if there is a struct"))),
        }
    }

    fn value(&mut self, kind: &Type, version: i16, flexible: bool) -> Result<SchemaValue, SchemaError> {
        Ok(match kind {
            Type::Bool => match self.take(1)?[0] {
                byte @ (0 | 1) => SchemaValue::Bool(byte == 1),
                other => return Err(SchemaError::new(format!("{other} as a truth value"))),
            },
            Type::Int8 => SchemaValue::Int(i8::from_be_bytes(self.array()?).into()),
            Type::Int16 => SchemaValue::Int(i16::from_be_bytes(self.array()?).into()),
            Type::Uint16 => SchemaValue::Int(u16::from_be_bytes(self.array()?).into()),
            Type::Int32 => SchemaValue::Int(i32::from_be_bytes(self.array()?).into()),
            Type::Uint32 => SchemaValue::Int(u32::from_be_bytes(self.array()?).into()),
            Type::Int64 => SchemaValue::Int(i64::from_be_bytes(self.array()?)),
            Type::Float64 => SchemaValue::Float(f64::from_be_bytes(self.array()?)),
            Type::Uuid => SchemaValue::Uuid(self.array()?),
            Type::String => match self.length(flexible, true)? {
                None => SchemaValue::Null,
                Some(length) => {
                    let text = std::str::from_utf8(self.take(length)?);
                    SchemaValue::String(text.map_err(|error| SchemaError::new(error.to_string()))?.to_owned())
                }
            },
            Type::Bytes => match self.length(flexible, false)? {
                None => SchemaValue::Null,
                Some(length) => SchemaValue::Bytes(self.take(length)?.to_vec()),
            },
            Type::Array(element) => match self.length(flexible, false)? {
                None => SchemaValue::Null,
                Some(length) => SchemaValue::Array(self.elements(element, length, version, flexible)?),
            },
            Type::Struct(structure) => self.structure(structure, version, flexible)?,
        })
    }

    fn elements(
        &mut self,
        kind: &Type,
        count: usize,
        version: i16,
        flexible: bool,
    ) -> Result<Vec<SchemaValue>, SchemaError> {
        let element = |index: usize| match self.value(kind, version, flexible) {
            Ok(SchemaValue::Null) => Err(SchemaError::new("null in an array").at(format!("[{index}]"))),
            other => other.map_err(|error| error.at(format!("[{index}]"))),
        };
        (0..count).map(element).collect()
    }

    /// `None` is null.
    fn length(&mut self, flexible: bool, short: bool) -> Result<Option<usize>, SchemaError> {
        let length = match (flexible, short) {
            (true, _) => i64::from(self.varint()?) - 1,
            (false, true) => i16::from_be_bytes(self.array()?).into(),
            (false, false) => i32::from_be_bytes(self.array()?).into(),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| SchemaError::new(format!("length {length}"))),
        }
    }

    /// An unsigned number in groups of seven bits, the lowest first.
    fn varint(&mut self) -> Result<u32, SchemaError> {
        let mut number = 0_u64;
        for group in 0..5 {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                if byte == 0 && group > 0 {
                    return Err(SchemaError::new("a number that is longer than it need be"));
                }
                return u32::try_from(number).map_err(|_| SchemaError::new(format!("number {number}")));
            }
        }
        Err(SchemaError::new("a number of more than five bytes"))
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], SchemaError> {
        Ok(self.take(SIZE)?.try_into().unwrap())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], SchemaError> {
        let short = || SchemaError::new(format!("{count} bytes wanted, {} there", self.bytes.len()));
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(short)?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[derive(Default)]
pub(super) struct SchemaWriter {
    bytes: Vec<u8>,
}

impl SchemaWriter {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn message(
        &mut self,
        message: &Message,
        version: i16,
        value: &SchemaValue,
    ) -> Result<(), SchemaError> {
        check_version(message, version)?;
        let flexible = message.is_flexible(version);
        self.structure(&message.structure, version, flexible, value).map_err(|error| error.at(&message.name))
    }

    fn structure(
        &mut self,
        structure: &Structure,
        version: i16,
        flexible: bool,
        value: &SchemaValue,
    ) -> Result<(), SchemaError> {
        let SchemaValue::Struct(fields) = value else {
            return Err(SchemaError::new(format!("no struct: {value:?}")));
        };
        if let Some((name, _)) =
            fields.iter().find(|(name, _)| structure.all(version).all(|field| field.name != *name))
        {
            return Err(SchemaError::new(format!("version {version} has no field {name}")));
        }
        for field in structure.plain(version) {
            let value =
                value.get(&field.name).ok_or_else(|| SchemaError::new(format!("no {}", field.name)))?;
            self.field(field, version, flexible, value).map_err(|error| error.at(&field.name))?;
        }
        match flexible {
            true => self.tagged(structure, version, value),
            false => Ok(()),
        }
    }

    /// A tagged field that has its default value is left out, as Kafka does.
    fn tagged(
        &mut self,
        structure: &Structure,
        version: i16,
        value: &SchemaValue,
    ) -> Result<(), SchemaError> {
        let mut present = structure.tagged(version);
        present.retain(|(_, field)| {
            value.get(&field.name).is_some_and(|value| *value != field.default(version))
        });
        self.varint(present.len())?;
        for (tag, field) in present {
            let mut content = SchemaWriter::default();
            content
                .field(field, version, true, &value[field.name.as_str()])
                .map_err(|error| error.at(&field.name))?;
            self.varint(tag as usize)?;
            self.varint(content.bytes.len())?;
            self.bytes.extend(content.bytes);
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &SchemaField,
        version: i16,
        flexible: bool,
        value: &SchemaValue,
    ) -> Result<(), SchemaError> {
        let flexible = flexible && field.is_flexible(version);
        let nullable = field.may_be_null(version);
        if *value == SchemaValue::Null && !nullable {
            return Err(SchemaError::new("null where there may be none"));
        }
        if let (Type::Struct(_), true) = (&field.kind, nullable) {
            self.bytes.push(if *value == SchemaValue::Null { 0xff } else { 1 });
            if *value == SchemaValue::Null {
                return Ok(());
            }
        }
        self.value(&field.kind, version, flexible, value)
    }

    fn value(
        &mut self,
        kind: &Type,
        version: i16,
        flexible: bool,
        value: &SchemaValue,
    ) -> Result<(), SchemaError> {
        match (kind, value) {
            (Type::Bool, SchemaValue::Bool(truth)) => self.bytes.push(u8::from(*truth)),
            (Type::Int8, SchemaValue::Int(number)) => self.bytes.extend(narrow::<i8>(*number)?.to_be_bytes()),
            (Type::Int16, SchemaValue::Int(number)) => {
                self.bytes.extend(narrow::<i16>(*number)?.to_be_bytes())
            }
            (Type::Uint16, SchemaValue::Int(number)) => {
                self.bytes.extend(narrow::<u16>(*number)?.to_be_bytes())
            }
            (Type::Int32, SchemaValue::Int(number)) => {
                self.bytes.extend(narrow::<i32>(*number)?.to_be_bytes())
            }
            (Type::Uint32, SchemaValue::Int(number)) => {
                self.bytes.extend(narrow::<u32>(*number)?.to_be_bytes())
            }
            (Type::Int64, SchemaValue::Int(number)) => self.bytes.extend(number.to_be_bytes()),
            (Type::Float64, SchemaValue::Float(number)) => self.bytes.extend(number.to_be_bytes()),
            (Type::Uuid, SchemaValue::Uuid(uuid)) => self.bytes.extend(uuid),
            (Type::String, SchemaValue::Null) => self.length(flexible, true, None)?,
            (Type::Bytes | Type::Array(_), SchemaValue::Null) => self.length(flexible, false, None)?,
            (Type::String, SchemaValue::String(text)) => {
                self.length(flexible, true, Some(text.len()))?;
                self.bytes.extend(text.as_bytes());
            }
            (Type::Bytes, SchemaValue::Bytes(bytes)) => {
                self.length(flexible, false, Some(bytes.len()))?;
                self.bytes.extend(bytes);
            }
            (Type::Array(kind), SchemaValue::Array(elements)) => {
                self.length(flexible, false, Some(elements.len()))?;
                for (index, element) in elements.iter().enumerate() {
                    let written = match element {
                        SchemaValue::Null => Err(SchemaError::new("null in an array")),
                        _ => self.value(kind, version, flexible, element),
                    };
                    written.map_err(|error| error.at(format!("[{index}]")))?;
                }
            }
            (Type::Struct(structure), _) => self.structure(structure, version, flexible, value)?,
            _ => return Err(SchemaError::new(format!("{value:?} for {kind:?}"))),
        }
        Ok(())
    }

    fn length(&mut self, flexible: bool, short: bool, length: Option<usize>) -> Result<(), SchemaError> {
        let signed = length.map_or(-1, |length| length as i64);
        match (flexible, short) {
            (true, _) => self.varint(length.map_or(0, |length| length + 1))?,
            (false, true) => self.bytes.extend(narrow::<i16>(signed)?.to_be_bytes()),
            (false, false) => self.bytes.extend(narrow::<i32>(signed)?.to_be_bytes()),
        }
        Ok(())
    }

    fn varint(&mut self, number: usize) -> Result<(), SchemaError> {
        let mut rest = u32::try_from(number).map_err(|_| SchemaError::new(format!("number {number}")))?;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
        Ok(())
    }
}

fn narrow<T: TryFrom<i64>>(number: i64) -> Result<T, SchemaError> {
    T::try_from(number).map_err(|_| SchemaError::new(format!("{number} does not fit")))
}

fn check_version(message: &Message, version: i16) -> Result<(), SchemaError> {
    match message.is_valid(version) {
        true => Ok(()),
        false => Err(SchemaError::new(format!("there is no version {version}")).at(&message.name)),
    }
}
