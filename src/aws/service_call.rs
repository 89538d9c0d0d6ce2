//! A call of a service without an SDK crate: how its request is written and its
//! response read is the caller's; the rest is the SDK's orchestrator with signing,
//! credentials, time-outs, retries and HTTP client.

use std::fmt;

use aws_config::SdkConfig;
use aws_runtime::auth::SigV4OperationSigningConfig;
pub(super) use aws_runtime::auth::SigningOptions;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_smithy_runtime::client::orchestrator::operation::{Operation, OperationBuilder};
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;

use super::clients::behavior;
use super::endpoints;
use super::json_client::Service;
use super::meter::{Meter, Use};
use crate::domain::Region;

/// An error that a service answered with.
#[derive(Debug)]
pub(super) struct ServiceFailure(pub(super) ErrorMetadata);

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for ServiceFailure {}

impl ProvideErrorMetadata for ServiceFailure {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// What is called, and with what.
#[derive(Debug)]
pub(super) struct ServiceCall<'a> {
    pub(super) config: &'a SdkConfig,
    pub(super) meter: &'a Meter,
    pub(super) service: Service,
    /// The name of the operation.
    pub(super) name: &'static str,
    pub(super) region: &'a Region,
    pub(super) signing: SigningOptions,
}

impl ServiceCall<'_> {
    /// Returns a builder that lacks a serializer and a deserializer.
    pub(super) fn builder(self) -> OperationBuilder {
        let config = self.config;
        let retries = config.retry_config().cloned();
        let mut builder = Operation::builder()
            .service_name(self.service.id())
            .operation_name(self.name)
            .behavior_version(behavior())
            .endpoint_url(&self.endpoint())
            .standard_retry(&retries.unwrap_or_else(RetryConfig::standard))
            .retry_classifier(TransientErrorClassifier::<ServiceFailure>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .interceptor(self.meter.counts(Use::Listing))
            .runtime_plugin(self.signing())
            .with_connection_poisoning();
        if let Some(client) = config.http_client() {
            builder = builder.http_client(client);
        }
        if let Some(timeouts) = config.timeout_config() {
            builder = builder.timeout_config(timeouts.clone());
        }
        if let Some(sleep) = config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            builder = builder.time_source(time);
        }
        builder
    }

    /// Returns the endpoint: the configured one, or that of AWS.
    fn endpoint(&self) -> String {
        let configured = endpoints::of_service(self.config, self.service.id());
        let configured = configured.or_else(|| self.config.endpoint_url().map(str::to_owned));
        configured.unwrap_or_else(|| {
            let is_fips = self.config.use_fips() == Some(true);
            self.service.endpoint(self.region, is_fips)
        })
    }

    fn signing(self) -> StaticRuntimePlugin {
        let region = aws_types::region::Region::new(self.region.as_str().to_owned());
        let mut config = Layer::new("signing");
        config.store_put(AuthSchemeOptionResolverParams::new(()));
        config.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(region)),
            name: Some(SigningName::from(self.service.name())),
            signing_options: self.signing,
            ..SigV4OperationSigningConfig::default()
        });
        let options = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
        let mut components = RuntimeComponentsBuilder::new("signing")
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(options)))
            .with_identity_cache(self.config.identity_cache());
        if let Some(credentials) = self.config.credentials_provider() {
            let resolver = SharedIdentityResolver::new(credentials);
            components.set_identity_resolver(SCHEME_ID, resolver);
        }
        StaticRuntimePlugin::new()
            .with_config(config.freeze())
            .with_runtime_components(components)
    }
}
