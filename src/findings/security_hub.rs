//! AWS Security Hub: imports findings when they open, change and close.
//!
//! Every finding that changed is imported by the evaluation that saw it. All open
//! ones, also those of rules with insufficient data, and those that closed lately, are
//! imported once a day, and after an import that failed: an import that was lost is
//! repaired so. It is idempotent, because a finding keeps its id.
//! <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html>

use std::collections::{HashMap, HashSet};

use aws_config::SdkConfig;
use serde_json::{Value, json};

use crate::aws::json_client::{JsonClient, Operation, Service};
use crate::aws::{CallError, Meter};
use crate::domain::arn::Arn;
use crate::domain::partition::partition;
use crate::domain::text::cut;
use crate::domain::{
    AccountId, Closing, Digest, Finding, FindingAttributes, FindingId, Listing, Presence, Region,
    Snapshot, Timestamp,
};

const BATCH_IMPORT: Operation = Service::new("SecurityHub", "securityhub").rest_json(
    "BatchImportFindings",
    "POST",
    "/findings/import",
    &[],
);

/// The most findings in one request.
const BATCH: usize = 100;

/// The most attempts to import a finding that Security Hub did not take.
const ATTEMPTS: u32 = 3;

/// For how long closed findings are imported again, in milliseconds.
const CLOSED_FOR: u64 = 7 * 24 * 3600 * 1000;

/// What generates the findings, in their ids.
const GENERATOR: &str = "codeconnections-inventory";

/// AWS Security Hub of one account and region.
#[derive(Debug, Clone)]
pub struct SecurityHub {
    /// Credentials, endpoints and the HTTP client.
    pub config: SdkConfig,
    /// The region.
    pub region: Region,
    /// The account of the credentials: of an organization, the one that
    /// administers Security Hub.
    pub account: AccountId,
}

/// An import that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotImported {
    /// A stable word: the error code of the service, or of the first finding.
    pub code: Box<str>,
    /// What was not imported and why, in a line.
    pub reason: String,
}

/// The result of an evaluation, as far as an import needs it.
#[derive(Debug)]
pub struct Evaluated<'a> {
    /// The evaluated account.
    pub account: &'a AccountId,
    /// The recorded findings before, closed ones too.
    pub previous: &'a [Snapshot<Finding>],
    /// The results of the rules.
    pub listings: &'a [Listing<Finding>],
    /// Why findings close, or closed lately; `None` if an earlier version did not record
    /// it. A finding that closed lately and is not among them is not imported.
    pub closings: HashMap<FindingId, Option<Closing>>,
    /// The time of the evaluation.
    pub at: Timestamp,
    /// Imports open findings that did not change, and those that closed lately.
    pub everything: bool,
}

/// A finding to import.
struct Import<'a> {
    id: &'a FindingId,
    attributes: &'a FindingAttributes,
    first_seen_at: Timestamp,
    state: State<'a>,
}

/// The state of a finding: open, with the time it was last observed, or closed, with the
/// reason.
#[derive(Debug, Clone, Copy)]
enum State<'a> {
    Open(Timestamp),
    Closed(Option<&'a Closing>),
}

impl State<'_> {
    /// Returns the compliance status and the record state.
    ///
    /// What is waived still fails, and is hidden. It is not `SUPPRESSED`: that is the
    /// status of the account's own workflow, which this operation can't alter, and
    /// Security Hub updates no suppressed finding, not even when its waiver ends.
    /// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_WorkflowUpdate.html>
    fn statuses(self) -> (&'static str, &'static str) {
        match self {
            Self::Open(_) => ("FAILED", "ACTIVE"),
            Self::Closed(Some(Closing::Waived { .. })) => ("FAILED", "ARCHIVED"),
            Self::Closed(Some(Closing::RuleRemoved)) => ("NOT_AVAILABLE", "ARCHIVED"),
            Self::Closed(Some(Closing::Resolved) | None) => ("PASSED", "ARCHIVED"),
        }
    }
}

impl Evaluated<'_> {
    /// Returns the findings that closed in an earlier evaluation and are imported
    /// again, each with its last version.
    pub fn closed_before(&self) -> Vec<(FindingId, u32)> {
        let closed = self.previous.iter().filter(|it| self.closed_lately(it));
        closed.map(|it| (it.arn.clone(), it.version)).collect()
    }

    fn closed_lately(&self, snapshot: &Snapshot<Finding>) -> bool {
        match snapshot.presence {
            Presence::Present => false,
            Presence::Deleted { seen_gone } => {
                self.everything && self.at.millis_since(seen_gone.began_at) <= CLOSED_FOR
            }
        }
    }

    /// Returns the findings to import.
    fn imports(&self) -> Vec<Import<'_>> {
        let known: HashMap<&FindingId, &Snapshot<Finding>> =
            self.previous.iter().map(|it| (&it.arn, it)).collect();
        let mut imports = Vec::new();
        for listing in self.listings {
            for (id, attributes) in &listing.resources {
                let before = known.get(id);
                let is_same =
                    before.is_some_and(|it| !it.is_deleted() && it.attributes == *attributes);
                if self.everything || !is_same {
                    imports.push(Import {
                        id,
                        attributes,
                        first_seen_at: before.map_or(self.at, |it| it.first_seen_at),
                        state: State::Open(self.at),
                    });
                }
            }
        }
        let found: HashSet<&FindingId> = self
            .listings
            .iter()
            .flat_map(|listing| listing.resources.keys())
            .collect();
        // As the run decides: what an incomplete listing lacks may still be there.
        let complete: HashSet<&str> = self
            .listings
            .iter()
            .filter(|listing| listing.is_complete())
            .map(|listing| listing.scope.as_str())
            .collect();
        let unseen = self.previous.iter().filter(|it| !found.contains(&it.arn));
        imports.extend(unseen.filter_map(|it| {
            let state = match it.presence {
                Presence::Present if !complete.contains(it.arn.rule()) => {
                    let seen = State::Open(it.last_seen.began_at);
                    self.everything.then_some(seen)
                }
                Presence::Deleted { .. } if !self.closed_lately(it) => None,
                _ => {
                    let closing = self.closings.get(&it.arn);
                    closing.map(|closing| State::Closed(closing.as_ref()))
                }
            };
            Some(Import {
                id: &it.arn,
                attributes: &it.attributes,
                first_seen_at: it.first_seen_at,
                state: state?,
            })
        }));
        imports.sort_by_key(|it| it.id);
        imports
    }
}

impl SecurityHub {
    /// Imports what an evaluation changed.
    ///
    /// # Errors
    /// [`NotImported`] says how many findings were not imported, and why.
    pub async fn import(
        &self,
        evaluated: &Evaluated<'_>,
        meter: &Meter,
    ) -> Result<(), NotImported> {
        let imports = evaluated.imports();
        let findings: Vec<Value> = imports
            .iter()
            .map(|import| self.finding(evaluated, import))
            .collect();
        let mut failed = 0;
        let mut first: Option<NotImported> = None;
        for batch in findings.chunks(BATCH) {
            if let Err((count, why)) = self.import_batch(batch.to_vec(), meter).await {
                failed += count;
                first = first.or(Some(why));
            }
        }
        match first {
            None => Ok(()),
            Some(why) => Err(NotImported {
                reason: format!(
                    "{failed} of {} findings not imported: {}",
                    findings.len(),
                    why.reason
                ),
                ..why
            }),
        }
    }

    /// Imports a batch, and again those that were not taken. Returns how many were
    /// not.
    async fn import_batch(
        &self,
        mut findings: Vec<Value>,
        meter: &Meter,
    ) -> Result<(), (usize, NotImported)> {
        let client = JsonClient {
            config: &self.config,
            meter,
        };
        for attempt in 1.. {
            let input = json!({"Findings": findings});
            let answer = client
                .call_retrying_throttles(BATCH_IMPORT, &self.region, &input)
                .await;
            let answer = answer.map_err(|error| (findings.len(), error.into()))?;
            let failures = answer["FailedFindings"].as_array();
            let failures = failures.map_or(&[][..], Vec::as_slice);
            let Some(first) = failures.first() else {
                return Ok(());
            };
            let ids: HashSet<&str> = failures.iter().filter_map(|it| it["Id"].as_str()).collect();
            findings.retain(|finding| finding["Id"].as_str().is_some_and(|it| ids.contains(it)));
            if attempt == ATTEMPTS {
                let text = |name: &str| first[name].as_str().unwrap_or("unknown").to_owned();
                let (code, message) = (text("ErrorCode"), text("ErrorMessage"));
                let reason = format!("{code}: {message}");
                let code = code.into();
                return Err((failures.len(), NotImported { code, reason }));
            }
        }
        Ok(())
    }

    /// Returns a finding in the AWS Security Finding Format.
    /// <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html>
    fn finding(&self, evaluated: &Evaluated<'_>, import: &Import<'_>) -> Value {
        let Import {
            id,
            attributes,
            first_seen_at,
            state,
        } = import;
        let (own, account) = (&self.account, evaluated.account);
        let partition = partition(self.region.as_str());
        let region = &self.region;
        let rule = id.rule();
        let subject = Digest::of_bytes(id.subject().as_bytes());
        let (status, record_state) = state.statuses();
        let mut finding = json!({
            "SchemaVersion": "2018-10-08",
            "Id": format!("{GENERATOR}/{account}/{rule}/{subject}"),
            "ProductArn": format!(
                "arn:{partition}:securityhub:{region}:{own}:product/{own}/default"
            ),
            "GeneratorId": format!("{GENERATOR}/{rule}"),
            // Of a finding about another account, too: only then does Security Hub
            // take it from this one.
            "AwsAccountId": own,
            "Types": ["Software and Configuration Checks/AWS Security Best Practices"],
            "FirstObservedAt": first_seen_at,
            "CreatedAt": first_seen_at,
            "UpdatedAt": evaluated.at,
            "Severity": {"Label": attributes.severity.to_uppercase()},
            "Title": cut(&attributes.title, 256),
            "Description": cut(&attributes.message, 1024),
            "Resources": [resource(id, partition)],
            "Compliance": {"Status": status},
            "RecordState": record_state,
            "ProductFields": {
                format!("{GENERATOR}/account"): account,
                format!("{GENERATOR}/rule"): rule,
                format!("{GENERATOR}/subject"): cut(id.subject(), 1024),
            },
        });
        match state {
            State::Open(seen) => finding["LastObservedAt"] = json!(seen),
            State::Closed(None) => {}
            State::Closed(Some(closing)) => {
                let fields = &mut finding["ProductFields"];
                fields[format!("{GENERATOR}/closed-because")] = json!(closing.as_str());
                if let Some(reason) = closing.waiver() {
                    fields[format!("{GENERATOR}/waiver")] = json!(reason);
                }
            }
        }
        if !attributes.controls.is_empty() {
            finding["Compliance"]["RelatedRequirements"] = json!(attributes.controls);
        }
        if let Some(remediation) = &attributes.remediation {
            let text = cut(remediation, 512);
            finding["Remediation"] = json!({"Recommendation": {"Text": text}});
        }
        finding
    }
}

fn resource(id: &FindingId, partition: &str) -> Value {
    let Some(text) = id.subject_arn() else {
        return json!({
            "Type": "AwsAccount",
            "Id": format!("AWS::::Account:{}", id.subject()),
            "Partition": partition,
        });
    };
    let mut resource = json!({"Type": "Other", "Id": text, "Partition": partition});
    if let Some(arn) = Arn::parse(text)
        && !arn.region.is_empty()
    {
        resource["Region"] = json!(arn.region);
    }
    resource
}

impl From<CallError> for NotImported {
    fn from(error: CallError) -> Self {
        Self {
            reason: format!("BatchImportFindings: {error}"),
            code: error.code,
        }
    }
}
