//! The Lambda function that inventories what depends on connections.

use std::process::ExitCode;

use codeconnections_inventory::domain::Dependency;
use codeconnections_inventory::lambda::function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run::<Dependency>(function::environment).await
}
