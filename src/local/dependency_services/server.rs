//! The HTTP side: answers requests to these services, and passes all others on.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value, json};

use super::operation::Operation;
use super::{DependencyServices, Home};
use crate::local::codeconnections::CodeConnectionsEmulator;
use crate::local::codeconnections::protocol::{Wire, refuse, respond};

/// Maximum size of a request body: a hundred names of projects are the longest input.
const BODY_LIMIT: usize = 1024 * 1024;

/// Answers a request to one of the services. Any other goes to `next`.
pub(in crate::local) async fn answer_or_pass_on(
    State((services, codeconnections)): State<(DependencyServices, CodeConnectionsEmulator)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let Some(operation) = Operation::of(request.method(), path, request.headers()) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let caller = match codeconnections.caller(&parts.headers) {
        Ok(caller) => caller,
        Err(error) => return refuse(Wire::JSON, &error).map(Body::from),
    };
    let home = Home::new(&caller.account, &caller.region);
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    // A GET has no body.
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let state = services.state();
    let response = match state.answer(operation, &home, &input, &codeconnections.state()) {
        Ok(output) => respond(Wire::JSON, StatusCode::OK, &output),
        Err((code, message)) => {
            let body = json!({"__type": code, "message": message});
            respond(Wire::JSON, StatusCode::BAD_REQUEST, &body)
        }
    };
    response.map(Body::from)
}
