//! Configures the SDK's credentials providers.

use aws_config::SdkConfig;
use aws_config::provider_config::ProviderConfig;

use crate::aws::clients;

/// Returns the part of a configuration that credentials providers use.
pub(crate) fn provider_config(config: &SdkConfig) -> ProviderConfig {
    let mut providers = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_behavior_version(Some(clients::behavior()))
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack());
    if let Some(client) = config.http_client() {
        providers = providers.with_http_client(client);
    }
    if let Some(retries) = config.retry_config() {
        providers = providers.with_retry_config(retries.clone());
    }
    if let Some(timeouts) = config.timeout_config() {
        providers = providers.with_timeout_config(timeouts.clone());
    }
    providers
}
