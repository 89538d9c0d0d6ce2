//! API calls on tags, hosts and repository links: the rule that matches them, and the
//! runs of dependencies that they cause.

use codeconnections_inventory::domain::{
    AccountId, Cause, ChangeKind, Dependency, DependencyId, DependencyType, Outcome, Trigger,
};
use codeconnections_inventory::local::codeconnections::{Operation, Scope};
use codeconnections_inventory::table::Table;
use serde_json::{Value, json};

use super::calls::emptied;
use super::story::{caller, creation, sample};
use crate::support::eventually;
use crate::support::stack::Stack;
use crate::support::template::text;
use crate::support::test_env::REGION;

const RULE: &str = "DependencyEvents";

/// Returns the CloudTrail event of a call with these members.
fn call(stack: &Stack, number: usize, name: &str, request: Value, response: Value) -> Value {
    let mut event = creation(stack.account(), "", number);
    let detail = &mut event["detail"];
    detail["eventName"] = json!(name);
    detail["requestParameters"] = request;
    detail["responseElements"] = response;
    event
}

/// Returns the output of an operation in the stack's account.
fn perform(stack: &Stack, operation: Operation, input: Value) -> Value {
    let scope = Scope::new(stack.account(), REGION);
    let mut state = stack.codeconnections.state();
    state.perform(&scope, operation, input).expect("performed")
}

#[tokio::test]
async fn calls_on_tags_hosts_and_links_cause_runs_of_dependencies_that_name_them() {
    let stack = Stack::deployed().await;
    let connection = stack.connect("payments-api");
    let account: AccountId = stack.account().parse().expect("an account");
    let table: Table<Dependency> = stack.table().of_kind();
    let mut number = 0;
    // Waits for the run after a call, and returns the change that it recorded.
    let mut after = async |name: &str, about: [Value; 2], kind: DependencyType, arn: &str| {
        number += 1;
        let [request, response] = about;
        let event = call(&stack, number, name, request, response);
        stack.deliver(RULE, &event).await;
        let run = eventually("a run of dependencies", async || {
            let runs = stack.dependency_runs_of(stack.account()).await;
            runs.into_iter().nth(number - 1)
        })
        .await;
        assert_eq!(run.outcome, Outcome::Complete, "{:?}", run.problems);
        let Trigger::ApiCalls { calls } = &run.trigger else {
            panic!("{:?}", run.trigger);
        };
        let [called] = calls.as_slice() else {
            panic!("{calls:?}");
        };
        assert_eq!(
            (&*called.event_name, &*called.event_id),
            (name, &*text(&event["id"]))
        );
        let principal = caller(stack.account(), number);
        assert_eq!(called.principal_arn.as_deref(), Some(&*principal));
        let id = DependencyId::of(kind, arn, None).expect("an id");
        let changes = table.changes_of(&account, &id).await.expect("changes");
        let last = changes.into_iter().next_back().expect("a change");
        assert_eq!(last.run_id, run.run_id);
        let cause = match last.cause {
            Some(Cause::ApiCall(call)) => Some(call.event_name),
            _ => None,
        };
        (last.kind, cause)
    };
    let by = |name: &str| Some(Box::<str>::from(name));

    let tags = json!({"ResourceArn": connection, "Tags": [{"Key": "owner", "Value": "payments"}]});
    perform(&stack, Operation::TagResource, tags);
    let about = [json!({"resourceArn": connection}), Value::Null];
    let recorded = after(
        "TagResource",
        about.clone(),
        DependencyType::Tags,
        &connection,
    )
    .await;
    assert_eq!(recorded, (ChangeKind::FirstSeen, by("TagResource")));

    let untag = json!({"ResourceArn": connection, "TagKeys": ["owner"]});
    perform(&stack, Operation::UntagResource, untag);
    let recorded = after("UntagResource", about, DependencyType::Tags, &connection).await;
    assert_eq!(recorded, (ChangeKind::Deleted, by("UntagResource")));

    let host = json!({"Name": "ghes", "ProviderType": "GitLabSelfManaged",
        "ProviderEndpoint": "https://git.example.com"});
    let host = text(&perform(&stack, Operation::CreateHost, host)["HostArn"]);
    let created = [json!({"name": "ghes"}), json!({"hostArn": host})];
    let recorded = after("CreateHost", created, DependencyType::Host, &host).await;
    assert_eq!(recorded, (ChangeKind::FirstSeen, by("CreateHost")));

    perform(&stack, Operation::DeleteHost, json!({"HostArn": host}));
    let deleted = [json!({"hostArn": host}), Value::Null];
    let recorded = after("DeleteHost", deleted, DependencyType::Host, &host).await;
    assert_eq!(recorded, (ChangeKind::Deleted, by("DeleteHost")));

    let link = json!({"ConnectionArn": connection, "OwnerId": "acme", "RepositoryName": "infra"});
    let link = perform(&stack, Operation::CreateRepositoryLink, link);
    let arn = text(&link["RepositoryLinkInfo"]["RepositoryLinkArn"]);
    let about = [
        json!({"connectionArn": connection}),
        json!({"repositoryLinkInfo": {"connectionArn": connection, "repositoryLinkArn": arn}}),
    ];
    let recorded = after(
        "CreateRepositoryLink",
        about,
        DependencyType::RepositoryLink,
        &arn,
    )
    .await;
    assert_eq!(
        recorded,
        (ChangeKind::FirstSeen, by("CreateRepositoryLink"))
    );

    emptied(&stack.aws, &stack.resource("DependencyEventQueue").await).await;
    assert_eq!(stack.dependency_runs_of(stack.account()).await.len(), 5);
    assert!(stack.runs().await.is_empty(), "no run of connections");
}

#[tokio::test]
async fn rule_of_dependencies_ignores_calls_that_fail_or_only_read() {
    let stack = Stack::deployed().await;
    let rule = stack.rule(RULE).await;
    let tagged = sample("cloudtrail-tag-resource.json");
    for (field, value, matches) in [
        ("eventName", "TagResource", true),
        ("eventName", "UntagResource", true),
        ("eventName", "CreateRepositoryLink", true),
        ("eventName", "DeleteHost", true),
        ("eventSource", "codestar-connections.amazonaws.com", true),
        ("eventName", "ListHosts", false),
        ("eventName", "UseConnection", false),
        ("eventSource", "codepipeline.amazonaws.com", false),
        ("errorCode", "AccessDenied", false),
    ] {
        let mut event = tagged.clone();
        event["detail"][field] = json!(value);
        assert_eq!(
            stack.matches(&rule, &event).await,
            matches,
            "{field}: {value}"
        );
    }
    let mut event = tagged;
    event["detail"]["readOnly"] = json!(true);
    assert!(!stack.matches(&rule, &event).await, "{event}");
    let queue = stack.resource("DependencyEventQueue").await;
    let target = stack.target_queue(&rule).await;
    assert!(queue.ends_with(&format!("/{target}")), "{target}: {queue}");
}
