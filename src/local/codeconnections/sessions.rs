//! Temporary credentials: what `AssumeRole` hands out, and who uses them later.

use std::{collections::HashMap, time::SystemTime};

use super::ids::Ids;

/// Credentials that `AssumeRole` handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryCredentials {
    /// The access key ID, which begins with `ASIA`.
    pub access_key: String,
    /// The secret key. Nothing checks it.
    pub secret_key: String,
    /// The session token, which must come with the access key.
    pub session_token: String,
    /// When they stop being good.
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

/// The temporary credentials handed out so far, by access key.
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
