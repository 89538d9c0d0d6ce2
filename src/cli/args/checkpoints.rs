//! Where checkpoints are, and the keys that sign and verify them.

use std::path::{Path, PathBuf};

use aws_config::SdkConfig;

use crate::aws::s3::{Bucket, split_uri};
use crate::checkpoint::signer::LocalKey;
use crate::checkpoint::{PublicKey, Signer, Store};
use crate::cli::aws::{self, AwsArgs};
use crate::cli::error::CliError;
use crate::domain::Region;

/// Where checkpoints are: a directory, or a bucket with a prefix.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    Directory(PathBuf),
    Bucket { name: String, prefix: String },
}

/// Parses `s3://BUCKET[/PREFIX]` or a directory.
pub(crate) fn parse_location(text: &str) -> Result<Location, String> {
    let Some((name, prefix)) = split_uri(text) else {
        if text.is_empty() || text.contains("://") {
            return Err(format!(
                "{text:?} is neither a directory nor s3://BUCKET/PREFIX"
            ));
        }
        return Ok(Location::Directory(text.into()));
    };
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    if !(3..=63).contains(&name.len()) || !name.chars().all(is_name) {
        return Err(format!("{text:?}: {name:?} is not the name of a bucket"));
    }
    let mut prefix = prefix.to_owned();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    Ok(Location::Bucket {
        name: name.to_owned(),
        prefix,
    })
}

impl Location {
    /// Opens it. A directory must be there.
    pub(crate) async fn open(&self, option: &str, args: &AwsArgs) -> Result<Store, CliError> {
        match self {
            Self::Directory(path) => {
                if !path.is_dir() {
                    let path = path.display();
                    return Err(CliError::Usage(format!(
                        "{option}: {path} is not a directory"
                    )));
                }
                Ok(Store::Directory(path.clone()))
            }
            Self::Bucket { name, prefix } => {
                let (config, region) = config_with_region(option, args).await?;
                Ok(Store::Bucket {
                    bucket: Bucket {
                        config: Box::new(config),
                        region,
                        name: name.as_str().into(),
                    },
                    prefix: prefix.clone(),
                })
            }
        }
    }
}

/// A key that signs: a file, or a key of AWS KMS.
#[derive(Debug, Clone)]
pub(crate) enum SigningKey {
    File(PathBuf),
    Kms(String),
}

/// Parses the ARN of a key, `alias/NAME`, or the name of a file.
pub(crate) fn parse_signing_key(text: &str) -> Result<SigningKey, String> {
    let is_kms = text.starts_with("alias/") || text.starts_with("arn:");
    match text {
        "" => Err("empty; expected a file, or a key of AWS KMS".to_owned()),
        arn if arn.starts_with("arn:") && !arn.contains(":kms:") => {
            Err(format!("{arn:?} is not the ARN of a key of AWS KMS"))
        }
        key if is_kms => Ok(SigningKey::Kms(key.to_owned())),
        path => Ok(SigningKey::File(path.into())),
    }
}

impl SigningKey {
    pub(crate) async fn open(&self, option: &str, args: &AwsArgs) -> Result<Signer, CliError> {
        match self {
            Self::File(path) => {
                let pem = read(option, path)?;
                let key = LocalKey::from_pem(&pem);
                let key = key.map_err(|problem| of_file(option, path, &problem))?;
                Ok(Signer::Local(key))
            }
            Self::Kms(key) => {
                let (config, region) = config_with_region(option, args).await?;
                // A key is where its ARN says.
                let region = key.split(':').nth(3).map_or(Ok(region), str::parse);
                let region = region.map_err(|malformed: crate::domain::ids::ParseError| {
                    CliError::Usage(format!("{option}: {malformed}"))
                })?;
                Ok(Signer::Kms {
                    config: Box::new(config),
                    region,
                    key: key.as_str().into(),
                })
            }
        }
    }
}

/// Reads a public key.
pub(crate) fn public_key(option: &str, path: &Path) -> Result<PublicKey, CliError> {
    let content = read(option, path)?;
    PublicKey::read(&content).map_err(|problem| of_file(option, path, &problem))
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| of_file(option, path, &error.to_string()))
}

fn of_file(option: &str, path: &Path, problem: &str) -> CliError {
    CliError::Usage(format!("{option}: {}: {problem}", path.display()))
}

async fn config_with_region(option: &str, args: &AwsArgs) -> Result<(SdkConfig, Region), CliError> {
    let config = aws::config(args).await?;
    let region = aws::region(&config)?.ok_or_else(|| {
        CliError::Usage(format!(
            "{option}: no AWS region is set; use --region, set AWS_REGION, or use a profile with \
             a region"
        ))
    })?;
    aws::credentials(&config).await?;
    Ok((config, region))
}
