//! The list of commands, with their help.

use clap::{Parser, Subcommand};

use super::aws::GlobalArgs;
use super::commands::changes::{ChangesArgs, HistoryArgs};
use super::commands::check::CheckArgs;
use super::commands::cost::CostArgs;
use super::commands::demo::DemoArgs;
use super::commands::diff::DiffArgs;
use super::commands::export::ExportArgs;
use super::commands::list::ListArgs;
use super::commands::report::ReportArgs;
use super::commands::runs::RunsArgs;
use super::commands::scan::ScanArgs;
use super::commands::shell::CompletionsArgs;
use super::commands::show::ShowArgs;
use super::commands::verify::VerifyArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  failure
  2  wrong usage; nothing was written
  3  findings: the record is not whole, or a rule is broken
  4  evidence is missing: nothing is recorded, or a run was not complete
  130  ended by Ctrl-C";

/// An inventory of AWS CodeConnections that can be believed.
#[derive(Debug, Parser)]
#[command(name = "ccinv", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    aws: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what it does, with no AWS at all
    #[command(after_help = "\
Examples:
  ccinv demo                 an account changes, run by run; what was recorded
  ccinv demo --dir /tmp/d    the same, and the database stays there
  ccinv demo --serve         and then keeps the account up, for the AWS CLI")]
    Demo(DemoArgs),
    /// Take one inventory now, with your AWS credentials
    #[command(after_help = "\
Examples:
  ccinv scan                                      your region, into a local file
  ccinv scan --regions us-east-1,eu-south-1
  ccinv scan --table codeconnections-inventory    into a deployed table
  ccinv scan --profile prod --region eu-west-1    as that profile, there
  ccinv scan --json | jq .changes

Ctrl-C ends the listing, or the writing if it has begun, and records what is known.
A second Ctrl-C ends the command at once.

Exit codes: 0 the run is COMPLETE, 4 it is PARTIAL, 1 it FAILED, 2 wrong usage, 130
it was ended by Ctrl-C.")]
    Scan(ScanArgs),
    /// List connections as they are, or as they were
    #[command(after_help = "\
Examples:
  ccinv list --status PENDING
  ccinv list --provider GitHub --in-region eu-west-1 --json
  ccinv list --include-deleted --format csv > connections.csv
  ccinv list --as-of 2026-10-31T23:59:59Z

Exit codes: 0 fine, 4 no complete run covers it: what is not listed may be there.")]
    List(ListArgs),
    /// Show one connection: what is known of it, and its time line
    #[command(after_help = "\
Examples:
  ccinv show payments-api
  ccinv show payments-api --since 90d
  ccinv show arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-… --json")]
    Show(ShowArgs),
    /// Show every recorded change of a connection
    #[command(after_help = "\
Examples:
  ccinv history payments-api
  ccinv history arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-…")]
    History(HistoryArgs),
    /// List what changed in a span of time
    #[command(after_help = "\
A change lies somewhere in the span that is shown; it is listed by the time at
which it was observed. A range that has been over for 16 minutes has the same
changes for ever.

Examples:
  ccinv changes                                   the last 30 days
  ccinv changes --since 2026-10-01 --until 2026-11-01
  ccinv changes --since 7d --kind STATUS_CHANGED --status ERROR --format jsonl

Exit codes: 0 fine, 4 no complete run looked in that span.")]
    Changes(ChangesArgs),
    /// Show what is different between two times
    #[command(after_help = "\
Examples:
  ccinv diff 2026-10-01 2026-11-01
  ccinv diff 7d
  ccinv diff 2026-10-01 now --provider GitHub --format csv

Exit codes: 0 fine, 4 no complete run covers one of the times.")]
    Diff(DiffArgs),
    /// List the runs, the last one first, or the times without
    #[command(after_help = "\
Examples:
  ccinv runs
  ccinv runs --since 7d --outcome PARTIAL
  ccinv runs --gaps --every 1h --since 2026-10-01
  ccinv runs --limit 5 --json")]
    Runs(RunsArgs),
    /// Write what is known of a period as one web page
    #[command(after_help = "\
The page is one file that loads nothing and needs no network: what was observed of
each connection and when nobody looked, every change and run, what compliance rules
came to at the period's end (those of `ccinv check`), and how to verify it.

Examples:
  ccinv report --out october.html --since 2026-10-01 --until 2026-11-01
  ccinv report --out report.html --since 7d --every 1h
  ccinv report --out report.html --rules rules.toml
  ccinv report --out - --account 123456789012 > report.html

Exit codes: 0 fine, also with findings; 4 no complete run covers an account; if it
covers none, nothing is written.")]
    Report(Box<ReportArgs>),
    /// Prove that the record is whole
    #[command(after_help = "\
Reads everything once, recomputes every digest and chain, and names each record
that was edited, removed or put in. The head of an account stands for all of it:
every run logs it. Give one that was logged as --head to see that the table was not
replaced, or cut off before that run.

Examples:
  ccinv verify
  ccinv verify --table codeconnections-inventory --account 123456789012
  ccinv verify --head 5f0c…   the digest that a run logged
  ccinv verify --heads heads.txt   those of many accounts, in one go

Exit codes: 0 it is whole, 3 it is not, 4 nothing is recorded.")]
    Verify(VerifyArgs),
    /// Judge the inventory by compliance rules
    #[command(after_help = "\
Rules come from --rules, from the options under Rules, or from both. Without any it
is judged by: --pending-longer-than 7d --in-error --not-seen-for 48h
--max-run-age 26h --no-unknown-values.

A rule that can't be judged is never a pass: it is INSUFFICIENT_DATA, with the reason. A
rule with findings is FAIL, and what of it could not be judged is told, too.

Examples:
  ccinv check
  ccinv check --pending-longer-than 7d --allow-provider GitHub,GitLab
  ccinv check --rules rules.toml --format junit > check.xml
  ccinv check --rules rules.toml --as-of 2026-10-31 --json
  ccinv check --print-sample-rules > rules.toml

Exit codes: 0 every rule is kept, 3 findings, 4 no findings, but not all was judged.")]
    Check(Box<CheckArgs>),
    /// Write the whole record out, for other tools
    #[command(after_help = "\
Writes as it reads, in order: connections by account and ARN, changes by account
and time, runs by account and number. With --format ocsf, each connection is a
Cloud Resources Inventory Info event (class 5023) of the Open Cybersecurity
Schema Framework.

Examples:
  ccinv export > connections.jsonl
  ccinv export --format ocsf > inventory.ocsf.jsonl
  ccinv export changes --format csv > changes.csv
  ccinv export runs --table codeconnections-inventory --account 123456789012

Exit codes: 0 fine, 4 nothing is recorded.")]
    Export(ExportArgs),
    /// Say what it costs on AWS, for your numbers and prices
    #[command(after_help = "\
Counts times prices: what a run sends and writes is counted, and the tests assert
the counts; the prices are a file, and how long a run takes is assumed. Nothing is
asked of AWS.

Examples:
  ccinv cost
  ccinv cost --accounts 100 --connections 20 --every 15m
  ccinv cost --accounts 1,100,10000
  ccinv cost --print-prices > prices.toml
  ccinv cost --prices prices.toml --free-tier --json

Exit codes: 0 fine, 2 wrong usage, or a price file that can't be used.")]
    Cost(CostArgs),
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  ccinv completions bash > /etc/bash_completion.d/ccinv
  ccinv completions zsh > \"${fpath[1]}/_ccinv\"
  ccinv completions fish > ~/.config/fish/completions/ccinv.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = "\
Examples:
  ccinv man | man -l -
  ccinv man > /usr/local/share/man/man1/ccinv.1")]
    Man,
}
