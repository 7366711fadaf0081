//! The members of an initrd, by name.
//!
//! Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. Contents are hashed
//! as they stream by and not kept.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use guestmark_builder::inspect::printable;
use guestmark_builder::tree::TreePath;
use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};

use crate::diff::explanation::{FieldChange, Status};

/// The most bytes that an initrd may unpack to: a guest of 2 GiB could not hold more.
const UNPACKED_LIMIT: u64 = 2 << 30;
/// The most bytes in a name with its NUL: `PATH_MAX`.
const NAME_LIMIT: u32 = 4096;
const TRAILER: &[u8] = b"TRAILER!!!";

/// A member that differs.
#[derive(Debug)]
pub(in crate::diff) struct MemberChange {
    /// Its path; `None` for what has no place in a tree.
    pub(in crate::diff) path: Option<TreePath>,
    /// Its name as it prints.
    pub(in crate::diff) name: String,
    pub(in crate::diff) status: Status,
    pub(in crate::diff) details: Vec<FieldChange>,
}

/// An entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: u32,
    size: u32,
    device: (u32, u32),
    content: Sha256Digest,
}

/// Entries by name, and the names in their order.
type Members = (BTreeMap<Vec<u8>, Member>, Vec<Vec<u8>>);

/// The members that differ, sorted by name; or what else does, or why nothing can be said.
pub(in crate::diff) fn compare(
    old: &[u8],
    new: &[u8],
) -> Result<(Vec<MemberChange>, Option<&'static str>), String> {
    let members = |side: &str, bytes| {
        read(bytes).map_err(|error| format!("the {side} initrd cannot be read: {error}"))
    };
    let (old_members, old_order) = members("old", old)?;
    let (new_members, new_order) = members("new", new)?;
    let mut changes = Vec::new();
    for (name, member) in &old_members {
        match new_members.get(name) {
            None => changes.push(change(name, Status::Removed, Vec::new())),
            Some(other) if other != member => {
                changes.push(change(name, Status::Changed, differences(member, other)));
            }
            Some(_) => {}
        }
    }
    let added = new_members
        .keys()
        .filter(|name| !old_members.contains_key(*name));
    changes.extend(added.map(|name| change(name, Status::Added, Vec::new())));
    changes.sort_by(|one, two| one.name.cmp(&two.name));
    let other = (changes.is_empty() && old != new).then(|| match old_order == new_order {
        true => "the compressed form: the members are the same",
        false => "the order of its members, which are the same",
    });
    Ok((changes, other))
}

fn change(name: &[u8], status: Status, details: Vec<FieldChange>) -> MemberChange {
    MemberChange {
        path: TreePath::parse(name).ok(),
        name: printable(name),
        status,
        details,
    }
}

fn differences(old: &Member, new: &Member) -> Vec<FieldChange> {
    let mut details = Vec::new();
    if (old.content, old.size) != (new.content, new.size) {
        details.push(FieldChange::new(
            "content",
            format_args!("{} bytes, sha256 {}", old.size, old.content),
            format_args!("{} bytes, sha256 {}", new.size, new.content),
        ));
    }
    let octal = |mode| format!("{mode:06o}");
    for (name, one, two) in [
        ("mode", octal(old.mode), octal(new.mode)),
        (
            "owner",
            format!("{}:{}", old.uid, old.gid),
            format!("{}:{}", new.uid, new.gid),
        ),
        ("mtime", old.mtime.to_string(), new.mtime.to_string()),
        (
            "device",
            format!("{}:{}", old.device.0, old.device.1),
            format!("{}:{}", new.device.0, new.device.1),
        ),
    ] {
        if one != two {
            details.push(FieldChange::new(name, one, two));
        }
    }
    details
}

/// Reads all parts of an initrd.
fn read(bytes: &[u8]) -> io::Result<Members> {
    let mut members = Members::default();
    let mut rest = bytes;
    let mut left = UNPACKED_LIMIT;
    loop {
        skip_zeros(&mut rest)?;
        let unpacked = match rest {
            [] => return Ok(members),
            [b'0', ..] => archive(&mut Limited::new(&mut rest, left), &mut members)?,
            [0x1f, 0x8b, ..] => {
                let decoder = flate2::bufread::GzDecoder::new(&mut rest);
                archives(decoder, left, &mut members)?
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder = zstd::Decoder::with_buffer(&mut rest)?.single_frame();
                archives(decoder, left, &mut members)?
            }
            [first, ..] => {
                let offset = bytes.len() - rest.len();
                let what = format!("byte {first:#04x} at {offset:#x} starts no cpio, gzip or zstd");
                return Err(io::Error::other(what));
            }
        };
        left = left.saturating_sub(unpacked);
    }
}

/// The archives of a compressed part; gives the bytes it unpacks to.
fn archives(decoder: impl Read, limit: u64, members: &mut Members) -> io::Result<u64> {
    let mut input = BufReader::with_capacity(256 << 10, decoder);
    let mut unpacked = 0;
    loop {
        skip_zeros(&mut input)?;
        if input.fill_buf()?.is_empty() {
            return Ok(unpacked);
        }
        unpacked += archive(&mut Limited::new(&mut input, limit - unpacked), members)?;
    }
}

fn skip_zeros(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let chunk = input.fill_buf()?;
        let zeros = chunk.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == chunk.len();
        let end = chunk.is_empty();
        input.consume(zeros);
        if !all || end {
            return Ok(());
        }
    }
}

/// A stream that counts what is read, and ends with an error past its limit.
struct Limited<R> {
    inner: R,
    read: u64,
    limit: u64,
}

impl<R: Read> Limited<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            read: 0,
            limit,
        }
    }

    /// Hands `length` bytes on to `take`.
    fn each(&mut self, length: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.read += length;
        if self.read > self.limit {
            return Err(io::Error::other("it unpacks to more than 2 GiB"));
        }
        let mut buffer = [0; 16 << 10];
        let mut left = length;
        while left > 0 {
            let wanted = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            self.inner.read_exact(&mut buffer[..wanted])?;
            take(&buffer[..wanted]);
            left -= wanted as u64;
        }
        Ok(())
    }

    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.each(length, |part| bytes.extend_from_slice(part))?;
        Ok(bytes)
    }

    /// Skips to the next multiple of 4 bytes.
    fn align(&mut self) -> io::Result<()> {
        self.each(self.read.next_multiple_of(4) - self.read, |_| ())
    }
}

/// Reads one archive up to its trailer; gives the bytes it takes.
fn archive(input: &mut Limited<impl Read>, members: &mut Members) -> io::Result<u64> {
    loop {
        let header = input.bytes(110)?;
        if !matches!(&header[..6], b"070701" | b"070702") {
            return Err(io::Error::other(
                "a header without the magic number of cpio",
            ));
        }
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(header[6..].chunks_exact(8)) {
            let digits = std::str::from_utf8(digits).map_err(io::Error::other)?;
            *field = u32::from_str_radix(digits, 16).map_err(io::Error::other)?;
        }
        let [
            _,
            mode,
            uid,
            gid,
            _,
            mtime,
            size,
            _,
            _,
            major,
            minor,
            name_size,
            _,
        ] = fields;
        if !(1..=NAME_LIMIT).contains(&name_size) {
            return Err(io::Error::other(format!("a name of {name_size} bytes")));
        }
        let mut name = input.bytes(name_size.into())?;
        name.pop();
        input.align()?;
        let mut hash = Sha256::new();
        input.each(size.into(), |part| hash.update(part))?;
        input.align()?;
        if name == TRAILER {
            return Ok(input.read);
        }
        members.1.push(name.clone());
        let member = Member {
            mode,
            uid,
            gid,
            mtime,
            size,
            device: (major, minor),
            content: Sha256Digest::new(hash.finalize().into()),
        };
        members.0.insert(name, member);
    }
}

impl MemberChange {
    /// The member in one line.
    pub(in crate::diff) fn summary(&self) -> FieldChange {
        let words = |side: fn(&FieldChange) -> &Option<String>| {
            let details = self.details.iter();
            let words = details
                .filter_map(|detail| Some(format!("{} {}", detail.name, side(detail).as_deref()?)));
            words.collect::<Vec<_>>().join(", ")
        };
        let (old, new) = match self.status {
            Status::Added => (None, Some("added".to_owned())),
            Status::Removed => (Some("removed".to_owned()), None),
            _ => (
                Some(words(|detail| &detail.old)),
                Some(words(|detail| &detail.new)),
            ),
        };
        FieldChange::of(self.name.clone(), old, new)
    }
}
