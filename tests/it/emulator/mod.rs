//! Tests the emulators of CodeConnections and of what uses it (`src/local`).

mod account_state;
mod boto3;
mod dependency_services;
mod http_api;
