//! Items: DynamoDB's JSON, right ones of each kind, and what can be done to
//! them by hand.

use std::sync::OnceLock;

use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::domain::{
    AccountRecord, Change, Connection, RunRecord, SchemaVersion,
};
use codeconnections_inventory::table::codec::{Item, snapshot};
use codeconnections_inventory::table::{codec, fast_path};
use serde_json::Value;

/// An item in DynamoDB's JSON.
pub fn item(value: &Value) -> Option<Item> {
    let attributes = value.as_object()?.iter();
    attributes
        .map(|(name, value)| Some((name.clone(), attribute(value)?)))
        .collect()
}

fn attribute(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    let text = || value.as_str().map(str::to_owned);
    let texts = || -> Option<Vec<String>> {
        let list = value.as_array()?.iter();
        list.map(|text| text.as_str().map(str::to_owned)).collect()
    };
    Some(match kind.as_str() {
        "S" => AttributeValue::S(text()?),
        "N" => AttributeValue::N(text()?),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "NULL" => AttributeValue::Null(true),
        "B" => AttributeValue::B(text()?.into_bytes().into()),
        "SS" => AttributeValue::Ss(texts()?),
        "NS" => AttributeValue::Ns(texts()?),
        "L" => AttributeValue::L(
            value
                .as_array()?
                .iter()
                .map(attribute)
                .collect::<Option<_>>()?,
        ),
        "M" => AttributeValue::M(item(value)?),
        _ => return None,
    })
}

/// Items of each kind: tables as earlier formats have them, and the same
/// items as this version writes them.
pub fn real_items() -> &'static [Item] {
    static ITEMS: OnceLock<Vec<Item>> = OnceLock::new();
    const TABLES: [&str; 4] = [
        include_str!("../../tests/it/table/earlier_formats/format_1.json"),
        include_str!("../../tests/it/table/earlier_formats/format_2.json"),
        include_str!("../../tests/it/table/earlier_formats/format_3.json"),
        include_str!("../../tests/it/table/earlier_formats/format_4.json"),
    ];
    ITEMS.get_or_init(|| {
        let tables = TABLES.iter().map(|table| {
            let items: Vec<Value> = serde_json::from_str(table).expect("a list");
            items
        });
        let items: Vec<Item> = tables
            .flatten()
            .map(|value| item(&value).expect("an item"))
            .collect();
        let current: Vec<Item> = items.iter().filter_map(as_current).collect();
        items.into_iter().chain(current).collect()
    })
}

fn as_current(item: &Item) -> Option<Item> {
    let account = codec::account_of::<Connection>(item);
    if let (Some(account), Ok((snapshot, _))) = (account, fast_path::snapshot::read_unsealed(item))
    {
        return Some(snapshot::snapshot_item(
            &account,
            &snapshot,
            SchemaVersion::CURRENT,
        ));
    }
    if let Ok(change) = codec::read_record::<Change>(item.clone()) {
        let format = SchemaVersion::CURRENT;
        return Some(codec::change_item(&Change { format, ..change }));
    }
    if let Ok(run) = codec::read_record::<RunRecord>(item.clone()) {
        let format = SchemaVersion::CURRENT;
        return Some(codec::run_item(&RunRecord { format, ..run }));
    }
    let record = codec::read_record::<AccountRecord>(item.clone()).ok()?;
    let format = SchemaVersion::CURRENT;
    Some(codec::account_item(&AccountRecord { format, ..record }))
}

/// Does to an item what the input says: each edit is an attribute's number, at
/// any depth, and what becomes of it.
pub fn edit(item: &mut Item, mut data: &[u8]) {
    while let [which, how, rest @ ..] = data {
        data = rest;
        let mut names: Vec<String> = item.keys().cloned().collect();
        names.sort();
        if names.is_empty() {
            return;
        }
        let name = names.swap_remove(usize::from(*which) % names.len());
        let length = usize::from(rest.first().copied().unwrap_or(0)) % 40;
        let text = String::from_utf8_lossy(&rest[..rest.len().min(length)]).into_owned();
        match how % 16 {
            0 => drop(item.remove(&name)),
            1 => drop(item.insert(name, AttributeValue::S(text))),
            2 => drop(item.insert(name, AttributeValue::N(text))),
            3 => drop(item.insert(name, AttributeValue::Bool(true))),
            4 => drop(item.insert(name, AttributeValue::Null(true))),
            5 => drop(item.insert(name, AttributeValue::Ss(vec![text]))),
            6 => drop(item.insert(name, AttributeValue::L(Vec::new()))),
            7 => drop(item.insert(name, AttributeValue::M(Item::new()))),
            8 => drop(item.insert(name, AttributeValue::B(text.into_bytes().into()))),
            // Another attribute's value in its place.
            9 => {
                let other = names.get(usize::from(rest.first().copied().unwrap_or(0)));
                if let Some(value) = other.and_then(|other| item.get(other)).cloned() {
                    item.insert(name, value);
                }
            }
            10 => drop(item.insert(text, AttributeValue::N("1".to_owned()))),
            11 => drop(item.insert(name, AttributeValue::S("x".repeat(rest.len() * 400)))),
            12 => drop(item.insert(
                "v".to_owned(),
                AttributeValue::N((rest.len() % 6).to_string()),
            )),
            13 => drop(item.insert("v".to_owned(), AttributeValue::N("9".repeat(length)))),
            14 => {
                if let Some(value) = item.remove(&name) {
                    item.insert(name, AttributeValue::L(vec![value]));
                }
            }
            // Further down, all that is left.
            _ => match item.get_mut(&name) {
                Some(AttributeValue::M(inner)) => return edit(inner, rest),
                Some(AttributeValue::L(list)) => {
                    if let Some(AttributeValue::M(inner)) = list.first_mut() {
                        return edit(inner, rest);
                    }
                }
                Some(AttributeValue::S(told)) => told.push_str(&text),
                _ => {}
            },
        }
    }
}
