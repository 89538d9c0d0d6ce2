//! The STS operations of an inventory, `GetCallerIdentity` and `AssumeRole`, in
//! the AWS query protocol: form in, XML out.
//!
//! They are served at the address of CodeConnections, so that a client needs
//! only one endpoint URL.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::assume_role::RoleRequest;
use super::credential::Credential;
use super::errors::{ErrorKind, ServiceError};
use super::state::ServiceState;
use crate::domain::Timestamp;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const DEFAULT_DURATION: u64 = 3600;

/// An error of STS, which has its own codes and HTTP statuses.
struct StsError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl StsError {
    fn invalid(message: impl Into<String>) -> Self {
        ServiceError::validation(message).into()
    }
}

impl From<ServiceError> for StsError {
    fn from(error: ServiceError) -> Self {
        let (status, code) = match error.kind {
            ErrorKind::AccessDenied => (StatusCode::FORBIDDEN, "AccessDenied"),
            ErrorKind::MissingAuthenticationToken => {
                (StatusCode::FORBIDDEN, "MissingAuthenticationToken")
            }
            ErrorKind::UnrecognizedClient => (StatusCode::FORBIDDEN, "InvalidClientTokenId"),
            ErrorKind::ExpiredToken => (StatusCode::FORBIDDEN, "ExpiredToken"),
            ErrorKind::IncompleteSignature => (StatusCode::BAD_REQUEST, "IncompleteSignature"),
            ErrorKind::UnknownOperation => (StatusCode::BAD_REQUEST, "InvalidAction"),
            _ => (StatusCode::BAD_REQUEST, "ValidationError"),
        };
        Self {
            status,
            code,
            message: error.message,
        }
    }
}

/// Returns true if a request to `/` is addressed to STS: it sends a form. A
/// request with a target is not: curl declares every body a form.
pub(super) fn is_addressed(headers: &HeaderMap) -> bool {
    !headers.contains_key("x-amz-target")
        && headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

/// Handles a request to STS.
pub(super) fn handle(
    state: &mut ServiceState,
    headers: &HeaderMap,
    body: &[u8],
    request_id: &str,
    now: SystemTime,
) -> Response<Body> {
    let (status, xml) = match act(state, headers, body, now) {
        Ok((action, result)) => (
            StatusCode::OK,
            format!(
                "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
                 </{action}Response>"
            ),
        ),
        Err(error) => (
            error.status,
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type>{}{}</Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                element("Code", error.code),
                element("Message", &error.message),
            ),
        ),
    };
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// Performs an action. Returns its name and the content of its result element.
fn act(
    state: &mut ServiceState,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Result<(&'static str, String), StsError> {
    let caller = state.identify(&Credential::from_headers(headers)?, now)?;
    let form = read_form(body);
    let field = |name: &str| form.get(name).map(String::as_str);
    match field("Action").unwrap_or_default() {
        "GetCallerIdentity" => Ok((
            "GetCallerIdentity",
            [
                element("Arn", &caller.arn),
                element("UserId", &caller.user_id),
                element("Account", &caller.account),
            ]
            .concat(),
        )),
        "AssumeRole" => {
            let request = RoleRequest {
                role_arn: required(field("RoleArn"), "roleArn")?,
                session_name: session_name(field("RoleSessionName"))?,
                external_id: field("ExternalId"),
                duration: duration(field("DurationSeconds"))?,
            };
            let role = state.assume_role(&caller, &request, now)?;
            let credentials = [
                element("AccessKeyId", &role.access_key),
                element("SecretAccessKey", &role.secret_key),
                element("SessionToken", &role.session_token),
                element("Expiration", &timestamp(role.expires)),
            ];
            let user = [
                element("AssumedRoleId", &role.user_id),
                element("Arn", &role.arn),
            ];
            Ok((
                "AssumeRole",
                format!(
                    "<Credentials>{}</Credentials><AssumedRoleUser>{}</AssumedRoleUser>",
                    credentials.concat(),
                    user.concat()
                ),
            ))
        }
        other => Err(ServiceError::new(
            ErrorKind::UnknownOperation,
            format!("Could not find operation {other} for version 2011-06-15"),
        )
        .into()),
    }
}

fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, StsError> {
    value.ok_or_else(|| {
        StsError::invalid(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: \
             Member must not be null"
        ))
    })
}

fn session_name(value: Option<&str>) -> Result<&str, StsError> {
    let name = required(value, "roleSessionName")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if (2..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(name);
    }
    Err(StsError::invalid(format!(
        "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]{{2,64}}"
    )))
}

fn duration(value: Option<&str>) -> Result<Duration, StsError> {
    let Some(text) = value else {
        return Ok(Duration::from_secs(DEFAULT_DURATION));
    };
    match text.parse() {
        Ok(seconds @ 900..=43200) => Ok(Duration::from_secs(seconds)),
        _ => Err(StsError::invalid(format!(
            "1 validation error detected: Value '{text}' at 'durationSeconds' failed to satisfy \
             constraint: Member must have value between 900 and 43200"
        ))),
    }
}

/// Returns the fields of an `application/x-www-form-urlencoded` body.
fn read_form(body: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('&', "&amp;");
    Cow::Owned(text.replace('<', "&lt;").replace('>', "&gt;"))
}

/// Formats a time for XML: `2026-01-31T12:00:00Z`. Times before 1970 are 1970.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(millis).to_the_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_formatted_to_the_second() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(at(1_735_689_600), "2025-01-01T00:00:00Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn form_fields_are_decoded() {
        let form = read_form(b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3a%3A1&x=a+b%2&y&z=%zz");
        let field = |name: &str| form.get(name).map(String::as_str);
        assert_eq!(field("RoleArn"), Some("arn:aws:iam::1"));
        assert_eq!(field("x"), Some("a b%2"));
        assert_eq!(field("y"), Some(""));
        assert_eq!(field("z"), Some("%zz"));
    }

    #[test]
    fn xml_is_escaped() {
        assert_eq!(element("M", "<a & b>"), "<M>&lt;a &amp; b&gt;</M>");
    }
}
