//! What artifacts say themselves, whatever is said of them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use guestmark_measure::id_block::{IdBlock, Identity};
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::lanes::{Page, sha256_salted_blocks};
use guestmark_measure::{LaunchPages, Sha256Digest, launch_digests};

use crate::FileProblem;
use crate::manifest::{self, LoaderDigest, Verity};

/// Bytes of the largest IGVM file that is read into memory.
pub(super) const MAX_IGVM: usize = 1 << 32;

/// Where the root file system starts on the disk, in bytes.
const ROOT_OFFSET: u64 = 1 << 20;

/// Bytes of a block.
const BLOCK: u64 = size_of::<Page>() as u64;

/// Blocks that are read and hashed at once.
const PIECE: usize = 256;

/// Hashes in a block of the tree.
const HASHES: usize = size_of::<Page>() / Sha256Digest::SIZE;

/// The DEBUG bit of a guest policy (SEV-SNP Firmware ABI, table "Guest Policy").
const DEBUG: u64 = 1 << 19;

/// The launch digests of an IGVM file, by loader.
pub(super) fn launched(file: &str, bytes: &[u8]) -> Result<Vec<LoaderDigest>, FileProblem> {
    let igvm = parse(file, bytes)?;
    let digests = launch_digests(&igvm, None).into_iter();
    let digests = digests.filter_map(|(loader, digest)| {
        let launch_digest = digest.ok()?;
        Some(LoaderDigest {
            loader,
            launch_digest,
        })
    });
    Ok(digests.collect())
}

/// Holds that a page that is launched holds the root hash, as the kernel command line does.
pub(super) fn holds_root_hash(
    file: &str,
    bytes: &[u8],
    root_hash: Sha256Digest,
) -> Result<(), FileProblem> {
    let igvm = parse(file, bytes)?;
    let text = root_hash.to_string();
    let pages = LaunchPages::of(&igvm);
    let holds = |page: &Page| {
        page.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    if pages.distinct().pages().iter().any(|page| holds(page)) {
        return Ok(());
    }
    let expected = format!("the root hash {text}");
    Err(FileProblem::new(
        file,
        "kernel command line",
        expected,
        "no page with it",
    ))
}

/// Holds that an ID block is the one of an IGVM file and an identity, and forbids debugging.
pub(super) fn check_id_block(
    name: &str,
    block: &[u8],
    file: &str,
    bytes: &[u8],
    guest: &manifest::Guest,
    identity: &manifest::Identity,
) -> Result<IdBlock, FileProblem> {
    let found = IdBlock::from_bytes(block)
        .map_err(|error| FileProblem::new(name, "ID block", "96 bytes, version 1", error))?;
    let expect = |field: &str, expected: String, found: String| {
        crate::file_problem::expect(name, field, &expected, &found)
    };
    expect(
        "launch digest",
        guest.launch_digest.to_string(),
        found.launch_digest.to_string(),
    )?;
    expect(
        "FAMILY_ID",
        identity.family_id.clone(),
        hex::encode(found.family_id),
    )?;
    expect(
        "IMAGE_ID",
        identity.image_id.clone(),
        hex::encode(found.image_id),
    )?;
    expect(
        "GUEST_SVN",
        identity.guest_svn.to_string(),
        found.guest_svn.to_string(),
    )?;
    expect(
        "policy",
        identity.policy.clone(),
        format!("{:#x}", found.policy),
    )?;
    if found.policy & DEBUG != 0 {
        let policy = format!("{:#x}", found.policy);
        return Err(FileProblem::new(
            name,
            "policy",
            "no debug bit (0x80000)",
            policy,
        ));
    }
    let loader = guest.loaders.iter();
    let loader = loader
        .clone()
        .find(|it| it.launch_digest == found.launch_digest);
    let loader = loader.ok_or_else(|| {
        let expected = format!("the digest of {file} under some loader");
        FileProblem::new(name, "launch digest", expected, found.launch_digest)
    })?;
    let igvm = parse(file, bytes)?;
    let of_block = Identity {
        family_id: found.family_id,
        image_id: found.image_id,
        guest_svn: found.guest_svn,
    };
    let made = IdBlock::for_file(&igvm, loader.loader, None, of_block)
        .map_err(|error| FileProblem::new(file, "guest policy", "one for SEV-SNP", error))?;
    expect(
        "policy",
        format!("{:#x}", made.policy),
        format!("{:#x}", found.policy),
    )?;
    Ok(found)
}

fn parse<'b>(file: &str, bytes: &'b [u8]) -> Result<IgvmFile<'b>, FileProblem> {
    IgvmFile::parse(bytes).map_err(|error| FileProblem::new(file, "content", "an IGVM file", error))
}

/// The root hash over the blocks of a disk image, whatever its hash partition holds.
pub(super) fn root_hash(
    disk: &File,
    size: u64,
    verity: &Verity,
) -> Result<Sha256Digest, FileProblem> {
    let file = verity.disk.as_str();
    let salt = hex::decode(&verity.salt);
    let salt = salt
        .ok()
        .filter(|salt| salt.len() <= 256 && hex::encode(salt) == verity.salt);
    let salt = salt.ok_or_else(|| {
        let expected = "at most 256 bytes in lower-case hexadecimal";
        FileProblem::new(file, "salt", expected, &verity.salt)
    })?;
    let end = verity.data_blocks.checked_mul(BLOCK);
    let end = end.and_then(|length| length.checked_add(ROOT_OFFSET));
    if verity.data_blocks == 0 || end.is_none_or(|end| end > size) {
        let expected = format!("1 or more, within the image's {size} bytes");
        return Err(FileProblem::new(
            file,
            "data blocks",
            expected,
            verity.data_blocks,
        ));
    }
    let mut level = Vec::new();
    let mut blocks = vec![[0; size_of::<Page>()]; PIECE];
    let mut next = 0;
    while next < verity.data_blocks {
        let left = usize::try_from(verity.data_blocks - next).unwrap_or(PIECE);
        let blocks = &mut blocks[..left.min(PIECE)];
        disk.read_exact_at(blocks.as_flattened_mut(), ROOT_OFFSET + next * BLOCK)
            .map_err(|error| FileProblem::new(file, "content", "data blocks", error))?;
        level.extend(hashes(&salt, blocks));
        next += blocks.len() as u64;
    }
    while level.len() > 1 {
        let blocks: Vec<Page> = level.chunks(HASHES).map(hash_block).collect();
        level = hashes(&salt, &blocks);
    }
    Ok(level[0])
}

fn hashes(salt: &[u8], blocks: &[Page]) -> Vec<Sha256Digest> {
    let mut digests = vec![Sha256Digest::new([0; 32]); blocks.len()];
    sha256_salted_blocks(salt, blocks, &mut digests);
    digests
}

/// A block of the tree: hashes, then zeros.
fn hash_block(hashes: &[Sha256Digest]) -> Page {
    let mut block = [0; size_of::<Page>()];
    for (place, hash) in block.chunks_mut(Sha256Digest::SIZE).zip(hashes) {
        place.copy_from_slice(hash.as_bytes());
    }
    block
}
