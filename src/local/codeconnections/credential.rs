//! The caller as named by the request: the SigV4 `Authorization` header.
//!
//! Signatures are not checked, because the emulator has no secrets. The header
//! must be present and complete, as AWS requires it.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::arn::{is_account, partition};
use super::errors::{ErrorKind, ServiceError};

/// The credential that a signature names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access key ID.
    pub access_key: String,
    /// The region of the credential scope.
    pub region: String,
    /// The signing name of the credential scope, such as `codeconnections`.
    pub service: String,
    /// `X-Amz-Security-Token`, sent with temporary credentials.
    pub session_token: Option<String>,
}

impl Credential {
    /// Reads the headers of a request.
    ///
    /// # Errors
    ///
    /// `MissingAuthenticationToken` without an `Authorization` header,
    /// `IncompleteSignature` if it is not a complete SigV4 header.
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
        // From the right: an access key may contain a slash.
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
        // The region becomes part of ARNs.
        (plain(region) && plain(service) && !access_key.is_empty()).then(|| Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            session_token,
        })
    }

    /// Returns the account that the access key names: twelve digits are an account
    /// ID, as in other emulators of AWS.
    pub fn account(&self) -> Option<&str> {
        is_account(&self.access_key).then_some(self.access_key.as_str())
    }
}

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The region of the request.
    pub region: String,
    /// The ARN of the IAM principal.
    pub arn: String,
    /// The unique ID of the principal, as in `GetCallerIdentity`.
    pub user_id: String,
}

/// Returns the ARN of the root user of an account, the principal of an access key
/// that is an account ID.
pub(super) fn root_arn(region: &str, account: &str) -> String {
    format!("arn:{}:iam::{account}:root", partition(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: &str) -> Result<Credential, ServiceError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().expect("a header"));
        Credential::from_headers(&headers)
    }

    #[test]
    fn complete_header_names_account_and_region() {
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
    fn incomplete_header_is_rejected() {
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
