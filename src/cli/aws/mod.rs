//! Configuration for AWS as the AWS CLI reads it: options, then variables, then
//! the profile.

mod provider_config;
mod roles;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use clap::{ArgMatches, Args as ClapArgs, Command, FromArgMatches};
use tokio::sync::Mutex;

use super::error::CliError;
use crate::aws::clients;
use crate::aws::error::chain;
use crate::aws::setting::{InvalidSetting, InvalidSettings};
use crate::aws::shared_config::SharedConfig;
use crate::domain::{Clock, Region, SystemClock};
use provider_config::provider_config;
use roles::RoleError;

/// The AWS options of every command, accepted before or after its name.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "AWS")]
pub(crate) struct GlobalArgs {
    /// Use this AWS profile
    #[arg(long, global = true, value_name = "NAME", help_heading = "AWS")]
    profile: Option<String>,
    /// Use this AWS region: of --table, and the default of scan --regions
    #[arg(long, global = true, value_name = "REGION", help_heading = "AWS")]
    region: Option<Region>,
}

/// [`GlobalArgs`], as flattened into a command.
#[derive(Debug, Clone)]
pub(crate) struct AwsArgs {
    profile: Option<String>,
    region: Option<Region>,
}

impl FromArgMatches for AwsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            profile: matches.get_one("profile").cloned(),
            region: matches.get_one("region").cloned(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ClapArgs for AwsArgs {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl AwsArgs {
    /// Returns the options as they would be given again, each with its value.
    pub(crate) fn given(&self) -> Vec<(&'static str, &str)> {
        let profile = self.profile.as_deref().map(|name| ("--profile", name));
        let region = self.region.as_ref().map(|name| ("--region", name.as_str()));
        profile.into_iter().chain(region).collect()
    }

    /// Refuses the options for a local file: `--region` must not be mistaken for
    /// a filter.
    pub(crate) fn check_unused(&self) -> Result<(), CliError> {
        let option = match (&self.profile, &self.region) {
            (Some(_), _) => "--profile",
            (None, Some(_)) => "--region",
            (None, None) => return Ok(()),
        };
        Err(CliError::Usage(format!(
            "{option}: needs --table, a table on AWS; to filter a local file, use --account \
             and --in-region"
        )))
    }
}

/// Reads the configuration as the AWS CLI does. Calls no AWS API.
pub(crate) async fn config(args: &AwsArgs) -> Result<SdkConfig, CliError> {
    let profile = args.profile.as_deref();
    let shared = SharedConfig::read(profile).await.map_err(wrong)?;
    let region = args.region.as_ref().map(Region::as_str);
    let config = clients::load(&shared, region)
        .await
        .map_err(|invalid| CliError::Usage(invalid.to_string()))?;
    let provider = provider(args, &shared, &config).await?;
    let provider = SharedCredentialsProvider::new(CachedCredentials::new(provider));
    Ok(config.into_builder().credentials_provider(provider).build())
}

fn wrong(call_error: InvalidSetting) -> CliError {
    CliError::Usage(InvalidSettings(vec![call_error]).to_string())
}

/// Returns the client's region, if one is set.
pub(crate) fn region(config: &SdkConfig) -> Result<Option<Region>, CliError> {
    let region = config.region().map(|region| region.as_ref().parse());
    region
        .transpose()
        .map_err(|malformed| CliError::Usage(format!("your AWS region: {malformed}")))
}

/// Returns the credentials provider. A named profile, and a default profile with
/// credentials, is the only source: a fallback to the role of a container or an
/// instance could be another account's.
async fn provider(
    args: &AwsArgs,
    shared: &SharedConfig,
    config: &SdkConfig,
) -> Result<SharedCredentialsProvider, CliError> {
    let by_option = args.profile.is_some();
    if !by_option && shared.variable("AWS_ACCESS_KEY_ID").is_some() {
        let secrets = ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY"];
        if secrets.iter().all(|name| shared.variable(name).is_none()) {
            return Err(wrong(InvalidSetting {
                variable: secrets[0],
                problem: "not set, but AWS_ACCESS_KEY_ID is".to_owned(),
            }));
        }
        let environment = EnvironmentVariableCredentialsProvider::new();
        return Ok(SharedCredentialsProvider::new(environment));
    }
    if let Some(provider) = roles::of_profile(shared, config)? {
        return Ok(provider);
    }
    let providers = provider_config(config);
    if by_option {
        let ecs = EcsCredentialsProvider::builder()
            .configure(&providers)
            .build();
        let imds = ImdsCredentialsProvider::builder()
            .configure(&providers)
            .build();
        let chain = CredentialsProviderChain::first_try("EcsContainer", ecs);
        let chain = chain.or_else("Ec2InstanceMetadata", imds);
        return Ok(SharedCredentialsProvider::new(chain));
    }
    let chain = DefaultCredentialsChain::builder()
        .region(config.region().cloned())
        .configure(providers)
        .build();
    Ok(SharedCredentialsProvider::new(chain.await))
}

/// Returns the caller's credentials.
///
/// # Errors
/// [`CliError::Usage`] without credentials, before any call.
pub(crate) async fn credentials(config: &SdkConfig) -> Result<Credentials, CliError> {
    let none = "no AWS credentials; configure them as for the AWS CLI: a profile, or \
                AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    let provider = config
        .credentials_provider()
        .ok_or_else(|| CliError::Usage(none.to_owned()))?;
    provider.provide_credentials().await.map_err(|error| {
        if let Some(refused) = RoleError::in_causes_of(&error) {
            return CliError::Usage(refused);
        }
        let message = chain(&error);
        CliError::Usage(match error {
            CredentialsError::CredentialsNotLoaded(_) if !message.contains("profile") => {
                none.to_owned()
            }
            _ => format!("AWS credentials: {message}"),
        })
    })
}

/// Caches credentials until they expire: an MFA code is valid once, and a
/// `credential_process` may prompt.
#[derive(Debug)]
struct CachedCredentials {
    inner: SharedCredentialsProvider,
    kept: Mutex<Option<Credentials>>,
}

impl CachedCredentials {
    fn new(inner: SharedCredentialsProvider) -> Self {
        Self {
            inner,
            kept: Mutex::default(),
        }
    }

    async fn provide(&self) -> provider::Result {
        const SPARE: Duration = Duration::from_secs(300);
        let mut kept = self.kept.lock().await;
        let now = u64::try_from(SystemClock.now().millis()).unwrap_or(0);
        let soon = std::time::UNIX_EPOCH + Duration::from_millis(now) + SPARE;
        if let Some(credentials) = &*kept
            && credentials.expiry().is_none_or(|expiry| expiry > soon)
        {
            return Ok(credentials.clone());
        }
        let credentials = self.inner.provide_credentials().await?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}
