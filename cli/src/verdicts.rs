//! Launch digests per loader, as a table.

use guestmark_measure::LoaderVerdict;

use crate::output::table;

/// Said wherever digests are printed for people.
pub(crate) const NOTE: &str = "Digests are predicted from the loaders' published behaviour; \
                               nothing was run on SEV-SNP hardware.";

/// A row per loader, then what the digests do not promise. Loaders that agree share a row.
pub(crate) fn text(verdicts: &[LoaderVerdict]) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    for verdict in verdicts {
        let result = match (&verdict.launch_digest, &verdict.refused) {
            (Some(digest), _) => digest.to_string(),
            (None, refused) => format!("none: {}", refused.as_deref().unwrap_or("not measured")),
        };
        match rows.iter_mut().find(|(_, known)| *known == result) {
            Some((loaders, _)) => {
                loaders.push_str(", ");
                loaders.push_str(verdict.loader.name());
            }
            None => rows.push((verdict.loader.name().to_owned(), result)),
        }
    }
    let mut text: String = rows
        .into_iter()
        .map(|(loaders, result)| format!("  {result}\n    {loaders}\n"))
        .collect();
    let caveats = verdicts
        .iter()
        .flat_map(|verdict| verdict.caveats.iter().map(move |caveat| (verdict, caveat)));
    let rows: Vec<_> = caveats
        .map(|(verdict, caveat)| [format!("  {}", verdict.loader), caveat.clone()])
        .collect();
    if !rows.is_empty() {
        text.push_str("  Not as the file says:\n");
        text.push_str(&table(["", ""], rows));
    }
    text
}
