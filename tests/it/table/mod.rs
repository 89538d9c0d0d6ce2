//! The table's items, and who reads and writes them.

mod corrupt_items;
mod dynamodb_local;
mod earlier_formats;
mod query_response_reader;
mod snapshot_checksums;
