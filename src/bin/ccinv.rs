//! The command line: wiring only.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    codeconnections_inventory::cli::main().await
}
