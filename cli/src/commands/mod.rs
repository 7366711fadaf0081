//! One file a command: what it does with its arguments.

pub(crate) mod assemble;
pub(crate) mod audit;
pub(crate) mod boot;
pub(crate) mod build;
pub(crate) mod diff;
pub(crate) mod idblock;
pub(crate) mod inspect;
pub(crate) mod lock;
pub(crate) mod manual;
pub(crate) mod measure;
pub(crate) mod pack;
pub(crate) mod sign;
pub(crate) mod verify;
pub(crate) mod verity;
