use super::*;
use crate::archive::testing;

struct Machine {
    folder: tempfile::TempDir,
    settings: MirrorSettings,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("apt/sources.list.d")).unwrap();
        let settings = MirrorSettings {
            environment: BTreeMap::new(),
            configuration: Some(folder.path().join("config.toml")),
            apt: Some(folder.path().join("apt")),
        };
        Self { folder, settings }
    }

    fn write(&self, path: &str, text: &str) {
        fs_err::write(self.folder.path().join(path), text).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn find(&self, given: &[NamedMirror]) -> Result<Mirrors, MirrorError> {
        Mirrors::find(&testing::recipe(Path::new(""), &[]), given, &self.settings)
    }

    fn mirror(&self, given: &[NamedMirror]) -> Result<Mirror, MirrorError> {
        self.find(given)?.get("debian").cloned()
    }
}

#[test]
fn argument_environment_configuration_and_apt_sources_are_asked_in_this_order() {
    let mut machine = Machine::new();
    let given: NamedMirror = "debian=http://given.example/debian".parse().unwrap();
    let variable = "GUESTMARK_MIRROR_DEBIAN".to_owned();
    machine.settings.environment.insert(
        variable.clone(),
        "http://environment.example/debian".to_owned(),
    );
    machine.write(
        "config.toml",
        "[mirrors]\ndebian = \"http://configuration.example/debian\"\n",
    );
    machine.write(
        "apt/sources.list",
        "deb http://apt.example/debian bookworm main\n",
    );
    let check = |machine: &Machine, given: &[NamedMirror], host: &str, source: MirrorSource| {
        let mirror = machine.mirror(given).unwrap();
        assert_eq!(
            mirror.url.to_string(),
            format!("http://{host}.example/debian")
        );
        assert_eq!(mirror.source, source);
    };
    check(&machine, &[given], "given", MirrorSource::Argument);
    check(
        &machine,
        &[],
        "environment",
        MirrorSource::Environment(variable),
    );
    machine.settings.environment.clear();
    let configuration = MirrorSource::Configuration(machine.path("config.toml"));
    check(&machine, &[], "configuration", configuration);
    machine.write("config.toml", "");
    let apt = MirrorSource::Apt(machine.path("apt/sources.list"));
    check(&machine, &[], "apt", apt);
}

#[test]
fn the_mirror_of_the_recipe_is_the_last_one_asked() {
    let machine = Machine::new();
    let mut recipe = testing::recipe(Path::new(""), &[]);
    let archive = recipe.archives.get_mut("debian").unwrap();
    archive.mirror = Some("https://recipe.example/debian".to_owned());
    let find = || {
        let mirrors = Mirrors::find(&recipe, &[], &machine.settings).unwrap();
        mirrors.get("debian").unwrap().source.clone()
    };
    assert_eq!(find(), MirrorSource::Recipe);
    machine.write(
        "apt/sources.list",
        "deb http://apt.example/debian bookworm main\n",
    );
    assert_eq!(find(), MirrorSource::Apt(machine.path("apt/sources.list")));
}

#[test]
fn without_any_the_four_ways_are_told() {
    let machine = Machine::new();
    assert_eq!(
        machine.mirror(&[]).unwrap_err().to_string(),
        format!(
            "no mirror is known for archive \"debian\" (suite bookworm); \
             give one in one of four ways:\n  \
             --mirror debian=URL\n  \
             the environment variable GUESTMARK_MIRROR_DEBIAN=URL\n  \
             debian = \"URL\" under [mirrors] in {}\n  \
             on Debian-like systems, the suite bookworm of a Debian archive in the apt sources",
            machine.path("config.toml").display()
        )
    );
}

#[test]
fn apt_sources_match_by_archive_suite_and_component() {
    let machine = Machine::new();
    machine.write(
        "apt/sources.list",
        "# deb http://commented.example/debian bookworm main\n\
         deb-src http://sources.example/debian bookworm main\n\
         deb http://vendor.example/repository bookworm main\n\
         deb http://suite.example/debian trixie main\n\
         deb http://component.example/debian bookworm contrib\n\
         deb cdrom:[Debian]/ bookworm main\n",
    );
    assert!(machine.mirror(&[]).is_err());
    machine.write(
        "apt/sources.list.d/b.list",
        "deb [ arch=amd64 signed-by=/k ] https://b.example/debian/ bookworm contrib main # why\n",
    );
    machine.write(
        "apt/sources.list.d/a.sources",
        "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n\
         Enabled: no\n\n\
         # ours\nTypes: deb deb-src\n# commented\nURIs: mirror+file:/m https://a.example/debian\n\
         Suites: bookworm bookworm-updates\nComponents:\n contrib\n main\n",
    );
    let mirror = machine.mirror(&[]).unwrap();
    assert_eq!(mirror.url.to_string(), "https://a.example/debian");
    assert_eq!(
        mirror.source,
        MirrorSource::Apt(machine.path("apt/sources.list.d/a.sources"))
    );
    fs_err::remove_file(machine.path("apt/sources.list.d/a.sources")).unwrap();
    let mirror = machine.mirror(&[]).unwrap();
    assert_eq!(mirror.url.to_string(), "https://b.example/debian");
}

#[test]
fn what_names_a_mirror_wrongly_is_an_error() {
    let mut machine = Machine::new();
    let given = |text: &str| text.parse::<NamedMirror>().unwrap();
    assert_eq!(
        machine
            .mirror(&[given("fedora=http://f.example")])
            .unwrap_err()
            .to_string(),
        "--mirror fedora=...: the recipe has no archive \"fedora\"; it has: debian"
    );
    let twice = [
        given("debian=http://a.example"),
        given("debian=http://b.example"),
    ];
    assert_eq!(
        machine.mirror(&twice).unwrap_err().to_string(),
        "--mirror debian=... is given twice; give one"
    );
    assert_eq!(
        "http://a.example/debian"
            .parse::<NamedMirror>()
            .unwrap_err()
            .to_string(),
        "\"http://a.example/debian\": expected NAME=URL, for example debian=https://HOST/debian"
    );
    machine.write("config.toml", "[mirror]\n");
    let error = machine.mirror(&[]).unwrap_err().to_string();
    assert!(error.contains("unknown field `mirror`"), "{error}");
    machine.settings.environment.insert(
        "GUESTMARK_MIRROR_DEBIAN".to_owned(),
        "mirror.example".to_owned(),
    );
    assert_eq!(
        machine.mirror(&[]).unwrap_err().to_string(),
        "GUESTMARK_MIRROR_DEBIAN: \"mirror.example\" is not a mirror's address: \
         expected http://, https:// or file:///"
    );
}
