//! Warnings and caveats: each case is a file that has none but for one change.

use super::caveats::kept_by_kvm;
use super::*;
use crate::LaunchDigest;

const POLICY: u64 = 0x3_001F;

/// A file that nothing is to be said of, with this guest policy.
fn good(policy: u64) -> Sample {
    Sample::default()
        .platform(1, 2)
        .header(0x101, &[&u64s(&[policy]), &u32s(&[1, 0])])
        .page(0x1000, 1, 0, NORMAL)
        .vp_context(1, 0, 0x80_0000, &kept_by_kvm())
}

/// Adds an ID block for `digest`.
fn with_id_block(sample: &Sample, digest: LaunchDigest) -> Sample {
    let block = [&u32s(&[1, 0])[..], digest.as_bytes(), &[0; 640]].concat();
    sample.clone().header(0x30B, &[&block])
}

fn assessment(sample: &Sample) -> Assessment {
    let bytes = sample.bytes();
    assess(&IgvmFile::parse(&bytes).unwrap(), None)
}

fn warnings(sample: &Sample) -> Vec<String> {
    let warnings = assessment(sample).warnings;
    let about_loaders = |it: &&Warning| matches!(it, Warning::NotPortable { .. });
    let others = warnings.iter().filter(|it| !about_loaders(it));
    others.map(Warning::to_string).collect()
}

fn caveats_of(sample: &Sample, loader: Loader) -> Vec<String> {
    let assessed = assessment(sample).loaders;
    let of_loader = assessed.into_iter().find(|it| it.loader == loader).unwrap();
    of_loader.caveats.iter().map(Caveat::to_string).collect()
}

fn digest(sample: &Sample, loader: Loader) -> LaunchDigest {
    let bytes = sample.bytes();
    launch_digest(&IgvmFile::parse(&bytes).unwrap(), loader, None).unwrap()
}

#[test]
fn a_good_file_has_no_warnings() {
    assert_eq!(warnings(&good(POLICY)), [""; 0]);
    assert_eq!(caveats_of(&good(POLICY), CloudHypervisorMshv), [""; 0]);
}

#[test]
fn the_debug_bit_is_warned_of() {
    assert_eq!(
        warnings(&good(0xB_001F)),
        [
            "the guest policy 0xb001f allows debugging (bit 19): the host can read the guest's \
             memory"
        ]
    );
}

#[test]
fn memory_that_is_loaded_twice_is_warned_of() {
    assert_eq!(
        warnings(&good(POLICY).page(0x1000, 1, 0, NORMAL)),
        [
            "directives 0 and 2 both load 0x1000: a digest counts both, but KVM and Cloud \
             Hypervisor refuse a page that is there already"
        ]
    );
}

#[test]
fn a_policy_that_the_loader_overrides_is_named() {
    let other = good(0x3_0000);
    assert_eq!(
        caveats_of(&other, CloudHypervisorMshv),
        [
            "the guest policy is 0x30000 in the file, and the loader launches with 0x3001f: a \
             report shows the latter"
        ]
    );
    assert_eq!(caveats_of(&other, OpenvmmMshv), [""; 0]);
}

#[test]
fn an_id_block_for_another_digest_is_named() {
    let right = digest(&good(POLICY), CloudHypervisorMshv);
    let wrong = LaunchDigest::new([0xAB; 48]);
    let fits = with_id_block(&good(POLICY), right);
    assert_eq!(caveats_of(&fits, CloudHypervisorMshv), [""; 0]);
    let misfits = with_id_block(&good(POLICY), wrong);
    assert_eq!(
        caveats_of(&misfits, CloudHypervisorMshv),
        [format!(
            "the firmware will refuse the guest: its ID block is for launch digest {}",
            "ab".repeat(48)
        )]
    );
    // The one that fits a loader does not fit those that come to another digest.
    let on_kvm = caveats_of(&fits, QemuKvm);
    assert!(on_kvm.iter().any(|it| it.contains(&right.to_string())));
}

#[test]
fn an_id_block_for_another_policy_is_named() {
    let other = good(0x3_0000);
    let signed = with_id_block(&other, digest(&other, CloudHypervisorMshv));
    assert_eq!(
        caveats_of(&signed, CloudHypervisorMshv)[1..],
        [
            "an ID block signed for the file's policy, 0x30000, does not fit: the loader fills in \
             0x3001f, sign it for that"
        ]
    );
    assert_eq!(caveats_of(&signed, Spec), [""; 0]);
}

#[test]
fn an_id_block_without_a_policy_is_named() {
    let policy_free = Sample::default()
        .platform(1, 2)
        .page(0x1000, 1, 0, NORMAL)
        .vp_context(1, 0, 0x80_0000, &kept_by_kvm());
    let signed = with_id_block(&policy_free, digest(&policy_free, OpenvmmMshv));
    assert_eq!(
        caveats_of(&signed, OpenvmmMshv),
        [
            "the file has an ID block and no guest policy: the loader chooses the policy that the \
             ID block must be signed for"
        ]
    );
    assert_eq!(caveats_of(&signed, CloudHypervisorMshv), [""; 0]);
}

#[test]
fn more_than_one_id_block_is_warned_of() {
    let digest = LaunchDigest::new([0; 48]);
    let one = with_id_block(&good(POLICY), digest);
    assert_eq!(warnings(&one), [""; 0]);
    assert_eq!(
        warnings(&with_id_block(&one, digest)),
        ["the file has 2 ID blocks and loaders take one at most: strip the others"]
    );
}

#[test]
fn the_state_of_a_later_processor_is_lost_on_cloud_hypervisor_on_mshv() {
    let two = good(POLICY).vp_context(1, 1, 0x80_1000, &kept_by_kvm());
    assert_eq!(
        caveats_of(&two, CloudHypervisorMshv),
        ["VP 1: the VMSA is not copied, the processor is launched with zeros"]
    );
    assert_eq!(caveats_of(&two, OpenvmmMshv), [""; 0]);
}

#[test]
fn what_is_found_is_serialised_by_kind_with_its_sentence() {
    let misfits = with_id_block(&good(0xB_001F), LaunchDigest::new([0xAB; 48]));
    let document = serde_json::to_value(assessment(&misfits)).unwrap();
    assert_eq!(
        document["warnings"][0],
        serde_json::json!({
            "kind": "debug-policy",
            "policy": "0xb001f",
            "text": "the guest policy 0xb001f allows debugging (bit 19): the host can read the \
                     guest's memory"
        })
    );
    let on_kvm = &document["loaders"][2];
    assert_eq!(
        on_kvm["differs"],
        serde_json::json!({
            "kind": "vmsa-address",
            "from": "spec",
            "record": 1,
            "gpa": "0xfffffffff000",
            "text": "0xfffffffff000: VMSA is launched at this address"
        })
    );
    assert_eq!(on_kvm["caveats"][0]["kind"], "vmsa-moved");
}
