//! Signed ID blocks in IGVM files.

use std::num::NonZeroU32;

use super::auth_page::{check_author_algorithm, check_id_algorithm, is_zero, within};
use super::{Author, IdAuthPage, IdAuthPageError, IdBlock, IdBlockError, SignedIdBlock};
use crate::ecdsa::{PublicKey, Signature};
use crate::igvm::{
    Directive, IgvmError, IgvmFile, PlatformType, SnpIdBlock, SpliceError, insert_id_block,
    remove_id_block,
};
use crate::{LaunchDigest, Loader, Refusal, launch_digest};

/// Why an ID block and an IGVM file do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The file is wrong.
    #[error(transparent)]
    Igvm(#[from] IgvmError),
    /// The file has an ID block, or cannot be changed.
    #[error(transparent)]
    Splice(#[from] SpliceError),
    /// The file is for other platforms.
    #[error("the file has no SEV-SNP platform header: only SEV-SNP has ID blocks")]
    NoSnp,
    /// The file says no policy, which the ID block must repeat.
    #[error("the file has no guest policy header for SEV-SNP, from which the ID block's policy is")]
    NoPolicy,
    /// The loader gives no digest.
    #[error("no digest under {loader}: {refusal}")]
    Refused {
        /// The loader.
        loader: Loader,
        /// Why not.
        refusal: Refusal,
    },
    /// A key or signature is wrong.
    #[error("{0}")]
    Auth(#[from] IdAuthPageError),
    /// The ID block in the file is wrong.
    #[error("ID block: {0}")]
    Block(#[from] IdBlockError),
    /// Reserved bytes of the directive, or a flag that is neither 0 nor 1.
    #[error(
        "the ID block's directive has author_key_enabled {enabled} and reserved bytes \
         {reserved:02x?}, expected 0 or 1 and zeros"
    )]
    Directive {
        /// The flag.
        enabled: u8,
        /// The bytes after it.
        reserved: [u8; 3],
    },
    /// The ID block is for another guest or another loader.
    #[error(
        "the ID block is for launch digest {block}, but under {loader} the file has {file}: choose \
         the loader that the block was made for, or make a new block"
    )]
    LaunchDigest {
        /// In the ID block.
        block: LaunchDigest,
        /// Of the file.
        file: LaunchDigest,
        /// The loader.
        loader: Loader,
    },
    /// The ID block demands another policy.
    #[error(
        "the ID block has policy {block:#x}, the file's guest policy header {file:#x}: the \
         firmware refuses a guest unless they are equal; make a new block"
    )]
    Policy {
        /// In the ID block.
        block: u64,
        /// Of the file.
        file: u64,
    },
}

impl IdBlock {
    /// The ID block to sign for `file` under `loader`: the file's digest and its guest policy.
    /// `vcpus` as for [`launch_digest`].
    ///
    /// # Errors
    /// The file has no digest under the loader, or no guest policy.
    pub fn for_file(
        file: &IgvmFile<'_>,
        loader: Loader,
        vcpus: Option<NonZeroU32>,
        identity: Identity,
    ) -> Result<Self, AttachError> {
        let digest = launch_digest(file, loader, vcpus);
        Ok(Self {
            policy: policy(file)?,
            launch_digest: digest.map_err(|refusal| AttachError::Refused { loader, refusal })?,
            family_id: identity.family_id,
            image_id: identity.image_id,
            guest_svn: identity.guest_svn,
        })
    }
}

/// What a guest's owner calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// FAMILY_ID.
    pub family_id: [u8; 16],
    /// IMAGE_ID.
    pub image_id: [u8; 16],
    /// GUEST_SVN.
    pub guest_svn: u32,
}

/// The policy that the file's guest policy header gives SEV-SNP.
fn policy(file: &IgvmFile<'_>) -> Result<u64, AttachError> {
    let platform = file
        .platform(PlatformType::SevSnp)
        .ok_or(AttachError::NoSnp)?;
    file.guest_policy(platform.mask)
        .ok_or(AttachError::NoPolicy)
}

/// The file with a signed ID block as its last header. [`strip`] gives the same file back.
///
/// # Errors
/// A signature that does not verify; a block for another digest under `loader` (`vcpus` as for
/// [`launch_digest`]) or with another policy; a file that has an ID block.
pub fn attach(
    bytes: &[u8],
    signed: &SignedIdBlock,
    loader: Loader,
    vcpus: Option<NonZeroU32>,
) -> Result<Vec<u8>, AttachError> {
    signed.verify()?;
    let file = IgvmFile::parse(bytes)?;
    let block = &signed.block;
    let (family_id, image_id, guest_svn) = (block.family_id, block.image_id, block.guest_svn);
    let identity = Identity {
        family_id,
        image_id,
        guest_svn,
    };
    let expected = IdBlock::for_file(&file, loader, vcpus, identity)?;
    if block.launch_digest != expected.launch_digest {
        return Err(AttachError::LaunchDigest {
            block: block.launch_digest,
            file: expected.launch_digest,
            loader,
        });
    }
    if block.policy != expected.policy {
        return Err(AttachError::Policy {
            block: block.policy,
            file: expected.policy,
        });
    }
    let platform = file
        .platform(PlatformType::SevSnp)
        .ok_or(AttachError::NoSnp)?;
    Ok(insert_id_block(
        bytes,
        &SnpIdBlock::new(platform.mask, signed),
    )?)
}

/// The file without its ID block.
///
/// # Errors
/// The file is wrong, or has no ID block or several.
pub fn strip(bytes: &[u8]) -> Result<Vec<u8>, AttachError> {
    IgvmFile::parse(bytes)?;
    Ok(remove_id_block(bytes)?)
}

impl SignedIdBlock {
    /// The ID block that `file` has for SEV-SNP, if any, with the policy of the guest policy
    /// header. Signatures are not verified.
    ///
    /// # Errors
    /// Keys, signatures and numbers out of their range; a file without guest policy.
    pub fn of(file: &IgvmFile<'_>) -> Result<Option<Self>, AttachError> {
        let platform = file
            .platform(PlatformType::SevSnp)
            .ok_or(AttachError::NoSnp)?;
        let mut directives = file.directives().iter();
        let found = directives.find_map(|directive| match directive {
            Directive::SnpIdBlock(block) if block.mask().intersects(platform.mask) => Some(*block),
            _ => None,
        });
        found
            .map(|wire| Self::from_directive(wire, policy(file)?))
            .transpose()
    }

    fn from_directive(wire: &SnpIdBlock, policy: u64) -> Result<Self, AttachError> {
        let version = wire.version.get();
        if version != IdBlock::VERSION {
            return Err(IdBlockError::Version { found: version }.into());
        }
        check_id_algorithm(wire.id_key_algorithm.get())?;
        let author = match (wire.author_key_enabled, wire.reserved) {
            (0, [0, 0, 0]) => {
                let unused = wire.author_key_algorithm.get() == 0
                    && is_zero(&wire.author_key_signature)
                    && is_zero(&wire.author_public_key);
                if !unused {
                    return Err(IdAuthPageError::AuthorNotEnabled.into());
                }
                None
            }
            (1, [0, 0, 0]) => {
                check_author_algorithm(wire.author_key_algorithm.get())?;
                let signature = Signature::try_from(&wire.author_key_signature);
                let key = PublicKey::try_from(&wire.author_public_key);
                Some(Author {
                    signature: signature.map_err(within("author signature"))?,
                    key: key.map_err(within("author key"))?,
                })
            }
            (enabled, reserved) => return Err(AttachError::Directive { enabled, reserved }),
        };
        let id_signature = Signature::try_from(&wire.id_key_signature);
        let id_key = PublicKey::try_from(&wire.id_public_key);
        Ok(Self {
            block: IdBlock {
                launch_digest: wire.launch_digest(),
                family_id: wire.family_id,
                image_id: wire.image_id,
                guest_svn: wire.guest_svn.get(),
                policy,
            },
            auth: IdAuthPage {
                id_signature: id_signature.map_err(within("ID signature"))?,
                id_key: id_key.map_err(within("ID key"))?,
                author,
            },
        })
    }
}
