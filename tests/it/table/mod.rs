//! Tests how the table's items are read and written.

mod corrupt_items;
mod dynamodb_local;
mod earlier_formats;
mod embedded_table;
mod query_response_reader;
mod snapshot_checksums;
