//! ARNs: their parts, and the ARN of a connection, which is its identity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Region;
use super::ids::{ParseError, identifier, is_account, is_region};

identifier!(
    /// The ARN of a connection.
    ///
    /// Kept verbatim: two prefixes are in use (`arn:aws:codestar-connections:…`
    /// for connections made before July 2024, `arn:aws:codeconnections:…` since),
    /// and other partitions exist. AWS never reuses an ARN, so it names one
    /// connection for ever.
    ///
    /// The longest that the service's model allows is 256 characters.
    ConnectionArn,
    "a connection ARN such as arn:aws:codeconnections:eu-west-1:123456789012:connection/8f2c…",
    |text| parts(text).is_some()
);

/// The parts of an ARN, none of them checked.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: &'a str,
    /// The service's prefix.
    pub service: &'a str,
    /// The region; empty for a global resource.
    pub region: &'a str,
    /// The account; empty for a resource of AWS.
    pub account: &'a str,
    /// The rest, colons too.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits an ARN; `None` if the text is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        (parts.next()? == "arn").then_some(())?;
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }

    /// The id of a connection, if the ARN is of one.
    pub fn connection_id(&self) -> Option<&'a str> {
        self.of_service()?.strip_prefix("connection/")
    }

    /// The name and id of a host, if the ARN is of one.
    pub fn host(&self) -> Option<&'a str> {
        self.of_service()?.strip_prefix("host/")
    }

    /// The resource, if it is of CodeConnections. ARNs made before July 2024 have
    /// the service's earlier name.
    fn of_service(&self) -> Option<&'a str> {
        let is_own = matches!(self.service, "codeconnections" | "codestar-connections");
        is_own.then_some(self.resource)
    }
}

/// The ARN of a host, as far as it is needed: a self-managed provider's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostArn {
    /// The region that the host is in. Other regions don't know it.
    pub region: Region,
}

impl HostArn {
    /// Reads the ARN of a host.
    ///
    /// # Errors
    /// [`ParseError`] if the text is none.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let arn = Arn::parse(text).filter(|arn| arn.host().is_some());
        let region = arn.and_then(|arn| arn.region.parse().ok());
        region.map(|region| Self { region }).ok_or_else(|| {
            ParseError::new(
                text,
                "a host ARN such as \
                 arn:aws:codeconnections:eu-west-1:123456789012:host/name-1a2b3c4d",
            )
        })
    }
}

/// Returns an ARN in the service's present spelling: connections made before
/// July 2024 are named in both.
pub fn normalized(arn: &str) -> String {
    arn.replacen(":codestar-connections:", ":codeconnections:", 1)
}

/// Returns true if both are the same ARN, in either spelling.
pub fn is_same(a: &str, b: &str) -> bool {
    normalized(a) == normalized(b)
}

/// Returns an ARN in both spellings of the service's name, the present one first.
pub fn spellings(arn: &str) -> [String; 2] {
    let present = normalized(arn);
    let earlier = present.replacen(":codeconnections:", ":codestar-connections:", 1);
    [present, earlier]
}

struct Parts<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    id: &'a str,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    const MAX_BYTES: usize = 256;
    if text.len() > MAX_BYTES || !is_one_word(text) {
        return None;
    }
    let arn = Arn::parse(text)?;
    let id = arn.connection_id()?;
    let Arn {
        partition,
        region,
        account,
        ..
    } = arn;
    let partition_fits = partition == "aws" || partition.starts_with("aws-");
    let fits = partition_fits && is_region(region) && is_account(account) && !id.is_empty();
    fits.then_some(Parts {
        partition,
        region,
        account,
        id,
    })
}

/// Returns true if the text has no white space and no control character. ARNs are
/// nearly always ASCII.
fn is_one_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
        || !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

impl ConnectionArn {
    fn parts(&self) -> Parts<'_> {
        parts(&self.0).unwrap_or(Parts {
            partition: "",
            region: "",
            account: "",
            id: "",
        })
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn partition(&self) -> &str {
        self.parts().partition
    }

    /// The region that the connection lives in, whichever region listed it.
    pub fn region(&self) -> &str {
        self.parts().region
    }

    /// The account that owns the connection. It differs from the account that
    /// was asked when the connection is shared.
    pub fn account(&self) -> &str {
        self.parts().account
    }

    /// The connection's page in the AWS console; nothing where the partition
    /// has none that is known, or the id is none that the service makes.
    ///
    /// Only there can a connection that is PENDING be completed.
    /// <https://docs.aws.amazon.com/dtconsole/latest/userguide/connections-update.html>
    pub fn console_url(&self) -> Option<String> {
        let Parts {
            partition,
            region,
            account,
            id,
        } = self.parts();
        let domain = match partition {
            "aws" => format!("{region}.console.aws.amazon.com"),
            "aws-us-gov" => "console.amazonaws-us-gov.com".to_owned(),
            "aws-cn" => "console.amazonaws.cn".to_owned(),
            _ => return None,
        };
        let made = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        made.then(|| {
            format!(
                "https://{domain}/codesuite/settings/{account}/{region}/codeconnections/connections/{id}"
            )
        })
    }

    /// The last part, which the service makes unique.
    pub fn id(&self) -> &str {
        self.parts().id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0c4f2ae1-5e7c-4d29-9f51-6a4e5d0b7c11";

    #[test]
    fn console_page_is_known_where_the_partition_has_one() {
        let url = |text: &str| text.parse::<ConnectionArn>().unwrap().console_url();
        for (start, page) in [
            (
                "arn:aws:codestar-connections:eu-west-1",
                Some(
                    "https://eu-west-1.console.aws.amazon.com/codesuite/settings/123456789012/eu-west-1",
                ),
            ),
            (
                "arn:aws-us-gov:codeconnections:us-gov-west-1",
                Some(
                    "https://console.amazonaws-us-gov.com/codesuite/settings/123456789012/us-gov-west-1",
                ),
            ),
            (
                "arn:aws-cn:codeconnections:cn-north-1",
                Some("https://console.amazonaws.cn/codesuite/settings/123456789012/cn-north-1"),
            ),
            ("arn:aws-iso:codeconnections:us-iso-east-1", None),
        ] {
            let page = page.map(|page| format!("{page}/codeconnections/connections/{ID}"));
            assert_eq!(url(&format!("{start}:123456789012:connection/{ID}")), page);
        }
        let odd = "arn:aws:codeconnections:eu-west-1:123456789012:connection/a?b#c";
        assert_eq!(url(odd), None);
    }

    #[test]
    fn both_prefixes_and_other_partitions_are_connections() {
        for start in [
            "arn:aws:codeconnections:eu-west-1:123456789012",
            "arn:aws:codestar-connections:us-east-1:123456789012",
            "arn:aws-us-gov:codeconnections:us-gov-west-1:123456789012",
            "arn:aws-cn:codestar-connections:cn-north-1:123456789012",
        ] {
            let text = format!("{start}:connection/{ID}");
            let arn: ConnectionArn = text.parse().unwrap();
            assert_eq!(arn.as_str(), text);
            assert_eq!(arn.id(), ID);
            assert_eq!(arn.account(), "123456789012");
            assert_eq!(arn.partition(), start.split(':').nth(1).unwrap());
            assert_eq!(arn.region(), start.split(':').nth(3).unwrap());
        }
    }

    #[test]
    fn what_is_no_connection_is_refused() {
        let whole = format!("arn:aws:codeconnections:eu-west-1:123456789012:connection/{ID}");
        for wrong in [
            "",
            "connection",
            "arn:aws:codeconnections:eu-west-1:123456789012:connection/",
            "arn:aws:codeconnections:eu-west-1:123456789012:host/x-12345678",
            "arn:aws:codecommit:eu-west-1:123456789012:connection/x",
            "arn:aws:codeconnections::123456789012:connection/x",
            "arn:aws:codeconnections:eu-west-1:1234:connection/x",
            "arn:ws:codeconnections:eu-west-1:123456789012:connection/x",
            &format!("{whole}\n"),
            &format!("{whole} "),
            &format!("{whole}{}", "x".repeat(200)),
        ] {
            assert!(wrong.parse::<ConnectionArn>().is_err(), "{wrong:?}");
        }
    }
}
