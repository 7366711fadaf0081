//! Input files as bytes in memory.

use std::io::{self, Read};
use std::path::Path;

use fs_err::File;
use mmap_guard::FileData;

/// The bytes of a file: mapped, not copied. What cannot be mapped, such as a pipe, is read.
///
/// If another program cuts a mapped file short meanwhile, the system ends this one (SIGBUS).
///
/// # Errors
/// The file cannot be read; the error names it.
pub(crate) fn bytes(path: &Path) -> io::Result<FileData> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_file()
        && let Ok(mapped) = mmap_guard::map_file(path)
    {
        return Ok(mapped);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(FileData::Loaded(bytes))
}
