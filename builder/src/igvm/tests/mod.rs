//! Whole guests: the vectors of layout `aks`, and what holds for every layout.

mod file;
mod refusals;
mod structure;
mod vectors;

use std::collections::BTreeMap;

use guestmark_measure::Gpa;
use igvm::snp_defs::SevVmsa;
use zerocopy::FromBytes;

use super::memory::PageBytes;
use super::structures::boot_params::BootParams;
use super::*;
use crate::acpi::Table;
use crate::recipe::GuestPolicy;
use crate::tree::Origin;

/// A kernel, command line and initrd with ACPI pages.
struct Guest {
    kernel: Vec<u8>,
    command_line: Vec<u8>,
    initrd: Option<Vec<u8>>,
    acpi: Vec<Table>,
}

macro_rules! vector {
    ($file:literal) => {
        include_bytes!(concat!("../../../tests/vectors/aks-layout/", $file))
    };
}
use vector;

impl Guest {
    /// The parts of the vector `kernel-initrd`, with the ACPI pages where `layout` has them.
    fn with_initrd(layout: MemoryLayout) -> Self {
        let page = |gpa, bytes: &[u8]| {
            Table::given(Gpa::new(gpa), bytes.to_vec(), Origin::input("--acpi"))
        };
        let rsdp = vector!("kernel-initrd/acpi-0xe0000.bin");
        let xsdt = vector!("kernel-initrd/acpi-0x100000.bin");
        let more = vector!("kernel-initrd/acpi-0x101000.bin");
        let acpi = match layout {
            MemoryLayout::Aks { .. } => {
                vec![
                    page(0xe_0000, rsdp),
                    page(0x10_0000, xsdt),
                    page(0x10_1000, more),
                ]
            }
            MemoryLayout::Linux { .. } => {
                vec![
                    page(0x10_0000, rsdp),
                    page(0x10_1000, xsdt),
                    page(0x10_2000, more),
                ]
            }
        };
        Self {
            kernel: vector!("kernel-initrd/kernel").to_vec(),
            command_line: vector!("kernel-initrd/cmdline").to_vec(),
            initrd: Some(vector!("kernel-initrd/initrd").to_vec()),
            acpi,
        }
    }

    fn inputs(&self, layout: MemoryLayout) -> Inputs<'_> {
        let initrd = self.initrd.as_deref();
        Inputs {
            kernel: Part::new(&self.kernel, Origin::input("--kernel")),
            command_line: Part::new(&self.command_line, Origin::input("--cmdline-file")),
            initrd: initrd.map(|bytes| Part::new(bytes, Origin::input("--initrd"))),
            acpi: &self.acpi,
            layout,
        }
    }
}

const AKS: MemoryLayout = MemoryLayout::Aks {
    validated: Validated::OnDemand,
};
const ACCEPT_ALL: MemoryLayout = MemoryLayout::Aks {
    validated: Validated::All,
};

fn linux(memory: &str) -> MemoryLayout {
    MemoryLayout::Linux {
        memory: memory.parse().unwrap(),
    }
}

/// Every layout and variant.
fn layouts() -> [MemoryLayout; 3] {
    [AKS, ACCEPT_ALL, linux("64 MiB")]
}

/// The policy of AKS guests.
fn policy() -> GuestPolicy {
    GuestPolicy::try_from(0x3_001f).unwrap()
}

/// What a guest sees: its memory by page, and the state its first processor starts from.
struct Launched {
    pages: BTreeMap<u64, PageBytes>,
    vmsa: SevVmsa,
}

impl Launched {
    fn new(memory: &GuestMemory<'_>) -> Self {
        let contents = |page: &Page<'_>| page.data.as_deref().copied().unwrap_or([0; 4096]);
        let vmsa = memory.pages().find(|page| page.kind == RegionKind::Vmsa);
        Self {
            pages: memory
                .pages()
                .map(|page| (page.gpa.get(), contents(&page)))
                .collect(),
            vmsa: SevVmsa::read_from_bytes(&contents(&vmsa.unwrap())).unwrap(),
        }
    }

    /// `size` bytes at `gpa`; all their pages must be present.
    fn bytes(&self, gpa: u64, size: u64) -> Vec<u8> {
        let byte = |at: u64| self.pages[&(at & !0xfff)][(at & 0xfff) as usize];
        (gpa..gpa + size).map(byte).collect()
    }

    fn u64_at(&self, gpa: u64) -> u64 {
        u64::from_le_bytes(self.bytes(gpa, 8).try_into().unwrap())
    }

    fn boot_params(&self) -> BootParams {
        BootParams::read_from_bytes(&self.bytes(self.vmsa.rsi, 4096)).unwrap()
    }
}
