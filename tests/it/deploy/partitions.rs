//! The partition and the domain of each region, compared with the table of botocore.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::support::tools;
use codeconnections_inventory::domain::partition::{dns_suffix, dual_stack_suffix, partition};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Partition {
    regions: Vec<String>,
    suffix: String,
    dual_stack_suffix: String,
}

#[test]
fn region_partitions_match_botocore() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/partitions.py");
    let output = Command::new(tools::python()).arg(script).output();
    let output = output.expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let partitions: BTreeMap<String, Partition> =
        serde_json::from_slice(&output.stdout).expect("JSON");
    for id in ["aws", "aws-cn", "aws-eusc", "aws-iso", "aws-us-gov"] {
        assert!(partitions.contains_key(id), "{id}: {partitions:?}");
    }
    let mut wrong = BTreeSet::new();
    for (id, known) in &partitions {
        for region in &known.regions {
            let found = (
                partition(region),
                dns_suffix(region),
                dual_stack_suffix(region),
            );
            if found != (id, &known.suffix, &known.dual_stack_suffix) {
                wrong.insert((region, id, found));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
