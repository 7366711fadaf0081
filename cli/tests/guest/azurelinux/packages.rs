//! The stand-ins: what each package holds, requires, and would run.

/// A stand-in for a package of Azure Linux.
pub(super) struct StandIn {
    /// The name that it has there.
    pub(super) name: &'static str,
    /// What it requires, as lines of a spec have it.
    pub(super) requires: &'static str,
    /// What else it provides.
    pub(super) provides: &'static str,
    /// The Debian packages whose files it holds.
    pub(super) debian: &'static [&'static str],
    /// What is kept of them: the beginnings of paths. Everything, if there are none.
    pub(super) only: &'static [&'static str],
    /// Where one of their files goes instead, by the beginning of its path.
    pub(super) renamed: Option<(&'static str, &'static str)>,
    /// Files besides: `path`, `path -> target`, `path/` for a directory, or `path = line\nline`.
    pub(super) files: &'static [&'static str],
    /// Mode, user and group of a file, where they are not root's.
    pub(super) owned: Option<(&'static str, &'static str)>,
    /// Scriptlets: the section's name and options, then the text.
    pub(super) scriptlets: &'static [(&'static str, &'static str)],
}

const PLAIN: StandIn = StandIn {
    name: "",
    requires: "",
    provides: "",
    debian: &[],
    only: &[],
    renamed: None,
    files: &[],
    owned: None,
    scriptlets: &[],
};

const LDCONFIG: &[(&str, &str)] = &[
    ("post", "-p /sbin/ldconfig"),
    ("postun", "-p /sbin/ldconfig"),
];

/// A package of libraries.
const fn library(name: &'static str, debian: &'static [&'static str]) -> StandIn {
    StandIn {
        name,
        requires: "glibc",
        debian,
        scriptlets: LDCONFIG,
        ..PLAIN
    }
}

pub(super) const PACKAGES: &[StandIn] = &[
    StandIn {
        name: "filesystem",
        files: &[
            "/bin -> usr/bin",
            "/sbin -> usr/sbin",
            "/lib -> usr/lib",
            "/lib64 -> usr/lib",
            "/usr/lib64 -> lib",
            "/dev/",
            "/etc/opt/",
            "/home/",
            "/root/",
            "/run/lock/",
            "/tmp/",
            "/usr/bin/",
            "/usr/sbin/",
            "/usr/lib/debug/lib/",
            "/usr/lib/debug/bin/",
            "/usr/lib/debug/usr/",
            "/usr/share/doc/",
            "/usr/share/info/",
            "/usr/share/locale/",
            "/usr/share/man/man1/",
            "/usr/share/misc/",
            "/usr/share/terminfo/",
            "/usr/share/zoneinfo/",
            "/var/cache/",
            "/var/lib/misc/",
            "/var/log/lastlog = ",
            "/var/tmp/",
            "/var/run -> ../run",
            "/etc/passwd = root:x:0:0:root:/root:/bin/bash",
            "/etc/group = root:x:0:",
            "/etc/fstab = ",
        ],
        owned: Some(("/var/log/lastlog", "0664,root,utmp")),
        scriptlets: &[
            (
                "post",
                "-p <lua>\nposix.symlink(\"lib\", \"/usr/lib/debug/lib64\")\nreturn 0",
            ),
            (
                "pretrans",
                "-p <lua>\nposix.mkdir(\"/proc\")\nposix.mkdir(\"/sys\")\nreturn 0",
            ),
        ],
        ..PLAIN
    },
    StandIn {
        name: "glibc",
        requires: "filesystem",
        provides: "/sbin/ldconfig",
        debian: &["libc6", "libgcc-s1"],
        only: &["usr/lib"],
        scriptlets: LDCONFIG,
        ..PLAIN
    },
    StandIn {
        name: "bash",
        requires: "glibc",
        provides: "/bin/sh /bin/bash",
        files: &["/usr/bin/sh -> bash", "/etc/skel/.bash_logout = clear"],
        debian: &["busybox-static"],
        only: &["usr/bin/busybox"],
        renamed: Some(("usr/bin/busybox", "usr/bin/bash")),
        scriptlets: &[
            (
                "post",
                "if [ $1 -eq 1 ] ; then\n    if [ ! -f \"/root/.bash_logout\" ] ; then\n        \
                 cp /etc/skel/.bash_logout /root/.bash_logout\n    fi\n    \
                 echo \"/bin/sh\" >> /etc/shells\nfi",
            ),
            (
                "postun",
                "if [ $1 -eq 0 ] ; then\n    rm -f /etc/shells\nfi",
            ),
        ],
        ..PLAIN
    },
    StandIn {
        name: "shadow-utils",
        requires: "glibc pam",
        files: &["/etc/login.defs = PASS_MAX_DAYS 90"],
        scriptlets: &[(
            "post",
            "/usr/sbin/pwconv\n/usr/sbin/grpconv\nchmod 000 /etc/shadow",
        )],
        ..PLAIN
    },
    StandIn {
        name: "cracklib",
        requires: "glibc",
        files: &["/usr/share/cracklib/empty.pwd = "],
        scriptlets: &[
            (
                "post",
                "[ $1 = 1 ] || exit 0\nln -sf empty.pwd /usr/share/cracklib/pw_dict.pwd",
            ),
            (
                "triggerin -- cracklib-dicts",
                "[ $2 = 1 ] || exit 0\nln -sf words.pwd /usr/share/cracklib/pw_dict.pwd",
            ),
        ],
        ..PLAIN
    },
    StandIn {
        name: "systemd-libs",
        requires: "glibc libcap acl",
        debian: &["libsystemd0", "libudev1", "libsystemd-shared"],
        only: &["usr/lib"],
        scriptlets: LDCONFIG,
        ..PLAIN
    },
    StandIn {
        name: "systemd",
        requires: "systemd-libs = 1-1 dbus util-linux audit-libs cryptsetup-libs glib kmod-libs \
                   libgcrypt libseccomp libselinux lz4 openssl-libs pam zstd-libs xz-libs",
        debian: &["systemd", "systemd-sysv"],
        scriptlets: &[
            (
                "post",
                "systemd-machine-id-setup &>/dev/null || :\nsystemctl daemon-reexec &>/dev/null || {\n  \
                 if [ $1 -gt 1 ] && [ -d /run/systemd/system ] ; then\n    kill -TERM 1 || :\n  \
                 fi\n}\n[ $1 -eq 1 ] || exit 0\nsystemd-sysusers || :\n\
                 systemctl preset-all &>/dev/null || :",
            ),
            (
                "triggerun -- systemd < 0.5",
                "systemctl --no-reload preset systemd-oomd.service || :",
            ),
            (
                "transfiletriggerin -P 1000700 -- /usr/lib/sysusers.d",
                "systemd-sysusers || :",
            ),
            (
                "transfiletriggerpostun -P 9999 -- /usr/lib/systemd/user",
                "/usr/lib/systemd/systemd-update-helper user-restart || :",
            ),
            (
                "transfiletriggerin -P 1000600 -- /usr/lib/tmpfiles.d",
                "if test -d \"/run/systemd/system\"; then\n  systemd-tmpfiles --create || :\nfi",
            ),
        ],
        ..PLAIN
    },
    StandIn {
        name: "systemd-udev",
        requires: "systemd = 1-1",
        debian: &["udev"],
        scriptlets: &[
            (
                "post",
                "udevadm hwdb --update &>/dev/null\ngrep -q KEYMAP /etc/vconsole.conf || :",
            ),
            ("preun", "systemctl disable systemd-udevd.service || :"),
        ],
        ..PLAIN
    },
    StandIn {
        name: "dbus",
        requires: "filesystem expat xz",
        files: &[
            "/usr/lib/systemd/system/dbus.socket = [Socket]\\nListenStream=/run/dbus/socket",
            "/usr/lib/systemd/system/dbus.service = [Service]\\nExecStart=/usr/bin/bash",
        ],
        ..PLAIN
    },
    StandIn {
        name: "ca-certificates-shared",
        files: &[
            "/etc/pki/tls/certs/ca-bundle.crt -> ../../ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/pki/ca-trust/source/blocklist/",
            "/usr/share/pki/ca-trust-source/anchors/",
        ],
        ..PLAIN
    },
    StandIn {
        name: "ca-certificates",
        requires: "ca-certificates-shared = 1-1 (glibc or musl)",
        // Its bundle is in the repository's own table of files.
        scriptlets: &[
            ("post", "/usr/bin/update-ca-trust"),
            ("postun", "/usr/bin/update-ca-trust"),
        ],
        ..PLAIN
    },
    StandIn {
        name: "chrony",
        requires: "shadow-utils systemd",
        files: &[
            "/etc/chrony.conf = server time.example",
            "/etc/chrony.keys = ",
            "/usr/sbin/chronyd = ",
            "/usr/lib/systemd/system/chronyd.service = \
             [Service]\\nExecStart=/usr/sbin/chronyd $OPTIONS\\nReadWritePaths=/run /var/lib/chrony",
        ],
        owned: Some(("/etc/chrony.keys", "0640,root,chrony")),
        scriptlets: &[
            (
                "pre",
                "getent group chrony > /dev/null || /usr/sbin/groupadd -r chrony\n\
                 getent passwd chrony > /dev/null || /usr/sbin/useradd -r -g chrony \\\n       \
                 -s /sbin/nologin chrony\n:",
            ),
            (
                "post",
                "/usr/bin/systemctl daemon-reload\n\
                 if [ $1 -eq 1 ] && [ -x \"/usr/lib/systemd/systemd-update-helper\" ]; then\n    \
                 /usr/lib/systemd/systemd-update-helper install-system-units chronyd.service || :\n\
                 fi\nsystemctl start chronyd.service",
            ),
        ],
        ..PLAIN
    },
    StandIn {
        name: "irqbalance",
        requires: "systemd glib",
        files: &["/usr/sbin/irqbalance = "],
        scriptlets: &[(
            "post",
            "if [ $1 -eq 1 ] && [ -x \"/usr/lib/systemd/systemd-update-helper\" ]; then\n    \
             # Initial installation\n    \
             /usr/lib/systemd/systemd-update-helper install-system-units irqbalance.service || :\n\
             fi",
        )],
        ..PLAIN
    },
    StandIn {
        name: "iptables",
        requires: "glibc",
        debian: &["libip4tc2"],
        only: &["usr/lib"],
        files: &[
            "/usr/sbin/xtables-nft-multi = ",
            "/usr/sbin/iptables-nft -> xtables-nft-multi",
            "/usr/sbin/iptables-nft-save -> xtables-nft-multi",
            "/usr/sbin/iptables-nft-restore -> xtables-nft-multi",
            "/usr/sbin/ip6tables-nft -> xtables-nft-multi",
            "/usr/sbin/ip6tables-nft-save -> xtables-nft-multi",
            "/usr/sbin/ip6tables-nft-restore -> xtables-nft-multi",
            "/usr/sbin/ebtables-nft -> xtables-nft-multi",
            "/usr/sbin/ebtables-nft-save -> xtables-nft-multi",
            "/usr/sbin/ebtables-nft-restore -> xtables-nft-multi",
            "/usr/sbin/arptables-nft -> xtables-nft-multi",
            "/usr/sbin/arptables-nft-save -> xtables-nft-multi",
            "/usr/sbin/arptables-nft-restore -> xtables-nft-multi",
        ],
        scriptlets: &[(
            "post",
            "for target in iptables ip6tables; do\n  /usr/sbin/update-alternatives --install \
             /usr/sbin/${target} ${target} /usr/sbin/${target}-nft 30000 \\\n    \
             --slave /usr/sbin/${target}-save ${target}-save /usr/sbin/${target}-nft-save\ndone\n\
             /sbin/ldconfig",
        )],
        ..PLAIN
    },
    StandIn {
        name: "kernel-uvm",
        requires: "filesystem kmod",
        debian: &["linux-image-6.1.0-50-cloud-amd64"],
        only: &["boot/vmlinuz-"],
        renamed: Some(("boot/vmlinuz-", "usr/share/cloud-hypervisor/bzImage")),
        ..PLAIN
    },
    // What the stand-in for the kernel has in modules, for the guest that is booted.
    StandIn {
        name: "test-modules",
        debian: &["linux-image-6.1.0-50-cloud-amd64"],
        only: &[
            "usr/lib/modules/6.1.0-50-cloud-amd64/modules.builtin",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/arch/x86/crypto/crc32",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/crypto/",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/drivers/block/virtio",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/drivers/char/virtio",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/drivers/dax/",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/drivers/md/dm-",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/drivers/virtio/",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/fs/erofs/",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/fs/fscache/",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/fs/netfs/",
            "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/lib/",
        ],
        ..PLAIN
    },
    StandIn {
        name: "test-initrd",
        debian: &[
            "busybox-static",
            "dmsetup",
            "libdevmapper1.02.1",
            "libc6",
            "libudev1",
            "libselinux1",
            "libpcre2-8-0",
        ],
        only: &["usr/bin", "usr/sbin", "usr/lib"],
        ..PLAIN
    },
    StandIn {
        name: "kata-containers-cc-tools",
        // For machines that build guests; the repository has none of it.
        requires: "kata-packages-host clang >= 18",
        debian: &["qemu-guest-agent"],
        only: &["usr/sbin/qemu-ga"],
        renamed: Some((
            "usr/sbin/qemu-ga",
            "opt/confidential-containers/uvm/tools/osbuilder/node-builder/azure-linux/\
             agent-install/usr/bin/kata-agent",
        )),
        files: &[
            "/opt/confidential-containers/uvm/src/kata-opa/allow-all.rego = default a := true",
            "/opt/confidential-containers/uvm/src/kata-opa/allow-set-policy.rego = \
             default SetPolicyRequest := true",
            "/opt/confidential-containers/uvm/tools/osbuilder/Makefile = all:",
            "/opt/confidential-containers/uvm/tools/osbuilder/node-builder/azure-linux/\
             agent-install/usr/lib/systemd/system/kata-containers.target = \
             [Unit]\\nRequires=basic.target tmp.mount kata-agent.service\\n\
             Wants=chronyd.service\\nAfter=basic.target\\nAllowIsolate=yes",
            "/opt/confidential-containers/uvm/tools/osbuilder/node-builder/azure-linux/\
             agent-install/usr/lib/systemd/system/kata-agent.service = \
             [Unit]\\nWants=kata-containers.target\\nStartLimitIntervalSec=0\\n\
             [Service]\\nStandardOutput=tty\\nRestart=on-failure\\nRestartSec=200ms\\n\
             ExecStart=/usr/bin/kata-agent -t /run -m virtio-serial \
             -p /dev/virtio-ports/org.qemu.guest_agent.0",
        ],
        ..PLAIN
    },
    StandIn {
        name: "kata-packages-uvm",
        requires: "ca-certificates chrony cryptsetup dbus elfutils-libelf filesystem iptables \
                   irqbalance systemd tzdata zlib",
        ..PLAIN
    },
    StandIn {
        name: "kata-packages-uvm-coco",
        requires: "kata-packages-uvm = 1-1 cifs-utils device-mapper systemd-udev",
        ..PLAIN
    },
    StandIn {
        name: "util-linux",
        requires: "glibc util-linux-libs bash",
        debian: &["mount"],
        ..PLAIN
    },
    library("util-linux-libs", &["libmount1", "libblkid1"]),
    library("acl", &["libacl1"]),
    library("audit-libs", &["libaudit1", "libcap-ng0", "libapparmor1"]),
    library("cifs-utils", &[]),
    library("cryptsetup", &[]),
    library("cryptsetup-libs", &[]),
    library("device-mapper", &[]),
    library("elfutils-libelf", &[]),
    library("expat", &[]),
    library("glib", &["libglib2.0-0", "libnuma1", "liburing2"]),
    library("kmod-libs", &["libkmod2"]),
    library("libcap", &["libcap2", "libcrypt1"]),
    library("libgcrypt", &["libgcrypt20", "libgpg-error0"]),
    library("libseccomp", &["libseccomp2"]),
    library("libselinux", &["libselinux1", "libpcre2-8-0"]),
    library("lz4", &["liblz4-1"]),
    library("openssl-libs", &["libssl3"]),
    library("pam", &["libpam0g"]),
    library("xz", &[]),
    library("xz-libs", &["liblzma5"]),
    library("zlib", &[]),
    library("zstd-libs", &["libzstd1"]),
    StandIn {
        name: "tzdata",
        files: &["/usr/share/zoneinfo/UTC = UTC"],
        ..PLAIN
    },
];
