//! Where the platform has its devices.

use std::ops::RangeInclusive;

use crate::recipe::Platform;

/// Widths of a physical address that leave room for the devices and that x86 has.
const ADDRESS_BITS: RangeInclusive<u8> = 36..=52;
/// APIC id 255 addresses all processors.
const MOST_VCPUS: u8 = 254;

/// A platform that cannot be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// The address width is out of range.
    #[error(
        "platform.physical-address-bits is {0}; x86 hosts have {least} to {most} bits",
        least = ADDRESS_BITS.start(), most = ADDRESS_BITS.end()
    )]
    AddressBits(u8),
    /// There are no PCI segments, or more than the address space has windows for.
    #[error(
        "platform.pci-segments is {segments}; {bits} physical address bits have room for 1 to \
         {most}"
    )]
    Segments {
        /// The number asked for.
        segments: u8,
        /// The address width.
        bits: u8,
        /// The most that fit.
        most: u64,
    },
    /// There are no processors, or more than have an APIC id of their own.
    #[error("platform.vcpus is {0}; the tables have room for 1 to {MOST_VCPUS}")]
    Vcpus(u8),
}

/// Where the platform has the devices whose place depends on the host's address width.
#[derive(Debug, Clone, Copy)]
pub(super) struct AddressMap {
    /// The byte in which the hypervisor says what happened.
    pub(super) event_status: u64,
    /// The CPU hot-plug controller.
    pub(super) cpu_hot_plug: u64,
    /// The PCI hot-plug controller.
    pub(super) pci_hot_plug: u64,
    /// The first PCI segment's window above 4 GiB.
    pub(super) first_window: u64,
}

impl AddressMap {
    /// The size of every PCI segment's window above 4 GiB.
    pub(super) const WINDOW_SIZE: u64 = 4 << 30;

    /// The map of `platform`: controllers just below the top of the physical address space, and
    /// PCI windows from an eighth of it on. With 43 bits that is where AKS guests have them.
    pub(super) fn of(platform: &Platform) -> Result<Self, PlatformError> {
        let bits = platform.physical_address_bits;
        if !ADDRESS_BITS.contains(&bits) {
            return Err(PlatformError::AddressBits(bits));
        }
        let top = 1_u64 << bits;
        let map = Self {
            event_status: top - 0x1_3000,
            cpu_hot_plug: top - 0x1_2000,
            pci_hot_plug: top - 0x1_1000,
            first_window: top >> 3,
        };
        let segments = platform.pci_segments;
        let most = (map.event_status - map.first_window) / Self::WINDOW_SIZE;
        if segments == 0 || u64::from(segments) > most {
            return Err(PlatformError::Segments {
                segments,
                bits,
                most: most.min(u64::from(u8::MAX)),
            });
        }
        match platform.vcpus {
            1..=MOST_VCPUS => Ok(map),
            vcpus => Err(PlatformError::Vcpus(vcpus)),
        }
    }

    /// The first and last byte of a PCI segment's window above 4 GiB.
    pub(super) fn window(&self, segment: u8) -> (u64, u64) {
        let start = self.first_window + u64::from(segment) * Self::WINDOW_SIZE;
        (start, start + Self::WINDOW_SIZE - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aks_guest_has_its_devices_where_aks_has_them() {
        let map = AddressMap::of(&Platform::default()).unwrap();
        assert_eq!(map.event_status, 0x7ff_fffe_d000);
        assert_eq!(map.cpu_hot_plug, 0x7ff_fffe_e000);
        assert_eq!(map.pci_hot_plug, 0x7ff_fffe_f000);
        assert_eq!(map.window(0), (0x100_0000_0000, 0x100_ffff_ffff));
        assert_eq!(map.window(1), (0x101_0000_0000, 0x101_ffff_ffff));
    }

    #[test]
    fn platforms_that_cannot_be_are_refused() {
        let refused = |change: fn(&mut Platform)| {
            let mut platform = Platform::default();
            change(&mut platform);
            AddressMap::of(&platform).unwrap_err().to_string()
        };
        assert_eq!(
            refused(|platform| platform.physical_address_bits = 32),
            "platform.physical-address-bits is 32; x86 hosts have 36 to 52 bits"
        );
        assert_eq!(
            refused(|platform| {
                platform.physical_address_bits = 36;
                platform.pci_segments = 14;
            }),
            "platform.pci-segments is 14; 36 physical address bits have room for 1 to 13"
        );
        assert_eq!(
            refused(|platform| platform.pci_segments = 0),
            "platform.pci-segments is 0; 43 physical address bits have room for 1 to 255"
        );
        assert_eq!(
            refused(|platform| platform.vcpus = 0),
            "platform.vcpus is 0; the tables have room for 1 to 254"
        );
    }
}
