//! File capabilities, from their text (cap_from_text(3)) to the extended attribute
//! `security.capability` (revision 2 of `struct vfs_cap_data`, linux/capability.h).

/// By number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
const ALL: u64 = (1 << NAMES.len()) - 1;
const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// The value of `security.capability` for a text such as `cap_net_admin,cap_net_raw=ep`; `None`
/// if the text is not one, or if a file cannot have just these effective.
pub(super) fn attribute(text: &str) -> Option<Vec<u8>> {
    let (mut effective, mut inheritable, mut permitted) = (0_u64, 0_u64, 0_u64);
    for clause in text.split_whitespace() {
        let end = clause.find(['=', '+', '-'])?;
        let (names, mut actions) = clause.split_at(end);
        let bits = match names {
            "" | "all" => ALL,
            names => names.split(',').try_fold(0, |bits, name| {
                let name = name.to_ascii_lowercase();
                let name = name.strip_prefix("cap_")?;
                let number = NAMES.iter().position(|known| *known == name)?;
                Some(bits | 1 << number)
            })?,
        };
        while let Some(operator) = actions.chars().next() {
            let rest = &actions[1..];
            let (flags, next) = rest.split_at(rest.find(['=', '+', '-']).unwrap_or(rest.len()));
            if operator == '=' {
                for set in [&mut effective, &mut inheritable, &mut permitted] {
                    *set &= !bits;
                }
            }
            for flag in flags.chars() {
                let set = match flag {
                    'e' => &mut effective,
                    'i' => &mut inheritable,
                    'p' => &mut permitted,
                    _ => return None,
                };
                match operator {
                    '-' => *set &= !bits,
                    _ => *set |= bits,
                }
            }
            actions = next;
        }
    }
    // A file has one bit for all that is effective.
    let magic = match effective {
        0 => REVISION_2,
        all if all == permitted | inheritable => REVISION_2 | EFFECTIVE,
        _ => return None,
    };
    let half = |set: u64, shift: u32| (set >> shift & u64::from(u32::MAX)).to_le_bytes();
    let mut value = magic.to_le_bytes().to_vec();
    for (set, shift) in [
        (permitted, 0),
        (inheritable, 0),
        (permitted, 32),
        (inheritable, 32),
    ] {
        value.extend_from_slice(&half(set, shift)[..4]);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those that setcap of libcap 2.66 writes.
    #[test]
    fn capabilities_become_what_setcap_writes() {
        for (text, value) in [
            ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
            (
                "cap_net_admin,cap_net_raw=p",
                "0000000200300000000000000000000000000000",
            ),
            (
                "cap_checkpoint_restore,cap_sys_admin=eip",
                "0100000200002000000020000001000000010000",
            ),
            ("=ep", "01000002ffffffff00000000ff01000000000000"),
            ("= cap_chown+ep", "0100000201000000000000000000000000000000"),
            (
                "all=p cap_kill-p",
                "00000002dfffffff00000000ff01000000000000",
            ),
            ("cap_setuid=i", "0000000200000000800000000000000000000000"),
        ] {
            assert_eq!(
                attribute(text).map(hex::encode).as_deref(),
                Some(value),
                "{text}"
            );
        }
        for text in [
            "cap_nothing=p",
            "net_raw=p",
            "cap_kill",
            "cap_kill=x",
            "cap_kill,cap_chown=p cap_kill+e",
        ] {
            assert_eq!(attribute(text), None, "{text}");
        }
    }
}
