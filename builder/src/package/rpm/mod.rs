//! RPM packages (rpm's file format, version 4): a lead, a header of signatures, a header, a
//! compressed cpio archive.
//!
//! The reader is our own: memory is bounded by what the file holds, contents stay in one unpacked
//! file, and the bytes of the header that are signed are the ones that are read.

mod capabilities;
mod files;
mod header;
mod payload;
mod scripts;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{OpenedPackage, PackageError, PackageProblem};
use crate::archive::{Certificates, SignatureError};
use crate::lock::LockedPackage;
use crate::tree::section::{Codec, Section};
use crate::tree::{PathError, TreePath, UnpackError};

pub use header::HeaderError;
pub use payload::PayloadError;

use header::Header;

const LEAD: u64 = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const MAX_SIGNATURES: u64 = 16 << 20;
const MAX_HEADER: u64 = 256 << 20;

const SIGNATURE_DSA: u32 = 267;
const SIGNATURE_RSA: u32 = 268;
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCHITECTURE: u32 = 1022;
const REQUIRES: u32 = 1049;
const PAYLOAD_FORMAT: u32 = 1124;
const COMPRESSOR: u32 = 1125;
const PAYLOAD_DIGEST: u32 = 5092;
const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;
/// SHA-256 among OpenPGP's hash algorithms.
const SHA256: u64 = 8;

/// What rpm must be able to do for packages that guestmark opens: this reader can as well, or it
/// concerns only scriptlets, which never run.
const FEATURES: [&str; 18] = [
    "rpmlib(BuiltinLuaScripts)",
    "rpmlib(CaretInVersions)",
    "rpmlib(CompressedFileNames)",
    "rpmlib(DynamicBuildRequires)",
    "rpmlib(ExplicitPackageProvide)",
    "rpmlib(FileCaps)",
    "rpmlib(FileDigests)",
    "rpmlib(HeaderLoadSortsTags)",
    "rpmlib(LargeFiles)",
    "rpmlib(PartialHardlinkSets)",
    "rpmlib(PayloadFilesHavePrefix)",
    "rpmlib(PayloadIsXz)",
    "rpmlib(PayloadIsZstd)",
    "rpmlib(RichDependencies)",
    "rpmlib(ScriptletExpansion)",
    "rpmlib(ScriptletInterpreterArgs)",
    "rpmlib(TildeInVersions)",
    "rpmlib(VersionedDependencies)",
];

/// What is wrong with an RPM package.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// The file does not begin as a package.
    #[error("not an RPM package: it does not start with ed ab ee db")]
    Lead,
    /// A header that cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Nobody signed the package.
    #[error("no OpenPGP signature over its header; expected one by a key of the recipe's archive")]
    Unsigned,
    /// The signature cannot be relied on.
    #[error("signature over its header: {0}")]
    Signature(#[from] SignatureError),
    /// The header does not say what the lock says.
    #[error("header: {field} is {found:?}, the lock says {locked:?}")]
    Differs {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The lock's value.
        locked: String,
    },
    /// The package needs an rpm that can do what guestmark cannot.
    #[error("it requires {feature}, a feature of rpm that guestmark does not have")]
    Feature {
        /// The feature.
        feature: String,
    },
    /// The payload is not the one that the header is signed with.
    #[error("payload: expected SHA-256 {expected:?}, found {found}")]
    PayloadDigest {
        /// The digest in the header; empty if there is none of this kind.
        expected: String,
        /// The payload's.
        found: String,
    },
    /// A payload of another form.
    #[error("payload: {found}; guestmark reads cpio archives in gzip, xz and zstd")]
    Compression {
        /// Its format and compression.
        found: String,
    },
    /// A payload that does not decompress.
    #[error("payload: {0}")]
    Unpack(#[from] UnpackError),
    /// A payload that is not a cpio archive.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The lists of files in the header have different lengths.
    #[error("header: its lists of files do not fit each other")]
    Lists,
    /// A file whose path cannot stand in a tree.
    #[error("header: {0}")]
    Path(PathError),
    /// A file without content.
    #[error("{path} is not in the payload")]
    Missing {
        /// The file.
        path: TreePath,
    },
    /// A content without a file.
    #[error("{path} is in the payload, and the header does not list it")]
    Unlisted {
        /// The path.
        path: TreePath,
    },
    /// A file of another size.
    #[error("{path}: {listed} bytes by the header, {found} in the payload")]
    Size {
        /// The file.
        path: TreePath,
        /// Its size in bytes by the header.
        listed: u64,
        /// Its size in bytes in the payload.
        found: u64,
    },
    /// A file of an unknown type.
    #[error("{path}: mode {mode:o} is of no known type of file")]
    Mode {
        /// The file.
        path: TreePath,
        /// `st_mode`.
        mode: u64,
    },
    /// File capabilities that are none.
    #[error("{path}: {text:?} are not file capabilities (cap_from_text(3))")]
    Capabilities {
        /// The file.
        path: TreePath,
        /// The text.
        text: String,
    },
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
}

/// Who may have signed the packages of an archive.
#[derive(Debug)]
pub struct Signers {
    pub(super) certificates: Certificates,
    /// When keys and signatures must be valid: the time of the index that vouches for the
    /// packages. No package depends on a clock.
    pub(super) at: Timestamp,
}

/// Opens the package file that `locked` names. Its payload is decompressed into an unlinked file
/// in `spool`, and contents are ranges of that file.
pub(super) fn open(
    file: &Path,
    locked: &LockedPackage,
    signers: &Signers,
    spool: &Path,
) -> Result<OpenedPackage, PackageError> {
    read(file, locked, signers, spool).map_err(|problem| PackageError {
        name: locked.name.clone(),
        version: locked.version.clone(),
        file: file.display().to_string(),
        problem: Box::new(PackageProblem::Rpm(problem)),
    })
}

fn read(
    file: &Path,
    locked: &LockedPackage,
    signers: &Signers,
    spool: &Path,
) -> Result<OpenedPackage, RpmError> {
    let file = File::open(file).and_then(Section::whole)?;
    let mut magic = [0; 4];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if magic == LEAD_MAGIC => {}
        _ => return Err(RpmError::Lead),
    }
    let signatures = Header::read(&file, LEAD, "signature header", MAX_SIGNATURES)?;
    // The header after it starts at a multiple of eight bytes.
    let start = (LEAD + signatures.bytes.len() as u64).next_multiple_of(8);
    let header = Header::read(&file, start, "header", MAX_HEADER)?;
    check_signature(&signatures, &header, signers)?;
    check_name(&header, locked)?;
    check_features(&header)?;
    let start = start + header.bytes.len() as u64;
    let payload = file.slice(start, file.len() - start);
    let payload = payload.ok_or(RpmError::Lead)?;
    check_payload(&header, &payload)?;
    let (size, count) = files::extent(&header)?;
    // Each file takes a header and a name of at most 4096 bytes besides.
    let limit = size.saturating_add((count + 1).saturating_mul(8192));
    let payload = payload.unpack(codec(&header)?, limit, spool)?;
    let contents = payload::contents(&payload, &files::stripped(&header)?)?;
    let files = files::read(&header, contents)?;
    Ok(OpenedPackage {
        name: locked.name.clone(),
        version: locked.version.clone(),
        architecture: locked.architecture.clone(),
        scripts: scripts::list(&header)?,
        entries: files.entries,
        owners: files.owners,
        shares_equal_files: true,
    })
}

fn check_signature(
    signatures: &Header,
    header: &Header,
    signers: &Signers,
) -> Result<(), RpmError> {
    let rsa = signatures.binary(SIGNATURE_RSA)?;
    let signature = match rsa {
        Some(rsa) => Some(rsa),
        // Every other algorithm of OpenPGP stands here.
        None => signatures.binary(SIGNATURE_DSA)?,
    };
    let signature = signature.ok_or(RpmError::Unsigned)?;
    signers
        .certificates
        .verify_detached(signature, &header.bytes, signers.at)?;
    Ok(())
}

fn check_name(header: &Header, locked: &LockedPackage) -> Result<(), RpmError> {
    let epoch = header.numbers(EPOCH)?.first().copied().unwrap_or_default();
    let epoch = match epoch {
        0 => String::new(),
        epoch => format!("{epoch}:"),
    };
    let version = format!("{epoch}{}-{}", header.text(VERSION)?, header.text(RELEASE)?);
    for (field, found, locked) in [
        ("name", header.text(NAME)?, &locked.name),
        ("version", version, &locked.version),
        (
            "architecture",
            header.text(ARCHITECTURE)?,
            &locked.architecture,
        ),
    ] {
        if found != *locked {
            return Err(RpmError::Differs {
                field,
                found,
                locked: locked.clone(),
            });
        }
    }
    Ok(())
}

fn check_features(header: &Header) -> Result<(), RpmError> {
    for required in header.strings(REQUIRES)? {
        let feature = String::from_utf8_lossy(required);
        if feature.starts_with("rpmlib(") && !is_supported_feature(&feature) {
            return Err(RpmError::Feature {
                feature: feature.into_owned(),
            });
        }
    }
    Ok(())
}

/// Whether guestmark can do what packages with this feature (`rpmlib(...)`) need.
pub(crate) fn is_supported_feature(feature: &str) -> bool {
    FEATURES.contains(&feature)
}

fn check_payload(header: &Header, payload: &Section) -> Result<(), RpmError> {
    let expected = match header.numbers(PAYLOAD_DIGEST_ALGORITHM)?.first() {
        Some(&SHA256) => header.text(PAYLOAD_DIGEST)?,
        _ => String::new(),
    };
    let mut hash = Sha256::new();
    let mut reader = payload.content().open()?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let found = hex::encode(hash.finalize());
    match expected == found {
        true => Ok(()),
        false => Err(RpmError::PayloadDigest { expected, found }),
    }
}

fn codec(header: &Header) -> Result<Codec, RpmError> {
    let (format, compressor) = (header.text(PAYLOAD_FORMAT)?, header.text(COMPRESSOR)?);
    Ok(match (format.as_str(), compressor.as_str()) {
        ("cpio", "gzip" | "") => Codec::Gzip,
        ("cpio", "xz") => Codec::Xz,
        ("cpio", "zstd") => Codec::Zstd,
        _ => {
            return Err(RpmError::Compression {
                found: format!("{format} in {compressor}"),
            });
        }
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::open_file;
