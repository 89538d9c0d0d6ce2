//! The types of dependencies: what each is called, and what it is to the connection
//! or host that it names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arn::normalized;
use super::ids::ParseError;

/// Names the types once.
macro_rules! dependency_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $label:literal, $many:literal;)+) => {
        /// The type of a dependency.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DependencyType { $($(#[$doc])* $name,)+ }

        impl DependencyType {
            /// All types.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// The type as it is stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The type in a word, for people.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// The word for several of them.
            pub const fn labels(self) -> &'static str {
                match self { $(Self::$name => $many,)+ }
            }
        }
    };
}

dependency_types! {
    /// A CodeBuild project that names a connection for one of its sources.
    BuildProject = "BUILD_PROJECT", "build project", "build projects";
    /// A connection that CodeBuild uses for every project of its provider that
    /// names none.
    BuildCredential = "BUILD_CREDENTIAL", "default build credential", "default build credentials";
    /// A Service Catalog product that is kept in sync with a repository.
    CatalogProduct = "CATALOG_PRODUCT", "catalog product", "catalog products";
    /// An integration of Inspector with a provider that it reaches through a host.
    CodeSecurityIntegration =
        "CODE_SECURITY_INTEGRATION", "code security integration", "code security integrations";
    /// A Git connection of a DataZone domain.
    DataZoneConnection = "DATAZONE_CONNECTION", "DataZone connection", "DataZone connections";
    /// A host: the address of a self-managed provider.
    Host = "HOST", "host", "hosts";
    /// A source action of a CodePipeline pipeline.
    PipelineSource = "PIPELINE_SOURCE", "pipeline source", "pipeline sources";
    /// A repository that is linked to Proton.
    ProtonRepository = "PROTON_REPOSITORY", "Proton repository", "Proton repositories";
    /// A repository that CodeGuru Reviewer reviews.
    RepositoryAssociation =
        "REPOSITORY_ASSOCIATION", "repository association", "repository associations";
    /// A repository link of CodeConnections.
    RepositoryLink = "REPOSITORY_LINK", "repository link", "repository links";
    /// A principal with which a connection of the account is shared by RAM.
    Share = "SHARE", "share", "shares";
    /// A connection of another account that is shared with this one by RAM.
    ShareReceived = "SHARE_RECEIVED", "received share", "received shares";
    /// A stack that Git sync keeps in sync with a file of a linked repository.
    SyncConfiguration = "SYNC_CONFIGURATION", "sync configuration", "sync configurations";
    /// The tags of a connection or host.
    Tags = "TAGS", "set of tags", "sets of tags";
    /// A HealthOmics workflow that is defined in a repository.
    Workflow = "WORKFLOW", "workflow", "workflows";
}

/// The source of shares, in scopes.
pub const RAM: &str = "ram";
/// The source of tags, in scopes.
pub const TAGGING: &str = "tagging";

/// Returns true if a source lists properties of connections and hosts, and nothing
/// that uses one.
pub fn lists_properties(source: &str) -> bool {
    matches!(source, RAM | TAGGING)
}

/// What a dependency is to the connection or host that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Consumer,
    Host,
    /// A property, which this source lists.
    Property(&'static str),
}

impl DependencyType {
    const fn role(self) -> Role {
        match self {
            Self::BuildProject
            | Self::BuildCredential
            | Self::CatalogProduct
            | Self::CodeSecurityIntegration
            | Self::DataZoneConnection
            | Self::PipelineSource
            | Self::ProtonRepository
            | Self::RepositoryAssociation
            | Self::RepositoryLink
            | Self::SyncConfiguration
            | Self::Workflow => Role::Consumer,
            Self::Host => Role::Host,
            Self::Share | Self::ShareReceived => Role::Property(RAM),
            Self::Tags => Role::Property(TAGGING),
        }
    }

    /// Returns the source of a property of a connection or host; `None` if this is
    /// a resource of its own.
    pub const fn property_source(self) -> Option<&'static str> {
        match self.role() {
            Role::Property(source) => Some(source),
            Role::Consumer | Role::Host => None,
        }
    }

    /// Returns true if a dependency of this type uses what it names. Answers to
    /// "who uses it" count no other.
    pub const fn is_consumer(self) -> bool {
        matches!(self.role(), Role::Consumer)
    }

    /// Returns the normalized ARN of what a dependency of this type uses, of what it
    /// names; `None` of what is no consumer.
    pub fn consumed(self, names: Option<&str>) -> Option<String> {
        names.filter(|_| self.is_consumer()).map(normalized)
    }
}

impl fmt::Display for DependencyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DependencyType {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| ParseError::new(text, "a type of dependency such as HOST"))
    }
}

impl Serialize for DependencyType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DependencyType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
