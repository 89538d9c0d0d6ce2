//! The one configuration from which all clients are built.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

use super::endpoints;
use crate::config::InvalidSettings;

/// An answer that takes longer than this is not coming: without a limit, one
/// silent connection would eat the whole run.
const ATTEMPT: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(4);

/// Reads everything that the AWS SDKs read (environment, profiles, endpoints,
/// retries), once.
///
/// # Errors
/// [`InvalidSettings`] if an endpoint would be spoken to without TLS.
pub async fn load() -> Result<SdkConfig, InvalidSettings> {
    let config = aws_config::defaults(behavior())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        )
        .load()
        .await;
    let faults = endpoints::faults(&config);
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(InvalidSettings(faults))
    }
}

/// The SDK's defaults as of this date. Pinned: an update of a crate must not
/// change how the function retries or times out.
pub fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}
