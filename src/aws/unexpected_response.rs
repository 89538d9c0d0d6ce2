//! Responses that are not the service's: a proxy's page, a network's sign-in
//! page, another server at the endpoint. Retrying does not help.
//!
//! The request's content type names the protocol; without a body, the format that
//! it accepts. Its responses are recognised by their first bytes, which no other
//! protocol's begin with.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};

/// A response in another format than the service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "HTTP status {status} with {came} where {due} is due: something else than the service \
     answered (a proxy, a network's sign-in page, a wrong endpoint)"
)]
pub struct UnexpectedResponse {
    status: u16,
    came: &'static str,
    due: &'static str,
}

/// The header `accept` of requests for objects, whose format nothing says.
#[cfg(feature = "compliance")]
pub(super) const OBJECT_ACCEPT: &str = "application/octet-stream";

/// The expected format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Cbor,
    Json,
    /// Of STS: a form in, XML out.
    Xml,
}

impl Due {
    /// Returns the format of the response to `request`. `None` for requests that
    /// name none, such as those for credentials.
    pub(super) fn to(request: &HttpRequest) -> Option<Self> {
        let headers = request.headers();
        #[cfg(feature = "compliance")]
        if headers.get("accept") == Some(OBJECT_ACCEPT) {
            // What is put or got can have any format.
            return None;
        }
        match headers.get("content-type").or(headers.get("accept"))? {
            "application/cbor" => Some(Self::Cbor),
            "application/x-www-form-urlencoded" => Some(Self::Xml),
            json if json.contains("json") => Some(Self::Json),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Cbor => "CBOR",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }
}

impl UnexpectedResponse {
    /// Returns the error if a response can't be the service's. One with a
    /// status that asks to retry later (429, 503) is accepted from any sender.
    pub(super) fn of(due: Due, answer: &HttpResponse, body: &[u8]) -> Option<Self> {
        let status = answer.status().as_u16();
        if matches!(status, 429 | 503) {
            return None;
        }
        let header = |name| answer.headers().get(name).unwrap_or_default();
        let encoding = header("content-encoding").trim();
        let came = if body.starts_with(b"\x1f\x8b")
            || !matches!(encoding, "" | "identity" | "aws-chunked")
        {
            // The SDK asks for none.
            "a compressed body"
        } else if header("content-type").starts_with("text/html") || is_html(body) {
            "an HTML page"
        } else if due == Due::Cbor && matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            "JSON"
        } else {
            return None;
        };
        Some(Self {
            status,
            came,
            due: due.as_str(),
        })
    }
}

fn is_html(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|start| {
        body.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
    })
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test")]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn found_instead(
        due: Due,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
    ) -> String {
        let status = status.try_into().expect("a status");
        let mut answer = HttpResponse::new(status, SdkBody::empty());
        for (name, value) in headers {
            answer.headers_mut().insert(*name, *value);
        }
        let foreign = UnexpectedResponse::of(due, &answer, body);
        foreign.map_or("", |foreign| foreign.came).to_owned()
    }

    #[test]
    fn answers_of_something_else_are_told_apart() {
        let html = [("content-type", "text/html; charset=utf-8")];
        let gzip = [("content-encoding", "gzip")];
        for due in [Due::Cbor, Due::Json, Due::Xml] {
            assert_eq!(
                found_instead(due, 200, &[], b"\n<!DOCTYPE HTML><p>"),
                "an HTML page"
            );
            assert_eq!(found_instead(due, 502, &html, b""), "an HTML page");
            assert_eq!(found_instead(due, 200, &gzip, b"?"), "a compressed body");
            assert_eq!(
                found_instead(due, 200, &[], b"\x1f\x8b\x08"),
                "a compressed body"
            );
            assert_eq!(
                found_instead(due, 503, &html, b"<html>"),
                "",
                "it says itself: later"
            );
        }
        assert_eq!(
            found_instead(Due::Cbor, 200, &[], b"{\"Connections\":[]}"),
            "JSON"
        );
        // Cut off, empty or garbled it may be the service's all the same.
        for (due, body) in [
            (Due::Json, &b"{\"Items\":"[..]),
            (Due::Xml, b"<ErrorResponse>"),
            (Due::Cbor, b"\xbf\x6bConn"),
            (Due::Cbor, b"\xff\x00\x9f"),
            (Due::Cbor, b""),
        ] {
            assert_eq!(
                found_instead(due, 200, &[("content-encoding", "identity")], body),
                ""
            );
        }
    }
}
