//! Resources in order of creation, and pages of them.

use std::collections::{BTreeMap, HashMap};

use super::errors::ServiceError;

/// Default page size, also for `MaxResults` 0, which the model allows. AWS
/// documents no default; this is the documented maximum.
pub const DEFAULT_PAGE: u32 = 100;

/// Resources by ARN, in order of creation.
///
/// A page ends at a serial number. The next one starts after it, whatever was
/// created or deleted in between.
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
    /// Adds a resource. ARNs are unique, so it replaces none.
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

    /// Returns one page of the resources that match `wanted`.
    ///
    /// `listing` identifies the listing. A token of another account, region or
    /// filter is rejected, as is an invented one.
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

/// FNV-1a: detects mistakes, not forgery.
fn checksum(listing: &str, serial: u64) -> u64 {
    listing
        .bytes()
        .chain(serial.to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
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
    fn pages_continue_after_deletions_and_end_without_token() {
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
    fn missing_and_zero_size_are_the_default() {
        let registry = numbers(DEFAULT_PAGE + 1);
        for size in [None, Some(0)] {
            let (page, token) = registry.page("l", size, None, |_| true).expect("a page");
            assert_eq!(page.len(), DEFAULT_PAGE as usize);
            assert!(token.is_some());
        }
    }

    #[test]
    fn token_is_valid_only_for_its_listing() {
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
