//! The `[Install]` section of a unit file (systemd.syntax(7), systemd.unit(5)).

/// What `systemctl enable` would do with a unit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Install {
    /// Units and the suffix of the directory that links to this unit: `wants`, `requires` or
    /// `upholds`.
    pub(super) wanted: Vec<(&'static str, String)>,
    /// Other names.
    pub(super) aliases: Vec<String>,
    /// Units to enable as well.
    pub(super) also: Vec<String>,
    /// The instance that a template without one stands for.
    pub(super) default_instance: Option<String>,
}

impl Install {
    /// Reads a unit file's text. Other sections and keys do not matter here.
    pub(super) fn parse(text: &str) -> Self {
        let mut install = Self::default();
        let mut section = "";
        for line in logical_lines(text) {
            let line = line.trim();
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                section = match name {
                    "Install" => "Install",
                    _ => "",
                };
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            if section == "Install" {
                install.set(key.trim_end(), value.trim_start());
            }
        }
        install
    }

    /// Whether enabling the unit would do nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.aliases.is_empty() && self.also.is_empty()
    }

    fn set(&mut self, key: &str, value: &str) {
        // These lists add up over lines, and an empty value does not reset them.
        let words = || value.split_ascii_whitespace().map(str::to_owned);
        let mut wanted = |suffix| {
            self.wanted.extend(words().map(|unit| (suffix, unit)));
        };
        match key {
            "WantedBy" => wanted("wants"),
            "RequiredBy" => wanted("requires"),
            "UpheldBy" => wanted("upholds"),
            "Alias" => self.aliases.extend(words()),
            "Also" => self.also.extend(words()),
            "DefaultInstance" => self.default_instance = words().next(),
            _ => {}
        }
    }
}

/// Lines without comments, with lines joined where a backslash ends one.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut joined = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(start) => {
                joined.push_str(start);
                joined.push(' ');
            }
            None => {
                joined.push_str(line);
                lines.push(std::mem::take(&mut joined));
            }
        }
    }
    lines.push(joined);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_install_section_counts_and_lists_add_up() {
        let install = Install::parse(
            "[Unit]\nAlias=not.this\n[Install]\n# WantedBy=nor.this\nWantedBy=a.target \\\n; nor \
             this\n  b.target\nWantedBy = c.target\nRequiredBy=d.target\nAlias=e.service\n\
             Also=f.socket g.socket\nDefaultInstance=tty1\n[X-Other]\nAlso=no",
        );
        let wanted: Vec<_> = install
            .wanted
            .iter()
            .map(|(suffix, unit)| format!("{unit}.{suffix}"))
            .collect();
        assert_eq!(
            wanted,
            [
                "a.target.wants",
                "b.target.wants",
                "c.target.wants",
                "d.target.requires"
            ]
        );
        assert_eq!(install.aliases, ["e.service"]);
        assert_eq!(install.also, ["f.socket", "g.socket"]);
        assert_eq!(install.default_instance.as_deref(), Some("tty1"));
    }

    #[test]
    fn a_unit_without_the_section_installs_nothing() {
        assert!(Install::parse("[Service]\nExecStart=/bin/true\n").is_empty());
    }
}
