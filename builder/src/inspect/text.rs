//! Bytes and numbers of untrusted files as text that is safe to print.

use std::fmt::{self, Write};

use serde::{Serialize, Serializer};

/// `bytes` as text that leads back to them and that no terminal obeys: a backslash, control
/// characters, characters that change the direction of text, and bytes that are not UTF-8 become
/// `\xNN`, one for each byte.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                text.push(character);
            } else {
                escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn is_plain(character: char) -> bool {
    let turns_text = matches!(
        character,
        '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character != '\\' && !character.is_control() && !turns_text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// A number whose bits matter: `0x` and hexadecimal digits, in JSON too, where numbers lose
/// precision past 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex(
    /// The number.
    pub u64,
);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_and_all_else_is_escaped_byte_by_byte() {
        assert_eq!(printable("café /bin".as_bytes()), "café /bin");
        assert_eq!(printable(b"a\tb\x1b[31m\n"), r"a\x09b\x1b[31m\x0a");
        assert_eq!(printable(b"\xff\\x41"), r"\xff\x5cx41");
        assert_eq!(
            printable("\u{202e}\u{85}".as_bytes()),
            r"\xe2\x80\xae\xc2\x85"
        );
    }
}
