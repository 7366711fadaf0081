//! The initrd: programs with their libraries, kernel modules in load order, an init script.
