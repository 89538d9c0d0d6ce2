//! The code blocks of a documentation page, by heading: shell, Python and SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::test_env::{ACCOUNT, REGION};
use super::tools;

/// The language of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    Shell,
    Python,
    Sql,
}

/// A heading, and the language of the block under it.
pub type Name = (String, Language);

/// The blocks of a page.
pub struct Page {
    /// The setup block of each language.
    setup: BTreeMap<Language, String>,
    blocks: BTreeMap<Name, String>,
}

impl Page {
    /// Reads a page. The blocks under the heading `setup` precede the others. A heading has
    /// at most one block of each language, and none of another language.
    pub fn read(path: &str, setup: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(path).expect("a page");
        let mut blocks = BTreeMap::new();
        let (mut heading, mut block): (String, Option<(Language, String)>) = Default::default();
        for line in text.lines() {
            match (&mut block, line.strip_prefix("```")) {
                (Some(_), Some(end)) => {
                    assert_eq!(end, "", "an end of a block under {heading:?}");
                    let (language, code) = block.take().expect("a block");
                    let before = blocks.insert((heading.clone(), language), code);
                    assert_eq!(before, None, "one {language:?} under {heading:?}");
                }
                (Some((_, code)), None) => {
                    code.push_str(line);
                    code.push('\n');
                }
                (None, Some("sh")) => block = Some((Language::Shell, String::new())),
                (None, Some("python")) => block = Some((Language::Python, String::new())),
                (None, Some("sql")) => block = Some((Language::Sql, String::new())),
                (None, Some(other)) => panic!("{other:?} under {heading:?} can't be run"),
                (None, None) if line.starts_with('#') => {
                    heading = line.trim_start_matches('#').trim().to_owned();
                }
                (None, None) => {}
            }
        }
        assert_eq!(block, None, "the last block ends");
        let before = [Language::Shell, Language::Python].map(|language| {
            let code = blocks.remove(&(setup.to_owned(), language));
            (language, code.expect("a setup"))
        });
        Self {
            setup: before.into(),
            blocks,
        }
    }

    /// Returns every block except the setup.
    pub fn names(&self) -> BTreeSet<Name> {
        self.blocks.keys().cloned().collect()
    }
}

/// Runs the blocks of a page.
pub struct Reader<'a> {
    pub page: &'a Page,
    /// The endpoint of the table.
    pub endpoint: &'a str,
    /// Values for the variables of the setup. They replace those in its lines `NAME=value`
    /// (in Python `NAME = value`).
    pub variables: BTreeMap<&'static str, String>,
}

impl Reader<'_> {
    /// Runs a shell block. Returns its output: JSON, or an object made of lines with a name
    /// and a value.
    pub async fn shell(&self, heading: &str) -> Value {
        let code = &self.page.blocks[&(heading.to_owned(), Language::Shell)];
        let script = format!("set -eu\n{}{code}", self.setup(Language::Shell));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script);
        let printed = self.run(shell, heading, "").await;
        serde_json::from_str(&printed).unwrap_or_else(|_| {
            let words = printed.lines().map(|line| {
                let words = line.split_once(' ');
                let (name, value) = words.unwrap_or_else(|| panic!("{heading}: {printed}"));
                (name.to_owned(), json!(value))
            });
            Value::Object(words.collect())
        })
    }

    /// Returns a SQL block, with the values of `variables` instead of those that the
    /// setup of the shell has.
    pub fn sql(&self, heading: &str) -> String {
        let code = &self.page.blocks[&(heading.to_owned(), Language::Sql)];
        let mut values: Vec<(&str, &str)> = Vec::new();
        for line in self.page.setup[&Language::Shell].lines() {
            if let Some((name, value)) = line.split_once('=')
                && let Some(own) = self.variables.get(name)
            {
                values.push((value, own));
            }
        }
        // The longest first: an ARN has an account.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let mut code = code.clone();
        for (value, own) in values {
            for (before, after) in [("'", "'"), ("= ", "\n"), ("= ", " ")] {
                let own = format!("{before}{own}{after}");
                code = code.replace(&format!("{before}{value}{after}"), &own);
            }
        }
        code
    }

    /// Runs these Python blocks. Returns the result of each.
    pub async fn python<'b>(
        &self,
        headings: impl IntoIterator<Item = &'b str>,
    ) -> Map<String, Value> {
        let blocks: BTreeMap<&str, &String> = headings
            .into_iter()
            .map(|heading| {
                (
                    heading,
                    &self.page.blocks[&(heading.to_owned(), Language::Python)],
                )
            })
            .collect();
        let input = json!({"setup": self.setup(Language::Python), "blocks": blocks}).to_string();
        let mut python = Command::new(interpreter().await);
        python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/run_blocks.py"));
        let printed = self.run(python, "Python", &input).await;
        serde_json::from_str(&printed).expect("JSON")
    }

    /// Returns the setup with the values of `variables`. Asserts that it sets each of them
    /// once, and no other.
    fn setup(&self, language: Language) -> String {
        let mut unset: BTreeSet<&str> = self.variables.keys().copied().collect();
        let mut code = String::new();
        for line in self.page.setup[&language].lines() {
            let name = line.split(['=', ' ']).next().unwrap_or_default();
            let upper = |c: char| c.is_ascii_uppercase() || c == '_';
            if name.is_empty() || !name.chars().all(upper) {
                code.push_str(line);
            } else {
                let value = &self.variables[name];
                assert!(unset.remove(name), "{name} is set once");
                code.push_str(&match language {
                    Language::Shell => format!("{name}='{value}'"),
                    // A string stays a string.
                    Language::Python if line.contains('"') => format!("{name} = {value:?}"),
                    Language::Python => format!("{name} = {value}"),
                    Language::Sql => panic!("SQL has no variables"),
                });
            }
            code.push('\n');
        }
        assert_eq!(unset, BTreeSet::new(), "the page sets them in {language:?}");
        code
    }

    async fn run(&self, mut command: Command, what: &str, input: &str) -> String {
        let bin = interpreter().await;
        let bin = bin.parent().expect("a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
        let home = TempDir::new().expect("a folder");
        let mut child = command
            // No profile, proxy or certificates of the user.
            .env_clear()
            .env("PATH", path.expect("a path"))
            .env("HOME", home.path())
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_ENDPOINT_URL_DYNAMODB", self.endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONIOENCODING", "utf-8")
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("an input");
        stdin.write_all(input.as_bytes()).await.expect("it reads");
        drop(stdin);
        let output = tokio::time::timeout(Duration::from_secs(300), child.wait_with_output());
        let output = output
            .await
            .expect("it ends")
            .expect("it can be waited for");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // The exit code of a pipe hides failures of its first part, but standard error does not.
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{what}: {}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

async fn interpreter() -> PathBuf {
    let python = tokio::task::spawn_blocking(tools::python);
    python.await.expect("python")
}
