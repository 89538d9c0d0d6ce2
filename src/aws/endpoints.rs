//! Which endpoints may be spoken to: by TLS, or on this machine.
//!
//! A request over plain HTTP can be read and altered on its way: who alters a
//! listing makes the record lie, and a session token is in each request's head.
//! So no other endpoint is accepted, wherever it is set, before anything is sent.
//! What credentials are fetched from (a container's, an instance's metadata) is
//! not set so: the SDK itself accepts only addresses of the machine and its host.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use hyper_util::client::proxy::matcher::Matcher;

use super::setting::InvalidSetting;

/// By the names that the SDK looks up, and the variables that set their endpoints.
/// The last two give credentials to those who sign in.
const SERVICES: [(&str, &str); 5] = [
    ("CodeConnections", "AWS_ENDPOINT_URL_CODECONNECTIONS"),
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("STS", "AWS_ENDPOINT_URL_STS"),
    ("SSO", "AWS_ENDPOINT_URL_SSO"),
    ("SSO OIDC", "AWS_ENDPOINT_URL_SSO_OIDC"),
];

/// What is wrong with the endpoints of `config`, from the environment or from a
/// profile.
pub fn faults(config: &SdkConfig) -> Vec<InvalidSetting> {
    // As the SDK's clients find their proxy.
    let proxies = Matcher::from_env();
    let everywhere = config.endpoint_url().map(str::to_owned);
    let of_services = SERVICES.map(|(service, variable)| (variable, of_service(config, service)));
    [("AWS_ENDPOINT_URL", everywhere.clone())]
        .into_iter()
        .chain(
            of_services
                .into_iter()
                // Where nothing is said of a service, the SDK gives what is said of all.
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
    if !is_private(url) {
        return Some(
            "is neither https nor on this machine (127.0.0.1, ::1, localhost): requests would go \
             over the network in the clear",
        );
    }
    // Through TLS a proxy only passes on what it can't read.
    let is_proxied = url
        .parse()
        .is_ok_and(|uri| proxies.intercept(&uri).is_some());
    (is_proxied && !is_tls(url)).then_some(
        "would be reached through a proxy, in the clear: put its host into NO_PROXY, or take \
         HTTP_PROXY and ALL_PROXY away",
    )
}

/// As the clients themselves ask for it.
fn of_service(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config()?.load_config(key)
}

fn is_tls(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

/// Whether nobody on the network can read what is sent there, unless a proxy is.
fn is_private(url: &str) -> bool {
    is_tls(url)
        || url.split_once("://").is_some_and(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case("http") && is_loopback(authority(rest))
        })
}

/// Whether an authority (a host, and perhaps a port) is this machine. One with a
/// user in it is not: what looks like a host before an `@` is none.
fn is_loopback(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
            && address.parse().is_ok_and(|a: Ipv6Addr| a.is_loopback());
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|a: Ipv4Addr| a.is_loopback())
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or("")
}

/// The URL without a user and password: they are not for logs.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = authority(rest);
    let host = authority.rsplit('@').next().unwrap_or("");
    if scheme.is_empty() {
        format!("{host:?}")
    } else {
        format!("{:?}", format!("{scheme}://{host}"))
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
            assert!(is_private(private), "{private}");
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
            "http://2130706433",
            "http://0177.0.0.1",
            "http:localhost",
            "localhost:8000",
            "ftp://127.0.0.1",
            "http://",
            "",
        ] {
            assert!(!is_private(open), "{open}");
        }
    }

    #[test]
    fn who_signs_in_at_an_endpoint_is_not_told() {
        assert_eq!(
            without_user("http://me:secret@example.com:80/path?key=1"),
            "\"http://example.com:80\""
        );
    }
}
