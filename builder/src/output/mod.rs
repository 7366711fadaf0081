//! Output that appears whole or not at all.
