//! Control calls of the emulator, for changes that no AWS API makes: completing
//! the handshake in the console, sharing a connection, and adding members that
//! are not in the service model.
//!
//! They need no signature. All bodies are JSON; errors have the format of the
//! service. An ARN is that of a connection or, for a status, of a host.
//!
//! | Request | Body | Response |
//! |---|---|---|
//! | `POST /_standin/status` | `{"arn", "status"}` | `{}` |
//! | `POST /_standin/share` | `{"arn", "account"}` | `{}` |
//! | `POST /_standin/members` | `{"arn", "members": {"ProviderEndpoint", ...}}`, null removes a member | `{}` |
//! | `GET /_standin/connections` | | `{"connections": [...], "hosts": [...]}`, of all accounts and regions |
//!
//! ```sh
//! curl -d '{"arn": "arn:aws:codeconnections:...", "status": "AVAILABLE"}' \
//!     http://127.0.0.1:8080/_standin/status
//! ```

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::CodeConnectionsEmulator;
use super::arn::is_account;
use super::errors::{ErrorKind, ServiceError};
use super::protocol::{Wire, answer, refuse};

#[derive(Deserialize)]
struct SetStatus {
    arn: String,
    status: String,
}

#[derive(Deserialize)]
struct Share {
    arn: String,
    account: String,
}

#[derive(Deserialize)]
struct Members {
    arn: String,
    members: Map<String, Value>,
}

/// `POST /_standin/status`
pub(super) async fn status(
    State(codeconnections): State<CodeConnectionsEmulator>,
    body: Bytes,
) -> Response<Body> {
    respond(&body, |SetStatus { arn, status }| {
        codeconnections.state().set_status(&arn, &status)
    })
}

/// `POST /_standin/share`
pub(super) async fn share(
    State(codeconnections): State<CodeConnectionsEmulator>,
    body: Bytes,
) -> Response<Body> {
    respond(&body, |Share { arn, account }| {
        if !is_account(&account) {
            let message = format!("{account} is not an account ID");
            return Err(ServiceError::validation(message));
        }
        codeconnections.state().share(&arn, &account)
    })
}

/// `POST /_standin/members`
pub(super) async fn members(
    State(codeconnections): State<CodeConnectionsEmulator>,
    body: Bytes,
) -> Response<Body> {
    respond(&body, |Members { arn, members }| {
        codeconnections.state().set_members(&arn, members)
    })
}

/// `GET /_standin/connections`
pub(super) async fn connections(
    State(codeconnections): State<CodeConnectionsEmulator>,
) -> Response<Body> {
    answer(Wire::JSON, &codeconnections.state().describe()).map(Body::from)
}

fn respond<I: DeserializeOwned>(
    body: &[u8],
    work: impl FnOnce(I) -> Result<(), ServiceError>,
) -> Response<Body> {
    let done: Result<Value, ServiceError> = serde_json::from_slice(body)
        .map_err(|error| ServiceError::new(ErrorKind::Serialization, error.to_string()))
        .and_then(work)
        .map(|()| json!({}));
    let response = match done {
        Ok(output) => answer(Wire::JSON, &output),
        Err(error) => refuse(Wire::JSON, &error),
    };
    response.map(Body::from)
}
