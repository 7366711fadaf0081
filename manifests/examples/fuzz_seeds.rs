//! Writes the seeds of the fuzz corpus, one folder for each target, into the folder given. See
//! `fuzz/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "run by hand: a seed that cannot be made is a fault of this program"
)]

use std::fs;
use std::path::Path;

use ciborium::Value;
use guestmark_manifests::endorsement::Endorsement;

fn main() {
    let corpus = std::env::args().nth(1).expect("the folder of the corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vector = fs::read(root.join("tests/vectors/uvm-endorsement/ok_v1_json.cose")).unwrap();
    let read = Endorsement::read(&vector).unwrap();
    put("endorsement", "v1", &vector);
    put("endorsement", "v2", &v2(&vector, &read));

    let issuer = read.claims.issuer.to_string();
    put("did_x509", "eku", issuer.as_bytes());
    let more = format!("{issuer}::subject:CN:Leaf:O:Example%20Org::san:email:bob%40example.com");
    put("did_x509", "all", more.as_bytes());
}

/// The same claims in the other form, with a signature that does not verify.
fn v2(vector: &[u8], read: &Endorsement) -> Vec<u8> {
    let message: Value = ciborium::from_reader(vector).unwrap();
    let mut parts = message.into_tag().unwrap().1.into_array().unwrap();
    let header: Value = ciborium::from_reader(parts[0].as_bytes().unwrap().as_slice()).unwrap();
    let mut header = header.into_map().unwrap();
    let both = [1, 33, 34].map(Value::from);
    header.retain(|(label, _)| both.contains(label));
    let claims = &read.claims;
    let claims = vec![
        (1.into(), claims.issuer.to_string().into()),
        (2.into(), claims.feed.as_str().into()),
        (6.into(), claims.signing_time.unix().into()),
        ("svn".into(), claims.svn.into()),
    ];
    header.push((15.into(), Value::Map(claims)));
    header.push((258.into(), (-43).into()));
    header.push((259.into(), "application/octet-stream".into()));
    parts[0] = encode(&Value::Map(header)).into();
    parts[2] = read.claims.launch_digest.as_bytes().as_slice().into();
    encode(&Value::Tag(18, Box::new(Value::Array(parts))))
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
