//! Failed AWS calls, of any service, and their meaning.

use std::error::Error;
use std::fmt::Write as _;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;

use super::response_limit::{ResponseTooLarge, in_causes_of};
use super::unexpected_response::UnexpectedResponse;
use crate::domain::text::{cut, one_line};

/// A failed call, reduced to what decides and what is reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// Its meaning for the caller.
    pub kind: CallErrorKind,
    /// The service's error code, or a word of ours if there was no response.
    pub code: Box<str>,
    /// The message of the service, or of the layer that failed.
    pub message: Box<str>,
    /// Whether the outcome is indeterminate: the request was sent, was not
    /// refused, and may have been or may still be carried out.
    pub is_indeterminate: bool,
}

/// The meaning of a failed call for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// Too many requests: the same one will work later.
    Throttled,
    /// The service failed, or its response could not be read.
    Service,
    /// No response in time.
    TimedOut,
    /// No connection to the service.
    Unreachable,
    /// Something other than the service responded.
    Foreign,
    /// The local table's disk is full, or can't be written.
    Disk,
    /// The caller is denied, or is not known in this region.
    Denied,
    /// There are no credentials to call with.
    NoCredentials,
    /// The resource does not exist.
    NotFound,
    /// The service refuses the request for another reason.
    Refused,
}

impl CallErrorKind {
    /// Returns true if the same request may succeed when it is sent again.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Throttled
            | Self::Service
            | Self::TimedOut
            | Self::Unreachable
            | Self::Foreign => true,
            Self::Disk | Self::Denied | Self::NoCredentials | Self::NotFound | Self::Refused => {
                false
            }
        }
    }

    /// Returns true if more than a few attempts don't help: nothing listens at
    /// the address, or something other than the service does.
    pub fn is_soon_clear(self) -> bool {
        matches!(self, Self::Unreachable | Self::Foreign)
    }
}

impl CallError {
    /// Returns an error whose message is safe for logs, responses and the
    /// record: one line, not too long, and without the request.
    pub fn new(kind: CallErrorKind, code: &str, message: impl AsRef<str>) -> Self {
        const MAX_CODE_BYTES: usize = 64;
        const MAX_MESSAGE_BYTES: usize = 400;
        let message = without_request(&one_line(message.as_ref()));
        let kind = match kind {
            CallErrorKind::Service if is_of_the_disk(&message) => CallErrorKind::Disk,
            kind => kind,
        };
        Self {
            kind,
            code: cut(&one_line(code), MAX_CODE_BYTES).into(),
            message: cut(&message, MAX_MESSAGE_BYTES).into(),
            is_indeterminate: matches!(
                kind,
                CallErrorKind::Service
                    | CallErrorKind::TimedOut
                    | CallErrorKind::Unreachable
                    | CallErrorKind::Foreign
            ),
        }
    }

    /// Returns the error for a successful response without the expected
    /// content.
    pub fn unreadable(message: impl AsRef<str>) -> Self {
        Self::new(CallErrorKind::Service, "UnreadableAnswer", message)
    }

    /// Returns the error for a request that could not be built.
    pub fn local(error: &(dyn Error + 'static)) -> Self {
        Self::new(CallErrorKind::Refused, "NotSent", chain(error))
    }

    /// Adds the number of attempts, if there was more than one.
    #[must_use]
    pub fn after(mut self, attempts: u32) -> Self {
        if attempts > 1 {
            self.message = format!("{} (tried {attempts} times)", self.message).into();
        }
        self
    }
}

/// The codes by which AWS services throttle. The operations used here model
/// only some of them, so the code decides, not the type.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
const THROTTLING: [&str; 16] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingError",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// The codes with which AWS denies a caller. A region that an account has not
/// enabled responds with `UnrecognizedClientException`.
const DENYING: [&str; 18] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// The codes of failures of the service, of requests that did not reach it in time,
/// and of conflicts between writes.
const RETRYABLE: [&str; 6] = [
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "RequestTimeoutException",
    "TransactionConflict",
    "TransactionConflictException",
];

/// Returns the meaning of an error code and an HTTP status.
pub fn kind_of(code: &str, status: Option<u16>) -> CallErrorKind {
    let not_found = matches!(code, "ResourceNotFoundException" | "ResourceNotFound");
    match status {
        _ if THROTTLING.contains(&code) => CallErrorKind::Throttled,
        _ if DENYING.contains(&code) => CallErrorKind::Denied,
        _ if not_found => CallErrorKind::NotFound,
        _ if RETRYABLE.contains(&code) => CallErrorKind::Service,
        Some(429) => CallErrorKind::Throttled,
        Some(500..) => CallErrorKind::Service,
        Some(401 | 403) => CallErrorKind::Denied,
        // A service says why it refuses. Where nothing can be read of that,
        // it may be a condition that did not hold, or a throttle.
        Some(400) if code.is_empty() => CallErrorKind::Service,
        _ => CallErrorKind::Refused,
    }
}

impl<E> From<&SdkError<E, HttpResponse>> for CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: &SdkError<E, HttpResponse>) -> Self {
        if let Some(foreign) = in_causes_of::<UnexpectedResponse>(error) {
            return Self::new(CallErrorKind::Foreign, "ForeignAnswer", foreign.to_string());
        }
        match error {
            SdkError::ServiceError(answer) if answer.raw().status().is_success() => {
                Self::new(CallErrorKind::Service, "UnreadableAnswer", chain(error))
            }
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let code = answer.err().code().unwrap_or("");
                let message = match answer.err().message() {
                    Some(message) => message.to_owned(),
                    None => format!("HTTP status {status}"),
                };
                let kind = kind_of(code, Some(status));
                let code = match (code, kind) {
                    ("", CallErrorKind::Service) => "UnreadableAnswer",
                    ("", _) => "UnknownError",
                    (code, _) => code,
                };
                Self::new(kind, code, message)
            }
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                if let Some(too_long) = ResponseTooLarge::in_causes_of(error) {
                    // The answer to the same request is as long. An error may pass.
                    let kind = if answer.raw().status().is_success() {
                        CallErrorKind::Refused
                    } else {
                        CallErrorKind::Service
                    };
                    let problem = format!("HTTP status {status}: {too_long}");
                    return Self {
                        is_indeterminate: true,
                        ..Self::new(kind, "AnswerTooLong", problem)
                    };
                }
                Self::new(
                    CallErrorKind::Service,
                    "UnreadableAnswer",
                    format!("HTTP status {status}: {}", chain(error)),
                )
            }
            SdkError::TimeoutError(_) => {
                Self::new(CallErrorKind::TimedOut, "TimedOut", chain(error))
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::new(CallErrorKind::TimedOut, "TimedOut", chain(error))
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                Self::new(CallErrorKind::Unreachable, "Unreachable", chain(error))
            }
            // At least a part of the request was sent: it is unknown whether
            // it was carried out.
            SdkError::DispatchFailure(failure) if failure.as_other().is_some() => {
                Self::new(CallErrorKind::Service, "CutOff", chain(error))
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => not_sent(error),
            _ => Self::new(CallErrorKind::Service, "UnknownError", chain(error)),
        }
    }
}

/// Messages of SQLite, which stores a local table, about its disk. DynamoDB has
/// none of them.
/// <https://www.sqlite.org/rescode.html>
const OF_THE_DISK: [&str; 5] = [
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
    "database disk image is malformed",
];

fn is_of_the_disk(message: &str) -> bool {
    OF_THE_DISK.iter().any(|said| message.contains(said))
}

/// Returns the error for a request without credentials, or that can't be sent.
fn not_sent(error: &(dyn Error + 'static)) -> CallError {
    let error_text = chain(error);
    // The credentials of a role come from a call of their own, which can fail
    // in all the ways in which this one can.
    let mut cause = error.source();
    while let Some(error) = cause {
        let call = error.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>();
        if let Some(call_error) = call.map(CallError::from)
            && call_error.kind.is_retryable()
        {
            return CallError::new(call_error.kind, &call_error.code, error_text);
        }
        cause = error.source();
    }
    if error_text.contains("identity resolver timed out") {
        CallError::new(CallErrorKind::TimedOut, "TimedOut", error_text)
    } else if error_text.contains("credential") {
        CallError::new(CallErrorKind::NoCredentials, "NoCredentials", error_text)
    } else {
        CallError::new(CallErrorKind::Refused, "NotSent", error_text)
    }
}

/// Writes an error and its causes in one line, each once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut error_text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !error_text.contains(&text) {
            let _ = write!(error_text, ": {text}");
        }
        cause = error.source();
    }
    without_request(&one_line(&error_text))
}

/// Texts that only a request's head, or its canonical form, contains.
const OF_A_REQUEST: [&str; 5] = [
    "aws4-",
    "x-amz-security-token",
    "authorization:",
    "the canonical string",
    "the string-to-sign",
];

/// Removes a quoted request from a text. A service that rejects a signature
/// returns the text to sign, which contains the session token.
fn without_request(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let quoted = OF_A_REQUEST
        .iter()
        .filter_map(|part| lower.find(part))
        .min();
    match quoted {
        Some(at) => format!("{}[the request, which is not repeated]", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_before_the_status() {
        assert_eq!(
            kind_of("ThrottlingException", Some(400)),
            CallErrorKind::Throttled
        );
        assert_eq!(
            kind_of("AccessDeniedException", Some(400)),
            CallErrorKind::Denied
        );
        assert_eq!(
            kind_of("UnrecognizedClientException", Some(400)),
            CallErrorKind::Denied
        );
        assert_eq!(
            kind_of("ResourceNotFoundException", Some(400)),
            CallErrorKind::NotFound
        );
        assert_eq!(
            kind_of("InternalServerError", Some(500)),
            CallErrorKind::Service
        );
        assert_eq!(
            kind_of("RequestTimeoutException", Some(408)),
            CallErrorKind::Service
        );
    }

    #[test]
    fn a_request_that_is_quoted_is_not_repeated() {
        let said = "The signature does not match. The Canonical String for this request should \
                    have been 'POST / host:x x-amz-security-token:TOKEN'";
        assert_eq!(
            without_request(said),
            "The signature does not match. [the request, which is not repeated]"
        );
        let said = "Ä: X-Amz-Security-Token: TOKEN";
        assert_eq!(
            without_request(said),
            "Ä: [the request, which is not repeated]"
        );
        let plain = "User: arn:aws:iam::1:role/x is not authorized to perform sts:AssumeRole";
        assert_eq!(without_request(plain), plain);
    }

    #[test]
    fn a_disk_that_is_full_is_no_fault_of_a_service() {
        let call_error =
            |message| CallError::new(CallErrorKind::Service, "InternalServerError", message);
        let full = call_error("Internal error: database or disk is full");
        assert_eq!(
            (full.kind, full.is_indeterminate),
            (CallErrorKind::Disk, false)
        );
        assert_eq!(call_error("try again").kind, CallErrorKind::Service);
    }

    #[test]
    fn a_status_decides_where_the_code_is_unknown() {
        assert_eq!(kind_of("", Some(429)), CallErrorKind::Throttled);
        assert_eq!(kind_of("", Some(503)), CallErrorKind::Service);
        assert_eq!(kind_of("", Some(403)), CallErrorKind::Denied);
        assert_eq!(kind_of("", Some(400)), CallErrorKind::Service);
        assert_eq!(kind_of("", Some(404)), CallErrorKind::Refused);
        assert_eq!(
            kind_of("ValidationException", Some(400)),
            CallErrorKind::Refused
        );
    }
}
