//! The PartiQL statements: what is written, and on what condition.
//!
//! Nothing else in the crate writes to the table.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::diff::Transition;
use crate::domain::plan::Touch;
use crate::domain::{AccountId, AccountRecord, Identifier, RunRecord, SchemaVersion, Snapshot};
use crate::table::codec::{Item, n, s, snapshot};
use crate::table::kind::StoredKind;
use crate::table::name::TableName;
use crate::table::{codec, keys};

/// A statement and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, with a `?` for each parameter.
    pub text: String,
    /// The parameters.
    pub parameters: Vec<AttributeValue>,
}

/// Returns the statement that an unchanged connection was seen again, and
/// where, provided that it is still in the compared state and was not seen
/// later.
///
/// Its checksum is right even if another run writes the snapshot at the same
/// time, because everything that it covers is either set here or held by a
/// condition: what only a change sets by `version`, the regions by `listed_in`.
/// Of two touches that set the same, either order leaves one of the two states,
/// whole; of two that set different regions, the second one's condition fails.
/// The conditions do not include the previous checksum, because two runs at the
/// same time would then conflict over every connection.
///
/// The format is set too: a snapshot of an earlier format becomes one of the
/// current format.
pub fn touch<K: StoredKind>(
    table: &TableName,
    account: &AccountId,
    touch: &Touch<'_, K>,
) -> Statement {
    let Touch {
        snapshot,
        window,
        listed_in,
    } = touch;
    let mut update = Update::new(table);
    update.set("last_seen_at", s(window.began_at));
    update.set("last_seen_until", s(window.ended_at));
    if let Some(regions) = listed_in {
        update.put("listed_in", snapshot::listed_in(regions));
    }
    let regions = listed_in.as_ref().unwrap_or(&snapshot.listed_in);
    let seal = K::checksum(account, snapshot, *window, regions, SchemaVersion::CURRENT);
    update.set(codec::SEAL, s(seal));
    update.set(codec::FORMAT_ATTRIBUTE, n(SchemaVersion::CURRENT));
    update
        .of::<K>(account, &K::KEYS.snapshot_sk(snapshot.arn.as_str()))
        .when("version", "=", n(snapshot.version))
        .when("last_seen_at", "<", s(window.began_at))
        .when("last_seen_until", "<=", s(window.ended_at))
        .when_is("listed_in", snapshot::listed_in(&snapshot.listed_in))
        .statement
}

/// The statements of a change.
pub const OF_TRANSITION: usize = 2;

/// Returns the two statements of a change and the snapshot that results from
/// it: both hold, or neither.
///
/// `known` is the snapshot of the comparison. It must be unchanged: neither
/// changed nor seen since, because its values are part of what is written, and
/// listed in the same regions, because they decide whether it is deleted. Nor
/// may it have been seen by a listing that was not over when this one began.
pub fn transition<K: StoredKind>(
    table: &TableName,
    account: &AccountId,
    known: Option<&Snapshot<K>>,
    transition: &Transition<K>,
) -> [Statement; OF_TRANSITION] {
    let sk = K::KEYS.snapshot_sk(transition.snapshot.arn.as_str());
    let snapshot = match known {
        None => {
            let item =
                snapshot::snapshot_item(account, &transition.snapshot, SchemaVersion::CURRENT);
            insert(table, item)
        }
        Some(known) => {
            let mut update = Update::new(table);
            for (name, value) in K::snapshot_attributes(account, &transition.snapshot) {
                update.put(name, value);
            }
            update
                .of::<K>(account, &sk)
                .when("version", "=", n(known.version))
                .when("last_seen_until", "<=", s(transition.change.observed_at))
                .when("last_seen_at", "=", s(known.last_seen.began_at))
                .when_is("listed_in", snapshot::listed_in(&known.listed_in))
                .statement
        }
    };
    [
        snapshot,
        insert(
            table,
            codec::change_item_with(&transition.change, transition.snapshot.digest),
        ),
    ]
}

/// Returns the statement of a run's record, which fails if its number is taken.
pub fn run<K: StoredKind>(table: &TableName, run: &RunRecord<K>) -> Statement {
    insert(table, codec::run_item(run))
}

/// Returns the statement of an account's record, derived from `known`.
pub fn account<K: StoredKind>(
    table: &TableName,
    known: Option<&AccountRecord<K>>,
    record: &AccountRecord<K>,
) -> Statement {
    let item = codec::account_item(record);
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
    let update =
        update
            .of::<K>(&record.account, keys::ACCOUNT_SK)
            .when("sequence", "=", n(known.sequence));
    // By its number alone, what a run before that one adds could be lost.
    let update = match known.format {
        SchemaVersion::V1 => update.when(codec::FORMAT_ATTRIBUTE, "=", n(known.format)),
        SchemaVersion::V2 | SchemaVersion::V3 | SchemaVersion::V4 | SchemaVersion::V5 => {
            update.when(codec::DIGEST, "=", s(known.digest()))
        }
    };
    update.statement
}

fn insert(table: &TableName, item: Item) -> Statement {
    let mut attributes: Vec<_> = item.into_iter().collect();
    attributes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = String::with_capacity(USUAL_TEXT_BYTES);
    text.extend(["INSERT INTO \"", table.as_str(), "\" VALUE {"]);
    let mut parameters = Vec::with_capacity(attributes.len());
    for (i, (name, value)) in attributes.into_iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        text.extend([comma, "'", &name, "': ?"]);
        parameters.push(value);
    }
    text.push('}');
    Statement { text, parameters }
}

/// The usual bytes and parameters of a statement: a run makes one for each
/// connection.
const USUAL_TEXT_BYTES: usize = 384;
const USUAL_PARAMETERS: usize = 16;

/// An `UPDATE` of one item that is being built.
struct Update {
    statement: Statement,
}

/// An `UPDATE` that has its item and takes conditions.
struct Conditional {
    statement: Statement,
}

impl Update {
    fn new(table: &TableName) -> Self {
        let mut text = String::with_capacity(USUAL_TEXT_BYTES);
        text.extend(["UPDATE \"", table.as_str(), "\""]);
        let parameters = Vec::with_capacity(USUAL_PARAMETERS);
        Self {
            statement: Statement { text, parameters },
        }
    }

    fn set(&mut self, name: &str, value: AttributeValue) {
        let parts = [" SET \"", name, "\" = ?"];
        self.statement.text.extend(parts);
        self.statement.parameters.push(value);
    }

    /// Sets the attribute, or removes it.
    fn put(&mut self, name: &str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.statement.text.extend([" REMOVE \"", name, "\""]),
        }
    }

    fn of<K: StoredKind>(self, account: &AccountId, sk: &str) -> Conditional {
        let mut statement = self.statement;
        statement.text.push_str(" WHERE \"pk\" = ? AND \"sk\" = ?");
        statement.parameters.push(s(K::KEYS.account_pk(account)));
        statement.parameters.push(s(sk));
        Conditional { statement }
    }
}

impl Conditional {
    fn when(mut self, name: &str, operator: &str, value: AttributeValue) -> Self {
        let parts = [" AND \"", name, "\" ", operator, " ?"];
        self.statement.text.extend(parts);
        self.statement.parameters.push(value);
        self
    }

    /// Requires that the attribute has this value, or is absent.
    fn when_is(mut self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.when(name, "=", value),
            None => {
                let parts = [" AND \"", name, "\" IS MISSING"];
                self.statement.text.extend(parts);
                self
            }
        }
    }
}
