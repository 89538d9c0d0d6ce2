//! Writes to items of the table.

use serde_json::json;

use super::super::story::sample;
use super::{Watched, write};
use crate::support::template::list;

#[tokio::test]
async fn writes_by_others_match_and_those_of_the_functions_do_not() {
    let watched = Watched::deployed("data-events", &[]).await;
    let table = watched.name("Table").await;
    let arn = watched.arn("dynamodb", &format!("table/{table}"));
    let named = json!({"tableName": table});
    let update = "UPDATE t SET a = ***(Redacted) WHERE pk = 'a'";
    let writes = [
        ("PutItem", named.clone()),
        ("UpdateItem", named.clone()),
        ("DeleteItem", named),
        (
            "BatchWriteItem",
            json!({"requestItems": {table.as_str(): []}}),
        ),
        (
            "TransactWriteItems",
            json!({"requestItems": [{"operation": "Put", "tableName": table}]}),
        ),
        ("ExecuteStatement", json!({"statement": update})),
        (
            "BatchExecuteStatement",
            json!({"requestItems": [{"statement": update}]}),
        ),
        (
            "BatchExecuteStatement",
            json!({"requestItems": [{"statement": "SELECT * FROM t"}, {"statement": update}]}),
        ),
        ("ExecuteTransaction", json!({})),
    ];
    let account = watched.stack.account();
    let mut functions = Vec::new();
    for (role, function) in [
        ("FunctionRole", "Function"),
        ("DependenciesRole", "DependenciesFunction"),
    ] {
        let (role, function) = (watched.name(role).await, watched.name(function).await);
        let mut identity =
            sample("cloudtrail-create-connection.json")["detail"]["userIdentity"].take();
        identity["arn"] = json!(format!(
            "arn:aws:sts::{account}:assumed-role/{role}/{function}"
        ));
        identity["sessionContext"]["sessionIssuer"]["arn"] =
            json!(format!("arn:aws:iam::{account}:role/{role}"));
        functions.push(identity);
    }
    for (name, parameters) in writes {
        let by_another_role = write(&arn, name, parameters);
        let mut by_a_user = by_another_role.clone();
        by_a_user["detail"]["userIdentity"] = json!({
            "type": "IAMUser", "arn": format!("arn:aws:iam::{account}:user/alice"),
            "accountId": account, "userName": "alice",
        });
        for event in [&by_another_role, &by_a_user] {
            assert_eq!(watched.matching(event).await, ["TableWrites"], "{event:#}");
            let mut refused = event.clone();
            refused["detail"]["errorCode"] = json!("AccessDenied");
            assert_eq!(watched.matching(&refused).await, ["TableWrites"], "refused");
        }
        for function in &functions {
            let mut own = by_another_role.clone();
            own["detail"]["userIdentity"] = function.clone();
            watched.none(&own).await;
        }
        let mut elsewhere = by_another_role.clone();
        elsewhere["detail"]["resources"][0]["ARN"] = json!(watched.arn("dynamodb", "table/other"));
        watched.none(&elsewhere).await;
    }
    // CloudTrail calls them writes, as its example of ExecuteStatement shows.
    let select = json!({"statement": "SELECT * FROM t WHERE pk = 'a'"});
    watched
        .none(&write(&arn, "ExecuteStatement", select.clone()))
        .await;
    let batch = json!({"requestItems": [select]});
    watched
        .none(&write(&arn, "BatchExecuteStatement", batch))
        .await;
    let mut query = write(&arn, "Query", json!({"tableName": table}));
    query["detail"]["readOnly"] = json!(true);
    watched.none(&query).await;

    // The deployed target is the bus of the stack.
    let rule = json!({"Rule": watched.name("TableWrites").await});
    let targets = watched
        .stack
        .aws
        .call("events", "list_targets_by_rule", rule)
        .await;
    let bus = watched.stack.output("EventBusName");
    let [target] = list(&targets["Targets"]) else {
        panic!("one target: {targets}");
    };
    assert_eq!(
        target["Arn"],
        watched.arn("events", &format!("event-bus/{bus}"))
    );
}
