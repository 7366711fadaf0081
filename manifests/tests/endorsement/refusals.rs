//! Messages with one thing wrong: COSE, CBOR, claims and payload.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ciborium::Value;
use guestmark_manifests::endorsement::Endorsement;

use crate::message::{Message, accepted, digest, encode, epoch, json, refused, signed_and_refused};

/// The parts of a good message, which is tag 18 around an array of four.
fn parts(message: &[u8]) -> Vec<Value> {
    let value: Value = ciborium::from_reader(message).unwrap();
    value.into_tag().unwrap().1.into_array().unwrap()
}

/// A good message with the part at `index` replaced after it was signed.
fn replaced(index: usize, part: impl Into<Value>) -> Vec<u8> {
    let mut parts = parts(&Message::v1().sign());
    parts[index] = part.into();
    encode(&Value::Tag(18, Box::new(Value::Array(parts))))
}

#[test]
fn a_swapped_payload() {
    let other = json().replace("104", "999");
    refused(
        &replaced(2, other.as_bytes()),
        "signature: expected a signature of the leaf's key (ES384), found the signature does not \
         verify: it was made with another key or over other bytes",
    );
}

#[test]
fn what_the_signature_must_cover_in_the_unprotected_header() {
    for (label, name) in [(1, "alg (1)"), (33, "x5chain (33)"), (34, "x5t (34)")] {
        let message = format!(
            "unprotected header, {name}: expected it in the protected header alone, which the \
             signature covers, found it here"
        );
        let moved = Message::v1().unprotect(label);
        signed_and_refused(&moved, &message);
        let mut both = Message::v1();
        both.unprotected = moved.unprotected;
        signed_and_refused(&both, &message);
    }
}

#[test]
fn nothing_where_the_algorithm_or_the_chain_belongs() {
    signed_and_refused(
        &Message::v1().without(1),
        "protected header, alg (1): expected ES384 (-35) or PS384 (-38), found nothing",
    );
    signed_and_refused(
        &Message::v1().without(33),
        "protected header, x5chain (33): expected an array of certificates, found nothing",
    );
}

#[test]
fn an_algorithm_that_does_not_fit_the_key() {
    signed_and_refused(
        &Message::v1().with(1, -38),
        "protected header, alg (1): expected ES384, for the leaf's key is of that kind, found PS384",
    );
}

#[test]
fn an_unknown_algorithm() {
    // ES256, HS384, and PS256.
    for unknown in [-7, 6, -37] {
        signed_and_refused(
            &Message::v1().with(1, unknown),
            &format!(
                "protected header, alg (1): expected ES384 (-35) or PS384 (-38), found {unknown}"
            ),
        );
    }
}

#[test]
fn a_map_key_twice() {
    let mut message = Message::v1();
    message.protected.push(("feed".into(), "Other".into()));
    signed_and_refused(
        &message,
        "protected header: expected each key once, found \"feed\" twice",
    );
    let mut message = Message::v1();
    message.unprotected = vec![(99.into(), 1.into()), (99.into(), 2.into())];
    signed_and_refused(
        &message,
        "unprotected header: expected each key once, found 99 twice",
    );
    signed_and_refused(
        &Message::v2().claims(|claims| claims.push(("svn".into(), 999.into()))),
        "protected header, CWT claims (15): expected each key once, found \"svn\" twice",
    );
    let twice = json().replace('}', r#","x-ms-sevsnpvm-guestsvn":"999"}"#);
    signed_and_refused(
        &Message::v1().payload(&twice),
        &format!(
            "payload: expected JSON with \"x-ms-sevsnpvm-guestsvn\", \
             \"x-ms-sevsnpvm-guestsvn-int\" and \"x-ms-sevsnpvm-launchmeasurement\", found \
             duplicate field `x-ms-sevsnpvm-guestsvn` at line 1 column {}",
            json().len() - 1 + r#","x-ms-sevsnpvm-guestsvn""#.len()
        ),
    );
}

#[test]
fn claims_of_both_forms() {
    let expected = "protected header: expected the labels of V1 (\"iss\", \"feed\", \
                    \"signingtime\", content type) or those of V2 (15, 258, 259), found";
    signed_and_refused(
        &Message::v1().claims(|_| {}),
        &format!("{expected} both, content type (3) and CWT claims (15)"),
    );
    signed_and_refused(
        &Message::v2().with("feed", "Test-UVM"),
        &format!("{expected} both, \"feed\" and CWT claims (15)"),
    );
    let mut neither = Message::v1();
    neither
        .protected
        .retain(|(key, _)| [1, 33, 34].iter().any(|label| *key == (*label).into()));
    signed_and_refused(&neither, &format!("{expected} neither"));
}

#[test]
fn trailing_bytes() {
    let good = Message::v1().sign();
    refused(
        &[good.as_slice(), &[0]].concat(),
        "COSE_Sign1: expected nothing after the end, found 1 bytes",
    );
    let message = Message::v1();
    let header = [message.header(), vec![0; 3]].concat();
    refused(
        &message.signed_with(&header),
        "protected header: expected nothing after the end, found 3 bytes",
    );
    refused(
        &good[..good.len() - 1],
        &format!(
            "COSE_Sign1: expected CBOR, found an end after {} bytes",
            good.len() - 1
        ),
    );
    refused(b"", "COSE_Sign1: expected CBOR, found an end after 0 bytes");
}

#[test]
fn no_tag_or_another_one() {
    let mut message = Message::v1();
    message.tag = None;
    signed_and_refused(
        &message,
        "COSE_Sign1: expected tag 18 (COSE_Sign1), found an array of 4",
    );
    message.tag = Some(98);
    signed_and_refused(
        &message,
        "COSE_Sign1: expected tag 18 (COSE_Sign1), found tag 98",
    );
    message.tag = Some(18);
    let tagged = Value::Tag(
        61,
        Box::new(ciborium::from_reader(&*message.sign()).unwrap()),
    );
    refused(
        &encode(&tagged),
        "COSE_Sign1: expected tag 18 (COSE_Sign1), found tag 61",
    );
}

#[test]
fn another_structure_under_the_tag() {
    let tagged = |value| encode(&Value::Tag(18, Box::new(value)));
    let mut parts = parts(&Message::v1().sign());
    parts.pop();
    refused(
        &tagged(Value::Array(parts)),
        "COSE_Sign1: expected an array of 4, found an array of 3",
    );
    refused(
        &tagged(7.into()),
        "COSE_Sign1: expected an array of 4, found 7",
    );
    refused(
        &replaced(0, Value::Null),
        "protected header: expected bytes, found nil",
    );
    refused(
        &replaced(1, Value::Array(Vec::new())),
        "unprotected header: expected a map, found an array of 0",
    );
}

#[test]
fn a_nil_or_empty_payload() {
    for (payload, found) in [(Value::Null, "nil"), (Value::Bytes(Vec::new()), "0 bytes")] {
        refused(
            &replaced(2, payload),
            &format!("payload: expected bytes, for nothing is signed detached, found {found}"),
        );
    }
}

#[test]
fn an_empty_truncated_or_longer_signature() {
    refused(
        &replaced(3, Value::Bytes(Vec::new())),
        "signature: expected bytes, found 0 bytes",
    );
    let good = parts(&Message::v1().sign())[3]
        .clone()
        .into_bytes()
        .unwrap();
    let cut = replaced(3, &good[..95]);
    refused(&cut, "signature: expected 96 bytes, found 95 bytes");
    let longer = replaced(3, [good, vec![0]].concat().as_slice());
    refused(&longer, "signature: expected 96 bytes, found 97 bytes");
    refused(
        &replaced(3, [0; 96].as_slice()),
        "signature: expected a signature of the leaf's key (ES384), found R is zero, expected 1 to \
         n - 1, where n is the order of P-384",
    );
}

#[test]
fn a_measurement_in_upper_case_or_too_short() {
    let good = digest().to_string();
    for bad in [
        good.to_uppercase(),
        good[2..].to_owned(),
        format!("0x{}", &good[2..]),
    ] {
        signed_and_refused(
            &Message::v1().payload(json().replace(&good, &bad)),
            &format!(
                "payload, \"x-ms-sevsnpvm-launchmeasurement\": expected 96 lower-case hexadecimal \
                 digits, found {bad:?}"
            ),
        );
    }
    for length in [47, 49] {
        signed_and_refused(
            &Message::v2().payload(vec![0x5A; length]),
            &format!("payload: expected the 48 bytes of a launch digest, found {length} bytes"),
        );
    }
}

#[test]
fn an_svn_that_is_no_plain_number() {
    let beyond = "18446744073709551616";
    for bad in [
        "104abc", "+5", "0x10", "-1", beyond, "0104", " 104", "", "1e2",
    ] {
        signed_and_refused(
            &Message::v1().payload(json().replace("\"104\"", &format!("{bad:?}"))),
            &format!(
                "payload, \"x-ms-sevsnpvm-guestsvn\": expected a decimal number from 0 to 2^64 - 1, \
                 digits alone, found {bad:?}"
            ),
        );
    }
    for bad in [Value::from(-1), "104".into(), Value::Float(104.0)] {
        let found = match &bad {
            Value::Text(_) => "\"104\"",
            Value::Float(_) => "the float 104",
            _ => "-1",
        };
        signed_and_refused(
            &Message::v2().claims(|claims| claims[3].1 = bad),
            &format!(
                "protected header, CWT claims (15), \"svn\": expected an integer from 0 to 2^64 - \
                 1, found {found}"
            ),
        );
    }
}

#[test]
fn an_svn_that_is_another_number_than_its_text() {
    for bad in ["105", "-104", "104.0", "1.04e2"] {
        let found = if bad == "1.04e2" { "104.0" } else { bad };
        signed_and_refused(
            &Message::v1().payload(json().replace(":104", &format!(":{bad}"))),
            &format!(
                "payload, \"x-ms-sevsnpvm-guestsvn-int\": expected 104, as in \
                 \"x-ms-sevsnpvm-guestsvn\", found {found}"
            ),
        );
    }
    // Older ones have the text alone.
    accepted(
        &Message::v1()
            .payload(json().replace(r#""x-ms-sevsnpvm-guestsvn-int":104,"#, ""))
            .sign(),
    );
}

#[test]
fn other_json() {
    let expected = "payload: expected JSON with \"x-ms-sevsnpvm-guestsvn\", \
                    \"x-ms-sevsnpvm-guestsvn-int\" and \"x-ms-sevsnpvm-launchmeasurement\", found";
    let refused = |payload: String, found: &str| {
        let failure = crate::message::failure(
            &Message::v1().payload(payload).sign(),
            &crate::message::policy(),
        );
        let failure = failure.unwrap().to_string();
        assert!(
            failure.starts_with(&format!("{expected} {found}")),
            "{failure}"
        );
    };
    refused(json() + "{}", "trailing characters");
    refused(
        json().replace(":104", ":null"),
        "invalid type: null, expected a JSON number",
    );
    refused(json().replace('}', r#","x":1}"#), "unknown field `x`");
    refused(
        json().replace("\"104\"", "104"),
        "invalid type: integer `104`, expected a string",
    );
    refused("[".repeat(1 << 12), "invalid type: sequence");
    refused("{}".to_owned(), "missing field `x-ms-sevsnpvm-guestsvn`");
}

#[test]
fn another_encoding_of_the_same_claims() {
    let preferred = "expected CBOR in its preferred serialization: shortest forms, definite \
                     lengths, found another encoding";
    let good = Message::v1();
    // A map of indefinite length.
    let header = good.header();
    let indefinite = [&[0xBF], &header[1..], &[0xFF]].concat();
    refused(
        &good.signed_with(&indefinite),
        &format!("protected header: {preferred}"),
    );
    // The number 1, the first key, in two bytes.
    let longer = [&header[..1], &[0x18, 0x01], &header[2..]].concat();
    refused(
        &good.signed_with(&longer),
        &format!("protected header: {preferred}"),
    );
    // Tag 18 in two bytes.
    let message = [&[0xD8, 0x12], &good.sign()[1..]].concat();
    refused(&message, &format!("COSE_Sign1: {preferred}"));
}

#[test]
fn deep_and_large_messages() {
    let mut deep = vec![0x81; 1 << 15];
    refused(
        &deep,
        "COSE_Sign1: expected CBOR of a depth up to 16, found more",
    );
    deep.resize(Endorsement::LARGEST + 1, 0x81);
    refused(
        &deep,
        "COSE_Sign1: expected at most 65536 bytes, found 65537 bytes",
    );
    // A string that says it has 2^63 bytes.
    let promise = [
        0xD2, 0x84, 0x5B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    refused(
        &promise,
        "COSE_Sign1: expected CBOR, found an end after 11 bytes",
    );
}

#[test]
fn labels_that_this_form_has_not() {
    let expected = "protected header: expected the labels of this form and no others, found";
    // crit: what must be understood, and is not.
    let critical = Message::v1().with(2, vec![Value::from("svn")]);
    signed_and_refused(&critical, &format!("{expected} 2"));
    signed_and_refused(&Message::v2().with("x", 1), &format!("{expected} \"x\""));
    signed_and_refused(
        &Message::v2().claims(|claims| claims.push((4.into(), 1.into()))),
        "protected header, CWT claims (15): expected the labels of this form and no others, found 4",
    );
}

#[test]
fn claims_of_another_type() {
    for (message, words) in [
        (
            Message::v1().with("signingtime", 1),
            "\"signingtime\": expected tag 1 with whole seconds since 1970, found 1",
        ),
        (Message::v1().with("signingtime", epoch(1 << 40)), ""),
        (
            Message::v1().with("feed", ""),
            "\"feed\": expected the name of a feed, found nothing",
        ),
        (
            Message::v1().with("feed", 1),
            "\"feed\": expected text, found 1",
        ),
        (
            Message::v1().with("iss", "did:web:example.com"),
            "\"iss\", did:x509: expected did:x509:0:HASH:FINGERPRINT::POLICY:VALUE, found \
             \"did:web:example.com\"",
        ),
        (
            Message::v1().with(3, "application/cbor"),
            "content type (3): expected \"application/json\", found \"application/cbor\"",
        ),
        (
            Message::v1().with(
                34,
                Value::Array(vec![Value::from(-43), vec![0_u8; 48].as_slice().into()]),
            ),
            "x5t (34): expected [-16 (SHA-256), 32 bytes], found an array of 2",
        ),
        (
            Message::v2().with(258, -16),
            "payload hash algorithm (258): expected -43, found -16",
        ),
        (
            Message::v2().claims(|claims| claims[2].1 = epoch(1)),
            "CWT claims (15), iat (6): expected an integer from 0 to 2^64 - 1, found tag 1",
        ),
    ] {
        if words.is_empty() {
            signed_and_refused(
                &message,
                "signing time: expected seconds since 1970 that end before the year 10000, found \
                 1099511627776",
            );
        } else {
            signed_and_refused(&message, &format!("protected header, {words}"));
        }
    }
}

#[test]
fn the_hash_of_another_leaf() {
    let hash = vec![Value::from(-16), vec![0_u8; 32].as_slice().into()];
    signed_and_refused(
        &Message::v1().with(34, hash),
        "protected header, x5t (34): expected SHA-256 of the leaf, x5chain[0], found another hash",
    );
}

#[test]
fn base64_in_another_form_than_is_published() {
    let good = Message::v1().sign();
    let text = BASE64_STANDARD.encode(&good);
    accepted(text.as_bytes());
    refused(
        format!("{text}\n").as_bytes(),
        "base64: expected no newline at the end: readers take the file as it is, so publish it \
         without (printf %s \"$(cat FILE)\" > FILE), found a newline",
    );
    let expected = "base64: expected standard base64, padded, or a message that begins with tag 18";
    let mut longer = Message::v1().with("feed", "Test-UVM");
    while longer.sign().len().is_multiple_of(3) {
        longer.payload.push(b' ');
    }
    refused(
        BASE64_STANDARD_NO_PAD.encode(longer.sign()).as_bytes(),
        &format!("{expected}, found Invalid padding"),
    );
    refused(
        b"0oRZ-_",
        &format!("{expected}, found Invalid symbol 45, offset 4."),
    );
    refused(
        "A".repeat(1 << 17).as_bytes(),
        "COSE_Sign1: expected at most 65536 bytes, found 98304 bytes",
    );
}
