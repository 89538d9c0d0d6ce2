//! What the service refuses with: error codes, their HTTP status and the name
//! they carry on the wire.

use super::arn::Namespace;

/// The kinds of error the stand-in answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// `ResourceNotFoundException`, from the service model.
    ResourceNotFound,
    /// `ResourceUnavailableException`, from the service model.
    ResourceUnavailable,
    /// `LimitExceededException`, from the service model.
    LimitExceeded,
    /// `ConflictException`, from the service model.
    Conflict,
    /// `ValidationException`: the input breaks a constraint of the model.
    Validation,
    /// `SerializationException`: the body cannot be read as the input.
    Serialization,
    /// `AccessDeniedException`: the caller's policies do not allow the call.
    AccessDenied,
    /// `ThrottlingException`: too many calls.
    Throttling,
    /// `InternalFailure`: the service broke.
    InternalFailure,
    /// `UnrecognizedClientException`: the credentials mean nothing here, which
    /// is also what a region that the account has not enabled answers.
    UnrecognizedClient,
    /// `ExpiredTokenException`: temporary credentials past their time.
    ExpiredToken,
    /// `MissingAuthenticationTokenException`: the request is not signed.
    MissingAuthenticationToken,
    /// `IncompleteSignatureException`: the signature header cannot be read.
    IncompleteSignature,
    /// `UnknownOperationException`: no such operation.
    UnknownOperation,
}

/// Who declares an error, which decides the namespace in its wire name.
enum Origin {
    /// The service model, which also gives the HTTP status.
    Model,
    /// AWS's service framework, under this namespace.
    Framework(&'static str),
}

const SERVICE: Origin = Origin::Framework("com.amazon.coral.service");

impl ErrorKind {
    /// Code, HTTP status and origin, in one place.
    const fn describe(self) -> (&'static str, u16, Origin) {
        match self {
            Self::ResourceNotFound => ("ResourceNotFoundException", 404, Origin::Model),
            Self::ResourceUnavailable => ("ResourceUnavailableException", 400, Origin::Model),
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

    /// The error code clients match on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.describe().0
    }

    /// The HTTP status. Only the newer API's model gives its errors a status of
    /// their own; the older one answers 400 to everything that is the caller's fault.
    #[must_use]
    pub const fn status(self, namespace: Namespace) -> u16 {
        match (self.describe(), namespace) {
            ((_, _, Origin::Model), Namespace::CodestarConnections) => 400,
            ((_, status, _), _) => status,
        }
    }

    /// The value of `__type`.
    #[must_use]
    pub fn wire_name(self, namespace: Namespace) -> String {
        let (code, _, origin) = self.describe();
        let prefix = match origin {
            Origin::Model => namespace.smithy(),
            Origin::Framework(prefix) => prefix,
        };
        format!("{prefix}#{code}")
    }

    /// The member that holds the message. The service's own errors declare
    /// `Message`, which typed exceptions of the SDKs read by exactly that name;
    /// the framework's say `message`.
    #[must_use]
    pub const fn message_member(self) -> &'static str {
        match self.describe().2 {
            Origin::Model => "Message",
            Origin::Framework(_) => "message",
        }
    }
}

/// A refusal: what kind, and the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct ServiceError {
    /// The kind of error.
    pub kind: ErrorKind,
    /// What the caller is told.
    pub message: String,
}

impl ServiceError {
    /// A refusal of `kind` with `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// `ResourceNotFoundException` about `arn`; `what` is "Connection" or "Host".
    #[must_use]
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

    /// `LimitExceededException`: there may be no more than `limit` of `what`.
    #[must_use]
    pub fn limit(what: &str, limit: usize) -> Self {
        Self::new(
            ErrorKind::LimitExceeded,
            format!("The maximum number of {what} ({limit}) has been reached"),
        )
    }

    /// `AccessDeniedException` in the words IAM uses when no policy allows the call.
    #[must_use]
    pub fn not_authorized(user: &str, action: &str, resource: &str) -> Self {
        Self::new(
            ErrorKind::AccessDenied,
            format!(
                "User: {user} is not authorized to perform: {action} on resource: {resource} \
                 because no identity-based policy allows the {action} action"
            ),
        )
    }

    /// `UnrecognizedClientException` in the service's words.
    #[must_use]
    pub fn unrecognized_client() -> Self {
        Self::new(
            ErrorKind::UnrecognizedClient,
            "The security token included in the request is invalid.",
        )
    }
}
