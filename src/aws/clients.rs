//! The one configuration from which all clients are built.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::HttpClient;

use aws_types::region::Region;

use super::ca_bundle;
use super::endpoints::{self, ServiceEndpoint};
use super::response_limit::LimitedClient;
use super::setting::{InvalidSetting, InvalidSettings};
use super::shared_config::SharedConfig;

/// The longest wait for a response: without it, one silent connection would use
/// up the whole run.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Reads everything that the AWS SDKs read (environment, profiles, endpoints,
/// retries), once. The caller decides how credentials are found.
///
/// `shared` names the profile; `region` goes before the environment's and the
/// profile's.
///
/// # Errors
/// [`InvalidSettings`] if a setting can't be used, or an endpoint would be
/// spoken to without TLS.
pub async fn load(
    shared: &SharedConfig,
    region: Option<&str>,
) -> Result<SdkConfig, InvalidSettings> {
    let faults: Vec<_> = shared.file_faults().collect();
    if !faults.is_empty() {
        return Err(InvalidSettings(faults));
    }
    let mut loader = loader(shared)?.no_credentials();
    if let Some(profile) = shared.named() {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    checked(loader, &endpoints::all()).await
}

/// The same in Lambda, which has the credentials of the function's role in the
/// environment, and nowhere else.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
///
/// To look for others the SDK makes clients of STS and of the instance metadata
/// service: a quarter of what the function does to start.
///
/// # Errors
/// As [`load`].
pub async fn load_in_lambda(services: &[ServiceEndpoint]) -> Result<SdkConfig, InvalidSettings> {
    let shared = SharedConfig::read(None).await.map_err(invalid)?;
    let credentials = EnvironmentVariableCredentialsProvider::new();
    checked(loader(&shared)?.credentials_provider(credentials), services).await
}

fn invalid(fault: InvalidSetting) -> InvalidSettings {
    InvalidSettings(vec![fault])
}

/// Returns a loader that does not panic: the settings that it reads were
/// checked before.
fn loader(shared: &SharedConfig) -> Result<ConfigLoader, InvalidSettings> {
    let trust = ca_bundle::context(shared);
    let faults: Vec<_> = shared
        .faults()
        .chain(trust.as_ref().err().cloned())
        .collect();
    let trust = match trust {
        Ok(trust) if faults.is_empty() => trust,
        _ => return Err(InvalidSettings(faults)),
    };
    Ok(aws_config::defaults(behavior())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        )
        .http_client(LimitedClient::new(https(trust))))
}

async fn checked(
    loader: ConfigLoader,
    services: &[ServiceEndpoint],
) -> Result<SdkConfig, InvalidSettings> {
    let config = loader.load().await;
    let faults = endpoints::faults(&config, services);
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(InvalidSettings(faults))
    }
}

/// The SDK's own HTTPS client: it can't be had from the SDK to be wrapped.
fn https(trust: TlsContext) -> impl HttpClient + 'static {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default()
            .tls_provider(provider)
            .tls_context(trust.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// The SDK's defaults as of this date. Pinned: an update of a crate must not
/// change how the function retries or times out.
pub fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}
