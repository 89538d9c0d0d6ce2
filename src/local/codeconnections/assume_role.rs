//! Who a request is made by, and `AssumeRole`.

use std::time::{Duration, SystemTime};

use super::arn::Arn;
use super::credential::{Caller, Credential, root_arn};
use super::errors::{ErrorKind, ServiceError};
use super::sessions::{Session, TemporaryCredentials};
use super::state::ServiceState;

/// What `AssumeRole` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRequest<'a> {
    /// The role.
    pub role_arn: &'a str,
    /// The name of the session.
    pub session_name: &'a str,
    /// What the role's trust policy may ask for.
    pub external_id: Option<&'a str>,
    /// How long the credentials shall be good.
    pub duration: Duration,
}

impl ServiceState {
    /// Who a request counts as made by: the account its access key names, the
    /// session its access key belongs to, or else the default account.
    ///
    /// # Errors
    ///
    /// `UnrecognizedClient` for a session's key without the session's token,
    /// `ExpiredToken` for one past its time.
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

    /// Hands out credentials for a role, without asking what its trust policy
    /// says: every account trusts every other that knows the external id, if
    /// the options have one, but for those that they name as denying.
    ///
    /// # Errors
    ///
    /// `Validation` when the ARN is not a role's, `AccessDenied` when the role's
    /// account denies.
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

/// A role's ARN and the role's name, which is what follows the path.
fn read_role(text: &str) -> Option<(Arn<'_>, &str)> {
    let arn = Arn::parse(text)?;
    let (_, name) = arn.resource.strip_prefix("role")?.rsplit_once('/')?;
    let whole = arn.service == "iam" && arn.region.is_empty() && !name.is_empty();
    (whole && arn.resource.starts_with("role/")).then_some((arn, name))
}
