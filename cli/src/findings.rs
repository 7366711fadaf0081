//! Checks, and what was not checked, for people.

use guestmark_measure::report::Findings;

use crate::output::wrap;

/// A paragraph for each check, then a list of what was not checked.
pub(crate) fn text(findings: &Findings) -> String {
    let mut text = String::new();
    for check in &findings.checks {
        let verdict = if check.good { "good" } else { "BAD " };
        text.push_str(&wrap(
            &format!("  {verdict}  "),
            &format!("{}: {}", check.name, check.found),
        ));
        if let Some(expected) = &check.expected {
            text.push_str(&wrap("        expected ", expected));
        }
    }
    text.push_str("\nNot checked\n\n");
    for left in &findings.not_checked {
        text.push_str(&wrap("  - ", &format!("{}: {}", left.name, left.reason)));
    }
    text
}
