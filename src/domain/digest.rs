//! Digests: SHA-256 over canonical JSON.
//!
//! Canonical JSON is what Python's
//! `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`
//! prints for values made of objects, arrays, texts, whole numbers, booleans
//! and null: anybody can recompute a digest with a few lines of their own.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::ids::ParseError;

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content`'s canonical JSON.
    pub fn of(content: &impl Serialize) -> Self {
        Self(Sha256::digest(canonical_json(content).as_bytes()).into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// Makes the digest of lines, each ended by a line feed.
#[derive(Debug, Default)]
pub struct LinesDigest {
    hash: Sha256,
    /// The line that is added, so that each needs no memory of its own.
    line: String,
}

impl LinesDigest {
    /// Adds a line.
    pub fn add(&mut self, line: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a text can't fail.
        let _ = self.line.write_fmt(line);
        self.line.push('\n');
        self.hash.update(self.line.as_bytes());
    }

    /// The digest of the lines that were added.
    pub fn finish(self) -> Digest {
        Digest(self.hash.finalize().into())
    }
}

/// `content` as canonical JSON.
#[expect(
    clippy::expect_used,
    reason = "derived serialisation of structs and maps with text keys can't fail"
)]
pub fn canonical_json(content: &impl Serialize) -> String {
    let value = serde_json::to_value(content).expect("plain data becomes JSON");
    let mut text = String::new();
    write_canonical(&value, &mut text);
    text
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            // Sorted here and not left to the map: another crate's feature
            // can make serde_json keep the order of insertion.
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, field)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write_canonical(field, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        plain => out.push_str(&plain.to_string()),
    }
}

/// Writes a text as JSON. Almost none has anything to escape.
fn write_text(text: &str, out: &mut String) {
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().any(is_escaped) {
        out.push_str(&Value::from(text).to_string());
    } else {
        out.extend(["\"", text, "\""]);
    }
}

/// A digest as it is written.
pub(super) struct HexText([u8; 64]);

impl HexText {
    pub(super) fn of(digest: &Digest) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(digest.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    #[expect(clippy::expect_used, reason = "it is made of digits")]
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII is text")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HexText::of(self).as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError::new(text, "a digest (64 hexadecimal digits)");
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            // Lower case alone: a digest has one way to be written, so that an
            // edit shows.
            let value = |digit: u8| match digit {
                b'0'..=b'9' => Ok(digit - b'0'),
                b'a'..=b'f' => Ok(digit - b'a' + 10),
                _ => Err(wrong()),
            };
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HexText::of(self).as_str())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_json_is_sorted_at_every_depth_and_has_no_spaces() {
        let value = json!({"b": [1, {"z": null, "a": true}], "a": "é\n\u{1}\""});
        assert_eq!(
            canonical_json(&value),
            r#"{"a":"é\n\u0001\"","b":[1,{"a":true,"z":null}]}"#
        );
    }

    #[test]
    fn is_plain_sha_256() {
        // printf '{}' | sha256sum
        assert_eq!(
            Digest::of(&json!({})).to_string(),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let digest = Digest::of(&json!([1]));
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("AB".repeat(32).parse::<Digest>().is_err());
        assert!("+f".repeat(32).parse::<Digest>().is_err());
        assert!("é".repeat(32).parse::<Digest>().is_err());
        assert!("00".parse::<Digest>().is_err());
    }
}
