//! Completes names of tables and columns, keywords of SQL, and commands of the prompt.

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use crate::sql::Table;

/// The commands of the prompt, with what they do.
pub(super) const COMMANDS: [(&str, &str); 6] = [
    (".help", "Prints this text"),
    (".tables", "Lists the tables"),
    (
        ".schema [TABLE]",
        "Lists the columns of a table, or of all tables",
    ),
    (".reload", "Reads the tables again for the next statement"),
    (".quit", "Ends; Ctrl-D does, too"),
    (".exit", "Same as .quit"),
];

/// Keywords and functions of statements that read.
const KEYWORDS: [&str; 61] = [
    "all",
    "and",
    "as",
    "asc",
    "avg",
    "between",
    "by",
    "case",
    "cast",
    "coalesce",
    "count",
    "cross",
    "date",
    "datetime",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "filter",
    "from",
    "full",
    "glob",
    "group",
    "group_concat",
    "having",
    "iif",
    "in",
    "inner",
    "intersect",
    "is",
    "join",
    "json_each",
    "json_extract",
    "julianday",
    "left",
    "like",
    "limit",
    "max",
    "min",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "recursive",
    "select",
    "sum",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// Helps to type statements.
pub(super) struct SqlHelper;

/// Returns true if Enter ends this input: a command, a statement with its
/// semicolon, or nothing.
fn is_complete(input: &str) -> bool {
    let input = input.trim();
    input.is_empty() || input.starts_with('.') || input.ends_with(';')
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns where the word before the cursor begins, and what may stand there.
fn candidates(line: &str, cursor: usize) -> (usize, Vec<String>) {
    let before = line.get(..cursor).unwrap_or_default();
    if before.starts_with('.') {
        return of_command(before);
    }
    let start = before.trim_end_matches(is_part_of_word).len();
    let word = &before[start..];
    let table = before[..start].strip_suffix('.').and_then(|qualified| {
        let start = qualified.trim_end_matches(is_part_of_word).len();
        Table::named(&qualified[start..])
    });
    if let Some(table) = table {
        let columns = table.columns().into_iter().map(|column| column.name);
        return (start, beginning_with(word, columns));
    }
    let before_word = before[..start].trim_end().to_ascii_lowercase();
    if before_word.ends_with("from") || before_word.ends_with("join") {
        let names = Table::ALL.into_iter().map(Table::as_str);
        return (start, beginning_with(word, names));
    }
    let words = line.split(|c| !is_part_of_word(c));
    let mut named: Vec<Table> = words.filter_map(Table::named).collect();
    if named.is_empty() {
        named = Table::ALL.into();
    }
    let columns = named.into_iter().flat_map(Table::columns);
    let names = Table::ALL.into_iter().map(Table::as_str);
    let names = names.chain(columns.map(|column| column.name));
    let mut found = beginning_with(word, names);
    // Keywords are written as the word began.
    let is_upper = word.starts_with(char::is_uppercase);
    let keywords = beginning_with(word, KEYWORDS.into_iter()).into_iter();
    found.extend(keywords.map(|keyword| match is_upper {
        true => keyword.to_uppercase(),
        false => keyword,
    }));
    (start, found)
}

fn of_command(before: &str) -> (usize, Vec<String>) {
    if let Some((command, argument)) = before.split_once(' ') {
        let names = Table::ALL.into_iter().map(Table::as_str);
        let names = names.filter(|_| command == ".schema");
        let start = before.len() - argument.len();
        return (start, beginning_with(argument, names));
    }
    let names = COMMANDS.iter().map(|(usage, _)| *usage);
    let names = names.map(|usage| usage.split(' ').next().unwrap_or(usage));
    (0, beginning_with(before, names))
}

/// Returns the names that begin with a word, sorted; none for no word.
fn beginning_with(word: &str, names: impl Iterator<Item = &'static str>) -> Vec<String> {
    let begins = |name: &&str| {
        let start = name.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let mut found: Vec<String> = names.filter(begins).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

impl Completer for SqlHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(line, pos))
    }
}

impl Validator for SqlHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for SqlHelper {
    type Hint = String;
}

impl Highlighter for SqlHelper {}

impl Helper for SqlHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (usize, Vec<String>) {
        candidates(line, line.len())
    }

    #[test]
    fn words_complete_to_tables_columns_keywords_and_commands() {
        for (line, start, expected) in [
            ("select * from conn", 14, &["connections"][..]),
            ("select 1 FROM runs join\nh", 24, &["hosts"]),
            ("sel", 0, &["select"]),
            ("SEL", 0, &["SELECT"]),
            ("select connections.connection_n", 19, &["connection_name"]),
            ("select 1 from runs where outc", 25, &["outcome"]),
            ("select count(*) from RU", 21, &["runs"]),
            (".t", 0, &[".tables"]),
            (".schema ta", 8, &["tags"]),
            (".tables ta", 8, &[]),
            ("select nowhere.xyz", 15, &[]),
            ("select é", 7, &[]),
        ] {
            let expected = expected.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(of(line), (start, expected), "{line}");
        }
    }

    #[test]
    fn columns_are_those_of_the_tables_that_are_named() {
        let line = "select  from runs";
        let (_, names) = candidates(line, 7);
        assert!(names.contains(&"outcome".to_owned()), "{names:?}");
        assert!(!names.contains(&"host_arn".to_owned()), "{names:?}");
    }

    #[test]
    fn statements_end_with_a_semicolon() {
        for (input, complete) in [
            ("select 1;", true),
            ("select 1", false),
            ("select 1;\n ", true),
            (".help", true),
            ("", true),
        ] {
            assert_eq!(is_complete(input), complete, "{input:?}");
        }
    }
}
