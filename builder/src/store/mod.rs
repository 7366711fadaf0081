//! Files by their SHA-256.
