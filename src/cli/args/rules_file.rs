//! Rule files: TOML, checked to the last key. A mistake is told with its line
//! and what would be right.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use super::parse_every;
use crate::aws::error::one_line;
use crate::cli::error::CliError;
use crate::compliance::requirement::{Pattern, Requirement, Span};
use crate::compliance::rule::{Control, Exception, Rule, Scope};
use crate::domain::ConnectionArn;
use crate::domain::text::cut;

/// Reads the rules of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Rule>, CliError> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| CliError::Usage(format!("--rules {shown}: {error}")))?;
    of_text(&shown.to_string(), &text).map_err(CliError::Usage)
}

/// Reads the rules of a text; a mistake is told as one of the file `shown`.
pub(crate) fn of_text(shown: &str, text: &str) -> Result<Vec<Rule>, String> {
    rules(text).map_err(|mistake| {
        let told = match mistake.at {
            Some(at) => format!("{shown}:{}: {}", line_of(text, at), mistake.problem),
            None => format!("{shown}: {}", mistake.problem),
        };
        cut(&one_line(&told), MISTAKE).into_owned()
    })
}

/// Bytes of a mistake that are told: lines of a file can have any length.
const MISTAKE: usize = 1000;

/// Something that is wrong in a file.
struct RuleFileError {
    /// The offset at which it stands; none if it is about the whole file.
    at: Option<usize>,
    problem: String,
}

impl RuleFileError {
    fn new(at: usize, problem: impl fmt::Display) -> Self {
        Self {
            at: Some(at),
            problem: problem.to_string(),
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<RuleTable>>,
}

/// A rule as it stands in the file: every parameter that some kind has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    id: Spanned<String>,
    kind: Spanned<String>,
    severity: Spanned<String>,
    title: Option<String>,
    remediation: Option<String>,
    #[serde(default)]
    controls: Vec<Spanned<String>>,
    longer_than: Option<Spanned<String>>,
    within: Option<Spanned<String>>,
    more_than: Option<Spanned<i64>>,
    allowed: Option<Spanned<Vec<Spanned<String>>>>,
    pattern: Option<Spanned<String>>,
    scope: Option<Spanned<ScopeTable>>,
    #[serde(default)]
    except: Vec<Spanned<ExceptionTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeTable {
    accounts: Option<Spanned<Vec<Spanned<String>>>>,
    regions: Option<Spanned<Vec<Spanned<String>>>>,
    providers: Option<Spanned<Vec<Spanned<String>>>>,
    names: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionTable {
    connection: Spanned<String>,
    reason: Spanned<String>,
}

fn rules(text: &str) -> Result<Vec<Rule>, RuleFileError> {
    let file: File = toml::from_str(text).map_err(|error| not_a_rule_file(text, &error))?;
    if file.rule.is_empty() {
        return Err(RuleFileError {
            at: None,
            problem: "has no rule; should have a [[rule]] or more".to_owned(),
        });
    }
    let mut seen = BTreeSet::new();
    let mut rules = Vec::with_capacity(file.rule.len());
    for table in file.rule {
        let at = table.as_ref().id.span().start;
        let rule = rule(table)?;
        if !seen.insert(rule.id.clone()) {
            let problem = format!(
                "id {:?} is that of an earlier rule; should be another one",
                rule.id.as_str()
            );
            return Err(RuleFileError::new(at, problem));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// The parser does not always name the key that it is about: its line does.
fn not_a_rule_file(text: &str, error: &toml::de::Error) -> RuleFileError {
    let at = error.span().map(|span| span.start);
    let line = at.and_then(|at| text.lines().nth(line_of(text, at) - 1));
    let message = error.message();
    RuleFileError {
        at,
        problem: match line.map(str::trim) {
            Some(line) if !line.is_empty() => format!("{message}, in: {line}"),
            _ => message.to_owned(),
        },
    }
}

fn rule(table: Spanned<RuleTable>) -> Result<Rule, RuleFileError> {
    let at = table.span().start;
    let mut table = table.into_inner();
    let requirement = requirement(&mut table, at)?;
    let scope_at = table.scope.as_ref().map_or(at, |scope| scope.span().start);
    let scope = match table.scope.take() {
        Some(scope) => self::scope(scope.into_inner())?,
        None => Scope::default(),
    };
    let narrower = scope.regions.is_some() || scope.providers.is_some() || scope.names.is_some();
    if requirement.is_about_accounts() && narrower {
        let kind = table.kind.as_ref();
        let problem = format!("scope: kind {kind:?} is about accounts; should have accounts alone");
        return Err(RuleFileError::new(scope_at, problem));
    }
    if requirement.is_about_accounts()
        && let Some(except) = table.except.first()
    {
        let kind = table.kind.as_ref();
        let problem = format!("except: kind {kind:?} is about accounts, not connections");
        return Err(RuleFileError::new(except.span().start, problem));
    }
    let except = table.except.into_iter().map(exception);
    Ok(Rule {
        id: parsed("id", &table.id)?,
        severity: parsed("severity", &table.severity)?,
        title: table.title.unwrap_or_else(|| requirement.to_string()),
        controls: controls(&table.controls)?,
        remediation: table.remediation,
        scope,
        except: except.collect::<Result<_, _>>()?,
        requirement,
    })
}

fn requirement(table: &mut RuleTable, at: usize) -> Result<Requirement, RuleFileError> {
    let kind = table.kind.as_ref().clone();
    let mut parameters = Parameters {
        kind: &kind,
        at,
        table,
    };
    let requirement = match kind.as_str() {
        "pending" => Requirement::Pending {
            longer_than: parameters.longer_than()?,
        },
        "error" => Requirement::Error {
            longer_than: match parameters.table.longer_than {
                Some(_) => Some(parameters.longer_than()?),
                None => None,
            },
        },
        "provider" => Requirement::Provider {
            allowed: parameters.words(crate::cli::args::parse_provider)?,
        },
        "host" => Requirement::Host {
            allowed: parameters.maybe_no_words(|text| some(text, "a host's ARN"))?,
        },
        "endpoint" => Requirement::Endpoint {
            allowed: parameters.maybe_no_words(|text| some(text, "a provider's endpoint"))?,
        },
        "owner" => Requirement::Owner {
            allowed: parameters.words(|text| some(text, "an owner as the service calls it"))?,
        },
        "account" => Requirement::Account {
            allowed: parameters.words(str::parse)?,
        },
        "name" => Requirement::Name {
            pattern: parameters.pattern()?,
        },
        "not-seen" => Requirement::NotSeen {
            longer_than: parameters.longer_than()?,
        },
        "no-complete-run" => Requirement::NoCompleteRun {
            longer_than: parameters.longer_than()?,
        },
        "deleted" => Requirement::Deleted {
            within: parameters.within()?,
        },
        "status-changes" => Requirement::StatusChanges {
            more_than: parameters.more_than()?,
            within: parameters.within()?,
        },
        "shared" => Requirement::Shared,
        "unknown-value" => Requirement::UnknownValue,
        other => {
            let kinds = Requirement::KINDS.join(", ");
            let problem = format!("kind: {other:?} is none; should be one of {kinds}");
            return Err(RuleFileError::new(
                parameters.table.kind.span().start,
                problem,
            ));
        }
    };
    parameters.none_left()?;
    Ok(requirement)
}

/// The parameters of a rule's kind, each taken once.
struct Parameters<'a> {
    kind: &'a str,
    at: usize,
    table: &'a mut RuleTable,
}

impl Parameters<'_> {
    fn missing(&self, key: &str, example: &str) -> RuleFileError {
        let problem = format!(
            "kind {:?} needs {key}; should have one such as {example}",
            self.kind
        );
        RuleFileError::new(self.at, problem)
    }

    fn longer_than(&mut self) -> Result<Span, RuleFileError> {
        let given = self.table.longer_than.take();
        let given = given.ok_or_else(|| self.missing("longer_than", "longer_than = \"7d\""))?;
        span("longer_than", &given)
    }

    fn within(&mut self) -> Result<Span, RuleFileError> {
        let given = self.table.within.take();
        let given = given.ok_or_else(|| self.missing("within", "within = \"7d\""))?;
        span("within", &given)
    }

    fn more_than(&mut self) -> Result<u32, RuleFileError> {
        let given = self.table.more_than.take();
        let given = given.ok_or_else(|| self.missing("more_than", "more_than = 3"))?;
        u32::try_from(*given.as_ref()).map_err(|_| {
            let problem = format!(
                "more_than: {} is not a number of changes such as 3",
                given.as_ref()
            );
            RuleFileError::new(given.span().start, problem)
        })
    }

    fn pattern(&mut self) -> Result<Pattern, RuleFileError> {
        let given = self.table.pattern.take();
        let given = given.ok_or_else(|| self.missing("pattern", "pattern = \"team-[a-z]+\""))?;
        parsed("pattern", &given)
    }

    fn words<T: Ord, E: fmt::Display>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, RuleFileError> {
        let given = self.allowed()?;
        not_empty("allowed", &given)?;
        set("allowed", &given, parse)
    }

    /// None allowed is a demand, too.
    fn maybe_no_words<T: Ord, E: fmt::Display>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, RuleFileError> {
        set("allowed", &self.allowed()?, parse)
    }

    fn allowed(&mut self) -> Result<Spanned<Vec<Spanned<String>>>, RuleFileError> {
        let given = self.table.allowed.take();
        given.ok_or_else(|| self.missing("allowed", "allowed = [\"…\"]"))
    }

    /// What this kind does not have must not look as if it did something.
    fn none_left(&self) -> Result<(), RuleFileError> {
        let table = &*self.table;
        let left = [
            ("longer_than", table.longer_than.as_ref().map(Spanned::span)),
            ("within", table.within.as_ref().map(Spanned::span)),
            ("more_than", table.more_than.as_ref().map(Spanned::span)),
            ("allowed", table.allowed.as_ref().map(Spanned::span)),
            ("pattern", table.pattern.as_ref().map(Spanned::span)),
        ];
        for (key, span) in left {
            if let Some(span) = span {
                let problem = format!("kind {:?} has no {key}; should be without", self.kind);
                return Err(RuleFileError::new(span.start, problem));
            }
        }
        Ok(())
    }
}

fn scope(table: ScopeTable) -> Result<Scope, RuleFileError> {
    Ok(Scope {
        accounts: maybe_set("accounts", table.accounts.as_ref(), str::parse)?,
        regions: maybe_set("regions", table.regions.as_ref(), str::parse)?,
        providers: maybe_set(
            "providers",
            table.providers.as_ref(),
            crate::cli::args::parse_provider,
        )?,
        names: match &table.names {
            Some(names) => Some(parsed("names", names)?),
            None => None,
        },
    })
}

fn exception(table: Spanned<ExceptionTable>) -> Result<Exception, RuleFileError> {
    let table = table.into_inner();
    let connection = table.connection.as_ref();
    let wrong = |problem: String| {
        let at = table.connection.span().start;
        RuleFileError::new(at, format!("connection: {problem}"))
    };
    some(connection, "a connection's ARN or name").map_err(wrong)?;
    // One with a slip in it would except nothing.
    if connection.starts_with("arn:") {
        let arn: Result<ConnectionArn, _> = connection.parse();
        arn.map_err(|malformed| wrong(malformed.to_string()))?;
    }
    let reason = some(table.reason.as_ref(), "why it may break the rule").map_err(|problem| {
        RuleFileError::new(table.reason.span().start, format!("reason: {problem}"))
    })?;
    Ok(Exception {
        connection: connection.as_str().into(),
        reason,
    })
}

/// A text that says something.
fn some(text: &str, what: &str) -> Result<Box<str>, String> {
    if text.trim().is_empty() {
        return Err(format!("is empty; should be {what}"));
    }
    Ok(text.into())
}

fn span(key: &str, given: &Spanned<String>) -> Result<Span, RuleFileError> {
    let problem = |problem| RuleFileError::new(given.span().start, format!("{key}: {problem}"));
    let millis = parse_every(given.as_ref()).map_err(problem)?;
    Span::from_millis(millis).ok_or_else(|| problem("is no time".to_owned()))
}

fn parsed<T: FromStr<Err: fmt::Display>>(
    key: &str,
    given: &Spanned<String>,
) -> Result<T, RuleFileError> {
    let parsed = given.as_ref().parse();
    parsed.map_err(|error| RuleFileError::new(given.span().start, format!("{key}: {error}")))
}

fn controls(given: &[Spanned<String>]) -> Result<Vec<Control>, RuleFileError> {
    given.iter().map(|text| parsed("controls", text)).collect()
}

fn maybe_set<T: Ord, E: fmt::Display>(
    key: &str,
    given: Option<&Spanned<Vec<Spanned<String>>>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<BTreeSet<T>>, RuleFileError> {
    let Some(given) = given else {
        return Ok(None);
    };
    not_empty(key, given)?;
    set(key, given, parse).map(Some)
}

/// An empty list is a slip: nothing would be allowed, or meant.
fn not_empty(key: &str, given: &Spanned<Vec<Spanned<String>>>) -> Result<(), RuleFileError> {
    if given.as_ref().is_empty() {
        let problem = format!("{key}: is empty; should have something on it");
        return Err(RuleFileError::new(given.span().start, problem));
    }
    Ok(())
}

fn set<T: Ord, E: fmt::Display>(
    key: &str,
    given: &Spanned<Vec<Spanned<String>>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<BTreeSet<T>, RuleFileError> {
    let entry = |text: &Spanned<String>| {
        let parsed = parse(text.as_ref());
        parsed.map_err(|error| RuleFileError::new(text.span().start, format!("{key}: {error}")))
    };
    given.as_ref().iter().map(entry).collect()
}
