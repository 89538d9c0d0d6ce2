//! What a consumer uses: a connection or a host on record, or neither.

use std::collections::{BTreeSet, HashMap};

use super::dependencies::{DependencyBasis, DependencyRow};
use super::{Basis, ConnectionRow};
use crate::domain::arn::{Arn, normalized};
use crate::domain::{AccountId, ConnectionArn, DependencyType};

/// The state of what is named and in no inventory of this table.
pub(super) const NOT_IN_INVENTORY: &str = "NOT_IN_INVENTORY";

/// The state of what may exist, because its account or region was not listed.
pub(super) const NOT_OBSERVED: &str = "NOT_OBSERVED";

/// The state of a deleted connection.
const DELETED: &str = "DELETED";

/// The connections and hosts that can be used, by normalized ARN.
pub(super) struct OnRecord<'a> {
    connections: HashMap<String, ConnectionRow>,
    hosts: HashMap<String, &'a DependencyRow>,
    inventories: HashMap<AccountId, Basis>,
    host_listings: HashMap<&'a AccountId, &'a DependencyBasis>,
}

/// What a consumer uses.
#[derive(Debug, Clone)]
pub(super) enum Used<'a> {
    /// A connection, which may be deleted.
    Connection(&'a ConnectionRow),
    /// A host.
    Host(&'a DependencyRow),
    /// What no inventory of this table has.
    NotInInventory,
    /// What may exist, and why it was not observed.
    NotObserved(String),
}

impl<'a> OnRecord<'a> {
    /// Returns these connections, which are based on `inventories`, and the hosts
    /// among `dependencies`, which are based on `dependency_runs`.
    pub(super) fn new(
        connections: Vec<ConnectionRow>,
        inventories: Vec<Basis>,
        dependencies: &'a [DependencyRow],
        dependency_runs: &'a [DependencyBasis],
    ) -> Self {
        let is_host = |row: &&DependencyRow| row.dependency_type == DependencyType::Host;
        let hosts = dependencies.iter().filter(is_host);
        let inventories = inventories.into_iter();
        Self {
            connections: by_normalized_arn(connections),
            hosts: hosts.map(|row| (normalized(&row.arn), row)).collect(),
            inventories: inventories.map(|it| (it.account.clone(), it)).collect(),
            host_listings: dependency_runs.iter().map(|it| (&it.account, it)).collect(),
        }
    }

    /// Returns the host with this normalized ARN.
    pub(super) fn host(&self, arn: &str) -> Option<&'a DependencyRow> {
        self.hosts.get(arn).copied()
    }

    /// Returns what has this normalized ARN.
    pub(super) fn used(&self, arn: &str) -> Used<'_> {
        if let Some(connection) = self.connections.get(arn) {
            return Used::Connection(connection);
        }
        if let Some(host) = self.host(arn) {
            return Used::Host(host);
        }
        let listings_of = |account: &AccountId| self.host_listings.get(account).copied();
        why_not_observed(arn, &self.connections, &self.inventories)
            .or_else(|| why_host_not_observed(arn, listings_of))
            .map_or(Used::NotInInventory, Used::NotObserved)
    }

    /// Returns the bases of the accounts that own connections with these normalized ARNs,
    /// and of `accounts`.
    pub(super) fn rests_on(
        mut self,
        arns: impl Iterator<Item = String>,
        accounts: impl Iterator<Item = AccountId>,
    ) -> Vec<Basis> {
        let account_of = |arn: String| match self.connections.get(&arn) {
            Some(row) => Some(row.account.clone()),
            None => arn.parse::<ConnectionArn>().ok()?.account().parse().ok(),
        };
        let accounts: BTreeSet<AccountId> = arns.filter_map(account_of).chain(accounts).collect();
        let bases = accounts.iter().map(|it| self.inventories.remove(it));
        bases.flatten().collect()
    }
}

impl<'a> Used<'a> {
    /// Returns its status, `DELETED`, `NOT_IN_INVENTORY` or `NOT_OBSERVED`.
    pub(super) fn state(&self) -> &'a str {
        match self {
            Self::Connection(row) if row.deleted_at.is_some() => DELETED,
            Self::Connection(row) => row.attributes.status_word(),
            Self::Host(row) => row.status_word(),
            Self::NotInInventory => NOT_IN_INVENTORY,
            Self::NotObserved(_) => NOT_OBSERVED,
        }
    }

    /// Returns true if it was deleted, or is in no inventory.
    pub(super) fn is_dangling(&self) -> bool {
        match self {
            Self::Connection(row) => row.deleted_at.is_some(),
            Self::Host(_) | Self::NotObserved(_) => false,
            Self::NotInInventory => true,
        }
    }
}

/// Returns connections by normalized ARN. Of several with the same ARN, which
/// several accounts list, one that is not deleted is returned.
pub fn by_normalized_arn(
    rows: impl IntoIterator<Item = ConnectionRow>,
) -> HashMap<String, ConnectionRow> {
    let mut known: HashMap<String, ConnectionRow> = HashMap::new();
    for row in rows {
        let arn = normalized(row.connection_arn.as_str());
        let is_better = known
            .get(&arn)
            .is_none_or(|other| other.deleted_at.is_some());
        if is_better {
            known.insert(arn, row);
        }
    }
    known
}

/// Returns why a connection that is not among all `connections` may exist nevertheless;
/// `None` if the `inventories` of the accounts show that it does not.
pub fn why_not_observed(
    used: &str,
    connections: &HashMap<String, ConnectionRow>,
    inventories: &HashMap<AccountId, Basis>,
) -> Option<String> {
    // What is no ARN of a connection can't be one.
    let arn: ConnectionArn = normalized(used).parse().ok()?;
    let (account, region) = (arn.account(), arn.region());
    let basis = account.parse::<AccountId>().ok();
    match basis.and_then(|account| inventories.get(&account)) {
        None => Some(format!("account {account} is not inventoried")),
        Some(basis) if !basis.is_evidence() => {
            Some(format!("account {account} has no complete run"))
        }
        Some(basis) if !was_listed(basis, region, connections) => Some(format!(
            "region {region} of account {account} was not listed"
        )),
        Some(_) => None,
    }
}

/// Returns why a host that is not on record may exist nevertheless; `None` if a listing of
/// its region shows that it does not, or if the ARN is not one of a host.
pub fn why_host_not_observed<'a>(
    used: &str,
    listings_of: impl FnOnce(&AccountId) -> Option<&'a DependencyBasis>,
) -> Option<String> {
    let arn = Arn::parse(used).filter(|arn| arn.host().is_some())?;
    let account: AccountId = arn.account.parse().ok()?;
    let was_listed = listings_of(&account).is_some_and(|it| it.lists_hosts_of(arn.region));
    let region = arn.region;
    (!was_listed).then(|| format!("hosts of account {account} in {region} were not listed"))
}

/// Returns true if the last runs of the account listed the connections of a
/// region. Listings of other regions may have returned them.
fn was_listed(basis: &Basis, region: &str, connections: &HashMap<String, ConnectionRow>) -> bool {
    let mut missing = basis.not_observed.iter();
    if missing.any(|missing| missing.region.as_str() == region) {
        return false;
    }
    let runs = [&basis.last_run, &basis.last_complete_run];
    let mut asked = runs.into_iter().flatten().flat_map(|run| &run.regions);
    let mut shown = connections.values();
    asked.any(|asked| asked.as_str() == region)
        || shown.any(|row| row.account == basis.account && row.region == region)
}
