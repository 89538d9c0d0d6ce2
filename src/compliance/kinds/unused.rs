//! Each connection has a consumer, or had one recently.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::dependencies::blocks_consumers;
use crate::compliance::evaluation::{Evaluation, blocks_connections};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{
    Aspect, ConnectionKind, Defaults, DependencyNeeds, FromInput, Kind, Needs, control,
};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::arn::normalized;
use crate::domain::dependency::NOT_ASKED;
use crate::domain::{Change, Dependency, DependencyAttributes, Duration, Timestamp};

/// No connection is without a consumer for longer than this.
#[derive(Debug, Clone, Serialize)]
pub struct Unused {
    /// The longest time without a consumer.
    pub longer_than: Duration,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection had a recorded consumer within this duration
    #[arg(long, value_name = "DURATION")]
    unused_longer_than: Option<Duration>,
}

impl FromInput for Unused {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            longer_than: parameters.longer_than()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.unused_longer_than.into_iter();
        given
            .map(|longer_than| ("unused-longer-than", Self { longer_than }))
            .collect()
    }
}

impl Kind for Unused {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Low,
            controls: &[control::CM_8, control::CC6_1],
            remediation: Some(
                "Before deleting the connection, check what the record does not cover: \
                 `ccinv uses ARN` lists the services and regions that were not asked.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap) || blocks_consumers(gap)
    }

    fn dependency_needs(&self, at: Timestamp) -> Option<DependencyNeeds> {
        Some(DependencyNeeds {
            consumers_since: Some(self.longer_than.before(at)),
            ..DependencyNeeds::default()
        })
    }
}

impl ConnectionKind for Unused {
    fn aspect(&self) -> Aspect {
        Aspect::State
    }

    /// A connection that did not exist for so long can't be unused for so long.
    fn needs(&self, evidence: &Evidence) -> Needs {
        Needs {
            changes_since: Some(self.longer_than.before(evidence.moment.at())),
            ..Needs::default()
        }
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let Some(all) = evidence.dependencies.as_deref() else {
            return Evaluation::insufficient("no dependencies were read");
        };
        if all.is_used(row) {
            return Evaluation::Compliant;
        }
        if let Some((account, gap)) = all.consumer_gaps().next() {
            return Evaluation::insufficient(format!(
                "no consumer is on record, but account {account} lacks some: {}",
                gap.message
            ));
        }
        self.evaluate_absence(row, evidence)
    }
}

impl Unused {
    /// Evaluates a connection that nothing uses now, by all sources.
    fn evaluate_absence(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let (limit, at) = (self.longer_than, evidence.moment.at());
        let changes = evidence.changes_of(row).iter();
        let first = changes.rev().find(|change| change.kind.starts_presence());
        // Not before an earlier listing, which lacked it.
        let created_after = first.and_then(|change| change.previously_seen_at);
        if created_after.is_some_and(|earlier| !limit.is_over(earlier, at)) {
            return Evaluation::Compliant;
        }
        if let Some(end) = last_use(row, evidence) {
            let (until, id) = (end.observed_at, &end.arn);
            return match end.previously_seen_at {
                Some(seen) if !limit.is_over(seen, at) => Evaluation::Compliant,
                Some(seen) => Evaluation::insufficient(format!(
                    "{id} used it until between {seen} and {until}, perhaps longer than {limit} ago"
                )),
                None => Evaluation::insufficient(format!("{id} used it until before {until}")),
            };
        }
        if let Some(change) = first {
            let observed_at = change.observed_at;
            return Evaluation::insufficient(format!(
                "no consumer is on record; it was created before {observed_at}, perhaps longer \
                 than {limit} ago"
            ));
        }
        match self.known_since(row, evidence) {
            Ok(since) => Evaluation::violation_since(
                since,
                format!(
                    "no recorded consumer since at least {since}, longer than {limit}; not asked: {}",
                    NOT_ASKED.join(", ")
                ),
            ),
            Err(reason) => Evaluation::insufficient(reason),
        }
    }

    /// Returns since when the connection is known to be unused, if that is long
    /// enough.
    fn known_since(&self, row: &ConnectionRow, evidence: &Evidence) -> Result<Timestamp, String> {
        let (limit, at) = (self.longer_than, evidence.moment.at());
        let begin = limit.before(at);
        let mut since = row.first_seen_at;
        let accounts = evidence.dependencies.iter().flat_map(|all| &all.accounts);
        for (account, of) in accounts {
            let no_record = || format!("account {account} has no complete run of dependencies");
            let begins_at = of.begins_at.ok_or_else(no_record)?;
            since = since.max(begins_at);
            if !limit.is_over(begins_at, at) {
                return Err(format!(
                    "no consumer is on record, but the record of dependencies of account \
                     {account} begins at {begins_at}, not longer than {limit} ago"
                ));
            }
            if let Some(listed) = of.oldest_listing().filter(|listed| *listed < begin) {
                return Err(format!(
                    "no consumer is on record, but dependencies of account {account} were last \
                     listed completely at {listed}, longer than {limit} ago"
                ));
            }
        }
        Ok(since)
    }
}

/// Returns the change that ended the last use of a connection, if that is among
/// the changes that were read.
fn last_use<'a>(row: &ConnectionRow, evidence: &'a Evidence) -> Option<&'a Change<Dependency>> {
    let arn = normalized(row.connection_arn.as_str());
    let uses = |attributes: &Option<DependencyAttributes>| {
        let used = attributes.as_ref().and_then(DependencyAttributes::consumed);
        used.as_ref() == Some(&arn)
    };
    let accounts = evidence.dependencies.iter().flat_map(|all| &all.accounts);
    let changes = accounts.flat_map(|(_, of)| &of.changes);
    let ends = changes.filter(|change| uses(&change.before) && !uses(&change.after));
    ends.max_by_key(|change| (change.previously_seen_at, change.observed_at))
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { longer_than } = self;
        write!(f, "no connection is unused for longer than {longer_than}")
    }
}
