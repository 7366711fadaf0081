//! `guestmark`: arguments in, tables, progress and exit codes out.

fn main() {}
