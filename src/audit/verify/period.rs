//! Verifies the records of a period, without those before it and without snapshots.

use std::collections::BTreeMap;

use super::alterations::{Alteration, Alterations};
use super::records::{Account, RunLink, Source};
use crate::domain::{AccountId, Change, Digest, RunRecord};
use crate::table::StoredKind;

/// Runs of a period, and all changes of their accounts by its end.
pub struct PeriodRecords<K: StoredKind> {
    accounts: BTreeMap<AccountId, Account<K>>,
}

impl<K: StoredKind> Default for PeriodRecords<K> {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
        }
    }
}

impl<K: StoredKind> PeriodRecords<K> {
    /// Adds a run with its digest.
    pub fn add_run(&mut self, run: RunRecord<K>, digest: Digest) {
        let account = self.account(&run.account);
        account.runs.push(RunLink::of(run, digest, Source::Archive));
    }

    /// Adds a change with its digest.
    pub fn add_change(&mut self, change: Change<K>, digest: Digest) {
        self.account(&change.account).add(change, digest);
    }

    fn account(&mut self, id: &AccountId) -> &mut Account<K> {
        let accounts = &mut self.accounts;
        accounts.entry(id.clone()).or_insert_with(Account::new)
    }

    /// Verifies everything that was added. These must hold:
    /// - Runs refer to the one before, and so do changes, from the first one on.
    /// - Each run's digest of snapshots and its counts follow from the changes
    ///   recorded by then.
    pub fn verified(self) -> Vec<Alteration> {
        let mut alterations = Alterations::default();
        for (id, mut account) in self.accounts {
            account.sort();
            account.verify_period(&id, &mut alterations);
        }
        alterations.into_sorted(None)
    }
}
