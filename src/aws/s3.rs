//! Objects in Amazon S3: what checkpoints and rule files need of it.
//!
//! Its SDK crate would add a minute to each build. Buckets are named in the path:
//! names with dots have no certificate, and emulators no host of their own.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>

use aws_config::SdkConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::error::CallError;
use super::json_client::{Service, percent_encoded};
use super::meter::Meter;
use super::service_call::{ServiceCall, ServiceFailure, SigningOptions};
use super::unexpected_response::OBJECT_ACCEPT;
use crate::domain::{Region, Timestamp};

const S3: Service = Service::new("S3", "s3");

/// The code of a refused [`Bucket::put_new`].
const EXISTS: &str = "PreconditionFailed";

/// A bucket, called with one account's credentials.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Credentials, endpoints and the HTTP client.
    pub config: Box<SdkConfig>,
    /// The region of the bucket.
    pub region: Region,
    /// Its name.
    pub name: Box<str>,
}

/// Returns the bucket and the key in `s3://BUCKET/KEY`. The key may be empty.
pub fn split_uri(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("s3://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// The content of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub content: Vec<u8>,
    /// The version's id, if the bucket has versions.
    pub version: Option<Box<str>>,
}

/// One version of an object, or the mark of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The key of the object.
    pub key: String,
    /// The version's id: `null` in a bucket without versions.
    pub id: String,
    /// When S3 received it.
    pub received_at: Timestamp,
    /// Whether it marks the object as deleted.
    pub is_delete_marker: bool,
}

/// The result of putting an object that must not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was put.
    Done,
    /// There is one with this key.
    Exists,
}

/// A request, before it is signed.
#[derive(Debug)]
struct Request {
    method: &'static str,
    /// The path and the query string.
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Bucket {
    /// Puts an object, unless there is one with this key.
    ///
    /// # Errors
    /// The [`CallError`] that the call ended in.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
    pub async fn put_new(
        &self,
        key: &str,
        body: &[u8],
        content_type: &str,
    ) -> Result<Put, CallError> {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("if-none-match", "*".to_owned()),
            // Both are required where Object Lock retains what is put.
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            (
                "x-amz-checksum-sha256",
                STANDARD.encode(Sha256::digest(body)),
            ),
        ];
        let put = self.call(
            "PutObject",
            Request {
                method: "PUT",
                target: self.path(key),
                headers,
                body: body.to_vec(),
            },
        );
        match put.await {
            // Something else than S3 can answer 200.
            Ok(answer) if !answer.has_etag => {
                Err(CallError::unreadable("PutObject: an answer without ETag"))
            }
            Ok(_) => Ok(Put::Done),
            Err(error) if &*error.code == EXISTS => Ok(Put::Exists),
            Err(error) => Err(error),
        }
    }

    /// Returns the content of an object: its newest version, or the one with this id.
    ///
    /// # Errors
    /// The [`CallError`] that the call ended in.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
    pub async fn get(&self, key: &str, version: Option<&str>) -> Result<Object, CallError> {
        let mut target = self.path(key);
        if let Some(id) = version {
            target.push_str("?versionId=");
            target.push_str(&percent_encoded(id));
        }
        let get = Request::get(target);
        let answer = self.call("GetObject", get).await?;
        Ok(Object {
            content: answer.body,
            version: answer.version,
        })
    }

    /// Returns all versions of the objects whose keys begin with `prefix`, by key,
    /// the newest of each first, beginning after the key `after` (empty: with the first).
    ///
    /// # Errors
    /// The [`CallError`] that a call ended in.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
    pub async fn versions(
        &self,
        prefix: &str,
        after: &str,
    ) -> Result<Vec<ObjectVersion>, CallError> {
        let mut found = Vec::new();
        let mut next = VersionsPage {
            next_key: after.to_owned(),
            ..VersionsPage::default()
        };
        loop {
            let query = [
                ("key-marker", next.next_key.as_str()),
                ("prefix", prefix),
                ("version-id-marker", &next.next_version),
            ];
            let mut target = self.path("");
            target.push_str("?versions");
            for (name, value) in query.into_iter().filter(|(_, value)| !value.is_empty()) {
                target.push_str(&format!("&{name}={}", percent_encoded(value)));
            }
            let answer = self
                .call("ListObjectVersions", Request::get(target))
                .await?;
            let page = versions_page(&answer.body)
                .map_err(|error| CallError::unreadable(super::error::chain(&error)))?;
            let ended = !page.is_truncated;
            found.extend(page.versions.iter().cloned());
            // A page that ends where it began would be asked for ever.
            let repeated = page.next_key == next.next_key && page.next_version == next.next_version;
            if ended {
                return Ok(found);
            }
            if repeated {
                return Err(CallError::unreadable(
                    "ListObjectVersions: a marker is repeated",
                ));
            }
            next = page;
        }
    }

    fn path(&self, key: &str) -> String {
        let segments = key.split('/').map(percent_encoded);
        let key = segments.collect::<Vec<_>>().join("/");
        format!("/{}/{key}", percent_encoded(&self.name))
    }

    async fn call(&self, name: &'static str, request: Request) -> Result<Answer, CallError> {
        let mut signing = SigningOptions::default();
        signing.double_uri_encode = false;
        signing.normalize_uri_path = false;
        signing.content_sha256_header = true;
        let meter = Meter::default();
        let call = ServiceCall {
            config: &self.config,
            meter: &meter,
            service: S3,
            name,
            region: &self.region,
            signing,
        };
        let call = call
            .builder()
            .serializer(|request: Request| request.into_http())
            .deserializer(parse)
            .build();
        let answer = call.invoke(request).await;
        answer.map_err(|error| CallError::from(&error))
    }
}

impl Request {
    fn get(target: String) -> Self {
        Self {
            method: "GET",
            target,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn into_http(self) -> Result<HttpRequest, BoxError> {
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(self.target)
            .header("accept", OBJECT_ACCEPT)
            .header("content-length", self.body.len());
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        Ok(HttpRequest::try_from(
            request.body(SdkBody::from(self.body))?,
        )?)
    }
}

/// A response, as far as it is needed.
#[derive(Debug)]
struct Answer {
    body: Vec<u8>,
    has_etag: bool,
    version: Option<Box<str>>,
}

/// Returns a response, or the error in it.
fn parse(response: &HttpResponse) -> Result<Answer, OrchestratorError<ServiceFailure>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        let headers = response.headers();
        return Ok(Answer {
            body: body.to_vec(),
            has_etag: headers.contains_key("etag"),
            version: headers.get("x-amz-version-id").map(Box::from),
        });
    }
    let [code, message] = error_in(body).unwrap_or_default();
    let code = code.or_else(|| {
        let code = match response.status().as_u16() {
            404 => "NoSuchKey",
            412 => EXISTS,
            _ => return None,
        };
        Some(code.to_owned())
    });
    let region = response.headers().get("x-amz-bucket-region");
    let message = match (message, region) {
        (Some(message), Some(region)) => Some(format!("{message} (the bucket is in {region})")),
        (message, _) => message,
    };
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    if let Some(message) = message {
        metadata = metadata.message(message);
    }
    Err(OrchestratorError::operation(ServiceFailure(
        metadata.build(),
    )))
}

/// Returns the code and the message of an error.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn error_in(body: &[u8]) -> Result<[Option<String>; 2], XmlDecodeError> {
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    let mut found = [None, None];
    while let Some(mut tag) = root.next_tag() {
        match tag.start_el().local() {
            "Code" => found[0] = Some(try_data(&mut tag)?.into_owned()),
            "Message" => found[1] = Some(try_data(&mut tag)?.into_owned()),
            _ => {}
        }
    }
    Ok(found)
}

/// A page of versions, and where the next one begins.
#[derive(Debug, Default)]
struct VersionsPage {
    versions: Vec<ObjectVersion>,
    is_truncated: bool,
    next_key: String,
    next_version: String,
}

fn versions_page(body: &[u8]) -> Result<VersionsPage, XmlDecodeError> {
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    if !root.start_el().matches("ListVersionsResult") {
        return Err(XmlDecodeError::custom("no ListVersionsResult"));
    }
    let mut page = VersionsPage::default();
    while let Some(mut tag) = root.next_tag() {
        match tag.start_el().local() {
            "IsTruncated" => page.is_truncated = try_data(&mut tag)? == "true",
            "NextKeyMarker" => page.next_key = try_data(&mut tag)?.into_owned(),
            "NextVersionIdMarker" => page.next_version = try_data(&mut tag)?.into_owned(),
            "Version" => page.versions.push(version(&mut tag, false)?),
            "DeleteMarker" => page.versions.push(version(&mut tag, true)?),
            _ => {}
        }
    }
    Ok(page)
}

fn version(
    version: &mut ScopedDecoder<'_, '_>,
    is_delete_marker: bool,
) -> Result<ObjectVersion, XmlDecodeError> {
    let (mut key, mut id, mut received_at) = (None, None, None);
    while let Some(mut tag) = version.next_tag() {
        match tag.start_el().local() {
            "Key" => key = Some(try_data(&mut tag)?.into_owned()),
            "VersionId" => id = Some(try_data(&mut tag)?.into_owned()),
            "LastModified" => received_at = try_data(&mut tag)?.parse().ok(),
            _ => {}
        }
    }
    let missing = |member| XmlDecodeError::custom(format!("a version without {member}"));
    Ok(ObjectVersion {
        key: key.ok_or_else(|| missing("Key"))?,
        id: id.ok_or_else(|| missing("VersionId"))?,
        received_at: received_at.ok_or_else(|| missing("LastModified"))?,
        is_delete_marker,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_marks_of_deletions_are_read_from_xml() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Name>b</Name><Prefix></Prefix><IsTruncated>true</IsTruncated>
            <NextKeyMarker>a&amp;b</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>
            <DeleteMarker><Key>a&amp;b</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>
            <LastModified>2026-11-29T10:00:01.000Z</LastModified></DeleteMarker>
            <Version><Key>a&amp;b</Key><VersionId>v1</VersionId>
            <LastModified>2026-11-29T10:00:00.000Z</LastModified><Size>3</Size>
            <Owner><ID>1</ID></Owner></Version></ListVersionsResult>"#;
        let page = versions_page(body).unwrap();
        assert_eq!(
            (page.next_key.as_str(), page.next_version.as_str()),
            ("a&b", "v2")
        );
        assert!(page.is_truncated);
        let found = page.versions.iter();
        let found: Vec<_> = found
            .map(|it| (it.id.as_str(), it.is_delete_marker))
            .collect();
        assert_eq!(found, [("v2", true), ("v1", false)]);
        assert!(versions_page(b"<html></html>").is_err());
        assert!(versions_page(b"<ListVersionsResult><Version/></ListVersionsResult>").is_err());
    }

    #[test]
    fn error_names_the_region_of_the_bucket() {
        let body = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
        let mut response = HttpResponse::new(301.try_into().unwrap(), SdkBody::from(body));
        response
            .headers_mut()
            .insert("x-amz-bucket-region", "eu-west-3");
        let error = parse(&response).unwrap_err();
        let meta = &error.as_operation_error().unwrap().0;
        assert_eq!(meta.code(), Some("PermanentRedirect"));
        assert_eq!(
            meta.message(),
            Some("elsewhere (the bucket is in eu-west-3)")
        );
    }
}
