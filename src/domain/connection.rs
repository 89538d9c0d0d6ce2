//! The connection as a kind of recorded resource.

use super::arn::is_same;
use super::kind::{Changed, Fit, Kind};
use super::listing_group::ListingGroup;
use super::{ApiCall, Attributes, ChangeKind, ConnectionArn, ConnectionStatus, Region};

/// Connections, each identified by its ARN and listed by regions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection;

/// Verbs of calls that change nothing of a connection that is listed: reads,
/// uses, and tags, which no listing has.
const VERBS_WITHOUT_EFFECT: [&str; 6] = ["Get", "List", "Pass", "Tag", "Untag", "Use"];

/// Words in the names of Git sync's calls, which name a connection and change
/// nothing of it.
const GIT_SYNC: [&str; 2] = ["RepositoryLink", "Sync"];

impl Kind for Connection {
    type Id = ConnectionArn;
    type Scope = Region;
    type Attributes = Attributes;

    const DEFAULT_REGIONS_AGREE: bool = true;
    const NOUN: (&'static str, &'static str) = ("connection", "connections");

    fn region(scope: &Region) -> Option<Region> {
        Some(scope.clone())
    }

    fn is_home(arn: &ConnectionArn, region: &Region) -> bool {
        arn.region() == region.as_str()
    }

    fn is_always_listed_by(arn: &ConnectionArn, region: &Region) -> bool {
        let group = ListingGroup::of(arn.region());
        group.is_some() && ListingGroup::of(region.as_str()) == group
    }

    fn status_word(attributes: &Attributes) -> &str {
        attributes.status_word()
    }

    fn has_same_status(before: &Attributes, after: &Attributes) -> bool {
        before.connection_status == after.connection_status
    }

    fn breaks_consumers(before: Option<&Attributes>, after: Option<&Attributes>) -> bool {
        let is_broken =
            |attributes: &Attributes| attributes.connection_status == Some(ConnectionStatus::Error);
        match after {
            Some(after) => is_broken(after) && !before.is_some_and(is_broken),
            None => true,
        }
    }

    /// A refused call explains nothing.
    fn fit(call: &ApiCall, changed: Changed<'_, Self>) -> Option<Fit> {
        let named = call.resource_arn.as_deref();
        let about = |arn: Option<&str>| named.zip(arn).is_some_and(|(a, b)| is_same(a, b));
        let connection = || about(Some(changed.id.as_str()));
        let host = || {
            let hosts = [changed.before, changed.after];
            hosts
                .into_iter()
                .flatten()
                .any(|known| about(known.host_arn.as_deref()))
        };
        if call.error_code.is_some() || is_without_effect(call) {
            return None;
        }
        let subject = || {
            let of_host = || host().then_some(Fit::Related);
            connection().then_some(Fit::Resource).or_else(of_host)
        };
        match (&*call.event_name, changed.kind) {
            ("CreateConnection", ChangeKind::FirstSeen | ChangeKind::Reappeared)
            | ("DeleteConnection", ChangeKind::Deleted) => connection().then_some(Fit::Name),
            ("CreateConnection" | "DeleteConnection", _) => None,
            _ => subject(),
        }
    }
}

fn is_without_effect(call: &ApiCall) -> bool {
    if GIT_SYNC.iter().any(|word| call.event_name.contains(word)) {
        return true;
    }
    VERBS_WITHOUT_EFFECT.into_iter().any(|verb| {
        let object = call.event_name.strip_prefix(verb);
        object.is_some_and(|object| object.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}
