//! Settings of the AWS SDKs and tools, from the environment and the shared
//! configuration files, as far as they must be checked before the SDK reads
//! them: it panics over some invalid values, and ignores others.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_config::profile::{self, Profile, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use super::error::chain;
use super::setting::InvalidSetting;

/// The two files, and the variables that set their paths.
const FILES: [(&str, &str); 2] = [
    ("AWS_CONFIG_FILE", "~/.aws/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
];

/// A setting with a fixed set of values.
struct Rule {
    variable: &'static str,
    /// Its name in a profile; none if it can't be set there.
    key: Option<&'static str>,
    wanted: &'static str,
    fits: fn(&str) -> bool,
}

const RULES: [Rule; 7] = [
    Rule {
        variable: "AWS_RETRY_MODE",
        key: Some("retry_mode"),
        wanted: "standard or adaptive",
        fits: |text| is_one_of(text.trim(), &["standard", "adaptive"]),
    },
    Rule {
        variable: "AWS_MAX_ATTEMPTS",
        key: Some("max_attempts"),
        wanted: "a whole number, 1 or more",
        fits: |text| text.parse::<u32>().is_ok_and(|attempts| attempts > 0),
    },
    Rule {
        variable: "AWS_USE_FIPS_ENDPOINT",
        key: Some("use_fips_endpoint"),
        wanted: TRUE_OR_FALSE,
        fits: is_boolean,
    },
    Rule {
        variable: "AWS_USE_DUALSTACK_ENDPOINT",
        key: Some("use_dualstack_endpoint"),
        wanted: TRUE_OR_FALSE,
        fits: is_boolean,
    },
    Rule {
        variable: "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        key: Some("ignore_configured_endpoint_urls"),
        wanted: TRUE_OR_FALSE,
        fits: is_boolean,
    },
    Rule {
        variable: "AWS_ACCOUNT_ID_ENDPOINT_MODE",
        key: Some("account_id_endpoint_mode"),
        wanted: "preferred, disabled or required",
        fits: |text| is_one_of(text, &["preferred", "disabled", "required"]),
    },
    Rule {
        variable: "AWS_EC2_METADATA_DISABLED",
        key: None,
        wanted: TRUE_OR_FALSE,
        fits: is_boolean,
    },
];

const TRUE_OR_FALSE: &str = "true or false";

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn is_boolean(text: &str) -> bool {
    is_one_of(text, &["true", "false"])
}

/// The environment, and the profile that is selected.
#[derive(Debug)]
pub struct SharedConfig {
    env: Env,
    profiles: ProfileSet,
    /// Whether the profile was named explicitly.
    is_named: bool,
}

impl SharedConfig {
    /// Reads both files. `profile` was named by an option; otherwise the
    /// environment may name one.
    ///
    /// # Errors
    /// [`InvalidSetting`] if a file can't be parsed, or no profile has that
    /// name: another profile's credentials belong to another account.
    pub async fn read(profile: Option<&str>) -> Result<Self, InvalidSetting> {
        let env = Env::real();
        let named = match profile {
            Some(name) => Some(("--profile", name.to_owned())),
            None => named_by(&env)?,
        };
        let name = named.as_ref().map(|(_, name)| Cow::Owned(name.clone()));
        let profiles = profile::load(&Fs::real(), &env, &Default::default(), name).await;
        let profiles = profiles.map_err(|error| InvalidSetting {
            variable: FILES[0].0,
            problem: format!("the shared configuration can't be read: {}", chain(&error)),
        })?;
        let is_named = named.is_some();
        if let Some((variable, name)) = named
            && profiles.get_profile(&name).is_none()
        {
            return Err(InvalidSetting {
                variable,
                problem: missing(&env, &profiles, &name),
            });
        }
        Ok(Self {
            env,
            profiles,
            is_named,
        })
    }

    /// Returns what is wrong with the settings that have rules.
    pub fn faults(&self) -> impl Iterator<Item = InvalidSetting> {
        RULES.iter().filter_map(|rule| {
            let Found { name, value, place } = self.get(rule.variable, rule.key)?;
            (!(rule.fits)(&value)).then(|| InvalidSetting {
                variable: name,
                problem: format!("{value:?}{place} is not {}", rule.wanted),
            })
        })
    }

    /// Returns what is wrong with the files themselves: the SDK treats an
    /// unreadable file as an empty one.
    pub fn file_faults(&self) -> impl Iterator<Item = InvalidSetting> {
        FILES.iter().filter_map(|(variable, default)| {
            let path = file(&self.env, variable, default);
            let problem = match std::fs::read(&path) {
                Ok(content) if std::str::from_utf8(&content).is_ok() => return None,
                Ok(_) => "is not UTF-8".to_owned(),
                Err(error) => match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => return None,
                    _ => format!("can't be read: {error}"),
                },
            };
            let path = path.display();
            Some(InvalidSetting {
                variable,
                problem: format!("{path} {problem}"),
            })
        })
    }

    /// Returns a setting: from the environment, or else from the selected
    /// profile.
    pub fn get(&self, variable: &'static str, key: Option<&'static str>) -> Option<Found> {
        if let Ok(value) = self.env.get(variable) {
            return Some(Found {
                name: variable,
                value,
                place: String::new(),
            });
        }
        let name = key?;
        Some(Found {
            name,
            value: self.profiles.get(name)?.to_owned(),
            place: format!(" (profile {})", self.name()),
        })
    }

    /// Returns an environment variable, if it is set and not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.env.get(name).ok().filter(|value| !value.is_empty())
    }

    /// Returns the selected profile's name: `default` unless one was named.
    pub fn name(&self) -> &str {
        self.profiles.selected_profile()
    }

    /// Returns the selected profile's name, if one was named.
    pub fn named(&self) -> Option<&str> {
        self.is_named.then(|| self.name())
    }

    /// Returns a profile.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get_profile(name)
    }

    /// Returns the error for a missing profile, with the names of the existing
    /// ones.
    pub fn missing(&self, name: &str) -> String {
        missing(&self.env, &self.profiles, name)
    }
}

/// A setting's value, and where it was found.
#[derive(Debug)]
pub struct Found {
    /// The variable, or the key in the profile.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The profile, for messages; empty for a variable.
    pub place: String,
}

/// The profile that the environment names. The AWS CLI reads both variables,
/// and its versions differ in which of them goes first.
fn named_by(env: &Env) -> Result<Option<(&'static str, String)>, InvalidSetting> {
    const VARIABLES: [&str; 2] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
    let [sdk, cli] = VARIABLES.map(|variable| Some((variable, env.get(variable).ok()?)));
    match (sdk, cli) {
        (Some((_, sdk)), Some((variable, cli))) if sdk != cli => Err(InvalidSetting {
            variable,
            problem: format!("is {cli:?}, but AWS_PROFILE is {sdk:?}; unset one of them"),
        }),
        (sdk, cli) => Ok(sdk.or(cli)),
    }
}

fn missing(env: &Env, profiles: &ProfileSet, name: &str) -> String {
    let [config, credentials] = FILES.map(|(variable, default)| file(env, variable, default));
    let mut names: Vec<&str> = profiles.profiles().collect();
    names.sort_unstable();
    let known = match names.as_slice() {
        [] => "which have none".to_owned(),
        names => format!("which have {}", names.join(", ")),
    };
    let (config, credentials) = (config.display(), credentials.display());
    format!("no profile {name:?} in {config} or {credentials}, {known}")
}

/// Returns the path of a file. The home directory is found as the SDK finds it.
fn file(env: &Env, variable: &str, default: &str) -> PathBuf {
    let path = env.get(variable).unwrap_or_else(|_| default.to_owned());
    let home = env.get("HOME").or_else(|_| env.get("USERPROFILE"));
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Ok(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}
