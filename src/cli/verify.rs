//! `verify`: whether the record is whole.

use std::sync::atomic::{AtomicU64, Ordering};

use super::args::VerifyArgs;
use super::output::{print, print_json, printable};
use super::store::Store;
use super::words::count;
use super::{CliError, Exit, asked, progress};
use crate::audit::verify::{Verification, verify};
use crate::domain::{Clock, Digest, SystemClock};

pub(super) async fn run(args: VerifyArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let now = SystemClock.now();
    let read = AtomicU64::new(0);
    let verifying = verify(store.table(), args.account.as_ref(), now, |records| {
        read.store(records, Ordering::Relaxed);
    });
    let found = progress::shown(verifying, || {
        format!("verifying: {} records read", read.load(Ordering::Relaxed))
    });
    let found = found.await.map_err(CliError::failure)?;
    if found.accounts.is_empty() && found.findings.is_empty() {
        let whose = match &args.account {
            Some(account) => format!(" of account {account}"),
            None => String::new(),
        };
        let others = asked::other_accounts(&store.audit(), args.account.as_ref()).await?;
        return Err(CliError::NoEvidence(format!(
            "nothing{whose} is recorded here: there is nothing to verify{others}"
        )));
    }
    let stray = args.head.filter(|head| !has_head(&found, *head));
    if args.json {
        print_json(&found)?;
    } else {
        print(&told(&found))?;
    }
    if let Some(head) = stray {
        return Err(CliError::Findings(format!(
            "no run has the digest {head}: the table is another one, or was cut off before that run"
        )));
    }
    if found.findings.is_empty() {
        Ok(Exit::Fine)
    } else {
        Ok(Exit::Findings)
    }
}

fn has_head(found: &Verification, head: Digest) -> bool {
    found
        .accounts
        .iter()
        .any(|account| account.digests.contains(&head))
}

fn told(found: &Verification) -> String {
    let mut text = String::new();
    for account in &found.accounts {
        let number = |n: u64, what: &str| count(usize::try_from(n).unwrap_or(usize::MAX), what);
        text.push_str(&format!(
            "account {}: {}, {}, {} checked\n",
            account.account,
            number(account.connections, "connection"),
            number(account.changes, "change"),
            number(account.runs, "run"),
        ));
        match account.head {
            Some(head) => text.push_str(&format!("  head {head}\n")),
            None => text.push_str("  no run is recorded, so there is no head\n"),
        }
    }
    for finding in &found.findings {
        let line = format!("{} {}: {}", finding.pk, finding.sk, finding.problem);
        text.push_str(&printable(&line));
        text.push('\n');
    }
    text.push_str(&match found.findings.len() {
        0 => "whole: every record is as it was written, and none is missing\n".to_owned(),
        n => format!("NOT WHOLE: {}\n", count(n, "finding")),
    });
    text
}
