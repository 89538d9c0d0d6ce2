//! Logs: JSON lines where the function runs, plain text in a terminal.
//!
//! Only this crate's own lines are logged, at any level: the SDK's would hold
//! request and response bodies.
//!
//! In the function, the line that ends a run is logged at every level: the digest
//! in it is the head of the account's chain, kept outside the table.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The target of the line that ends a run.
pub const RUN_END: &str = concat!(env!("CARGO_CRATE_NAME"), "::run_end");

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line, as Lambda's own JSON format has them.
    Json,
    /// Text.
    Text,
}

/// Sets up logging from the environment: `LOG_LEVEL`, else
/// `AWS_LAMBDA_LOG_LEVEL`, else `info`; `AWS_LAMBDA_LOG_FORMAT` `Text` for
/// text, else JSON. The end of each run is logged at every level.
pub fn init_from(lookup: impl Fn(&str) -> Option<String>) {
    let level = lookup("LOG_LEVEL")
        .filter(|level| !level.trim().is_empty())
        .or_else(|| lookup("AWS_LAMBDA_LOG_LEVEL"));
    // An invalid level is reported with the other settings.
    let level = parse_level(level.as_deref().map(str::trim)).unwrap_or(LevelFilter::INFO);
    let format = match lookup("AWS_LAMBDA_LOG_FORMAT") {
        Some(format) if format.eq_ignore_ascii_case("text") => Format::Text,
        _ => Format::Json,
    };
    let run_ends = level.max(LevelFilter::INFO);
    set_up(own_lines(level).with_target(RUN_END, run_ends), format);
}

/// Sets up logging to standard output (JSON) or standard error (text). Does
/// nothing the second time.
pub fn init(level: LevelFilter, format: Format) {
    set_up(own_lines(level), format);
}

fn own_lines(level: LevelFilter) -> Targets {
    Targets::new().with_target(env!("CARGO_CRATE_NAME"), level)
}

fn set_up(lines: Targets, format: Format) {
    let registry = tracing_subscriber::registry().with(lines);
    let layer = tracing_subscriber::fmt::layer().with_target(false);
    // The second time is a test's; its lines go where the first ones go.
    let _ = match format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Text => registry
            .with(layer.compact().with_writer(std::io::stderr))
            .try_init(),
    };
}

/// Reads a log level; `info` if there is none.
///
/// # Errors
/// The problem, and a valid value.
pub fn parse_level(text: Option<&str>) -> Result<LevelFilter, String> {
    // Lambda's own word for the highest level.
    let word = match text {
        None => return Ok(LevelFilter::INFO),
        Some(text) if text.eq_ignore_ascii_case("fatal") => "error",
        Some(text) => text,
    };
    let named = ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(word));
    match word.parse() {
        Ok(level) if named => Ok(level),
        _ => Err(format!(
            "{word:?} is not one of off, error, warn, info, debug, trace"
        )),
    }
}
