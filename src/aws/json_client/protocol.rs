//! awsJson and restJson1: an operation's request, and the output or the error in
//! the response.

use std::fmt::{self, Write as _};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Map, Value};

use crate::aws::response_limit::REST_ACCEPT;
use crate::domain::Region;
use crate::domain::partition::{dns_suffix, dual_stack_suffix};

/// A service, as its endpoint and its signatures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    host_prefix: &'static str,
    is_dual_stack: bool,
}

impl Service {
    /// Returns the service that the SDK looks up as `id`, and whose endpoint and
    /// signatures have `name`.
    pub const fn new(id: &'static str, name: &'static str) -> Self {
        Self {
            id,
            name,
            host_prefix: "",
            is_dual_stack: false,
        }
    }

    /// Returns the service with a prefix of its host at AWS, which is not in
    /// signatures. A configured endpoint has none.
    #[must_use]
    pub const fn host_prefix(self, host_prefix: &'static str) -> Self {
        Self {
            host_prefix,
            ..self
        }
    }

    /// Returns the service as one whose endpoints are dual-stack everywhere.
    #[must_use]
    pub const fn dual_stack(self) -> Self {
        Self {
            is_dual_stack: true,
            ..self
        }
    }

    /// Returns the endpoint of AWS in a region.
    /// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
    pub(super) fn endpoint(self, region: &Region, is_fips: bool) -> String {
        let Self {
            name, host_prefix, ..
        } = self;
        let fips = if is_fips { "-fips" } else { "" };
        let suffix = if self.is_dual_stack {
            dual_stack_suffix(region.as_str())
        } else {
            dns_suffix(region.as_str())
        };
        format!("https://{host_prefix}{name}{fips}.{region}.{suffix}")
    }

    /// Returns an operation of a service that speaks awsJson. `target` is the
    /// prefix of its operations in the header `X-Amz-Target`, `version` that of the
    /// protocol: `1.0` or `1.1`.
    /// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
    pub const fn aws_json(
        self,
        target: &'static str,
        version: &'static str,
        name: &'static str,
    ) -> Operation {
        Operation {
            service: self,
            name,
            protocol: Protocol::AwsJson { target, version },
        }
    }

    /// Returns an operation of a service that speaks restJson1. `path` is its
    /// `requestUri`, in which `{name}` stands for a member of the input; `query` are
    /// the members that are in the query string. All others are in the body.
    /// <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>
    pub const fn rest_json(
        self,
        name: &'static str,
        method: &'static str,
        path: &'static str,
        query: &'static [&'static str],
    ) -> Operation {
        Operation {
            service: self,
            name,
            protocol: Protocol::RestJson {
                method,
                path,
                query,
            },
        }
    }
}

/// An operation of a service: [`Service::aws_json`] or [`Service::rest_json`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub(super) service: Service,
    name: &'static str,
    protocol: Protocol,
}

impl Operation {
    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// How an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    AwsJson {
        target: &'static str,
        version: &'static str,
    },
    RestJson {
        method: &'static str,
        path: &'static str,
        query: &'static [&'static str],
    },
}

/// An error that a service answered with.
#[derive(Debug)]
pub(super) struct ServiceFailure(ErrorMetadata);

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for ServiceFailure {}

impl ProvideErrorMetadata for ServiceFailure {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Returns the request for an operation.
pub(super) fn request(operation: Operation, input: Value) -> Result<HttpRequest, BoxError> {
    let Operation { name, protocol, .. } = operation;
    let request = http::Request::builder();
    let (request, body) = match protocol {
        Protocol::AwsJson { target, version } => {
            let request = request
                .method("POST")
                .uri("/")
                .header("x-amz-target", format!("{target}.{name}"))
                .header("content-type", format!("application/x-amz-json-{version}"));
            (request, input.to_string())
        }
        Protocol::RestJson {
            method,
            path,
            query,
        } => {
            let mut members = match input {
                Value::Object(members) => members,
                _ => Map::new(),
            };
            let path = fill_path(path, &mut members)?;
            let query = query_string(query, &mut members);
            let request = request
                .method(method)
                .uri(path + &query)
                .header("accept", REST_ACCEPT);
            if members.is_empty() {
                (request, String::new())
            } else {
                let request = request.header("content-type", "application/json");
                (request, Value::Object(members).to_string())
            }
        }
    };
    let request = request
        .header("content-length", body.len())
        .body(SdkBody::from(body))?;
    Ok(HttpRequest::try_from(request)?)
}

/// Returns a path with the members that its `{name}` stand for, and takes them out.
fn fill_path(path: &str, members: &mut Map<String, Value>) -> Result<String, BoxError> {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, label)) = rest.split_once('{') {
        let (name, after) = label.split_once('}').unwrap_or((label, ""));
        // Without it the path would be that of another operation.
        let value = members
            .remove(name)
            .as_ref()
            .and_then(simple)
            .filter(|value| !matches!(value.as_str(), "" | "." | ".."))
            .ok_or_else(|| format!("{path}: no {name} to put there"))?;
        filled.push_str(before);
        filled.push_str(&percent_encoded(&value));
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Returns the query string of the members with these names, and takes them out.
fn query_string(names: &[&str], members: &mut Map<String, Value>) -> String {
    let mut query = String::new();
    for name in names {
        let values = match members.remove(*name) {
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
            None => continue,
        };
        for value in values.iter().filter_map(simple) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(name);
            query.push('=');
            query.push_str(&percent_encoded(&value));
        }
    }
    query
}

/// Returns a value that can be in a path or a query string.
fn simple(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Encodes every byte that is not unreserved.
/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns the output in a response, or the error in it.
pub(super) fn parse(response: &HttpResponse) -> Result<Value, OrchestratorError<ServiceFailure>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return serde_json::from_slice(body).map_err(OrchestratorError::other);
    }
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| error.get(name)?.as_str());
        found.map(str::to_owned)
    };
    let header = response.headers().get("x-amzn-errortype");
    let code = header.map(str::to_owned);
    let code = code.or_else(|| text(&["__type", "code", "Code"]));
    let code = code.map(|code| {
        let name = code.split(':').next().unwrap_or_default();
        name.rsplit('#').next().unwrap_or_default().to_owned()
    });
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    if let Some(message) = text(&["message", "Message"]) {
        metadata = metadata.message(message);
    }
    Err(OrchestratorError::operation(ServiceFailure(
        metadata.build(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SERVICE: Service = Service::new("Example", "example");

    fn sent(operation: Operation, input: Value) -> (String, String, String) {
        let request = request(operation, input).unwrap();
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        (request.method().to_owned(), request.uri().to_owned(), body)
    }

    #[test]
    fn rest_members_are_in_the_path_the_query_string_and_the_body() {
        let get = SERVICE.rest_json(
            "Get",
            "GET",
            "/v2/{domain}/items/{id}",
            &["nextToken", "type"],
        );
        let input =
            json!({"domain": "a b/c", "id": "ü~1", "nextToken": "x+y=&", "type": ["A", "B"]});
        assert_eq!(
            sent(get, input),
            (
                "GET".to_owned(),
                "/v2/a%20b%2Fc/items/%C3%BC~1?nextToken=x%2By%3D%26&type=A&type=B".to_owned(),
                String::new(),
            )
        );
        let list = SERVICE.rest_json("List", "POST", "/list", &["maxResults"]);
        let input = json!({"maxResults": 5, "owner": "SELF"});
        assert_eq!(
            sent(list, input),
            (
                "POST".to_owned(),
                "/list?maxResults=5".to_owned(),
                r#"{"owner":"SELF"}"#.to_owned(),
            )
        );
    }

    /// As boto3 has them in `meta.endpoint_url`, and HealthOmics before a call.
    #[test]
    fn endpoints_are_those_of_aws() {
        let ireland: Region = "eu-west-1".parse().unwrap();
        let beijing: Region = "cn-north-1".parse().unwrap();
        let omics = Service::new("Omics", "omics").host_prefix("workflows-");
        let data_zone = Service::new("DataZone", "datazone").dual_stack();
        for (service, region, is_fips, endpoint) in [
            (
                SERVICE,
                &ireland,
                false,
                "https://example.eu-west-1.amazonaws.com",
            ),
            (
                SERVICE,
                &beijing,
                true,
                "https://example-fips.cn-north-1.amazonaws.com.cn",
            ),
            (
                omics,
                &ireland,
                false,
                "https://workflows-omics.eu-west-1.amazonaws.com",
            ),
            (
                data_zone,
                &ireland,
                true,
                "https://datazone-fips.eu-west-1.api.aws",
            ),
            (
                data_zone,
                &beijing,
                false,
                "https://datazone.cn-north-1.api.amazonwebservices.com.cn",
            ),
        ] {
            assert_eq!(service.endpoint(region, is_fips), endpoint);
        }
    }

    /// `/workflow/` would list where `/workflow/1` gets.
    #[test]
    fn rest_call_without_a_member_of_its_path_is_not_sent() {
        let get = SERVICE.rest_json("Get", "GET", "/workflow/{id}", &[]);
        for input in [
            json!({}),
            json!({"id": null}),
            json!({"id": ""}),
            json!({"id": ".."}),
        ] {
            assert!(request(get, input.clone()).is_err(), "{input}");
        }
    }

    #[test]
    fn error_code_is_in_a_header_or_in_the_body() {
        let code = |header: Option<&'static str>, body: &'static str| {
            let mut response = HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body));
            if let Some(header) = header {
                response.headers_mut().insert("x-amzn-errortype", header);
            }
            let error = parse(&response).unwrap_err();
            let meta = error.as_operation_error().unwrap().meta().clone();
            let owned = |text: Option<&str>| text.map(str::to_owned);
            (owned(meta.code()), owned(meta.message()))
        };
        let expected = (
            Some("ThrottlingException".to_owned()),
            Some("slow".to_owned()),
        );
        let header = "ThrottlingException:http://internal.amazon.com/coral/";
        assert_eq!(code(Some(header), r#"{"message":"slow"}"#), expected);
        let body = r#"{"__type":"com.amazonaws.x#ThrottlingException","Message":"slow"}"#;
        assert_eq!(code(None, body), expected);
        let body = r#"{"code":"ThrottlingException","message":"slow"}"#;
        assert_eq!(code(None, body), expected);
        assert_eq!(code(None, "<html>"), (None, None));
    }
}
