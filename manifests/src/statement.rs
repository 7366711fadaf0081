//! What is stated of a build: in-toto Statements v1 with SLSA provenance v1, or with the word of
//! somebody who rebuilt it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::manifest::{Artifact, Guest, MANIFEST_NAME, Manifest, RecipeDigests};
use crate::{FileProblem, file_problem, json as strict};

/// The type of an envelope's payload that is a Statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The digest of a launched guest: of no file, so that nobody takes it for one.
const LAUNCH_DIGEST: &str = "snpLaunchDigest";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const REBUILD: &str = "urn:guestmark:rebuild:v1";
const BUILD: &str = "urn:guestmark:build:v1";

/// What a Statement claims of its subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The publisher built and published them (SLSA provenance v1).
    Provenance,
    /// Somebody else built the same from recipe and lock.
    Rebuild,
}

impl Claim {
    const fn predicate_type(self) -> &'static str {
        match self {
            Self::Provenance => PROVENANCE,
            Self::Rebuild => REBUILD,
        }
    }
}

/// A Statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: Value,
}

/// Something that a Statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

impl Subject {
    fn new<const N: usize>(name: impl Into<String>, digests: [(&str, String); N]) -> Self {
        Self {
            name: name.into(),
            digest: digests
                .map(|(kind, digest)| (kind.to_owned(), digest))
                .into(),
        }
    }
}

/// The files of a build and the digests that its guests launch to.
#[derive(Debug, Clone, Copy)]
pub struct Subjects<'a> {
    /// The files.
    pub artifacts: &'a [Artifact],
    /// The guests.
    pub guests: &'a [Guest],
}

impl Subjects<'_> {
    fn list(&self) -> Vec<Subject> {
        let files = self.artifacts.iter().map(|artifact| {
            let digests = [
                ("sha256", artifact.sha256.to_string()),
                ("sha384", artifact.sha384.to_string()),
            ];
            Subject::new(&artifact.name, digests)
        });
        let guests = self.guests.iter().flat_map(|guest| {
            guest.loaders.iter().map(|loader| {
                let name = format!("{}#{}", guest.file, loader.loader);
                Subject::new(name, [(LAUNCH_DIGEST, loader.launch_digest.to_string())])
            })
        });
        files.chain(guests).collect()
    }
}

impl Manifest {
    /// What statements about this release are about.
    pub fn subjects(&self) -> Subjects<'_> {
        Subjects {
            artifacts: &self.artifacts,
            guests: &self.guests,
        }
    }
}

impl Statement {
    /// The publisher's statement about a manifest, of these bytes, and all that it names.
    pub fn provenance(manifest: &Manifest, bytes: &[u8]) -> Self {
        let mut subject = manifest.subjects().list();
        subject.push(manifest_subject(bytes));
        let recipe = &manifest.recipe;
        let predicate = json!({
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": { "recipe": recipe.name },
                "internalParameters": {},
                "resolvedDependencies": inputs(recipe),
            },
            "runDetails": { "builder": { "id": builder() } },
        });
        Self::new(Claim::Provenance, subject, predicate)
    }

    /// A rebuilder's statement about what it built.
    pub fn rebuild(subjects: Subjects<'_>, recipe: &RecipeDigests) -> Self {
        let predicate = json!({
            "buildType": BUILD,
            "builder": { "id": builder() },
            "recipe": recipe.name,
            "resolvedDependencies": inputs(recipe),
        });
        Self::new(Claim::Rebuild, subjects.list(), predicate)
    }

    fn new(claim: Claim, subject: Vec<Subject>, predicate: Value) -> Self {
        Self {
            kind: STATEMENT.to_owned(),
            subject,
            predicate_type: claim.predicate_type().to_owned(),
            predicate,
        }
    }

    /// The statement's bytes, the same for equal statements.
    ///
    /// # Errors
    /// A predicate that has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        strict::canonical(self)
    }

    /// Reads a statement with this claim from the payload of `file`.
    ///
    /// # Errors
    /// It is none, or another.
    pub fn read(payload: &[u8], file: &str, claim: Claim) -> Result<Self, FileProblem> {
        let statement: Self = strict::read(payload, file)?;
        file_problem::expect(file, "_type", &STATEMENT, &statement.kind.as_str())?;
        let found = statement.predicate_type.as_str();
        file_problem::expect(file, "predicateType", &claim.predicate_type(), &found)?;
        Ok(statement)
    }

    /// Holds that the statement is about a manifest, of these bytes, and exactly what it names.
    ///
    /// # Errors
    /// The first subject that is missing, other, or not in the manifest.
    pub fn covers_release(
        &self,
        file: &str,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Result<(), FileProblem> {
        let mut expected = manifest.subjects().list();
        expected.push(manifest_subject(bytes));
        self.covers(file, expected)
    }

    /// Holds that the statement is about exactly these subjects.
    ///
    /// # Errors
    /// The first subject that is missing, other, or not among them.
    pub fn covers_build(&self, file: &str, subjects: Subjects<'_>) -> Result<(), FileProblem> {
        self.covers(file, subjects.list())
    }

    fn covers(&self, file: &str, expected: Vec<Subject>) -> Result<(), FileProblem> {
        let mut found = BTreeMap::new();
        for subject in &self.subject {
            if found
                .insert(subject.name.as_str(), &subject.digest)
                .is_some()
            {
                let field = format!("subject {}", subject.name);
                return Err(FileProblem::new(file, field, "once", "twice"));
            }
        }
        for subject in &expected {
            let field = format!("subject {}", subject.name);
            let Some(digest) = found.remove(subject.name.as_str()) else {
                return Err(FileProblem::new(
                    file,
                    field,
                    digests(&subject.digest),
                    "nothing",
                ));
            };
            if *digest != subject.digest {
                let expected = digests(&subject.digest);
                return Err(FileProblem::new(file, field, expected, digests(digest)));
            }
        }
        match found.first_key_value() {
            None => Ok(()),
            Some((name, digest)) => {
                let field = format!("subject {name}");
                Err(FileProblem::new(file, field, "nothing", digests(digest)))
            }
        }
    }
}

fn manifest_subject(bytes: &[u8]) -> Subject {
    let digest = crate::manifest::digest(bytes).to_string();
    Subject::new(MANIFEST_NAME, [("sha256", digest)])
}

/// The files that everything else follows from: the lock pins each package.
fn inputs(recipe: &RecipeDigests) -> Value {
    json!([
        { "name": "recipe.toml", "digest": { "sha256": recipe.recipe_sha256 } },
        { "name": "recipe.lock.json", "digest": { "sha256": recipe.lock_sha256 } },
    ])
}

/// Which program built it: nobody's machine.
fn builder() -> String {
    format!("urn:guestmark:builder:{}", env!("CARGO_PKG_VERSION"))
}

fn digests(digest: &BTreeMap<String, String>) -> String {
    let texts: Vec<_> = digest
        .iter()
        .map(|(kind, digest)| format!("{kind} {digest}"))
        .collect();
    texts.join(" and ")
}
