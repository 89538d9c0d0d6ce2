//! The ARN of a connection: its identity, kept as it was given.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{ParseError, identifier, is_account, is_region};

identifier!(
    /// The ARN of a connection.
    ///
    /// Kept verbatim: two prefixes live side by side
    /// (`arn:aws:codestar-connections:…` for what was made before July 2024,
    /// `arn:aws:codeconnections:…` since), and other partitions exist. AWS
    /// never reuses an ARN, so it names one connection for ever.
    ///
    /// The longest that the service's model allows is 256 characters.
    ConnectionArn,
    "a connection ARN such as arn:aws:codeconnections:eu-west-1:123456789012:connection/8f2c…",
    |text| parts(text).is_some()
);

struct Parts<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    id: &'a str,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    const LONGEST: usize = 256;
    if text.len() > LONGEST || !is_one_word(text) {
        return None;
    }
    let mut split = text.splitn(6, ':');
    let (arn, partition, service) = (split.next()?, split.next()?, split.next()?);
    let (region, account, resource) = (split.next()?, split.next()?, split.next()?);
    let id = resource.strip_prefix("connection/")?;
    let partition_fits = partition == "aws" || partition.starts_with("aws-");
    let service_fits = matches!(service, "codeconnections" | "codestar-connections");
    let fits = arn == "arn"
        && partition_fits
        && service_fits
        && is_region(region)
        && is_account(account)
        && !id.is_empty();
    fits.then_some(Parts {
        partition,
        region,
        account,
        id,
    })
}

/// Whether nothing in it is white space or a control character. What is in an
/// ARN is ASCII, nearly always.
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
