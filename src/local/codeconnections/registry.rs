//! Resources in the order they were made, and pages of them.

use std::collections::{BTreeMap, HashMap};

use super::errors::ServiceError;

/// How many items a page holds when the caller does not say (or says 0, which
/// the model allows). The documentation names no default; this is the maximum
/// it allows to ask for.
pub const DEFAULT_PAGE: u32 = 100;

/// Resources by ARN, that remembers the order they came in.
///
/// The order is what paging rests on: a page ends at a serial number, so the
/// next one begins behind it whatever was made or deleted in between.
#[derive(Debug, Clone)]
pub(super) struct Registry<T> {
    items: BTreeMap<u64, T>,
    serials: HashMap<String, u64>,
    last: u64,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            serials: HashMap::new(),
            last: 0,
        }
    }
}

impl<T> Registry<T> {
    /// Adds a resource. ARNs are never reused, so there is nothing to replace.
    pub(super) fn insert(&mut self, arn: String, item: T) {
        self.last += 1;
        self.serials.insert(arn, self.last);
        self.items.insert(self.last, item);
    }

    pub(super) fn get(&self, arn: &str) -> Option<&T> {
        self.items.get(self.serials.get(arn)?)
    }

    pub(super) fn get_mut(&mut self, arn: &str) -> Option<&mut T> {
        self.items.get_mut(self.serials.get(arn)?)
    }

    pub(super) fn remove(&mut self, arn: &str) -> Option<T> {
        self.items.remove(&self.serials.remove(arn)?)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }

    /// One page of the resources that `wanted` picks.
    ///
    /// `listing` says what is being listed. A token is only good for the listing
    /// it came from: carried over to another account, region or filter it is
    /// refused, and so is one that was made up.
    pub(super) fn page(
        &self,
        listing: &str,
        max_results: Option<u32>,
        next_token: Option<&str>,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&T>, Option<String>), ServiceError> {
        let after = match next_token {
            Some(token) => read_token(listing, token)
                .ok_or_else(|| ServiceError::validation("The NextToken is invalid"))?,
            None => 0,
        };
        let size = match max_results {
            None | Some(0) => DEFAULT_PAGE,
            Some(size) => size,
        };
        let mut rest = self
            .items
            .range(after.saturating_add(1)..)
            .filter(|(_, item)| wanted(item));
        let page: Vec<(&u64, &T)> = rest.by_ref().take(size as usize).collect();
        let next_token = match (page.last(), rest.next()) {
            (Some((serial, _)), Some(_)) => Some(write_token(listing, **serial)),
            _ => None,
        };
        Ok((page.into_iter().map(|(_, item)| item).collect(), next_token))
    }
}

fn write_token(listing: &str, serial: u64) -> String {
    format!("{serial:016x}{:016x}", checksum(listing, serial))
}

fn read_token(listing: &str, token: &str) -> Option<u64> {
    let serial = u64::from_str_radix(token.get(..16)?, 16).ok()?;
    (write_token(listing, serial) == token).then_some(serial)
}

/// FNV-1a. Against mistakes, not against forgers.
fn checksum(listing: &str, serial: u64) -> u64 {
    listing
        .bytes()
        .chain(serial.to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn numbers(count: u32) -> Registry<u32> {
        let mut registry = Registry::default();
        for number in 1..=count {
            registry.insert(format!("arn-{number}"), number);
        }
        registry
    }

    #[test]
    fn pages_survive_deletions_and_end_without_a_token() {
        let mut registry = numbers(5);
        let (page, token) = registry.page("l", Some(2), None, |_| true).expect("a page");
        assert_eq!(page, [&1, &2]);
        registry.remove("arn-2");
        registry.remove("arn-3");
        let (page, token) = registry
            .page("l", Some(2), token.as_deref(), |_| true)
            .expect("a page");
        assert_eq!((page, token), (vec![&4, &5], None));
    }

    #[test]
    fn no_size_and_zero_mean_the_default() {
        let registry = numbers(DEFAULT_PAGE + 1);
        for size in [None, Some(0)] {
            let (page, token) = registry.page("l", size, None, |_| true).expect("a page");
            assert_eq!(page.len(), DEFAULT_PAGE as usize);
            assert!(token.is_some());
        }
    }

    #[test]
    fn a_token_is_good_for_its_listing_only() {
        let registry = numbers(3);
        let (_, token) = registry.page("l", Some(1), None, |_| true).expect("a page");
        let token = token.expect("a token");
        assert!(registry.page("m", None, Some(&token), |_| true).is_err());
        for bad in [
            "",
            "x",
            "0000000000000001",
            &token.to_uppercase(),
            "ääääääääääääääää",
        ] {
            assert!(
                registry.page("l", None, Some(bad), |_| true).is_err(),
                "{bad}"
            );
        }
    }
}
