//! Where the rule file is, and its text with its version.

use aws_config::SdkConfig;
use serde_json::{Value, json};

use crate::aws::json_client::{JsonClient, Operation, Service};
use crate::aws::s3::{Bucket, Object};
use crate::aws::{CallError, Meter};
use crate::domain::{Digest, Region, RuleFileVersion};

const GET_PARAMETER: Operation =
    Service::new("SSM", "ssm").aws_json("AmazonSSM", "1.1", "GetParameter");

/// Where the rule file is.
#[derive(Debug, Clone)]
pub enum RuleSource {
    /// It was read already.
    Text(RuleText),
    /// A parameter of AWS Systems Manager, which is read for each evaluation.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>
    Parameter {
        /// Credentials, endpoints and the HTTP client.
        config: Box<SdkConfig>,
        /// The region.
        region: Region,
        /// Its name or ARN.
        name: Box<str>,
    },
    /// An object in Amazon S3, whose newest version is read for each evaluation.
    Object {
        /// The bucket.
        bucket: Bucket,
        /// The object's key.
        key: Box<str>,
    },
}

/// The text of a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    /// Where it was read.
    pub source: Box<str>,
    /// Its version there, if that has versions.
    pub version: Option<Box<str>>,
    /// The text.
    pub text: String,
}

impl RuleText {
    /// Returns its source, version and digest, as a run records them.
    pub fn identity(&self) -> RuleFileVersion {
        RuleFileVersion {
            source: self.source.clone(),
            version: self.version.clone(),
            sha256: Digest::of_bytes(self.text.as_bytes()),
        }
    }
}

/// A rule file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRules {
    /// A stable word for machines.
    pub code: Box<str>,
    /// What failed and why, in a line.
    pub reason: String,
}

impl RuleSource {
    /// Reads the rule file.
    ///
    /// # Errors
    /// [`UnreadableRules`] says what failed.
    pub async fn read(&self, meter: &Meter) -> Result<RuleText, UnreadableRules> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Parameter {
                config,
                region,
                name,
            } => {
                let client = JsonClient { config, meter };
                let input = json!({"Name": name, "WithDecryption": true});
                let answer = client
                    .call_retrying_throttles(GET_PARAMETER, region, &input)
                    .await;
                let answer =
                    answer.map_err(|error| UnreadableRules::of("GetParameter", name, &error))?;
                parameter(name, &answer["Parameter"])
            }
            Self::Object { bucket, key } => {
                let source = format!("s3://{}/{key}", bucket.name);
                match bucket.get(key, None).await {
                    Ok(object) => text_of(&source, object),
                    Err(error) => Err(UnreadableRules::of("GetObject", &source, &error)),
                }
            }
        }
    }
}

fn parameter(name: &str, parameter: &Value) -> Result<RuleText, UnreadableRules> {
    let text = |member: &str| parameter[member].as_str();
    let value = text("Value").ok_or_else(|| UnreadableRules {
        code: "UnreadableAnswer".into(),
        reason: format!("GetParameter of {name}: an answer without Value"),
    })?;
    Ok(RuleText {
        source: text("ARN").unwrap_or(name).into(),
        version: parameter["Version"]
            .as_u64()
            .map(|it| it.to_string().into()),
        text: value.to_owned(),
    })
}

fn text_of(source: &str, object: Object) -> Result<RuleText, UnreadableRules> {
    let text = String::from_utf8(object.content).map_err(|error| UnreadableRules {
        code: "UnreadableAnswer".into(),
        reason: format!("GetObject of {source}: {error}"),
    })?;
    Ok(RuleText {
        source: source.into(),
        version: object.version,
        text,
    })
}

impl UnreadableRules {
    fn of(operation: &str, source: &str, error: &CallError) -> Self {
        Self {
            code: error.code.clone(),
            reason: format!("{operation} of {source}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_that_is_no_text_is_no_rule_file() {
        let object = Object {
            content: b"[[rule]]\nid = \"\xff\"\n".to_vec(),
            version: None,
        };
        let error = text_of("s3://rules/a.toml", object).unwrap_err();
        assert_eq!(&*error.code, "UnreadableAnswer");
        let expected = "GetObject of s3://rules/a.toml: invalid utf-8";
        assert!(error.reason.starts_with(expected), "{error:?}");
    }
}
