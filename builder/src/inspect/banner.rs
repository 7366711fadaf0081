//! The version banner inside a compressed kernel: the line that it starts its log with.

use std::io::{self, BufRead, Read};

use liblzma::stream::Stream;

use super::text::printable;

/// Every kernel's `linux_banner` starts like this, and a release number follows.
const START: &[u8] = b"Linux version ";
/// The longest banner that is looked for, in bytes.
const MAX_LENGTH: usize = 1024;
/// A kernel is smaller than this when unpacked, in bytes.
const UNPACKED_LIMIT: u64 = 512 << 20;
/// Decoders that need more memory are refused; kernels are made with dictionaries of at most
/// 128 MiB.
const DECODER_MEMORY: u64 = 192 << 20;

/// The banner of the kernel in `data`, which is plain or compressed with gzip, xz or zstd; `None`
/// if no banner is found before the data end or turn out to be damaged.
pub(super) fn find(mut data: impl BufRead) -> Option<String> {
    let mut start = Vec::new();
    data.by_ref().take(6).read_to_end(&mut start).ok()?;
    let data = start.chain(data);
    match &start[..] {
        [0x1f, 0x8b, ..] => search(flate2::bufread::GzDecoder::new(data)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            let stream = Stream::new_stream_decoder(DECODER_MEMORY, 0).ok()?;
            search(liblzma::bufread::XzDecoder::new_stream(data, stream))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => search(zstd::Decoder::with_buffer(data).ok()?),
        _ => search(data),
    }
}

/// Looks through `data` in pieces that overlap by the longest banner.
fn search(data: impl Read) -> Option<String> {
    let mut data = data.take(UNPACKED_LIMIT);
    let mut window = Vec::new();
    loop {
        // What came before damage is in the window all the same.
        let read = read_piece(&mut data, &mut window);
        let is_end = matches!(read, Ok(0));
        if let Some(banner) = in_window(&window, is_end) {
            return Some(printable(banner));
        }
        if is_end || read.is_err() {
            return None;
        }
        window.drain(..window.len().saturating_sub(MAX_LENGTH));
    }
}

fn read_piece(data: &mut impl Read, window: &mut Vec<u8>) -> io::Result<usize> {
    data.take(256 << 10).read_to_end(window)
}

/// The first banner that is complete in `window`, or cut off where the data end.
fn in_window(window: &[u8], is_last: bool) -> Option<&[u8]> {
    let mut rest = window;
    while let Some(at) = rest.iter().position(|&byte| byte == START[0]) {
        rest = &rest[at..];
        if rest.strip_prefix(START).is_some_and(starts_with_digit) {
            let banner = &rest[..rest.len().min(MAX_LENGTH)];
            match banner.iter().position(|&byte| byte == b'\n' || byte == 0) {
                Some(end) => return Some(&banner[..end]),
                None if is_last || banner.len() == MAX_LENGTH => return Some(banner),
                None => return None,
            }
        }
        rest = &rest[1..];
    }
    None
}

fn starts_with_digit(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
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
    fn a_banner_is_found_in_every_compression() {
        let plain = kernel();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&plain).unwrap();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        let packed = [plain, gzip.finish().unwrap(), xz.finish().unwrap(), zstd];
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
    }
}
