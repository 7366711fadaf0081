//! A relying party's policy, with the files that it names.

use std::path::Path;

use fs_err as fs;
use guestmark_manifests::policy::Policy;
use guestmark_manifests::release::Request;
use guestmark_manifests::state::State;

/// A policy, its list of revocations, and what was seen before.
pub(crate) struct Trust {
    policy: Policy,
    revocations: Option<(String, Vec<u8>)>,
    /// The releases seen before, if they are remembered.
    pub(crate) state: Option<State>,
    /// Manifests between the newest one seen and the one in question.
    pub(crate) previous: Vec<Vec<u8>>,
}

impl Trust {
    /// Reads a policy and the list of revocations that it names. Nothing was seen before.
    pub(crate) fn read(policy: &Path) -> anyhow::Result<Self> {
        let policy = Policy::read(policy)?;
        let revocations = match &policy.revoker {
            Some((_, path)) => Some((path.display().to_string(), fs::read(path)?)),
            None => None,
        };
        Ok(Self {
            policy,
            revocations,
            state: None,
            previous: Vec::new(),
        })
    }

    /// What a release is held against.
    pub(crate) fn request(&self) -> Request<'_> {
        let revocations = self.revocations.as_ref();
        Request {
            policy: &self.policy,
            revocations: revocations.map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
            state: self.state.as_ref(),
            previous: &self.previous,
        }
    }
}
