//! Filter values that neither this version nor the record knows. A typing error
//! must not be answered as "there is none".

use std::collections::BTreeSet;

use super::error::CliError;
use crate::audit::{Audit, AuditError, Basis, ConnectionFilter};
use crate::compliance::rule::Rule;
use crate::domain::listing::ListingGroup;
use crate::domain::{
    AccountId, Attributes, Clock, ConnectionArn, ConnectionStatus, ProviderType, Region,
    SystemClock, Timestamp,
};

/// At most so many accounts are named in a message.
const ACCOUNTS_NAMED: usize = 5;

/// Two words that are less alike than this are different words.
const ALIKE: f64 = 0.8;

/// The values that a command was asked to filter by, each with the option or
/// the place that has it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    statuses: Vec<(String, ConnectionStatus)>,
    providers: Vec<(String, ProviderType)>,
    regions: Vec<(String, Region)>,
}

/// The values that connections on record have, or had.
#[derive(Debug, Default)]
struct OnRecord {
    statuses: BTreeSet<String>,
    providers: BTreeSet<String>,
    regions: BTreeSet<String>,
}

impl Asked {
    /// The values of `--status`, `--provider` and `--region`.
    pub(crate) fn of(filter: &ConnectionFilter) -> Self {
        Self::default()
            .status(filter.status.as_ref())
            .provider(filter.provider.as_ref())
            .region(filter.region.as_ref())
    }

    /// Also the value of `--status`.
    pub(crate) fn status(mut self, status: Option<&ConnectionStatus>) -> Self {
        let status = status.map(|status| ("--status".to_owned(), status.clone()));
        self.statuses.extend(status);
        self
    }

    /// Also the value of `--provider`.
    pub(crate) fn provider(mut self, provider: Option<&ProviderType>) -> Self {
        let provider = provider.map(|provider| ("--provider".to_owned(), provider.clone()));
        self.providers.extend(provider);
        self
    }

    fn region(mut self, region: Option<&Region>) -> Self {
        let region = region.map(|region| ("--region".to_owned(), region.clone()));
        self.regions.extend(region);
        self
    }

    /// The values of `--allow-provider`, and the providers that rules are
    /// restricted to. A rule that applies to nothing would pass.
    pub(crate) fn of_rules(rules: &[Rule], allowed: &[ProviderType]) -> Self {
        let mut asked = Self::default();
        for provider in allowed {
            let place = "--allow-provider".to_owned();
            asked.providers.push((place, provider.clone()));
        }
        for rule in rules {
            for provider in rule.scope.providers.iter().flatten() {
                let place = format!("rule {}: scope: providers", rule.id);
                asked.providers.push((place, provider.clone()));
            }
        }
        asked
    }

    /// Refuses a value that is not known: a status or a provider that this
    /// version does not know and no connection on record ever had; a region
    /// that no run listed, and no connection on record lives in.
    ///
    /// Everything is read for a value that this version does not know, and
    /// only for such.
    pub(crate) async fn refuse_unknown(mut self, audit: &Audit) -> Result<(), CliError> {
        self.statuses
            .retain(|(_, s)| !ConnectionStatus::KNOWN.contains(s));
        self.providers
            .retain(|(_, p)| !ProviderType::KNOWN.contains(p));
        let listed = match self.regions.is_empty() {
            true => BTreeSet::new(),
            false => {
                let bases = audit.bases(None, SystemClock.now()).await;
                listed_regions(audit, &bases.map_err(CliError::failure)?).await?
            }
        };
        self.regions
            .retain(|(_, region)| !is_covered(&listed, region));
        if self.statuses.is_empty() && self.providers.is_empty() && self.regions.is_empty() {
            return Ok(());
        }
        let mut on_record = OnRecord::read(audit).await.map_err(CliError::failure)?;
        let known = ConnectionStatus::KNOWN;
        on_record.statuses.extend(known.map(|s| s.to_string()));
        let known = ProviderType::KNOWN;
        on_record.providers.extend(known.map(|p| p.to_string()));
        on_record
            .regions
            .extend(listed.iter().map(ToString::to_string));
        for (place, status) in &self.statuses {
            refuse_value(place, "status", status.as_str(), &on_record.statuses)?;
        }
        for (place, provider) in &self.providers {
            refuse_value(place, "provider", provider.as_str(), &on_record.providers)?;
        }
        for (place, region) in &self.regions {
            if !on_record.regions.contains(region.as_str()) {
                let hint = hint(region.as_str(), &on_record.regions);
                return Err(CliError::NoEvidence(format!(
                    "{place} {region}: no recorded run listed this region, \
                     and no connection on record lives there{hint}"
                )));
            }
        }
        Ok(())
    }
}

impl OnRecord {
    async fn read(audit: &Audit) -> Result<Self, AuditError> {
        let mut this = Self::default();
        let ever = Timestamp::from_millis(i64::MAX);
        for account in audit.accounts(None).await? {
            let table = audit.table();
            table
                .each_snapshot(&account, |snapshot| {
                    this.note(&snapshot.arn, &snapshot.attributes);
                    true
                })
                .await?;
            table
                .each_change_by(&account, ever, |change| {
                    for told in [&change.before, &change.after].into_iter().flatten() {
                        this.note(&change.arn, told);
                    }
                    true
                })
                .await?;
        }
        Ok(this)
    }

    fn note(&mut self, arn: &ConnectionArn, told: &Attributes) {
        let mut note = |words: fn(&mut Self) -> &mut BTreeSet<String>, word: Option<&str>| {
            if let Some(word) = word
                && !words(self).contains(word)
            {
                words(self).insert(word.to_owned());
            }
        };
        let status = told.connection_status.as_ref();
        note(|this| &mut this.statuses, status.map(|s| s.as_str()));
        let provider = told.provider_type.as_ref();
        note(|this| &mut this.providers, provider.map(|p| p.as_str()));
        note(|this| &mut this.regions, Some(arn.region()));
    }
}

/// The regions that runs asked.
async fn listed_regions(audit: &Audit, bases: &[Basis]) -> Result<BTreeSet<Region>, CliError> {
    let mut regions = BTreeSet::new();
    for basis in bases {
        let runs = [&basis.last_run, &basis.last_complete_run];
        for run in runs.into_iter().flatten() {
            regions.extend(run.regions.iter().cloned());
        }
        regions.extend(basis.not_observed.iter().map(|n| n.region.clone()));
        let record = audit.table().read_record(&basis.account).await;
        let record = record.map_err(CliError::failure)?;
        regions.extend(record.into_iter().flat_map(|r| r.coverage.into_keys()));
    }
    Ok(regions)
}

/// Whether one of the regions `listed` is `region`, or lists its connections.
fn is_covered(listed: &BTreeSet<Region>, region: &Region) -> bool {
    let group = ListingGroup::of(region.as_str());
    let same_group = |other: &Region| group.is_some() && ListingGroup::of(other.as_str()) == group;
    listed.contains(region) || listed.iter().any(same_group)
}

fn refuse_value(
    place: &str,
    what: &str,
    value: &str,
    known: &BTreeSet<String>,
) -> Result<(), CliError> {
    if known.contains(value) {
        return Ok(());
    }
    let hint = hint(value, known);
    Err(CliError::Usage(format!(
        "{place} {value:?}: not a {what} that this version knows or that any connection on \
         record ever had{hint}"
    )))
}

/// "; did you mean …?", or the values that there are.
fn hint(value: &str, known: &BTreeSet<String>) -> String {
    let alike = |word: &String| {
        let (word, value) = (word.to_ascii_lowercase(), value.to_ascii_lowercase());
        strsim::jaro_winkler(&word, &value)
    };
    let best = known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    match best.filter(|best| alike(best) >= ALIKE) {
        Some(best) => format!("; did you mean {best}?"),
        None if known.is_empty() => String::new(),
        None => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            format!("; known are {}", known.join(", "))
        }
    }
}

/// Names the accounts that are recorded, few as they are, where `account` was
/// asked for and is none of them.
pub(crate) async fn other_accounts(
    audit: &Audit,
    account: Option<&AccountId>,
) -> Result<String, CliError> {
    let Some(account) = account else {
        return Ok(String::new());
    };
    let accounts = audit.accounts(None).await.map_err(CliError::failure)?;
    Ok(match accounts.as_slice() {
        some if some.contains(account) => String::new(),
        [] => String::new(),
        [only] => format!("; recorded is account {only}"),
        few if few.len() <= ACCOUNTS_NAMED => {
            let few: Vec<&str> = few.iter().map(AccountId::as_str).collect();
            format!("; recorded are accounts {}", few.join(", "))
        }
        many => format!("; {} other accounts are recorded", many.len()),
    })
}

/// The refusal of a connection that nothing is recorded of.
pub(crate) async fn no_connection(
    audit: &Audit,
    connection: &str,
    account: Option<&AccountId>,
) -> Result<CliError, CliError> {
    let whose = account.map_or(String::new(), |account| format!(" in account {account}"));
    let others = other_accounts(audit, account).await?;
    Ok(CliError::NoEvidence(format!(
        "nothing is recorded of a connection {connection:?}{whose}{others}"
    )))
}

/// "; did you mean …?" for a word of a closed list, or the list.
pub(crate) fn hint_of(value: &str, words: &[&str]) -> String {
    hint(
        value,
        &words.iter().map(|word| (*word).to_owned()).collect(),
    )
}
