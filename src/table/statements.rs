//! The PartiQL statements: what is written, and on what condition.
//!
//! Nothing else in the crate writes to the table.

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{self, Item, n, s};
use super::keys;
use crate::config::TableName;
use crate::domain::decide::Step;
use crate::domain::plan::Touch;
use crate::domain::{AccountId, AccountRecord, RunRecord, Snapshot};

/// A statement and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, with a `?` for each parameter.
    pub text: String,
    /// The parameters.
    pub parameters: Vec<AttributeValue>,
}

/// A connection that is as it was: when (and where) it was seen, provided
/// that it still is as it was compared with and was not seen later.
pub fn touch(table: &TableName, account: &AccountId, touch: &Touch<'_>) -> Statement {
    let mut update = Update::new(table);
    update.set("last_seen_at", s(touch.window.began_at));
    update.set("last_seen_until", s(touch.window.ended_at));
    if let Some(regions) = &touch.listed_in {
        update.put("listed_in", items::listed_in(regions));
    }
    update
        .of(account, &keys::snapshot_sk(&touch.snapshot.arn))
        .when("version", "=", n(touch.snapshot.version))
        .when("last_seen_at", "<", s(touch.window.began_at))
        .statement
}

/// A change and the snapshot that it leaves: two statements that must both
/// hold.
///
/// `known` is the snapshot that was compared with. It must not have been
/// changed since, nor been seen by a listing that was not over when this one
/// began.
pub fn step(
    table: &TableName,
    account: &AccountId,
    known: Option<&Snapshot>,
    step: &Step,
) -> [Statement; 2] {
    let attributes = items::snapshot_attributes(&step.snapshot);
    let sk = keys::snapshot_sk(&step.snapshot.arn);
    let snapshot = match known {
        None => {
            let mut item: Item = attributes
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect();
            item.insert(keys::PK.to_owned(), s(keys::account_pk(account)));
            item.insert(keys::SK.to_owned(), s(sk));
            insert(table, item)
        }
        Some(known) => {
            let mut update = Update::new(table);
            for (name, value) in attributes {
                update.put(name, value);
            }
            update
                .of(account, &sk)
                .when("version", "=", n(known.version))
                .when("last_seen_until", "<=", s(step.change.observed_at))
                .statement
        }
    };
    [snapshot, insert(table, items::change_item(&step.change))]
}

/// A run's record. Fails if its number is taken.
pub fn run(table: &TableName, run: &RunRecord) -> Statement {
    insert(table, items::run_item(run))
}

/// An account's record, where `known` is the one that it was worked out from.
pub fn account(
    table: &TableName,
    known: Option<&AccountRecord>,
    record: &AccountRecord,
) -> Statement {
    let item = items::account_item(record);
    let Some(known) = known else {
        return insert(table, item);
    };
    let mut update = Update::new(table);
    let mut attributes: Vec<_> = item
        .into_iter()
        .filter(|(name, _)| name != keys::PK && name != keys::SK)
        .collect();
    attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, value) in attributes {
        update.set(&name, value);
    }
    update
        .of(&record.account, keys::ACCOUNT_SK)
        .when("sequence", "=", n(known.sequence))
        .statement
}

fn insert(table: &TableName, item: Item) -> Statement {
    let mut attributes: Vec<_> = item.into_iter().collect();
    attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = format!("INSERT INTO \"{table}\" VALUE {{");
    let mut parameters = Vec::with_capacity(attributes.len());
    for (i, (name, value)) in attributes.into_iter().enumerate() {
        if i > 0 {
            text.push_str(", ");
        }
        text.push_str(&format!("'{name}': ?"));
        parameters.push(value);
    }
    text.push('}');
    Statement { text, parameters }
}

/// An `UPDATE` of one item, as it is put together.
struct Update {
    statement: Statement,
}

/// An `UPDATE` that has its item and takes conditions.
struct Conditional {
    statement: Statement,
}

impl Update {
    fn new(table: &TableName) -> Self {
        Self {
            statement: Statement {
                text: format!("UPDATE \"{table}\""),
                parameters: Vec::new(),
            },
        }
    }

    fn set(&mut self, name: &str, value: AttributeValue) {
        self.statement
            .text
            .push_str(&format!(" SET \"{name}\" = ?"));
        self.statement.parameters.push(value);
    }

    /// Sets the attribute, or removes it.
    fn put(&mut self, name: &str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.statement.text.push_str(&format!(" REMOVE \"{name}\"")),
        }
    }

    fn of(self, account: &AccountId, sk: &str) -> Conditional {
        let mut statement = self.statement;
        statement.text.push_str(" WHERE \"pk\" = ? AND \"sk\" = ?");
        statement.parameters.push(s(keys::account_pk(account)));
        statement.parameters.push(s(sk));
        Conditional { statement }
    }
}

impl Conditional {
    fn when(mut self, name: &str, operator: &str, value: AttributeValue) -> Self {
        self.statement
            .text
            .push_str(&format!(" AND \"{name}\" {operator} ?"));
        self.statement.parameters.push(value);
        self
    }
}
