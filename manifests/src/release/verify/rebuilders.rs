//! Who else built the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checked, Verifier};
use crate::FileProblem;
use crate::dsse::Envelope;
use crate::manifest::Manifest;
use crate::release::{MAX_SIGNED, REBUILD};
use crate::statement::{self, Claim, Statement};

/// The name within the name of a rebuilder's file.
pub(super) fn of(file: &str) -> Option<&str> {
    let name = file.strip_prefix(REBUILD.0)?.strip_suffix(REBUILD.1)?;
    crate::manifest::name::is_plain(name).then_some(name)
}

impl Verifier<'_> {
    pub(super) fn rebuilders(&mut self, manifest: &Manifest, names: &BTreeSet<String>) -> Checked {
        let policy = self.request.policy;
        let Some(role) = &policy.rebuilder else {
            self.not_checked("rebuilders: the policy names none");
            return Ok(());
        };
        let mut agree = BTreeSet::new();
        let mut others: BTreeMap<&str, String> = BTreeMap::new();
        let mut remarks = Vec::new();
        for file in names.iter().filter(|name| of(name).is_some()) {
            let bytes = self.folder.read(file, MAX_SIGNED)?;
            let envelope = Envelope::read(&bytes, file, statement::PAYLOAD_TYPE)?;
            let (good, revoked) = self.signers(role, &envelope);
            remarks.extend(
                revoked
                    .iter()
                    .map(|name| format!("{name}'s key is revoked")),
            );
            if good.is_empty() && revoked.is_empty() {
                let publishers = policy.publisher.signers(&envelope);
                let publisher = publishers.first().map(|key| key.name.as_str());
                remarks.push(match publisher {
                    Some(name) => format!("{file} is by publisher {name}, who is no rebuilder"),
                    None => format!("{file} is by nobody that the policy knows"),
                });
            }
            if good.is_empty() {
                continue;
            }
            let statement = Statement::read(&envelope.payload, file, Claim::Rebuild)?;
            match statement.covers_build(file, manifest.subjects()) {
                Ok(()) => agree.extend(good),
                Err(problem) => {
                    others.extend(good.into_iter().map(|name| (name, problem.to_string())));
                }
            }
        }
        others.retain(|name, _| !agree.contains(name));
        remarks.extend(
            others
                .iter()
                .map(|(name, problem)| format!("{name} differs: {problem}")),
        );
        let mut count = format!(
            "{} of {} independent rebuilders agree, threshold {}",
            agree.len(),
            role.keys.len(),
            role.threshold
        );
        for remark in &remarks {
            count.push_str("; ");
            count.push_str(remark);
        }
        if agree.len() < role.threshold {
            let expected = format!("{} independent rebuilders that agree", role.threshold);
            return Err(
                FileProblem::new("rebuild-*.dsse.json", "rebuilders", expected, count).into(),
            );
        }
        let names: Vec<_> = agree.into_iter().collect();
        self.passed("rebuilders", format!("{count}: {}", names.join(", ")));
        Ok(())
    }
}
