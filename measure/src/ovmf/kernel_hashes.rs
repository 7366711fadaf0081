//! The table of hashes by which firmware recognizes the kernel, initrd and command line that the
//! VMM hands it.
//!
//! The VMM writes it into memory that is measured, so the launch digest covers all three (QEMU,
//! `SevHashTable` in `target/i386/sev.c`; edk2, `OvmfPkg/AmdSev/BlobVerifierLibSevHashes`).

use std::io::{self, Read};

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::{Uuid, uuid};
use zerocopy::little_endian::U16;
use zerocopy::{Immutable, IntoBytes};

use super::OvmfError;
use crate::lanes::Page;
use crate::{Gpa, Sha256Digest};

const TABLE: Uuid = uuid!("9438d606-4f22-4cc9-b479-a793d411fd21");
const CMDLINE: Uuid = uuid!("97d02dd8-bd20-4c94-aa78-e7714d36ab2a");
const INITRD: Uuid = uuid!("44baf731-3a2f-4bd7-9af1-41e29169781d");
const KERNEL: Uuid = uuid!("4de79437-abd2-427f-b835-d5b172d2045b");

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    guid: [u8; 16],
    length: U16,
    sha256: [u8; 32],
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Table {
    guid: [u8; 16],
    /// Bytes without the padding.
    length: U16,
    cmdline: Entry,
    initrd: Entry,
    kernel: Entry,
    /// SEV launches memory in units of 16 bytes.
    padding: [u8; 8],
}

const ENTRY_SIZE: u16 = 50;
const TABLE_LENGTH: u16 = 168;
const TABLE_SIZE: usize = 176;

const _: () = assert!(size_of::<Entry>() == ENTRY_SIZE as usize);
const _: () = assert!(size_of::<Table>() == TABLE_SIZE);

/// SHA-256 of what a guest boots beside its firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KernelHashes {
    /// Of the kernel's file.
    pub kernel: Sha256Digest,
    /// Of the initrd's file; without an initrd, of nothing.
    pub initrd: Sha256Digest,
    /// Of the command line with a NUL at its end.
    pub cmdline: Sha256Digest,
}

impl KernelHashes {
    /// Hashes a kernel, an initrd (empty without one) and a command line (without NUL).
    ///
    /// # Errors
    /// A reader's.
    pub fn read(kernel: impl Read, initrd: impl Read, cmdline: &[u8]) -> io::Result<Self> {
        Ok(Self {
            kernel: sha256(kernel)?,
            initrd: sha256(initrd)?,
            cmdline: sha256(cmdline.chain(&[0][..]))?,
        })
    }

    /// The table as it lies in guest memory.
    pub(super) fn table(&self) -> [u8; TABLE_SIZE] {
        let entry = |guid: Uuid, digest: &Sha256Digest| Entry {
            guid: guid.to_bytes_le(),
            length: U16::new(ENTRY_SIZE),
            sha256: *digest.as_bytes(),
        };
        zerocopy::transmute!(Table {
            guid: TABLE.to_bytes_le(),
            length: U16::new(TABLE_LENGTH),
            cmdline: entry(CMDLINE, &self.cmdline),
            initrd: entry(INITRD, &self.initrd),
            kernel: entry(KERNEL, &self.kernel),
            padding: [0; 8],
        })
    }
}

fn sha256(mut data: impl Read) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match data.read(&mut buffer)? {
            0 => return Ok(Sha256Digest::new(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Where firmware looks for the table: within one page.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashTableArea {
    /// The page.
    pub(super) page_gpa: Gpa,
    /// Where in the page the table starts.
    offset: usize,
}

impl HashTableArea {
    /// The area of `size` bytes at `gpa`; OVMF that checks no kernels gives zeros.
    pub(super) fn new(gpa: u32, size: u32) -> Result<Self, OvmfError> {
        let offset = gpa as usize % size_of::<Page>();
        let fits = offset + TABLE_SIZE <= size_of::<Page>();
        if gpa == 0 || (size as usize) < TABLE_SIZE || !fits {
            return Err(OvmfError::HashTableArea {
                gpa,
                size,
                expected: TABLE_SIZE,
            });
        }
        Ok(Self {
            page_gpa: Gpa::new(u64::from(gpa) - offset as u64),
            offset,
        })
    }

    /// The page, holding the table of `hashes`.
    pub(super) fn page(self, hashes: &KernelHashes) -> Page {
        let mut page = [0; 4096];
        page[self.offset..][..TABLE_SIZE].copy_from_slice(&hashes.table());
        page
    }
}
