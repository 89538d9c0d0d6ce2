//! What an inventory costs on AWS: counts, which tests assert against what the
//! function and the table do, times prices, which are inputs.

mod bill;
pub mod counts;
pub mod prices;

pub use bill::{Bill, Line};
pub use prices::{Price, PriceList};

/// Hours of a month, as AWS calculates: 8,760 of a year by 12.
pub const HOURS_A_MONTH: f64 = 730.0;

/// What is deployed, and what it finds.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Plan {
    /// Accounts; more than one are an organization.
    pub accounts: u64,
    /// Connections of each account.
    pub connections: u64,
    /// Milliseconds from run to run.
    pub every_ms: i64,
    /// Changes of each account in a month.
    pub changes: u64,
    /// Memory of the function, in MB.
    pub memory_mb: u64,
    /// Accounts that are listed at the same time.
    pub at_once: u64,
    /// Months since the first run: the history is kept for ever.
    pub months: u64,
    /// Whether an e-mail tells each change.
    pub emails: bool,
}

impl Plan {
    /// Whether it is deployed for an organization.
    pub fn is_organization(&self) -> bool {
        self.accounts > 1
    }

    /// Times that the schedule comes in a month.
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    pub fn schedules(&self) -> f64 {
        HOURS_A_MONTH * 3_600_000.0 / self.every_ms as f64
    }

    /// Runs in a month. In one account, each change may be announced by a call
    /// that is followed by a run of its own; in an organization, calls in
    /// other accounts are not seen.
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    pub fn runs(&self) -> f64 {
        if self.is_organization() {
            self.schedules() * self.accounts as f64
        } else {
            self.schedules() + self.changes as f64
        }
    }
}
