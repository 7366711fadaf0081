//! Extended header records (POSIX.1-2017, pax, "pax Extended Header").

use std::collections::BTreeMap;

/// What extended records say about the next entry, in place of its header's fields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Records {
    /// Reads records of the form `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record, so
    /// that values may hold any byte. Times and names of users are not kept.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, String> {
        let mut records = Self::default();
        while !bytes.is_empty() {
            let (key, value, rest) =
                split_record(bytes).ok_or("an extended header record is malformed")?;
            records.set(key, value)?;
            bytes = rest;
        }
        Ok(records)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link_path = Some(value.to_vec()),
            b"size" => self.size = Some(number(key, value)?),
            b"uid" => self.uid = Some(number(key, value)?),
            b"gid" => self.gid = Some(number(key, value)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.insert(name.to_vec(), value.to_vec());
                } else if key.starts_with(b"GNU.sparse.") {
                    return Err(super::SPARSE.to_owned());
                } else if key.starts_with(b"SCHILY.acl.") || key.starts_with(b"RHT.security.") {
                    let key = String::from_utf8_lossy(key);
                    return Err(format!(
                        "has a {key} record, which only extended attributes can carry; \
                         pack it with --xattrs and without --acls and --selinux"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let length: usize = str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let pair = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], rest))
}

fn number(key: &[u8], value: &[u8]) -> Result<u64, String> {
    str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            format!(
                "its {} record {:?} is not a number",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            )
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One record with its length, which counts its own digits.
    pub(in super::super) fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let digits = (1..).find(|&digits| (rest + digits).to_string().len() == digits);
        let mut record = format!("{} {key}=", rest + digits.unwrap()).into_bytes();
        record.extend_from_slice(value);
        record.push(b'\n');
        record
    }

    #[test]
    fn values_may_hold_newlines_and_equals_signs() {
        let bytes = [
            record("path", b"a\nb=c"),
            record("SCHILY.xattr.user.x", b"=\n\0\n"),
            record("uid", b"70000"),
            record("mtime", b"1234.5"),
        ];
        let records = Records::parse(&bytes.concat()).unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a\nb=c"[..]));
        assert_eq!(records.xattrs[&b"user.x"[..]], b"=\n\0\n");
        assert_eq!(records.uid, Some(70_000));
        assert_eq!(records.gid, None);
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for bytes in [
            &b"99 path=a\n"[..],
            b"5 path=a\n",
            b"0 \n",
            b"path=a\n",
            b"10 path=ab",
        ] {
            assert_eq!(
                Records::parse(bytes).unwrap_err(),
                "an extended header record is malformed"
            );
        }
        assert_eq!(
            Records::parse(&record("uid", b"root")).unwrap_err(),
            "its uid record \"root\" is not a number"
        );
    }

    #[test]
    fn what_a_tree_cannot_hold_is_refused_rather_than_lost() {
        assert_eq!(
            Records::parse(&record("GNU.sparse.major", b"1")).unwrap_err(),
            "is sparse; pack it without --sparse"
        );
        assert_eq!(
            Records::parse(&record("SCHILY.acl.access", b"user::rw-")).unwrap_err(),
            "has a SCHILY.acl.access record, which only extended attributes can carry; \
             pack it with --xattrs and without --acls and --selinux"
        );
    }
}
