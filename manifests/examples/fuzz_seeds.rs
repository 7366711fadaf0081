//! Writes the seeds of the fuzz corpus, one folder for each target, into the folder given. See
//! `fuzz/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "run by hand: a seed that cannot be made is a fault of this program"
)]

use std::fs;
use std::path::Path;

use ciborium::Value;
use guestmark_manifests::dsse::Envelope;
use guestmark_manifests::endorsement::Endorsement;
use guestmark_manifests::manifest::{
    Artifact, Guest, Identity, LoaderDigest, Manifest, RecipeDigests, Verity,
};
use guestmark_manifests::revocation;
use guestmark_manifests::statement::{self, Statement};
use guestmark_measure::{LaunchDigest, Loader, Sha256Digest, Sha384Digest};

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

    let manifest = manifest();
    let bytes = manifest.to_bytes().unwrap();
    put("manifest", "release-2", &bytes);
    let provenance = Statement::provenance(&manifest, &bytes).to_bytes().unwrap();
    let rebuild = Statement::rebuild(manifest.subjects(), &manifest.recipe);
    let rebuild = rebuild.to_bytes().unwrap();
    let list = br#"{"keys":[],"manifests":[],"schema":"guestmark/revocations/1","sequence":1}"#;
    for (name, kind, payload) in [
        ("provenance", statement::PAYLOAD_TYPE, provenance),
        ("rebuild", statement::PAYLOAD_TYPE, rebuild),
        ("revocations", revocation::PAYLOAD_TYPE, list.to_vec()),
    ] {
        put("dsse", name, &Envelope::new(kind, payload).to_bytes());
    }
}

/// A manifest with every field.
fn manifest() -> Manifest {
    let artifact = |name: &str| Artifact {
        name: name.to_owned(),
        size: 1,
        sha256: Sha256Digest::new([1; 32]),
        sha384: Sha384Digest::new([2; 48]),
    };
    let launch_digest = LaunchDigest::new([3; 48]);
    Manifest {
        schema: Manifest::SCHEMA.to_owned(),
        feed: "tiny".to_owned(),
        sequence: 2,
        previous: Some(Sha256Digest::new([4; 32])),
        recipe: RecipeDigests {
            name: "tiny".to_owned(),
            recipe_sha256: Sha256Digest::new([5; 32]),
            lock_sha256: Sha256Digest::new([6; 32]),
        },
        identity: Identity {
            family_id: "00".repeat(16),
            image_id: "00".repeat(16),
            guest_svn: 1,
            uvm_svn: 2,
            policy: "0x30000".to_owned(),
        },
        verity: Verity {
            disk: "tiny.img".to_owned(),
            root_hash: Sha256Digest::new([7; 32]),
            salt: "00ff".to_owned(),
            data_blocks: 1,
        },
        guests: vec![Guest {
            variant: "production".to_owned(),
            file: "tiny.igvm".to_owned(),
            id_block: "tiny.idblock".to_owned(),
            launch_digest,
            loaders: vec![LoaderDigest {
                loader: Loader::Spec,
                launch_digest,
            }],
        }],
        artifacts: ["tiny.idblock", "tiny.igvm", "tiny.img"]
            .map(artifact)
            .into(),
    }
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
