//! Brings locked files into the store.
