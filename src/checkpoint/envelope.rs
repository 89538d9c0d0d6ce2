//! The envelope of a signed statement: DSSE, which cosign and in-toto's tools read,
//! and which `openssl` verifies once its text is put together.
//!
//! It was preferred to C2SP's signed notes, which are for logs of which each state
//! extends the one before, and whose tools expect Ed25519. A statement in JSON can name
//! files by their digests: so one format serves checkpoints and evidence bundles.
//! <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::CheckpointError;
use super::signer::{PublicKey, Signer};
use super::statement::{PAYLOAD_TYPE, Predicate, Statement};
use crate::domain::Digest;
use crate::domain::digest::canonical_json;

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The statement, in base64.
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

/// A signature, and a hint which key made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    keyid: String,
    /// In base64: for ECDSA the DER of its two numbers.
    sig: String,
}

impl Envelope {
    /// Returns the envelope of a signed statement.
    ///
    /// # Errors
    /// [`CheckpointError::Signing`] if the key did not sign.
    pub async fn sign(payload: &str, signer: &Signer) -> Result<Self, CheckpointError> {
        let signed = signed_text(PAYLOAD_TYPE, payload.as_bytes());
        let signature = signer.sign(&signed).await?;
        Ok(Self {
            signatures: vec![Signature {
                sig: STANDARD.encode(signature),
                keyid: signer.key_id().to_owned(),
            }],
            payload: STANDARD.encode(payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
        })
    }

    /// Returns the envelope as it is stored.
    pub fn to_text(&self) -> String {
        canonical_json(self) + "\n"
    }

    /// Reads a stored envelope. Its signature is not looked at.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let envelope: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(format!("holds {:?}", envelope.payload_type));
        }
        Ok(envelope)
    }

    /// Returns the statement in it, and the digest of its text.
    ///
    /// # Errors
    /// What is wrong.
    pub fn statement<P: Predicate>(&self) -> Result<(Statement<P>, Digest), String> {
        let payload = self.payload()?;
        let digest = Digest::of_bytes(payload.as_bytes());
        Ok((Statement::read(&payload)?, digest))
    }

    /// Returns the text of the statement.
    ///
    /// # Errors
    /// What is wrong.
    pub fn payload(&self) -> Result<String, String> {
        let payload = STANDARD.decode(&self.payload);
        let payload = payload.map_err(|error| format!("payload: {error}"))?;
        String::from_utf8(payload).map_err(|error| format!("payload: {error}"))
    }

    /// Returns true if one of its signatures was made with one of these keys.
    pub fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        let Ok(payload) = STANDARD.decode(&self.payload) else {
            return false;
        };
        let signed = signed_text(&self.payload_type, &payload);
        let mut signatures = self.signatures.iter();
        signatures.any(|signature| {
            let signature = STANDARD.decode(&signature.sig);
            let signed_by = |signature: Vec<u8>| {
                let mut keys = keys.iter();
                keys.any(|key| key.has_signed(&signed, &signature))
            };
            signature.is_ok_and(signed_by)
        })
    }
}

/// Returns what is signed: the type and the payload, each with its length.
/// <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>
fn signed_text(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}
