//! The seal of a snapshot: a digest over all of it.
//!
//! A snapshot's `digest` stands for what its last change says. When and where
//! it was seen since is in no change, so an edit of that would not show: the
//! seal is over those too.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::format::Format;
use super::ids::Malformed;
use super::listing::Window;
use super::{
    AccountId, ConnectionArn, ConnectionStatus, Digest, Presence, ProviderType, Region, Snapshot,
    Timestamp,
};

const BYTES: usize = 16;

/// The first 16 bytes of the SHA-256 over a snapshot's canonical JSON, written
/// as base64url without padding: 22 characters, because a snapshot has to stay
/// within the 1,024 bytes of a write unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seal([u8; BYTES]);

/// What a seal is over: the item without its keys, its index keys and the
/// seal, with its account and its ARN, which are in the keys.
///
/// The fields are in the order of their names, and none is a map, so that this
/// is canonical as it is serialised: one is made for every connection of every
/// run.
#[derive(Serialize)]
struct Sealed<'a> {
    account: &'a AccountId,
    arn: &'a ConnectionArn,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_status: Option<&'a ConnectionStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_until: Option<Timestamp>,
    digest: Digest,
    first_seen_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_arn: Option<&'a str>,
    last_seen_at: Timestamp,
    last_seen_until: Timestamp,
    /// Sorted; left out if it is empty, as in the item.
    #[serde(skip_serializing_if = "<[Region]>::is_empty")]
    listed_in: &'a [Region],
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_account_id: Option<&'a str>,
    presence: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_type: Option<&'a ProviderType>,
    status_since: Timestamp,
    v: Format,
    version: u32,
}

impl Seal {
    /// The seal of `account`'s snapshot as it is stored in `format`.
    pub fn of(account: &AccountId, snapshot: &Snapshot, format: Format) -> Self {
        let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
        Self::over(&Sealed::new(
            account, snapshot, last_seen, listed_in, format,
        ))
    }

    /// The seal of a snapshot once it was seen again, in `last_seen` and in
    /// the regions `listed_in`, and is otherwise as it was.
    pub fn touched(
        account: &AccountId,
        snapshot: &Snapshot,
        last_seen: Window,
        listed_in: &[Region],
    ) -> Self {
        let sealed = Sealed::new(account, snapshot, last_seen, listed_in, Format::CURRENT);
        Self::over(&sealed)
    }

    #[expect(
        clippy::expect_used,
        reason = "texts, times and numbers in named fields become JSON in memory"
    )]
    fn over(sealed: &Sealed<'_>) -> Self {
        const USUAL_BYTES: usize = 1024;
        let mut json = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut json, sealed).expect("plain data becomes JSON");
        let digest: [u8; 32] = Sha256::digest(&json).into();
        let mut seal = [0; BYTES];
        seal.copy_from_slice(&digest[..BYTES]);
        Self(seal)
    }
}

impl<'a> Sealed<'a> {
    fn new(
        account: &'a AccountId,
        snapshot: &'a Snapshot,
        last_seen: Window,
        listed_in: &'a [Region],
        format: Format,
    ) -> Self {
        let attributes = &snapshot.attributes;
        let gone = match snapshot.presence {
            Presence::Present => None,
            Presence::Deleted { seen_gone } => Some(seen_gone),
        };
        Self {
            account,
            arn: &snapshot.arn,
            connection_name: attributes.connection_name.as_deref(),
            connection_status: attributes.connection_status.as_ref(),
            deleted_at: gone.map(|window| window.began_at),
            deleted_until: gone.map(|window| window.ended_at),
            digest: snapshot.digest,
            first_seen_at: snapshot.first_seen_at,
            host_arn: attributes.host_arn.as_deref(),
            last_seen_at: last_seen.began_at,
            last_seen_until: last_seen.ended_at,
            listed_in,
            owner_account_id: attributes.owner_account_id.as_deref(),
            presence: snapshot.presence.as_str(),
            provider_type: attributes.provider_type.as_ref(),
            status_since: snapshot.status_since,
            v: format,
            version: snapshot.version,
        }
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Seal {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let seal = bytes.and_then(|bytes| bytes.try_into().ok());
        seal.map(Self)
            .ok_or_else(|| Malformed::new(text, "a seal (22 characters of base64url)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Attributes;
    use crate::domain::digest::canonical_json;

    fn snapshot(presence: Presence) -> Snapshot {
        let at = Timestamp::from_millis;
        Snapshot {
            arn: "arn:aws:codeconnections:eu-west-1:123456789012:connection/x"
                .parse()
                .unwrap(),
            attributes: Attributes {
                connection_name: Some("é✓\"\\\n\u{1}\u{7f}".into()),
                connection_status: Some("ERROR".into()),
                host_arn: Some("h".into()),
                owner_account_id: Some("o".into()),
                provider_type: Some("GitHub".into()),
            },
            presence,
            first_seen_at: at(1),
            last_seen: Window {
                began_at: at(2),
                ended_at: at(3),
            },
            status_since: at(4),
            version: 5,
            listed_in: vec!["eu-west-1".parse().unwrap()],
            digest: Digest::of(&0),
        }
    }

    #[test]
    fn what_is_sealed_is_canonical_json() {
        let account = "123456789012".parse().unwrap();
        let seen_gone = snapshot(Presence::Present).last_seen;
        for presence in [Presence::Present, Presence::Deleted { seen_gone }] {
            let mut snapshot = snapshot(presence);
            for _ in 0..2 {
                let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
                let sealed =
                    Sealed::new(&account, &snapshot, last_seen, listed_in, Format::CURRENT);
                assert_eq!(
                    serde_json::to_string(&sealed).unwrap(),
                    canonical_json(&sealed)
                );
                snapshot.attributes = Attributes::default();
                snapshot.listed_in.clear();
            }
        }
    }

    #[test]
    fn reads_what_it_writes_in_22_characters_and_nothing_else() {
        let seal = Seal::of(
            &"123456789012".parse().unwrap(),
            &snapshot(Presence::Present),
            Format::CURRENT,
        );
        let text = seal.to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(text.parse::<Seal>().unwrap(), seal);
        for wrong in ["", "AAAA", &format!("{text}=="), &"*".repeat(22)] {
            assert!(wrong.parse::<Seal>().is_err(), "{wrong}");
        }
    }
}
