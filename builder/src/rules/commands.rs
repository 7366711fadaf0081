//! Splits a scriptlet into its commands, so that each can be answered for. The parser is small on
//! purpose: what it does not understand is one command as it stands, and nothing is lost.

/// A part of a shell text, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A command, its blanks outside quotes collapsed.
    Command(String),
    /// What only gives commands an order or does nothing.
    Structure(String),
}

/// Words before a command that only structure: the rest of the piece is looked at again.
const LEADING: [&str; 9] = [
    "if", "then", "elif", "else", "while", "until", "do", "{", "!",
];

/// Whole pieces that do nothing by themselves.
const NOTHING: [&str; 7] = ["fi", "done", "}", ":", "true", "exit", "exit 0"];

/// The pieces of a shell text (POSIX.1-2017, Shell Command Language, 2.3 to 2.9).
///
/// Commands end at newlines, `;`, `&&` and `||` outside quotes, parentheses and backquotes; pipes
/// and `&` stay inside one. Comments and blank lines go, a backslash at a line's end joins it with
/// the next. A condition is a command, and so is the head of a `for`. A text with a here-document,
/// a `case`, or quotes or parentheses without their other half is one command.
pub(super) fn split(text: &str) -> Vec<Piece> {
    let text = text.replace("\r\n", "\n");
    scan(&text).unwrap_or_else(|| {
        let whole = text.trim();
        match whole.is_empty() {
            true => Vec::new(),
            false => vec![Piece::Command(whole.to_owned())],
        }
    })
}

/// `None` for what is not understood.
fn scan(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut current = String::new();
    let mut quote = None;
    let mut depth = 0_usize;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if quote.is_none() && depth == 0 {
            match character {
                '#' if current.is_empty() || current.ends_with(' ') => {
                    while characters.next_if(|&next| next != '\n').is_some() {}
                    continue;
                }
                '<' if characters.peek() == Some(&'<') => return None,
                ' ' | '\t' => {
                    if !current.is_empty() && !current.ends_with(' ') {
                        current.push(' ');
                    }
                    continue;
                }
                '\n' => {
                    finish(&mut pieces, &mut current)?;
                    continue;
                }
                ';' => {
                    finish(&mut pieces, &mut current)?;
                    pieces.push(Piece::Structure(";".to_owned()));
                    continue;
                }
                '&' | '|' if characters.next_if_eq(&character).is_some() => {
                    finish(&mut pieces, &mut current)?;
                    pieces.push(Piece::Structure([character, character].iter().collect()));
                    continue;
                }
                _ => {}
            }
        }
        match (character, quote) {
            ('\\', None | Some('"' | '`')) => {
                let escaped = characters.next()?;
                if escaped != '\n' {
                    current.extend([character, escaped]);
                }
                continue;
            }
            ('\'' | '"' | '`', None) => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            ('(', None) => depth += 1,
            (')', None) => depth = depth.checked_sub(1)?,
            _ => {}
        }
        current.push(character);
    }
    if quote.is_some() || depth != 0 {
        return None;
    }
    finish(&mut pieces, &mut current)?;
    Some(pieces)
}

/// Sorts a piece's words into structure and a command. `None` for a `case`.
fn finish(pieces: &mut Vec<Piece>, current: &mut String) -> Option<()> {
    let taken = std::mem::take(current);
    let mut rest = taken.trim_end_matches(' ');
    while !rest.is_empty() {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        if word == "case" {
            return None;
        }
        if LEADING.contains(&word) {
            pieces.push(Piece::Structure(word.to_owned()));
            rest = after;
            continue;
        }
        pieces.push(match NOTHING.contains(&rest) {
            true => Piece::Structure(rest.to_owned()),
            false => Piece::Command(rest.to_owned()),
        });
        break;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commands(text: &str) -> Vec<String> {
        let pieces = split(text).into_iter();
        pieces
            .filter_map(|piece| match piece {
                Piece::Command(command) => Some(command),
                Piece::Structure(_) => None,
            })
            .collect()
    }

    #[test]
    fn conditions_and_what_they_guard_are_commands() {
        let text = "# comment; not a command\n\nif [ $1 -eq 1 ] ; then\n\
                    \t# first install\n\tsystemctl  --no-reload preset a.service || :\nelse\n\
                    \ttrue\nfi\n! grep -q x /etc/shells && \\\n    echo x >> /etc/shells # there\n\
                    for link in a b; do rm -f \"$link\"; done\n{ a | b & } >/dev/null 2>&1\nexit 0\n";
        assert_eq!(
            commands(text),
            [
                "[ $1 -eq 1 ]",
                "systemctl --no-reload preset a.service",
                "grep -q x /etc/shells",
                "echo x >> /etc/shells",
                "for link in a b",
                "rm -f \"$link\"",
                "a | b & } >/dev/null 2>&1",
            ]
        );
        for nothing in [
            "",
            " \n# only\n",
            ":\n",
            "true && exit 0 || :",
            "if :; then :; fi",
        ] {
            assert_eq!(commands(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn quotes_and_parentheses_keep_what_they_hold_together() {
        assert_eq!(
            commands("echo 'a; b' \"c && \\\" d\" `e; f` $(g; h) i\\;j; (k; l) || m"),
            [
                "echo 'a; b' \"c && \\\" d\" `e; f` $(g; h) i\\;j",
                "(k; l)",
                "m"
            ]
        );
        assert_eq!(commands("echo $# ${a#b} # c"), ["echo $# ${a#b}"]);
        assert_eq!(commands(": ${a:=$(rm x)}"), [": ${a:=$(rm x)}"]);
    }

    #[test]
    fn what_is_not_understood_is_one_command() {
        for text in [
            "cat <<EOF\na; b\nEOF\n:",
            "case $1 in a) b;; esac",
            "true\ncase $1 in\n (a) b;;\nesac",
            "echo 'a\nb",
            "echo $(a\nb",
            "a )\nb",
            "a\nb \\",
        ] {
            assert_eq!(commands(text), [text.trim()], "{text}");
        }
    }

    proptest! {
        /// Every character that is neither blank nor a backslash is in some piece, in its order.
        #[test]
        fn nothing_is_lost(text in "([a-z\\[\\]{}()$'\"`&|;:!<>\\\\ \n\t]|if |fi|case |exit 0|\\$\\(){0,60}") {
            let joined: String = split(&text)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Command(text) | Piece::Structure(text) => text,
                })
                .collect();
            let words = |text: &str| -> String {
                text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect()
            };
            prop_assert_eq!(words(&joined), words(&text));
        }

        /// A comment takes the rest of its line and nothing else.
        #[test]
        fn a_comment_changes_nothing(text in "[a-z&|; \n]{0,40}", comment in "[ -~]{0,20}") {
            prop_assert_eq!(split(&format!("{text}\n# {comment}\nlast")), split(&format!("{text}\nlast")));
        }

        #[test]
        fn any_text_is_split(text in any::<String>()) {
            split(&text);
        }
    }
}
