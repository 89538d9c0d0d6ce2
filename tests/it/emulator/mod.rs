//! Tests the emulator of CodeConnections (`src/local`).

mod account_state;
mod boto3;
mod http_api;
