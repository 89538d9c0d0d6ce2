//! Reproducible ids: the same seed gives the same ids, for demos and tests. They
//! are no secrets.

use fastrand::Rng;

/// A generator of ids.
#[derive(Debug, Clone)]
pub(super) struct Ids(Rng);

impl Ids {
    /// Creates a generator from a seed. Each kind of id has a stream of its own:
    /// one more request must not change the ARN of the next connection.
    pub(super) fn new(seed: u64, stream: u32) -> Self {
        Self(Rng::with_seed(seed ^ (u64::from(stream) << 32)))
    }

    /// Returns a version 4 UUID.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.0.u64(..), self.0.u64(..));
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

    /// Returns eight hexadecimal digits, the end of a host ARN.
    pub(super) fn suffix(&mut self) -> String {
        format!("{:08x}", self.0.u32(..))
    }

    /// Returns `length` characters of the alphabet of access keys.
    pub(super) fn key(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letter = |_| char::from(ALPHABET[self.0.usize(..ALPHABET.len())]);
        (0..length).map(letter).collect()
    }

    /// Returns random bytes in hexadecimal.
    pub(super) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes)
            .map(|_| format!("{:02x}", self.0.u8(..)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_repeats_ids_and_streams_differ() {
        let mut first = Ids::new(7, 0);
        let mut again = Ids::new(7, 0);
        let mut other = Ids::new(7, 1);
        let uuid = first.uuid();
        assert_eq!(uuid, again.uuid());
        assert_ne!(uuid, other.uuid());
        assert_ne!(uuid, first.uuid());
    }

    #[test]
    fn uuid_has_version_and_variant() {
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
