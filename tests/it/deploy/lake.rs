//! The lake: its bucket, its export, its views and its saved queries.

use std::collections::{BTreeMap, BTreeSet};

use codeconnections_inventory::domain::DependencyType;
use serde_json::{Value, json};

use crate::support::ccinv::Ccinv;
use crate::support::template::{TEMPLATE, deployed, list, text};

const ON: (&str, &str) = ("Lake", "on");

/// Returns the properties of a resource of the stack with the lake.
fn properties(name: &str) -> Value {
    deployed(&[ON])["Resources"][name]["Properties"].take()
}

/// Returns the views: their definition as Athena reads it, and their columns in Glue.
fn views() -> BTreeMap<String, (Value, Value)> {
    let resources = TEMPLATE["Resources"].as_object().expect("resources");
    let inputs = resources
        .values()
        .map(|resource| &resource["Properties"]["TableInput"])
        .filter(|input| input["TableType"] == "VIRTUAL_VIEW");
    inputs
        .map(|input| {
            let [wrapping, with] = list(&input["ViewOriginalText"]["Fn::Sub"]) else {
                panic!("a text with one substitution: {input}");
            };
            assert_eq!(*wrapping, "/* Presto View: ${View} */");
            let definition = text(&with["View"]["Fn::Base64"]["Fn::Sub"]);
            let definition = serde_json::from_str(&definition).expect("JSON");
            let columns = input["StorageDescriptor"]["Columns"].clone();
            (text(&input["Name"]), (definition, columns))
        })
        .collect()
}

#[test]
fn lake_is_deployed_only_when_it_is_on() {
    let names = |parameters: &[(&str, &str)]| -> BTreeSet<String> {
        let template = deployed(parameters);
        let resources = template["Resources"].as_object().expect("resources");
        resources.keys().cloned().collect()
    };
    let (off, on) = (names(&[]), names(&[ON]));
    assert!(off.iter().all(|name| !name.contains("Lake")), "{off:?}");
    let more: Vec<_> = on.difference(&off).collect();
    assert!(more.len() > 20);
    assert!(more.iter().all(|name| name.contains("Lake")), "{more:?}");
    let outputs = deployed(&[])["Outputs"].take();
    let outputs = outputs.as_object().expect("outputs");
    assert!(outputs.keys().all(|name| !name.contains("Lake")));
}

#[test]
fn bucket_is_private_encrypted_versioned_and_kept() {
    let bucket = deployed(&[ON])["Resources"]["LakeBucket"].take();
    assert_eq!(bucket["DeletionPolicy"], "Retain");
    assert_eq!(bucket["UpdateReplacePolicy"], "Retain");
    let bucket = &bucket["Properties"];
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    let private = bucket["PublicAccessBlockConfiguration"].as_object();
    let private = private.expect("a block");
    assert_eq!(private.len(), 4);
    assert!(private.values().all(|it| it == true), "{private:?}");
    let encryption = |bucket: &Value| {
        let rule = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
        text(&rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"])
    };
    assert_eq!(encryption(bucket), "AES256");
    let key = ("KeyArn", "arn:aws:kms:eu-west-1:123456789012:key/a");
    let with_key = deployed(&[ON, key])["Resources"]["LakeBucket"]["Properties"].take();
    assert_eq!(encryption(&with_key), "aws:kms");

    let rules = list(&bucket["LifecycleConfiguration"]["Rules"]);
    let expiring: Vec<_> = rules
        .iter()
        .filter(|rule| rule.get("ExpirationInDays").is_some())
        .map(|rule| text(&rule["Prefix"]))
        .collect();
    assert_eq!(expiring, ["results/"], "exports are kept");

    let policy = properties("LakeBucketPolicy");
    let [statement] = list(&policy["PolicyDocument"]["Statement"]) else {
        panic!("one statement: {policy}");
    };
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(statement["Principal"], json!({"AWS": "*"}));
    assert_eq!(statement["Action"], "s3:*");
    assert_eq!(list(&statement["Resource"]).len(), 2);
    let insecure = json!({"Bool": {"aws:SecureTransport": "false"}});
    assert_eq!(statement["Condition"], insecure);
}

#[test]
fn export_role_can_export_and_do_nothing_else() {
    let allowed = |role: &str| {
        let role = properties(role);
        let statements = list(&role["Policies"][0]["PolicyDocument"]["Statement"]).to_vec();
        let mut allowed = Vec::new();
        for statement in statements.iter().filter(|it| !it.is_null()) {
            assert_ne!(statement["Resource"], "*", "{statement}");
            match &statement["Action"] {
                Value::String(action) => allowed.push(action.clone()),
                actions => allowed.extend(list(actions).iter().map(text)),
            }
        }
        allowed
    };
    assert_eq!(
        allowed("LakeExportRole"),
        [
            "dynamodb:ExportTableToPointInTime",
            "dynamodb:DescribeExport",
            "s3:AbortMultipartUpload",
            "s3:PutObject",
            "s3:PutObjectAcl",
            "ssm:GetParameter",
            "ssm:PutParameter",
        ]
    );
    assert_eq!(allowed("LakeScheduleRole"), ["states:StartExecution"]);
    let rule = properties("LakeSchedule");
    assert_eq!(rule["ScheduleExpression"], "rate(1 day)");
    assert_eq!(rule["Targets"][0]["Arn"], json!({"Ref": "LakeExport"}));
    assert!(rule["Targets"][0].get("DeadLetterConfig").is_some());
}

#[test]
fn workgroup_limits_bytes_and_encrypts_results() {
    let group = properties("LakeWorkGroup")["WorkGroupConfiguration"].take();
    assert_eq!(group["EnforceWorkGroupConfiguration"], true);
    assert_eq!(group["BytesScannedCutoffPerQuery"], 1_u64 << 30);
    let encryption = &group["ResultConfiguration"]["EncryptionConfiguration"];
    assert_eq!(encryption["EncryptionOption"], "SSE_S3");
}

#[tokio::test]
async fn views_have_the_columns_of_ccinv_sql() {
    // Columns that are JSON of the item, which Athena can't convert in a few words.
    let left_out = BTreeMap::from([
        ("connections", vec!["unknown_members"]),
        (
            "changes",
            vec![
                "before_unknown_members",
                "after_unknown_members",
                "consumers",
            ],
        ),
        ("runs", vec!["calls", "filter", "retired_regions"]),
        ("consumers", vec!["repository", "listed_in", "members"]),
    ]);
    let schema = Ccinv::offline().fine(&["sql", "--schema"]).await;
    let views = views();
    let names: Vec<&str> = views.keys().map(String::as_str).collect();
    let expected = [
        "changes",
        "connections",
        "consumers",
        "images",
        "items",
        "runs",
    ];
    assert_eq!(names, expected);
    for (name, (definition, glue)) in &views {
        let columns: Vec<_> = list(&definition["columns"])
            .iter()
            .map(|column| (text(&column["name"]), text(&column["type"])))
            .collect();
        let in_glue = list(glue).iter().map(|column| {
            let hive = match text(&column["Type"]).as_str() {
                "string" => "varchar".to_owned(),
                "int" => "integer".to_owned(),
                other => other.to_owned(),
            };
            (text(&column["Name"]), hive)
        });
        assert_eq!(columns, in_glue.collect::<Vec<_>>(), "{name}");
        let sql = text(&definition["originalSql"]);
        assert!(!sql.contains(['"', '\\']), "{name}: it stands in JSON");
        let Some(left_out) = left_out.get(name.as_str()) else {
            continue;
        };
        let heading = format!("### {name}\n");
        let (_, table) = schema.split_once(&heading).expect("a table");
        let (table, _) = table.split_once("\n###").expect("the next");
        let in_sqlite: Vec<String> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(column, _)| column.to_owned())
            .filter(|column| !left_out.contains(&column.as_str()))
            .collect();
        let in_athena: Vec<_> = columns.into_iter().map(|(column, _)| column).collect();
        assert_eq!(in_athena, in_sqlite, "{name}");
    }
    let consumers = text(&views["consumers"].0["originalSql"]);
    for kind in DependencyType::ALL {
        let excluded = consumers.contains(&format!("'{kind}'"));
        assert_eq!(excluded, !kind.is_consumer(), "{kind}");
    }
}
