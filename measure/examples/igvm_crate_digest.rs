//! Prints the launch digest that the igvm crate computes for a file: the peer that
//! `benches/side-by-side measure` times as a whole process.

use std::error::Error;

use igvm::{IgvmFile, IgvmSerializer};
use igvm_defs::IgvmPlatformType;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("give an IGVM file")?;
    let file = IgvmFile::new_from_binary(&std::fs::read(path)?, None)?;
    let measured = IgvmSerializer::new(&file)?;
    let digest = &measured
        .measurement_for(IgvmPlatformType::SEV_SNP)
        .ok_or("the file is not for SEV-SNP")?
        .digest;
    println!("{}", hex::encode(digest));
    Ok(())
}
