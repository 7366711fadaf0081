//! A private key in a file, for development.

use std::path::Path;

use guestmark_measure::ecdsa::PublicKey;
use p384::SecretKey;
use p384::ecdsa::signature::hazmat::PrehashSigner;
use p384::ecdsa::{Signature, SigningKey};
use p384::pkcs8::{DecodePrivateKey, EncodePublicKey};
use sha2::{Digest, Sha384};

use super::{Algorithm, Signer, SignerError, verified};

/// The longest key file that is read, in bytes.
const MAX_SIZE: u64 = 1 << 16;

/// A signer whose private key lies in a file. Signatures are deterministic (RFC 6979).
pub struct PemSigner {
    file: String,
    key: SigningKey,
    public: PublicKey,
    der: Vec<u8>,
}

impl PemSigner {
    /// The ECDSA key on P-384 in a PEM file: PKCS #8, or SEC 1 as `openssl ecparam` writes it.
    ///
    /// # Errors
    /// The file cannot be read, or holds another key, or an encrypted one.
    pub fn read(path: &Path) -> Result<Self, SignerError> {
        use std::io::Read;
        let file = path.display().to_string();
        let refused = |problem: String| SignerError {
            signer: file.clone(),
            problem,
        };
        let mut text = String::new();
        fs_err::File::open(path)
            .and_then(|file| file.take(MAX_SIZE).read_to_string(&mut text))
            .map_err(|error| refused(error.to_string()))?;
        let key = SecretKey::from_pkcs8_pem(&text).or_else(|_| SecretKey::from_sec1_pem(&text));
        let key = key.map_err(|_| {
            refused(
                "expected an ECDSA key on P-384 in PEM (BEGIN PRIVATE KEY), not encrypted; make \
                 one for development with `openssl genpkey -algorithm EC -pkeyopt \
                 ec_paramgen_curve:P-384`, or give the key's owner as --signer"
                    .to_owned(),
            )
        })?;
        let der = key.public_key().to_public_key_der();
        let der = der.map_err(|error| refused(error.to_string()))?.into_vec();
        let public = PublicKey::from_file(&der).map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            file,
            key: key.into(),
            public,
            der,
        })
    }
}

impl Signer for PemSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es384
    }

    fn public_key(&self) -> &[u8] {
        &self.der
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let refused = |problem: String| SignerError {
            signer: self.file.clone(),
            problem,
        };
        let signature: Result<Signature, _> = self.key.sign_prehash(&Sha384::digest(message));
        let signature = signature.map_err(|error| refused(error.to_string()))?;
        let signature = signature.to_bytes().to_vec();
        verified(&self.public, message, &signature).map_err(|error| refused(error.to_string()))?;
        Ok(signature)
    }
}
