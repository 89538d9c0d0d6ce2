//! Estimates what an inventory costs on AWS: counts times prices. Tests compare
//! the counts with what the function and the table do. Prices are inputs.
//!
//! Called by `cli`. Imports constants of `table`.

mod bill;
pub mod counts;
pub mod dependencies;
pub mod prices;

pub use bill::{Bill, Line};
pub use prices::{Price, PriceList};

/// Hours per month, as AWS calculates: 8,760 hours per year / 12.
pub const HOURS_A_MONTH: f64 = 730.0;

/// A deployment and its load.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Plan {
    /// Number of accounts. More than one is an organization.
    pub accounts: u64,
    /// Connections per account.
    pub connections: u64,
    /// Schedule interval, in milliseconds.
    pub every_ms: i64,
    /// Changes per account and month.
    pub changes: u64,
    /// Memory of the function, in MB.
    pub memory_mb: u64,
    /// Accounts listed concurrently.
    pub at_once: u64,
    /// Months since the first run. The history is never deleted.
    pub months: u64,
    /// Dependencies per account; 0 leaves their function out.
    pub dependencies: u64,
    /// Schedule interval of dependencies, in milliseconds.
    pub dependencies_every_ms: i64,
    /// Regions in which dependencies are listed.
    pub regions: u64,
    /// Whether each change is sent as an email.
    pub emails: bool,
}

impl Plan {
    /// Returns true if the deployment covers an organization.
    pub fn is_organization(&self) -> bool {
        self.accounts > 1
    }

    /// Returns how often the schedule fires per month.
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    pub fn schedules(&self) -> f64 {
        HOURS_A_MONTH * 3_600_000.0 / self.every_ms as f64
    }

    /// Returns the runs per month. In a single account, the API call of each
    /// change may trigger a further run. In an organization, calls in other
    /// accounts trigger none.
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    pub fn runs(&self) -> f64 {
        if self.is_organization() {
            self.schedules() * self.accounts as f64
        } else {
            self.schedules() + self.changes as f64
        }
    }
}
