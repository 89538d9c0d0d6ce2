//! A token bucket: how AWS's services throttle, as far as they say.

use std::time::Instant;

/// Holds a second's worth, and fills at `rate` a second.
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

    /// Takes `cost` if there is anything left. What a request will cost is not
    /// known before it is done, so the bucket may go below nothing.
    pub fn takes(&mut self, cost: f64) -> bool {
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

    /// What a request cost beyond what it took.
    pub fn owes(&mut self, cost: f64) {
        self.tokens -= cost;
    }
}
