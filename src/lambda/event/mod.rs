//! The event that the function is invoked with.
//!
//! Four shapes are accepted: a schedule (EventBridge rule or Scheduler), a custom
//! Scheduler input, an API call recorded by CloudTrail, and a direct request.
//! An SQS batch holds API calls (`sqs_batch.rs`). `events/` has a sample of each.
//! Anything else is refused, and the error names the field.

mod api_call;
mod fields;

use serde::Deserialize;
use serde_json::{Map, Value};

use api_call::read_call;
pub use fields::InvalidEvent;
use fields::{Field, Flag, ListedRegion, NonEmpty, optional_text, read, require_kind, should_be};

use crate::domain::arn::HostArn;
use crate::domain::text::excerpt;
use crate::domain::{AccountId, Filter, Region, Trigger};

/// A request for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The account to list; `None` means the configured ones.
    pub account: Option<AccountId>,
    /// The regions to list, sorted; `None` means the configured ones.
    pub regions: Option<Vec<Region>>,
    /// Regions to list besides those, sorted: where calls were made.
    pub extra_regions: Vec<Region>,
    /// The filter of the listings.
    pub filter: Filter,
    /// Records deletions beyond the guard against mass deletion.
    pub accept_deletions: bool,
    /// The event that requests the run.
    pub trigger: Trigger,
}

/// The field that filters by provider type.
pub(super) const PROVIDER_TYPE_FILTER: &str = "ProviderTypeFilter";
/// The field that filters by host.
pub(super) const HOST_ARN_FILTER: &str = "HostArnFilter";

const SCHEDULED: &str = "Scheduled Event";
const API_CALL: &str = "AWS API Call via CloudTrail";
const API_SOURCES: [&str; 2] = ["aws.codeconnections", "aws.codestar-connections"];
/// The most regions of one request: more than AWS has.
const MAX_REGIONS: usize = 64;
const SCHEDULE_SOURCES: [&str; 2] = ["aws.events", "aws.scheduler"];

impl Request {
    /// Returns the request for a run as it is configured.
    pub(super) fn of(trigger: Trigger) -> Self {
        Self {
            account: None,
            regions: None,
            extra_regions: Vec::new(),
            filter: Filter::default(),
            accept_deletions: false,
            trigger,
        }
    }

    /// Reads an event.
    ///
    /// # Errors
    /// [`InvalidEvent`] names the first field that is wrong.
    pub fn from_event(event: &Value) -> Result<Self, InvalidEvent> {
        let Value::Object(map) = event else {
            return Err(InvalidEvent::new("(event)", should_be(event, "an object")));
        };
        let is_there = |name: &str| map.get(name).is_some_and(|value| !value.is_null());
        if !is_there("detail-type") && !is_there("source") {
            return direct(event);
        }
        let Envelope {
            detail_type,
            source,
        } = read(event)?;
        let detail_type = detail_type.required("detail-type")?;
        let source = source.required("source")?;
        match detail_type.as_str() {
            SCHEDULED => {
                one_of("source", &source, &SCHEDULE_SOURCES)?;
                scheduled(event)
            }
            API_CALL => {
                one_of("source", &source, &API_SOURCES)?;
                api_call(event)
            }
            other => Err(InvalidEvent::new(
                "detail-type",
                format!(
                    "\"{}\" is not known; should be {SCHEDULED:?} or {API_CALL:?}",
                    shown(other)
                ),
            )),
        }
    }
}

/// The fields that say what an event is.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Envelope {
    #[serde(rename = "detail-type")]
    detail_type: Field<String>,
    source: Field<String>,
}

fn one_of(field: &str, value: &str, known: &[&str]) -> Result<(), InvalidEvent> {
    if known.contains(&value) {
        return Ok(());
    }
    let problem = format!(
        "\"{}\" is not known; should be {}",
        shown(value),
        known.join(" or ")
    );
    Err(InvalidEvent::new(field, problem))
}

fn api_call(event: &Value) -> Result<Request, InvalidEvent> {
    let (account, call) = read_call(event)?;
    Ok(Request {
        account: Some(account),
        extra_regions: vec![call.region.clone()],
        ..Request::of(Trigger::ApiCalls { calls: vec![call] })
    })
}

/// An event of a schedule.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Scheduled {
    /// The account of the rule, which does not say what to list.
    account: Field<AccountId>,
    id: Field<String>,
    resources: Value,
}

fn scheduled(event: &Value) -> Result<Request, InvalidEvent> {
    let Scheduled {
        account,
        id,
        resources,
    } = read(event)?;
    account.required("account")?;
    let first = resources.get(0).unwrap_or(&Value::Null);
    Ok(Request::of(Trigger::Schedule {
        event_id: Some(id.required("id")?.into()),
        source_arn: optional_text(first, "resources[0]", &[])?,
    }))
}

/// A direct request, or an input that an EventBridge Scheduler schedule sends.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Direct {
    account: NonEmpty<AccountId>,
    regions: Option<Vec<ListedRegion>>,
    accept_deletions: Flag,
    #[serde(rename = "ProviderTypeFilter")]
    provider_type: NonEmpty<String>,
    #[serde(rename = "HostArnFilter")]
    host_arn: NonEmpty<String>,
    // The context attributes of EventBridge Scheduler.
    // <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
    schedule_arn: NonEmpty<String>,
    #[serde(rename = "scheduled_time")]
    _scheduled_time: NonEmpty<String>,
    execution_id: NonEmpty<String>,
    attempt_number: Value,
}

impl Direct {
    const FIELDS: [&str; 9] = [
        "account",
        "regions",
        "accept_deletions",
        PROVIDER_TYPE_FILTER,
        HOST_ARN_FILTER,
        "schedule_arn",
        "scheduled_time",
        "execution_id",
        "attempt_number",
    ];
}

fn direct(event: &Value) -> Result<Request, InvalidEvent> {
    let mut names = event.as_object().into_iter().flat_map(Map::keys);
    if let Some(unknown) = names.find(|name| !Direct::FIELDS.contains(&name.as_str())) {
        return Err(InvalidEvent::new(
            shown(unknown),
            format!("is not known; a request has {}", Direct::FIELDS.join(", ")),
        ));
    }
    let list = "a list such as [\"eu-west-1\"]";
    require_kind(event, "regions", Value::is_array, list)?;
    let direct: Direct = read(event)?;
    if direct.attempt_number == "" {
        return Err(InvalidEvent::new("attempt_number", "is empty"));
    }
    let filter = Filter {
        provider_type: direct.provider_type.0.map(|text| text.as_str().into()),
        host_arn: direct.host_arn.0.map(Into::into),
    };
    let mut regions = direct.regions.map(checked_regions).transpose()?;
    if let Some(host) = &filter.host_arn {
        let host = HostArn::parse(host)
            .map_err(|error| InvalidEvent::new(HOST_ARN_FILTER, error.to_string()))?;
        // Other regions don't know the host.
        regions = regions.or_else(|| Some(vec![host.region]));
    }
    let (schedule, execution) = (direct.schedule_arn.0, direct.execution_id.0);
    let trigger = if schedule.is_some() || execution.is_some() {
        Trigger::Schedule {
            event_id: execution.map(Into::into),
            source_arn: schedule.map(Into::into),
        }
    } else {
        Trigger::Request
    };
    Ok(Request {
        account: direct.account.0,
        regions,
        filter,
        accept_deletions: direct.accept_deletions.0,
        ..Request::of(trigger)
    })
}

fn checked_regions(list: Vec<ListedRegion>) -> Result<Vec<Region>, InvalidEvent> {
    if list.is_empty() {
        return Err(InvalidEvent::new(
            "regions",
            "is empty; name a region, or leave the field out for the configured ones",
        ));
    }
    if list.len() > MAX_REGIONS {
        let problem = format!("has {} entries; at most {MAX_REGIONS}", list.len());
        return Err(InvalidEvent::new("regions", problem));
    }
    let mut regions: Vec<Region> = list.into_iter().map(|region| region.0).collect();
    regions.sort();
    regions.dedup();
    Ok(regions)
}

/// Returns the beginning of a text with control characters escaped.
fn shown(text: &str) -> String {
    excerpt(text).escape_debug().to_string()
}
