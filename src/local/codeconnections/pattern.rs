//! The patterns of strings in the service model.

use super::arn;
use crate::domain::arn::Arn;

/// The patterns of strings in the model. They are few and simple enough to match
/// without a regular expression engine.
#[derive(Clone, Copy)]
pub(super) enum Pattern {
    /// Any characters, including line breaks.
    Anything,
    /// Any characters except line breaks.
    OneLine,
    /// An ARN.
    Arn,
    /// The ARN of a connection, under either name of the service.
    ConnectionArn,
    /// The ARN of a host, under either name of the service.
    HostArn,
    /// The ARN of a KMS key.
    KeyArn,
    /// The ARN of an IAM role.
    RoleArn,
    /// A UUID.
    Uuid,
    /// The name of a stack.
    StackName,
    /// An EC2 resource ID: this prefix and 8 or 17 word characters.
    Ec2Id(&'static str),
}

impl Pattern {
    /// Returns true if `text` matches.
    pub(super) fn matches(self, text: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::OneLine => !text.contains(['\n', '\r']),
            Self::Arn => arn::parse(text).is_some(),
            Self::ConnectionArn => arn::parse(text).is_some_and(|arn| {
                let in_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let in_id = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                is_of_service(&arn)
                    && arn.region.bytes().all(in_region)
                    && arn
                        .resource
                        .strip_prefix("connection/")
                        .is_some_and(|id| !id.is_empty() && id.bytes().all(in_id))
            }),
            Self::HostArn => arn::parse(text).is_some_and(|arn| {
                is_of_service(&arn)
                    && arn
                        .resource
                        .strip_prefix("host/")
                        .is_some_and(|name| !name.is_empty())
            }),
            Self::KeyArn => arn::parse(text).is_some_and(|arn| {
                let in_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let in_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                let id = arn.resource.strip_prefix("key/").unwrap_or_default();
                arn.service == "kms"
                    && !arn.region.is_empty()
                    && arn.region.bytes().all(in_region)
                    && !id.is_empty()
                    && id.bytes().all(in_id)
            }),
            Self::RoleArn => arn::parse(text).is_some_and(|arn| {
                let in_name = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b);
                let name = arn.resource.strip_prefix("role/").unwrap_or_default();
                arn.service == "iam"
                    && arn.region.is_empty()
                    && !name.is_empty()
                    && name.bytes().all(in_name)
            }),
            Self::Uuid => {
                let groups = text.split('-');
                groups.clone().map(str::len).eq([8, 4, 4, 4, 12])
                    && groups.flat_map(str::bytes).all(|b| b.is_ascii_hexdigit())
            }
            Self::StackName => {
                let in_name = |b: u8| b.is_ascii_alphanumeric() || b"_\\-".contains(&b);
                text.starts_with(|first: char| first.is_ascii_alphanumeric())
                    && text.bytes().all(in_name)
            }
            Self::Ec2Id(prefix) => text.strip_prefix(prefix).is_some_and(|id| {
                (id.len() == 8 || id.len() == 17)
                    && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            }),
        }
    }

    /// Returns the regular expression of the model, for the message.
    pub(super) fn source(self) -> String {
        match self {
            Self::Anything => r"[\s\S]*".to_owned(),
            Self::OneLine => ".*".to_owned(),
            Self::ConnectionArn => {
                r"arn:aws(-[\w]+)*:(codestar-connections|codeconnections):[a-z0-9\-]+:[0-9]{12}:connection\/[\w\-]+"
                    .to_owned()
            }
            Self::Arn => r"arn:aws(-[\w]+)*:.+:.+:[0-9]{12}:.+".to_owned(),
            Self::HostArn => {
                r"arn:aws(-[\w]+)*:(codestar-connections|codeconnections):.+:[0-9]{12}:host\/.+"
                    .to_owned()
            }
            Self::KeyArn => {
                r"arn:aws(-[\w]+)*:kms:[a-z\-0-9]+:\d{12}:key/[a-zA-Z0-9\-]+".to_owned()
            }
            Self::RoleArn => {
                r"arn:aws(-[\w]+)*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+".to_owned()
            }
            Self::Uuid => {
                r"[0-9a-fA-F]{8}\b-[0-9a-fA-F]{4}\b-[0-9a-fA-F]{4}\b-[0-9a-fA-F]{4}\b-[0-9a-fA-F]{12}"
                    .to_owned()
            }
            Self::StackName => r"[0-9A-Za-z]+[0-9A-Za-z_\\-]*".to_owned(),
            Self::Ec2Id(prefix) => format!(r"{prefix}\w{{8}}(\w{{9}})?"),
        }
    }
}

fn is_of_service(arn: &Arn<'_>) -> bool {
    ["codestar-connections", "codeconnections"].contains(&arn.service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_ec2_have_8_or_17_characters() {
        assert!(Pattern::Ec2Id("vpc-").matches("vpc-01234567"));
        assert!(Pattern::Ec2Id("vpc-").matches("vpc-0123456789abcdef0"));
        assert!(!Pattern::Ec2Id("vpc-").matches("vpc-012345678"));
    }
}
