//! The wire formats: Smithy RPC v2 CBOR and AWS JSON 1.0.
//!
//! Both carry the same values. Requests are parsed to [`serde_json::Value`] and
//! responses written from it, so no other module depends on the format. Tests
//! that script responses can use [`parse`], [`answer`] and [`refuse`] without a
//! state.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::arn::Namespace;
use super::credential::Credential;
use super::errors::{ErrorKind, ServiceError};

/// The format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Smithy RPC v2 CBOR, sent by current AWS SDKs.
    Cbor,
    /// AWS JSON 1.0, sent by older AWS SDKs.
    Json,
}

impl Format {
    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Cbor => "application/cbor",
            Self::Json => "application/x-amz-json-1.0",
        })
    }

    fn write(self, value: &Value) -> Vec<u8> {
        match self {
            Self::Cbor => to_cbor(value),
            Self::Json => value.to_string().into_bytes(),
        }
    }

    fn read(self, body: &[u8]) -> Result<Value, ServiceError> {
        // Operations without members may have no body.
        if body.is_empty() {
            return Ok(json!({}));
        }
        match self {
            Self::Cbor => from_cbor(body),
            Self::Json => serde_json::from_slice(body).map_err(|error| unreadable(&error)),
        }
    }
}

/// The protocol of a request and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The format of bodies.
    pub format: Format,
    /// The API: CodeConnections or CodeStar Connections.
    pub namespace: Namespace,
}

impl Wire {
    /// The protocol of the Rust SDK.
    pub const CBOR: Self = Self {
        format: Format::Cbor,
        namespace: Namespace::CodeConnections,
    };

    /// The same API in AWS JSON 1.0.
    pub const JSON: Self = Self {
        format: Format::Json,
        namespace: Namespace::CodeConnections,
    };
}

/// A parsed request to the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The protocol.
    pub wire: Wire,
    /// The name of the operation, known or not.
    pub operation: String,
    /// The input, not yet validated.
    pub input: Value,
    /// The credential of the signature, with the account
    /// ([`Credential::account`]) and the region.
    pub credential: Credential,
}

/// A request that can't be parsed, and the error to respond with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The protocol.
    pub wire: Wire,
    /// The error.
    pub error: ServiceError,
}

impl Refusal {
    /// Returns the response to send.
    pub fn into_response(self) -> Response<Bytes> {
        refuse(self.wire, &self.error)
    }
}

/// Parses a `POST` request to `path`.
///
/// # Errors
///
/// [`Refusal`] for an unknown protocol or service, a missing signature or an
/// invalid body.
pub fn parse(path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Call, Refusal> {
    let (wire, operation) = address(path, headers).ok_or_else(|| Refusal {
        wire: Wire::JSON,
        error: ServiceError::new(
            ErrorKind::UnknownOperation,
            format!("Nothing is served at {path} for a request with these headers"),
        ),
    })?;
    let read = || {
        Ok(Call {
            wire,
            operation: operation.to_owned(),
            credential: Credential::from_headers(headers)?,
            input: wire.format.read(body)?,
        })
    };
    read().map_err(|error| Refusal { wire, error })
}

/// Returns the protocol and the operation of a request.
fn address<'a>(path: &'a str, headers: &'a HeaderMap) -> Option<(Wire, &'a str)> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(rest) = path.strip_prefix("/service/") {
        let (service, operation) = rest.split_once("/operation/")?;
        // botocore sends the service name with its namespace, the Rust SDK
        // without. The Smithy specification allows ignoring the namespace.
        let service = service.rsplit('.').next()?;
        let known = service == "CodeConnections_20231201"
            && header("smithy-protocol") == Some("rpc-v2-cbor");
        return known.then_some((Wire::CBOR, operation));
    }
    if path != "/" {
        return None;
    }
    let (service, operation) = header("x-amz-target")?.rsplit_once('.')?;
    let namespace = match service {
        "com.amazonaws.codeconnections.CodeConnections_20231201" => Namespace::CodeConnections,
        "com.amazonaws.codestar.connections.CodeStar_connections_20191201" => {
            Namespace::CodestarConnections
        }
        _ => return None,
    };
    let wire = Wire {
        format: Format::Json,
        namespace,
    };
    Some((wire, operation))
}

/// Returns the response of a successful call.
pub fn answer(wire: Wire, output: &Value) -> Response<Bytes> {
    respond(wire, StatusCode::OK, output)
}

/// Returns the response of a failed call.
pub fn refuse(wire: Wire, error: &ServiceError) -> Response<Bytes> {
    let ServiceError { kind, message } = error;
    let status = StatusCode::from_u16(kind.status(wire.namespace))
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "__type": kind.wire_name(wire.namespace),
        kind.message_member(): message,
    });
    let mut response = respond(wire, status, &body);
    if wire.format == Format::Json {
        let code = HeaderValue::from_static(kind.code());
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// Returns a response with any status and body. [`answer`] and [`refuse`] use it,
/// and tests for responses that the service would never send.
pub fn respond(wire: Wire, status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(wire.format.write(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, wire.format.content_type());
    if wire.format == Format::Cbor {
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

/// Encodes a value as CBOR.
pub fn to_cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = ciborium::into_writer(value, &mut bytes);
    // Writing to a Vec can't fail, and CBOR can represent every JSON value.
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// Decodes exactly one CBOR value.
///
/// # Errors
///
/// `Serialization` if `bytes` contain none, more than one, or one that JSON can't
/// represent. Inputs of the service never do.
pub fn from_cbor(bytes: &[u8]) -> Result<Value, ServiceError> {
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| unreadable(&error))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(unreadable(&"there is data after the value"))
    }
}

fn unreadable(why: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::new(
        ErrorKind::Serialization,
        format!("The request body can't be read: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip_through_cbor() {
        let value = json!({"A": ["b", 1, -2, null, true], "C": {"D": "é"}});
        assert_eq!(from_cbor(&to_cbor(&value)), Ok(value));
    }

    #[test]
    fn body_without_exactly_one_value_is_rejected() {
        let mut two = to_cbor(&json!({}));
        two.extend(to_cbor(&json!({})));
        for bad in [&two[..], b"\xff", b"\xa1\x61"] {
            let error = from_cbor(bad).expect_err("not one value");
            assert_eq!(error.kind, ErrorKind::Serialization);
        }
    }

    #[test]
    fn rpc_path_is_known_with_and_without_namespace() {
        let mut headers = HeaderMap::new();
        let path = "/service/CodeConnections_20231201/operation/GetHost";
        assert_eq!(address(path, &headers), None);
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        assert_eq!(address(path, &headers), Some((Wire::CBOR, "GetHost")));
        let long =
            "/service/com.amazonaws.codeconnections.CodeConnections_20231201/operation/GetHost";
        assert_eq!(address(long, &headers), Some((Wire::CBOR, "GetHost")));
        assert_eq!(address("/service/Other/operation/GetHost", &headers), None);
    }
}
