//! Settings: read from the environment once, before the first event. All errors
//! are reported at once.

use std::fmt;
use std::str::FromStr;

use super::metrics::Metrics;
use crate::aws::setting::{InvalidSetting, InvalidSettings};
use crate::domain::TombstoneGuard;
use crate::domain::ids::ParseError;
use crate::domain::{AccountId, Region};
use crate::lambda::logging::parse_level;
use crate::listing::MemberRole;
use crate::table::TableName;

/// The settings of the function.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `TABLE_NAME`: the table that is written.
    pub table_name: TableName,
    /// `REGIONS`: the regions that are listed unless an event names others,
    /// sorted. Default: the function's own region.
    pub regions: Vec<Region>,
    /// `RETIRED_REGIONS`: regions that are not inventoried any more, sorted.
    pub retired_regions: Vec<Region>,
    /// `MAX_CONCURRENCY`: table requests under way at the same time.
    pub max_concurrency: usize,
    /// `TOMBSTONE_GUARD`: the share of an account that may be deleted in one
    /// run unless the event accepts more.
    pub tombstone_guard: TombstoneGuard,
    /// `AWS_ACCOUNT_ID`: the account whose credentials the function has, if
    /// that is not the account in its own ARN. The SDKs know it too.
    pub own_account: Option<AccountId>,
    /// `ACCOUNTS`: which accounts may be listed. Default: the function's own.
    pub accounts: AccountsSetting,
    /// `MEMBER_ROLE_NAME` and `EXTERNAL_ID`: the role that is assumed to list
    /// accounts other than the function's own.
    pub member_role: Option<MemberRole>,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, which Lambda sets: the function's
    /// memory in MB.
    pub memory: Option<u64>,
    /// `METRICS_NAMESPACE`: the CloudWatch namespace of the metrics that each
    /// run writes to the log. `None` means that it writes none.
    pub metrics: Option<Metrics>,
}

/// The accounts that may be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountsSetting {
    /// The function's own.
    Own,
    /// These; a schedule means all of them. Sorted, at least one.
    Listed(Vec<AccountId>),
    /// Any account that an event names.
    Any,
}

/// Table requests at the same time, unless set.
pub const DEFAULT_CONCURRENCY: usize = 8;
/// The most table requests at the same time: above this, requests only wait for
/// each other.
const MAX_TABLE_REQUESTS: usize = 64;

impl Settings {
    /// Reads the settings through `lookup`, which returns a variable's value.
    ///
    /// # Errors
    /// [`InvalidSettings`] with everything that is wrong, not only the first.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut reader = Reader::new(lookup);
        let table_name = reader.required(
            "TABLE_NAME",
            "give the name of the inventory's table",
            TableName::from_str,
        );
        let regions = reader.regions();
        let retired_regions = reader
            .optional("RETIRED_REGIONS", |list| {
                let retired = parse_regions(list)?;
                check_retired(&retired, &regions)?;
                Ok(retired)
            })
            .unwrap_or_default();
        let max_concurrency = reader.optional("MAX_CONCURRENCY", parse_concurrency);
        let tombstone_guard = reader.optional("TOMBSTONE_GUARD", parse_guard);
        let member_role = reader.member_role();
        let accounts = reader.optional("ACCOUNTS", parse_accounts);
        let accounts = accounts.unwrap_or(AccountsSetting::Own);
        reader.require_role_for(&accounts, member_role.as_ref());
        let own_account = reader.optional("AWS_ACCOUNT_ID", |text| {
            text.parse().map_err(|error: ParseError| error.to_string())
        });
        reader.optional("LOG_LEVEL", |level| parse_level(Some(level)));
        let namespace = reader.optional("METRICS_NAMESPACE", check_namespace);
        let function = reader.text("AWS_LAMBDA_FUNCTION_NAME");
        let metrics = namespace.map(|namespace| Metrics {
            namespace,
            function: function.unwrap_or_default().into(),
        });
        let memory = reader.text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        match table_name {
            Some(table_name) if reader.faults.is_empty() => Ok(Self {
                table_name,
                regions,
                retired_regions,
                max_concurrency: max_concurrency.unwrap_or(DEFAULT_CONCURRENCY),
                tombstone_guard: tombstone_guard.unwrap_or(DEFAULT_GUARD),
                own_account,
                accounts,
                member_role,
                memory: memory.and_then(|mb| mb.parse().ok()),
                metrics,
            }),
            _ => Err(InvalidSettings(reader.into_faults())),
        }
    }
}

/// Reads a region.
#[cfg(feature = "compliance")]
pub(super) fn parse_region(text: &str) -> Result<Region, String> {
    text.parse().map_err(|error: ParseError| error.to_string())
}

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<L> {
    lookup: L,
    faults: Vec<InvalidSetting>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn new(lookup: L) -> Self {
        Self {
            lookup,
            faults: Vec::new(),
        }
    }

    /// Returns a variable's value, trimmed. An empty one is as good as none.
    pub(super) fn text(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn fault(&mut self, variable: &'static str, problem: impl Into<String>) {
        let problem = problem.into();
        self.faults.push(InvalidSetting { variable, problem });
    }

    /// Reads a variable; `None` if it is not set, or wrong.
    pub(super) fn optional<T>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.text(variable)?;
        parse(&value)
            .map_err(|problem| self.fault(variable, problem))
            .ok()
    }

    /// Reads a variable that has to be set. `hint` says what to set it to.
    pub(super) fn required<T>(
        &mut self,
        variable: &'static str,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.text(variable).is_none() {
            self.fault(variable, format!("not set; {hint}"));
        }
        self.optional(variable, parse)
    }

    /// Returns what is wrong with the variables that were read.
    pub(super) fn into_faults(self) -> Vec<InvalidSetting> {
        self.faults
    }

    /// Reads the regions: the configured ones, or the function's own.
    fn regions(&mut self) -> Vec<Region> {
        let variable = ["REGIONS", "AWS_REGION"]
            .into_iter()
            .find(|variable| self.text(variable).is_some());
        let Some(variable) = variable else {
            self.fault(
                "REGIONS",
                "not set, and neither is AWS_REGION; give regions such as us-east-1,eu-west-1",
            );
            return Vec::new();
        };
        self.optional(variable, parse_regions).unwrap_or_default()
    }

    /// Reads the role that is assumed in other accounts.
    fn member_role(&mut self) -> Option<MemberRole> {
        let external_id = self.text("EXTERNAL_ID");
        let Some(name) = self.text("MEMBER_ROLE_NAME") else {
            if external_id.is_some() {
                let problem = "set, but MEMBER_ROLE_NAME is not; it is what that role asks for";
                self.fault("EXTERNAL_ID", problem);
            }
            return None;
        };
        if let Err(problem) = check_role_name(&name) {
            self.fault("MEMBER_ROLE_NAME", problem);
        }
        Some(MemberRole {
            name: name.into(),
            external_id: external_id.map(Into::into),
        })
    }

    /// Requires a role if accounts other than the function's own may be listed.
    fn require_role_for(&mut self, accounts: &AccountsSetting, role: Option<&MemberRole>) {
        let others = match accounts {
            AccountsSetting::Own => None,
            AccountsSetting::Listed(list) => (list.len() > 1).then_some("has several"),
            AccountsSetting::Any => Some("is any"),
        };
        if let (Some(others), None) = (others, role) {
            self.fault(
                "MEMBER_ROLE_NAME",
                format!("not set, but ACCOUNTS {others}; name the role to assume in them"),
            );
        }
    }
}

/// The default guard: half of an account, and more than a few.
pub const DEFAULT_GUARD: TombstoneGuard = TombstoneGuard::Share(0.5);

/// Reads a list of regions, separated by commas or spaces; sorted, each once.
///
/// # Errors
/// The problem, and a valid value.
pub fn parse_regions(list: &str) -> Result<Vec<Region>, String> {
    let regions = parse_list(list)?;
    if regions.is_empty() {
        return Err("names no region; give regions such as us-east-1,eu-west-1".to_owned());
    }
    Ok(regions)
}

/// Checks that no listed region is retired.
///
/// # Errors
/// The problem, and a valid value.
pub fn check_retired(retired: &[Region], listed: &[Region]) -> Result<(), String> {
    match retired.iter().find(|region| listed.contains(region)) {
        None => Ok(()),
        Some(region) => Err(format!(
            "{region} is listed too; take it out of the regions that are listed, or do not retire it"
        )),
    }
}

fn parse_accounts(text: &str) -> Result<AccountsSetting, String> {
    if text.eq_ignore_ascii_case("any") {
        return Ok(AccountsSetting::Any);
    }
    let accounts = parse_list(text)?;
    if accounts.is_empty() {
        return Err("names no account; give accounts such as 123456789012".to_owned());
    }
    Ok(AccountsSetting::Listed(accounts))
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Namespace>
pub(super) fn check_namespace(text: &str) -> Result<Box<str>, String> {
    let fits = text.len() <= 255
        && !text.starts_with("AWS/")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-/#:".contains(&b));
    if fits {
        Ok(text.into())
    } else {
        Err(format!(
            "{text:?} is not a namespace of CloudWatch for metrics of one's own (up to 255 of a-z, \
             A-Z, 0-9 and ._-/#:, not beginning with AWS/)"
        ))
    }
}

/// Checks the name of a role. It is put into an ARN, so an ARN is refused.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names>
fn check_role_name(text: &str) -> Result<(), String> {
    let fits = text.len() <= 512
        && text.split('/').all(|part| !part.is_empty())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=,.@-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is not the name of a role (with its path, if it has one, such as \
             readers/inventory)"
        ))
    }
}

fn parse_list<T>(list: &str) -> Result<Vec<T>, String>
where
    T: FromStr<Err: fmt::Display> + Ord,
{
    let words = list
        .split([',', ' ', '\t', '\n'])
        .filter(|word| !word.is_empty());
    let parsed: Result<Vec<T>, _> = words.map(str::parse).collect();
    let mut parsed = parsed.map_err(|malformed| malformed.to_string())?;
    parsed.sort();
    parsed.dedup();
    Ok(parsed)
}

/// Reads the guard against mass deletion: a share (`0.5`), a percentage
/// (`50%`) or `off`.
///
/// # Errors
/// The problem, and a valid value.
pub fn parse_guard(text: &str) -> Result<TombstoneGuard, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(TombstoneGuard::Off);
    }
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    match number {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(TombstoneGuard::Share(share)),
        _ => Err(format!(
            "{text:?} is not a share of an account (0.5 or 50%, from 0 to 1), nor off"
        )),
    }
}

/// Reads the number of table requests at the same time.
///
/// # Errors
/// The problem, and a valid value.
pub fn parse_concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MAX_TABLE_REQUESTS) => Ok(number),
        _ => Err(format!(
            "{text:?} is not a whole number from 1 to {MAX_TABLE_REQUESTS}"
        )),
    }
}
