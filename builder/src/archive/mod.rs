//! Package archives: signed indexes, dependencies, mirrors.
