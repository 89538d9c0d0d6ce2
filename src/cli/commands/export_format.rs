//! The formats of `export`.

use clap::ValueEnum;

use crate::cli::render::Row;
use crate::cli::render::row_writer::RowWriter;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// One OCSF event per line for each connection that is not deleted
    Ocsf,
    /// A Graphviz graph of relations
    Dot,
    /// A Mermaid flowchart of relations
    Mermaid,
}

impl ExportFormat {
    /// Returns the writer of rows. Graphs have none.
    pub(super) fn writer<R: Row>(self) -> RowWriter {
        match self {
            Self::Csv => RowWriter::csv::<R>(),
            Self::Jsonl | Self::Ocsf | Self::Dot | Self::Mermaid => RowWriter::jsonl(),
        }
    }
}
