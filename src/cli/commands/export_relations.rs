//! `export relations`: the graph of consumers, connections, hosts and accounts.

use super::dependency_table::{notes, require_runs, require_sources};
use super::export_format::ExportFormat;
use crate::audit::Audit;
use crate::audit::relations::Relation;
use crate::cli::error::CliError;
use crate::cli::render::{Row, note, print};
use crate::domain::{AccountId, Timestamp};
use crate::output::graph;

/// Writes the relations on record, and on standard error what they are based on.
pub(super) async fn relations(
    audit: &Audit,
    account: Option<&AccountId>,
    as_of: Option<Timestamp>,
    format: ExportFormat,
) -> Result<(), CliError> {
    let (relations, bases) = audit
        .relations(account, as_of)
        .await
        .map_err(CliError::failure)?;
    require_runs(audit, &bases, account).await?;
    match format {
        ExportFormat::Dot => print(&graph::dot(&relations))?,
        ExportFormat::Mermaid => print(&graph::mermaid(&relations))?,
        ExportFormat::Jsonl | ExportFormat::Csv | ExportFormat::Ocsf => {
            let mut writer = format.writer::<Relation>();
            for relation in &relations {
                writer.write_row(relation);
            }
            writer.finish()?;
        }
    }
    note(&notes(&bases));
    require_sources(&bases)
}

impl Row for Relation {
    fn header() -> Vec<&'static str> {
        vec![
            "account",
            "from_type",
            "from_id",
            "from_name",
            "relation",
            "to_type",
            "to_id",
            "to_name",
            "to_status",
            "dangling",
        ]
    }

    fn csv(&self) -> Vec<String> {
        let (from, to) = (&self.from, &self.to);
        vec![
            self.account.to_string(),
            from.kind.to_owned(),
            from.id.clone(),
            from.name.clone().unwrap_or_default(),
            self.relation.as_str().to_owned(),
            to.kind.to_owned(),
            to.id.clone(),
            to.name.clone().unwrap_or_default(),
            self.to_status.clone().unwrap_or_default(),
            self.dangling.to_string(),
        ]
    }
}
