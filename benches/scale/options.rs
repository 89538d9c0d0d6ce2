//! The options of the simulation.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::support::Result;

/// The simulated organization, and the latency and throttling of AWS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    pub accounts: usize,
    pub connections: usize,
    /// Accounts listed concurrently: `AccountsAtOnce`.
    pub at_once: usize,
    /// Lambda's concurrency quota of the account; 0 for unlimited.
    pub quota: usize,
    /// Concurrency that runs after API calls use all the time: the queue's
    /// `MaximumConcurrency`.
    pub calls: usize,
    /// Concurrent table requests of one run: `MaxConcurrency`.
    pub concurrency: usize,
    /// Minimum and maximum latency of a page of a listing, in milliseconds.
    pub listing_ms: (u64, u64),
    pub table_ms: (u64, u64),
    pub sts_ms: (u64, u64),
    /// Percentage of throttled requests.
    pub throttled: f64,
    /// Maximum listing requests per second of an account and region; 0 for unlimited.
    pub listing_rate: f64,
    /// Maximum write units per second of the table; 0 for unlimited.
    pub write_units: f64,
    /// Percentage of connections that change before the last run.
    pub changed: f64,
    /// Embedded databases, which share the accounts.
    pub shards: usize,
    /// The function's timeout in seconds.
    pub timeout_s: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: 100,
            connections: 250,
            // The template's default, for the quota of a new account.
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
            // The template's value in organization mode.
            timeout_s: 60,
        }
    }
}

pub const USAGE: &str = "\
cargo bench --bench scale -- [OPTIONS]

  --accounts N        accounts [100]
  --connections N     connections per account [250]
  --at-once N         concurrent accounts [8]
  --quota N           Lambda's concurrency quota of the account, 0 for unlimited [10]
  --calls N           of it, used by runs after API calls [2]
  --concurrency N     concurrent table requests of one run [4]
  --listing-ms A-B    latency of a page of a listing, milliseconds [20-60]
  --table-ms A-B      latency of a table request [3-7]
  --sts-ms A-B        latency of assuming a role [20-60]
  --throttled PERCENT throttled requests, at any rate [1]
  --listing-rate N    maximum listing requests per second of one account [unlimited]
  --write-units N     maximum write units per second of the table [unlimited]
  --changed PERCENT   connections that change before the last run [1]
  --shards N          embedded databases behind the table [4]
  --timeout-s N       timeout of a run in seconds [60]";

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
                _ => return Err(format!("{flag} is unknown\n\n{USAGE}").into()),
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
            return Err("counts must be greater than 0".into());
        }
        if options.quota > 0 && options.calls >= options.quota {
            return Err("--calls must be less than --quota".into());
        }
        Ok(options)
    }
}

fn number<T: FromStr>(flag: &str, text: &str) -> Result<T> {
    let number = text.parse();
    number.map_err(|_| format!("{flag}: {text:?} is not a valid number\n\n{USAGE}").into())
}

/// Parses `20-60`, or one number for both.
fn range(flag: &str, text: &str) -> Result<(u64, u64)> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let (least, most) = (number(flag, least)?, number(flag, most)?);
    if least > most {
        return Err(format!("{flag}: {text:?} has its minimum above its maximum").into());
    }
    Ok((least, most))
}
