//! Boots the built artifacts in QEMU, under software emulation.
