//! The Lambda function that inventories connections.

use std::process::ExitCode;

use codeconnections_inventory::domain::Connection;
use codeconnections_inventory::lambda::function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run::<Connection>(function::environment).await
}
