//! Who a guest says it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// Text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits (16 bytes), found {0:?}")]
pub struct ParseIdError(String);

/// A 16-byte identifier of an ID block (SEV-SNP Firmware ABI, table IDBLOCK).
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Id16([u8; 16]);

impl Id16 {
    /// The identifier's bytes in the order of the ID block.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Id16 {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Id16 {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Id16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Id16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id16 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the guest's owner demands of the platform: the 64-bit POLICY of a launch (SEV-SNP
/// Firmware ABI, section "Guest Policy"). Bit 17 is reserved and must be 1; bit 19 allows the
/// host to debug the guest.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct GuestPolicy(u64);

impl GuestPolicy {
    const RESERVED_ONE: u64 = 1 << 17;
    const DEBUG: u64 = 1 << 19;

    /// The policy's 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the host may decrypt the guest's memory for debugging.
    pub const fn allows_debug(self) -> bool {
        self.0 & Self::DEBUG != 0
    }
}

impl TryFrom<u64> for GuestPolicy {
    type Error = String;

    fn try_from(bits: u64) -> Result<Self, Self::Error> {
        if bits & Self::RESERVED_ONE == 0 {
            return Err(format!(
                "policy {bits:#x} has bit 17 clear; the firmware requires it set"
            ));
        }
        Ok(Self(bits))
    }
}

impl From<GuestPolicy> for u64 {
    fn from(policy: GuestPolicy) -> Self {
        policy.0
    }
}

impl fmt::Debug for GuestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Who the guest says it is. The identifiers, both SVNs and the policy reach the ID block or the
/// endorsement; salts, GUIDs and UUIDs are derived from the identifiers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Identity {
    /// FAMILY_ID of the ID block.
    pub family_id: Id16,
    /// IMAGE_ID of the ID block.
    pub image_id: Id16,
    /// GUEST_SVN of the ID block.
    pub guest_svn: u32,
    /// The SVN of the published endorsement, which is another number.
    pub uvm_svn: u64,
    /// The policy the guest is launched with.
    pub policy: GuestPolicy,
}
