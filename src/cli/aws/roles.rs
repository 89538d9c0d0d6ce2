//! The credentials of a profile: its own, or those of the role that it assumes
//! with another's. The SDK would assume roles too, but without the code of MFA
//! that a role may ask for (`mfa_serial`), and without `duration_seconds`.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;

use super::provider_config::provider_config;
use crate::aws::CallError;
use crate::aws::shared_config::SharedConfig;
use crate::cli::error::CliError;
use crate::domain::{Clock, SystemClock};
use crate::output::escape::printable;

/// The keys that define the credentials of a profile.
const OF_CREDENTIALS: [&str; 8] = [
    "role_arn",
    "web_identity_token_file",
    "sso_account_id",
    "sso_role_name",
    "login_session",
    "credential_process",
    "aws_access_key_id",
    "aws_secret_access_key",
];

/// Returns the credentials of the selected profile; none if it defines none.
///
/// # Errors
/// [`CliError::Usage`] if they are configured wrongly.
pub(crate) fn of_profile(
    shared: &SharedConfig,
    config: &SdkConfig,
) -> Result<Option<SharedCredentialsProvider>, CliError> {
    let has_some = |profile: &Profile| OF_CREDENTIALS.iter().any(|key| profile.get(key).is_some());
    if !shared.profile(shared.name()).is_some_and(has_some) {
        return Ok(None);
    }
    let mut roles = Vec::new();
    let mut base = base(shared, config, &mut roles)?;
    while let Some(role) = roles.pop() {
        base = SharedCredentialsProvider::new(AssumedRole {
            role,
            source: base,
            config: config.clone(),
        });
    }
    Ok(Some(base))
}

/// Follows `source_profile` to the base credentials, and collects the roles on
/// the way: the last one is assumed first.
fn base(
    shared: &SharedConfig,
    config: &SdkConfig,
    roles: &mut Vec<Role>,
) -> Result<SharedCredentialsProvider, CliError> {
    let mut name = shared.name();
    let mut seen = Vec::new();
    loop {
        let wrong = |problem: String| CliError::Usage(format!("profile {name}: {problem}"));
        let profile = shared
            .profile(name)
            .ok_or_else(|| CliError::Usage(shared.missing(name)))?;
        seen.push(name);
        // A source profile's own keys take precedence over its role.
        if !roles.is_empty()
            && let Some(keys) = static_keys(profile)
        {
            return Ok(SharedCredentialsProvider::new(keys));
        }
        let Some(role) = Role::of(profile).map_err(wrong)? else {
            if is_login(profile) {
                return Err(wrong(format!(
                    "signs in with `aws login` (login_session), which ccinv does not support; \
                     use a profile with credential_process = aws configure \
                     export-credentials --profile {name}"
                )));
            }
            let of_profile = ProfileFileCredentialsProvider::builder()
                .configure(&provider_config(config))
                .profile_name(name)
                .build();
            return Ok(SharedCredentialsProvider::new(of_profile));
        };
        if let Some(serial) = &role.mfa_serial
            && !io::stdin().is_terminal()
        {
            return Err(wrong(format!(
                "its role needs an MFA code (mfa_serial {serial}), but there is no terminal to \
                 enter it; use a terminal, or session credentials: aws configure \
                 export-credentials --profile {name} --format env"
            )));
        }
        roles.push(role);
        let get = |key| profile.get(key);
        let source = match (get("source_profile"), get("credential_source")) {
            (Some(source), None) => source,
            (None, Some(source)) => {
                return named_source(source, config).ok_or_else(|| {
                    wrong(format!(
                        "credential_source: {source:?} is not Environment, Ec2InstanceMetadata \
                         or EcsContainer"
                    ))
                });
            }
            (Some(_), Some(_)) => {
                let problem = "has both source_profile and credential_source; keep one";
                return Err(wrong(problem.to_owned()));
            }
            (None, None) => {
                let problem = "has role_arn, but neither source_profile nor credential_source";
                return Err(wrong(problem.to_owned()));
            }
        };
        if source == name {
            let keys = static_keys(profile).map(SharedCredentialsProvider::new);
            return keys.ok_or_else(|| {
                wrong("source_profile: names itself, and it has no access key".to_owned())
            });
        }
        if seen.contains(&source) {
            let problem = format!("source_profile: {source} leads back to it");
            return Err(wrong(problem));
        }
        if shared.profile(source).is_none() {
            return Err(wrong(format!("source_profile: {}", shared.missing(source))));
        }
        name = source;
    }
}

/// Returns true if a profile gets its credentials from `aws login`.
fn is_login(profile: &Profile) -> bool {
    let before = ["web_identity_token_file", "sso_account_id", "sso_session"];
    profile.get("login_session").is_some() && before.iter().all(|key| profile.get(key).is_none())
}

fn static_keys(profile: &Profile) -> Option<Credentials> {
    let get = |key| profile.get(key).map(str::to_owned);
    let mut keys = Credentials::builder()
        .access_key_id(get("aws_access_key_id")?)
        .secret_access_key(get("aws_secret_access_key")?)
        .provider_name("Profile");
    keys.set_session_token(get("aws_session_token"));
    keys.set_account_id(get("aws_account_id").map(Into::into));
    Some(keys.build())
}

fn named_source(source: &str, config: &SdkConfig) -> Option<SharedCredentialsProvider> {
    let providers = provider_config(config);
    Some(match source.to_ascii_lowercase().as_str() {
        "environment" => {
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
        }
        "ec2instancemetadata" => {
            let imds = ImdsCredentialsProvider::builder().configure(&providers);
            SharedCredentialsProvider::new(imds.build())
        }
        "ecscontainer" => {
            let ecs = EcsCredentialsProvider::builder().configure(&providers);
            SharedCredentialsProvider::new(ecs.build())
        }
        _ => return None,
    })
}

/// A role, as configured in a profile.
#[derive(Debug)]
struct Role {
    profile: String,
    arn: String,
    external_id: Option<String>,
    session_name: Option<String>,
    mfa_serial: Option<String>,
    duration_seconds: Option<i32>,
}

impl Role {
    /// Returns the role that a profile assumes with credentials of another; none
    /// with a web identity token, which needs no others.
    fn of(profile: &Profile) -> Result<Option<Self>, String> {
        let get = |key| profile.get(key).map(str::to_owned);
        let (Some(arn), None) = (get("role_arn"), get("web_identity_token_file")) else {
            return Ok(None);
        };
        let duration_seconds = match profile.get("duration_seconds") {
            None => None,
            Some(text) => match text.parse() {
                Ok(seconds @ 900..=43_200) => Some(seconds),
                _ => {
                    return Err(format!(
                        "duration_seconds: {text:?} is not a whole number from 900 to 43200"
                    ));
                }
            },
        };
        Ok(Some(Self {
            profile: profile.name().to_owned(),
            arn,
            external_id: get("external_id"),
            session_name: get("role_session_name"),
            mfa_serial: get("mfa_serial"),
            duration_seconds,
        }))
    }
}

/// Provides the credentials of a role.
#[derive(Debug)]
struct AssumedRole {
    role: Role,
    source: SharedCredentialsProvider,
    config: SdkConfig,
}

impl AssumedRole {
    async fn assume(&self) -> provider::Result {
        let role = &self.role;
        // Before the MFA prompt, which would be in vain if this failed.
        let source = self.source.provide_credentials().await?;
        let code = match &role.mfa_serial {
            Some(serial) => Some(ask(serial.clone()).await?),
            None => None,
        };
        let config = self.config.to_builder();
        let config = config.credentials_provider(SharedCredentialsProvider::new(source));
        let named = role.session_name.clone();
        let session = named.unwrap_or_else(|| format!("ccinv-{}", SystemClock.now().millis()));
        let answer = aws_sdk_sts::Client::new(&config.build())
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(session)
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.duration_seconds)
            .set_serial_number(role.mfa_serial.clone())
            .set_token_code(code)
            .send()
            .await
            .map_err(|cause| {
                CredentialsError::provider_error(RoleError {
                    role: role.arn.clone(),
                    profile: role.profile.clone(),
                    cause,
                })
            })?;
        let given = answer
            .credentials
            .ok_or_else(|| CredentialsError::unhandled("a response without credentials"))?;
        let expiry = SystemTime::try_from(given.expiration).ok();
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            expiry,
            "AssumeRole",
        ))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// A role could not be assumed.
#[derive(Debug, thiserror::Error)]
#[error("assume {role} (profile {profile})")]
pub(crate) struct RoleError {
    role: String,
    profile: String,
    #[source]
    cause: SdkError<AssumeRoleError, HttpResponse>,
}

impl RoleError {
    /// Returns the message of a role error among the causes of `error`.
    pub(crate) fn in_causes_of(error: &(dyn Error + 'static)) -> Option<String> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref::<Self>() {
                return Some(format!("{refused}: {}", CallError::from(&refused.cause)));
            }
            cause = error.source();
        }
        None
    }
}

/// Prompts for an MFA code at the terminal.
async fn ask(serial: String) -> Result<String, CredentialsError> {
    let asked = tokio::task::spawn_blocking(move || {
        let mut stderr = io::stderr();
        write!(stderr, "Enter MFA code for {}: ", printable(&serial))?;
        stderr.flush()?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        Ok::<_, io::Error>(line.trim().to_owned())
    });
    let code = asked.await.map_err(CredentialsError::unhandled)?;
    match code {
        Ok(code) if !code.is_empty() => Ok(code),
        Ok(_) => Err(CredentialsError::invalid_configuration(
            "no MFA code was entered",
        )),
        Err(error) => Err(CredentialsError::invalid_configuration(error)),
    }
}
