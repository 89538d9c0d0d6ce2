//! `list`: connections now or at an earlier time.

use std::collections::BTreeMap;

use clap::Args as ClapArgs;

use super::dependency_table::{notes as dependency_notes, require_runs, require_sources};
use super::tags::{TagArgs, TagColumn, TaggedRow};
use crate::audit::attribute_columns::{AttributeColumn, FIRST_COLUMNS, LATER_COLUMNS};
use crate::audit::dependencies::{DependencyBasis, DependencyFilter};
use crate::audit::properties::tags_in_words;
use crate::audit::{ConnectionFilter, ConnectionRow};
use crate::cli::args::{StoreArgs, parse_provider, parse_status, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::csv::field;
use crate::cli::render::row_writer::Document;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, Row, print_rows};
use crate::cli::store::Store;
use crate::cli::suggestions::Asked;
use crate::domain::arn::normalized;
use crate::domain::dependency::NOT_ASKED;
use crate::domain::{
    AccountId, Clock, ConnectionStatus, ProviderType, Region, SystemClock, Timestamp,
};
use crate::output::text::{count, format_time, or_dash};

/// Selects connections.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct FilterArgs {
    /// Filter by status: PENDING, AVAILABLE, ERROR
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Option<ConnectionStatus>,
    /// Filter by provider type: GitHub, GitLab, Bitbucket, …
    #[arg(long, value_name = "PROVIDER", value_parser = parse_provider)]
    provider: Option<ProviderType>,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// Filter by the region in the ARN
    #[arg(long, value_name = "REGION")]
    in_region: Option<Region>,
}

impl FilterArgs {
    /// Returns the filter.
    pub(crate) fn filter(self, include_deleted: bool) -> ConnectionFilter {
        ConnectionFilter {
            status: self.status,
            provider: self.provider,
            account: self.account,
            region: self.in_region,
            include_deleted,
            not_among: None,
        }
    }
}

/// List connections as they are, or were at an earlier time
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv list --status PENDING
  ccinv list --provider GitHub --in-region eu-west-1 --json
  ccinv list --include-deleted --format csv > connections.csv
  ccinv list --as-of 2026-10-31T23:59:59Z
  ccinv list --unused                             after `ccinv scan --dependencies`
  ccinv list --tag team=payments                  after `ccinv scan --dependencies`

Exit codes: 0 success, 4 no complete run covers the list: it may lack connections, \
or with --unused name used ones. With --tag, also if the tags of a connection were \
not observed.")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Include deleted connections
    #[arg(long)]
    include_deleted: bool,
    /// Show the state at this time: a date, a time, or an age (30d, 12h, 45m)
    ///
    /// Uses what had been observed by then, and prints how old that was.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    /// List connections that nothing uses, by the record of dependencies
    #[arg(long, conflicts_with = "include_deleted")]
    unused: bool,
    #[command(flatten)]
    tags: TagArgs,
    #[command(flatten)]
    format: FormatArgs,
}

pub(crate) async fn run(args: ListArgs) -> Result<Exit, CliError> {
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let mut filter = args.filter.filter(args.include_deleted);
    let mut users = Vec::new();
    if args.unused {
        // What uses a shared connection can be in any account.
        let consumers = DependencyFilter {
            without_properties: true,
            ..DependencyFilter::default()
        };
        let answer = audit.dependencies(&consumers, args.as_of).await;
        let answer = answer.map_err(CliError::failure)?;
        require_runs(&audit, &answer.rests_on, None).await?;
        let used = answer
            .dependencies
            .iter()
            .filter_map(|row| row.uses.as_deref());
        filter.not_among = Some(used.map(normalized).collect());
        users = answer.rests_on;
    }
    let at = args.as_of.unwrap_or_else(|| SystemClock.now());
    let rests_on = audit.bases(filter.account.as_ref(), at).await;
    let rests_on = rests_on.map_err(CliError::failure)?;
    evidence::require_runs(&audit, &rests_on, filter.account.as_ref(), args.as_of).await?;
    Asked::of(&filter).refuse_unknown(&audit).await?;
    let tags = args.tags.read(&audit, &filter, args.as_of).await?;
    let notes = |number| {
        let number = count(number, "connection");
        let mut notes = match args.as_of {
            Some(at) => vec![format!("{number} as of {}", format_time(at))],
            None => vec![number],
        };
        notes.extend(evidence::lines(&rests_on));
        if args.unused {
            notes.extend(dependency_notes(&users));
        }
        notes.extend(tags.iter().flat_map(TagColumn::notes));
        notes.extend(args.as_of.and_then(evidence::not_final_note));
        notes
    };
    let covered = evidence::require_complete_run(&rests_on).and_then(|()| match args.unused {
        true => require_sources(&users),
        false => Ok(()),
    });
    let format = args.format.get();
    let document = Document::of_rows("connections")
        .with("as_of", &args.as_of)
        .with("rests_on", &rests_on);
    let document = match args.unused || tags.is_some() {
        true => document.with("dependencies_rest_on", &joined(&users, tags.as_ref())),
        false => document,
    };
    let document = match args.unused {
        true => document.with("not_asked", &NOT_ASKED),
        false => document,
    };
    let writer = match tags {
        Some(_) => format.writer::<TaggedRow<ConnectionRow>>(document),
        None => format.writer::<ConnectionRow>(document),
    };
    let Some(mut writer) = writer else {
        let connections = match args.as_of {
            Some(at) => audit.connections_as_of(&filter, at).await,
            None => audit.connections(&filter).await,
        };
        let connections = connections.map_err(CliError::failure)?;
        let (table, number) = match &tags {
            None => (connection_table(&connections), connections.len()),
            Some(column) => {
                let rows = connections.into_iter().filter_map(|row| column.admit(row));
                let rows: Vec<_> = rows.collect();
                (tagged_table(&rows), rows.len())
            }
        };
        let covered = covered.and_then(|()| tags.as_ref().map_or(Ok(()), TagColumn::require));
        if covered.is_ok() || number > 0 {
            print_rows(&table, &notes(number), args.format.width())?;
        }
        return covered.map(|()| Exit::Success);
    };
    let mut number = 0;
    let mut each = |row| {
        match &tags {
            None => writer.write_row(&row),
            Some(column) => match column.admit(row) {
                Some(row) => writer.write_row(&row),
                None => return true,
            },
        }
        number += 1;
        writer.wants_more()
    };
    let done = match args.as_of {
        Some(at) => {
            let rows = audit.connections_as_of(&filter, at).await;
            rows.map(|rows| {
                rows.into_iter().all(each);
            })
        }
        None => audit.each_connection(&filter, &mut each).await,
    };
    done.map_err(CliError::failure)?;
    let covered = covered.and_then(|()| tags.as_ref().map_or(Ok(()), TagColumn::require));
    if covered.is_ok() || number > 0 {
        writer.finish()?;
        format.note(&notes(number));
    }
    covered.map(|()| Exit::Success)
}

/// Merges the bases of consumers and of tags, one per account.
fn joined(users: &[DependencyBasis], tags: Option<&TagColumn>) -> Vec<DependencyBasis> {
    let mut joined: BTreeMap<AccountId, DependencyBasis> = BTreeMap::new();
    for basis in users
        .iter()
        .chain(tags.map_or(&[][..], TagColumn::rests_on))
    {
        match joined.get_mut(&basis.account) {
            Some(known) => known.sources.extend(basis.sources.iter().cloned()),
            None => {
                joined.insert(basis.account.clone(), basis.clone());
            }
        }
    }
    joined.into_values().collect()
}

/// Returns a table of connections.
pub(crate) fn connection_table(rows: &[ConnectionRow]) -> TextTable {
    table_of(rows.iter().map(|row| (row, Vec::new())))
}

/// Returns a table of connections, with the tags of each below it.
fn tagged_table(rows: &[TaggedRow<ConnectionRow>]) -> TextTable {
    let line = |tagged: &TaggedRow<_>| format!("tags: {}", tags_in_words(tagged.tags.as_ref()));
    table_of(rows.iter().map(|it| (&it.row, vec![line(it)])))
}

fn table_of<'a>(rows: impl Iterator<Item = (&'a ConnectionRow, Vec<String>)>) -> TextTable {
    let mut table = TextTable::new([
        ("STATUS", Cut::Never),
        ("SINCE", Cut::Never),
        ("NAME", Cut::End),
        ("PROVIDER", Cut::End),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["ACCOUNT", "PROVIDER"]);
    for (row, lines) in rows {
        let status = match (row.deleted_at, &row.attributes.connection_status) {
            (Some(_), _) => "DELETED".to_owned(),
            (None, status) => or_dash(status.as_ref().map(|s| s.as_str())),
        };
        let since = row.deleted_at.unwrap_or(row.status_since);
        let cells = [
            Cell::word(status),
            format_time(since).into(),
            or_dash(row.attributes.connection_name.as_deref()).into(),
            or_dash(row.attributes.provider_type.as_ref().map(|p| p.as_str())).into(),
            row.account.to_string().into(),
            row.connection_arn.to_string().into(),
        ];
        table.add(cells, lines);
    }
    table
}

/// The columns of attributes that came later. They stand last.
pub(crate) fn later_columns() -> impl Iterator<Item = &'static AttributeColumn> {
    LATER_COLUMNS.iter().copied().flatten()
}

/// The fields under [`later_columns`].
pub(crate) fn later_fields(row: &ConnectionRow) -> impl Iterator<Item = String> {
    later_columns().map(|column| column.field(Some(&row.attributes)))
}

impl Row for ConnectionRow {
    fn header() -> Vec<&'static str> {
        let mut header = connection_header();
        header.extend(later_columns().map(|column| column.name));
        header
    }

    fn csv(&self) -> Vec<String> {
        let mut fields = connection_fields(self);
        fields.extend(later_fields(self));
        fields
    }
}

/// The columns of a connection without [`later_columns`].
pub(crate) fn connection_header() -> Vec<&'static str> {
    let mut header = vec!["account", "connection_arn", "region"];
    header.extend(FIRST_COLUMNS.iter().map(|column| column.name));
    header.extend([
        "first_seen_at",
        "status_since",
        "last_seen_at",
        "deleted_at",
        "version",
        "digest",
    ]);
    header
}

/// Returns the fields of [`connection_header`].
pub(crate) fn connection_fields(row: &ConnectionRow) -> Vec<String> {
    let mut fields = vec![
        row.account.to_string(),
        row.connection_arn.to_string(),
        row.region.clone(),
    ];
    let attributes = Some(&row.attributes);
    fields.extend(FIRST_COLUMNS.iter().map(|column| column.field(attributes)));
    fields.extend([
        row.first_seen_at.to_string(),
        row.status_since.to_string(),
        field(row.last_seen_at),
        field(row.deleted_at),
        row.version.to_string(),
        field(row.digest),
    ]);
    fields
}
