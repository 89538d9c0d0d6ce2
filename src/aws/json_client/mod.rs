//! Calls of AWS services that speak JSON, without an SDK crate for each.
//!
//! A dependency can stand in a dozen services, of which each has one or two
//! operations that matter here. Their crates would add minutes to a build and
//! megabytes to a function, and drop every member that they do not model. So
//! requests and responses are JSON values, and all the rest is the SDK's: its
//! orchestrator with signing, credentials, time-outs, retries and HTTP client.

mod protocol;
mod service;

use aws_config::SdkConfig;
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_smithy_runtime::client::orchestrator::operation as orchestrator;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde_json::Value;

use crate::aws::clients::behavior;
use crate::aws::endpoints;
use crate::aws::error::CallError;
use crate::aws::meter::{Meter, Use};
use crate::domain::Region;
use protocol::{ServiceFailure, parse, request};

pub use service::{Operation, Service};

/// Calls services with one account's credentials.
#[derive(Debug, Clone, Copy)]
pub struct JsonClient<'a> {
    /// Credentials, endpoints and the HTTP client.
    pub config: &'a SdkConfig,
    /// Counts the requests.
    pub meter: &'a Meter,
}

impl JsonClient<'_> {
    /// Calls an operation in a region and returns its response.
    ///
    /// # Errors
    /// The [`CallError`] that the call ended in, after the SDK's own retries.
    pub async fn call(
        &self,
        operation: Operation,
        region: &Region,
        input: &Value,
    ) -> Result<Value, CallError> {
        let service = operation.service;
        let endpoint = self.endpoint(service, region);
        let signing = self.signing(service, region);
        let mut builder = orchestrator::Operation::builder()
            .service_name(service.id)
            .operation_name(operation.name())
            .behavior_version(behavior())
            .endpoint_url(&endpoint)
            .standard_retry(
                &self
                    .config
                    .retry_config()
                    .cloned()
                    .unwrap_or_else(RetryConfig::standard),
            )
            .retry_classifier(TransientErrorClassifier::<ServiceFailure>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .runtime_plugin(signing)
            .interceptor(self.meter.counts(Use::Listing))
            .with_connection_poisoning();
        if let Some(client) = self.config.http_client() {
            builder = builder.http_client(client);
        }
        if let Some(timeouts) = self.config.timeout_config() {
            builder = builder.timeout_config(timeouts.clone());
        }
        if let Some(sleep) = self.config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = self.config.time_source() {
            builder = builder.time_source(time);
        }
        let call = builder
            .serializer(move |input: Value| request(operation, input))
            .deserializer(|response: &HttpResponse| parse(response))
            .build();
        call.invoke(input.clone())
            .await
            .map_err(|error| CallError::from(&error))
    }

    /// Returns the endpoint of a service: the configured one, or that of AWS.
    fn endpoint(&self, service: Service, region: &Region) -> String {
        let configured = endpoints::of_service(self.config, service.id);
        configured
            .or_else(|| self.config.endpoint_url().map(str::to_owned))
            .unwrap_or_else(|| service.endpoint(region, self.config.use_fips() == Some(true)))
    }

    fn signing(&self, service: Service, region: &Region) -> StaticRuntimePlugin {
        let mut config = Layer::new("signing");
        config.store_put(AuthSchemeOptionResolverParams::new(()));
        config.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(aws_types::region::Region::new(
                region.as_str().to_owned(),
            ))),
            name: Some(SigningName::from(service.name)),
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
