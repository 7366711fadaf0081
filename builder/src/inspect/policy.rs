//! The guest policy in words.

use serde::Serialize;

use super::text::Hex;

/// What the 64-bit POLICY of a launch demands and allows (SEV-SNP Firmware ABI, section "Guest
/// Policy").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The policy's bits.
    pub bits: Hex,
    /// The oldest firmware ABI that may run the guest, as `MAJOR.MINOR`; `0.0` is any.
    pub minimum_abi: String,
    /// Whether the host may have simultaneous multithreading on.
    pub smt: bool,
    /// Whether a migration agent may be associated with the guest.
    pub migration_agent: bool,
    /// Whether the host may read and write the guest's memory and state for debugging: such a
    /// guest keeps no secrets.
    pub debug: bool,
    /// Whether the guest must stay on one socket.
    pub single_socket: bool,
    /// Whether CXL devices and memory are allowed.
    pub cxl: bool,
    /// Whether memory must be encrypted with AES-256-XTS.
    pub aes_256_xts: bool,
    /// Whether running-average power limits must be off.
    pub rapl_disabled: bool,
    /// Whether the host must be kept from reading the ciphertext.
    pub ciphertext_hiding: bool,
    /// Whether page swapping commands are forbidden.
    pub page_swap_disabled: bool,
    /// Reserved bits that are set, and bit 17 if it is clear: the firmware refuses such a policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
}

impl Policy {
    const RESERVED_ONE: u32 = 17;
    const FIRST_RESERVED: u32 = 26;

    /// Decodes a policy; any bits can be decoded.
    pub fn new(bits: u64) -> Self {
        let bit = |number: u32| bits >> number & 1 != 0;
        let [minor, major, ..] = bits.to_le_bytes();
        let mut violations = Vec::new();
        if !bit(Self::RESERVED_ONE) {
            violations.push("bit 17 is clear, the firmware requires it set".to_owned());
        }
        let reserved = (Self::FIRST_RESERVED..u64::BITS).filter(|&number| bit(number));
        violations.extend(reserved.map(|number| format!("reserved bit {number} is set")));
        Self {
            bits: Hex(bits),
            minimum_abi: format!("{major}.{minor}"),
            smt: bit(16),
            migration_agent: bit(18),
            debug: bit(19),
            single_socket: bit(20),
            cxl: bit(21),
            aes_256_xts: bit(22),
            rapl_disabled: bit(23),
            ciphertext_hiding: bit(24),
            page_swap_disabled: bit(25),
            violations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_aks_guests_allows_multithreading_and_no_debugging() {
        let policy = Policy::new(0x3_001f);
        assert_eq!(policy.minimum_abi, "0.31");
        assert!(policy.smt && !policy.debug && !policy.migration_agent);
        assert!(policy.violations.is_empty());
        assert!(Policy::new(0xb_001f).debug);
    }

    #[test]
    fn what_the_firmware_refuses_is_named() {
        assert_eq!(
            Policy::new(1 << 63 | 1 << 26).violations,
            [
                "bit 17 is clear, the firmware requires it set",
                "reserved bit 26 is set",
                "reserved bit 63 is set",
            ]
        );
    }
}
