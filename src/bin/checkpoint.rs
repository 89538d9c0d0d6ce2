//! The Lambda function that makes signed checkpoints.

use std::process::ExitCode;

use codeconnections_inventory::lambda::{checkpointing, function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    checkpointing::run(function::environment).await
}
