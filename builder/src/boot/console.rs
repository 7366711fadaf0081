//! What a guest writes to its console.

/// The most that is kept, in bytes.
const LOG_LIMIT: usize = 16 << 20;

/// The most of one line that is looked at, in bytes.
const LINE_LIMIT: usize = 4096;

/// A console log, and what lines of it say about the guest's fate.
#[derive(Debug, Default)]
pub(super) struct Console {
    log: Vec<u8>,
    line: Vec<u8>,
    panic: Option<String>,
    corruption: Option<String>,
}

impl Console {
    /// Takes more output.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let room = LOG_LIMIT - self.log.len();
        self.log.extend_from_slice(&bytes[..bytes.len().min(room)]);
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.end_line();
            } else if self.line.len() < LINE_LIMIT {
                self.line.push(*byte);
            }
        }
    }

    /// No more output follows: what there is of the last line counts.
    pub(super) fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim();
        // Linux, kernel/panic.c and drivers/md/dm-verity-target.c.
        if line.contains("Kernel panic - not syncing") {
            self.panic.get_or_insert_with(|| line.to_owned());
        } else if line.contains("verity") && line.contains("is corrupted") {
            self.corruption.get_or_insert_with(|| line.to_owned());
        }
        self.line.clear();
    }

    /// The first line that reports a kernel panic.
    pub(super) fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    /// The first line that reports a block that does not match the hash tree.
    pub(super) fn corruption(&self) -> Option<&str> {
        self.corruption.as_deref()
    }

    /// All output, up to the limit.
    pub(super) fn into_log(self) -> Vec<u8> {
        self.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
        [    1.2] device-mapper: verity: 254:1: data block 7 is corrupted\r\n\
        [    1.3] Kernel panic - not syncing: dm-verity device corrupted\r\n";

    #[test]
    fn messages_are_found_however_the_output_is_cut() {
        for size in [1, 7, OUTPUT.len()] {
            let mut console = Console::default();
            for piece in OUTPUT.as_bytes().chunks(size) {
                console.feed(piece);
            }
            let corruption = "[    1.2] device-mapper: verity: 254:1: data block 7 is corrupted";
            let panic = "[    1.3] Kernel panic - not syncing: dm-verity device corrupted";
            assert_eq!(console.corruption(), Some(corruption));
            assert_eq!(console.panic(), Some(panic));
            assert_eq!(console.into_log(), OUTPUT.as_bytes());
        }
    }

    #[test]
    fn a_panic_is_reported_with_its_whole_line_or_when_output_ends() {
        let mut console = Console::default();
        console.feed(b"Kernel panic - not syncing: VFS");
        assert_eq!(console.panic(), None);
        console.end_line();
        assert_eq!(console.panic(), Some("Kernel panic - not syncing: VFS"));
    }

    #[test]
    fn a_guest_that_never_stops_writing_takes_bounded_memory() {
        let mut console = Console::default();
        for _ in 0..20 {
            console.feed(&vec![b'x'; 1 << 20]);
        }
        assert_eq!(console.line.len(), LINE_LIMIT);
        assert_eq!(console.into_log().len(), LOG_LIMIT);
    }
}
