use minicbor::Encoder;

use super::*;

type Made = Encoder<Vec<u8>>;

fn made(write: impl FnOnce(&mut Made)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder);
    encoder.into_writer()
}

/// A page with one connection that has this member alone.
fn with(name: &str, value: &[u8]) -> Vec<u8> {
    let mut body = made(|e| {
        let e = e.map(1).unwrap().str("Connections").unwrap();
        e.array(1).unwrap().map(1).unwrap().str(name).unwrap();
    });
    body.extend_from_slice(value);
    body
}

fn only(page: Page) -> Connection {
    let mut connections = page.connections.expect("a list");
    assert_eq!(connections.len(), 1);
    connections.remove(0)
}

#[test]
fn unknown_members_are_kept_in_one_form() {
    let nested = made(|e| {
        e.map(2).unwrap().str("b").unwrap().null().unwrap();
        e.str("a").unwrap().array(2).unwrap().i8(-1).unwrap();
        e.u64(u64::MAX).unwrap();
    });
    let indefinite = made(|e| {
        e.begin_map()
            .unwrap()
            .str("a")
            .unwrap()
            .begin_array()
            .unwrap();
        e.i64(-1).unwrap().u64(u64::MAX).unwrap().end().unwrap();
        e.str("b").unwrap().null().unwrap().end().unwrap();
    });
    let as_json = json!({"a": [-1, u64::MAX], "b": null});
    let cases = [
        (made(|e| drop(e.bool(true))), json!(true)),
        (made(|e| drop(e.f64(1.5))), json!({"cbor:float": "1.5"})),
        (made(|e| drop(e.f32(1.5))), json!({"cbor:float": "1.5"})),
        (
            made(|e| drop(e.bytes(b"ab"))),
            json!({"cbor:bytes": "YWI="}),
        ),
        (vec![0xc1, 0x01], json!({"cbor:tag": [1, 1]})),
        (
            vec![0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
            json!({"cbor:integer": "-18446744073709551616"}),
        ),
        (vec![0x7f, 0x61, b'a', 0x61, b'b', 0xff], json!("ab")),
        (vec![0xe5], json!({"cbor:simple": 5})),
        (nested, as_json.clone()),
        (indefinite, as_json),
    ];
    for (value, expected) in cases {
        let connection = only(page(&with("Added", &value)).expect("readable"));
        assert_eq!(connection.unknown["Added"], expected, "{value:x?}");
    }
    // Null is what is not there.
    let connection = only(page(&with("Added", &[0xf6])).expect("readable"));
    assert!(connection.unknown.is_empty());
}

#[test]
fn what_json_cannot_hold_is_kept_as_a_digest() {
    let by_number = made(|e| drop(e.map(1).unwrap().u8(1).unwrap().u8(2)));
    let twice = made(|e| {
        let e = e.map(2).unwrap().str("a").unwrap().u8(1).unwrap();
        e.str("a").unwrap().u8(2).unwrap();
    });
    let deep: Vec<u8> = [vec![0x81; 5_000], vec![0x01]].concat();
    for value in [by_number, twice, deep] {
        let connection = only(page(&with("Added", &value)).expect("readable"));
        let kept = connection.unknown["Added"].to_string();
        assert!(kept.contains("cbor:sha256"), "{kept}");
        assert!(kept.len() < 150, "{kept}");
    }
}

#[test]
fn page_that_is_not_what_the_service_sends_is_unreadable() {
    let cases: [(&str, Vec<u8>); 8] = [
        ("nothing", vec![]),
        ("no map", vec![0x80]),
        (
            "no list",
            made(|e| drop(e.map(1).unwrap().str("Connections").unwrap().u8(1))),
        ),
        ("a name that is no text", with("ConnectionName", &[0x01])),
        ("cut off", with("ConnectionName", &[0x65, b'a'])),
        (
            "followed by more",
            [with("ConnectionName", &[0x60]), vec![0x00]].concat(),
        ),
        (
            "an entry that is null",
            made(|e| {
                let e = e.map(1).unwrap().str("Connections").unwrap();
                e.array(1).unwrap().null().unwrap();
            }),
        ),
        (
            "a member twice",
            made(|e| {
                let e = e
                    .map(2)
                    .unwrap()
                    .str("NextToken")
                    .unwrap()
                    .str("a")
                    .unwrap();
                e.str("NextToken").unwrap().str("b").unwrap();
            }),
        ),
    ];
    for (what, body) in cases {
        assert!(page(&body).is_err(), "{what}");
    }
    let many = made(|e| {
        let e = e.map(1).unwrap().str("Connections").unwrap();
        e.array(10_001).unwrap();
    });
    let many = [many, vec![0xa0; 10_001]].concat();
    assert!(matches!(page(&many), Err(PageError::TooMany)));
}

#[test]
fn known_members_are_read() {
    let body = made(|e| {
        let e = e
            .map(2)
            .unwrap()
            .str("NextToken")
            .unwrap()
            .str("n")
            .unwrap();
        let e = e.str("Connections").unwrap().array(1).unwrap();
        e.map(2)
            .unwrap()
            .str("ProviderEndpoint")
            .unwrap()
            .str("p")
            .unwrap();
        e.str("ConnectionStatus").unwrap().null().unwrap();
    });
    let page = page(&body).expect("readable");
    assert_eq!(page.next_token.as_deref(), Some("n"));
    let connection = only(page);
    let attribute = |name| connection.attributes[name as usize].as_deref();
    assert_eq!(attribute(AttributeName::ProviderEndpoint), Some("p"));
    assert_eq!(attribute(AttributeName::ConnectionStatus), None);
    assert!(connection.unknown.is_empty());
}
