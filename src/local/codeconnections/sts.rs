//! The two calls of STS that an inventory makes: `GetCallerIdentity` and
//! `AssumeRole`, in the AWS query protocol (a form in, XML out).
//!
//! They are served at the same address as CodeConnections, so that one endpoint
//! URL is enough for a client.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};

use super::assume_role::RoleRequest;
use super::credential::Credential;
use super::errors::{ErrorKind, ServiceError};
use super::state::ServiceState;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const DEFAULT_DURATION: u64 = 3600;

/// A refusal as STS words it: it has its own codes and statuses.
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

/// Whether a request to `/` is one to STS: it sends a form. A target settles
/// that it is not, for curl calls everything it sends a form.
pub(super) fn is_addressed(headers: &HeaderMap) -> bool {
    !headers.contains_key("x-amz-target")
        && headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

/// Answers a request to STS.
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

/// The action's name and the inside of its result.
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

/// The fields of an `application/x-www-form-urlencoded` body.
fn read_form(body: &[u8]) -> BTreeMap<String, String> {
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            (half(), half())
        })
        .collect()
}

fn decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        let byte = match (first, behind) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                // Not an escape after all: a percent sign stands for itself.
                _ => b'%',
            },
            _ => *first,
        };
        bytes.push(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    // A digit to the base 16 is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
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

/// A time as XML wants it: `2026-01-31T12:00:00Z`.
fn timestamp(time: SystemTime) -> String {
    // A clock before 1970 is a clock that is not set.
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The Gregorian calendar, counted from 1 March 0000 so that the leap day
    // comes last in its year: eras of 400 years, which all have 146 097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + carry;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_right() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(at(1_735_689_600), "2025-01-01T00:00:00Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn forms_are_decoded() {
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
