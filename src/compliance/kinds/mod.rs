//! The kinds of rules, each in its own file.
//!
//! A new kind is a file here, its `mod` and `pub use`, and its line in the table
//! below. The compiler names what a kind in the table lacks.
//! `docs/rules.sample.toml` has an example of each kind, `docs/compliance.md`
//! explains it; tests compare both with the table, and the table with the files.

use std::fmt;

use serde::Serialize;

use super::kind::{Defaults, FromInput, KindRef};
use super::parameters::{Parameters, RuleFileError};

mod account;
mod dangling;
mod deleted;
mod endpoint;
mod error;
mod host;
mod host_endpoint;
mod host_status;
mod host_vpc;
mod in_status;
mod lately;
mod name;
mod no_complete_run;
mod not_seen;
mod owner;
mod pending;
mod provider;
mod repository;
mod required_tags;
mod shared;
mod shared_outside_organization;
mod status_changes;
mod unknown_value;
mod unused;

pub use account::Account;
pub use dangling::Dangling;
pub use deleted::Deleted;
pub use endpoint::Endpoint;
pub use error::Error;
pub use host::Host;
pub use host_endpoint::HostEndpoint;
pub use host_status::HostStatus;
pub use host_vpc::HostVpc;
pub use name::Name;
pub use no_complete_run::NoCompleteRun;
pub use not_seen::NotSeen;
pub use owner::Owner;
pub use pending::Pending;
pub use provider::Provider;
pub use repository::Repository;
pub use required_tags::RequiredTags;
pub use shared::Shared;
pub use shared_outside_organization::SharedOutsideOrganization;
pub use status_changes::StatusChanges;
pub use unknown_value::UnknownValue;
pub use unused::Unused;

/// Dispatches to the kinds. Each has its field of the options, its type, its
/// name in a rule file, and what it is evaluated for.
macro_rules! kinds {
    ($($field:ident: $kind:ident = $name:literal for each $subject:ident,)+) => {
        /// What a rule requires: its kind, with parameters.
        #[derive(Debug, Clone, Serialize)]
        #[serde(tag = "kind")]
        pub enum Requirement {
            $(
                #[doc = concat!("A rule of kind `", $name, "`.")]
                #[serde(rename = $name)]
                $kind($kind),
            )+
        }

        impl Requirement {
            /// The kinds, as rule files name them.
            pub const KINDS: [&str; [$($name),+].len()] = [$($name),+];

            /// Reads the parameters of a rule in a file.
            pub(crate) fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
                let requirement = match parameters.kind.as_ref().as_str() {
                    $($name => Self::$kind($kind::from_file(parameters)?),)+
                    _ => return Err(unknown_kind(parameters)),
                };
                parameters.require_all_taken()?;
                Ok(requirement)
            }

            /// Returns the kind, by what it is evaluated for.
            pub(crate) fn kind(&self) -> KindRef<'_> {
                match self {
                    $(Self::$kind(kind) => KindRef::$subject(kind),)+
                }
            }
        }

        $(
            impl From<$kind> for Requirement {
                fn from(kind: $kind) -> Self {
                    Self::$kind(kind)
                }
            }
        )+

        impl fmt::Display for Requirement {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind(kind) => kind.fmt(f),)+
                }
            }
        }

        /// The options of all kinds.
        #[cfg(feature = "cli")]
        #[derive(Debug, Default, clap::Args)]
        #[group(skip)]
        pub(crate) struct KindFlags {
            $(
                #[command(flatten)]
                $field: <$kind as FromInput>::Flags,
            )+
        }

        #[cfg(feature = "cli")]
        impl KindFlags {
            /// Returns the requirements that were given, each with the id of
            /// its rule: the name of the option.
            pub(crate) fn requirements(&self) -> Vec<(&'static str, Requirement)> {
                let mut given = Vec::new();
                $(
                    let of_kind = $kind::from_flags(&self.$field).into_iter();
                    given.extend(of_kind.map(|(id, kind)| (id, kind.into())));
                )+
                given
            }
        }
    };
}

kinds! {
    pending: Pending = "pending" for each Connection,
    error: Error = "error" for each Connection,
    provider: Provider = "provider" for each Connection,
    host: Host = "host" for each Connection,
    endpoint: Endpoint = "endpoint" for each Connection,
    owner: Owner = "owner" for each Connection,
    account: Account = "account" for each Account,
    name: Name = "name" for each Connection,
    not_seen: NotSeen = "not-seen" for each Connection,
    no_complete_run: NoCompleteRun = "no-complete-run" for each Account,
    deleted: Deleted = "deleted" for each Connection,
    status_changes: StatusChanges = "status-changes" for each Connection,
    shared: Shared = "shared" for each Connection,
    unknown_value: UnknownValue = "unknown-value" for each Connection,
    unused: Unused = "unused" for each Connection,
    dangling: Dangling = "dangling" for each Dependency,
    repository: Repository = "repository" for each Dependency,
    host_status: HostStatus = "host-status" for each Dependency,
    host_endpoint: HostEndpoint = "host-endpoint" for each Dependency,
    host_vpc: HostVpc = "host-vpc" for each Dependency,
    required_tags: RequiredTags = "required-tags" for each Connection,
    shared_outside_organization: SharedOutsideOrganization = "shared-outside-organization" for each Connection,
}

impl Requirement {
    /// Returns what a rule from the command line has besides.
    pub(crate) fn defaults(&self) -> Defaults {
        self.kind().any().defaults()
    }

    /// Returns true if it is evaluated once for an account.
    pub fn is_about_accounts(&self) -> bool {
        matches!(self.kind(), KindRef::Account(_))
    }

    /// Returns true if it is evaluated for dependencies.
    pub fn is_about_dependencies(&self) -> bool {
        matches!(self.kind(), KindRef::Dependency(_))
    }
}

fn unknown_kind(parameters: &Parameters) -> RuleFileError {
    let kind = &parameters.kind;
    let problem = format!(
        "unknown kind {:?}; expected one of {}",
        kind.as_ref(),
        Requirement::KINDS.join(", ")
    );
    RuleFileError::new(kind.span().start, problem)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::Requirement;

    #[test]
    fn every_kind_has_a_file_and_a_row_in_the_documentation() {
        let kinds: BTreeSet<String> = Requirement::KINDS.map(str::to_owned).into();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));

        let files = std::fs::read_dir(root.join("src/compliance/kinds")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        // What several kinds share.
        let shared = ["mod.rs", "in_status.rs", "lately.rs"];
        let of_files: BTreeSet<String> = names
            .filter(|name| !shared.contains(&name.as_str()))
            .map(|name| name.trim_end_matches(".rs").replace('_', "-"))
            .collect();
        assert_eq!(of_files, kinds);

        let page = std::fs::read_to_string(root.join("docs/compliance.md")).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let of_page: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        let lacking: Vec<&String> = kinds
            .iter()
            .filter(|kind| !of_page.contains(kind.as_str()))
            .collect();
        assert_eq!(lacking, Vec::<&String>::new(), "docs/compliance.md");
    }
}
