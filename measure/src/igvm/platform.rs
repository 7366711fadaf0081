//! Platforms a file supports, and the masks by which headers name them.

use std::fmt;

use super::variable_headers::VariableHeader;
use super::{Architecture, IgvmError, wire};

/// The platforms a header applies to, one bit each, declared by [`SupportedPlatform`] headers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompatibilityMask(u32);

impl CompatibilityMask {
    /// The mask with these bits.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The mask's bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The platforms of either mask.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two masks share a platform.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for CompatibilityMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for CompatibilityMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An isolation platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformType {
    /// No isolation.
    Native,
    /// Hyper-V virtualisation-based security.
    Vsm,
    /// AMD SEV-SNP.
    SevSnp,
    /// Intel TDX.
    Tdx,
    /// AMD SEV.
    Sev,
    /// AMD SEV-ES.
    SevEs,
    /// Arm CCA.
    Cca,
}

impl PlatformType {
    const fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Native,
            1 => Self::Vsm,
            2 => Self::SevSnp,
            3 => Self::Tdx,
            4 => Self::Sev,
            5 => Self::SevEs,
            6 => Self::Cca,
            _ => return None,
        })
    }

    const fn runs_on(self, architecture: Architecture) -> bool {
        match self {
            Self::Vsm => true,
            Self::Cca => matches!(architecture, Architecture::AArch64),
            Self::Native | Self::SevSnp | Self::Tdx | Self::Sev | Self::SevEs => {
                matches!(architecture, Architecture::X64)
            }
        }
    }
}

/// A platform that the file can be loaded on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedPlatform {
    /// The one bit that stands for this platform in later headers.
    pub mask: CompatibilityMask,
    /// The platform.
    pub platform: PlatformType,
    /// The highest virtual trust level used: 0 or 2.
    pub highest_vtl: u8,
    /// First GPA above which memory is shared with the host; 0 for none.
    pub shared_gpa_boundary: u64,
}

impl SupportedPlatform {
    pub(super) fn parse(
        header: &VariableHeader<'_>,
        architecture: Architecture,
        earlier: &[Self],
    ) -> Result<Self, IgvmError> {
        let raw: &wire::SupportedPlatform = header.body_as()?;
        let mask = raw.compatibility_mask.get();
        header.check(
            mask.is_power_of_two(),
            "compatibility_mask",
            "one bit",
            mask,
        )?;
        let vtl = raw.highest_vtl;
        header.check(vtl == 0 || vtl == 2, "highest_vtl", "0 or 2", vtl)?;
        let version = raw.platform_version.get();
        header.check(version == 1, "platform_version", "1", version)?;
        let platform = PlatformType::from_wire(raw.platform_type)
            .filter(|platform| platform.runs_on(architecture));
        let Some(platform) = platform else {
            let expected = "a platform of the file's architecture: 0 to 5 on x86-64, 1 or 6 on Arm";
            return Err(IgvmError::Field {
                offset: header.offset,
                field: "platform_type",
                expected,
                found: raw.platform_type.into(),
            });
        };
        let mask = CompatibilityMask::new(mask);
        if earlier
            .iter()
            .any(|other| other.mask == mask || other.platform == platform)
        {
            return Err(IgvmError::DuplicatePlatform {
                offset: header.offset,
                platform: raw.platform_type,
                mask: mask.bits(),
            });
        }
        let boundary = raw.shared_gpa_boundary.get();
        let encrypts = !matches!(platform, PlatformType::Native | PlatformType::Vsm);
        header.check(
            encrypts || boundary == 0,
            "shared_gpa_boundary",
            "0",
            boundary,
        )?;
        Ok(Self {
            mask,
            platform,
            highest_vtl: vtl,
            shared_gpa_boundary: boundary,
        })
    }
}
