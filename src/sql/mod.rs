//! The record as relational tables, for SQL: in SQLite, in memory or in a file.
//!
//! [`tables`] has the schema as data: each table's columns, with their meaning and
//! how they follow from a row of the record. The page of the schema and the tables in
//! SQLite follow from it. [`statement`] checks a statement before anything is read, and
//! says which tables it reads. [`load`] reads these from the record into a
//! [`database`], which runs the statement.
//!
//! Called by `cli`. Imports `compliance`, `audit`, `table` and `domain`.

pub mod column;
pub mod database;
pub mod load;
pub mod schema;
pub mod statement;
pub mod tables;

pub use database::Database;
pub use load::{LoadError, Loaded, Selection};
pub use schema::{SCHEMA_VERSION, Table};
pub use statement::{Statement, StatementError};
