//! A token bucket, the documented throttling of AWS services.

use tokio::time::Instant;

/// A bucket with a capacity of one second, filled at `rate` per second.
pub struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            tokens: rate.max(1.0),
            filled: Instant::now(),
        }
    }

    /// Takes `cost` if any tokens are left. Returns whether it did. The level may become
    /// negative, because the cost of a request is known only afterwards.
    pub fn take(&mut self, cost: f64) -> bool {
        let now = Instant::now();
        let filled = now.duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + filled).min(self.rate.max(1.0));
        self.filled = now;
        let taken = self.tokens > 0.0;
        if taken {
            self.tokens -= cost;
        }
        taken
    }

    /// Takes the cost of an executed request.
    pub fn charge(&mut self, cost: f64) {
        self.tokens -= cost;
    }
}
