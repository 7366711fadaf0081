//! The EROFS image: written in process, the same bytes for the same tree.
