//! The version banner inside a compressed kernel: the line that it starts its log with.

use std::io::{self, BufRead, Read};

use super::KernelCompression;
use crate::inspect::text::printable;

/// Every kernel's `linux_banner` starts like this, and a release number follows.
const START: &[u8] = b"Linux version ";
/// The longest banner that is looked for, in bytes.
const MAX_LENGTH: usize = 1024;
/// A kernel is smaller than this when unpacked, in bytes.
const UNPACKED_LIMIT: u64 = 512 << 20;

/// The banner of the kernel in `data`, which is plain or compressed; `None` if no banner is found
/// before the data end, turn out to be damaged, or are compressed in a way that is not
/// understood.
pub(in crate::inspect) fn find(mut data: impl BufRead) -> Option<String> {
    let mut start = Vec::new();
    let magic_size = KernelCompression::MAGIC_SIZE as u64;
    data.by_ref()
        .take(magic_size)
        .read_to_end(&mut start)
        .ok()?;
    let data = start.chain(data);
    match KernelCompression::of_magic(&start) {
        Some(compression) => search(compression.decoder(data).ok()??),
        None => search(data),
    }
}

/// Looks through `data` in pieces that overlap by the longest banner.
fn search(data: impl Read) -> Option<String> {
    let mut data = data.take(UNPACKED_LIMIT);
    let mut window = Vec::new();
    let mut unnumbered = None;
    loop {
        // What came before damage is in the window all the same.
        let read = read_piece(&mut data, &mut window);
        if let Some(banner) = banners(&window).find(|banner| has_build_number(banner)) {
            return Some(printable(banner));
        }
        unnumbered = unnumbered.or_else(|| banners(&window).next().map(printable));
        if !matches!(read, Ok(1..)) {
            return unnumbered;
        }
        window.drain(..window.len().saturating_sub(MAX_LENGTH));
    }
}

fn read_piece(data: &mut impl Read, window: &mut Vec<u8>) -> io::Result<usize> {
    data.take(256 << 10).read_to_end(window)
}

/// The banners in `window`, without the newline or NUL that they end with.
fn banners(window: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = (0..window.len()).filter(|&at| window[at] == START[0]);
    starts.filter_map(|at| {
        let text = &window[at..];
        let release = text.strip_prefix(START)?;
        release.first().filter(|byte| byte.is_ascii_digit())?;
        let mut longest = text.iter().take(MAX_LENGTH);
        let end = longest.position(|&byte| byte == b'\n' || byte == 0)?;
        Some(&text[..end])
    })
}

/// Whether a banner says which build it is. A kernel is linked before its build has a number, and
/// the banner of that time can stay in it as a weak symbol.
fn has_build_number(banner: &[u8]) -> bool {
    banner
        .array_windows()
        .any(|[mark, number]| *mark == b'#' && number.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const BANNER: &str = "Linux version 6.1.0-56-cloud-amd64 (builder@host) (gcc 12.2.0) #1 SMP";

    /// Something like a kernel: other text, and the banner across the end of a piece.
    fn kernel() -> Vec<u8> {
        let mut kernel = b"Linux version %s".to_vec();
        kernel.resize((256 << 10) - 10, b'L');
        kernel.extend(format!("{BANNER}\n\0%s version %s").bytes());
        kernel
    }

    #[test]
    fn the_banner_with_a_build_number_is_preferred() {
        let weak = BANNER.replace("#1", "#");
        let both = format!("{weak}\n\0{BANNER}\n\0");
        assert_eq!(find(both.as_bytes()).as_deref(), Some(BANNER));
        assert_eq!(find(format!("{weak}\n").as_bytes()), Some(weak));
    }

    #[test]
    fn a_banner_is_found_in_every_compression() {
        let plain = kernel();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&plain).unwrap();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        let mut lz4 = vec![0x02, 0x21, 0x4c, 0x18];
        let block = lz4_flex::block::compress(&plain);
        lz4.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
        lz4.extend(block);
        let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
        let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
        let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        lzma.write_all(&plain).unwrap();
        let (gzip, xz, lzma) = (gzip.finish(), xz.finish(), lzma.finish());
        let packed = [plain, gzip.unwrap(), xz.unwrap(), lzma.unwrap(), lz4, zstd];
        for mut packed in packed {
            // Linux appends the unpacked size.
            packed.extend(0x10_0000_u32.to_le_bytes());
            assert_eq!(find(&packed[..]).as_deref(), Some(BANNER));
        }
    }

    #[test]
    fn no_banner_or_damaged_data_is_no_banner() {
        assert_eq!(find(&b"Linux version %s"[..]), None);
        assert_eq!(find(&b""[..]), None);
        let packed = zstd::encode_all(&kernel()[..], 1).unwrap();
        assert_eq!(find(&packed[..packed.len() / 2]), None);
        let readable_in_lzo = [&b"\x89LZO"[..], BANNER.as_bytes()].concat();
        assert_eq!(find(&readable_in_lzo[..]), None);
    }
}
