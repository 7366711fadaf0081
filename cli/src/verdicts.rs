//! Launch digests per loader, for people.

use guestmark_measure::{
    Caveat, Divergence, LaunchDigest, Loader, LoaderAssessment, LoaderVerdict,
};

use crate::output::wrap;

/// Said wherever digests are printed for people.
pub(crate) const NOTE: &str = "Digests are predicted from the loaders' published behaviour; \
                               nothing was run on SEV-SNP hardware.";

/// What one loader makes of a file, as it is printed.
pub(crate) struct Verdict {
    loader: Loader,
    launch_digest: Option<LaunchDigest>,
    refused: Option<String>,
    differs: Option<Divergence>,
    caveats: Vec<String>,
}

impl From<&LoaderVerdict> for Verdict {
    fn from(verdict: &LoaderVerdict) -> Self {
        Self {
            loader: verdict.loader,
            launch_digest: verdict.launch_digest,
            refused: verdict.refused.clone(),
            differs: None,
            caveats: verdict.caveats.clone(),
        }
    }
}

impl From<&LoaderAssessment> for Verdict {
    fn from(assessed: &LoaderAssessment) -> Self {
        Self {
            loader: assessed.loader,
            launch_digest: assessed.launch_digest,
            refused: assessed.refused.as_ref().map(ToString::to_string),
            differs: assessed.differs,
            caveats: assessed.caveats.iter().map(Caveat::to_string).collect(),
        }
    }
}

/// The digests, each under the loaders that lead to it and with the reason why it is another;
/// whether they are `portable`; then what speaks against relying on them.
pub(crate) fn text<'v, V>(verdicts: &'v [V], portable: Option<bool>) -> String
where
    Verdict: From<&'v V>,
{
    let verdicts: Vec<Verdict> = verdicts.iter().map(Verdict::from).collect();
    let mut text = String::new();
    for group in grouped(&verdicts, |it| (it.launch_digest, it.refused.clone())) {
        let first = group[0];
        text.push_str(&wrap("  ", &names(&group)));
        text.push_str(&match (first.launch_digest, &first.refused) {
            // The launch digest never breaks: it is there to be copied.
            (Some(digest), _) => format!("    {digest}\n"),
            (None, reason) => wrap("    none: ", reason.as_deref().unwrap_or("not measured")),
        });
        text.push_str(&differences(&group));
    }
    if portable == Some(true) {
        text.push_str("\n  The digest is portable: all loaders that load the file agree on it.\n");
    }
    let doubted = verdicts
        .iter()
        .filter(|verdict| !verdict.caveats.is_empty());
    for group in grouped(doubted, |verdict| verdict.caveats.clone()) {
        text.push('\n');
        text.push_str(&wrap("  But under ", &format!("{}:", names(&group))));
        for caveat in &group[0].caveats {
            text.push_str(&wrap("    - ", caveat));
        }
    }
    text
}

/// Why loaders that lead to one digest lead to another than the first loader.
fn differences(group: &[&Verdict]) -> String {
    let differing = group.iter().copied().filter(|it| it.differs.is_some());
    let reasons = grouped(differing, |verdict| verdict.differs);
    let is_one = reasons.len() == 1;
    let lines = reasons.iter().filter_map(|group| {
        let differs = group[0].differs?;
        let from = differs.from;
        Some(match is_one {
            true => wrap(&format!("    not as {from}: "), &differs.to_string()),
            false => wrap(
                "    - ",
                &format!("{}, not as {from}: {differs}", names(group)),
            ),
        })
    });
    lines.collect()
}

/// The verdicts with equal `key`, in order.
fn grouped<'a, K: PartialEq>(
    verdicts: impl IntoIterator<Item = &'a Verdict>,
    key: impl Fn(&Verdict) -> K,
) -> Vec<Vec<&'a Verdict>> {
    let mut groups: Vec<Vec<&Verdict>> = Vec::new();
    for verdict in verdicts {
        match groups
            .iter_mut()
            .find(|group| key(group[0]) == key(verdict))
        {
            Some(group) => group.push(verdict),
            None => groups.push(vec![verdict]),
        }
    }
    groups
}

fn names(group: &[&Verdict]) -> String {
    let names: Vec<&str> = group.iter().map(|it| it.loader.name()).collect();
    names.join(", ")
}
