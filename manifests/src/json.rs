//! JSON that is read strictly and written in one form.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::{Map, Number, Value};

use crate::FileProblem;

/// Bytes of the longest document that is read.
pub const MAX_SIZE: usize = 8 << 20;

/// Levels of arrays and objects within each other.
const MAX_DEPTH: usize = 16;

/// The largest integer that every reader of JSON takes as it is (RFC 8785, section 3.2.2.3).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Reads one document of type `T` from `file`: no key twice in an object, nothing after its end,
/// not larger than [`MAX_SIZE`], not deeper than 16 levels.
///
/// # Errors
/// Anything else.
pub fn read<T: DeserializeOwned>(bytes: &[u8], file: &str) -> Result<T, FileProblem> {
    let value = read_value(bytes, file)?;
    serde_json::from_value(value).map_err(|error| refused(file, error))
}

/// As [`read`], for a document whose `schema` must be `schema`, which is judged first.
///
/// # Errors
/// As [`read`], and another schema.
pub fn read_schema<T: DeserializeOwned>(
    bytes: &[u8],
    file: &str,
    schema: &str,
) -> Result<T, FileProblem> {
    let value = read_value(bytes, file)?;
    let found = value.get("schema").and_then(Value::as_str);
    crate::file_problem::expect(file, "schema", &schema, &found.unwrap_or("none"))?;
    serde_json::from_value(value).map_err(|error| refused(file, error))
}

fn read_value(bytes: &[u8], file: &str) -> Result<Value, FileProblem> {
    if bytes.len() > MAX_SIZE {
        let limit = format!("at most {MAX_SIZE} bytes");
        return Err(FileProblem::new(file, "size", limit, bytes.len()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }.deserialize(&mut reader);
    let value = value.map_err(|error| refused(file, error))?;
    reader.end().map_err(|error| refused(file, error))?;
    Ok(value)
}

fn refused(file: &str, error: serde_json::Error) -> FileProblem {
    FileProblem::new(file, "JSON", "a document of its schema", error)
}

/// The canonical form of a document (RFC 8785) of strings, integers, arrays and objects: keys
/// sorted, no spaces. Keys of this project's documents are ASCII.
///
/// # Errors
/// A number that is no integer of at most 2^53 - 1 in size, or a value of another type; the
/// message names it.
pub fn canonical(document: &impl Serialize) -> Result<Vec<u8>, String> {
    let value = serde_json::to_value(document).map_err(|error| error.to_string())?;
    let mut text = String::new();
    write(&value, &mut text)?;
    Ok(text.into_bytes())
}

fn write(value: &Value, text: &mut String) -> Result<(), String> {
    match value {
        Value::String(string) => text.push_str(&Value::from(string.as_str()).to_string()),
        Value::Number(number) => match number.as_u64() {
            Some(integer) if integer <= MAX_INTEGER => text.push_str(&integer.to_string()),
            _ => return Err(format!("{number} is not an integer from 0 to 2^53 - 1")),
        },
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, text)?;
            }
            text.push(']');
        }
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) => return Err(format!("{value} is no string or integer")),
    }
    Ok(())
}

/// A value at most `depth` levels deep, without a key that stands twice.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn below<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom(format!("more than {MAX_DEPTH} levels")))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(below)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("key {key:?} twice")));
            }
            let value = map.next_value_seed(below)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read::<Value>(text.as_bytes(), "f")
            .unwrap_err()
            .problem
            .found
    }

    #[test]
    fn what_other_readers_let_pass_is_refused() {
        assert_eq!(
            refusal(r#"{"a":1,"b":{"c":1,"c":2}}"#),
            r#"key "c" twice at line 1 column 21"#
        );
        assert_eq!(refusal("{} {}"), "trailing characters at line 1 column 4");
        assert_eq!(
            refusal(&format!("{}{}", "[".repeat(17), "]".repeat(17))),
            "more than 16 levels at line 1 column 18"
        );
        assert!(
            read::<Value>(
                format!("{}{}", "[".repeat(16), "]".repeat(16)).as_bytes(),
                "f"
            )
            .is_ok()
        );
        assert_eq!(
            refusal("{\"a\":"),
            "EOF while parsing a value at line 1 column 5"
        );
        let large = format!("\"{}\"", "a".repeat(MAX_SIZE));
        assert_eq!(refusal(&large), (MAX_SIZE + 2).to_string());
    }

    #[test]
    fn keys_are_sorted_and_strings_escaped_as_the_standard_says() {
        let value: Value = serde_json::from_str(
            r#"{"b": [1, "\u001f\n\"\u20ac/"], "a": {}, "\ue000": 1, "😀": 2}"#,
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(canonical(&value).unwrap()).unwrap(),
            "{\"a\":{},\"b\":[1,\"\\u001f\\n\\\"€/\"],\"😀\":2,\"\u{e000}\":1}"
        );
    }

    #[test]
    fn only_what_has_one_form_is_written() {
        for (text, message) in [
            ("1.5", "1.5 is not an integer from 0 to 2^53 - 1"),
            ("-1", "-1 is not an integer from 0 to 2^53 - 1"),
            (
                "9007199254740992",
                "9007199254740992 is not an integer from 0 to 2^53 - 1",
            ),
            ("null", "null is no string or integer"),
            ("true", "true is no string or integer"),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(canonical(&value).unwrap_err(), message);
        }
        assert_eq!(canonical(&MAX_INTEGER).unwrap(), b"9007199254740991");
    }
}
