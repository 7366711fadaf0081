//! One change of a good manifest at a time.

use super::*;

const GOOD: &str = include_str!("../../../fuzz/corpus/manifest/release-2");

fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    let problem = Manifest::read(text.as_bytes(), "m").unwrap_err().problem;
    format!("{}: found {}", problem.field, problem.found)
}

#[test]
fn a_manifest_is_written_as_it_was_read() {
    let manifest = Manifest::read(GOOD.as_bytes(), "m").unwrap();
    assert_eq!(manifest.to_bytes().unwrap(), GOOD.as_bytes());
}

#[test]
fn names_that_lead_elsewhere_or_look_alike_are_refused() {
    for (name, shown) in [
        ("../tiny.img", "../tiny.img"),
        ("/tiny.img", "/tiny.img"),
        ("a\\\\b", "a\\\\b"),
        ("a\\u0000b", "a\\0b"),
        ("a\\nb", "a\\nb"),
        ("", ""),
        (".hidden", ".hidden"),
        ("t\u{ef}ny", "t\u{ef}ny"),
        ("ti\u{308}ny", "ti\\u{308}ny"),
    ] {
        let named = format!("\"name\":\"{name}\"");
        assert_eq!(
            refusal("\"name\":\"tiny.idblock\"", &named),
            format!("artifacts.name: found \"{shown}\"")
        );
    }
    for name in ["tiny.igvm", "TINY.igvm"] {
        let named = format!("\"name\":\"{name}\"");
        let again = refusal("\"name\":\"tiny.idblock\"", &named);
        assert_eq!(again, "artifacts.name: found \"tiny.igvm\" again");
    }
}

#[test]
fn digests_have_one_length_and_case() {
    let digest = "01".repeat(32);
    for other in ["01".repeat(31), "01".repeat(48), "0A".repeat(32)] {
        let said = refusal(&digest, &other);
        let expected =
            format!("JSON: found expected 64 lower-case hexadecimal digits, found \"{other}\"");
        assert_eq!(said, expected);
    }
    let said = refusal("\"sha256\":", "\"sha1\":");
    assert!(
        said.starts_with("JSON: found unknown field `sha1`"),
        "{said}"
    );
}

#[test]
fn fields_must_fit_each_other() {
    let previous = format!(",\"previous\":\"{}\"", "04".repeat(32));
    for (from, to, found) in [
        (
            "\"disk\":\"tiny.img\"",
            "\"disk\":\"other.img\"",
            "verity.disk: found \"other.img\"",
        ),
        (
            "\"file\":\"tiny.igvm\"",
            "\"file\":\"other\"",
            "guests.file: found \"other\"",
        ),
        (
            "\"id_block\":\"tiny.idblock\"",
            "\"id_block\":\"other\"",
            "guests.id_block: found \"other\"",
        ),
        (
            "\"variant\":\"production\"",
            "\"variant\":\"debug\"",
            "guests.variant: found [\"debug\"]",
        ),
        (
            "\"sequence\":2",
            "\"sequence\":1",
            "previous: found a digest",
        ),
        ("\"sequence\":2", "\"sequence\":0", "sequence: found 0"),
        (previous.as_str(), "", "previous: found none"),
        (
            "\"0x30000\"",
            "\"0x030000\"",
            "identity.policy: found 0x030000",
        ),
        ("\"0x30000\"", "\"196608\"", "identity.policy: found 196608"),
        (
            "\"uvm_svn\":2",
            "\"uvm_svn\":9007199254740992",
            "numbers: found 9007199254740992 is not an integer from 0 to 2^53 - 1",
        ),
    ] {
        assert_eq!(refusal(from, to), found);
    }
}
