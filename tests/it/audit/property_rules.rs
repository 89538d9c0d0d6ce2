//! Rules about tags and shares, on tables that real runs wrote. The services that list them
//! are answered from their models.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use super::dependency_rules::Fixture;
use crate::support::test_env::ACCOUNT;
use serde_json::{Value, json};

const RULES: [&[&str]; 2] = [
    &["--require-tags", "team"],
    &["--no-shared-outside-organization"],
];

impl Fixture {
    fn tag(&self, arn: &str, tags: &[(&str, &str)]) {
        let tags = tags.iter();
        let tags: Vec<Value> = tags
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        let tagged = json!({"ResourceARN": arn, "Tags": tags});
        self.set(|services| services.tagged.push(tagged));
    }

    fn share(&self, arn: &str, principal: &str, external: impl Into<Value>) {
        let external: Value = external.into();
        let resource = json!({"arn": arn, "resourceShareArn": principal});
        let principal = json!({
            "id": principal, "resourceShareArn": principal, "external": external,
        });
        self.set(|services| {
            services.shared.0.push(resource);
            services.shared.1.push(principal);
        });
    }
}

#[tokio::test]
async fn without_run_of_dependencies_tags_and_shares_are_insufficient_data() {
    let fixture = Fixture::new().await;
    fixture.env.create("payments");
    fixture.env.run().await;
    for rule in RULES {
        let one = fixture.one(rule).await;
        one.is("INSUFFICIENT_DATA", "no run of dependencies finished by");
        one.is("INSUFFICIENT_DATA", "were not observed");
    }
}

#[tokio::test]
async fn connection_without_a_required_tag_or_value_is_a_finding() {
    let fixture = Fixture::new().await;
    let payments = fixture.env.create("payments");
    fixture.env.create("untagged");
    fixture.tag(&payments, &[("team", "payments"), ("env", "prod")]);
    fixture.run().await;
    for at in [
        fixture.one(&["--require-tags", "team"]).await,
        fixture.now(&["--require-tags", "team"]).await,
    ] {
        at.is("FAIL", "tag \"team\" is missing");
        assert_eq!(at.findings().len(), 1, "{at:?}");
        assert_eq!(at.findings()[0]["connection_name"], "untagged");
    }
    let named = "scope = { names = \"payments\" }\nkind = \"required-tags\"\n";
    for (required, verdict, says) in [
        (r#"["team", "env=test", "env=prod"]"#, "PASS", ""),
        (r#"["env", "env=test"]"#, "PASS", ""),
        (
            r#"["env=test", "env=dev"]"#,
            "FAIL",
            "tag \"env\" is \"prod\", which is not allowed",
        ),
        (r#"["Team"]"#, "FAIL", "tag \"Team\" is missing"),
    ] {
        let rule = fixture.rule(&format!("{named}required = {required}")).await;
        rule.is(verdict, says);
    }
}

#[tokio::test]
async fn share_outside_of_the_organization_is_a_finding_with_its_record() {
    let fixture = Fixture::new().await;
    let rule = ["--no-shared-outside-organization"];
    let payments = fixture.env.create("payments");
    fixture.share(&payments, "111122223333", false);
    fixture.run().await;
    fixture.one(&rule).await.is("PASS", "");
    fixture.share(&payments, "444455556666", true);
    fixture.run().await;
    for one in [fixture.one(&rule).await, fixture.now(&rule).await] {
        one.is(
            "FAIL",
            "is shared with 444455556666, outside of the organization",
        );
        let evidence = one.findings()[0]["evidence"].to_string();
        let key = format!("DEPENDENCY#{ACCOUNT}#SHARE#{payments}#444455556666");
        assert!(evidence.contains(&key), "{evidence}");
    }
    let fixture = Fixture::new().await;
    let payments = fixture.env.create("payments");
    fixture.share(&payments, "444455556666", Value::Null);
    fixture.run().await;
    let one = fixture.one(&rule).await;
    one.is("INSUFFICIENT_DATA", "RAM does not say whether 444455556666");
}

#[tokio::test]
async fn denied_source_makes_only_its_own_rule_lack_data() {
    let fixture = Fixture::new().await;
    let payments = fixture.env.create("payments");
    fixture.tag(&payments, &[("team", "payments")]);
    fixture.set(|services| services.denied = Some("listresources"));
    fixture.run().await;
    fixture.one(RULES[0]).await.is("PASS", "");
    let one = fixture.one(RULES[1]).await;
    one.is(
        "INSUFFICIENT_DATA",
        "ram in eu-west-1 was not listed completely",
    );
    one.is("INSUFFICIENT_DATA", "its shares were not observed");
    fixture.set(|services| services.denied = Some("ListPipelines"));
    fixture.run().await;
    for rule in RULES {
        fixture.one(rule).await.is("PASS", "");
    }
}
