//! What an image says about itself, besides its tree.

use std::str::FromStr;

use uuid::Uuid;

/// A name that does not fit into a superblock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("volume name {name:?} must have at most {} bytes and no NUL, found {}", VolumeName::MAX, name.len())]
pub struct VolumeNameError {
    name: String,
}

/// The name of a volume: at most [`VolumeName::MAX`] bytes of UTF-8 without NUL. Empty unless
/// given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VolumeName([u8; 16]);

impl VolumeName {
    /// The most bytes of a name. The superblock has 16, and Linux wants the last one to be NUL.
    pub const MAX: usize = 15;

    /// The name, with NUL bytes up to the field's 16.
    pub(super) fn field(self) -> [u8; 16] {
        self.0
    }
}

impl FromStr for VolumeName {
    type Err = VolumeNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name.len() > Self::MAX || name.contains('\0') {
            return Err(VolumeNameError { name: name.into() });
        }
        let mut field = [0; 16];
        field[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(field))
    }
}

/// What an image says about itself, besides its tree.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The volume's UUID.
    pub uuid: Uuid,
    /// The time of the image and of each file in it: seconds since 1970-01-01T00:00:00Z.
    pub timestamp: u64,
    /// The volume's name.
    pub volume_name: VolumeName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_name_leaves_room_for_its_nul() {
        let name: VolumeName = "kata-containers".parse().unwrap();
        assert_eq!(&name.field(), b"kata-containers\0");
        assert_eq!(
            "kata-containers!"
                .parse::<VolumeName>()
                .unwrap_err()
                .to_string(),
            "volume name \"kata-containers!\" must have at most 15 bytes and no NUL, found 16"
        );
        assert!("a\0b".parse::<VolumeName>().is_err());
    }
}
