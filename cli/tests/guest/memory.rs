//! How much memory a build takes.

use crate::artifacts::artifacts;
use crate::program::{command, folder, offline_build, run};

/// Runs its arguments and prints the peak resident size in KiB. A process of its own: Linux counts
/// what a process had before it became another program, and this one is small.
const PEAK_OF: &str = "\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

#[test]
fn a_build_takes_less_than_512_mib() {
    let folder = folder();
    let build = offline_build(&artifacts().store, &folder.path().join("guest"));
    let mut measured = command(&["python3", "-c", PEAK_OF]);
    let peak = run(measured.args(&build), "python3");
    let kib: u64 = peak.trim_end().parse().unwrap();
    assert!(kib < 512 << 10, "{kib} KiB");
}
