//! The Python packages pycose and cwt: they verify what is written here, and what pycose signs is
//! read here.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use guestmark_manifests::endorsement::Version;
use serde_json::{Value, json};

use crate::authorities::{Openssl, issuer, read};
use crate::message::{Message, failure, policy};
use crate::written::draft;

/// The packages' answers to each case: bytes, or an error.
pub(crate) fn ask(cases: &[Value]) -> Vec<Result<Vec<u8>, String>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("verifiers/bin/python");
    assert!(
        python.exists(),
        "this test needs the Python packages pycose and cwt in {}: run ./test, which installs them",
        python.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/endorsement/oracle.py");
    let mut process = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let lines: Vec<String> = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = output.stdout.split_inclusive(|byte| *byte == b'\n');
    let answers: Vec<_> = lines
        .map(|line| {
            let answer: Value = serde_json::from_slice(line).unwrap();
            match answer["bytes"].as_str() {
                Some(bytes) => Ok(hex::decode(bytes).unwrap()),
                None => Err(answer["error"].as_str().unwrap().to_owned()),
            }
        })
        .collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

/// To verify a message by each package.
pub(crate) fn to_verify(message: &[u8], detached: Option<&[u8]>) -> [Value; 2] {
    ["pycose", "cwt"].map(|library| {
        json!({
            "do": "verify",
            "library": library,
            "message": hex::encode(message),
            "detached": detached.map(hex::encode),
        })
    })
}

#[test]
fn outside_verifiers_accept_what_is_written_here() {
    let mut cases = Vec::new();
    let mut damaged = Vec::new();
    for version in [Version::V1, Version::V2] {
        for leaf in ["leaf", "rsa-leaf"] {
            let mut message = draft(version, leaf).sign(&Openssl::new(leaf)).unwrap();
            cases.extend(to_verify(&message, None));
            let last = message.len() - 1;
            message[last] ^= 1;
            damaged.extend(to_verify(&message, None));
        }
    }
    let payloads = [Version::V1, Version::V2].map(|version| match version {
        Version::V1 => format!(
            "{{\n  \"x-ms-sevsnpvm-guestsvn\": \"104\",\n  \"x-ms-sevsnpvm-guestsvn-int\": 104,\n  \
             \"x-ms-sevsnpvm-launchmeasurement\": \"{}\"\n}}",
            crate::message::digest()
        )
        .into_bytes(),
        Version::V2 => crate::message::digest().as_bytes().to_vec(),
    });
    for (index, answer) in ask(&cases).into_iter().enumerate() {
        assert_eq!(answer.as_ref(), Ok(&payloads[index / 4]), "{index}");
    }
    assert!(ask(&damaged).iter().all(Result::is_err));
}

#[test]
fn what_pycose_signs_is_accepted_here() {
    let mut cases = Vec::new();
    for leaf in ["leaf", "rsa-leaf"] {
        for message in [Message::v1(), Message::v2()] {
            let message = match leaf {
                "leaf" => message,
                _ => of_rsa(message),
            };
            let key = String::from_utf8(read(&format!("{leaf}.key"))).unwrap();
            cases.push(json!({
                "do": "sign",
                "key": key,
                "header": hex::encode(message.header()),
                "payload": hex::encode(&message.payload),
            }));
        }
    }
    for (index, answer) in ask(&cases).into_iter().enumerate() {
        let mut policy = policy();
        if index >= 2 {
            policy.issuer = issuer("rsa-root");
        }
        assert_eq!(failure(&answer.unwrap(), &policy), None, "{index}");
    }
}

/// The message by the RSA leaf.
fn of_rsa(message: Message) -> Message {
    let did = issuer("rsa-root").to_string();
    let v1 = message
        .protected
        .iter()
        .any(|(key, _)| *key == "iss".into());
    let message = message.chain(&["rsa-leaf", "rsa-root"]).with(1, -38);
    match v1 {
        true => message.with("iss", did),
        false => message.claims(|claims| claims[0].1 = did.into()),
    }
}
