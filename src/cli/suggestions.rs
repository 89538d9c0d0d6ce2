//! Refuses filter values that match nothing known, and suggests similar ones: a
//! typing error must not look like an empty result.

use std::collections::BTreeSet;

use super::error::CliError;
use crate::audit::{Audit, AuditError, Basis, ConnectionFilter};
use crate::compliance::rule::Rule;
use crate::domain::ListingGroup;
use crate::domain::{
    AccountId, Attributes, Clock, ConnectionArn, ConnectionStatus, ProviderType, Region,
    SystemClock, Timestamp,
};

/// The most accounts that a message names.
const MAX_ACCOUNTS_NAMED: usize = 5;

/// The least Jaro-Winkler similarity of a suggestion.
const MIN_SIMILARITY: f64 = 0.8;

/// The values that a command filters by, each with its option or its place in a
/// rule file.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    statuses: Vec<(String, ConnectionStatus)>,
    providers: Vec<(String, ProviderType)>,
    regions: Vec<(String, Region)>,
}

/// The values that recorded connections have or had.
#[derive(Debug, Default)]
struct OnRecord {
    statuses: BTreeSet<String>,
    providers: BTreeSet<String>,
    regions: BTreeSet<String>,
}

impl Asked {
    /// The values of `--status`, `--provider` and `--in-region`.
    pub(crate) fn of(filter: &ConnectionFilter) -> Self {
        Self::default()
            .status(filter.status.as_ref())
            .provider(filter.provider.as_ref())
            .region(filter.region.as_ref())
    }

    /// Adds the value of `--status`.
    pub(crate) fn status(mut self, status: Option<&ConnectionStatus>) -> Self {
        let status = status.map(|status| ("--status".to_owned(), status.clone()));
        self.statuses.extend(status);
        self
    }

    /// Adds the value of `--provider`.
    pub(crate) fn provider(mut self, provider: Option<&ProviderType>) -> Self {
        let provider = provider.map(|provider| ("--provider".to_owned(), provider.clone()));
        self.providers.extend(provider);
        self
    }

    fn region(mut self, region: Option<&Region>) -> Self {
        let region = region.map(|region| ("--in-region".to_owned(), region.clone()));
        self.regions.extend(region);
        self
    }

    /// The values of `--allow-provider`, and the providers in the scopes of
    /// rules: a rule that applies to no connection would pass.
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

    /// Refuses unknown values: a status or a provider that this version does not
    /// know and no recorded connection ever had; a region that no run listed and
    /// that is in no recorded ARN.
    ///
    /// Reads all snapshots and changes if a value is unknown to this version,
    /// otherwise none.
    ///
    /// # Errors
    /// [`CliError::Usage`] or [`CliError::NoEvidence`] with a suggestion.
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
                    "{place} {region}: no recorded run listed this region, and no recorded \
                     connection is in it{hint}"
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
                .snapshots(&account)
                .each(|snapshot| {
                    this.note(&snapshot.arn, &snapshot.attributes);
                    true
                })
                .await?;
            table
                .changes_by(&account, ever)
                .each(|change| {
                    for attributes in [&change.before, &change.after].into_iter().flatten() {
                        this.note(&change.arn, attributes);
                    }
                    true
                })
                .await?;
        }
        Ok(this)
    }

    fn note(&mut self, arn: &ConnectionArn, attributes: &Attributes) {
        let mut note = |words: fn(&mut Self) -> &mut BTreeSet<String>, word: Option<&str>| {
            if let Some(word) = word
                && !words(self).contains(word)
            {
                words(self).insert(word.to_owned());
            }
        };
        let status = attributes.connection_status.as_ref();
        note(|this| &mut this.statuses, status.map(|s| s.as_str()));
        let provider = attributes.provider_type.as_ref();
        note(|this| &mut this.providers, provider.map(|p| p.as_str()));
        note(|this| &mut this.regions, Some(arn.region()));
    }
}

/// The regions that runs listed.
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

/// Returns true if listing one of `listed` returns the connections of `region`.
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
        "{place} {value:?}: unknown {what}; this version does not know it, and no recorded \
         connection ever had it{hint}"
    )))
}

/// Returns "; did you mean …?" or the known values.
fn hint(value: &str, known: &BTreeSet<String>) -> String {
    let similarity = |word: &String| {
        let (word, value) = (word.to_ascii_lowercase(), value.to_ascii_lowercase());
        strsim::jaro_winkler(&word, &value)
    };
    let best = known
        .iter()
        .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match best.filter(|best| similarity(best) >= MIN_SIMILARITY) {
        Some(best) => format!("; did you mean {best}?"),
        None if known.is_empty() => String::new(),
        None => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            format!("; known: {}", known.join(", "))
        }
    }
}

/// Returns "; recorded accounts: …" if `account` is not one of them; for many
/// accounts their number.
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
        [only] => format!("; the recorded account is {only}"),
        few if few.len() <= MAX_ACCOUNTS_NAMED => {
            let few: Vec<&str> = few.iter().map(AccountId::as_str).collect();
            format!("; the recorded accounts are {}", few.join(", "))
        }
        many => format!("; {} other accounts are recorded", many.len()),
    })
}

/// Returns the error for a connection without records.
pub(crate) async fn no_connection(
    audit: &Audit,
    connection: &str,
    account: Option<&AccountId>,
) -> Result<CliError, CliError> {
    let whose = account.map_or(String::new(), |account| format!(" in account {account}"));
    let others = other_accounts(audit, account).await?;
    Ok(CliError::NoEvidence(format!(
        "no connection {connection:?} is recorded{whose}{others}"
    )))
}

/// Returns "; did you mean …?" or the allowed words.
pub(crate) fn hint_of(value: &str, words: &[&str]) -> String {
    hint(
        value,
        &words.iter().map(|word| (*word).to_owned()).collect(),
    )
}
