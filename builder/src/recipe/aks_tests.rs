//! The recipe of AKS's guest against what AKS has.

use std::path::Path;

use super::*;

/// The kernel command line in use, its two tabs included, up to what tells the variants apart.
const COMMON: &str = "dm-mod.create=\"dm-verity,,,ro,0 {data_sectors} verity 1 /dev/vda1 /dev/vda2 \
                      4096 4096 {data_blocks} 0 sha256 {root_hash} {salt}\" \troot=/dev/dm-0 \
                      rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4 panic=1 \
                      no_timer_check noreplace-smp systemd.unit=kata-containers.target \
                      systemd.mask=systemd-networkd.service \tsystemd.mask=systemd-networkd.socket \
                      agent.enable_signature_verification=false";
const PRODUCTION: &str = " quiet";
const DEBUG: &str = " console=hvc0 systemd.log_target=console agent.log=debug agent.debug_console \
                     agent.debug_console_vport=1026";

fn recipe() -> Recipe {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Recipe::read(&workspace.join("recipes/azurelinux-3-aks")).unwrap()
}

#[test]
fn the_command_lines_are_those_in_use_but_for_the_file_system() {
    let recipe = recipe();
    let erofs = COMMON
        .replace("rootflags=data=ordered,errors=remount-ro ", "")
        .replace("rootfstype=ext4", "rootfstype=erofs");
    let lines = &recipe.command_line;
    assert_eq!(lines.production, format!("{erofs}{PRODUCTION}"));
    assert_eq!(lines.debug, format!("{erofs}{DEBUG}"));
    assert!(recipe.initrd.is_none());
}

#[test]
fn the_lines_for_an_ext4_image_are_those_in_use() {
    let filled = COMMON
        .replace("{data_sectors}", "DATA_SECTORS")
        .replace("{data_blocks}", "DATA_BLOCKS")
        .replace("{root_hash}", "ROOT_HASH")
        .replace("{salt}", "SALT");
    for (name, end) in [("ext4", PRODUCTION), ("ext4-debug", DEBUG)] {
        let file = recipe().folder.join(format!("files/command-line-{name}"));
        assert_eq!(
            fs_err::read_to_string(file).unwrap(),
            format!("{filled}{end}")
        );
    }
}
