//! Errors of the service: codes, HTTP statuses and wire names.

use super::arn::Namespace;

/// The kind of a service error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// `ResourceNotFoundException`, from the service model.
    ResourceNotFound,
    /// `ResourceUnavailableException`, from the service model.
    ResourceUnavailable,
    /// `ResourceAlreadyExistsException`, from the service model.
    ResourceAlreadyExists,
    /// `LimitExceededException`, from the service model.
    LimitExceeded,
    /// `ConflictException`, from the service model.
    Conflict,
    /// `ValidationException`: the input violates a constraint of the model.
    Validation,
    /// `SerializationException`: the body can't be parsed as the input.
    Serialization,
    /// `AccessDeniedException`: the caller's policies do not allow the call.
    AccessDenied,
    /// `ThrottlingException`: too many calls.
    Throttling,
    /// `InternalFailure`: an error of the service.
    InternalFailure,
    /// `UnrecognizedClientException`: unknown credentials, also the response of a
    /// region that the account has not enabled.
    UnrecognizedClient,
    /// `ExpiredTokenException`: expired temporary credentials.
    ExpiredToken,
    /// `MissingAuthenticationTokenException`: the request is not signed.
    MissingAuthenticationToken,
    /// `IncompleteSignatureException`: the signature header can't be parsed.
    IncompleteSignature,
    /// `UnknownOperationException`: no such operation.
    UnknownOperation,
}

/// The origin of an error. It decides the namespace of its wire name.
enum Origin {
    /// The service model, which also defines the HTTP status.
    Model,
    /// The service framework of AWS, with its namespace.
    Framework(&'static str),
}

const SERVICE: Origin = Origin::Framework("com.amazon.coral.service");

impl ErrorKind {
    /// Returns code, HTTP status and origin.
    const fn describe(self) -> (&'static str, u16, Origin) {
        match self {
            Self::ResourceNotFound => ("ResourceNotFoundException", 404, Origin::Model),
            Self::ResourceUnavailable => ("ResourceUnavailableException", 400, Origin::Model),
            Self::ResourceAlreadyExists => ("ResourceAlreadyExistsException", 409, Origin::Model),
            Self::LimitExceeded => ("LimitExceededException", 429, Origin::Model),
            Self::Conflict => ("ConflictException", 409, Origin::Model),
            Self::Validation => (
                "ValidationException",
                400,
                Origin::Framework("com.amazon.coral.validate"),
            ),
            Self::Throttling => (
                "ThrottlingException",
                400,
                Origin::Framework("com.amazon.coral.availability"),
            ),
            Self::Serialization => ("SerializationException", 400, SERVICE),
            Self::AccessDenied => ("AccessDeniedException", 400, SERVICE),
            Self::InternalFailure => ("InternalFailure", 500, SERVICE),
            Self::UnrecognizedClient => ("UnrecognizedClientException", 400, SERVICE),
            Self::ExpiredToken => ("ExpiredTokenException", 400, SERVICE),
            Self::MissingAuthenticationToken => {
                ("MissingAuthenticationTokenException", 400, SERVICE)
            }
            Self::IncompleteSignature => ("IncompleteSignatureException", 400, SERVICE),
            Self::UnknownOperation => ("UnknownOperationException", 400, SERVICE),
        }
    }

    /// Returns the error code.
    pub const fn code(self) -> &'static str {
        self.describe().0
    }

    /// Returns the HTTP status. Only the model of the newer API defines statuses;
    /// the older API returns 400 for all client errors.
    pub const fn status(self, namespace: Namespace) -> u16 {
        match (self.describe(), namespace) {
            ((_, _, Origin::Model), Namespace::CodestarConnections) => 400,
            ((_, status, _), _) => status,
        }
    }

    /// Returns the value of `__type`.
    pub fn wire_name(self, namespace: Namespace) -> String {
        let (code, _, origin) = self.describe();
        let prefix = match origin {
            Origin::Model => namespace.smithy(),
            Origin::Framework(prefix) => prefix,
        };
        format!("{prefix}#{code}")
    }

    /// Returns the member with the message: `Message` for errors of the model, as
    /// the SDKs read it, `message` for errors of the framework.
    pub const fn message_member(self) -> &'static str {
        match self.describe().2 {
            Origin::Model => "Message",
            Origin::Framework(_) => "message",
        }
    }
}

/// A service error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct ServiceError {
    /// The kind of error.
    pub kind: ErrorKind,
    /// The error message.
    pub message: String,
}

impl ServiceError {
    /// Creates an error.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// `ResourceNotFoundException` about `arn`; `what` is "Connection", "Host", …
    pub fn not_found(what: &str, arn: &str) -> Self {
        Self::new(
            ErrorKind::ResourceNotFound,
            format!("{what} {arn} not found"),
        )
    }

    /// `ValidationException` with `message`.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Validation, message)
    }

    /// `LimitExceededException`: at most `limit` of `what`.
    pub fn limit(what: &str, limit: usize) -> Self {
        Self::new(
            ErrorKind::LimitExceeded,
            format!("The maximum number of {what} ({limit}) has been reached"),
        )
    }

    /// `AccessDeniedException` in the words of IAM when no policy allows the call.
    pub fn not_authorized(user: &str, action: &str, resource: &str) -> Self {
        Self::new(
            ErrorKind::AccessDenied,
            format!(
                "User: {user} is not authorized to perform: {action} on resource: {resource} \
                 because no identity-based policy allows the {action} action"
            ),
        )
    }

    /// `UnrecognizedClientException` in the words of the service.
    pub fn unrecognized_client() -> Self {
        Self::new(
            ErrorKind::UnrecognizedClient,
            "The security token included in the request is invalid.",
        )
    }
}
