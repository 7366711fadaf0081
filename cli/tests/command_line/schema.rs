//! The schemas of `docs/schema`, and documents held against them by another implementation.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tools::Tool;

/// Debian's program: others of this name know fewer drafts.
const JSONSCHEMA: Tool = Tool {
    command: "/usr/bin/jsonschema",
    package: "python3-jsonschema",
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema")
}

fn schema(name: &str) -> PathBuf {
    folder().join(format!("{name}.json"))
}

/// What is wrong with a document in the eyes of a schema; nothing, if it conforms.
fn complaint(document: &Value, name: &str) -> Option<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, document).unwrap();
    let instance = file.path().display().to_string();
    let schema = schema(name).display().to_string();
    let base = format!("file://{schema}");
    let output = JSONSCHEMA.output(&["--base-uri", &base, "--instance", &instance, &schema]);
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

/// Holds that a document conforms to the schema `name`.
pub(crate) fn conforms(document: &Value, name: &str) {
    if let Some(complaint) = complaint(document, name) {
        panic!("not a document of {name}.json: {complaint}\n{document:#}");
    }
}

#[test]
fn every_schema_is_strict_and_names_its_version() {
    let mut count = 0;
    for entry in fs_err::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        count += 1;
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let schema: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        let version = &schema["properties"]["schema"]["const"];
        assert_eq!(*version, format!("guestmark/{name}/1"));
        each_object(&schema, &mut |object| {
            assert!(
                object.contains_key("description") || !object.contains_key("type"),
                "{object:?}"
            );
            if object.get("type") == Some(&Value::from("object")) {
                assert_eq!(
                    object.get("additionalProperties"),
                    Some(&Value::from(false)),
                    "{name}"
                );
            }
        });
        // A schema that took anything would prove nothing.
        assert!(complaint(&serde_json::json!({}), &name).is_some(), "{name}");
    }
    assert_eq!(count, 21);
}

/// Calls `check` for every schema within a schema.
fn each_object(value: &Value, check: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            if object.get("type").is_some_and(Value::is_string) {
                check(object);
            }
            object.values().for_each(|value| each_object(value, check));
        }
        Value::Array(values) => values.iter().for_each(|value| each_object(value, check)),
        _ => {}
    }
}
