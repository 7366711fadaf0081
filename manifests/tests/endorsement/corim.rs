//! CoRIM documents: as the crate igvm writes them, signed, and in and out of IGVM files.

use std::fs;
use std::path::Path;

use guestmark_manifests::endorsement::Version;
use guestmark_manifests::endorsement::corim::{self, CorimDraft, launch_measurement};
use guestmark_measure::igvm::{IgvmFile, Initialization, SpliceError, attach_corim, strip_corim};
use guestmark_measure::{Loader, launch_digest, launch_digests};
use igvm::corim::launch_measurement::{LaunchMeasurement, MeasurementKind};
use igvm::{IgvmInitializationHeader, IgvmSerializer};
use igvm_defs::IgvmPlatformType;

use crate::authorities::{Openssl, chain, issuer, sign};
use crate::message::CHAIN;
use crate::verifiers::{ask, to_verify};
use crate::written::claims;

fn vectors() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("measure/tests/vectors/launch-digest");
    let names = ["base", "param-1page", "secrets-cpuid", "vmsa-mid"];
    let paths = names.map(|name| folder.join(name).with_extension("igvm"));
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The document that the crate igvm makes of a file, and the file with it.
fn of_igvm(bytes: &[u8], svn: u64) -> (Vec<u8>, Vec<u8>) {
    let file = igvm::IgvmFile::new_from_binary(bytes, None).unwrap();
    let mut serializer = IgvmSerializer::new(&file).unwrap();
    let mut measurement = LaunchMeasurement::for_platform(IgvmPlatformType::SEV_SNP).unwrap();
    measurement
        .set_measurement(MeasurementKind::Launch)
        .unwrap();
    let series = measurement.endorse(svn).with(MeasurementKind::Launch);
    series.unwrap().finish().unwrap();
    let added = serializer.add_corim(IgvmPlatformType::SEV_SNP, measurement.build());
    let document = added.unwrap().to_vec();
    let mut output = Vec::new();
    serializer.serialize(&mut output).unwrap();
    (document, output)
}

#[test]
fn the_document_is_the_one_that_the_crate_igvm_makes() {
    for bytes in vectors() {
        let file = IgvmFile::parse(&bytes).unwrap();
        let digest = launch_digest(&file, Loader::Spec, None).unwrap();
        for svn in [0, 1, 104, u64::MAX] {
            assert_eq!(launch_measurement(digest, svn), of_igvm(&bytes, svn).0);
        }
    }
}

#[test]
fn a_signature_of_the_document_verifies_elsewhere() {
    let chain = chain(&["rsa-leaf", "rsa-root"]);
    let draft = CorimDraft::new(&claims(issuer("rsa-root")), &chain).unwrap();
    let signature = draft.sign(&Openssl::new("rsa-leaf")).unwrap();
    let document = draft.document().to_vec();
    for answer in ask(&to_verify(&signature, Some(&document))) {
        assert_eq!(answer, Ok(document.clone()));
    }
    let other = [document.as_slice(), &[0]].concat();
    for answer in ask(&to_verify(&signature, Some(&other))) {
        assert!(answer.is_err());
    }
    let by_hand = draft.assemble(&sign("rsa-leaf", &draft.to_be_signed()));
    assert_eq!(by_hand.unwrap().len(), signature.len());
    let foreign = draft.assemble(&sign("rsa-root", &draft.to_be_signed()));
    assert_eq!(
        foreign.unwrap_err().to_string(),
        "signature: expected a signature of the leaf's key (PS384), found one made with another \
         key or over other bytes"
    );
}

#[test]
fn what_is_signed_verifies_and_nothing_else_does() {
    let chain = chain(&["rsa-leaf", "rsa-root"]);
    let claims = claims(issuer("rsa-root"));
    let draft = CorimDraft::new(&claims, &chain).unwrap();
    let signed = draft.sign(&Openssl::new("rsa-leaf")).unwrap();
    let document = draft.document();
    let verify = |message: &[u8], document: &[u8], authority: &str, feed: &str| {
        corim::verify(message, document, &issuer(authority), feed)
            .map_err(|problem| problem.to_string())
    };
    let time = verify(&signed, document, "rsa-root", &claims.feed);
    assert_eq!(time, Ok(claims.signing_time));

    let other = [document, &[0]].concat();
    assert_eq!(
        verify(&signed, &other, "rsa-root", &claims.feed).unwrap_err(),
        "signature: expected a signature of the leaf's key (PS384), found one made with another \
         key or over other bytes"
    );
    let feed = verify(&signed, document, "rsa-root", "other").unwrap_err();
    assert_eq!(feed, format!("feed: expected other, found {}", claims.feed));
    let foreign = verify(&signed, document, "root", &claims.feed).unwrap_err();
    assert!(
        foreign.starts_with("issuer: expected did:x509:"),
        "{foreign}"
    );

    // The document inside the message instead of beside it: the third of four parts.
    let null = signed.len() - 256 - 3 - 1;
    assert_eq!(signed[null], 0xf6);
    let mut inside = signed.clone();
    inside.splice(null..=null, [0x41, 0]);
    assert_eq!(
        verify(&inside, document, "rsa-root", &claims.feed).unwrap_err(),
        "payload: expected none, for the document lies beside the signature, found 1 bytes"
    );
    let endorsement = crate::written::draft(Version::V2, "leaf");
    let endorsement = endorsement.sign(&Openssl::new("leaf")).unwrap();
    let problem = verify(&endorsement, document, "root", &claims.feed).unwrap_err();
    assert!(problem.starts_with("payload: expected none"), "{problem}");
}

#[test]
fn a_leaf_on_p_384_does_not_sign_documents() {
    let problem = CorimDraft::new(&claims(issuer("root")), &chain(&CHAIN)).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "x5chain[0], key: expected an RSA key, for PS384, found one on P-384"
    );
}

#[test]
fn a_document_goes_in_and_out_and_changes_no_digest() {
    for bytes in vectors() {
        let before = launch_digests(&IgvmFile::parse(&bytes).unwrap(), None);
        for signature in [None, Some(&b"signature"[..])] {
            let attached = attach_corim(&bytes, b"document", signature).unwrap();
            let file = IgvmFile::parse(&attached).unwrap();
            for (after, before) in launch_digests(&file, None).into_iter().zip(&before) {
                match after {
                    // It knows no such headers, and loads no file with them.
                    (Loader::QemuKvm, refused) => assert!(refused.is_err(), "{refused:?}"),
                    loaded => assert_eq!(&loaded, before),
                }
            }
            let carried: Vec<&[u8]> = file
                .initializations()
                .iter()
                .filter_map(|header| match header {
                    Initialization::CorimDocument { document, .. } => Some(*document),
                    Initialization::CorimSignature { signature, .. } => Some(*signature),
                    _ => None,
                })
                .collect();
            let expected: Vec<&[u8]> = [Some(&b"document"[..]), signature]
                .into_iter()
                .flatten()
                .collect();
            assert_eq!(carried, expected);
            let offset = match attach_corim(&attached, b"document", None) {
                Err(SpliceError::HasCorim { offset }) => offset,
                other => panic!("{other:?}"),
            };
            assert_eq!(attached[offset..offset + 4], [4, 1, 0, 0]);
            assert_eq!(strip_corim(&attached).unwrap(), bytes);
        }
        assert_eq!(strip_corim(&bytes), Err(SpliceError::NoCorim));
    }
}

#[test]
fn the_crate_igvm_reads_what_was_attached() {
    for bytes in vectors() {
        let document = of_igvm(&bytes, 7).0;
        let attached = attach_corim(&bytes, &document, Some(b"signature")).unwrap();
        let file = igvm::IgvmFile::new_from_binary(&attached, None).unwrap();
        let mut headers = file.initializations().iter();
        assert!(headers.any(|header| matches!(
            header,
            IgvmInitializationHeader::CorimDocument { document: found, .. } if *found == document
        )));
        assert!(headers.any(|header| matches!(
            header,
            IgvmInitializationHeader::CorimSignature { signature, .. } if signature == b"signature"
        )));
    }
}

#[test]
fn a_document_elsewhere_in_the_file_stays() {
    for bytes in vectors() {
        let (_, theirs) = of_igvm(&bytes, 7);
        match strip_corim(&theirs) {
            // A file without data of its own has the document at its end.
            Ok(stripped) => assert!(IgvmFile::parse(&stripped).is_ok()),
            Err(error) => assert!(
                matches!(error, SpliceError::CorimElsewhere { .. }),
                "{error}"
            ),
        }
    }
}
