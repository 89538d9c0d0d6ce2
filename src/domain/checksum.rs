//! The checksum of a snapshot.
//!
//! A snapshot's `digest` covers its last change only. The time and the regions
//! in which it was last seen are in no change, so an edit of them would not
//! show. The checksum covers those too.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::attributes::{AttributeName, UNKNOWN_MEMBERS};
use super::digest::canonical_json;
use super::ids::ParseError;
use super::listing::Window;
use super::schema_version::SchemaVersion;
use super::{AccountId, Attributes, Presence, Region, Snapshot, Timestamp, digest, time};

const CHECKSUM_BYTES: usize = 16;

/// The first 16 bytes of the SHA-256 over a snapshot's canonical JSON, written
/// as base64url without padding: 22 characters, because a snapshot has to stay
/// within the 1,024 bytes of a write unit. It is stored as `seal`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seal([u8; CHECKSUM_BYTES]);

impl Seal {
    /// Returns the checksum of `account`'s snapshot as it is stored in
    /// `format`.
    pub fn of(account: &AccountId, snapshot: &Snapshot, format: SchemaVersion) -> Self {
        let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
        Self::over(&sealed(account, snapshot, last_seen, listed_in, format))
    }

    /// Returns the checksum of a snapshot that was last seen in `last_seen` and
    /// in the regions `listed_in`, and is otherwise the same.
    pub fn of_seen(
        account: &AccountId,
        snapshot: &Snapshot,
        last_seen: Window,
        listed_in: &[Region],
        format: SchemaVersion,
    ) -> Self {
        Self::over(&sealed(account, snapshot, last_seen, listed_in, format))
    }

    /// Returns the checksum of canonical JSON.
    pub fn over(json: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(json).into();
        let mut seal = [0; CHECKSUM_BYTES];
        seal.copy_from_slice(&digest[..CHECKSUM_BYTES]);
        Self(seal)
    }
}

/// Returns the canonical JSON that the checksum covers: the item without its
/// keys, its index keys and the checksum, with its account and its ARN, which
/// are in the keys.
fn sealed(
    account: &AccountId,
    snapshot: &Snapshot,
    last_seen: Window,
    listed_in: &[Region],
    format: SchemaVersion,
) -> Vec<u8> {
    let Snapshot {
        arn,
        attributes,
        presence,
        first_seen_at,
        last_seen: _,
        status_since,
        version,
        listed_in: _,
        digest,
    } = snapshot;
    let gone = match presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some(seen_gone),
    };
    let mut json = Json::new(attributes);
    json.text("account", account.as_str());
    json.text("arn", arn.as_str());
    json.time("deleted_at", gone.map(|window| window.began_at));
    json.time("deleted_until", gone.map(|window| window.ended_at));
    json.text("digest", digest::HexText::of(digest).as_str());
    json.time("first_seen_at", Some(*first_seen_at));
    json.time("last_seen_at", Some(last_seen.began_at));
    json.time("last_seen_until", Some(last_seen.ended_at));
    json.texts("listed_in", listed_in.iter().map(Region::as_str));
    json.text("presence", presence.as_str());
    json.time("status_since", Some(*status_since));
    json.value(UNKNOWN_MEMBERS, attributes.unknown_members.to_json());
    json.number("v", format.number());
    json.number("version", *version);
    json.end()
}

/// Writes an object as canonical JSON, field by field in the order of their
/// names. The attributes of the connection are written in between, each where
/// its name belongs.
///
/// Hand-tuned: each run writes two for every connection, and a general
/// serializer takes several times as long. A test compares it with one.
struct Json<'a> {
    bytes: Vec<u8>,
    /// The attributes that are still to be written.
    attributes: std::array::IntoIter<(AttributeName, Option<&'a str>), ATTRIBUTES>,
}

const ATTRIBUTES: usize = AttributeName::ALL.len();

impl<'a> Json<'a> {
    fn new(attributes: &'a Attributes) -> Self {
        const USUAL_BYTES: usize = 1024;
        Self {
            bytes: Vec::with_capacity(USUAL_BYTES),
            attributes: attributes.fields().into_iter(),
        }
    }

    /// Begins the field `name`, after the attributes that sort before it.
    fn name(&mut self, name: &str) {
        while let Some((attribute, _)) = self.attributes.as_slice().first()
            && attribute.as_str() < name
        {
            self.next_attribute();
        }
        self.put_name(name);
    }

    fn next_attribute(&mut self) {
        if let Some((attribute, Some(text))) = self.attributes.next() {
            self.put_name(attribute.as_str());
            self.string(text);
        }
    }

    fn put_name(&mut self, name: &str) {
        self.bytes
            .push(if self.bytes.is_empty() { b'{' } else { b',' });
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }

    fn string(&mut self, text: &str) {
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            self.bytes.push(b'"');
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(b'"');
        } else {
            self.bytes
                .extend_from_slice(canonical_json(&text).as_bytes());
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.string(text);
    }

    /// Writes a value that is canonical JSON already, if there is one.
    fn value(&mut self, name: &str, json: Option<String>) {
        if let Some(json) = json {
            self.name(name);
            self.bytes.extend_from_slice(json.as_bytes());
        }
    }

    fn time(&mut self, name: &str, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.text(name, time::Rfc3339Text::of(time).as_str());
        }
    }

    /// Writes a list, if it is not empty.
    fn texts<'b>(&mut self, name: &str, texts: impl Iterator<Item = &'b str>) {
        for (i, text) in texts.enumerate() {
            if i == 0 {
                self.name(name);
                self.bytes.push(b'[');
            } else {
                self.bytes.pop();
                self.bytes.push(b',');
            }
            self.string(text);
            self.bytes.push(b']');
        }
    }

    fn number(&mut self, name: &str, number: u32) {
        self.name(name);
        self.bytes.extend_from_slice(number.to_string().as_bytes());
    }

    fn end(mut self) -> Vec<u8> {
        while self.attributes.len() > 0 {
            self.next_attribute();
        }
        self.bytes.push(b'}');
        self.bytes
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
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let seal = bytes.and_then(|bytes| bytes.try_into().ok());
        seal.map(Self)
            .ok_or_else(|| ParseError::new(text, "a seal (22 characters of base64url)"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Digest;

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
                provider_endpoint: Some("https://a.ghe.com".into()),
                provider_type: Some("GitHub".into()),
                unknown_members: serde_json::from_value(json!({"Z": {"b": "é", "a": 1}})).unwrap(),
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
            for regions in [&["eu-west-1", "us-east-1"][..], &["eu-west-1"], &[]] {
                let mut snapshot = snapshot(presence);
                snapshot.listed_in = regions.iter().map(|r| r.parse().unwrap()).collect();
                for _ in 0..2 {
                    let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
                    let sealed = sealed(
                        &account,
                        &snapshot,
                        last_seen,
                        listed_in,
                        SchemaVersion::CURRENT,
                    );
                    let sealed = String::from_utf8(sealed).unwrap();
                    let value: Value = serde_json::from_str(&sealed).unwrap();
                    assert_eq!(sealed, canonical_json(&value));
                    assert_eq!(value, said(&account, &snapshot));
                    snapshot.attributes = Attributes::default();
                }
            }
        }
    }

    /// The value that the checksum covers, made by serde.
    fn said(account: &AccountId, snapshot: &Snapshot) -> Value {
        let gone = match snapshot.presence {
            Presence::Present => None,
            Presence::Deleted { seen_gone } => Some(seen_gone),
        };
        let mut value = json!({
            "account": account,
            "arn": snapshot.arn,
            "deleted_at": gone.map(|window| window.began_at),
            "deleted_until": gone.map(|window| window.ended_at),
            "digest": snapshot.digest,
            "first_seen_at": snapshot.first_seen_at,
            "last_seen_at": snapshot.last_seen.began_at,
            "last_seen_until": snapshot.last_seen.ended_at,
            "listed_in": snapshot.listed_in,
            "presence": snapshot.presence.as_str(),
            "status_since": snapshot.status_since,
            "v": SchemaVersion::CURRENT,
            "version": snapshot.version,
        });
        let Value::Object(attributes) = json!(snapshot.attributes) else {
            panic!("attributes have names");
        };
        let fields = value.as_object_mut().unwrap();
        fields.extend(attributes);
        fields.retain(|_, value| !value.is_null() && *value != json!([]));
        value
    }

    #[test]
    fn reads_what_it_writes_in_22_characters_and_nothing_else() {
        let seal = Seal::of(
            &"123456789012".parse().unwrap(),
            &snapshot(Presence::Present),
            SchemaVersion::CURRENT,
        );
        let text = seal.to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(text.parse::<Seal>().unwrap(), seal);
        for wrong in ["", "AAAA", &format!("{text}=="), &"*".repeat(22)] {
            assert!(wrong.parse::<Seal>().is_err(), "{wrong}");
        }
    }
}
