//! ARNs: service prefixes and the pattern of the service model.

use serde::{Deserialize, Serialize};

use crate::domain::arn::Arn;
pub use crate::domain::partition::partition;

/// The name of the service that a request or an ARN uses.
///
/// AWS renamed the service in 2024. The old API is still available, and resources
/// created before July 2024 keep ARNs with the old prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// `codeconnections`, the name since March 2024.
    #[default]
    #[serde(rename = "codeconnections")]
    CodeConnections,
    /// `codestar-connections`, the name before.
    CodestarConnections,
}

impl Namespace {
    /// The prefix in ARNs and IAM actions.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::CodeConnections => "codeconnections",
            Self::CodestarConnections => "codestar-connections",
        }
    }

    /// The Smithy namespace of the errors of this API.
    pub const fn smithy(self) -> &'static str {
        match self {
            Self::CodeConnections => "com.amazonaws.codeconnections",
            Self::CodestarConnections => "com.amazonaws.codestar.connections",
        }
    }
}

/// Builds the ARN of `resource`, for example `connection/<uuid>`.
pub(super) fn build(namespace: Namespace, region: &str, account: &str, resource: &str) -> String {
    format!(
        "arn:{}:{}:{region}:{account}:{resource}",
        partition(region),
        namespace.prefix()
    )
}

/// Returns true if `text` is an account ID: twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses an ARN with an AWS partition, a service, an account and a resource.
pub(super) fn parse(text: &str) -> Option<Arn<'_>> {
    let arn = Arn::parse(text)?;
    let whole = is_partition(arn.partition)
        && !arn.service.is_empty()
        && is_account(arn.account)
        && !arn.resource.is_empty()
        // `.` in the model's patterns stands for anything but a line break.
        && !text.contains(['\n', '\r']);
    whole.then_some(arn)
}

/// `aws(-[\w]+)*`
fn is_partition(text: &str) -> bool {
    let mut words = text.split('-');
    words.next() == Some("aws")
        && words.all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_and_refused() {
        let text = build(
            Namespace::CodestarConnections,
            "cn-north-1",
            "111122223333",
            "host/a:b",
        );
        let arn = parse(&text).expect("an ARN");
        assert_eq!((arn.partition, arn.resource), ("aws-cn", "host/a:b"));
        for bad in [
            "arn:awsx:s:r:111122223333:x",
            "arn:aws-:s:r:111122223333:x",
            "arn:aws:s:r:1111:x",
            "arn:aws:s:r:111122223333:",
            "arn:aws:s:r:111122223333:x\ny",
            "nothing",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
