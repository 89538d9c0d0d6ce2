//! Who asks, as far as the request itself says: the SigV4 `Authorization` header.
//!
//! Signatures are not checked: the stand-in has no secrets to check them with.
//! The header must be there and be whole, because a client that forgot to sign
//! would fail against AWS too.

use axum::http::{HeaderMap, header::AUTHORIZATION};

use super::arn::{is_account, partition};
use super::errors::{ErrorKind, ServiceError};

/// What a request's signature names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access key ID.
    pub access_key: String,
    /// The region of the credential scope.
    pub region: String,
    /// The signing name of the credential scope, such as `codeconnections`.
    pub service: String,
    /// `X-Amz-Security-Token`, which temporary credentials come with.
    pub session_token: Option<String>,
}

impl Credential {
    /// Reads the headers of a request.
    ///
    /// # Errors
    ///
    /// `MissingAuthenticationToken` without an `Authorization` header,
    /// `IncompleteSignature` when it is not a whole SigV4 one.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, ServiceError> {
        let header = headers.get(AUTHORIZATION).ok_or_else(|| {
            ServiceError::new(
                ErrorKind::MissingAuthenticationToken,
                "Missing Authentication Token",
            )
        })?;
        let session_token = headers
            .get("x-amz-security-token")
            .and_then(|token| token.to_str().ok())
            .map(str::to_owned);
        header
            .to_str()
            .ok()
            .and_then(|text| Self::from_authorization(text, session_token))
            .ok_or_else(|| {
                ServiceError::new(
                    ErrorKind::IncompleteSignature,
                    "Authorization header requires 'Credential' parameter. Authorization header \
                     requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
                     parameter.",
                )
            })
    }

    fn from_authorization(text: &str, session_token: Option<String>) -> Option<Self> {
        let parameters = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let parameter = |name: &str| {
            parameters
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .filter(|value| !value.is_empty())
        };
        parameter("SignedHeaders")?;
        parameter("Signature")?;
        // Read from the right: nothing forbids a slash in an access key.
        let mut scope = parameter("Credential")?.rsplitn(5, '/');
        if scope.next()? != "aws4_request" {
            return None;
        }
        let service = scope.next()?;
        let region = scope.next()?;
        let _date = scope.next()?;
        let access_key = scope.next()?;
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        // The region goes into ARNs, so it must not bring anything with it.
        (plain(region) && plain(service) && !access_key.is_empty()).then(|| Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            session_token,
        })
    }

    /// The account the access key names: twelve digits are taken as an account
    /// ID, the way other emulators of AWS do it.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        is_account(&self.access_key).then_some(self.access_key.as_str())
    }
}

/// One caller, after the access key has been looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account the request counts as made by.
    pub account: String,
    /// The region it is made in.
    pub region: String,
    /// The ARN of the IAM principal.
    pub arn: String,
    /// The principal's unique ID, as `GetCallerIdentity` gives it.
    pub user_id: String,
}

/// The ARN of an account's root user, as whom a bare account ID acts.
#[must_use]
pub(super) fn root_arn(region: &str, account: &str) -> String {
    format!("arn:{}:iam::{account}:root", partition(region))
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn read(authorization: &str) -> Result<Credential, ServiceError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().expect("a header"));
        Credential::from_headers(&headers)
    }

    #[test]
    fn a_whole_header_names_account_and_region() {
        let credential = read(
            "AWS4-HMAC-SHA256 Credential=111122223333/20260101/eu-west-1/codeconnections/\
             aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
        )
        .expect("a credential");
        assert_eq!(credential.account(), Some("111122223333"));
        assert_eq!(credential.region, "eu-west-1");
        assert_eq!(credential.service, "codeconnections");
    }

    #[test]
    fn anything_less_is_refused() {
        for bad in [
            "Bearer x",
            "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/codeconnections/aws4_request",
            "AWS4-HMAC-SHA256 Credential=a/b/aws4_request, SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 Credential=a/d/e:u/s/aws4_request, SignedHeaders=h, Signature=0",
        ] {
            let error = read(bad).expect_err(bad);
            assert_eq!(error.kind, ErrorKind::IncompleteSignature, "{bad}");
        }
        let error = Credential::from_headers(&HeaderMap::new()).expect_err("unsigned");
        assert_eq!(error.kind, ErrorKind::MissingAuthenticationToken);
    }
}
