//! CBOR (RFC 8949) as signed messages may hold it: preferred serialization, no map key twice,
//! nothing after the end, little depth.

use std::fmt;

use ciborium::Value;
use ciborium::de::{Error, from_reader_with_recursion_limit};

use crate::Problem;

/// Arrays, maps and tags within each other.
const DEEPEST: usize = 16;

/// The one item that `bytes` hold.
pub(super) fn parse(field: &str, bytes: &[u8]) -> Result<Value, Problem> {
    let refused = |expected: &str, found: String| Problem::new(field, expected, found);
    let mut rest = bytes;
    let value: Value =
        from_reader_with_recursion_limit(&mut rest, DEEPEST).map_err(|error| match error {
            Error::Io(_) => refused("CBOR", format!("an end after {} bytes", bytes.len())),
            Error::RecursionLimitExceeded => {
                let expected = format!("CBOR of a depth up to {DEEPEST}");
                refused(&expected, "more".to_owned())
            }
            Error::Syntax(offset) => refused("CBOR", format!("something else at {offset:#x}")),
            Error::Semantic(_, problem) => refused("CBOR", problem),
        })?;
    if !rest.is_empty() {
        return Err(refused(
            "nothing after the end",
            format!("{} bytes", rest.len()),
        ));
    }
    // What is encoded in another way could be read in another way.
    if encode(&value) != bytes {
        let expected = "CBOR in its preferred serialization: shortest forms, definite lengths";
        return Err(refused(expected, "another encoding".to_owned()));
    }
    Ok(value)
}

/// The preferred serialization of `value`; maps keep their order.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory does not fail.
    let _ = ciborium::into_writer(value, &mut bytes);
    bytes
}

/// A key that is known, and its name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Label {
    Number(i64, &'static str),
    Text(&'static str),
}

impl From<Label> for Value {
    fn from(label: Label) -> Self {
        match label {
            Label::Number(number, _) => number.into(),
            Label::Text(text) => text.into(),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number, name) => write!(f, "{name} ({number})"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A map whose entries are taken out one by one, so that none is overlooked.
#[derive(Debug)]
pub(super) struct Map {
    field: String,
    entries: Vec<(Value, Value)>,
}

impl Map {
    pub(super) fn new(field: impl Into<String>, value: Value) -> Result<Self, Problem> {
        let field = field.into();
        let Value::Map(entries) = value else {
            return Err(Problem::new(field, "a map", describe(&value)));
        };
        for (index, (key, _)) in entries.iter().enumerate() {
            if entries[..index].iter().any(|(other, _)| other == key) {
                let found = format!("{} twice", describe(key));
                return Err(Problem::new(field, "each key once", found));
            }
        }
        Ok(Self { field, entries })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has(&self, label: Label) -> bool {
        let label = Value::from(label);
        self.entries.iter().any(|(key, _)| *key == label)
    }

    /// The name of an entry, for people.
    pub(super) fn name(&self, label: Label) -> String {
        format!("{}, {label}", self.field)
    }

    fn take(&mut self, label: Label, expected: &str) -> Result<Value, Problem> {
        let key = Value::from(label);
        let index = self.entries.iter().position(|(other, _)| *other == key);
        let index = index.ok_or_else(|| Problem::new(self.name(label), expected, "nothing"))?;
        Ok(self.entries.swap_remove(index).1)
    }

    /// Takes the value that `convert` makes of the entry.
    pub(super) fn take_as<T>(
        &mut self,
        label: Label,
        expected: &str,
        convert: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<T, Problem> {
        let value = self.take(label, expected)?;
        convert(value).map_err(|value| Problem::new(self.name(label), expected, describe(&value)))
    }

    pub(super) fn text(&mut self, label: Label) -> Result<String, Problem> {
        self.take_as(label, "text", Value::into_text)
    }

    pub(super) fn unsigned(&mut self, label: Label) -> Result<u64, Problem> {
        self.take_as(label, "an integer from 0 to 2^64 - 1", unsigned)
    }

    /// Holds that the entry is `expected`.
    pub(super) fn equal(&mut self, label: Label, expected: &Value) -> Result<(), Problem> {
        let same = |value| {
            if value == *expected {
                Ok(())
            } else {
                Err(value)
            }
        };
        self.take_as(label, &describe(expected), same)
    }

    /// Holds that every entry was taken.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.entries.first() {
            None => Ok(()),
            Some((key, _)) => {
                let expected = "the labels of this form and no others";
                Err(Problem::new(self.field, expected, describe(key)))
            }
        }
    }
}

/// The number in `value`.
pub(super) fn unsigned(value: Value) -> Result<u64, Value> {
    let number = value.as_integer().and_then(|number| number.try_into().ok());
    number.ok_or(value)
}

/// A value for people, in few words.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Null => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Float(number) => format!("the float {number}"),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Map(entries) => format!("a map of {}", entries.len()),
        Value::Tag(tag, _) => format!("tag {tag}"),
        _ => "something else".to_owned(),
    }
}
