//! Keys: one that signs, here or in AWS KMS, and one that verifies.

use aws_config::SdkConfig;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde_json::json;

use super::error::CheckpointError;
use crate::aws::json_client::{JsonClient, Operation, Service};
use crate::aws::{CallError, Meter};
use crate::domain::{Digest, Region};

const SIGN: Operation = Service::new("KMS", "kms").aws_json("TrentService", "1.1", "Sign");

/// A key that signs.
#[derive(Debug)]
pub enum Signer {
    /// A key in a file.
    Local(LocalKey),
    /// A key in AWS KMS (`ECC_NIST_P256`), which never leaves it.
    Kms {
        /// Credentials, endpoints and the HTTP client.
        config: Box<SdkConfig>,
        /// The region of the key.
        region: Region,
        /// Its ARN, id or alias.
        key: Box<str>,
    },
}

/// A private key of a file.
#[derive(Debug)]
pub struct LocalKey {
    pair: Pair,
    /// The SHA-256 of its public key.
    id: String,
}

#[derive(Debug)]
enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl LocalKey {
    /// Reads a private key in PEM, as `openssl genpkey` writes it: P-256 or Ed25519.
    ///
    /// # Errors
    /// What is wrong. Nothing of the key is in it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|_| "is no private key in PEM (BEGIN PRIVATE KEY)".to_owned())?;
        let der = der.secret_pkcs8_der();
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der);
        let pair = p256.map(Pair::P256).or_else(|_| {
            let ed25519 = Ed25519KeyPair::from_pkcs8(der);
            ed25519.map(Pair::Ed25519)
        });
        let pair = pair.map_err(|_| "is neither a P-256 nor an Ed25519 key".to_owned())?;
        let public = match &pair {
            Pair::P256(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        };
        let id = Digest::of_bytes(public).to_string();
        Ok(Self { pair, id })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match &self.pair {
            Pair::P256(pair) => match pair.sign(&SystemRandom::new(), message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(_) => Err("the key did not sign".to_owned()),
            },
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl Signer {
    /// Returns a name of the key, which a signature carries as a hint.
    pub fn key_id(&self) -> &str {
        match self {
            Self::Local(key) => &key.id,
            Self::Kms { key, .. } => key,
        }
    }

    /// Signs a message: ECDSA over its SHA-256, in DER, or Ed25519.
    ///
    /// # Errors
    /// [`CheckpointError::Signing`] says why not.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CheckpointError> {
        match self {
            Self::Local(local) => local.sign(message).map_err(|problem| CheckpointError::Key {
                key: local.id.clone(),
                problem,
            }),
            Self::Kms {
                config,
                region,
                key,
            } => {
                let signature = sign_by_kms(config, region, key, message).await;
                signature.map_err(|source| CheckpointError::Signing {
                    key: key.to_string(),
                    source,
                })
            }
        }
    }
}

/// KMS takes messages of at most 4,096 bytes; of a longer one it is given the digest.
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>
async fn sign_by_kms(
    config: &SdkConfig,
    region: &Region,
    key: &str,
    message: &[u8],
) -> Result<Vec<u8>, CallError> {
    let meter = Meter::default();
    let client = JsonClient {
        config,
        meter: &meter,
    };
    const MAX_MESSAGE_BYTES: usize = 4096;
    let (message, message_type) = match message.len() {
        0..=MAX_MESSAGE_BYTES => (STANDARD.encode(message), "RAW"),
        _ => (
            STANDARD.encode(Digest::of_bytes(message).as_bytes()),
            "DIGEST",
        ),
    };
    let input = json!({
        "KeyId": key,
        "Message": message,
        "MessageType": message_type,
        "SigningAlgorithm": "ECDSA_SHA_256",
    });
    let answer = client.call_retrying_throttles(SIGN, region, &input).await?;
    let signature = answer["Signature"].as_str();
    let signature = signature.and_then(|text| STANDARD.decode(text).ok());
    signature.ok_or_else(|| CallError::unreadable("Sign: an answer without Signature"))
}

/// A key that verifies signatures.
#[derive(Debug, Clone)]
pub struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// Reads a public key in PEM, as `openssl pkey -pubout` writes it and KMS gives it
    /// (in DER): P-256 or Ed25519.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(content: &[u8]) -> Result<Self, String> {
        let pem = SubjectPublicKeyInfoDer::from_pem_slice(content);
        let der = match &pem {
            Ok(der) => der.as_ref(),
            Err(_) => content,
        };
        let p256 = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der);
        let key = p256.or_else(|_| ParsedPublicKey::new(&ED25519, der));
        key.map(Self)
            .map_err(|_| "is no public key of P-256 or Ed25519, in PEM or DER".to_owned())
    }

    /// Returns true if the signature is that of the message by this key.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}
