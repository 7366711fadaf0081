//! The recipe azurelinux-3-aks on a repository of stand-ins: the names, the relations and the kinds
//! of scriptlets of Azure Linux's packages, with contents from the Debian packages of debian-12.

mod built;
mod edits;
mod packages;
mod repository;
mod tests;
