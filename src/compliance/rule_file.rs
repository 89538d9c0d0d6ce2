//! Rule files in TOML, checked to the last key. Errors name the line and what
//! is expected.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use toml::Spanned;

use super::kinds::Requirement;
use super::parameters::{
    Parameters, RuleFileError, Texts, parse_provider, parsed, parsed_set, require_entry,
    require_text,
};
use super::rule::{Control, Exception, Rule, Scope};
use crate::domain::ConnectionArn;
use crate::domain::arn::Arn;
use crate::domain::text::{cut, one_line};

/// Parses rules. Errors name `shown` as the file.
///
/// # Errors
/// What is wrong, in a line with the name of the file and the number of the line.
pub fn of_text(shown: &str, text: &str) -> Result<Vec<Rule>, String> {
    rules(text).map_err(|error| {
        let message = match error.at {
            Some(at) => format!("{shown}:{}: {}", line_of(text, at), error.problem),
            None => format!("{shown}: {}", error.problem),
        };
        cut(&one_line(&message), MAX_ERROR_BYTES).into_owned()
    })
}

/// Lines of a file can have any length, so errors that quote them are cut.
const MAX_ERROR_BYTES: usize = 1000;

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

/// A rule in the file, with the parameters of all kinds.
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
    allowed: Option<Texts>,
    pattern: Option<Spanned<String>>,
    required: Option<Texts>,
    scope: Option<Spanned<ScopeTable>>,
    #[serde(default)]
    except: Vec<Spanned<ExceptionTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeTable {
    accounts: Option<Texts>,
    regions: Option<Texts>,
    providers: Option<Texts>,
    names: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionTable {
    connection: Spanned<String>,
    reason: Spanned<String>,
}

/// The most rules of a file. The record of an evaluation has each of them, with the reason
/// why it could not be evaluated, and an item has at most 400 KB.
const MAX_RULES: usize = 250;

fn rules(text: &str) -> Result<Vec<Rule>, RuleFileError> {
    let file: File = toml::from_str(text).map_err(|error| parser_error(text, &error))?;
    if file.rule.is_empty() {
        return Err(RuleFileError {
            at: None,
            problem: "has no rules; expected at least one [[rule]]".to_owned(),
        });
    }
    let mut seen = BTreeSet::new();
    let mut rules = Vec::with_capacity(file.rule.len());
    for table in file.rule {
        let at = table.as_ref().id.span().start;
        if rules.len() == MAX_RULES {
            let problem = format!("more than {MAX_RULES} rules");
            return Err(RuleFileError::new(at, problem));
        }
        let rule = rule(table)?;
        if !seen.insert(rule.id.clone()) {
            let problem = format!("id {:?} is used by an earlier rule", rule.id.as_str());
            return Err(RuleFileError::new(at, problem));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// Converts an error of the parser. It does not always name the key, so the
/// line is quoted.
fn parser_error(text: &str, error: &toml::de::Error) -> RuleFileError {
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
    let table = table.into_inner();
    let mut parameters = Parameters {
        kind: table.kind,
        at,
        longer_than: table.longer_than,
        within: table.within,
        more_than: table.more_than,
        allowed: table.allowed,
        pattern: table.pattern,
        required: table.required,
    };
    let requirement = Requirement::from_file(&mut parameters)?;
    let kind = parameters.kind.as_ref();
    let scope_at = table.scope.as_ref().map_or(at, |scope| scope.span().start);
    let scope = match table.scope {
        Some(scope) => self::scope(scope.into_inner())?,
        None => Scope::default(),
    };
    let narrower = scope.regions.is_some() || scope.providers.is_some() || scope.names.is_some();
    if requirement.is_about_accounts() && narrower {
        let problem =
            format!("scope: kind {kind:?} is evaluated for accounts; expected only accounts");
        return Err(RuleFileError::new(scope_at, problem));
    }
    if requirement.is_about_accounts()
        && let Some(except) = table.except.first()
    {
        let problem = format!("except: kind {kind:?} is evaluated for accounts, not connections");
        return Err(RuleFileError::new(except.span().start, problem));
    }
    let about_dependencies = requirement.is_about_dependencies();
    let except = table.except.into_iter();
    let except = except.map(|except| exception(except, about_dependencies));
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

fn scope(table: ScopeTable) -> Result<Scope, RuleFileError> {
    Ok(Scope {
        accounts: maybe_set("accounts", table.accounts.as_ref(), str::parse)?,
        regions: maybe_set("regions", table.regions.as_ref(), str::parse)?,
        providers: maybe_set("providers", table.providers.as_ref(), parse_provider)?,
        names: match &table.names {
            Some(names) => Some(parsed("names", names)?),
            None => None,
        },
    })
}

/// Reads an exception. One of a rule about dependencies can name theirs, too.
fn exception(
    table: Spanned<ExceptionTable>,
    about_dependencies: bool,
) -> Result<Exception, RuleFileError> {
    let table = table.into_inner();
    let connection = table.connection.as_ref();
    let wrong = |problem: String| {
        let at = table.connection.span().start;
        RuleFileError::new(at, format!("connection: {problem}"))
    };
    require_text(connection, "a connection's ARN or name").map_err(wrong)?;
    // An ARN with a typing error would waive nothing.
    let is_other = about_dependencies && Arn::parse(connection).is_some();
    if connection.starts_with("arn:") && !is_other {
        let arn: Result<ConnectionArn, _> = connection.parse();
        arn.map_err(|malformed| wrong(malformed.to_string()))?;
    }
    let reason = require_text(table.reason.as_ref(), "why the rule is waived for it").map_err(
        |problem| RuleFileError::new(table.reason.span().start, format!("reason: {problem}")),
    )?;
    Ok(Exception {
        connection: connection.as_str().into(),
        reason,
    })
}

fn controls(given: &[Spanned<String>]) -> Result<Vec<Control>, RuleFileError> {
    given.iter().map(|text| parsed("controls", text)).collect()
}

fn maybe_set<T: Ord, E: fmt::Display>(
    key: &str,
    given: Option<&Texts>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<BTreeSet<T>>, RuleFileError> {
    let Some(given) = given else {
        return Ok(None);
    };
    require_entry(key, given)?;
    parsed_set(key, given, parse).map(Some)
}
