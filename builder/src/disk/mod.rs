//! The disk image: a GPT with the root file system and its hash tree.
