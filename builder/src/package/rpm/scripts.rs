//! Scriptlets and triggers of an RPM package. None runs; all are listed.

use super::header::{Header, HeaderError};
use crate::package::MaintainerScript;

/// Kind, the tag of the text, the tag of the interpreter.
const SCRIPTLETS: [(&str, u32, u32); 9] = [
    ("pretrans", 1151, 1153),
    ("pre", 1023, 1085),
    ("post", 1024, 1086),
    ("preun", 1025, 1087),
    ("postun", 1026, 1088),
    ("posttrans", 1152, 1154),
    ("preuntrans", 5103, 5105),
    ("postuntrans", 5104, 5106),
    ("verifyscript", 1079, 1091),
];

/// Kind, the tags of texts, interpreters, names, the names' scripts, the names' flags.
const TRIGGERS: [(&str, [u32; 5]); 3] = [
    ("trigger", [1065, 1092, 1066, 1069, 1068]),
    ("filetrigger", [5066, 5067, 5069, 5070, 5072]),
    ("transfiletrigger", [5076, 5077, 5079, 5080, 5082]),
];

/// When a trigger runs, by the bit of its flags.
const MOMENTS: [(u64, &str); 4] = [
    (1 << 25, "prein"),
    (1 << 16, "in"),
    (1 << 17, "un"),
    (1 << 18, "postun"),
];

/// All that rpm would run.
pub(super) fn list(header: &Header) -> Result<Vec<MaintainerScript>, HeaderError> {
    let mut scripts = Vec::new();
    for (kind, text, program) in SCRIPTLETS {
        if header.has(text) || header.has(program) {
            scripts.push(MaintainerScript::Scriptlet {
                kind: kind.to_owned(),
                interpreter: join(header.strings(program)?),
                text: header.text(text)?,
            });
        }
    }
    for (kind, [texts, programs, names, indexes, flags]) in TRIGGERS {
        let texts = header.strings(texts)?;
        let programs = header.strings(programs)?;
        let (names, indexes) = (header.strings(names)?, header.numbers(indexes)?);
        let flags = header.numbers(flags)?;
        for script in 0..texts.len().max(programs.len()) {
            let of_script = |index: &usize| indexes.get(*index) == Some(&(script as u64));
            let first = (0..names.len()).find(of_script);
            let bits = first.and_then(|first| flags.get(first)).copied();
            let moment = MOMENTS
                .iter()
                .find(|(bit, _)| bits.is_some_and(|bits| bits & bit != 0));
            let on: Vec<_> = (0..names.len())
                .filter(of_script)
                .map(|index| String::from_utf8_lossy(names[index]))
                .collect();
            let text_of = |strings: &[&[u8]]| {
                let bytes = strings.get(script).copied().unwrap_or_default();
                String::from_utf8_lossy(bytes).into_owned()
            };
            scripts.push(MaintainerScript::Scriptlet {
                kind: format!(
                    "{kind}{} on {}",
                    moment.map_or("", |(_, name)| name),
                    on.join(" ")
                ),
                interpreter: text_of(&programs),
                text: text_of(&texts),
            });
        }
    }
    Ok(scripts)
}

/// A program and its arguments.
fn join(words: Vec<&[u8]>) -> String {
    let words: Vec<_> = words.into_iter().map(String::from_utf8_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::tree::section::Section;

    #[test]
    fn scriptlets_that_came_with_rpm_4_19_are_listed() {
        // By hand: the rpmbuild of the tests does not know them.
        let mut header = vec![0x8E, 0xAD, 0xE8, 1, 0, 0, 0, 0];
        let strings = b"/bin/sh\0<lua>\0";
        let entries = [[5105, 6, 0, 1], [5106, 6, 8, 1]];
        let lengths = [entries.len(), strings.len()].map(|it| u32::try_from(it).unwrap());
        for number in lengths.iter().chain(entries.as_flattened()) {
            header.extend_from_slice(&number.to_be_bytes());
        }
        header.extend_from_slice(strings);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&header).unwrap();
        let section = Section::whole(file).unwrap();
        let header = Header::read(&section, 0, "header", 1 << 20).unwrap();
        let scripts = list(&header).unwrap();
        let shown: Vec<_> = scripts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["preuntrans by /bin/sh", "postuntrans by <lua>"]);
    }
}
