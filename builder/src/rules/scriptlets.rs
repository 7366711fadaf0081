//! Scriptlets of RPM packages: none runs, and declared rules answer for each of their commands.

use std::fmt::Write;

use super::RuleError;
use super::commands::{Piece, split};
use crate::package::{MaintainerScript, OpenedPackage};
use crate::recipe::ScriptletRule;

/// As many lines of a scriptlet are shown.
const MAX_SHOWN: usize = 40;
/// Programs whose texts are split into commands.
const SHELLS: [&str; 3] = ["sh", "bash", "dash"];

/// Checks that rules are meaningful: each says why, and no list of globs is empty.
pub(super) fn check_rules(rules: &[ScriptletRule]) -> Result<(), RuleError> {
    for (index, rule) in rules.iter().enumerate() {
        let wrong = |reason: String| {
            Err(RuleError::Scriptlet {
                number: index + 1,
                reason,
            })
        };
        let lists = [
            ("packages", &rule.packages),
            ("kinds", &rule.kinds),
            ("commands", &rule.commands),
        ];
        for (key, list) in lists {
            if list.as_ref().is_some_and(Vec::is_empty) {
                return wrong(format!(
                    "{key} is empty and matches nothing; leave it out to match all"
                ));
            }
        }
        if rule.because.trim().is_empty() {
            return wrong("because is empty; say why the guest does without".to_owned());
        }
    }
    Ok(())
}

/// What is not answered for in the package's scriptlets, described; empty if nothing is left.
pub(super) fn unanswered(rules: &[ScriptletRule], package: &OpenedPackage) -> String {
    let mut report = String::new();
    for script in &package.scripts {
        let MaintainerScript::Scriptlet {
            kind,
            interpreter,
            text,
        } = script
        else {
            continue;
        };
        let applicable: Vec<_> = rules
            .iter()
            .filter(|rule| matches(&rule.packages, &package.name) && matches(&rule.kinds, kind))
            .collect();
        let mut open = commands(interpreter, text);
        open.retain(|command| {
            let covers = |rule: &&ScriptletRule| matches(&rule.commands, command);
            !applicable.iter().any(covers)
        });
        if !open.is_empty() {
            let OpenedPackage { name, version, .. } = package;
            let _ = write!(report, "\n{name} {version}: {script}");
            show(&mut report, text.trim_end());
            report.push_str("\n  not covered:");
            for command in &open {
                show(&mut report, command);
            }
        }
    }
    report
}

/// What a scriptlet does, a command each.
fn commands(interpreter: &str, text: &str) -> Vec<String> {
    let program = interpreter.split(' ').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || SHELLS.contains(&name) {
        let pieces = split(text).into_iter();
        let commands = pieces.filter_map(|piece| match piece {
            Piece::Command(command) => Some(command),
            Piece::Structure(_) => None,
        });
        return commands.collect();
    }
    // rpm hands a program that is no shell its text as one file, or runs the program alone.
    match text.trim() {
        "" => vec![interpreter.to_owned()],
        text => vec![text.to_owned()],
    }
}

fn matches(globs: &Option<Vec<String>>, text: &str) -> bool {
    match globs {
        None => true,
        Some(globs) => globs.iter().any(|glob| fits(glob, text)),
    }
}

/// Whether `text` fits a glob in which `*` is any text and `?` any one character.
fn fits(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut place) = (0, 0);
    // Where to go on if the text after the last star does not fit: the star takes one more.
    let mut retry = None;
    while place < text.len() {
        match glob.get(at) {
            Some('*') => {
                retry = Some((at, place));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[place] => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((star, taken)) = retry else {
                    return false;
                };
                retry = Some((star, taken + 1));
                (at, place) = (star + 1, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|&left| left == '*')
}

/// Appends the text's lines, indented; control characters are escaped.
fn show(report: &mut String, text: &str) {
    let mut lines = text.lines();
    for line in lines.by_ref().take(MAX_SHOWN) {
        report.push_str("\n    ");
        for character in line.chars() {
            match character.is_control() && character != '\t' {
                true => report.extend(character.escape_default()),
                false => report.push(character),
            }
        }
    }
    let more = lines.count();
    if more > 0 {
        let _ = write!(report, "\n    … and {more} more lines");
    }
}

#[cfg(test)]
mod tests;
