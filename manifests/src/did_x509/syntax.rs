//! Characters of a did:x509 value.

use super::field;
use crate::Problem;

/// The text that percent-encoded `value` stands for: letters, digits, `.`, `-` and `_` stand for
/// themselves, everything else is encoded (RFC 3986, section 2.1).
pub(super) fn decode(policy: &str, value: &str) -> Result<String, Problem> {
    let refused = |expected: &str| Problem::new(field(policy), expected, format!("{value:?}"));
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| {
                    let digit = char::from(digit?).to_digit(16)?;
                    u8::try_from(digit).ok()
                });
                let [Some(high), Some(low)] = digits else {
                    return Err(refused("two hexadecimal digits after each %"));
                };
                high << 4 | low
            }
            b'.' | b'-' | b'_' => byte,
            _ if byte.is_ascii_alphanumeric() => byte,
            _ => {
                return Err(refused(
                    "letters, digits, '.', '-', '_' and %XX for all else",
                ));
            }
        });
    }
    if decoded.is_empty() {
        return Err(refused("a value"));
    }
    String::from_utf8(decoded).map_err(|_| refused("UTF-8 behind the percent signs"))
}
