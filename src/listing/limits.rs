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
    /// Returns the limits of a function with this memory, with a quarter to spare: 9.8
    /// MiB with few connections, and for each of 10,000 more 754 bytes in a first run,
    /// 1,329 in an unchanged one (`cargo bench --bench limits`), and 1,880 if all have
    /// changed (`--bench peers`).
    pub fn within(megabytes: u64) -> Self {
        /// Memory before anything is listed, in MiB.
        const BASE_MIB: u64 = 24;
        /// Bytes of a connection.
        const BYTES_PER_CONNECTION: u64 = 2560;
        Self {
            connections: (megabytes.saturating_sub(BASE_MIB) << 20) / BYTES_PER_CONNECTION,
            ..Self::default()
        }
    }
}
