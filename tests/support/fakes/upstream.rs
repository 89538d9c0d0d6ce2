//! A client that forwards the requests of a server to another one.

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;

use super::http_server::Seen;

/// A client with connections of its own.
pub struct Upstream(Client<HttpConnector, Full<Bytes>>);

impl Upstream {
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        // Without it each body waits 40 ms for the acknowledgement of its head.
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// Forwards a request, with another body, to the server at `endpoint`.
    pub async fn forward(
        &self,
        endpoint: &str,
        seen: &Seen,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        let path = seen.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = seen.method.clone();
        *request.uri_mut() = format!("{endpoint}{path}").parse().expect("a URI");
        *request.headers_mut() = seen.headers.clone();
        request.headers_mut().remove(header::HOST);
        // It is set again for the forwarded body.
        request.headers_mut().remove(header::CONTENT_LENGTH);
        Ok(self.0.request(request).await?.map(Body::new))
    }

    /// Forwards a request and reads the complete response.
    pub async fn forward_whole(
        &self,
        endpoint: &str,
        seen: &Seen,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let (mut head, body) = self.forward(endpoint, seen, body).await?.into_parts();
        let body = body.collect().await.expect("a complete response");
        // It is set again, also for another body.
        head.headers.remove(header::CONTENT_LENGTH);
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
