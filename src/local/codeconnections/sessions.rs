//! Temporary credentials issued by `AssumeRole`.

use std::collections::HashMap;
use std::time::SystemTime;

use super::ids::Ids;

/// Temporary credentials issued by `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryCredentials {
    /// The access key ID. It starts with `ASIA`.
    pub access_key: String,
    /// The secret key. It is not checked.
    pub secret_key: String,
    /// The session token. Requests with the access key must send it.
    pub session_token: String,
    /// The time of expiry.
    pub expires: SystemTime,
    /// The ARN of the assumed role's session.
    pub arn: String,
    /// The unique ID of the assumed role's session.
    pub user_id: String,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) account: String,
    pub(super) credentials: TemporaryCredentials,
}

/// The temporary credentials issued so far, by access key.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pub(super) ids: Ids,
    pub(super) by_key: HashMap<String, Session>,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            ids: Ids::new(seed, 1),
            by_key: HashMap::new(),
        }
    }
}
