//! The one configuration from which all clients are built.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::HttpClient;

use super::bounded::Bounded;

use super::endpoints;
use crate::config::InvalidSettings;

/// An answer that takes longer than this is not coming: without a limit, one
/// silent connection would eat the whole run.
const ATTEMPT: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(4);

/// Reads everything that the AWS SDKs read (environment, profiles, endpoints,
/// retries), once.
///
/// # Errors
/// [`InvalidSettings`] if an endpoint would be spoken to without TLS.
pub async fn load() -> Result<SdkConfig, InvalidSettings> {
    checked(loader()).await
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
pub async fn load_in_lambda() -> Result<SdkConfig, InvalidSettings> {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    checked(loader().credentials_provider(credentials)).await
}

fn loader() -> ConfigLoader {
    aws_config::defaults(behavior())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        )
        .http_client(Bounded::new(https()))
}

async fn checked(loader: ConfigLoader) -> Result<SdkConfig, InvalidSettings> {
    let config = loader.load().await;
    let faults = endpoints::faults(&config);
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(InvalidSettings(faults))
    }
}

/// The SDK's own HTTPS client: it can't be had from the SDK to be wrapped.
fn https() -> impl HttpClient + 'static {
    Builder::new().build_with_connector_fn(|settings, components| {
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default().tls_provider(provider);
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
