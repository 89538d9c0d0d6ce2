//! A page of `ListConnections` as the service sends it: CBOR, in Smithy's RPC
//! v2 protocol.
//!
//! The SDK drops members that its model lacks, and a model is as old as its
//! release. So the page is read here, and unmodelled members are kept as
//! received.
//! <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::Decoder;
use minicbor::data::{Int, Type};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::domain::attributes::AttributeName;

/// The most connections of a page: a hundred times as many as requested. The
/// shortest takes one byte on the wire, and more than two hundred in memory.
const MAX_CONNECTIONS: usize = 10_000;

/// The deepest nesting of an unknown member's value. A deeper value is kept as
/// its digest.
const MAX_DEPTH: u32 = 16;

/// A page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// `None` if the response has no list of connections.
    pub(super) connections: Option<Vec<Connection>>,
    pub(super) next_token: Option<String>,
}

/// A connection as received. Each member may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) connection_arn: Option<String>,
    /// The attributes that this version models, at the places of
    /// [`AttributeName::ALL`].
    pub(super) attributes: [Option<String>; AttributeName::ALL.len()],
    /// Members that this version does not model, by their names.
    pub(super) unknown: BTreeMap<Box<str>, Value>,
}

/// The reason why a page can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// It is not CBOR, or a member is of another type.
    #[error("{0}")]
    Cbor(#[from] minicbor::decode::Error),
    /// A map has a member twice: which one counts is unknown.
    #[error("member {0:?} is there twice")]
    Twice(String),
    /// There are more connections than a page has.
    #[error("more than {MAX_CONNECTIONS} connections on a page")]
    TooMany,
    /// Bytes follow the page.
    #[error("{0} bytes follow the answer")]
    More(usize),
}

/// Reads a page.
///
/// # Errors
/// [`PageError`] if it is not what the service sends. Nothing of it is used
/// then: an unreadable page must not be taken for an empty one.
pub(super) fn page(body: &[u8]) -> Result<Page, PageError> {
    let mut decoder = Decoder::new(body);
    let mut page = Page::default();
    let mut names = Names::default();
    members(&mut decoder, |decoder, name| {
        names.note(name)?;
        match name {
            "Connections" => page.connections = optional(decoder, connections)?,
            "NextToken" => page.next_token = optional(decoder, text)?,
            _ => decoder.skip()?,
        }
        Ok(())
    })?;
    match body.len() - decoder.position() {
        0 => Ok(page),
        more => Err(PageError::More(more)),
    }
}

fn connections(decoder: &mut Decoder<'_>) -> Result<Vec<Connection>, PageError> {
    let mut connections = Vec::new();
    elements(decoder, |decoder| {
        if connections.len() == MAX_CONNECTIONS {
            return Err(PageError::TooMany);
        }
        // A sparse list is none of the service's; the SDK takes it for no entry.
        connections.push(connection(decoder)?);
        Ok(())
    })?;
    Ok(connections)
}

fn connection(decoder: &mut Decoder<'_>) -> Result<Connection, PageError> {
    let mut connection = Connection::default();
    let mut names = Names::default();
    members(decoder, |decoder, name| {
        names.note(name)?;
        if let Some(attribute) = AttributeName::from_api(name) {
            connection.attributes[attribute as usize] = optional(decoder, text)?;
        } else if name == "ConnectionArn" {
            connection.connection_arn = optional(decoder, text)?;
        } else if let Some(value) = optional(decoder, |decoder| value(decoder, 0))? {
            connection.unknown.insert(name.into(), value);
        }
        Ok(())
    })?;
    Ok(connection)
}

/// The names of a map's members, each allowed once.
#[derive(Default)]
struct Names(BTreeMap<Box<str>, ()>);

impl Names {
    fn note(&mut self, name: &str) -> Result<(), PageError> {
        match self.0.entry(name.into()) {
            Place::Vacant(place) => {
                place.insert(());
                Ok(())
            }
            Place::Occupied(_) => Err(PageError::Twice(name.to_owned())),
        }
    }
}

/// Passes each member of a map to `each`, which has to read its value.
fn members<'b>(
    decoder: &mut Decoder<'b>,
    mut each: impl FnMut(&mut Decoder<'b>, &str) -> Result<(), PageError>,
) -> Result<(), PageError> {
    let mut left = decoder.map()?;
    while more(decoder, &mut left)? {
        let name = text(decoder)?;
        each(decoder, &name)?;
    }
    Ok(())
}

/// Has `each` read each element of a list.
fn elements<'b>(
    decoder: &mut Decoder<'b>,
    mut each: impl FnMut(&mut Decoder<'b>) -> Result<(), PageError>,
) -> Result<(), PageError> {
    let mut left = decoder.array()?;
    while more(decoder, &mut left)? {
        each(decoder)?;
    }
    Ok(())
}

/// Returns true if another element follows: `left` elements, or those up to a
/// break.
fn more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, PageError> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

/// Reads a value; `None` for null.
fn optional<'b, T>(
    decoder: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, PageError>,
) -> Result<Option<T>, PageError> {
    match decoder.datatype()? {
        Type::Null => decoder.null()?,
        Type::Undefined => decoder.undefined()?,
        _ => return read(decoder).map(Some),
    }
    Ok(None)
}

fn text(decoder: &mut Decoder<'_>) -> Result<String, PageError> {
    if decoder.datatype()? == Type::String {
        return Ok(decoder.str()?.to_owned());
    }
    let mut text = String::new();
    for piece in decoder.str_iter()? {
        text.push_str(piece?);
    }
    Ok(text)
}

fn bytes(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, PageError> {
    let mut bytes = Vec::new();
    for piece in decoder.bytes_iter()? {
        bytes.extend_from_slice(piece?);
    }
    Ok(bytes)
}

/// The value of an unknown member as JSON. What JSON has no type for, or what
/// canonical JSON can't have, is an object with one member whose name begins
/// with `cbor:`.
fn value(decoder: &mut Decoder<'_>, depth: u32) -> Result<Value, PageError> {
    let begin = decoder.position();
    if depth == MAX_DEPTH {
        decoder.skip()?;
        return Ok(digest(decoder, begin));
    }
    let kind = decoder.datatype()?;
    Ok(match kind {
        Type::Bool => decoder.bool()?.into(),
        Type::Null => {
            decoder.null()?;
            Value::Null
        }
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => integer(decoder.int()?),
        Type::F16 => json!({"cbor:float": f64::from(decoder.f16()?).to_string()}),
        Type::F32 => json!({"cbor:float": f64::from(decoder.f32()?).to_string()}),
        Type::F64 => json!({"cbor:float": decoder.f64()?.to_string()}),
        Type::String | Type::StringIndef => text(decoder)?.into(),
        Type::Bytes | Type::BytesIndef => {
            json!({"cbor:bytes": STANDARD.encode(bytes(decoder)?)})
        }
        Type::Array | Type::ArrayIndef => {
            let mut list = Vec::new();
            elements(decoder, |decoder| {
                list.push(value(decoder, depth + 1)?);
                Ok(())
            })?;
            list.into()
        }
        Type::Map | Type::MapIndef => map(decoder, depth)?,
        Type::Tag => {
            let tag = decoder.tag()?.as_u64();
            json!({"cbor:tag": [tag, value(decoder, depth + 1)?]})
        }
        Type::Undefined => {
            decoder.undefined()?;
            json!({"cbor:simple": 23})
        }
        Type::Simple => json!({"cbor:simple": decoder.simple()?}),
        Type::Break | Type::Unknown(_) => {
            return Err(minicbor::decode::Error::type_mismatch(kind)
                .at(begin)
                .into());
        }
    })
}

/// A map with text keys, each once. Of another one the digest is kept.
fn map(decoder: &mut Decoder<'_>, depth: u32) -> Result<Value, PageError> {
    let begin = decoder.position();
    let mut map = serde_json::Map::new();
    let mut is_object = true;
    let mut left = decoder.map()?;
    while more(decoder, &mut left)? {
        let is_text = matches!(decoder.datatype()?, Type::String | Type::StringIndef);
        if !is_object || !is_text {
            is_object = false;
            decoder.skip()?;
            decoder.skip()?;
            continue;
        }
        let name = text(decoder)?;
        is_object = map.insert(name, value(decoder, depth + 1)?).is_none();
    }
    if is_object {
        return Ok(map.into());
    }
    Ok(digest(decoder, begin))
}

fn integer(integer: Int) -> Value {
    if let Ok(number) = u64::try_from(integer) {
        number.into()
    } else if let Ok(number) = i64::try_from(integer) {
        number.into()
    } else {
        json!({"cbor:integer": i128::from(integer).to_string()})
    }
}

/// What stands for the bytes from `begin` to where the decoder is.
fn digest(decoder: &Decoder<'_>, begin: usize) -> Value {
    let bytes = &decoder.input()[begin..decoder.position()];
    let digest: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({"cbor:sha256": digest})
}

#[cfg(test)]
mod tests;
