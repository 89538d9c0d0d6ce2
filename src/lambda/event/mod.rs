//! The event: what a run is asked to do, and by what.
//!
//! Four shapes are understood: a schedule (EventBridge rule or Scheduler), a
//! Scheduler input of one's own, a CloudTrail API call, and a direct request.
//! A batch of a queue holds API calls (`batch.rs`). `events/` has a sample of
//! each. Anything else is refused, with the field that is wrong.

mod api_call;

use serde_json::{Map, Value};

use crate::domain::ids::ParseError;
use crate::domain::{AccountId, Filter, Region, Trigger};

/// What a run is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The account to list; none means what is configured.
    pub account: Option<AccountId>,
    /// The regions to list, sorted; none means the configured ones.
    pub regions: Option<Vec<Region>>,
    /// Regions to list besides those, sorted: where calls were made.
    pub extra_regions: Vec<Region>,
    /// What to restrict the listings to.
    pub filter: Filter,
    /// Whether the guard against mass deletion is set aside for this run.
    pub accept_deletions: bool,
    /// What asks.
    pub trigger: Trigger,
}

/// An event that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid event: {}: {problem}", named(.field))]
pub struct InvalidEvent {
    /// The field that is wrong, as a path: `detail.awsRegion`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// A field as an error names it: JSON allows a name to be empty.
fn named(field: &str) -> &str {
    match field {
        "" => "(a field without a name)",
        named => named,
    }
}

const SCHEDULED: &str = "Scheduled Event";
const API_CALL: &str = "AWS API Call via CloudTrail";
const API_SOURCES: [&str; 2] = ["aws.codeconnections", "aws.codestar-connections"];
/// Bytes of a text in an event: more than AWS has in any field that is read
/// here. All of them are recorded, and a record has to fit an item.
const LONGEST: usize = 2048;
/// Regions of one request: more than AWS has.
const MOST_REGIONS: usize = 64;
const SCHEDULE_SOURCES: [&str; 2] = ["aws.events", "aws.scheduler"];

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// [`InvalidEvent`] names the first field that is wrong.
    pub fn from_event(event: &Value) -> Result<Self, InvalidEvent> {
        let Value::Object(map) = event else {
            return Err(InvalidEvent {
                field: "(event)".to_owned(),
                problem: format!("is {}; should be an object", name_of(event)),
            });
        };
        let event = Fields { path: "", map };
        if event.get("detail-type").is_none() && event.get("source").is_none() {
            return direct(&event);
        }
        let detail_type = event.required_text("detail-type")?;
        let source = event.required_text("source")?;
        match detail_type {
            SCHEDULED => {
                event.one_of("source", source, &SCHEDULE_SOURCES)?;
                scheduled(&event)
            }
            API_CALL => {
                event.one_of("source", source, &API_SOURCES)?;
                api_call::request(&event)
            }
            other => Err(event.wrong(
                "detail-type",
                format!(
                    "\"{}\" is not known; should be {SCHEDULED:?} or {API_CALL:?}",
                    shown(other)
                ),
            )),
        }
    }
}

fn scheduled(event: &Fields<'_>) -> Result<Request, InvalidEvent> {
    // The account that the rule is in, which says nothing of what to list.
    event.parsed::<AccountId>("account")?;
    let schedule = match event.get("resources").and_then(|list| list.get(0)) {
        Some(Value::String(arn)) if !arn.is_empty() => {
            Some(event.short("resources[0]", arn)?.into())
        }
        _ => None,
    };
    Ok(Request {
        account: None,
        regions: None,
        extra_regions: Vec::new(),
        filter: Filter::default(),
        accept_deletions: false,
        trigger: Trigger::Schedule {
            event_id: Some(event.required_text("id")?.into()),
            source_arn: schedule,
        },
    })
}

fn direct(event: &Fields<'_>) -> Result<Request, InvalidEvent> {
    const KNOWN: [&str; 9] = [
        "account",
        "regions",
        "accept_deletions",
        "ProviderTypeFilter",
        "HostArnFilter",
        // What EventBridge Scheduler can put into an input of one's own.
        // <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
        "schedule_arn",
        "scheduled_time",
        "execution_id",
        "attempt_number",
    ];
    if let Some(unknown) = event.map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(event.wrong(
            &shown(unknown),
            format!("is not known; a request has {}", KNOWN.join(", ")),
        ));
    }
    // Whoever writes a request meant something by a field. A filter that is empty
    // by mistake must not become none.
    let is_empty = |key: &&&str| event.get(key) == Some(&Value::from(""));
    if let Some(empty) = KNOWN.iter().find(is_empty) {
        return Err(event.wrong(empty, "is empty".to_owned()));
    }
    let filter = Filter {
        provider_type: event.text("ProviderTypeFilter")?.map(Into::into),
        host_arn: event.text("HostArnFilter")?.map(Into::into),
    };
    let mut regions = regions(event)?;
    if let Some(host) = &filter.host_arn {
        let own_region = region_of_host(host)
            .map_err(|malformed| event.wrong("HostArnFilter", malformed.to_string()))?;
        // A host is known in its own region only.
        regions = regions.or_else(|| Some(vec![own_region]));
    }
    let schedule = event.text("schedule_arn")?;
    let execution = event.text("execution_id")?;
    event.text("scheduled_time")?;
    let trigger = if schedule.is_some() || execution.is_some() {
        Trigger::Schedule {
            event_id: execution.map(Into::into),
            source_arn: schedule.map(Into::into),
        }
    } else {
        Trigger::Request
    };
    Ok(Request {
        account: match event.get("account") {
            Some(_) => Some(event.parsed("account")?),
            None => None,
        },
        regions,
        extra_regions: Vec::new(),
        filter,
        accept_deletions: event.flag("accept_deletions")?,
        trigger,
    })
}

fn regions(event: &Fields<'_>) -> Result<Option<Vec<Region>>, InvalidEvent> {
    let list = match event.get("regions") {
        None => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(other) => {
            return Err(event.wrong(
                "regions",
                format!(
                    "is {}; should be a list such as [\"eu-west-1\"]",
                    name_of(other)
                ),
            ));
        }
    };
    if list.is_empty() {
        return Err(event.wrong(
            "regions",
            "is empty; name a region, or leave the field out for the configured ones".to_owned(),
        ));
    }
    if list.len() > MOST_REGIONS {
        let problem = format!("has {} entries; at most {MOST_REGIONS}", list.len());
        return Err(event.wrong("regions", problem));
    }
    let mut regions = Vec::with_capacity(list.len());
    for (i, entry) in list.iter().enumerate() {
        let field = format!("regions[{i}]");
        let text = entry.as_str().ok_or_else(|| {
            event.wrong(&field, format!("is {}; should be a text", name_of(entry)))
        })?;
        let region: Region = text
            .parse()
            .map_err(|malformed| event.wrong(&field, format!("{malformed}")))?;
        regions.push(region);
    }
    regions.sort();
    regions.dedup();
    Ok(Some(regions))
}

fn region_of_host(arn: &str) -> Result<Region, ParseError> {
    let wrong = || {
        ParseError::new(
            arn,
            "a host ARN such as arn:aws:codeconnections:eu-west-1:123456789012:host/name-1a2b3c4d",
        )
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        [
            "arn",
            _,
            "codeconnections" | "codestar-connections",
            region,
            _,
            host,
        ] if host.starts_with("host/") => region.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// An object's fields, and where it stands in the event.
struct Fields<'a> {
    path: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// A field that is there: null is as good as absent.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A text. An empty one is as good as absent: AWS services write both.
    fn text(&self, name: &str) -> Result<Option<&'a str>, InvalidEvent> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => self.short(name, text).map(Some),
            Some(other) => {
                Err(self.wrong(name, format!("is {}; should be a text", name_of(other))))
            }
        }
    }

    /// A text that is not longer than can be recorded.
    fn short(&self, name: &str, text: &'a str) -> Result<&'a str, InvalidEvent> {
        if text.len() <= LONGEST {
            return Ok(text);
        }
        let problem = format!("has {} bytes; at most {LONGEST}", text.len());
        Err(self.wrong(name, problem))
    }

    fn required_text(&self, name: &str) -> Result<&'a str, InvalidEvent> {
        self.text(name)?
            .ok_or_else(|| self.wrong(name, "is missing; should be a text".to_owned()))
    }

    fn parsed<T>(&self, name: &str) -> Result<T, InvalidEvent>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.required_text(name)?
            .parse()
            .map_err(|malformed| self.wrong(name, format!("{malformed}")))
    }

    fn flag(&self, name: &str) -> Result<bool, InvalidEvent> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(
                name,
                format!("is {}; should be true or false", name_of(other)),
            )),
        }
    }

    /// A text within objects, if all of them are there: events differ in what
    /// they have of it.
    fn inner_text(&self, path: &[&str]) -> Result<Option<Box<str>>, InvalidEvent> {
        let Some((first, inner)) = path.split_first() else {
            return Ok(None);
        };
        let found = inner
            .iter()
            .try_fold(self.get(first), |value, name| Some(value?.get(name)));
        match found.flatten().and_then(Value::as_str) {
            None | Some("") => Ok(None),
            Some(text) => {
                let text = self.short(&path.join("."), text)?;
                Ok(Some(text.into()))
            }
        }
    }

    fn object(&self, name: &'static str) -> Result<Fields<'a>, InvalidEvent> {
        match self.get(name) {
            Some(Value::Object(map)) => Ok(Fields { path: name, map }),
            Some(other) => {
                Err(self.wrong(name, format!("is {}; should be an object", name_of(other))))
            }
            None => Err(self.wrong(name, "is missing; should be an object".to_owned())),
        }
    }

    fn one_of(&self, name: &str, value: &str, known: &[&str]) -> Result<(), InvalidEvent> {
        if known.contains(&value) {
            return Ok(());
        }
        Err(self.wrong(
            name,
            format!(
                "\"{}\" is not known; should be {}",
                shown(value),
                known.join(" or ")
            ),
        ))
    }

    fn wrong(&self, name: &str, problem: String) -> InvalidEvent {
        let field = match self.path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        InvalidEvent { field, problem }
    }
}

/// The beginning of a text, as much of it as fits a line.
fn shown(text: &str) -> String {
    const SHOWN: usize = 120;
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// What a value is, for a message that must not repeat a whole payload.
fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
