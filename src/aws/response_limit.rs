//! The response size limit: a function has little memory, and the sender
//! decides how much to send.
//!
//! The SDK reads a whole response of any length before it parses it, and the
//! parsed form is larger still: the smallest entries of a listing take one byte
//! on the wire and more than a hundred in memory. So the limits are close to
//! the largest valid responses.
//!
//! Responses that are not the service's are recognised here too, because this
//! sees each response as it arrived.

use std::error::Error;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

#[cfg(feature = "compliance")]
use super::unexpected_response::OBJECT_ACCEPT;
use super::unexpected_response::{Due, UnexpectedResponse};

type BoxError = Box<dyn Error + Send + Sync>;

/// The longest response without items. A page of a listing has at most 100
/// connections, each of less than 1,100 bytes with the longest values of the
/// service's model, and a token of 1,024; the response to a batch of 25 writes
/// has a few hundred bytes for each.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// The longest response that holds items, or what people wrote: pipelines,
/// projects with their build specifications, products, hosts with certificates of up
/// to 16,384 characters, and what REST services list. A page of a query or a scan has
/// at most 1 MB of items, to which JSON adds about a half.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>
const MAX_ITEMS_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// The longest object: what checkpoints state of 100,000 accounts.
#[cfg(feature = "compliance")]
const MAX_OBJECT_BYTES: usize = 64 * 1024 * 1024;

/// The header `accept` of requests to REST services.
pub(super) const REST_ACCEPT: &str = "application/json";

/// An HTTP client that reads no more of a response than a valid one has.
#[derive(Debug)]
pub struct LimitedClient<C> {
    inner: C,
}

impl<C: HttpClient> LimitedClient<C> {
    /// Returns the client with limits.
    pub fn new(inner: C) -> Self {
        Self { inner }
    }
}

impl<C: HttpClient> HttpClient for LimitedClient<C> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector {
            inner: self.inner.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct BoundedConnector {
    inner: SharedHttpConnector,
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target");
        let operation = target.and_then(|target| target.rsplit('.').next());
        // Of REST requests only the path says what they ask.
        let accept = request.headers().get("accept");
        let most = match operation {
            None if accept == Some(REST_ACCEPT) => MAX_ITEMS_RESPONSE_BYTES,
            #[cfg(feature = "compliance")]
            None if accept == Some(OBJECT_ACCEPT) => MAX_OBJECT_BYTES,
            Some(
                "Query"
                | "Scan"
                | "GetItem"
                | "BatchGetProjects"
                | "GetPipeline"
                | "GetResources"
                | "ListHosts"
                | "SearchProductsAsAdmin",
            ) => MAX_ITEMS_RESPONSE_BYTES,
            _ => MAX_RESPONSE_BYTES,
        };
        let due = Due::to(&request);
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = gathered(&mut answer, most).await;
            if let (Some(due), Ok(body)) = (due, &body)
                && let Some(foreign) = UnexpectedResponse::of(due, &answer, body)
            {
                // Of no kind that the SDK sends again by itself.
                return Err(ConnectorError::other(foreign.into(), None));
            }
            *answer.body_mut() = body.map_or_else(failing, SdkBody::from);
            Ok(answer)
        })
    }
}

/// Reads the body of a response in one piece. The SDK keeps each piece as it
/// arrived, and a piece of one byte takes thirty times that.
async fn gathered(answer: &mut HttpResponse, most: usize) -> Result<Vec<u8>, BoxError> {
    let announced = answer.headers().get("content-length");
    let announced = announced.and_then(|length| length.parse().ok());
    let mut body = answer.take_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            if whole.len() + piece.len() > most {
                return Err(ResponseTooLarge { most, announced }.into());
            }
            whole.extend_from_slice(&piece);
        }
    }
    Ok(whole)
}

/// Returns a body that fails to be read with this error: the SDK then reports
/// it.
fn failing(error: BoxError) -> SdkBody {
    let failure: Result<Frame<_>, BoxError> = Err(error);
    SdkBody::from_body_1_x(StreamBody::new(stream::iter([failure])))
}

/// A response that is longer than a valid one can be. The rest was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {most} bytes came{}, where a right answer has less", announcement(.announced))]
pub struct ResponseTooLarge {
    /// The limit, in bytes.
    pub most: usize,
    /// The length that the response announced.
    pub announced: Option<u64>,
}

fn announcement(announced: &Option<u64>) -> String {
    match announced {
        Some(bytes) => format!(" ({bytes} were announced)"),
        None => String::new(),
    }
}

impl ResponseTooLarge {
    /// Returns this error, if it is among the causes of `error`.
    pub fn in_causes_of(error: &(dyn Error + 'static)) -> Option<Self> {
        in_causes_of(error)
    }
}

/// Returns the cause of this type, if an error has one.
pub(super) fn in_causes_of<T: Error + Copy + 'static>(error: &(dyn Error + 'static)) -> Option<T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(*found);
        }
        cause = error.source();
    }
    None
}
