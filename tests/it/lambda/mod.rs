//! Tests the Lambda function: events, settings, responses, metrics.

mod checkpoints;
mod evaluation;
mod evaluation_stream;
mod events;
mod function;
mod metrics;
mod organization;
mod settings;
mod sqs_batches;
