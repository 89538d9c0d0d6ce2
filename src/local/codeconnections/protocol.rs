//! The wire formats: Smithy RPC v2 CBOR and AWS JSON 1.0.
//!
//! Both carry the same values, so requests are read into [`serde_json::Value`]
//! and answers written from it; nothing behind this module knows which format a
//! client speaks. The functions here stand on their own: a test that scripts
//! answers of its own can [`parse`] a request and [`answer`] or [`refuse`] it
//! without a world.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::arn::Namespace;
use super::credential::Credential;
use super::errors::{ErrorKind, ServiceError};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Smithy RPC v2 CBOR, which the AWS SDKs of today send.
    Cbor,
    /// AWS JSON 1.0, which older ones send.
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
        // Operations without members may be called without a body.
        if body.is_empty() {
            return Ok(json!({}));
        }
        match self {
            Self::Cbor => from_cbor(body),
            Self::Json => serde_json::from_slice(body).map_err(|error| unreadable(&error)),
        }
    }
}

/// How a request came, which is how it wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// How bodies are written.
    pub format: Format,
    /// Which of the service's two APIs is spoken.
    pub namespace: Namespace,
}

impl Wire {
    /// What the Rust SDK speaks.
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

/// A request to the service, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// How it came.
    pub wire: Wire,
    /// The operation it names. There may be no such operation.
    pub operation: String,
    /// Its input, not yet checked.
    pub input: Value,
    /// What its signature names: the account (see [`Credential::account`]) and
    /// the region.
    pub credential: Credential,
}

/// A request that cannot be read, and how to say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How it came.
    pub wire: Wire,
    /// What is wrong with it.
    pub error: ServiceError,
}

impl Refusal {
    /// The response to send.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        refuse(self.wire, &self.error)
    }
}

/// Reads the `POST` request to `path`.
///
/// # Errors
///
/// What is wrong: no such protocol or service, no signature, no readable body.
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

/// The protocol and the operation that a request is addressed to.
fn address<'a>(path: &'a str, headers: &'a HeaderMap) -> Option<(Wire, &'a str)> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(rest) = path.strip_prefix("/service/") {
        let (service, operation) = rest.split_once("/operation/")?;
        // botocore sends the service's name with its namespace, the Rust SDK
        // without; Smithy's specification lets a server ignore the namespace.
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

/// The answer to a call that went well.
#[must_use]
pub fn answer(wire: Wire, output: &Value) -> Response<Body> {
    respond(wire, StatusCode::OK, output)
}

/// The answer to a call that is refused.
#[must_use]
pub fn refuse(wire: Wire, error: &ServiceError) -> Response<Body> {
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

/// A response of `status` with `body`, whatever they are: what [`answer`] and
/// [`refuse`] are made of, for answers that the service would never give.
#[must_use]
pub fn respond(wire: Wire, status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(wire.format.write(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, wire.format.content_type());
    if wire.format == Format::Cbor {
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

/// `value` in CBOR.
#[must_use]
pub fn to_cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = ciborium::into_writer(value, &mut bytes);
    // Writing to a Vec cannot fail, and every JSON value has a CBOR form.
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// The one value that `bytes` hold in CBOR.
///
/// # Errors
///
/// `Serialization` when they hold none, more than one, or one that JSON cannot
/// express, which the service's inputs never are.
pub fn from_cbor(bytes: &[u8]) -> Result<Value, ServiceError> {
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| unreadable(&error))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(unreadable(&"there is more behind the value"))
    }
}

fn unreadable(why: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::new(
        ErrorKind::Serialization,
        format!("The request body cannot be read: {why}"),
    )
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_cbor() {
        let value = json!({"A": ["b", 1, -2, null, true], "C": {"D": "é"}});
        assert_eq!(from_cbor(&to_cbor(&value)), Ok(value));
    }

    #[test]
    fn bodies_that_are_not_one_value_are_refused() {
        let mut two = to_cbor(&json!({}));
        two.extend(to_cbor(&json!({})));
        for bad in [&two[..], b"\xff", b"\xa1\x61"] {
            let error = from_cbor(bad).expect_err("not one value");
            assert_eq!(error.kind, ErrorKind::Serialization);
        }
    }

    #[test]
    fn both_spellings_of_the_rpc_path_are_known() {
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
