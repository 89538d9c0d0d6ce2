//! Chains: runs and changes that refer to the one before, and the snapshots
//! that they left.

use super::findings::{CLOCKS_DIFFER_BY, Findings, change_key, run_key, snapshot_key};
use super::records::{Account, Chain, SnapshotRead};
use crate::domain::{AccountId, ChangeKind, ConnectionArn, Digest, Presence, Snapshot, Timestamp};

type Key = (String, String);

/// A record of a chain: its number, and how it is linked.
struct Numbered {
    number: u64,
    digest: Digest,
    previous_digest: Option<Digest>,
}

/// Goes along a chain, sorted by number.
fn walk(chain: impl Iterator<Item = Numbered>, key: impl Fn(u64) -> Key, findings: &mut Findings) {
    let mut expected = 1;
    // What the next one has to refer to; nothing if that can't be told.
    let mut before = Some(None);
    for link in chain {
        let number = link.number;
        let edited = findings.names(&key(number));
        if number > expected {
            let told = (expected..number).all(|missing| findings.names(&key(missing)));
            if !told {
                let problem = format!(
                    "records {expected} to {} before it were removed",
                    number - 1
                );
                findings.add(key(number), problem);
            }
        } else if !edited && before.is_some_and(|before| before != link.previous_digest) {
            findings.add(key(number), "refers to another one than the one before it");
        }
        before = (!edited).then_some(Some(link.digest));
        expected = number + 1;
    }
}

impl Account {
    /// All checks of one account. It is sorted.
    pub(super) fn verify(&self, id: &AccountId, now: Timestamp, findings: &mut Findings) {
        let runs = self.runs.iter().map(|run| Numbered {
            number: run.this.sequence,
            digest: run.digest,
            previous_digest: run.previous_digest,
        });
        walk(runs, |number| run_key(id, number), findings);
        for arn in self.arns() {
            self.verify_connection(id, arn, now, findings);
        }
        self.verify_record(id, findings);
        self.verify_runs(id, findings);
    }

    fn verify_connection(
        &self,
        id: &AccountId,
        arn: &ConnectionArn,
        now: Timestamp,
        findings: &mut Findings,
    ) {
        let key = snapshot_key(id, arn);
        let Some(chain) = self.chains.get(arn) else {
            return findings.add(key, "its changes were removed");
        };
        let links = chain.links.iter().map(|link| Numbered {
            number: u64::from(link.version),
            digest: link.digest,
            previous_digest: link.previous_digest,
        });
        walk(links, |version| change_key(id, arn, version), findings);
        let Some(read) = self.snapshots.get(arn) else {
            if !findings.names(&key) {
                findings.add(key, "was removed: it has changes");
            }
            return;
        };
        if findings.names(&key) {
            return;
        }
        let last = chain.links.last().map_or(0, |link| u64::from(link.version));
        let version = u64::from(read.snapshot.version);
        if version > last {
            let next = change_key(id, arn, last + 1);
            if !findings.names(&next) {
                let problem = format!("was removed: the snapshot knows change {version}");
                findings.add(next, problem);
            }
        } else if version < last {
            let problem = "was put in, or the snapshot was set back";
            findings.add(change_key(id, arn, last), problem);
        } else {
            let edited = |version: u32| findings.names(&change_key(id, arn, version.into()));
            if let Some(field) = departs(read, chain, edited) {
                let problem = format!("was edited: its {field} is not what its last change left");
                findings.add(key, problem);
            } else if let Some(problem) = is_impossible(&read.snapshot, now) {
                findings.add(key, problem);
            }
        }
    }

    /// Every connection of which anything is there, sorted.
    pub(super) fn arns(&self) -> Vec<&ConnectionArn> {
        let mut arns: Vec<_> = self.chains.keys().chain(self.snapshots.keys()).collect();
        arns.sort_unstable();
        arns.dedup();
        arns
    }
}

/// What of a snapshot is not what its changes left, if anything is not. What
/// an edited change says is not held against it.
fn departs(
    SnapshotRead { snapshot, format }: &SnapshotRead,
    chain: &Chain,
    edited: impl Fn(u32) -> bool,
) -> Option<&'static str> {
    let (first, last) = (chain.links.first()?, chain.last.as_ref()?);
    let link = chain.links.last()?;
    let mut links = chain.links.iter().rev();
    let since = links.find(|link| link.kind.starts_status());
    if !chain.links.iter().any(|link| edited(link.version))
        && since.is_some_and(|since| snapshot.status_since != since.observed_at)
    {
        return Some("status_since");
    }
    if first.version == 1 && !edited(1) && snapshot.first_seen_at != first.observed_at {
        return Some("first_seen_at");
    }
    if edited(last.version) {
        return None;
    }
    let told = last.after.as_ref().or(last.before.as_ref());
    let gone = match snapshot.presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some((seen_gone.began_at, seen_gone.ended_at)),
    };
    let deleted = last.kind == ChangeKind::Deleted;
    let seen = snapshot.last_seen;
    // A tombstone is not seen any more; what is there is seen when its last
    // change was, or later.
    let seen_fits = if deleted {
        last.previously_seen_at == Some(seen.began_at)
    } else {
        link.observed_at <= seen.began_at && link.observed_until <= seen.ended_at
    };
    if snapshot.digest != link.digest {
        Some("digest")
    } else if Some(&snapshot.attributes) != told {
        Some("attributes")
    } else if gone != deleted.then_some((last.observed_at, last.observed_until)) {
        Some("presence")
    } else if !seen_fits {
        Some("last_seen_at")
    } else if *format < last.format {
        // They are written together, and none is written back.
        Some("v")
    } else {
        None
    }
}

/// What of a snapshot can't be, whoever wrote it.
fn is_impossible(snapshot: &Snapshot, now: Timestamp) -> Option<String> {
    let seen = snapshot.last_seen;
    let ahead = seen.ended_at.max(seen.began_at).millis_since(now);
    if seen.ended_at < seen.began_at {
        return Some("was edited: its last_seen_until is before its last_seen_at".to_owned());
    }
    if u128::from(ahead) > CLOCKS_DIFFER_BY.as_millis() {
        return Some(format!(
            "was edited: it was last seen at {}, which is still to come",
            seen.ended_at
        ));
    }
    None
}
