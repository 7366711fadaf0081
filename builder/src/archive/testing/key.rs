//! Throwaway OpenPGP keys.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PublicSubkey, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{Duration, Fingerprint, KeyDetails, Password, SigningKey, Tag, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A key with a signing subkey, made at second 1,000,000,000 (2001-09-09T01:46:40Z).
pub(crate) struct Key {
    pub(crate) secret: SignedSecretKey,
    pub(crate) certificate: SignedPublicKey,
}

/// When keys are made and texts signed, in seconds since 1970.
pub(crate) const MADE: u32 = 1_000_000_000;

/// How a text is signed.
#[derive(Clone, Copy)]
pub(crate) struct Signing {
    pub(crate) at: u32,
    pub(crate) lifetime: Option<u32>,
    pub(crate) hash: HashAlgorithm,
    pub(crate) by_subkey: bool,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            at: MADE,
            lifetime: None,
            hash: HashAlgorithm::Sha512,
            by_subkey: true,
        }
    }
}

impl Key {
    /// The key of this number: another number, another key.
    pub(crate) fn new(number: u64) -> Self {
        Self::of_type(number, KeyType::Ed25519Legacy)
    }

    pub(crate) fn of_type(number: u64, kind: KeyType) -> Self {
        let made = Timestamp::from_secs(MADE);
        let subkey = SubkeyParamsBuilder::default()
            .key_type(kind.clone())
            .can_sign(true)
            .created_at(made)
            .build()
            .unwrap();
        let secret = SecretKeyParamsBuilder::default()
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .created_at(made)
            .primary_user_id(format!("Test key {number}"))
            .subkeys(vec![subkey])
            .build()
            .unwrap()
            .generate(StdRng::seed_from_u64(number))
            .unwrap();
        // The generator dates what keys state about themselves by the clock: state it anew.
        let certificate = SignedPublicKey::from(secret.clone());
        let mut key = Self {
            secret,
            certificate,
        };
        key.certificate.details.users[0].signatures =
            vec![key.user_binding(MADE, vec![may_sign()])];
        let subkey = key.certificate.public_subkeys[0].key.clone();
        let signer = &key.secret.secret_subkeys[0].key;
        let consent = config(signer, SignatureType::KeyBinding, MADE, Vec::new())
            .sign_primary_key_binding(
                signer,
                &subkey,
                &Password::empty(),
                &key.certificate.primary_key,
            )
            .unwrap();
        let says = vec![
            may_sign(),
            SubpacketData::EmbeddedSignature(Box::new(consent)),
        ];
        key.certificate.public_subkeys[0].signatures =
            vec![key.subkey_statement(SignatureType::SubkeyBinding, &subkey, MADE, says)];
        key
    }

    /// The primary key's statement about the user.
    pub(crate) fn user_binding(&self, at: u32, says: Vec<SubpacketData>) -> Signature {
        let primary = &self.secret.primary_key;
        config(primary, SignatureType::CertPositive, at, says)
            .sign_certification(
                primary,
                &self.certificate.primary_key,
                &Password::empty(),
                Tag::UserId,
                &self.certificate.details.users[0].id,
            )
            .unwrap()
    }

    /// The primary key's statement about a subkey: a binding or a revocation.
    pub(crate) fn subkey_statement(
        &self,
        kind: SignatureType,
        subkey: &PublicSubkey,
        at: u32,
        says: Vec<SubpacketData>,
    ) -> Signature {
        let primary = &self.secret.primary_key;
        config(primary, kind, at, says)
            .sign_subkey_binding(
                primary,
                &self.certificate.primary_key,
                &Password::empty(),
                subkey,
            )
            .unwrap()
    }

    /// The primary key's revocation of itself.
    pub(crate) fn revocation(&self, at: u32) -> Signature {
        let primary = &self.secret.primary_key;
        config(primary, SignatureType::KeyRevocation, at, Vec::new())
            .sign_key(primary, &Password::empty(), &self.certificate.primary_key)
            .unwrap()
    }

    pub(crate) fn armored(&self) -> String {
        armored(&self.certificate)
    }

    pub(crate) fn fingerprint(&self) -> String {
        shown(&self.secret.fingerprint())
    }

    /// The fingerprint of the key that signs by default.
    pub(crate) fn subkey(&self) -> String {
        shown(&self.secret.secret_subkeys[0].fingerprint())
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        self.sign_as(text, Signing::default())
    }

    pub(crate) fn sign_as(&self, text: &str, signing: Signing) -> String {
        armored_message(&self.message(text, signing))
    }

    pub(crate) fn message(&self, text: &str, signing: Signing) -> CleartextSignedMessage {
        if signing.by_subkey {
            message(&self.secret.secret_subkeys[0].key, text, signing)
        } else {
            message(&self.secret.primary_key, text, signing)
        }
    }
}

fn armored(certificate: &SignedPublicKey) -> String {
    certificate
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

pub(crate) fn armored_message(message: &CleartextSignedMessage) -> String {
    message.to_armored_string(ArmorOptions::default()).unwrap()
}

pub(crate) fn may_sign() -> SubpacketData {
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    SubpacketData::KeyFlags(flags)
}

fn message<K: SigningKey>(key: &K, text: &str, signing: Signing) -> CleartextSignedMessage {
    let says = signing
        .lifetime
        .map(|seconds| SubpacketData::SignatureExpirationTime(Duration::from_secs(seconds)));
    let mut config = config(key, SignatureType::Text, signing.at, Vec::from_iter(says));
    config.hash_alg = signing.hash;
    CleartextSignedMessage::new(text, config, key, &Password::empty()).unwrap()
}

/// A signature to be made by `key`, dated `at`.
fn config<K: SigningKey>(
    key: &K,
    kind: SignatureType,
    at: u32,
    says: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha512);
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ]
    .into_iter()
    .chain(says)
    .map(|data| Subpacket::regular(data).unwrap())
    .collect();
    // GnuPG looks for the key by this one.
    let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
    config.unhashed_subpackets = vec![Subpacket::regular(id).unwrap()];
    config
}

fn shown(fingerprint: &Fingerprint) -> String {
    format!("{fingerprint:X}")
}
