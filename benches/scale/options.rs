//! What is simulated.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::support::Result;

/// How many accounts, how far away, and how patient what they ask is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    pub accounts: usize,
    pub connections: usize,
    /// Accounts that are listed at the same time: `AccountsAtOnce`.
    pub at_once: usize,
    /// Runs of functions at the same time that Lambda allows the account; 0 for
    /// any.
    pub quota: usize,
    /// Those of the quota that runs after calls on connections hold all the time:
    /// the queue's `MaximumConcurrency`.
    pub calls: usize,
    /// Table requests of one run at the same time: `MaxConcurrency`.
    pub concurrency: usize,
    /// Milliseconds that a page of a listing takes, at least and at most.
    pub listing_ms: (u64, u64),
    pub table_ms: (u64, u64),
    pub sts_ms: (u64, u64),
    /// Percent of all requests that are refused as throttled.
    pub throttled: f64,
    /// Listing requests a second that an account and region allows; 0 for any.
    pub listing_rate: f64,
    /// Write units a second that the table allows; 0 for any.
    pub write_units: f64,
    /// Percent of the connections that change before the last run.
    pub changed: f64,
    /// Embedded databases that the accounts are spread over.
    pub shards: usize,
    /// Seconds that a run may take: the function's timeout.
    pub timeout_s: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: 100,
            connections: 250,
            // The template's, in an account with the quota of a new one.
            at_once: 8,
            quota: 10,
            calls: 2,
            concurrency: 4,
            listing_ms: (20, 60),
            table_ms: (3, 7),
            sts_ms: (20, 60),
            throttled: 1.0,
            listing_rate: 0.0,
            write_units: 0.0,
            changed: 1.0,
            shards: 4,
            // The template's, in organization mode.
            timeout_s: 60,
        }
    }
}

pub const USAGE: &str = "\
cargo bench --bench scale -- [OPTIONS]

  --accounts N        accounts [100]
  --connections N     connections of each [250]
  --at-once N         accounts at the same time [8]
  --quota N           Lambda's concurrency quota of the account, 0 for any [10]
  --calls N           of it, held by runs after calls on connections [2]
  --concurrency N     table requests of one run at the same time [4]
  --listing-ms A-B    a page of a listing takes from A to B milliseconds [20-60]
  --table-ms A-B      a request to the table [3-7]
  --sts-ms A-B        assuming a role [20-60]
  --throttled PERCENT requests refused as throttled, whatever the rate [1]
  --listing-rate N    listing requests a second that one account allows [any]
  --write-units N     write units a second that the table allows [any]
  --changed PERCENT   connections that change before the last run [1]
  --shards N          embedded databases behind the table [4]
  --timeout-s N       seconds that a run may take [60]";

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{flag} needs a value\n\n{USAGE}"))?;
            match *flag {
                "--accounts" => options.accounts = number(flag, value)?,
                "--connections" => options.connections = number(flag, value)?,
                "--at-once" => options.at_once = number(flag, value)?,
                "--quota" => options.quota = number(flag, value)?,
                "--calls" => options.calls = number(flag, value)?,
                "--concurrency" => options.concurrency = number(flag, value)?,
                "--listing-ms" => options.listing_ms = range(flag, value)?,
                "--table-ms" => options.table_ms = range(flag, value)?,
                "--sts-ms" => options.sts_ms = range(flag, value)?,
                "--throttled" => options.throttled = number(flag, value)?,
                "--listing-rate" => options.listing_rate = number(flag, value)?,
                "--write-units" => options.write_units = number(flag, value)?,
                "--changed" => options.changed = number(flag, value)?,
                "--shards" => options.shards = number(flag, value)?,
                "--timeout-s" => options.timeout_s = number(flag, value)?,
                _ => return Err(format!("{flag} is not known\n\n{USAGE}").into()),
            }
        }
        let counts = [
            options.accounts,
            options.connections,
            options.at_once,
            options.concurrency,
            options.shards,
        ];
        if counts.contains(&0) {
            return Err("none at all can't be simulated".into());
        }
        if options.quota > 0 && options.calls >= options.quota {
            return Err("--calls leaves nothing of the --quota".into());
        }
        Ok(options)
    }
}

fn number<T: FromStr>(flag: &str, text: &str) -> Result<T> {
    let number = text.parse();
    number.map_err(|_| format!("{flag}: {text:?} is not such a number\n\n{USAGE}").into())
}

/// `20-60`, or one number for both.
fn range(flag: &str, text: &str) -> Result<(u64, u64)> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let (least, most) = (number(flag, least)?, number(flag, most)?);
    if least > most {
        return Err(format!("{flag}: {text:?} ends before it begins").into());
    }
    Ok((least, most))
}
