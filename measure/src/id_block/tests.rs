//! Damaged ID authentication pages, each from a good one by one change; attached blocks.

use p384::ecdsa::SigningKey;
use p384::ecdsa::signature::Signer;
use proptest::prelude::*;

use super::*;
use crate::ecdsa::{PublicKey, Signature};
use crate::igvm::IgvmFile;
use crate::{Loader, launch_digest};

/// The order of P-384 (FIPS 186-4, D.1.2.4), little-endian.
fn order() -> [u8; 48] {
    let digits = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf\
                  581a0db248b0a77aecec196accc52973";
    let mut order = [0; 48];
    hex::decode_to_slice(digits, &mut order).unwrap();
    order.reverse();
    order
}

fn key(seed: u8) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_slice(&[seed; 48]).unwrap();
    let pem = p384::pkcs8::EncodePublicKey::to_public_key_pem(
        key.verifying_key(),
        p384::pkcs8::LineEnding::LF,
    );
    (key, PublicKey::from_file(pem.unwrap().as_bytes()).unwrap())
}

fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    let signature: p384::ecdsa::Signature = key.sign(message);
    Signature::from_detached(&signature.to_bytes()).unwrap()
}

fn page(block: &IdBlock) -> IdAuthPage {
    let ((id, id_key), (author, author_key)) = (key(1), key(2));
    IdAuthPage {
        id_signature: sign(&id, &block.to_bytes()),
        id_key,
        author: Some(Author {
            signature: sign(&author, id_key.to_bytes().as_bytes()),
            key: author_key,
        }),
    }
}

fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/launch-digest");
    std::fs::read(format!("{folder}/{name}.igvm")).unwrap()
}

fn block(file: &[u8]) -> IdBlock {
    let identity = Identity {
        family_id: [1; 16],
        image_id: [2; 16],
        guest_svn: 3,
    };
    IdBlock::for_file(
        &IgvmFile::parse(file).unwrap(),
        Loader::Spec,
        None,
        identity,
    )
    .unwrap()
}

fn signed(file: &[u8]) -> SignedIdBlock {
    let block = block(file);
    let auth = page(&block);
    SignedIdBlock { block, auth }
}

#[test]
fn a_page_reads_back_from_its_bytes_with_and_without_author() {
    let mut page = page(&block(&vector("base")));
    assert_eq!(IdAuthPage::from_bytes(&page.to_bytes()), Ok(page));
    page.author = None;
    assert_eq!(IdAuthPage::from_bytes(&page.to_bytes()), Ok(page));
}

#[test]
fn a_page_with_one_thing_wrong_is_refused() {
    let range = "expected 1 to n - 1, where n is the order of P-384";
    let cases: [(usize, Vec<u8>, String); 12] = [
        (
            0x0,
            vec![2],
            "the ID key algorithm is 2, expected 1 (ECDSA P-384 with SHA-384)".into(),
        ),
        (
            0x4,
            vec![2],
            "the author key algorithm is 2, expected 0 (no author key) or 1".into(),
        ),
        (
            0x4,
            vec![0],
            "there are an author key or signature but the author key is not enabled: set them to \
             zeros, or enable it"
                .into(),
        ),
        (
            0x3F,
            vec![1],
            "offset 0x8: reserved bytes are not zero".into(),
        ),
        (
            0xFFF,
            vec![1],
            "offset 0xc84: reserved bytes are not zero".into(),
        ),
        (
            0x40,
            vec![0; 48],
            format!("ID signature: R is zero, {range}"),
        ),
        (
            0x88,
            vec![0; 48],
            format!("ID signature: S is zero, {range}"),
        ),
        (
            0x6C8,
            order().to_vec(),
            format!("author signature: S is the order or more, {range}"),
        ),
        (
            0x40 + 48,
            vec![1],
            "ID signature: the padding after R is not zero".into(),
        ),
        (
            0x240,
            vec![1],
            "ID key: the key is on curve 1, expected an ECDSA key on P-384 (curve 2)".into(),
        ),
        (
            0x244 + 72 + 71,
            vec![1],
            "ID key: the padding after QY is not zero".into(),
        ),
        (
            0x880 + 4,
            vec![0xFF; 48],
            "author key: the coordinates are no point on P-384: the key was damaged or made up"
                .into(),
        ),
    ];
    let good = page(&block(&vector("base"))).to_bytes();
    for (offset, bytes, message) in cases {
        let mut damaged = good;
        damaged[offset..offset + bytes.len()].copy_from_slice(&bytes);
        let error = IdAuthPage::from_bytes(&damaged).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let error = IdAuthPage::from_bytes(&good[1..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an ID authentication page has 4096 bytes, found 4095"
    );
}

#[test]
fn the_largest_numbers_in_range_are_taken() {
    let mut order = order();
    order[0] -= 1;
    order.reverse();
    assert!(Signature::from_detached(&[order, order].concat()).is_ok());
}

#[test]
fn the_author_must_have_signed_the_id_key() {
    let mut signed = signed(&vector("base"));
    assert_eq!(signed.verify(), Ok(()));
    let (other, _) = key(3);
    let author = signed.auth.author.as_mut().unwrap();
    author.signature = sign(&other, signed.auth.id_key.to_bytes().as_bytes());
    assert_eq!(
        signed.verify().unwrap_err().to_string(),
        "author signature: the signature does not verify: it was made with another key or over \
         other bytes"
    );
}

#[test]
fn strip_gives_back_what_attach_was_given_and_digests_stay() {
    let vectors = [
        "base",
        "empty-page",
        "param-1page",
        "secrets-cpuid",
        "short-data",
        "unmeasured",
        "vmsa-low-gpa-first",
        "vmsa-mid",
        "vp-mask2",
    ];
    for name in vectors {
        let file = vector(name);
        let signed = signed(&file);
        let attached = attach(&file, &signed, Loader::Spec, None).unwrap();
        assert_eq!(attached.len(), file.len() + 704, "{name}");
        let parsed = IgvmFile::parse(&attached).unwrap();
        assert_eq!(SignedIdBlock::of(&parsed), Ok(Some(signed)), "{name}");
        for loader in Loader::ALL {
            assert_eq!(
                launch_digest(&parsed, loader, None),
                launch_digest(&IgvmFile::parse(&file).unwrap(), loader, None),
                "{name} {loader}"
            );
        }
        assert!(
            igvm::IgvmFile::new_from_binary(&attached, None).is_ok(),
            "{name}"
        );
        assert!(strip(&attached).unwrap() == file, "{name}");
        assert_eq!(
            attach(&attached, &signed, Loader::Spec, None)
                .unwrap_err()
                .to_string(),
            format!(
                "offset {:#x}: the file has an ID block; loaders refuse a second one, take this \
                 one out first with `guestmark idblock strip`",
                u32::from_le_bytes(attached[8..12].try_into().unwrap())
                    + u32::from_le_bytes(attached[12..16].try_into().unwrap())
                    - 704
            )
        );
    }
}

proptest! {
    #[test]
    fn damaged_headers_are_read_without_panic(
        changes in proptest::collection::vec((0x18_usize..0x600, any::<u8>()), 1..4),
    ) {
        let file = vector("param-1page");
        let mut attached = attach(&file, &signed(&file), Loader::Spec, None).unwrap();
        let number = |file: &[u8], at: usize| {
            u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize
        };
        let headers = number(&attached, 8)..number(&attached, 8) + number(&attached, 12);
        for (offset, byte) in changes {
            let offset = headers.start + offset % headers.len();
            attached[offset] = byte;
        }
        attached[0x14..0x18].fill(0);
        let crc = crc32fast::hash(&attached[..headers.end]);
        attached[0x14..0x18].copy_from_slice(&crc.to_le_bytes());
        if let Ok(file) = IgvmFile::parse(&attached) {
            let _ = SignedIdBlock::of(&file);
            if let Ok(stripped) = strip(&attached) {
                prop_assert_eq!(stripped.len() + 704, attached.len());
            }
        }
    }
}
