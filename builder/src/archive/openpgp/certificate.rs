//! A certificate: a primary key, its subkeys, and what the primary key says about them. Only
//! statements that verify and use a strong hash count.

use jiff::Timestamp;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag};

use super::{SignatureError, hex, is_strong, time};

#[derive(Debug)]
pub(super) struct Certificate(SignedPublicKey);

/// A key of a certificate.
pub(super) enum Key<'a> {
    Primary(&'a SignedPublicKey),
    Subkey(&'a SignedPublicSubKey),
}

impl Key<'_> {
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::Primary(key) => hex(&key.fingerprint()),
            Self::Subkey(key) => hex(&key.fingerprint()),
        }
    }

    /// Seconds since 1970.
    pub(super) fn created(&self) -> i64 {
        i64::from(match self {
            Self::Primary(key) => key.created_at().as_secs(),
            Self::Subkey(key) => key.created_at().as_secs(),
        })
    }

    pub(super) fn verifies(&self, signature: &Signature, data: &[u8]) -> bool {
        match self {
            Self::Primary(key) => signature.verify(key, data).is_ok(),
            Self::Subkey(key) => signature.verify(key, data).is_ok(),
        }
    }
}

impl Certificate {
    pub(super) fn new(key: SignedPublicKey) -> Self {
        Self(key)
    }

    pub(super) fn fingerprint(&self) -> String {
        hex(&self.0.fingerprint())
    }

    /// Whether the signature names a key of this certificate.
    pub(super) fn issued(&self, signature: &Signature) -> bool {
        is_by(signature, &self.0) || self.subkey(signature).is_some()
    }

    /// The key that the signature names, for a signature that [`Certificate::issued`] holds of.
    pub(super) fn signing_key(&self, signature: &Signature) -> Key<'_> {
        match self.subkey(signature) {
            Some(subkey) => Key::Subkey(subkey),
            None => Key::Primary(&self.0),
        }
    }

    fn subkey(&self, signature: &Signature) -> Option<&SignedPublicSubKey> {
        self.0
            .public_subkeys
            .iter()
            .find(|subkey| is_by(signature, *subkey))
    }

    /// Whether `key` may sign data at time `now`.
    pub(super) fn check(&self, key: &Key<'_>, now: Timestamp) -> Result<(), SignatureError> {
        let primary = self.check_primary(now)?;
        match key {
            Key::Primary(_) if primary.may_sign => Ok(()),
            Key::Primary(_) => Err(SignatureError::KeyUnfit {
                key: self.fingerprint(),
                problem: "its certificate does not allow it to sign data",
            }),
            Key::Subkey(subkey) => self.check_subkey(subkey, now),
        }
    }

    fn check_primary(&self, now: Timestamp) -> Result<Primary, SignatureError> {
        let key = || self.fingerprint();
        let primary = &self.0.primary_key;
        let details = &self.0.details;
        // Whatever a revocation hashes with, it is safe to believe.
        let revoked = details
            .revocation_signatures
            .iter()
            .any(|signature| signature.verify_key(primary).is_ok());
        if revoked {
            return Err(SignatureError::KeyRevoked { key: key() });
        }
        let users = details.users.iter().filter_map(|user| {
            let own = || {
                user.signatures.iter().filter(|signature| {
                    let verified = signature.verify_certification(primary, Tag::UserId, &user.id);
                    verified.is_ok()
                })
            };
            let withdrawn =
                own().any(|signature| signature.typ() == Some(SignatureType::CertRevocation));
            if withdrawn { None } else { newest(own(), now) }
        });
        let direct = details
            .direct_signatures
            .iter()
            .filter(|signature| signature.verify_key(primary).is_ok());
        let statements: Vec<&Signature> = users.chain(newest(direct, now)).collect();
        if statements.is_empty() {
            return Err(SignatureError::KeyUnfit {
                key: key(),
                problem: "its certificate has no valid signature by itself",
            });
        }
        // Where statements differ, the shortest life counts.
        let end = statements
            .iter()
            .filter_map(|statement| end_of_key(statement, primary.created_at().as_secs()))
            .min();
        check_not_ended(end, now, key)?;
        Ok(Primary {
            may_sign: statements
                .iter()
                .any(|statement| statement.key_flags().sign()),
        })
    }

    fn check_subkey(
        &self,
        subkey: &SignedPublicSubKey,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let key = || hex(&subkey.fingerprint());
        let primary = &self.0.primary_key;
        let own = || {
            subkey.signatures.iter().filter(|signature| {
                signature
                    .verify_subkey_binding(primary, &subkey.key)
                    .is_ok()
            })
        };
        if own().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation)) {
            return Err(SignatureError::KeyRevoked { key: key() });
        }
        let unfit = |problem| SignatureError::KeyUnfit {
            key: key(),
            problem,
        };
        let binding =
            newest(own(), now).ok_or_else(|| unfit("nothing valid binds it to its certificate"))?;
        if !binding.key_flags().sign() {
            return Err(unfit("its certificate does not allow it to sign data"));
        }
        // Without the subkey's own consent, anyone could claim another's subkey.
        let consents = binding.embedded_signature().is_some_and(|back| {
            is_strong(back)
                && back
                    .verify_primary_key_binding(&subkey.key, primary)
                    .is_ok()
        });
        if !consents {
            return Err(unfit(
                "it has not itself signed that it belongs to its certificate",
            ));
        }
        check_not_ended(end_of_key(binding, subkey.created_at().as_secs()), now, key)
    }
}

struct Primary {
    may_sign: bool,
}

fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

/// The newest strong statement made until `now`.
fn newest<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    now: Timestamp,
) -> Option<&'a Signature> {
    signatures
        .filter(|signature| is_strong(signature))
        .filter_map(|signature| Some((signature.created()?, signature)))
        .filter(|(created, _)| i64::from(created.as_secs()) <= now.as_second())
        .max_by_key(|(created, _)| *created)
        .map(|(_, signature)| signature)
}

/// When the key ends by this statement, in seconds since 1970.
fn end_of_key(statement: &Signature, created: u32) -> Option<i64> {
    let lifetime = statement.key_expiration_time()?.as_secs();
    (lifetime > 0).then(|| i64::from(created) + i64::from(lifetime))
}

fn check_not_ended(
    end: Option<i64>,
    now: Timestamp,
    key: impl Fn() -> String,
) -> Result<(), SignatureError> {
    match end {
        Some(end) if end <= now.as_second() => Err(SignatureError::KeyExpired {
            key: key(),
            on: time(end),
        }),
        _ => Ok(()),
    }
}
