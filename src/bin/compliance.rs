//! The Lambda function that evaluates rules after each run, and records findings.

use std::process::ExitCode;

use codeconnections_inventory::lambda::{evaluation, function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    evaluation::run(function::environment).await
}
