//! Calls that change the table, functions, roles, evidence or the stack.

use serde_json::json;

use super::{RULES, Watched, call, write};

#[tokio::test]
async fn changes_of_the_table_match_one_rule() {
    let watched = Watched::deployed("on", &[]).await;
    let table = watched.name("Table").await;
    let arn = watched.arn("dynamodb", &format!("table/{table}"));
    for (name, parameters) in [
        (
            "PutResourcePolicy",
            json!({"resourceArn": arn, "policy": "{}"}),
        ),
        ("DeleteResourcePolicy", json!({"resourceArn": arn})),
        (
            "PutResourcePolicy",
            json!({"resourceArn": format!("{arn}/stream/2026-10-08T16:21:07.000")}),
        ),
        (
            "UpdateTable",
            json!({"tableName": table, "deletionProtectionEnabled": false}),
        ),
        ("UpdateTable", json!({"tableName": arn})),
        ("DeleteTable", json!({"tableName": table})),
        ("CreateTable", json!({"tableName": table})),
        ("UpdateContinuousBackups", json!({"tableName": table})),
        ("UpdateTimeToLive", json!({"tableName": table})),
        (
            "EnableKinesisStreamingDestination",
            json!({"tableName": table}),
        ),
        (
            "RestoreTableToPointInTime",
            json!({"sourceTableName": "other", "targetTableName": table}),
        ),
        ("CallOfLaterYears", json!({"tableName": table})),
    ] {
        watched
            .only("TableChanges", &call("dynamodb", name, parameters))
            .await;
    }
    for (name, parameters) in [
        ("UpdateTable", json!({"tableName": "other"})),
        (
            "PutResourcePolicy",
            json!({"resourceArn": watched.arn("dynamodb", "table/other")}),
        ),
        ("CreateBackup", json!({"tableName": table})),
        ("TagResource", json!({"resourceArn": arn})),
        ("ExportTableToPointInTime", json!({"tableArn": arn})),
        (
            "RestoreTableToPointInTime",
            json!({"sourceTableName": table, "targetTableName": "other"}),
        ),
    ] {
        watched.none(&call("dynamodb", name, parameters)).await;
    }
    // Without data events of this stack, writes of another trail match nothing.
    let parameters = json!({"tableName": table, "key": {"pk": "a", "sk": "b"}});
    watched.none(&write(&arn, "PutItem", parameters)).await;
}

#[tokio::test]
async fn changes_of_functions_and_their_roles_match_one_rule() {
    let watched = Watched::deployed("on", &[("Checkpoints", "on")]).await;
    for logical in ["Function", "DependenciesFunction", "CheckpointFunction"] {
        let name = watched.name(logical).await;
        let arn = watched.arn("lambda", &format!("function:{name}"));
        let partial = format!("{}:function:{name}", watched.stack.account());
        for (event, function) in [
            ("UpdateFunctionCode20150331v2", name.clone()),
            ("UpdateFunctionCode20150331v2", arn.clone()),
            ("UpdateFunctionConfiguration20150331v2", partial),
            ("DeleteFunction20150331", arn.clone()),
            ("AddPermission20150331v2", format!("{name}:live")),
            ("AddPermission20150331v2", format!("{arn}:live")),
            ("PutFunctionEventInvokeConfig", name.clone()),
            ("CreateEventSourceMapping20150331", name.clone()),
            ("PutFunctionConcurrency20171031", name.clone()),
            ("PutRuntimeManagementConfig", name.clone()),
        ] {
            let parameters = json!({"functionName": function});
            watched
                .only("FunctionChanges", &call("lambda", event, parameters))
                .await;
        }
        let mut mapping = call(
            "lambda",
            "UpdateEventSourceMapping20150331",
            json!({"uUID": "a1b2c3d4-5678-90ab-cdef-11111EXAMPLE", "enabled": false}),
        );
        mapping["detail"]["responseElements"] = json!({"functionArn": arn, "state": "Disabling"});
        watched.only("FunctionChanges", &mapping).await;
        let mut invocation = call("lambda", "Invoke", json!({"functionName": arn}));
        invocation["detail"]["managementEvent"] = json!(false);
        watched.none(&invocation).await;
    }
    let other = json!({"functionName": "other"});
    watched
        .none(&call("lambda", "UpdateFunctionCode20150331v2", other))
        .await;

    for logical in ["FunctionRole", "DependenciesRole", "CheckpointRole"] {
        let role = watched.name(logical).await;
        for event in [
            "PutRolePolicy",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "DeleteRolePolicy",
            "UpdateAssumeRolePolicy",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "DeleteRole",
            "CreateRole",
        ] {
            let parameters = json!({"roleName": role, "policyName": "p"});
            watched
                .only("RoleChanges", &call("iam", event, parameters))
                .await;
        }
        watched
            .none(&call("iam", "TagRole", json!({"roleName": role})))
            .await;
        // Code of another function would write as this one.
        let given = json!({
            "functionName": "other",
            "role": format!("arn:aws:iam::{}:role/{role}", watched.stack.account()),
        });
        watched
            .only(
                "RoleChanges",
                &call("lambda", "CreateFunction20150331", given),
            )
            .await;
    }
    watched
        .none(&call("iam", "PutRolePolicy", json!({"roleName": "other"})))
        .await;
}

#[tokio::test]
async fn changes_of_log_key_and_bucket_match_one_rule() {
    let watched = Watched::deployed("on", &[("Checkpoints", "on")]).await;
    let bucket = watched.name("CheckpointBucket").await;
    let log = watched.name("LogGroup").await;
    let log_arn = watched.arn("logs", &format!("log-group:{log}"));
    let key = watched.stack.output("CheckpointKeyArn").to_owned();
    let key_call = |name: &str, key: &str| {
        // The call may have named the alias.
        let mut event = call("kms", name, json!({"keyId": "alias/checkpoints"}));
        event["detail"]["resources"] =
            json!([{"accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": key}]);
        event
    };
    for name in [
        "PutKeyPolicy",
        "DisableKey",
        "ScheduleKeyDeletion",
        "CreateGrant",
    ] {
        watched.only("EvidenceChanges", &key_call(name, &key)).await;
        let other = watched.arn("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab");
        watched.none(&key_call(name, &other)).await;
    }
    watched.none(&key_call("Sign", &key)).await;
    for name in [
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        "PutBucketObjectLockConfiguration",
        "PutBucketVersioning",
        "PutBucketLifecycle",
        "DeleteBucket",
    ] {
        let event = call("s3", name, json!({"bucketName": bucket}));
        watched.only("EvidenceChanges", &event).await;
        watched
            .none(&call("s3", name, json!({"bucketName": "other"})))
            .await;
    }
    let mut object = call("s3", "PutObject", json!({"bucketName": bucket}));
    object["detail"]["managementEvent"] = json!(false);
    watched.none(&object).await;
    for (name, parameters) in [
        ("DeleteLogGroup", json!({"logGroupName": log})),
        ("DeleteLogStream", json!({"logGroupName": log})),
        ("PutRetentionPolicy", json!({"logGroupName": log})),
        (
            "PutDataProtectionPolicy",
            json!({"logGroupIdentifier": log_arn}),
        ),
    ] {
        watched
            .only("EvidenceChanges", &call("logs", name, parameters))
            .await;
    }
    // Each new instance of the function does it.
    watched
        .none(&call(
            "logs",
            "CreateLogStream",
            json!({"logGroupName": log}),
        ))
        .await;
    watched
        .none(&call(
            "logs",
            "DeleteLogGroup",
            json!({"logGroupName": "other"}),
        ))
        .await;
}

#[tokio::test]
async fn changes_of_the_stack_and_the_watch_match_one_rule() {
    let watched = Watched::deployed("data-events", &[]).await;
    let request = json!({"StackName": format!("inventory-{}", watched.stack.account())});
    let found = watched
        .stack
        .aws
        .call("cloudformation", "describe_stacks", request)
        .await;
    let found = &found["Stacks"][0];
    for event in ["UpdateStack", "DeleteStack", "ExecuteChangeSet"] {
        for stack in [&found["StackName"], &found["StackId"]] {
            let event = call("cloudformation", event, json!({"stackName": stack}));
            watched.only("StackChanges", &event).await;
        }
        let other = call("cloudformation", event, json!({"stackName": "other"}));
        watched.none(&other).await;
    }
    for rule in RULES.into_iter().filter(|rule| *rule != "StackChanges") {
        let rule = watched.name(rule).await;
        for (name, parameters) in [
            ("DisableRule", json!({"name": rule})),
            ("DeleteRule", json!({"name": rule})),
            ("PutRule", json!({"name": rule})),
            ("RemoveTargets", json!({"rule": rule})),
        ] {
            watched
                .only("StackChanges", &call("events", name, parameters))
                .await;
        }
    }
    watched
        .none(&call("events", "DisableRule", json!({"name": "other"})))
        .await;
    let trail = watched.name("WatchTrail").await;
    let arn = watched.arn("cloudtrail", &format!("trail/{trail}"));
    for (name, parameters) in [
        ("StopLogging", json!({"name": trail})),
        ("StopLogging", json!({"name": arn})),
        ("DeleteTrail", json!({"name": trail})),
        ("PutEventSelectors", json!({"trailName": trail})),
    ] {
        watched
            .only("StackChanges", &call("cloudtrail", name, parameters))
            .await;
    }
    watched
        .none(&call("cloudtrail", "StopLogging", json!({"name": "other"})))
        .await;
    let bucket = json!({"bucketName": watched.name("WatchTrailBucket").await});
    let opened = call("s3", "DeleteBucketPolicy", bucket);
    watched.only("EvidenceChanges", &opened).await;
    let alarm = watched.name("TableChanged").await;
    for name in ["DeleteAlarms", "DisableAlarmActions"] {
        let alarms = call("monitoring", name, json!({"alarmNames": ["other", alarm]}));
        watched.only("StackChanges", &alarms).await;
        let other = call("monitoring", name, json!({"alarmNames": ["other"]}));
        watched.none(&other).await;
    }
}
