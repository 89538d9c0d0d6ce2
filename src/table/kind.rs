//! How each kind of resource is stored.

use std::fmt::Debug;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::CorruptItem;
use super::item::Item;
use super::keys::Keys;
use crate::domain::listing::Window;
use crate::domain::{AccountId, Change, Connection, Kind, SchemaVersion, Seal, Snapshot};

/// A kind of resource that the table holds. Records of changes and runs are
/// stored the same way for each; snapshots of connections have a path of their
/// own, because a run reads and writes one for each.
pub trait StoredKind: Kind {
    /// The names of its items.
    const KEYS: Keys;

    /// A row of an account's partition, as it is read from a response.
    type Row: Row + Into<AccountRow<Self>>;

    /// Returns the attributes of a snapshot besides its keys, in the order in
    /// which they are written. `None` means that the attribute must not be there.
    fn snapshot_attributes(
        account: &AccountId,
        snapshot: &Snapshot<Self>,
    ) -> Vec<(&'static str, Option<AttributeValue>)>;

    /// Returns the checksum of a snapshot that was last seen in `last_seen` and
    /// is listed in `listed_in`, as it is stored in `format`.
    fn checksum(
        account: &AccountId,
        snapshot: &Snapshot<Self>,
        last_seen: Window,
        listed_in: &[Self::Scope],
        format: SchemaVersion,
    ) -> Seal;

    /// Reads a snapshot and its format without checking its checksum.
    ///
    /// # Errors
    /// [`CorruptItem`] names the attribute that is wrong.
    fn read_unsealed(item: &Item) -> Result<(Snapshot<Self>, SchemaVersion), CorruptItem>;

    /// Reads a snapshot. A snapshot whose checksum does not match was edited and
    /// is refused: the next run would put a valid checksum on the edit.
    ///
    /// # Errors
    /// [`CorruptItem`] names the attribute that is wrong.
    fn read_snapshot(item: &Item) -> Result<Snapshot<Self>, CorruptItem>;

    /// Returns the summary of a change for people, which is stored with it.
    fn event_summary(change: &Change<Self>) -> Option<Value>;
}

/// A type that an item of a response is read as, by either reader.
pub trait Row: DeserializeOwned + From<Item> + Debug + Send + 'static {}

impl<T: DeserializeOwned + From<Item> + Debug + Send + 'static> Row for T {}

/// An item of an account's partition.
#[derive(Debug)]
pub enum AccountRow<K: Kind = Connection> {
    /// The account's record, or a foreign item with its key.
    Record(Item),
    /// A snapshot, or the error of an item that should be one.
    Snapshot(Result<Snapshot<K>, CorruptItem>),
}
