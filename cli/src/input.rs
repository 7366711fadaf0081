//! Input files as bytes in memory.

use std::io;
use std::path::Path;

use mmap_guard::FileData;

/// The bytes of a file: mapped, not copied. What cannot be mapped, such as a pipe, is read.
///
/// If another program cuts a mapped file short meanwhile, the system ends this one (SIGBUS).
///
/// # Errors
/// The file cannot be read; the error names it.
pub(crate) fn bytes(path: &Path) -> io::Result<FileData> {
    // Opening a pipe takes what a writer has put in it: only a regular file may be tried twice.
    if fs_err::metadata(path)?.is_file()
        && let Ok(mapped) = mmap_guard::map_file(path)
    {
        return Ok(mapped);
    }
    fs_err::read(path).map(FileData::Loaded)
}
