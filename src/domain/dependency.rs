//! The dependency as a kind of recorded resource: a host, a pipeline source, a
//! build project or whatever else names a connection or a host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arn::{Arn, is_same};
use super::dependency_type::{DependencyType, lists_properties};
use super::ids::{ParseError, identifier};
use super::kind::{Changed, Fit, Kind};
use super::{ApiCall, ChangeKind, Region, UnknownMembers};

/// Dependencies, each identified by its type and ARN and listed by sources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dependency;

/// Services and features that can name a connection and that no source asks; most have
/// no API that says so. No answer about dependencies covers them.
pub const NOT_ASKED: [&str; 4] = [
    "EKS Argo CD capability",
    "AWS Transform",
    "CodeBuild projects that use the older OAuth app",
    "other accounts that are not inventoried",
];

/// The longest id. It is part of a sort key, which has at most 1,024 bytes.
const MAX_ID_BYTES: usize = 900;

identifier!(
    /// The id of a dependency: its type, its ARN, and a detail where one ARN has
    /// several: `PIPELINE_SOURCE#arn:aws:codepipeline:eu-west-1:123456789012:deploy#Source.App`.
    DependencyId,
    "a dependency id such as HOST#arn:aws:codeconnections:eu-west-1:123456789012:host/name-1a2b3c4d",
    |text| {
        let rest = text.split_once('#').filter(|(kind, _)| {
            DependencyType::ALL.iter().any(|known| known.as_str() == *kind)
        });
        rest.is_some_and(|(_, rest)| Arn::parse(rest).is_some())
            && text.len() <= MAX_ID_BYTES
            && !text.chars().any(char::is_control)
    }
);

identifier!(
    /// What one listing of dependencies lists: a region of a source, such as
    /// `codepipeline/eu-west-1`.
    SourceScope,
    "a source and its region such as codepipeline/eu-west-1",
    |text| text.split_once('/').is_some_and(|(source, region)| {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !source.is_empty()
            && source.len() <= 64
            && source.bytes().all(is_part)
            && region.parse::<Region>().is_ok()
    })
);

/// The attributes of a dependency. The field names are those of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyAttributes {
    /// Its type.
    pub dependency_type: DependencyType,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// Its status, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<str>>,
    /// The ARN of the connection or host that it uses, or of which it is a
    /// property. A host uses none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Box<str>>,
    /// What else its service says of it, by the service's own names. Of tags: the
    /// tags.
    #[serde(default, skip_serializing_if = "UnknownMembers::is_empty")]
    pub members: UnknownMembers,
}

impl DependencyAttributes {
    /// Returns the normalized ARN of the connection or host that it uses, if it
    /// is a consumer.
    pub fn consumed(&self) -> Option<String> {
        self.dependency_type.consumed(self.uses.as_deref())
    }
}

impl DependencyId {
    /// Returns the id of a dependency.
    ///
    /// # Errors
    /// [`ParseError`] if `arn` is none, or if they are too long.
    pub fn of(kind: DependencyType, arn: &str, detail: Option<&str>) -> Result<Self, ParseError> {
        match detail {
            Some(detail) => format!("{kind}#{arn}#{detail}").parse(),
            None => format!("{kind}#{arn}").parse(),
        }
    }

    /// Its type.
    pub fn dependency_type(&self) -> Option<DependencyType> {
        self.as_str().split('#').next()?.parse().ok()
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        self.as_str().split('#').nth(1).unwrap_or_default()
    }
}

impl SourceScope {
    /// Returns the scope of a source in a region.
    ///
    /// # Errors
    /// [`ParseError`] if `source` is no source's name.
    pub fn of(source: &str, region: &Region) -> Result<Self, ParseError> {
        format!("{source}/{region}").parse()
    }

    /// Its source.
    pub fn source(&self) -> &str {
        self.as_str().split('/').next().unwrap_or_default()
    }

    /// Returns true if its source lists properties of connections and hosts, and
    /// nothing that uses one.
    pub fn lists_properties(&self) -> bool {
        lists_properties(self.source())
    }

    /// Its region's code.
    pub fn region(&self) -> &str {
        self.as_str().split('/').nth(1).unwrap_or_default()
    }
}

impl Kind for Dependency {
    type Id = DependencyId;
    type Scope = SourceScope;
    type Attributes = DependencyAttributes;

    const DEFAULT_REGIONS_AGREE: bool = false;
    const NOUN: (&'static str, &'static str) = ("dependency", "dependencies");

    fn region(scope: &SourceScope) -> Option<Region> {
        scope.region().parse().ok()
    }

    fn is_home(_: &DependencyId, _: &SourceScope) -> bool {
        // One scope lists it.
        true
    }

    fn is_always_listed_by(_: &DependencyId, _: &SourceScope) -> bool {
        false
    }

    /// Runs count dependencies by type: many have no status.
    fn status_word(attributes: &DependencyAttributes) -> &str {
        attributes.dependency_type.as_str()
    }

    fn has_same_status(before: &DependencyAttributes, after: &DependencyAttributes) -> bool {
        before.status == after.status
    }

    /// Changes of dependencies are no events, so they name nothing.
    fn breaks_consumers(
        _: Option<&DependencyAttributes>,
        _: Option<&DependencyAttributes>,
    ) -> bool {
        false
    }

    /// A call about the resource itself, by its ARN. A refused call explains
    /// nothing.
    fn fit(call: &ApiCall, changed: Changed<'_, Self>) -> Option<Fit> {
        let named = call.resource_arn.as_deref();
        if !named.is_some_and(|arn| is_same(arn, changed.id.arn())) || call.error_code.is_some() {
            return None;
        }
        let (name, change) = (&*call.event_name, changed.kind);
        let appears = matches!(change, ChangeKind::FirstSeen | ChangeKind::Reappeared);
        let is_deleted = change == ChangeKind::Deleted;
        let tags = matches!(name, "TagResource" | "UntagResource");
        match changed.id.dependency_type() {
            // Connections and hosts can be created with tags, and are deleted with them.
            // Other calls name a connection, too.
            Some(DependencyType::Tags) => {
                let is_named = match name {
                    "CreateConnection" | "CreateHost" => appears,
                    "DeleteConnection" | "DeleteHost" => is_deleted,
                    _ => tags,
                };
                is_named.then_some(Fit::Name)
            }
            // RAM's calls are about the resource share. A sync configuration is known by
            // the ARN of its link, which calls on it don't have.
            Some(
                DependencyType::Share
                | DependencyType::ShareReceived
                | DependencyType::SyncConfiguration,
            ) => None,
            _ if tags => None,
            _ => {
                let creates = name.starts_with("Create") && appears;
                let deletes = name.starts_with("Delete") && is_deleted;
                let updates = name.starts_with("Update")
                    && matches!(
                        change,
                        ChangeKind::StatusChanged | ChangeKind::AttributesChanged
                    );
                let is_named = creates || deletes || updates;
                Some(if is_named { Fit::Name } else { Fit::Resource })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:codepipeline:eu-west-1:123456789012:deploy";

    #[test]
    fn ids_name_type_arn_and_detail() {
        let id = DependencyId::of(DependencyType::PipelineSource, ARN, Some("Source.App")).unwrap();
        assert_eq!(id.as_str(), format!("PIPELINE_SOURCE#{ARN}#Source.App"));
        assert_eq!(id.arn(), ARN);
        for wrong in ["", ARN, "HOST#x", "PIPELINE#arn:aws:a:b:c:d", "HOST#"] {
            assert!(wrong.parse::<DependencyId>().is_err(), "{wrong}");
        }
        assert!(
            format!("HOST#{ARN}{}", "x".repeat(900))
                .parse::<DependencyId>()
                .is_err()
        );
        assert!(format!("HOST#{ARN}\n").parse::<DependencyId>().is_err());
    }

    #[test]
    fn hosts_and_properties_are_no_consumers() {
        assert!(DependencyType::PipelineSource.is_consumer());
        assert!(!DependencyType::Host.is_consumer());
        for kind in DependencyType::ALL {
            if let Some(source) = kind.property_source() {
                let scope = SourceScope::of(source, &"eu-west-1".parse().unwrap()).unwrap();
                assert!(scope.lists_properties(), "{kind}");
                assert!(!kind.is_consumer(), "{kind}");
            }
        }
        let scope: SourceScope = "hosts/eu-west-1".parse().unwrap();
        assert!(!scope.lists_properties());
    }

    #[test]
    fn only_calls_that_set_tags_explain_changes_of_tags() {
        let arn = "arn:aws:codeconnections:eu-west-1:123456789012:connection/a";
        let fit = |name: &str, kind, change, error: Option<&str>| {
            let call: ApiCall = serde_json::from_value(serde_json::json!({
                "event_id": "1", "event_name": name, "region": "eu-west-1",
                "resource_arn": arn, "error_code": error,
            }))
            .unwrap();
            let id = DependencyId::of(kind, arn, None).unwrap();
            let changed = Changed {
                kind: change,
                id: &id,
                before: None,
                after: None,
            };
            Dependency::fit(&call, changed)
        };
        use ChangeKind::{AttributesChanged, Deleted, FirstSeen};
        use DependencyType::{Host, RepositoryLink, Share, SyncConfiguration, Tags};
        for (name, kind, change, expected) in [
            ("TagResource", Tags, AttributesChanged, Some(Fit::Name)),
            ("TagResource", Tags, FirstSeen, Some(Fit::Name)),
            ("UntagResource", Tags, Deleted, Some(Fit::Name)),
            ("CreateConnection", Tags, FirstSeen, Some(Fit::Name)),
            ("CreateConnection", Tags, AttributesChanged, None),
            ("CreateHost", Tags, FirstSeen, Some(Fit::Name)),
            ("CreateRepositoryLink", Tags, FirstSeen, None),
            ("DeleteRepositoryLink", Tags, Deleted, None),
            (
                "CreateRepositoryLink",
                RepositoryLink,
                FirstSeen,
                Some(Fit::Name),
            ),
            ("CreateRepositoryLink", SyncConfiguration, FirstSeen, None),
            ("DeleteConnection", Tags, Deleted, Some(Fit::Name)),
            (
                "UpdateConnectionInstallation",
                Tags,
                AttributesChanged,
                None,
            ),
            ("TagResource", Host, AttributesChanged, None),
            ("UpdateHost", Host, AttributesChanged, Some(Fit::Name)),
            ("UpdateHost", Host, Deleted, Some(Fit::Resource)),
            ("TagResource", Share, AttributesChanged, None),
        ] {
            let found = fit(name, kind, change, None);
            assert_eq!(found, expected, "{name} {kind} {change:?}");
        }
        let refused = fit("TagResource", Tags, AttributesChanged, Some("AccessDenied"));
        assert_eq!(refused, None);
    }

    #[test]
    fn scopes_name_source_and_region() {
        let scope = SourceScope::of("codepipeline", &"eu-west-1".parse().unwrap()).unwrap();
        assert_eq!(
            (scope.source(), scope.region()),
            ("codepipeline", "eu-west-1")
        );
        for wrong in [
            "eu-west-1",
            "/eu-west-1",
            "a/b",
            "A/eu-west-1",
            "a/b/eu-west-1",
        ] {
            assert!(wrong.parse::<SourceScope>().is_err(), "{wrong}");
        }
    }
}
