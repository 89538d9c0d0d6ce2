//! `export relations`: the graph of consumers, connections, hosts and accounts.

use super::dependency_table::{notes, require_runs, require_sources};
use super::export_format::ExportFormat;
use crate::audit::Audit;
use crate::audit::relations::Relation;
use crate::cli::error::CliError;
use crate::cli::evidence;
use crate::cli::render::{Row, note, print};
use crate::domain::{AccountId, Clock, SystemClock, Timestamp};
use crate::output::graph;

/// Writes the relations on record, and on standard error what they are based on.
pub(super) async fn relations(
    audit: &Audit,
    account: Option<&AccountId>,
    as_of: Option<Timestamp>,
    format: ExportFormat,
) -> Result<(), CliError> {
    let at = as_of.unwrap_or_else(|| SystemClock.now());
    // What is named can be on record in another account.
    let inventories = audit.bases(None, at).await.map_err(CliError::failure)?;
    evidence::require_runs(audit, &inventories, None, as_of).await?;
    let answer = audit.relations(account, as_of, inventories).await;
    let answer = answer.map_err(CliError::failure)?;
    require_runs(audit, &answer.rests_on, account).await?;
    match format {
        ExportFormat::Dot => print(&graph::dot(&answer.relations))?,
        ExportFormat::Mermaid => print(&graph::mermaid(&answer.relations))?,
        ExportFormat::Jsonl | ExportFormat::Csv | ExportFormat::Ocsf => {
            let mut writer = format.writer::<Relation>();
            for relation in &answer.relations {
                writer.write_row(relation);
            }
            writer.finish()?;
        }
    }
    let mut lines = evidence::lines(&answer.connections_rest_on);
    lines.extend(notes(&answer.rests_on));
    note(&lines);
    evidence::require_complete_run(&answer.connections_rest_on)?;
    require_sources(&answer.rests_on)
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
