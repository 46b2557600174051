//! Made-up messages: every kind of content that a schema allows, the same for the same seed.

use super::model::{Message, SchemaField, Structure, Type};
use super::value::SchemaValue;

/// Seed 0: the defaults.
pub(super) fn message(message: &Message, version: i16, seed: u64) -> SchemaValue {
    let all = message.structure.all(version);
    match seed {
        0 => SchemaValue::Struct(all.map(|field| (field.name.clone(), field.default(version))).collect()),
        _ => Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).structure(&message.structure, version),
    }
}

struct Random(u64);

impl Random {
    /// Xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.next() >> 16).rem_euclid(bound) as usize
    }

    fn structure(&mut self, structure: &Structure, version: i16) -> SchemaValue {
        let all = structure.all(version);
        SchemaValue::Struct(all.map(|field| (field.name.clone(), self.field(field, version))).collect())
    }

    fn field(&mut self, field: &SchemaField, version: i16) -> SchemaValue {
        match (self.below(4), self.below(2)) {
            (0, _) if field.may_be_null(version) => SchemaValue::Null,
            (_, 0) if field.is_tagged(version) => field.default(version),
            _ => self.value(&field.kind, version),
        }
    }

    fn value(&mut self, kind: &Type, version: i16) -> SchemaValue {
        match kind {
            Type::Bool => SchemaValue::Bool(self.below(2) == 1),
            Type::Int8 => SchemaValue::Int((self.whole() as i8).into()),
            Type::Int16 => SchemaValue::Int((self.whole() as i16).into()),
            Type::Uint16 => SchemaValue::Int((self.whole() as u16).into()),
            Type::Int32 => SchemaValue::Int((self.whole() as i32).into()),
            Type::Uint32 => SchemaValue::Int((self.whole() as u32).into()),
            Type::Int64 => SchemaValue::Int(self.whole()),
            Type::Float64 => SchemaValue::Float(self.whole() as f64 / 8.0),
            Type::Uuid => SchemaValue::Uuid(std::array::from_fn(|_| self.next() as u8)),
            Type::String => SchemaValue::String(self.text()),
            Type::Bytes => {
                let length = [0, 1, 7, 127, 128, 300][self.below(6)];
                SchemaValue::Bytes((0..length).map(|_| self.next() as u8).collect())
            }
            Type::Array(element) => {
                let count = self.below(4);
                SchemaValue::Array((0..count).map(|_| self.value(element, version)).collect())
            }
            Type::Struct(structure) => self.structure(structure, version),
        }
    }

    /// Small, at the ends, or anything.
    fn whole(&mut self) -> i64 {
        let any = self.next() as i64;
        [0, 1, -1, i64::MAX, i64::MIN, any, any >> 32, any >> 48][self.below(8)]
    }

    fn text(&mut self) -> String {
        // 126 to 128 bytes: where a compact length gets its second byte.
        let length = [0, 1, 5, 126, 127, 128][self.below(6)];
        ["a", "topic-1", "ä", "€", "😀"][self.below(5)].chars().cycle().take(length).collect()
    }
}
