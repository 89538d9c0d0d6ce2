//! The prompt of `sql`: statements and commands, line by line.

use std::path::{Path, PathBuf};

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};

use super::sql_completion::{COMMANDS, SqlHelper};
use super::sql_interrupt::Interrupt;
use super::sql_session::Session;
use crate::cli::error::{CliError, Exit, environment, say};
use crate::cli::progress;
use crate::cli::render::text_table::{Cut, TextTable};
use crate::cli::render::{TableArgs, print, print_table};
use crate::cli::suggestions;
use crate::sql::Table;

const PROMPT: &str = "ccinv> ";

const GREETING: &str = "\
A statement ends with a semicolon. .help lists the commands; Ctrl-D ends.
";

/// The most entries of the history.
const MAX_HISTORY: usize = 1_000;

type Prompt = Editor<SqlHelper, DefaultHistory>;

/// Reads and answers statements until the end of input. What fails is said, and the
/// prompt goes on.
///
/// # Errors
/// [`CliError`] if the inventory can't be opened, or the terminal fails.
pub(super) async fn run(mut session: Session<'_>) -> Result<Exit, CliError> {
    // An inventory that can't be opened ends the command before the prompt.
    session.open().await?;
    let mut prompt = prompt().map_err(CliError::failure)?;
    let interrupt = Interrupt::listen().map_err(CliError::failure)?;
    session.end_statements_if(interrupt.is_pressed());
    let history = History::load(&mut prompt);
    print(GREETING)?;
    loop {
        interrupt.reset();
        let input = match prompt.readline(PROMPT) {
            Ok(input) => input,
            // The input so far is dropped, as in shells.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(Exit::Success),
            Err(error) => return Err(CliError::failure(error)),
        };
        history.save(&mut prompt);
        let input = input.trim();
        let answered = match input.strip_prefix('.') {
            None if input.is_empty() => Ok(()),
            None => {
                progress::begin_reads();
                interrupt.or_ended(session.answer(input)).await
            }
            Some(command) => match obey(command, &mut session) {
                Ok(Next::Prompt) => Ok(()),
                Ok(Next::End) => return Ok(Exit::Success),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = answered {
            say(&error.to_string());
        }
    }
}

/// What follows a command.
enum Next {
    Prompt,
    End,
}

/// Obeys a command, which is given without its dot.
fn obey(command: &str, session: &mut Session<'_>) -> Result<Next, CliError> {
    let mut words = command.trim_end_matches(';').split_whitespace();
    let (name, argument) = (words.next().unwrap_or_default(), words.next());
    match (name, argument) {
        ("quit" | "exit", None) => return Ok(Next::End),
        ("help", None) => help()?,
        ("tables", None) => tables()?,
        ("schema", None) => columns(&Table::ALL)?,
        ("schema", Some(name)) => columns(&[named(name)?])?,
        ("reload", None) => session.reload(),
        ("quit" | "exit" | "help" | "tables" | "reload", Some(_)) => {
            return Err(CliError::Usage(format!(".{name} takes no argument")));
        }
        _ => {
            let names = COMMANDS.map(|(usage, _)| usage.split(' ').next().unwrap_or(usage));
            let hint = suggestions::hint_of(&format!(".{name}"), &names);
            return Err(CliError::Usage(format!("unknown command .{name}{hint}")));
        }
    }
    Ok(Next::Prompt)
}

fn named(name: &str) -> Result<Table, CliError> {
    Table::named(name).ok_or_else(|| {
        let hint = suggestions::hint_of(name, &Table::ALL.map(Table::as_str));
        CliError::Usage(format!("no such table: {name}{hint}"))
    })
}

fn help() -> Result<(), CliError> {
    let mut table = TextTable::new([("COMMAND", Cut::Never), ("MEANING", Cut::End)]);
    for (usage, meaning) in COMMANDS {
        table.add([usage.to_owned().into(), meaning.to_owned().into()], vec![]);
    }
    show(&table)?;
    print(
        "\nA statement ends with a semicolon. Tab completes names, Ctrl-R searches the history, \
     Ctrl-C ends a statement.\n",
    )
}

fn tables() -> Result<(), CliError> {
    let mut table = TextTable::new([("TABLE", Cut::Never), ("ROWS", Cut::End)]);
    for it in Table::ALL {
        let cells = [
            it.as_str().to_owned().into(),
            it.meaning().to_owned().into(),
        ];
        table.add(cells, vec![]);
    }
    show(&table)
}

fn columns(tables: &[Table]) -> Result<(), CliError> {
    let mut table = TextTable::new([
        ("TABLE", Cut::Never),
        ("COLUMN", Cut::Never),
        ("TYPE", Cut::Never),
        ("MEANING", Cut::End),
    ]);
    for of in tables {
        for column in of.columns() {
            let cells = [
                of.as_str(),
                column.name,
                column.column_type.as_str(),
                column.meaning,
            ];
            table.add(cells.map(|text| text.to_owned().into()), vec![]);
        }
    }
    show(&table)
}

fn show(table: &TextTable) -> Result<(), CliError> {
    print_table(table, TableArgs::default().width())
}

fn prompt() -> rustyline::Result<Prompt> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(MAX_HISTORY)?
        .history_ignore_space(true)
        .auto_add_history(true)
        .build();
    let mut prompt = Editor::with_config(config)?;
    prompt.set_helper(Some(SqlHelper));
    Ok(prompt)
}

/// The file of earlier statements; none if no folder is known for it.
struct History(Option<PathBuf>);

impl History {
    /// Loads the history, if there is one.
    fn load(prompt: &mut Prompt) -> Self {
        let path = path(environment);
        if let Some(path) = path.as_deref().filter(|path| path.exists())
            && let Err(error) = prompt.load_history(path)
        {
            Self::warn(path, "read", &error);
            // A file that is no history stays as it is.
            return Self(None);
        }
        Self(path)
    }

    /// Adds what was typed since. A file that can't be written costs the history only.
    fn save(&self, prompt: &mut Prompt) {
        let Some(path) = &self.0 else { return };
        let made = path.parent().map_or(Ok(()), folder);
        let saved = made.map_err(ReadlineError::from);
        if let Err(error) = saved.and_then(|()| prompt.append_history(path)) {
            Self::warn(path, "written", &error);
        }
    }

    fn warn(path: &Path, verb: &str, error: &ReadlineError) {
        let path = path.display();
        say(&format!(
            "warning: {path}: the history can't be {verb}: {error}"
        ));
    }
}

/// Makes a folder that only its owner can read.
fn folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Returns the file of the history: `ccinv/sql_history` in `XDG_STATE_HOME`, else in
/// `~/.local/state`. A relative `XDG_STATE_HOME` counts as unset
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
fn path(environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = environment(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let home = || absolute("HOME").or_else(|| absolute("USERPROFILE"));
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(home()?.join(".local/state")));
    Some(state?.join("ccinv").join("sql_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_in_the_state_folder() {
        for (variables, expected) in [
            (
                &[("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")][..],
                Some("/state/ccinv/sql_history"),
            ),
            (
                &[("XDG_STATE_HOME", "state"), ("HOME", "/home/a")],
                Some("/home/a/.local/state/ccinv/sql_history"),
            ),
            (
                &[("XDG_STATE_HOME", ""), ("HOME", "/home/a")],
                Some("/home/a/.local/state/ccinv/sql_history"),
            ),
            (&[], None),
        ] {
            let lookup = |name: &str| {
                let mut found = variables.iter().filter(|(known, _)| *known == name);
                found.next().map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(path(lookup), expected.map(PathBuf::from), "{variables:?}");
        }
    }
}
