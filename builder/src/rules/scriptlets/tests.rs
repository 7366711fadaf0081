use super::*;
use crate::archive::testing::Factory;
use crate::package::rpm::open_file;
use crate::rules::scripts::check;

fn rules(toml: &str) -> Vec<ScriptletRule> {
    #[derive(serde::Deserialize)]
    struct Table {
        scriptlet: Vec<ScriptletRule>,
    }
    toml::from_str::<Table>(toml).unwrap().scriptlet
}

fn package(scripts: &[(&str, &str, &str)]) -> OpenedPackage {
    let own = |(kind, interpreter, text): &(&str, &str, &str)| MaintainerScript::Scriptlet {
        kind: (*kind).to_owned(),
        interpreter: (*interpreter).to_owned(),
        text: (*text).to_owned(),
    };
    OpenedPackage {
        name: "foo-libs".to_owned(),
        version: "1-2".to_owned(),
        architecture: "x86_64".to_owned(),
        scripts: scripts.iter().map(own).collect(),
        entries: Vec::new(),
        owners: Vec::new(),
        shares_equal_files: true,
    }
}

fn answer(toml: &str, scripts: &[(&str, &str, &str)]) -> Result<(), String> {
    let none = Default::default();
    let table = "kernel.maintainer-scripts";
    check(table, &none, &rules(toml), &[package(scripts)]).map_err(|error| error.to_string())
}

const LDCONFIG: &str = r#"
[[scriptlet]]
commands = ["/sbin/ldconfig", "ldconfig *"]
because = "Nothing reads ld.so.cache."
"#;

#[test]
fn each_command_needs_a_rule_for_its_package_and_kind() {
    let text = "if [ $1 -eq 1 ]; then\n  useradd -r foo || :\nfi\nldconfig -X\n";
    let scripts = [("post", "/bin/sh", text)];
    let narrow = |packages: &str, kinds: &str| {
        format!(
            "{LDCONFIG}[[scriptlet]]\npackages = [{packages:?}]\nkinds = [{kinds:?}]\n\
             commands = [\"[ $1 * ]\", \"useradd *\"]\nbecause = \"rootfs.user has it\"\n"
        )
    };
    assert_eq!(answer(&narrow("foo-*", "p?st"), &scripts), Ok(()));
    let expected = "rootfs.scriptlet: scriptlets never run here, and nothing stands in for these:\n\
        foo-libs 1-2: post by /bin/sh\n    if [ $1 -eq 1 ]; then\n      useradd -r foo || :\n    fi\n    \
        ldconfig -X\n  not covered:\n    [ $1 -eq 1 ]\n    useradd -r foo\n\
        read them; for each command that is not covered add [[rootfs.scriptlet]] with packages, \
        kinds, commands (globs, each may be left out) and because, or name the package in \
        kernel.maintainer-scripts";
    for toml in [narrow("foo", "post"), narrow("foo-*", "pre*")] {
        assert_eq!(answer(&toml, &scripts).unwrap_err(), expected);
    }
}

#[test]
fn a_program_without_text_is_its_own_command_and_other_texts_are_one() {
    assert_eq!(answer(LDCONFIG, &[("post", "/sbin/ldconfig", "")]), Ok(()));
    let lua = ("pretrans", "<lua>", "posix.mkdir('/proc')\nldconfig *\n");
    let error = answer(LDCONFIG, &[lua]).unwrap_err();
    assert!(
        error.contains(
            "not covered:\n    posix.mkdir('/proc')\n    ldconfig *\nread them; for each"
        ),
        "{error}"
    );
    let whole = "[[scriptlet]]\npackages = [\"foo-libs\"]\nkinds = [\"pretrans\"]\nbecause = \"x\"";
    assert_eq!(answer(whole, &[lua]), Ok(()));
    // An empty text does nothing.
    assert_eq!(answer(LDCONFIG, &[("post", "/bin/sh", "")]), Ok(()));
}

#[test]
fn a_long_text_is_cut_and_control_characters_do_not_reach_the_terminal() {
    let text = "echo \x1b[2J\n".repeat(MAX_SHOWN + 3);
    let error = answer(LDCONFIG, &[("post", "/bin/sh", &text)]).unwrap_err();
    assert!(!error.contains('\x1b'));
    let shown = "    echo \\u{1b}[2J\n    … and 3 more lines\n  not covered:";
    assert!(error.contains(shown), "{error}");
}

#[test]
fn rules_that_say_too_little_are_refused() {
    for (toml, message) in [
        (
            "because = \" \"",
            "because is empty; say why the guest does without",
        ),
        (
            "because = \"x\"\nkinds = []",
            "kinds is empty and matches nothing; leave it out to match all",
        ),
    ] {
        let toml = format!("{LDCONFIG}[[scriptlet]]\n{toml}");
        assert_eq!(
            answer(&toml, &[]).unwrap_err(),
            format!("rootfs.scriptlet: rule 2: {message}")
        );
    }
}

#[test]
fn stars_take_any_text() {
    for (glob, text, expected) in [
        ("*", "", true),
        ("a*", "a/b\nc", true),
        ("*b*b", "abbab", true),
        ("*b*b", "aba", false),
        ("[?]{x}", "[é]{x}", true),
        ("a?", "a", false),
        ("", "a", false),
    ] {
        assert_eq!(fits(glob, text), expected, "{glob} {text}");
    }
}

/// What rpmbuild makes of each form of scriptlet, and what is to be answered for in it.
#[test]
fn every_kind_that_rpm_knows_is_stopped_at() {
    let factory = Factory::shared();
    let file = factory.build(
        "scripted",
        "1-1",
        "Provides: /bin/sh",
        "mkdir -p %{buildroot}/usr/bin; : > %{buildroot}/usr/bin/x",
        "/usr/bin/x\n\
         %pretrans -p <lua>\nposix.mkdir('/a')\n\
         %pre\ngetent group g || groupadd g\n\
         %post -p /sbin/ldconfig\n\
         %preun\n: nothing; exit 0\n\
         %postun -p \"/bin/sh -e\"\nif [ $1 -eq 0 ]; then userdel u; fi\n\
         %posttrans\nexit 0\n\
         %verifyscript\ncheck-it\n\
         %triggerin -- bash\necho in\n\
         %triggerpostun -p <lua> -- bash\nprint('postun')\n\
         %filetriggerin -- /usr/lib\nldconfig -X\n\
         %transfiletriggerpostun -p <lua> -- /usr/share\nprint('files')\n",
        "w1.gzdio",
    );
    let opened = open_file(&file, &factory.locked(&file)).unwrap();
    let none = Default::default();
    let error = check("t", &none, &[], std::slice::from_ref(&opened)).unwrap_err();
    let report = error.to_string();
    let heads: Vec<_> = report
        .lines()
        .filter_map(|line| line.strip_prefix("scripted 1-1: "))
        .collect();
    assert_eq!(
        heads,
        [
            "pretrans by <lua>",
            "pre by /bin/sh",
            "post by /sbin/ldconfig",
            "preun by /bin/sh",
            "postun by /bin/sh -e",
            "verifyscript by /bin/sh",
            "triggerin on bash by /bin/sh",
            "triggerpostun on bash by <lua>",
            "filetriggerin on /usr/lib by /bin/sh",
            "transfiletriggerpostun on /usr/share by <lua>",
        ],
        "a posttrans that does nothing needs no answer"
    );
    let not_covered: Vec<_> = report
        .split("\n  not covered:\n    ")
        .skip(1)
        .map(|rest| rest.split("\nscripted").next().unwrap())
        .map(|rest| rest.split("\nread them").next().unwrap())
        .collect();
    assert_eq!(
        not_covered,
        [
            "posix.mkdir('/a')",
            "getent group g\n    groupadd g",
            "/sbin/ldconfig",
            ": nothing",
            "[ $1 -eq 0 ]\n    userdel u",
            "check-it",
            "echo in",
            "print('postun')",
            "ldconfig -X",
            "print('files')",
        ]
    );
    let whole = rules("[[scriptlet]]\npackages = [\"scripted\"]\nbecause = \"x\"");
    check("t", &none, &whole, &[opened]).unwrap();
}
