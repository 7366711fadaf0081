//! The pages about releases, held against what they speak of.

use std::path::Path;

use serde_json::Value;

use crate::workshop::{shell, workshop};

fn docs(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    fs_err::read_to_string(path).unwrap()
}

/// The commands of docs/checking-a-release.md.
fn commands() -> String {
    let page = docs("checking-a-release.md");
    let blocks: Vec<_> = page.split("```sh\n").skip(1).collect();
    assert_eq!(blocks.len(), 4);
    blocks
        .iter()
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

#[test]
fn a_release_can_be_checked_without_guestmark_as_printed() {
    let folder = workshop();
    shell(folder.path(), &commands());
}

#[test]
fn the_printed_commands_find_what_was_changed() {
    for change in [
        "printf x >> release/manifest.json",
        "printf x >> release/tiny.img",
        "touch release/extra",
        "rm release/origins.json; sed -i /origins.json/d release/SHA256SUMS",
        "cd release; printf x >> tiny.img; rm SHA256SUMS; sha256sum * > ../sums; mv ../sums SHA256SUMS",
        "ln -s tiny.img release/link; cd release; sha256sum link >> SHA256SUMS",
        "cp release/tiny.idblock release/more.idblock; cd release; sha256sum more.idblock >> SHA256SUMS",
    ] {
        let folder = workshop();
        shell(folder.path(), change);
        let checked = std::process::Command::new("bash")
            .args(["-ec", &commands()])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(!checked.status.success(), "{change}: {checked:?}");
    }
}

#[test]
fn the_reference_of_the_manifest_is_its_schema() {
    let schema: Value = serde_json::from_str(&docs("schema/manifest.json")).unwrap();
    let mut rows = Vec::new();
    fields(&schema, "", &mut rows);
    let page = docs("manifest.md");
    let (_, table) = page.split_once("|---|---|---|\n").unwrap();
    assert_eq!(table.lines().collect::<Vec<_>>(), rows);
}

/// A row for each field of an object, sorted, and for those within it.
fn fields(object: &Value, prefix: &str, rows: &mut Vec<String>) {
    let required = object["required"].as_array().unwrap();
    for (name, field) in object["properties"].as_object().unwrap() {
        let is_array = field["type"] == "array";
        let path = format!("{prefix}{name}{}", if is_array { "[]" } else { "" });
        let missing = match required.contains(&Value::from(name.as_str())) {
            true => "",
            false => " (may be missing)",
        };
        let description = field["description"].as_str().unwrap();
        rows.push(format!(
            "| `{path}` | {}{missing} | {description} |",
            form(field)
        ));
        let inner = if is_array { &field["items"] } else { field };
        if inner["type"] == "object" {
            fields(inner, &format!("{path}."), rows);
        }
    }
}

fn form(field: &Value) -> String {
    let text = |name: &str| field[name].as_str().map(str::to_owned);
    if let Some(constant) = text("const") {
        return format!("`{constant}`");
    }
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap()))
            .collect();
        return values.join(", ");
    }
    if let Some(pattern) = text("pattern") {
        return format!("string `{}`", pattern.replace('|', "&#124;"));
    }
    match (field["minimum"].as_u64(), field["maximum"].as_u64()) {
        (Some(minimum), Some(maximum)) => format!("integer from {minimum} to {maximum}"),
        (Some(minimum), None) => format!("integer from {minimum}"),
        _ => text("type").unwrap(),
    }
}
