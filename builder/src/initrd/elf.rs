//! What an ELF file says about other files: its interpreter, the libraries it needs, the
//! metadata of a kernel module (System V ABI, chapters 4 and 5).

use object::elf::{self, EM_X86_64, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection};

/// What the dynamic loader would be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linkage {
    /// The loader (`PT_INTERP`); none for static programs and for libraries.
    pub(super) interpreter: Option<Vec<u8>>,
    /// Libraries by name (`DT_NEEDED`), in order.
    pub(super) needed: Vec<Vec<u8>>,
    /// Where to look for them first (`DT_RUNPATH`, or `DT_RPATH` if there is none), parts
    /// separated by colons.
    pub(super) run_path: Vec<u8>,
}

/// Reads the program headers and the dynamic section of a 64-bit x86 program or library.
pub(super) fn linkage(bytes: &[u8]) -> Result<Linkage, String> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err("is not an ELF program".to_owned());
    }
    let text = |error: object::Error| format!("is a damaged ELF file: {error}");
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    if header.e_machine(endian) != EM_X86_64 {
        return Err("is not a program for x86-64".to_owned());
    }
    let segments = header.program_headers(endian, bytes).map_err(text)?;
    let mut linkage = Linkage::default();
    let mut dynamic = None;
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, bytes).map_err(text)? {
            linkage.interpreter = Some(path.to_vec());
        }
        if let Some(entries) = segment.dynamic(endian, bytes).map_err(text)? {
            dynamic = Some(entries);
        }
    }
    let Some(entries) = dynamic else {
        return Ok(linkage);
    };
    let value = |tag| {
        entries
            .iter()
            .take_while(|entry| entry.d_tag(endian) != elf::DT_NULL)
            .find(|entry| entry.d_tag(endian) == tag)
            .map(|entry| entry.d_val(endian))
    };
    let strings = match (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) {
        (Some(address), Some(size)) => segments
            .iter()
            .find_map(|segment| segment.data_range(endian, bytes, address, size).ok()?)
            .ok_or("has a string table outside of its segments")?,
        _ => return Err("has a dynamic section without a string table".to_owned()),
    };
    let string = |offset: u64| {
        let start = usize::try_from(offset).ok()?;
        let rest = strings.get(start..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        Some(rest[..end].to_vec())
    };
    let missing = "names a string outside of its string table";
    for entry in entries {
        match entry.d_tag(endian) {
            elf::DT_NULL => break,
            elf::DT_NEEDED => linkage
                .needed
                .push(string(entry.d_val(endian)).ok_or(missing)?),
            _ => {}
        }
    }
    if let Some(offset) = value(elf::DT_RUNPATH).or_else(|| value(elf::DT_RPATH)) {
        linkage.run_path = string(offset).ok_or(missing)?;
    }
    Ok(linkage)
}

/// The `KEY=VALUE` strings of a kernel module's `.modinfo` section.
pub(super) fn module_info(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = |error: object::Error| format!("is not a kernel module: {error}");
    let file = object::File::parse(bytes).map_err(text)?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or("is not a kernel module: it has no .modinfo section")?;
    Ok(section
        .data()
        .map_err(text)?
        .split(|&byte| byte == 0)
        .filter_map(|pair| {
            let (key, value) = str::from_utf8(pair).ok()?.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::made_up_elf;
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let found = linkage(&made_up_elf::linked("/lib/ld.so", &["a", "b"], "/x:/y")).unwrap();
        let expected = Linkage {
            interpreter: Some(b"/lib/ld.so".to_vec()),
            needed: vec![b"a".to_vec(), b"b".to_vec()],
            run_path: b"/x:/y".to_vec(),
        };
        assert_eq!(found, expected);
        let info = module_info(&made_up_elf::module(&["depends=a", "alias=b"])).unwrap();
        let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(info, [own("depends", "a"), own("alias", "b")]);
    }

    proptest::proptest! {
        #[test]
        fn no_damage_makes_the_readers_panic(at in 0_usize..400, byte: u8, length in 0_usize..400) {
            let program = made_up_elf::linked("/lib/ld.so", &["a", "b"], "/x:/y");
            let module = made_up_elf::module(&["depends=a", "alias=b"]);
            for mut file in [program, module] {
                let last = file.len() - 1;
                file[at.min(last)] = byte;
                let _ = linkage(&file);
                let _ = module_info(&file);
                file.truncate(length);
                let _ = linkage(&file);
                let _ = module_info(&file);
            }
        }
    }
}
