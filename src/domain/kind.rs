//! Kinds of recorded resources: what identifies one, which attributes it has,
//! and what a listing of it proves.
//!
//! Everything else exists once, for any kind: comparison, items, reads, writes
//! and verification.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ids::Identifier;
use super::{ApiCall, ChangeKind, Region};

/// A kind of recorded resource.
pub trait Kind: Debug + Clone + Copy + Default + PartialEq + Eq + Send + Sync + 'static {
    /// What identifies a resource.
    type Id: Identifier;
    /// What one listing lists: a region, or a region of a source.
    type Scope: Identifier;
    /// The attributes of a resource besides its id.
    type Attributes: Debug
        + Clone
        + PartialEq
        + Eq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// What one resource and several are called, in problems.
    const NOUN: (&'static str, &'static str);

    /// Returns the region of a scope, if it has one.
    fn region(scope: &Self::Scope) -> Option<Region>;

    /// Returns true if the resource lives in this scope. Its listing decides
    /// where several that ended at the same time disagree.
    fn is_home(id: &Self::Id, scope: &Self::Scope) -> bool;

    /// Whether each default region lists the resources of all of them, so that their
    /// listings can be compared.
    const DEFAULT_REGIONS_AGREE: bool;

    /// Returns true if a complete listing of this scope shows the resource as
    /// long as it exists, whichever other scope lists it too.
    fn is_always_listed_by(id: &Self::Id, scope: &Self::Scope) -> bool;

    /// Returns the status as a word that is never empty: DynamoDB refuses an
    /// empty key of a map.
    fn status_word(attributes: &Self::Attributes) -> &str;

    /// Returns true if both have the same status. A missing status is one of
    /// its own.
    fn has_same_status(before: &Self::Attributes, after: &Self::Attributes) -> bool;

    /// Returns true if what uses the resource stops working by a change to these
    /// attributes (`None`: a deletion).
    fn breaks_consumers(
        before: Option<&Self::Attributes>,
        after: Option<&Self::Attributes>,
    ) -> bool;

    /// Returns how well an API call explains a change; `None` if it doesn't.
    fn fit(call: &ApiCall, changed: Changed<'_, Self>) -> Option<Fit>;
}

/// A change, as far as calls can explain it.
#[derive(Debug)]
pub struct Changed<'a, K: Kind> {
    /// Its kind.
    pub kind: ChangeKind,
    /// The resource.
    pub id: &'a K::Id,
    /// The attributes before.
    pub before: Option<&'a K::Attributes>,
    /// The attributes after.
    pub after: Option<&'a K::Attributes>,
}

impl<K: Kind> Clone for Changed<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for Changed<'_, K> {}

/// How well a call explains a change, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It was about a resource that this one uses.
    Related,
    /// It was about the resource.
    Resource,
    /// It was about the resource, and its name says what happened.
    Name,
}
