//! A schema file, understood: messages, their fields, types and versions.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde_json::Value as Json;

use super::value::SchemaValue;

/// One schema file.
#[derive(Debug)]
pub struct Message {
    pub name: String,
    pub kind: MessageKind,
    pub api_key: Option<i16>,
    pub latest_version_unstable: bool,
    pub(super) structure: Structure,
    valid: VersionRange,
    flexible: VersionRange,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    Request,
    Response,
    Header,
    /// What is stored, not sent.
    Data,
}

#[derive(Clone, Debug)]
pub(super) struct Structure {
    pub(super) fields: Vec<SchemaField>,
}

#[derive(Clone, Debug)]
pub(super) struct SchemaField {
    pub(super) name: String,
    pub(super) kind: Type,
    versions: VersionRange,
    nullable: VersionRange,
    tagged: VersionRange,
    tag: u32,
    /// Where the field is not flexible although its message is.
    flexible: VersionRange,
    default: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Array(Box<Type>),
    Struct(Structure),
}

/// A range such as `3-5`, `3+`, `3` or `none`.
#[derive(Clone, Copy, Debug)]
struct VersionRange(Option<(i16, i16)>);

impl Message {
    pub(super) fn parse(text: &str) -> Message {
        let json: Json = serde_json::from_str(&without_comments(text)).unwrap();
        let name = string(&json, "name").to_owned();
        let common = json["commonStructs"].as_array().into_iter().flatten();
        let common: HashMap<&str, &Json> =
            common.map(|item| (string(item, "name"), &item["fields"])).collect();
        let kind = match string(&json, "type") {
            "request" => MessageKind::Request,
            "response" => MessageKind::Response,
            "header" => MessageKind::Header,
            _ => MessageKind::Data,
        };
        Message {
            kind,
            api_key: json["apiKey"].as_i64().map(|key| i16::try_from(key).unwrap()),
            latest_version_unstable: json["latestVersionUnstable"].as_bool().unwrap_or(false),
            structure: Structure::parse(&json["fields"], &common),
            valid: VersionRange::parse(&json["validVersions"], "0+"),
            flexible: VersionRange::parse(&json["flexibleVersions"], "none"),
            name,
        }
    }

    pub fn valid_versions(&self) -> Option<RangeInclusive<i16>> {
        self.valid.0.map(|(first, last)| first..=last)
    }

    pub fn is_valid(&self, version: i16) -> bool {
        self.valid.contain(version)
    }

    /// Compact lengths and tagged fields.
    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible.contain(version)
    }
}

impl Structure {
    fn parse(fields: &Json, common: &HashMap<&str, &Json>) -> Structure {
        let fields = fields.as_array().into_iter().flatten();
        Structure { fields: fields.map(|field| SchemaField::parse(field, common)).collect() }
    }

    /// The fields that are written one after the other.
    pub(super) fn plain(&self, version: i16) -> impl Iterator<Item = &SchemaField> {
        self.fields
            .iter()
            .filter(move |field| field.versions.contain(version) && !field.tagged.contain(version))
    }

    /// The fields at the end that may be missing, by their tags.
    pub(super) fn tagged(&self, version: i16) -> Vec<(u32, &SchemaField)> {
        let mut tagged: Vec<_> = self
            .fields
            .iter()
            .filter(|field| field.tagged.contain(version))
            .map(|field| (field.tag, field))
            .collect();
        tagged.sort_by_key(|(tag, _)| *tag);
        tagged
    }

    /// All that a version has, in the file's order.
    pub(super) fn all(&self, version: i16) -> impl Iterator<Item = &SchemaField> {
        self.fields
            .iter()
            .filter(move |field| field.versions.contain(version) || field.tagged.contain(version))
    }
}

impl SchemaField {
    fn parse(json: &Json, common: &HashMap<&str, &Json>) -> SchemaField {
        let default = match &json["default"] {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        SchemaField {
            name: string(json, "name").to_owned(),
            kind: Type::parse(string(json, "type"), &json["fields"], common),
            versions: VersionRange::parse(&json["versions"], "none"),
            nullable: VersionRange::parse(&json["nullableVersions"], "none"),
            tagged: VersionRange::parse(&json["taggedVersions"], "none"),
            tag: json["tag"].as_u64().map_or(0, |tag| u32::try_from(tag).unwrap()),
            flexible: VersionRange::parse(&json["flexibleVersions"], "0+"),
            default,
        }
    }

    pub(super) fn may_be_null(&self, version: i16) -> bool {
        self.nullable.contain(version)
    }

    pub(super) fn is_tagged(&self, version: i16) -> bool {
        self.tagged.contain(version)
    }

    pub(super) fn is_flexible(&self, version: i16) -> bool {
        self.flexible.contain(version)
    }

    /// What the field is when nobody set it.
    pub(super) fn default(&self, version: i16) -> SchemaValue {
        match self.default.as_deref() {
            Some("null") if self.may_be_null(version) => SchemaValue::Null,
            given => self.kind.default(given.unwrap_or(""), version),
        }
    }
}

impl Type {
    fn parse(name: &str, fields: &Json, common: &HashMap<&str, &Json>) -> Type {
        match name {
            "bool" => Type::Bool,
            "int8" => Type::Int8,
            "int16" => Type::Int16,
            "uint16" => Type::Uint16,
            "int32" => Type::Int32,
            "uint32" => Type::Uint32,
            "int64" => Type::Int64,
            "float64" => Type::Float64,
            "uuid" => Type::Uuid,
            "string" => Type::String,
            "bytes" | "records" => Type::Bytes,
            _ => match name.strip_prefix("[]") {
                Some(element) => Type::Array(Box::new(Type::parse(element, fields, common))),
                None if fields.is_array() => Type::Struct(Structure::parse(fields, common)),
                None => Type::Struct(Structure::parse(
                    common.get(name).unwrap_or_else(|| panic!("type {name}")),
                    common,
                )),
            },
        }
    }

    fn default(&self, given: &str, version: i16) -> SchemaValue {
        let parse = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).unwrap(),
            None => text.parse().unwrap(),
        };
        match self {
            Type::Bool => SchemaValue::Bool(given == "true"),
            Type::Int8 | Type::Int16 | Type::Uint16 | Type::Int32 | Type::Uint32 | Type::Int64 => {
                SchemaValue::Int(if given.is_empty() { 0 } else { parse(given) })
            }
            Type::Float64 => SchemaValue::Float(if given.is_empty() { 0.0 } else { given.parse().unwrap() }),
            Type::Uuid => SchemaValue::Uuid([0; 16]),
            Type::String => SchemaValue::String(given.to_owned()),
            Type::Bytes => SchemaValue::Bytes(Vec::new()),
            Type::Array(_) => SchemaValue::Array(Vec::new()),
            Type::Struct(structure) => SchemaValue::Struct(
                structure.all(version).map(|field| (field.name.clone(), field.default(version))).collect(),
            ),
        }
    }
}

impl VersionRange {
    fn parse(json: &Json, missing: &str) -> VersionRange {
        let text = json.as_str().unwrap_or(missing);
        let number = |text: &str| {
            text.trim().parse::<i16>().unwrap_or_else(|error| panic!("versions {text:?}: {error}"))
        };
        VersionRange(match (text, text.strip_suffix('+'), text.split_once('-')) {
            ("none", ..) => None,
            (_, Some(first), _) => Some((number(first), i16::MAX)),
            (_, _, Some((first, last))) => Some((number(first), number(last))),
            _ => Some((number(text), number(text))),
        })
    }

    fn contain(self, version: i16) -> bool {
        self.0.is_some_and(|(first, last)| (first..=last).contains(&version))
    }
}

fn string<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}"))
}

/// Kafka's JSON has comments from `//` to the end of the line.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut in_string, mut previous) = (false, ' ');
        let mut end = line.len();
        for (at, character) in line.char_indices() {
            match character {
                '"' if previous != '\\' => in_string = !in_string,
                '/' if previous == '/' && !in_string => {
                    end = at - 1;
                    break;
                }
                _ => {}
            }
            previous = character;
        }
        kept += &line[..end];
        kept.push('\n');
    }
    kept
}
