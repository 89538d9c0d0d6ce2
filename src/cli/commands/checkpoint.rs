//! `checkpoint`: makes a signed checkpoint.

use clap::Args as ClapArgs;

use crate::checkpoint::CheckpointError;
use crate::checkpoint::make::{self, Made};
use crate::cli::args::StoreArgs;
use crate::cli::args::checkpoints::{Location, SigningKey, parse_location, parse_signing_key};
use crate::cli::error::{CliError, Exit, say};
use crate::cli::progress;
use crate::cli::render::{print, print_json};
use crate::cli::store::Store;
use crate::domain::{Clock, SystemClock};
use crate::output::text::count;

/// Sign what is recorded, and store the checkpoint elsewhere
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A checkpoint states the number of runs and the head of every account, is signed, and \
refers to the checkpoint before. If the table is altered later, even with all \
digests recomputed, `ccinv verify --checkpoints` shows what was altered and when. \
Deployed with Checkpoints=on, a function makes one every day.

A checkpoint is an in-toto statement in a DSSE envelope, signed with ECDSA P-256 \
(AWS KMS or a file) or Ed25519 (a file).

Examples:
  openssl genpkey -algorithm ed25519 -out key.pem
  ccinv checkpoint --to checkpoints/ --key key.pem
  ccinv checkpoint --to s3://evidence/inventory --key alias/checkpoints \\
      --table codeconnections-inventory

Exit codes: 0 made; 3 made, and the table lacks what the one before states; 4 nothing \
is recorded.")]
pub(crate) struct CheckpointArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Store it in this directory or bucket: DIR or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE", value_parser = parse_location)]
    to: Location,
    /// Sign with this private key: a PEM file, an ARN of AWS KMS or alias/NAME
    #[arg(long, value_name = "KEY", value_parser = parse_signing_key)]
    key: SigningKey,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: CheckpointArgs) -> Result<Exit, CliError> {
    let aws = &args.store.aws;
    let signer = args.key.open("--key", aws).await?;
    let place = args.to.open("--to", aws).await?;
    let store = Store::open(&args.store).await?;
    let making = make::make(store.table(), &place, &signer, SystemClock.now());
    let made = progress::shown(making, || "reading runs".to_owned()).await;
    let made = made.map_err(|error| match error {
        CheckpointError::NothingRecorded => CliError::NoEvidence(error.to_string()),
        error => CliError::failure(error),
    })?;
    if args.json {
        print_json(&made)?;
    } else {
        print(&describe(&made))?;
    }
    for problem in &made.checkpoint.problems {
        say(problem);
    }
    Ok(match made.checkpoint.problems.is_empty() {
        true => Exit::Success,
        false => Exit::Findings,
    })
}

fn describe(made: &Made) -> String {
    let checkpoint = &made.checkpoint;
    let chains = usize::try_from(checkpoint.chains).unwrap_or(usize::MAX);
    format!(
        "checkpoint {} of {}\n  root {}\n  stored as {}\n",
        checkpoint.number,
        count(chains, "chain of runs"),
        checkpoint.root_hash,
        made.stored,
    )
}
