//! The tables by name, and the schema as SQL and as a page.

use std::fmt::Write as _;

use super::column::{Column, ColumnMeaning};
use super::tables::changes::CHANGES;
use super::tables::connections::CONNECTIONS;
use super::tables::dependencies::{CONSUMERS, HOSTS, SHARES, SOURCES, TAGS};
use super::tables::findings::FINDINGS;
use super::tables::meta::META;
use super::tables::recorded_findings::RECORDED_FINDINGS;
use super::tables::runs::{LISTINGS, RUNS};
use crate::domain::DependencyType;
use crate::domain::dependency_type::{RAM, TAGGING, lists_properties};

/// The version of the schema. It is raised when a table or column is renamed,
/// removed, or means something else; not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// Names the tables once.
macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $columns:ident;)+) => {
        /// A table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Table { $($(#[doc = $doc])+ $name,)+ }

        impl Table {
            /// All tables.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// Returns its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Returns what it holds, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_start(),)+ }
            }

            /// Returns its columns.
            pub fn columns(self) -> Vec<ColumnMeaning> {
                match self {
                    $(Self::$name => $columns.iter().map(Column::described).collect(),)+
                }
            }
        }
    };
}

tables! {
    /// Every connection on record, deleted ones too (`deleted_at IS NULL` selects present ones).
    Connections = "connections", CONNECTIONS;
    /// Every recorded change of a connection.
    Changes = "changes", CHANGES;
    /// Every run of the inventory of connections.
    Runs = "runs", RUNS;
    /// The listing of each region by each run.
    Listings = "listings", LISTINGS;
    /// Hosts of self-managed providers. This table and the next four need `scan --dependencies`.
    Hosts = "hosts", HOSTS;
    /// Tags of connections and hosts.
    Tags = "tags", TAGS;
    /// What uses connections and hosts: pipelines, build projects, …
    Consumers = "consumers", CONSUMERS;
    /// With whom connections are shared by AWS RAM, and who shares one with the account.
    Shares = "shares", SHARES;
    /// The sources that list hosts, tags, consumers and shares: what was not listed was not observed.
    Sources = "sources", SOURCES;
    /// Findings of the default rules of `check`, and what could not be evaluated.
    Findings = "findings", FINDINGS;
    /// Findings that `evaluate` recorded, closed ones too, of the rules of its file.
    RecordedFindings = "recorded_findings", RECORDED_FINDINGS;
    /// The version of the schema, and what the database is based on.
    Meta = "meta", META;
}

impl Table {
    /// Returns the table of this name, in any case as in SQL.
    pub fn named(name: &str) -> Option<Self> {
        let mut tables = Self::ALL.into_iter();
        tables.find(|table| table.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns the table that has dependencies of this type.
    pub fn of(dependency_type: DependencyType) -> Self {
        match dependency_type {
            DependencyType::Host => Self::Hosts,
            DependencyType::Tags => Self::Tags,
            DependencyType::Share | DependencyType::ShareReceived => Self::Shares,
            _ => Self::Consumers,
        }
    }

    /// Returns true if its rows come from runs of connections.
    pub fn is_of_connections(self) -> bool {
        matches!(
            self,
            Self::Connections | Self::Changes | Self::Runs | Self::Listings | Self::Findings
        )
    }

    /// Returns true if its rows come from runs of dependencies.
    pub fn is_of_dependencies(self) -> bool {
        matches!(
            self,
            Self::Hosts | Self::Tags | Self::Consumers | Self::Shares | Self::Sources
        )
    }

    /// Returns true if what is missing in it is known only if this source of
    /// dependencies was listed.
    pub fn rests_on(self, source: &str) -> bool {
        match self {
            Self::Hosts | Self::Consumers => !lists_properties(source),
            Self::Tags => source == TAGGING,
            Self::Shares => source == RAM,
            _ => false,
        }
    }

    /// Returns the statement that creates it.
    pub fn ddl(self) -> String {
        let columns = self.columns().into_iter();
        let columns = columns.map(|it| format!("\"{}\" {}", it.name, it.column_type.declared()));
        let columns: Vec<String> = columns.collect();
        format!(
            "CREATE TABLE \"{}\" ({})",
            self.as_str(),
            columns.join(", ")
        )
    }
}

/// Returns the statements that create an empty database.
pub fn ddl() -> String {
    let mut ddl = format!("PRAGMA user_version = {SCHEMA_VERSION};\n");
    for table in Table::ALL {
        let _ = writeln!(ddl, "{};", table.ddl());
    }
    ddl
}

/// Returns the schema as Markdown.
pub fn markdown() -> String {
    let mut page = String::new();
    for table in Table::ALL {
        let _ = writeln!(page, "### {}\n\n{}\n", table.as_str(), table.meaning());
        page.push_str("| column | type | meaning |\n|---|---|---|\n");
        for it in table.columns() {
            let (kind, meaning) = (it.column_type.as_str(), it.meaning);
            let _ = writeln!(page, "| `{}` | {kind} | {meaning} |", it.name);
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_are_what_uses_a_connection_or_host() {
        for kind in DependencyType::ALL {
            let is_consumer = Table::of(kind) == Table::Consumers;
            assert_eq!(is_consumer, kind.is_consumer(), "{kind}");
        }
    }

    #[test]
    fn properties_are_in_the_table_that_rests_on_their_source() {
        for kind in DependencyType::ALL {
            if let Some(source) = kind.property_source() {
                assert!(Table::of(kind).rests_on(source), "{kind}");
            }
        }
    }
}
