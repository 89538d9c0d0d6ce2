//! The HTTP server of the emulator.

use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use axum::middleware::map_response_with_state;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use super::credential::{Caller, Credential};
use super::errors::{ErrorKind, ServiceError};
use super::faults::{Fault, RequestInfo};
use super::model::Operation;
use super::options::RegionAccess;
use super::protocol::Call;
use super::state::Scope;
use super::{CodeConnectionsEmulator, control, protocol, sts};

/// Maximum size of a request body, far above that of any input of the service.
const BODY_LIMIT: usize = 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Serves routes until the future is dropped.
///
/// There is no TLS and no check of signatures: listen on loopback.
///
/// # Errors
///
/// If the listener fails.
pub(in crate::local) async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    // Responses are one small write each. Ignore a failure: it only costs time.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

/// Returns the routes of the emulator, for use in another server.
pub fn router(codeconnections: CodeConnectionsEmulator) -> Router {
    Router::new()
        .route("/", post(root))
        .route("/service/{service}/operation/{operation}", post(service))
        .route("/_standin/connections", get(control::connections))
        .route("/_standin/status", post(control::status))
        .route("/_standin/share", post(control::share))
        .route("/_standin/members", post(control::members))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(map_response_with_state(codeconnections.clone(), stamp))
        .with_state(codeconnections)
}

impl CodeConnectionsEmulator {
    /// Returns who sends a request.
    ///
    /// # Errors
    ///
    /// As the services answer a request without credentials, or with wrong ones.
    pub(in crate::local) fn caller(&self, headers: &HeaderMap) -> Result<Caller, ServiceError> {
        let credential = Credential::from_headers(headers)?;
        self.state().identify(&credential, now())
    }
}

/// Adds a request ID to every response.
async fn stamp(
    State(codeconnections): State<CodeConnectionsEmulator>,
    mut response: Response<Body>,
) -> Response<Body> {
    if !response.headers().contains_key(REQUEST_ID) {
        set_request_id(&mut response, &codeconnections.next_request_id());
    }
    response
}

fn set_request_id(response: &mut Response<Body>, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// Handles `POST /`: STS, or the service in JSON.
async fn root(
    State(codeconnections): State<CodeConnectionsEmulator>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if sts::is_addressed(&headers) {
        // STS repeats the ID in the body.
        let request_id = codeconnections.next_request_id();
        let now = now();
        let mut response = sts::handle(
            &mut codeconnections.state(),
            &headers,
            &body,
            &request_id,
            now,
        );
        set_request_id(&mut response, &request_id);
        return response;
    }
    service(State(codeconnections), uri, headers, body).await
}

/// Handles a request to the service, in either protocol.
async fn service(
    State(codeconnections): State<CodeConnectionsEmulator>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let call = match protocol::parse(uri.path(), &headers, &body) {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response().map(Body::from),
    };
    let wire = call.wire;
    let response = match perform(&codeconnections, call) {
        Ok(output) => protocol::answer(wire, &output),
        Err(Trouble::Refused(error)) => protocol::refuse(wire, &error),
        Err(Trouble::Silent) => std::future::pending().await,
    };
    response.map(Body::from)
}

/// The reason why a call has no output.
enum Trouble {
    Refused(ServiceError),
    /// No response is sent.
    Silent,
}

impl From<ServiceError> for Trouble {
    fn from(error: ServiceError) -> Self {
        Self::Refused(error)
    }
}

fn perform(
    codeconnections: &CodeConnectionsEmulator,
    call: Call,
) -> Result<serde_json::Value, Trouble> {
    let caller = codeconnections.state().identify(&call.credential, now())?;
    let scope = Scope::of(&caller, call.wire.namespace);
    // The hook runs without the lock, so that it can read the state.
    let request = RequestInfo {
        account: caller.account,
        region: caller.region,
        operation: call.operation.clone(),
        sequence: codeconnections.next_sequence(),
    };
    if let Some(fault) = codeconnections.fault(&request) {
        return Err(fail(fault, &scope, &call));
    }
    let mut state = codeconnections.state();
    match state.region_access(&scope) {
        Some(RegionAccess::Denied) => return Err(fail(Fault::Deny, &scope, &call)),
        Some(RegionAccess::NotEnabled) => return Err(fail(Fault::NotEnabled, &scope, &call)),
        None => {}
    }
    let operation = Operation::find(&call.operation)?;
    Ok(state.perform(&scope, operation, call.input)?)
}

/// Returns the response of an injected fault.
fn fail(fault: Fault, scope: &Scope, call: &Call) -> Trouble {
    match fault {
        Fault::Throttle => ServiceError::new(ErrorKind::Throttling, "Rate exceeded").into(),
        Fault::InternalError => ServiceError::new(
            ErrorKind::InternalFailure,
            "The request processing has failed because of an unknown error, exception or failure.",
        )
        .into(),
        Fault::Deny => {
            let resource = ["ConnectionArn", "HostArn", "ResourceArn"]
                .iter()
                .find_map(|member| call.input.get(member)?.as_str());
            scope.denied(&call.operation, resource).into()
        }
        Fault::NotEnabled => ServiceError::unrecognized_client().into(),
        Fault::Hang => Trouble::Silent,
    }
}

/// Returns the current time, for the validity of temporary credentials. Clients
/// compare it with their own clock, so it is the real time.
#[expect(
    clippy::disallowed_methods,
    reason = "clients compare with their own clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
