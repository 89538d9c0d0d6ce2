//! The evaluation of an account's rules, as listings: each rule is a scope, and
//! what it lists are its findings.

use std::collections::{BTreeSet, HashMap};

use futures_util::stream::{self, StreamExt};
use tokio::time::timeout_at;

use super::rule_source::RuleSource;
use super::security_hub::{self, NotImported, SecurityHub};
use crate::audit::Audit;
use crate::aws::error::chain;
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule};
use crate::compliance::evidence::Moment;
use crate::compliance::rule_file;
use crate::domain::listing::AccountListing;
use crate::domain::run::ListingReport;
use crate::domain::text::cut;
use crate::domain::{
    AccountId, Closing, EvaluationBasis, EvaluationScope, Filter, Finding, FindingAttributes,
    FindingId, Listing, ListingEnd, RuleId, Snapshot, Timestamp,
};
use crate::listing::{ListingRequest, Lists};
use crate::table::Table;

/// Changes of closed findings that are read at the same time.
const CLOSINGS_AT_ONCE: usize = 16;

/// Evaluates rules.
#[derive(Debug, Clone)]
pub struct Evaluator {
    /// Reads what the rules are about.
    pub audit: Audit,
    /// The rules.
    pub rules: RuleSource,
    /// Where findings are imported.
    pub security_hub: Option<SecurityHub>,
}

/// An evaluation that failed as a whole: nothing is known of any finding.
struct Failed {
    code: Box<str>,
    reason: String,
}

impl Failed {
    fn new(code: &str, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
    }

    /// Returns the failure of an operation whose error has a cause.
    fn of(code: &str, operation: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(code, format!("{operation}: {}", chain(error)))
    }
}

/// The rules of an account, evaluated.
struct Evaluated {
    basis: EvaluationBasis,
    listings: Vec<Listing<Finding>>,
    /// Why findings that were open close.
    closings: HashMap<FindingId, Closing>,
    /// The recorded findings before, closed ones too.
    previous: Vec<Snapshot<Finding>>,
}

impl Lists<Finding> for Evaluator {
    async fn list(&self, request: &ListingRequest<'_>) -> AccountListing<Finding> {
        let began_at = request.clock.now();
        let evaluated = self.evaluate(request, began_at).await;
        let ended_at = request.clock.now();
        // The rule file is a scope, too: of an account without any rule it shows
        // that the evaluation took place.
        let of_file = |end, pages| Listing {
            scope: EvaluationScope::rule_file(),
            began_at,
            ended_at,
            pages,
            end,
            resources: HashMap::new(),
        };
        match evaluated {
            Ok(Evaluated {
                basis,
                mut listings,
                closings,
                previous,
            }) => {
                for listing in &mut listings {
                    listing.ended_at = ended_at;
                }
                let imported = self.import(request, &previous, &listings, &closings, began_at);
                let imported = imported.await;
                listings.extend(imported);
                listings.push(of_file(ListingEnd::Complete, 1));
                AccountListing::new(Filter::default(), listings)
                    .based_on(basis)
                    .closing(closings)
            }
            Err(Failed { code, reason }) => {
                let reason = reason.into();
                let failed = of_file(ListingEnd::Incomplete { code, reason }, 0);
                AccountListing::new(Filter::default(), vec![failed])
            }
        }
    }
}

impl Evaluator {
    async fn evaluate(
        &self,
        request: &ListingRequest<'_>,
        at: Timestamp,
    ) -> Result<Evaluated, Failed> {
        let account = request.account;
        let file = self.rules.read(request.meter).await;
        let file = file.map_err(|error| Failed::new(&error.code, error.reason))?;
        let rules = rule_file::of_text(&file.source, &file.text)
            .map_err(|problem| Failed::new("InvalidRuleFile", problem))?;
        let previous = self.findings_table().snapshots(account).collect().await;
        let previous: Vec<Snapshot<Finding>> =
            previous.map_err(|error| Failed::of("Unreadable", "read findings", &error))?;
        let report = self
            .audit
            .check(&rules, Some(account), Moment::Now(at))
            .await
            .map_err(|error| Failed::of("Unreadable", "evaluate rules", &error))?;
        let mut listings = Vec::with_capacity(report.rules.len());
        let mut applied = BTreeSet::new();
        let mut waivers = HashMap::new();
        for checked in &report.rules {
            let mut results = checked.accounts.iter();
            if let Some(result) = results.find(|result| result.account == *account) {
                applied.insert(checked.rule.id.as_str());
                listings.push(listing(checked, result, at));
                waivers.extend(waived(&checked.rule.id, result));
            }
        }
        let open = previous.iter().filter(|snapshot| !snapshot.is_deleted());
        let open: Vec<&FindingId> = open.map(|snapshot| &snapshot.arn).collect();
        // What was found again does not close.
        let closings = open.iter().map(|id| {
            let closing = match waivers.get(*id) {
                Some(reason) => Closing::waived(reason),
                None if applied.contains(id.rule()) => Closing::Resolved,
                None => Closing::RuleRemoved,
            };
            ((*id).clone(), closing)
        });
        let closings = closings.collect();
        let removed: BTreeSet<&str> = open
            .iter()
            .map(|id| id.rule())
            .filter(|rule| !applied.contains(rule))
            .collect();
        let removed: Vec<RuleId> = removed
            .into_iter()
            .filter_map(|id| id.parse().ok())
            .collect();
        // What does not apply has no finding.
        listings.extend(removed.iter().map(|rule| Listing {
            scope: rule.into(),
            began_at: at,
            ended_at: at,
            pages: 1,
            end: ListingEnd::Complete,
            resources: HashMap::new(),
        }));
        Ok(Evaluated {
            basis: basis(&report, account, file.identity(), removed),
            listings,
            closings,
            previous,
        })
    }

    fn findings_table(&self) -> Table<Finding> {
        self.audit.table().of_kind()
    }

    /// Imports into Security Hub. A failure is part of the result, and stops
    /// neither the evaluation nor its record.
    async fn import(
        &self,
        request: &ListingRequest<'_>,
        previous: &[Snapshot<Finding>],
        listings: &[Listing<Finding>],
        closings: &HashMap<FindingId, Closing>,
        at: Timestamp,
    ) -> Option<Listing<Finding>> {
        let hub = self.security_hub.as_ref()?;
        let began_at = request.clock.now();
        let known = closings
            .iter()
            .map(|(id, it)| (id.clone(), Some(it.clone())));
        let mut evaluated = security_hub::Evaluated {
            account: request.account,
            previous,
            listings,
            closings: known.collect(),
            at,
            everything: self.imports_everything(request.account, at).await,
        };
        let importing = async {
            let before = evaluated.closed_before();
            let (read, unread) = self.recorded_closings(request.account, before).await;
            evaluated.closings.extend(read);
            hub.import(&evaluated, request.meter).await?;
            unread.map_or(Ok(()), Err)
        };
        let end = match timeout_at(request.deadline.listing, importing).await {
            Ok(Ok(())) => ListingEnd::Complete,
            Ok(Err(NotImported { code, reason })) => ListingEnd::Incomplete {
                code,
                reason: reason.into(),
            },
            Err(_) => ListingEnd::Incomplete {
                code: "Timeout".into(),
                reason: "no answer of Security Hub in time".into(),
            },
        };
        Some(Listing {
            scope: EvaluationScope::security_hub(),
            began_at,
            ended_at: request.clock.now(),
            pages: 1,
            end,
            resources: HashMap::new(),
        })
    }

    /// Returns why findings closed in an earlier evaluation, and the problem of those whose
    /// change can't be read.
    async fn recorded_closings(
        &self,
        account: &AccountId,
        closed: Vec<(FindingId, u32)>,
    ) -> (Vec<(FindingId, Option<Closing>)>, Option<NotImported>) {
        let table = self.findings_table();
        let count = closed.len();
        let reads = stream::iter(closed).map(async |(id, version)| {
            match table.read_change(account, &id, version).await {
                Ok(Some(change)) => Ok((id, change.closed)),
                Ok(None) => Err(format!("read change {version} of {id}: there is none")),
                Err(error) => Err(chain(&error)),
            }
        });
        let mut reads = reads.buffer_unordered(CLOSINGS_AT_ONCE);
        let (mut read, mut first) = (Vec::with_capacity(count), None);
        while let Some(closing) = reads.next().await {
            match closing {
                Ok(closing) => read.push(closing),
                Err(problem) => first = first.or(Some(problem)),
            }
        }
        let unread = first.map(|problem| NotImported {
            code: "Unreadable".into(),
            reason: format!(
                "{} closed findings not imported: {problem}",
                count - read.len()
            ),
        });
        (read, unread)
    }

    /// Returns true unless the last evaluation was of the same day (UTC) and
    /// imported all that it had to.
    async fn imports_everything(&self, account: &AccountId, at: Timestamp) -> bool {
        let Ok(last) = self.findings_table().runs_of(account, 1).await else {
            return true;
        };
        let Some(last) = last.first() else {
            return true;
        };
        let hub = EvaluationScope::security_hub();
        let imported = |listing: &ListingReport<Finding>| listing.region == hub && listing.complete;
        let day = |time: Timestamp| time.millis().div_euclid(24 * 3600 * 1000);
        !last.listings.iter().any(imported) || day(last.started_at) != day(at)
    }
}

fn basis(
    report: &CheckReport,
    account: &AccountId,
    rules: crate::domain::RuleFileVersion,
    removed_rules: Vec<RuleId>,
) -> EvaluationBasis {
    let connections = report.rests_on.iter().find(|it| it.account == *account);
    let dependencies = report.dependencies_rest_on.iter();
    let dependencies = dependencies.filter(|it| it.account == *account);
    EvaluationBasis {
        rules,
        connections_run: connections.and_then(|it| Some(it.last_run.as_ref()?.sequence)),
        dependencies_run: dependencies
            .filter_map(|it| Some(it.last_run.as_ref()?.sequence))
            .next(),
        removed_rules,
    }
}

/// Returns the result of a rule as a listing of its findings. What could not be
/// evaluated leaves it incomplete: none of its findings is closed then.
fn listing(checked: &CheckedRule, result: &AccountResult, at: Timestamp) -> Listing<Finding> {
    let rule = &checked.rule;
    let mut resources = HashMap::with_capacity(result.findings.len());
    let mut end = insufficient(result);
    for finding in &result.findings {
        let id = FindingId::of(&rule.id, &result.account, finding.subject.id());
        match id {
            Ok(id) => {
                let controls = rule.controls.iter().map(|it| it.to_string().into());
                let attributes = FindingAttributes {
                    severity: rule.severity.as_str().into(),
                    title: rule.title.as_str().into(),
                    message: finding.message.as_str().into(),
                    subject_name: finding.subject.name().map(Into::into),
                    controls: controls.collect(),
                    remediation: rule.remediation.as_deref().map(Into::into),
                };
                resources.insert(id, attributes.bounded());
            }
            Err(malformed) => {
                let reason = malformed.to_string().into();
                let code = "UnusableId".into();
                end = ListingEnd::Incomplete { code, reason };
            }
        }
    }
    Listing {
        scope: (&rule.id).into(),
        began_at: at,
        ended_at: at,
        pages: 1,
        end,
        resources,
    }
}

/// Returns what the rule file waives, with its reasons.
fn waived(rule: &RuleId, result: &AccountResult) -> impl Iterator<Item = (FindingId, Box<str>)> {
    result.waived.iter().filter_map(move |waived| {
        // Of an id that is too long there is no finding.
        let id = FindingId::of(rule, &result.account, waived.subject.id()).ok()?;
        Some((id, waived.reason.clone()))
    })
}

fn insufficient(result: &AccountResult) -> ListingEnd {
    let Some(first) = result.insufficient_data.first() else {
        return ListingEnd::Complete;
    };
    let subject = first.subject.in_words();
    let subject = subject.map_or_else(String::new, |subject| {
        format!("{}: ", cut(&subject, MAX_SUBJECT_BYTES))
    });
    let more = match result.insufficient_data.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let reason = cut(&first.reason, MAX_REASON_BYTES);
    ListingEnd::Incomplete {
        code: INSUFFICIENT_DATA.into(),
        reason: format!("insufficient data: {subject}{reason}{more}").into(),
    }
}

/// The longest subject of such a reason, in bytes.
const MAX_SUBJECT_BYTES: usize = 300;

/// The longest reason of one rule, in bytes: hundreds of them fit a run's record.
const MAX_REASON_BYTES: usize = 500;

/// The code of a rule that could not be evaluated, at least in part.
pub const INSUFFICIENT_DATA: &str = "InsufficientData";
