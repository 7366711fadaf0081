//! Virtual processors: how many, and of which model.

use std::fmt;
use std::str::FromStr;

/// The signature of a processor: CPUID function 1, EAX (AMD64 Architecture Programmer's Manual,
/// volume 3, appendix E.3.2). QEMU starts processors with it in EDX, which is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VcpuSignature(u32);

/// Numbers that describe no virtual processor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, expected {expected}")]
pub struct VcpuError {
    field: &'static str,
    expected: &'static str,
    found: u32,
}

impl VcpuSignature {
    /// The signature with this value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The signature of a processor's family (up to 270), model (up to 255) and stepping (up to
    /// 15), the first two with what their extended fields add.
    ///
    /// # Errors
    /// A number is greater than that.
    pub fn of(family: u32, model: u32, stepping: u32) -> Result<Self, VcpuError> {
        let bounds = [
            ("the family", family, 270, "at most 270"),
            ("the model", model, 255, "at most 255"),
            ("the stepping", stepping, 15, "at most 15"),
        ];
        for (field, found, bound, expected) in bounds {
            if found > bound {
                return Err(VcpuError {
                    field,
                    expected,
                    found,
                });
            }
        }
        Ok(Self::encode(family, model, stepping))
    }

    /// Bits 27:20 extended family, 19:16 extended model, 11:8 family, 7:4 model, 3:0 stepping.
    const fn encode(family: u32, model: u32, stepping: u32) -> Self {
        let (base, extended) = match family {
            0..=0xF => (family, 0),
            _ => (0xF, family - 0xF),
        };
        Self(extended << 20 | (model >> 4) << 16 | base << 8 | (model & 0xF) << 4 | stepping)
    }

    /// The value.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for VcpuSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A processor model of QEMU (`-cpu`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VcpuType {
    name: &'static str,
    signature: VcpuSignature,
}

/// A name that no processor model has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no vCPU type is called {found:?}, expected one of: {}; or give its signature",
    VcpuType::ALL.map(VcpuType::name).join(", ")
)]
pub struct ParseVcpuTypeError {
    found: String,
}

const NAPLES: VcpuSignature = VcpuSignature::encode(23, 1, 2);
const ROME: VcpuSignature = VcpuSignature::encode(23, 49, 0);
const MILAN: VcpuSignature = VcpuSignature::encode(25, 1, 1);
const GENOA: VcpuSignature = VcpuSignature::encode(25, 17, 0);
const TURIN: VcpuSignature = VcpuSignature::encode(26, 0, 0);

impl VcpuType {
    /// All types: the EPYC models of QEMU (`builtin_x86_defs` in `target/i386/cpu.c`).
    pub const ALL: [Self; 16] = [
        Self::new("EPYC", NAPLES),
        Self::new("EPYC-v1", NAPLES),
        Self::new("EPYC-v2", NAPLES),
        Self::new("EPYC-IBPB", NAPLES),
        Self::new("EPYC-v3", NAPLES),
        Self::new("EPYC-v4", NAPLES),
        Self::new("EPYC-Rome", ROME),
        Self::new("EPYC-Rome-v1", ROME),
        Self::new("EPYC-Rome-v2", ROME),
        Self::new("EPYC-Rome-v3", ROME),
        Self::new("EPYC-Milan", MILAN),
        Self::new("EPYC-Milan-v1", MILAN),
        Self::new("EPYC-Milan-v2", MILAN),
        Self::new("EPYC-Genoa", GENOA),
        Self::new("EPYC-Genoa-v1", GENOA),
        Self::new("EPYC-Turin", TURIN),
    ];

    const fn new(name: &'static str, signature: VcpuSignature) -> Self {
        Self { name, signature }
    }

    /// The type's name, as QEMU has it.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The signature of processors of this type.
    pub const fn signature(self) -> VcpuSignature {
        self.signature
    }
}

impl FromStr for VcpuType {
    type Err = ParseVcpuTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.name == text)
            .ok_or_else(|| ParseVcpuTypeError {
                found: text.to_owned(),
            })
    }
}

/// How many virtual processors a guest is launched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VcpuCount(u32);

impl VcpuCount {
    /// The most processors that KVM gives a guest (`KVM_MAX_VCPUS`).
    pub const MAX: u32 = 4096;

    /// A guest with `count` processors.
    ///
    /// # Errors
    /// `count` is 0 or passes [`Self::MAX`].
    pub const fn new(count: u32) -> Result<Self, VcpuError> {
        match count {
            1..=Self::MAX => Ok(Self(count)),
            found => Err(VcpuError {
                field: "the number of vCPUs",
                expected: "1 to 4096",
                found,
            }),
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}
