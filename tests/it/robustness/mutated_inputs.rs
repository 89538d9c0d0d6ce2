//! Runs each parser of external input on hundreds of mutated inputs, or
//! thousands with `TEST_CASES=10`. The checks are those of `fuzz/`, which
//! searches much further, guided by coverage. Its findings become seeds.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test says what it expects"
)]

#[path = "../../../fuzz/src/lib.rs"]
#[allow(clippy::unwrap_used, reason = "a check fails by a panic")]
mod fuzz;

use std::path::Path;

use fastrand::Rng;

use crate::support::cases::cases;

/// Runs a check over its seeds and over `mutations` × `TEST_CASES` mutations of
/// them.
fn search(target: &str, check: fn(&[u8]), mutations: u32) {
    let mutations = cases(mutations) as usize;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("seeds")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).expect("a seed"))
        .collect();
    let mut rng = Rng::with_seed(5);
    for number in 0..seeds.len() + mutations {
        let input = match seeds.get(number) {
            Some(seed) => seed.clone(),
            None => mutated(&seeds, &mut rng),
        };
        let shown = String::from_utf8_lossy(&input).into_owned();
        if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
            eprintln!("{target}, input {number}: {shown:?} = {input:?}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Returns a seed, altered in a few places.
fn mutated(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    const WORDS: [&[u8]; 16] = [
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"\"\"",
        b"{}",
        b"[]",
        b"\\u0000",
        b"\xff\xfe",
        b"\0",
        b"\n",
        "\u{202e}".as_bytes(),
        "🦀".as_bytes(),
        b"\xbf",
        b"\x9b\x40\0\0\0\0\0\0\0",
        b"\x7f",
    ];
    let mut input = rng.choice(seeds).expect("a seed").clone();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(0..=input.len());
        let end = rng.usize(at..=input.len().min(at + 40));
        match rng.u8(0..8) {
            0 if at < input.len() => input[at] ^= 1 << rng.u8(0..8),
            1 if at < input.len() => input[at] = rng.u8(..),
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => drop(input.splice(at..end, rng.choice(WORDS).expect("one").to_vec())),
            5 => {
                let part = input[at..end].to_vec();
                let times = if rng.u8(0..50) == 0 {
                    3_000
                } else {
                    rng.usize(1..4)
                };
                drop(input.splice(at..at, part.repeat(times)));
            }
            6 => {
                let other = rng.choice(seeds).expect("a seed");
                let from = rng.usize(0..=other.len());
                let to = rng.usize(from..=other.len().min(from + 200));
                drop(input.splice(at..end, other[from..to].to_vec()));
            }
            _ => input.insert(at, rng.u8(..)),
        }
    }
    input
}

#[test]
fn events_are_rejected_by_field_or_round_trip() {
    search("event", fuzz::event, 1_000);
}

#[test]
fn words_are_rejected_in_one_line_or_round_trip() {
    search("words", fuzz::words, 1_000);
}

#[test]
fn rule_files_are_rejected_by_line() {
    search("rules", fuzz::rules, 200);
}

#[test]
fn items_are_rejected_by_record_and_attribute_or_round_trip() {
    search("items", fuzz::items, 100);
}

#[test]
fn edited_items_are_rejected_by_record_and_attribute_or_read() {
    search("edits", fuzz::edits, 100);
}

#[test]
fn listing_pages_are_read_or_reported_in_one_line() {
    search("listing", fuzz::listing, 50);
}

#[test]
fn table_responses_are_read_or_reported_in_one_line() {
    search("answers", fuzz::answers, 50);
}
