//! The template, deployed into ministack and run there: the function's own
//! binary, listing from the stand-in CodeConnections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use codeconnections_inventory::audit::{Audit, ConnectionFilter, ConnectionRow};
use codeconnections_inventory::domain::{AccountId, Change, RunRecord};
use codeconnections_inventory::local::EmulatorService;
use codeconnections_inventory::local::codeconnections::{
    CodeConnectionsEmulator, CreateConnectionInput, Options, ProviderType, Quotas, Scope,
};
use codeconnections_inventory::local::embedded::local_config;
use codeconnections_inventory::table::Table;
use serde_json::{Value, json};

use super::aws::Aws;
use super::eventually;
use super::ministack::Ministack;
use super::template::{TEMPLATE, list, text};
use super::test_env::REGION;

const CODE: &str = "function.zip";

/// A deployed stack, in an account of its own.
pub struct Stack {
    pub ministack: Arc<Ministack>,
    pub aws: Aws,
    pub codeconnections: CodeConnectionsEmulator,
    pub service: EmulatorService,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// The template with the defaults of its parameters.
    pub async fn deployed() -> Self {
        Self::deployed_with(&[]).await
    }

    /// The template with these parameters.
    pub async fn deployed_with(parameters: &[(&str, &str)]) -> Self {
        let mut stack = Self::prepared().await;
        stack.deploy(parameters, |_| {}).await;
        stack
    }

    /// An account in the emulator, and a stand-in, but nothing deployed.
    pub async fn prepared() -> Self {
        let ministack = Ministack::shared().await;
        let account = new_account();
        let aws = Aws::new(&ministack.endpoint, REGION, &account).await;
        let codeconnections = CodeConnectionsEmulator::new(Options {
            default_account: account.clone(),
            quotas: Quotas {
                connections: 1_000_000,
                ..Quotas::default()
            },
            ..Options::default()
        });
        let service = EmulatorService::start(codeconnections.clone(), 0).await;
        Self {
            ministack,
            aws,
            codeconnections,
            service: service.expect("a port"),
            outputs: BTreeMap::new(),
        }
    }

    /// Deploys the template. `overlay` changes it further than [`fit`] does:
    /// whoever gives one says why.
    pub async fn deploy(&mut self, parameters: &[(&str, &str)], overlay: impl FnOnce(&mut Value)) {
        let mut template = TEMPLATE.clone();
        self.upload_function().await;
        fit(&mut template, &self.bucket(), self.service.endpoint());
        overlay(&mut template);
        self.create(&template, parameters).await;
    }

    pub fn account(&self) -> &str {
        &self.aws.account
    }

    /// Of its own too: when a function is made, the emulator ends those of that
    /// name in all accounts, in the middle of what they do.
    fn name(&self) -> String {
        format!("inventory-{}", self.account())
    }

    fn bucket(&self) -> String {
        format!("code-{}", self.account())
    }

    async fn upload_function(&self) {
        let bucket = self.bucket();
        let place = json!({"LocationConstraint": REGION});
        let bucket_made = json!({"Bucket": bucket, "CreateBucketConfiguration": place});
        self.aws.call("s3", "create_bucket", bucket_made).await;
        let program = tokio::task::spawn_blocking(|| FUNCTION.clone());
        let program = program.await.expect("a program");
        let put = json!({"Bucket": bucket, "Key": CODE, "Program": program});
        self.aws.call("s3", "put_program", put).await;
    }

    async fn create(&mut self, template: &Value, parameters: &[(&str, &str)]) {
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|(key, value)| json!({"ParameterKey": key, "ParameterValue": value}))
            .collect();
        let wanted = json!({
            "StackName": self.name(),
            "TemplateBody": without_words(template).to_string(),
            "Parameters": parameters,
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        });
        let aws = &self.aws;
        aws.call("cloudformation", "create_stack", wanted).await;
        let name = json!({"StackName": self.name()});
        let made = eventually("the stack is made or refused", async || {
            let stacks = aws.call("cloudformation", "describe_stacks", name.clone());
            let stack = stacks.await["Stacks"][0].take();
            let status = text(&stack["StackStatus"]);
            (!status.ends_with("IN_PROGRESS")).then_some(stack)
        })
        .await;
        if made["StackStatus"] != "CREATE_COMPLETE" {
            let events = aws.call("cloudformation", "describe_stack_events", name);
            let events = events.await["StackEvents"].take();
            let why = list(&events).iter().filter_map(|event| {
                let reason = event["ResourceStatusReason"].as_str()?;
                Some(format!("{}: {reason}", event["LogicalResourceId"]))
            });
            panic!("the stack was refused: {:#?}", Vec::from_iter(why));
        }
        let outputs = made["Outputs"].as_array().cloned().unwrap_or_default();
        self.outputs = outputs
            .iter()
            .map(|output| (text(&output["OutputKey"]), text(&output["OutputValue"])))
            .collect();
    }

    #[track_caller]
    pub fn output(&self, name: &str) -> &str {
        let found = self.outputs.get(name);
        found.unwrap_or_else(|| panic!("no output {name} in {:?}", self.outputs))
    }

    /// The name that a resource of the template got.
    pub async fn resource(&self, logical: &str) -> String {
        let which = json!({"StackName": self.name(), "LogicalResourceId": logical});
        let found = self
            .aws
            .call("cloudformation", "describe_stack_resource", which);
        text(&found.await["StackResourceDetail"]["PhysicalResourceId"])
    }

    /// The rule of the schedule, as it is deployed.
    pub async fn schedule(&self) -> Value {
        let rule = json!({"Name": self.resource("Schedule").await});
        self.aws.call("events", "describe_rule", rule).await
    }

    /// Lets the schedule fire soon. Nobody waits an hour: the emulator looks for
    /// what is due every ten seconds, and takes this, which AWS would refuse,
    /// for "at every look".
    pub async fn hurry(&self) {
        let rule = self.schedule().await;
        let often = json!({"Name": rule["Name"], "ScheduleExpression": "rate(0 minutes)"});
        self.aws.call("events", "put_rule", often).await;
    }

    /// Lets the schedule fire no more.
    pub async fn pause(&self) {
        let rule = json!({"Name": self.resource("Schedule").await});
        self.aws.call("events", "disable_rule", rule).await;
    }

    /// The stack's table, as the audit reads it.
    pub fn table(&self) -> Table {
        self.table_at(&self.ministack.endpoint)
    }

    /// The table of that name somewhere else.
    pub fn table_at(&self, endpoint: &str) -> Table {
        let account = Credentials::new(self.account(), "secret", None, None, "a test");
        let config = local_config(endpoint)
            .into_builder()
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(account))
            .build();
        let name = self.output("TableName").parse().expect("a table name");
        Table::new(Client::new(&config), name)
    }

    /// The runs of an account, the first one first.
    pub async fn runs_of(&self, account: &str) -> Vec<RunRecord> {
        let account: AccountId = account.parse().expect("an account");
        let mut runs = self.table().runs_of(&account, 10_000).await.expect("read");
        runs.reverse();
        runs
    }

    pub async fn runs(&self) -> Vec<RunRecord> {
        self.runs_of(self.account()).await
    }

    pub async fn changes_of(&self, account: &str, arn: &str) -> Vec<Change> {
        let account: AccountId = account.parse().expect("an account");
        let arn = arn.parse().expect("an ARN");
        let changes = self.table().changes_of(&account, &arn).await;
        changes.expect("read")
    }

    pub async fn connections(&self) -> Vec<ConnectionRow> {
        let filter = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let audit = Audit::new(self.table());
        audit.connections(&filter).await.expect("read")
    }

    /// Makes a connection in the stand-in, in the stack's account.
    pub fn connect(&self, name: &str) -> String {
        self.connect_in(self.account(), name)
    }

    pub fn connect_in(&self, account: &str, name: &str) -> String {
        let scope = Scope::new(account, REGION);
        let input = CreateConnectionInput::new(name, ProviderType::GitHub);
        let made = self
            .codeconnections
            .state()
            .create_connection(&scope, input);
        made.expect("created").connection_arn
    }

    /// Invokes the function and gives what it answers, or its error.
    pub async fn invoke(&self, event: &Value) -> Value {
        let call = json!({
            "FunctionName": self.output("FunctionName"),
            "Payload": event.to_string(),
        });
        let answer = self.aws.call("lambda", "invoke", call).await;
        serde_json::from_str(&text(&answer["Payload"])).expect("JSON")
    }
}

/// What every test changes in the template, so that it runs in the emulator.
fn fit(template: &mut Value, bucket: &str, service: &str) {
    let resources = &mut template["Resources"];
    let function = &mut resources["Function"]["Properties"];
    // `sam build` would build the function for the architecture of the
    // template, without what only the command line needs. Here it is the one
    // that Cargo built for the tests, on this machine and for it.
    function["CodeUri"] = json!({"Bucket": bucket, "Key": CODE});
    function["Architectures"] = json!([match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }]);
    // The emulator has no CodeConnections. The stand-in has, and serves STS
    // too, which hands out credentials that it knows the account of. All else
    // (the table) the function finds in the emulator, as that tells it.
    let variables = &mut function["Environment"]["Variables"];
    for service_id in ["CODECONNECTIONS", "STS"] {
        variables[format!("AWS_ENDPOINT_URL_{service_id}")] = json!(service);
    }
    // The emulator's state machines can't ask Organizations. A function that can
    // takes the place of that one step's resource; the rest stays as it is.
    let asks = "arn:${AWS::Partition}:states:::aws-sdk:organizations:listAccounts";
    let definition = &mut resources["StateMachine"]["Properties"]["DefinitionString"]["Fn::Sub"];
    let written = text(definition);
    assert_eq!(written.matches(asks).count(), 1, "one step lists accounts");
    *definition = json!(written.replace(asks, "${Organizations.Arn}"));
    resources["Organizations"] = json!({
        "Type": "AWS::Lambda::Function",
        "Condition": "OrganizationMode",
        "Properties": {
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Code": {"ZipFile": include_str!("../python/organizations.py")},
            "Timeout": 60,
            "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
        },
    });
    // The emulator refuses a stack with an alarm on an expression.
    let resources = resources.as_object_mut().expect("resources");
    resources.retain(|_, resource| {
        let alarm = resource["Type"] == "AWS::CloudWatch::Alarm";
        !(alarm && resource["Properties"].get("Metrics").is_some())
    });
}

/// The function's binary as Cargo built it for the tests, without the symbols
/// that are half of it.
static FUNCTION: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let unfinished = folder.join(format!("function.{}", std::process::id()));
    let stripped = Command::new("strip")
        .arg("-o")
        .arg(&unfinished)
        .arg(env!("CARGO_BIN_EXE_codeconnections-inventory"))
        .status()
        .expect("strip, which comes with the C compiler, runs");
    assert!(stripped.success());
    let program = folder.join("function");
    std::fs::rename(&unfinished, &program).expect("in place at once");
    program
});

/// A number that no other test of this process uses.
fn new_account() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(110_000_000_001);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// The template without what only people read. In a request itself it may have
/// 51,200 bytes; `sam deploy` puts it into a bucket, where it may have a megabyte.
fn without_words(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(template) = template.as_object_mut() {
        template.remove("Metadata");
    }
    for part in ["Parameters", "Resources", "Outputs"] {
        let named = template[part].as_object_mut().into_iter().flatten();
        for entry in named.filter_map(|(_, entry)| entry.as_object_mut()) {
            for words in ["Description", "ConstraintDescription", "Metadata"] {
                entry.remove(words);
            }
        }
    }
    template
}
