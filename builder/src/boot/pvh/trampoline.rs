//! The page of code that takes a CPU from the PVH entry to the state of the save area.
//!
//! Encodings: AMD64 Architecture Programmer's Manual, volume 3. Interrupts stay off, and TR and
//! LDTR stay empty: a descriptor of a busy TSS, as the save area has one, cannot be loaded, and a
//! kernel loads its own before it uses either.

use guestmark_measure::Gpa;
use guestmark_measure::lanes::Page;
use igvm::snp_defs::{SevSelector, SevVmsa};

use super::PvhError;

/// MSR numbers and bits: AMD64 Architecture Programmer's Manual, volume 2, appendix A, and
/// section "System-Control Registers".
const MSR_PAT: u32 = 0x277;
const MSR_EFER: u32 = 0xc000_0080;
const CR0_PROTECTED: u64 = 1 << 0;
const CR0_PAGING: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_FIVE_LEVELS: u64 = 1 << 12;
const EFER_LONG_MODE: u64 = 1 << 8;
/// Set by the CPU itself when paging starts.
const EFER_LONG_MODE_ACTIVE: u64 = 1 << 10;
/// SEV-SNP demands it of guests; a CPU under emulation need not have it.
const EFER_SVM: u64 = 1 << 12;

/// Where things lie in the page: code from 0, the stack below `STACK_TOP`, then data.
const STACK_TOP: u16 = 0x7f0;
const OWN_GDT: u16 = 0x800;
const OWN_GDTR: u16 = 0x820;
const GUEST_GDTR: u16 = 0x830;
const GUEST_IDTR: u16 = 0x840;
/// Bytes of stack that the code needs at most: CS and RIP.
const STACK_SIZE: u16 = 16;

/// The selector of 64-bit code in the page's own GDT, and its descriptor: ring 0, long mode.
const CODE64: u16 = 0x10;
const CODE64_DESCRIPTOR: u64 = 0x00af_9b00_0000_ffff;

/// The page of code to be placed at `start`; `root` is the first page table.
pub(super) fn page(start: Gpa, vmsa: &SevVmsa, root: Gpa) -> Result<Box<Page>, PvhError> {
    expect_long_mode(vmsa)?;
    let base = low_32("the start code", start.get())?;
    let mut code = Code::new(base);

    // 32-bit code, paging off.
    code.emit(&[0xfa]); // cli
    // QEMU's firmware leaves a timer ticking through the 8259 interrupt controllers. A kernel whose
    // ACPI tables have none has no driver to silence them, and takes a tick for a CPU exception.
    code.emit(&[0xb0, 0xff]); // mov al, all interrupts masked
    code.emit(&[0xe6, 0x21, 0xe6, 0xa1]); // out 0x21, al; out 0xa1, al
    let own_gdtr = code.address(OWN_GDTR);
    code.emit(&[0x0f, 0x01, 0x15]).u32(own_gdtr); // lgdt [own]
    code.mov_eax(low_32("CR4", vmsa.cr4)?)
        .emit(&[0x0f, 0x22, 0xe0]); // mov cr4, eax
    code.mov_eax(low_32("CR3", root.get())?)
        .emit(&[0x0f, 0x22, 0xd8]); // mov cr3, eax
    code.write_msr(MSR_PAT, vmsa.pat);
    code.write_msr(MSR_EFER, vmsa.efer & !(EFER_LONG_MODE_ACTIVE | EFER_SVM));
    code.mov_eax(low_32("CR0", vmsa.cr0)?)
        .emit(&[0x0f, 0x22, 0xc0]); // mov cr0, eax
    let next = code.address(code.size() + 7);
    code.emit(&[0xea]).u32(next).u16(CODE64); // jmp far CODE64:next

    // 64-bit code.
    code.mov(RAX, code.address(GUEST_GDTR).into())
        .emit(&[0x0f, 0x01, 0x10]); // lgdt [rax]
    code.mov(RAX, code.address(GUEST_IDTR).into())
        .emit(&[0x0f, 0x01, 0x18]); // lidt [rax]
    for (segment, register) in [
        (vmsa.es, 0xc0),
        (vmsa.ss, 0xd0),
        (vmsa.ds, 0xd8),
        (vmsa.fs, 0xe0),
        (vmsa.gs, 0xe8),
    ] {
        code.mov(RAX, segment.selector.into())
            .emit(&[0x8e, register]); // mov segment, ax
    }
    code.mov(RSP, code.address(STACK_TOP).into());
    code.mov(RAX, vmsa.cs.selector.into()).emit(&[0x50]); // push rax
    let next = code.address(code.size() + MOV_SIZE + 3);
    code.mov(RAX, next.into()).emit(&[0x50, 0x48, 0xcb]); // push rax; far return
    code.mov(RAX, vmsa.rflags).emit(&[0x50, 0x9d]); // push rax; popfq
    for (register, value) in general_registers(vmsa) {
        code.mov(register, value);
    }
    code.emit(&[0xff, 0x25]).u32(0).u64(vmsa.rip); // jmp [the 8 bytes that follow]
    assert!(
        code.size() <= STACK_TOP - STACK_SIZE,
        "code stays below the stack"
    );

    let mut page = Box::new([0; size_of::<Page>()]);
    let mut put = |at: u16, bytes: &[u8]| page[at.into()..][..bytes.len()].copy_from_slice(bytes);
    put(0, &code.bytes);
    put(OWN_GDT + CODE64, &CODE64_DESCRIPTOR.to_le_bytes());
    put(
        OWN_GDTR,
        &table_register(CODE64 + 7, code.address(OWN_GDT).into()),
    );
    put(GUEST_GDTR, &table_of(vmsa.gdtr)?);
    put(GUEST_IDTR, &table_of(vmsa.idtr)?);
    Ok(page)
}

fn expect_long_mode(vmsa: &SevVmsa) -> Result<(), PvhError> {
    let checks = [
        (
            "CR0",
            vmsa.cr0,
            CR0_PROTECTED | CR0_PAGING,
            "must have paging on",
        ),
        ("CR4", vmsa.cr4, CR4_PAE, "must have PAE on"),
        ("EFER", vmsa.efer, EFER_LONG_MODE, "must have long mode on"),
    ];
    for (register, value, needed, expected) in checks {
        if value & needed != needed {
            return Err(PvhError::Unsupported {
                register,
                value,
                expected,
            });
        }
    }
    if vmsa.cr4 & CR4_FIVE_LEVELS != 0 {
        return Err(PvhError::Unsupported {
            register: "CR4",
            value: vmsa.cr4,
            expected: "must not have five-level paging on",
        });
    }
    Ok(())
}

fn low_32(register: &'static str, value: u64) -> Result<u32, PvhError> {
    u32::try_from(value).map_err(|_| PvhError::Unsupported {
        register,
        value,
        expected: "must be below 4 GiB",
    })
}

/// GDTR or IDTR as `lgdt` and `lidt` read it.
fn table_register(limit: u16, base: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&limit.to_le_bytes());
    bytes[2..].copy_from_slice(&base.to_le_bytes());
    bytes
}

fn table_of(register: SevSelector) -> Result<[u8; 10], PvhError> {
    let limit = u16::try_from(register.limit).map_err(|_| PvhError::Unsupported {
        register: "limit of GDTR or IDTR",
        value: register.limit.into(),
        expected: "must be below 64 KiB",
    })?;
    Ok(table_register(limit, register.base))
}

/// The number of a general register in an instruction.
type Register = u8;
const RAX: Register = 0;
const RSP: Register = 4;

/// Every general register with its value.
fn general_registers(vmsa: &SevVmsa) -> [(Register, u64); 16] {
    [
        (0, vmsa.rax),
        (1, vmsa.rcx),
        (2, vmsa.rdx),
        (3, vmsa.rbx),
        (4, vmsa.rsp),
        (5, vmsa.rbp),
        (6, vmsa.rsi),
        (7, vmsa.rdi),
        (8, vmsa.r8),
        (9, vmsa.r9),
        (10, vmsa.r10),
        (11, vmsa.r11),
        (12, vmsa.r12),
        (13, vmsa.r13),
        (14, vmsa.r14),
        (15, vmsa.r15),
    ]
}

/// Bytes of a [`Code::mov`].
const MOV_SIZE: u16 = 10;

/// Machine code as it grows.
struct Code {
    base: u32,
    bytes: Vec<u8>,
}

impl Code {
    const fn new(base: u32) -> Self {
        Self {
            base,
            bytes: Vec::new(),
        }
    }

    /// Its bytes so far. Far below the limit: the code does not depend on input.
    fn size(&self) -> u16 {
        u16::try_from(self.bytes.len()).unwrap_or(u16::MAX)
    }

    /// The address of an offset in the page.
    fn address(&self, offset: u16) -> u32 {
        self.base + u32::from(offset)
    }

    fn emit(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.emit(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.emit(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.emit(&value.to_le_bytes())
    }

    /// In 32-bit code: loads EAX.
    fn mov_eax(&mut self, value: u32) -> &mut Self {
        self.emit(&[0xb8]).u32(value)
    }

    /// In 32-bit code: writes a model-specific register.
    fn write_msr(&mut self, msr: u32, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.emit(&[0xb9]).u32(msr); // mov ecx
        self.emit(&[0xb8, a, b, c, d]); // mov eax
        self.emit(&[0xba, e, f, g, h]); // mov edx
        self.emit(&[0x0f, 0x30]); // wrmsr
    }

    /// In 64-bit code: loads a general register.
    fn mov(&mut self, register: Register, value: u64) -> &mut Self {
        self.emit(&[0x48 | register >> 3, 0xb8 | register & 7])
            .u64(value)
    }
}
