//! awsJson and restJson1: an operation's request, and the output or the error in
//! the response.

use std::fmt::Write as _;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use serde_json::{Map, Value};

use super::service::{Operation, Protocol};
use crate::aws::response_limit::REST_ACCEPT;
use crate::aws::service_call::ServiceFailure;

/// Returns the request for an operation.
pub(super) fn request(operation: Operation, input: Value) -> Result<HttpRequest, BoxError> {
    let (name, protocol) = (operation.name(), operation.protocol);
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
pub(in crate::aws) fn percent_encoded(text: &str) -> String {
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
    use super::super::service::Service;
    use super::*;
    use aws_smithy_types::error::metadata::ProvideErrorMetadata;
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
