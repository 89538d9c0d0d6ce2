//! The caller of a request, and `AssumeRole`.

use std::time::{Duration, SystemTime};

use super::arn;
use super::credential::{Caller, Credential, root_arn};
use super::errors::{ErrorKind, ServiceError};
use super::sessions::{Session, TemporaryCredentials};
use super::state::ServiceState;
use crate::domain::arn::Arn;

/// The input of `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRequest<'a> {
    /// The role.
    pub role_arn: &'a str,
    /// The name of the session.
    pub session_name: &'a str,
    /// The external ID, if one is sent.
    pub external_id: Option<&'a str>,
    /// The validity of the credentials.
    pub duration: Duration,
}

impl ServiceState {
    /// Returns the caller of a request: the session of its access key, the account
    /// that its access key names, or the default account.
    ///
    /// # Errors
    ///
    /// `UnrecognizedClient` for the key of a session without its token,
    /// `ExpiredToken` for an expired session.
    pub fn identify(
        &self,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<Caller, ServiceError> {
        let region = credential.region.clone();
        if let Some(session) = self.sessions.by_key.get(&credential.access_key) {
            let credentials = &session.credentials;
            if credential.session_token.as_ref() != Some(&credentials.session_token) {
                return Err(ServiceError::unrecognized_client());
            }
            if credentials.expires <= now {
                return Err(ServiceError::new(
                    ErrorKind::ExpiredToken,
                    "The security token included in the request is expired",
                ));
            }
            return Ok(Caller {
                account: session.account.clone(),
                region,
                arn: credentials.arn.clone(),
                user_id: credentials.user_id.clone(),
            });
        }
        let account = credential
            .account()
            .unwrap_or(&self.options.default_account);
        Ok(Caller {
            arn: root_arn(&region, account),
            user_id: account.to_owned(),
            account: account.to_owned(),
            region,
        })
    }

    /// Issues credentials for a role. There are no trust policies: every account
    /// trusts every caller with the external ID of the options, except the
    /// accounts that the options deny.
    ///
    /// # Errors
    ///
    /// `Validation` if the ARN is not that of a role, `AccessDenied` if the
    /// account denies the call.
    pub fn assume_role(
        &mut self,
        caller: &Caller,
        request: &RoleRequest<'_>,
        now: SystemTime,
    ) -> Result<TemporaryCredentials, ServiceError> {
        let role_arn = request.role_arn;
        let (arn, name) = read_role(role_arn)
            .ok_or_else(|| ServiceError::validation(format!("{role_arn} is invalid")))?;
        let wanted = self.options.external_id.as_deref();
        let is_known = wanted.is_none() || request.external_id == wanted;
        if self.options.deny_assume_role.contains(arn.account) || !is_known {
            return Err(ServiceError::new(
                ErrorKind::AccessDenied,
                format!(
                    "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                    caller.arn
                ),
            ));
        }
        let session_name = request.session_name;
        let ids = &mut self.sessions.ids;
        let credentials = TemporaryCredentials {
            access_key: format!("ASIA{}", ids.key(16)),
            secret_key: ids.key(40),
            session_token: ids.hex(64),
            expires: now + request.duration,
            arn: format!(
                "arn:{}:sts::{}:assumed-role/{name}/{session_name}",
                arn.partition, arn.account
            ),
            user_id: format!("AROA{}:{session_name}", ids.key(17)),
        };
        let session = Session {
            account: arn.account.to_owned(),
            credentials: credentials.clone(),
        };
        self.sessions
            .by_key
            .insert(credentials.access_key.clone(), session);
        Ok(credentials)
    }
}

/// Parses the ARN of a role. Returns it with the name of the role, without path.
fn read_role(text: &str) -> Option<(Arn<'_>, &str)> {
    let arn = arn::parse(text)?;
    let (_, name) = arn.resource.strip_prefix("role")?.rsplit_once('/')?;
    let whole = arn.service == "iam" && arn.region.is_empty() && !name.is_empty();
    (whole && arn.resource.starts_with("role/")).then_some((arn, name))
}
