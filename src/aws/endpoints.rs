//! Refuses endpoints that are reached neither by TLS nor on this machine.
//!
//! A request over plain HTTP can be read and altered on its way: an altered
//! listing falsifies the record, and each request carries a session token. Every
//! configured endpoint is checked before anything is sent. Sources of credentials
//! (a container's, an instance's metadata) are not configured this way: the SDK
//! accepts only addresses of the machine and its host.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_util::client::proxy::matcher::Matcher;

use super::setting::InvalidSetting;

/// The name by which the SDK looks up a service, and the variable that sets its
/// endpoint.
pub type ServiceEndpoint = (&'static str, &'static str);

/// The services that list connections and record them. Each lookup counts in a
/// function's start, so it looks for no others.
pub const OF_CONNECTIONS: [ServiceEndpoint; 3] = [
    ("CodeConnections", "AWS_ENDPOINT_URL_CODECONNECTIONS"),
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("STS", "AWS_ENDPOINT_URL_STS"),
];

/// The services that rules are evaluated with, and findings reported to.
pub const OF_FINDINGS: [ServiceEndpoint; 5] = [
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("EventBridge", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
    ("SecurityHub", "AWS_ENDPOINT_URL_SECURITYHUB"),
    ("SSM", "AWS_ENDPOINT_URL_SSM"),
];

/// The services that checkpoints are made with.
pub const OF_CHECKPOINTS: [ServiceEndpoint; 3] = [
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("KMS", "AWS_ENDPOINT_URL_KMS"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
];

/// The services that list dependencies and record them.
pub const OF_DEPENDENCIES: [ServiceEndpoint; 13] = [
    ("CodeBuild", "AWS_ENDPOINT_URL_CODEBUILD"),
    ("CodeConnections", "AWS_ENDPOINT_URL_CODECONNECTIONS"),
    ("CodeGuru Reviewer", "AWS_ENDPOINT_URL_CODEGURU_REVIEWER"),
    ("CodePipeline", "AWS_ENDPOINT_URL_CODEPIPELINE"),
    ("DataZone", "AWS_ENDPOINT_URL_DATAZONE"),
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("Inspector2", "AWS_ENDPOINT_URL_INSPECTOR2"),
    ("Omics", "AWS_ENDPOINT_URL_OMICS"),
    ("Proton", "AWS_ENDPOINT_URL_PROTON"),
    ("RAM", "AWS_ENDPOINT_URL_RAM"),
    (
        "Resource Groups Tagging API",
        "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
    ),
    ("Service Catalog", "AWS_ENDPOINT_URL_SERVICE_CATALOG"),
    ("STS", "AWS_ENDPOINT_URL_STS"),
];

/// The services that only the command line calls. The last two issue credentials at
/// sign-in.
const OF_COMMAND_LINE: [ServiceEndpoint; 4] = [
    ("KMS", "AWS_ENDPOINT_URL_KMS"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
    ("SSO", "AWS_ENDPOINT_URL_SSO"),
    ("SSO OIDC", "AWS_ENDPOINT_URL_SSO_OIDC"),
];

/// Returns all services that the command line calls.
pub fn all() -> Vec<ServiceEndpoint> {
    [&OF_DEPENDENCIES[..], &OF_COMMAND_LINE].concat()
}

/// Returns the endpoints of `services` in `config` that are refused, each with the
/// reason. They come from the environment or from a profile.
pub fn faults(config: &SdkConfig, services: &[ServiceEndpoint]) -> Vec<InvalidSetting> {
    // As the SDK's clients find their proxy.
    let proxies = Matcher::from_env();
    let everywhere = config.endpoint_url().map(str::to_owned);
    let of_services = services.iter();
    let of_services =
        of_services.map(|(service, variable)| (*variable, of_service(config, service)));
    [("AWS_ENDPOINT_URL", everywhere.clone())]
        .into_iter()
        .chain(
            of_services
                // For a service without its own, the SDK returns the endpoint of all.
                .filter(|(_, url)| *url != everywhere),
        )
        .filter_map(|(variable, url)| {
            let url = url?;
            let problem = problem(&url, &proxies)?;
            let url = without_user(&url);
            Some(InvalidSetting {
                variable,
                problem: format!("{url} (from there, or a profile's endpoint_url) {problem}"),
            })
        })
        .collect()
}

fn problem(url: &str, proxies: &Matcher) -> Option<&'static str> {
    let Some(uri) = private(url) else {
        return Some(
            "is neither https nor on this machine (127.0.0.1, ::1, localhost): requests would go \
             over the network in the clear",
        );
    };
    // A proxy of a TLS connection can't read what it passes on.
    let is_proxied = proxies.intercept(&uri).is_some();
    (is_proxied && uri.scheme() != Some(&Scheme::HTTPS)).then_some(
        "would be reached through a proxy, in the clear: put its host into NO_PROXY, or take \
         HTTP_PROXY and ALL_PROXY away",
    )
}

/// Returns a service's endpoint as its client looks it up.
pub(super) fn of_service(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config()?.load_config(key)
}

/// Returns the URL if requests to it cannot be read on the network, unless
/// a proxy is in between: by TLS, or on this machine.
fn private(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme()?;
    let is_private = *scheme == Scheme::HTTPS
        || *scheme == Scheme::HTTP && uri.authority().is_some_and(is_loopback);
    is_private.then_some(uri)
}

/// Returns true if an authority is this machine, with a port or without. One
/// with a user in it, or with anything behind the host, is not.
fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let Some(port) = authority.as_str().strip_prefix(host) else {
        return false;
    };
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
        return false;
    }
    let ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|a: Ipv4Addr| a.is_loopback())
        || ipv6.is_some_and(|host| host.parse().is_ok_and(|a: Ipv6Addr| a.is_loopback()))
}

/// Returns the URL for a log: without user, password, path and query.
fn without_user(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else {
        return "a value that is no URL".to_owned();
    };
    let authority = uri.authority().map_or("", Authority::as_str);
    let host = authority.rsplit('@').next().unwrap_or("");
    match uri.scheme_str() {
        Some(scheme) => format!("{:?}", format!("{scheme}://{host}")),
        None => format!("{host:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_goes_anywhere_and_plain_http_to_this_machine_only() {
        for private in [
            "https://dynamodb.eu-west-1.amazonaws.com",
            "HTTPS://example.com:8443/path",
            "http://127.0.0.1",
            "http://127.0.0.1:8000",
            "http://127.9.9.9:8000/",
            "http://localhost:8000?x",
            "http://LOCALHOST",
            "http://[::1]:8000/x",
        ] {
            assert!(super::private(private).is_some(), "{private}");
        }
        for open in [
            "http://10.0.0.5:8000",
            "http://example.com",
            "http://0.0.0.0:8000",
            "http://169.254.169.254",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://localhost:80@example.com",
            "http://localhost:x@example.com:80",
            "http://[::2]",
            "http://[::1]@example.com",
            "http://[::1].example.com",
            "http://me@localhost",
            "http://[::1]:80@example.com",
            "http://2130706433",
            "http://0177.0.0.1",
            "http:localhost",
            "localhost:8000",
            "ftp://127.0.0.1",
            "http://",
            "",
        ] {
            assert!(super::private(open).is_none(), "{open}");
        }
    }

    #[test]
    fn user_and_path_of_an_endpoint_are_not_logged() {
        assert_eq!(
            without_user("http://me:secret@example.com:80/path?key=1"),
            "\"http://example.com:80\""
        );
        let no_url = without_user("http://me:se cret@example.com");
        assert!(!no_url.contains("cret"), "{no_url}");
    }
}
