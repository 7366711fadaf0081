//! Launch digests per loader, for people.

use guestmark_measure::LoaderVerdict;

use crate::output::wrap;

/// Said wherever digests are printed for people.
pub(crate) const NOTE: &str = "Digests are predicted from the loaders' published behaviour; \
                               nothing was run on SEV-SNP hardware.";

/// The digests, each under the loaders that lead to it; then what speaks against relying on them.
pub(crate) fn text(verdicts: &[LoaderVerdict]) -> String {
    let mut text = String::new();
    let result = |verdict: &LoaderVerdict| (verdict.launch_digest, verdict.refused.clone());
    for (verdict, loaders) in grouped(verdicts, result) {
        text.push_str(&wrap("  ", &loaders));
        text.push_str(&match (verdict.launch_digest, &verdict.refused) {
            // The launch digest never breaks: it is there to be copied.
            (Some(digest), _) => format!("    {digest}\n"),
            (None, reason) => wrap("    none: ", reason.as_deref().unwrap_or("not measured")),
        });
    }
    let doubted = verdicts
        .iter()
        .filter(|verdict| !verdict.caveats.is_empty());
    for (verdict, loaders) in grouped(doubted, |verdict| verdict.caveats.clone()) {
        text.push('\n');
        text.push_str(&wrap("  But under ", &format!("{loaders}:")));
        for caveat in &verdict.caveats {
            text.push_str(&wrap("    - ", caveat));
        }
    }
    text
}

/// The first verdict of each group with equal `key`, in order, and the names of the group's
/// loaders.
fn grouped<'a, K: PartialEq>(
    verdicts: impl IntoIterator<Item = &'a LoaderVerdict>,
    key: impl Fn(&LoaderVerdict) -> K,
) -> Vec<(&'a LoaderVerdict, String)> {
    let mut groups: Vec<(&LoaderVerdict, String)> = Vec::new();
    for verdict in verdicts {
        let name = verdict.loader.name();
        match groups
            .iter_mut()
            .find(|(first, _)| key(first) == key(verdict))
        {
            Some((_, loaders)) => {
                loaders.push_str(", ");
                loaders.push_str(name);
            }
            None => groups.push((verdict, name.to_owned())),
        }
    }
    groups
}
