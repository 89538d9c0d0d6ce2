//! How each function starts and ends.

use std::process::ExitCode;

use aws_config::SdkConfig;

use crate::aws::setting::InvalidSettings;

/// Returns the settings and the configuration, or reports everything that is wrong with
/// either.
pub(super) fn ready<T>(
    settings: Result<T, InvalidSettings>,
    config: Result<SdkConfig, InvalidSettings>,
) -> Option<(T, SdkConfig)> {
    match (settings, config) {
        (Ok(settings), Ok(config)) => Some((settings, config)),
        (settings, config) => {
            let faults = [settings.err(), config.err()].into_iter().flatten();
            let faults = InvalidSettings(faults.flat_map(|faults| faults.0).collect());
            tracing::error!(error = %faults, "the function can't start");
            None
        }
    }
}

/// Returns the exit code of a function whose runtime ended.
pub(super) fn ended(result: Result<(), lambda_runtime::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}
