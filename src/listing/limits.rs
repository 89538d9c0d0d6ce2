//! The limits of a listing.

/// The limits of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Pages of one region. The quota is 250 connections an account and can be
    /// raised; this stops an endless source, not a large account.
    pub pages: u32,
    /// Connections of all regions of an account, those of two regions counted
    /// twice: what fits the memory. More would end the process before it could
    /// report why.
    pub connections: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 10_000,
            connections: 1_000_000,
        }
    }
}

impl Limits {
    /// Returns the limits of a function with this memory, as `cargo bench
    /// --bench limits` measures it, with a fifth to spare: 9 MiB at rest, and
    /// 2,268 bytes for each of 10,000 connections that are recorded for the
    /// first time. Unchanged ones take less.
    pub fn within(megabytes: u64) -> Self {
        /// Memory before anything is listed, in MiB.
        const BASE_MIB: u64 = 24;
        /// Bytes of a connection that is recorded for the first time.
        const BYTES_PER_CONNECTION: u64 = 2560;
        Self {
            connections: (megabytes.saturating_sub(BASE_MIB) << 20) / BYTES_PER_CONNECTION,
            ..Self::default()
        }
    }
}
