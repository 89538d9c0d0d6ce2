//! Identifiers that look random and repeat.
//!
//! The service hands out random UUIDs. A demo or a test wants the same ones on
//! every run, so they come from SplitMix64 under a seed the caller chooses: a
//! few lines, well spread, and never used for anything that must be secret.

use std::fmt::Write as _;

/// An endless, repeatable supply of identifiers.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    state: u64,
}

impl Ids {
    /// A supply that depends on nothing but `seed` and `stream`. Separate
    /// streams keep one kind of identifier from shifting another: a request
    /// more must not change the ARN of the next connection.
    #[must_use]
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self {
            state: mix(seed ^ mix(stream)),
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A version 4 UUID in its usual spelling.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            // The variant: two top bits `10`.
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff,
        )
    }

    /// Eight hexadecimal digits, as at the end of a host's ARN.
    pub(super) fn suffix(&mut self) -> String {
        format!("{:08x}", self.next() >> 32)
    }

    /// `length` characters of the alphabet AWS spells access keys in.
    pub(super) fn key(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut key = String::with_capacity(length);
        for _ in 0..length {
            key.push(char::from(ALPHABET[(self.next() >> 59) as usize]));
        }
        key
    }

    /// `bytes` random bytes in hexadecimal.
    pub(super) fn hex(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes * 2);
        for _ in 0..bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{:02x}", self.next() >> 56);
        }
        text
    }
}

/// SplitMix64's finaliser: every bit of the input reaches every bit of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_repeats_and_streams_differ() {
        let mut first = Ids::new(7, 0);
        let mut again = Ids::new(7, 0);
        let mut other = Ids::new(7, 1);
        let uuid = first.uuid();
        assert_eq!(uuid, again.uuid());
        assert_ne!(uuid, other.uuid());
        assert_ne!(uuid, first.uuid());
    }

    #[test]
    fn a_uuid_carries_version_and_variant() {
        let mut ids = Ids::new(1, 1);
        for _ in 0..200 {
            let uuid = ids.uuid();
            let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12]);
            assert!(uuid[14..].starts_with('4'));
            assert!(uuid[19..].starts_with(['8', '9', 'a', 'b']));
        }
    }
}
