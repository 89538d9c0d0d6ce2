//! One connection, judged by one demand. Pure.

use super::evidence::{Evidence, Moment, RecordKey};
use super::requirement::{Requirement, Span};
use crate::audit::ConnectionRow;
use crate::audit::timeline::observed_at;
use crate::domain::{Change, ChangeKind, ConnectionStatus, ProviderType, Timestamp};

/// What a connection comes to by a demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    /// It keeps it.
    Kept,
    /// It breaks it.
    Broken {
        /// What is wrong, in a line.
        message: String,
        /// Since when it is known to be so.
        since: Option<Timestamp>,
        /// Records that show it, besides the connection's own.
        evidence: Vec<RecordKey>,
    },
    /// What it takes to judge is not known.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Whether a demand is made of this connection at all: some are made of those
/// that are gone, too.
pub fn is_candidate(requirement: &Requirement, row: &ConnectionRow) -> bool {
    row.deleted_at.is_none()
        || matches!(
            requirement,
            Requirement::Deleted { .. } | Requirement::StatusChanges { .. }
        )
}

/// Judges a connection that a rule is about.
pub fn evaluate_connection(
    requirement: &Requirement,
    row: &ConnectionRow,
    evidence: &Evidence,
) -> Evaluation {
    match requirement {
        Requirement::Pending { longer_than } => connections_by_status(
            row,
            &ConnectionStatus::Pending,
            Some(*longer_than),
            evidence,
        ),
        Requirement::Error { longer_than } => {
            connections_by_status(row, &ConnectionStatus::Error, *longer_than, evidence)
        }
        Requirement::Provider { allowed } => match provider(row) {
            Some(provider) if allowed.contains(provider) => Evaluation::Kept,
            Some(provider) => broken(
                row,
                format!("provider {:?} is not on the list", provider.as_str()),
            ),
            None => broken(
                row,
                "no provider is reported, so none on the list is".to_owned(),
            ),
        },
        Requirement::Host { allowed } => host(row, |host| allowed.contains(host)),
        Requirement::Endpoint { allowed } => endpoint(row, |endpoint| allowed.contains(endpoint)),
        Requirement::Owner { allowed } => match text(row.owner_account_id.as_deref()) {
            Some(owner) if allowed.contains(owner) => Evaluation::Kept,
            Some(owner) => broken(row, format!("owner {owner:?} is not on the list")),
            None => broken(
                row,
                "no owner is reported, so none on the list is".to_owned(),
            ),
        },
        Requirement::Name { pattern } => match text(row.connection_name.as_deref()) {
            Some(name) if pattern.matches(name) => Evaluation::Kept,
            Some(name) => broken(row, format!("name {name:?} does not match {pattern}")),
            None => broken(
                row,
                format!("no name is reported, so none matches {pattern}"),
            ),
        },
        Requirement::NotSeen { longer_than } => not_seen(row, *longer_than, evidence),
        Requirement::Deleted { within } => deleted(row, *within, evidence),
        Requirement::StatusChanges { more_than, within } => {
            status_changes(row, *more_than, *within, evidence)
        }
        Requirement::Shared => shared(row),
        Requirement::UnknownValue => unknown_value(row),
        // Evaluated for an account as a whole.
        Requirement::Account { .. } | Requirement::NoCompleteRun { .. } => Evaluation::Kept,
    }
}

/// A field's value. An empty one tells as little as none.
fn text(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !text.is_empty())
}

fn provider(row: &ConnectionRow) -> Option<&ProviderType> {
    let provider = row.provider_type.as_ref();
    provider.filter(|provider| !provider.as_str().is_empty())
}

fn status(row: &ConnectionRow) -> Option<&ConnectionStatus> {
    let status = row.connection_status.as_ref();
    status.filter(|status| !status.as_str().is_empty())
}

/// Since when a field has its value is known without its changes only if
/// there was none after it was first seen.
fn broken(row: &ConnectionRow, message: String) -> Evaluation {
    Evaluation::Broken {
        message,
        since: (row.version == 1).then_some(row.first_seen_at),
        evidence: Vec::new(),
    }
}

fn connections_by_status(
    row: &ConnectionRow,
    unwanted: &ConnectionStatus,
    longer_than: Option<Span>,
    evidence: &Evidence,
) -> Evaluation {
    let at = evidence.moment.at();
    match status(row) {
        None => {
            return Evaluation::Unknown {
                reason: "no status is reported".to_owned(),
            };
        }
        Some(told) if told != unwanted => return Evaluation::Kept,
        Some(_) => {}
    }
    let since = row.status_since;
    let found = |message: String| Evaluation::Broken {
        message,
        since: Some(since),
        evidence: Vec::new(),
    };
    let Some(span) = longer_than else {
        return found(format!("is in {unwanted} since {since}"));
    };
    if span.is_over(since, at) {
        return found(format!(
            "is {unwanted} since {since}: for longer than {span}"
        ));
    }
    // It may have been so before it was first seen so.
    let began = |change: &&Change| change.kind.starts_status() && change.observed_at == since;
    let reason = match evidence.changes_of(row).iter().rev().find(began) {
        None => format!("is {unwanted}, and the change that says since when can't be read"),
        Some(change) => match change.previously_seen_at {
            Some(earlier) if !span.is_over(earlier, at) => return Evaluation::Kept,
            Some(earlier) => format!(
                "became {unwanted} between {earlier} and {since}: whether longer than {span} ago is not known"
            ),
            None => format!(
                "was {unwanted} when it was first looked for, at {since}: since when is not known"
            ),
        },
    };
    Evaluation::Unknown { reason }
}

fn host(row: &ConnectionRow, is_allowed: impl Fn(&str) -> bool) -> Evaluation {
    if let Some(host) = text(row.host_arn.as_deref()) {
        return if is_allowed(host) {
            Evaluation::Kept
        } else {
            broken(row, format!("host {host:?} is not on the list"))
        };
    }
    match provider(row) {
        Some(
            ProviderType::Bitbucket
            | ProviderType::GitHub
            | ProviderType::GitHubEnterpriseCloudDataResidency
            | ProviderType::GitLab
            | ProviderType::AzureDevOps,
        ) => Evaluation::Kept,
        Some(
            provider @ (ProviderType::GitHubEnterpriseServer
            | ProviderType::GitLabSelfManaged
            | ProviderType::Other(_)),
        ) => Evaluation::Unknown {
            reason: format!(
                "no host is reported, and provider {:?} may have one",
                provider.as_str()
            ),
        },
        None => Evaluation::Unknown {
            reason: "neither host nor provider is reported".to_owned(),
        },
    }
}

fn endpoint(row: &ConnectionRow, is_allowed: impl Fn(&str) -> bool) -> Evaluation {
    if let Some(endpoint) = text(row.provider_endpoint.as_deref()) {
        return if is_allowed(endpoint) {
            Evaluation::Kept
        } else {
            broken(row, format!("endpoint {endpoint:?} is not on the list"))
        };
    }
    match provider(row) {
        Some(
            ProviderType::Bitbucket
            | ProviderType::GitHub
            | ProviderType::GitLab
            | ProviderType::AzureDevOps
            // Theirs is their host's.
            | ProviderType::GitHubEnterpriseServer
            | ProviderType::GitLabSelfManaged,
        ) => Evaluation::Kept,
        Some(
            provider @ (ProviderType::GitHubEnterpriseCloudDataResidency | ProviderType::Other(_)),
        ) => Evaluation::Unknown {
            reason: format!(
                "no endpoint is reported, and provider {:?} may have one",
                provider.as_str()
            ),
        },
        None => Evaluation::Unknown {
            reason: "neither endpoint nor provider is reported".to_owned(),
        },
    }
}

fn not_seen(row: &ConnectionRow, span: Span, evidence: &Evidence) -> Evaluation {
    let at = evidence.moment.at();
    match (evidence.moment, row.last_seen_at) {
        (Moment::Now(_), Some(seen)) if span.is_over(seen, at) => Evaluation::Broken {
            message: format!("was last seen at {seen}: longer than {span} before {at}"),
            since: Some(seen),
            evidence: Vec::new(),
        },
        (Moment::Now(_), Some(_)) => Evaluation::Kept,
        (Moment::Now(_), None) => Evaluation::Unknown {
            reason: "when it was last seen is not recorded".to_owned(),
        },
        (Moment::AsOf(_), _) => not_seen_by(row, span, evidence),
    }
}

/// When a connection was last seen by an earlier time is not recorded. A run
/// that listed to the end what lists the connection, and wrote all of it,
/// either saw it or recorded that it was gone.
fn not_seen_by(row: &ConnectionRow, span: Span, evidence: &Evidence) -> Evaluation {
    let at = evidence.moment.at();
    let limit = span.before(at);
    let listed_in = evidence.listed_in.get(&row.connection_arn);
    let listed_in = listed_in.map_or(&[][..], Vec::as_slice);
    let observed = observed_at(&row.connection_arn, listed_in, &evidence.runs);
    let seen = observed.into_iter().chain([row.status_since]).max();
    if seen.is_some_and(|seen| !span.is_over(seen, at)) {
        return Evaluation::Kept;
    }
    match evidence.saw_something {
        Some(run) => Evaluation::Unknown {
            reason: format!(
                "no run from {limit} on listed to the end what lists it; run {run} may have seen it"
            ),
        },
        None => Evaluation::Broken {
            message: format!("no run from {limit} on saw it: longer than {span} before {at}"),
            since: None,
            evidence: Vec::new(),
        },
    }
}

/// A connection's changes of one kind in the last of a span, exactly its
/// beginning too.
fn lately<'a>(
    row: &ConnectionRow,
    kind: ChangeKind,
    within: Span,
    evidence: &'a Evidence,
) -> Vec<&'a Change> {
    let from = within.before(evidence.moment.at());
    let changes = evidence.changes_of(row).iter();
    changes
        .filter(|change| change.kind == kind && change.observed_at >= from)
        .collect()
}

fn change_keys(changes: &[&Change]) -> Vec<RecordKey> {
    let key = |change: &&Change| RecordKey::change(&change.account, &change.arn, change.version);
    changes.iter().map(key).collect()
}

fn deleted(row: &ConnectionRow, within: Span, evidence: &Evidence) -> Evaluation {
    let changes = lately(row, ChangeKind::Deleted, within, evidence);
    let Some(last) = changes.last() else {
        return Evaluation::Kept;
    };
    let at = last.observed_at;
    let seen = last
        .previously_seen_at
        .map(|seen| format!(", last seen at {seen}"));
    let again = match row.deleted_at {
        Some(_) => "",
        None => ", and is there again",
    };
    Evaluation::Broken {
        message: format!(
            "was no longer listed at {at}{}{again}: within {within}",
            seen.unwrap_or_default()
        ),
        since: Some(at),
        evidence: change_keys(&changes),
    }
}

fn status_changes(
    row: &ConnectionRow,
    more_than: u32,
    within: Span,
    evidence: &Evidence,
) -> Evaluation {
    let changes = lately(row, ChangeKind::StatusChanged, within, evidence);
    let most = usize::try_from(more_than).unwrap_or(usize::MAX);
    if changes.len() <= most {
        return Evaluation::Kept;
    }
    Evaluation::Broken {
        message: format!(
            "changed status {} times within {within}: more than {more_than}",
            changes.len()
        ),
        since: changes.first().map(|change| change.observed_at),
        evidence: change_keys(&changes),
    }
}

/// The ARN names the account that a connection belongs to. An owner that is
/// no AWS account (a provider may have its own ids) is not compared.
fn shared(row: &ConnectionRow) -> Evaluation {
    let account = row.account.as_str();
    let belongs_to = row.connection_arn.account();
    if belongs_to != account {
        return broken(row, format!("belongs to account {belongs_to}, by its ARN"));
    }
    match text(row.owner_account_id.as_deref()) {
        Some(owner) if owner != account && owner.parse::<crate::domain::AccountId>().is_ok() => {
            broken(row, format!("belongs to account {owner}, by its owner"))
        }
        _ => Evaluation::Kept,
    }
}

fn unknown_value(row: &ConnectionRow) -> Evaluation {
    let provider = match provider(row) {
        None => Some("no provider is reported".to_owned()),
        Some(ProviderType::Other(other)) => Some(format!("provider {other:?} is not known")),
        Some(_) => None,
    };
    let status = match status(row) {
        None => Some("no status is reported".to_owned()),
        Some(ConnectionStatus::Other(other)) => Some(format!("status {other:?} is not known")),
        Some(_) => None,
    };
    let members = row.unknown_members.iter();
    let members = members.map(|(name, _)| format!("member {name:?} is not known"));
    let problems: Vec<String> = provider.into_iter().chain(status).chain(members).collect();
    if problems.is_empty() {
        return Evaluation::Kept;
    }
    broken(row, problems.join(", "))
}
