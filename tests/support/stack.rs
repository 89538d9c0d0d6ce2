//! The template, deployed into ministack: the function's own binary lists from the
//! CodeConnections emulator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use codeconnections_inventory::audit::{Audit, ConnectionFilter, ConnectionRow};
use codeconnections_inventory::domain::{AccountId, Change, Dependency, RunRecord};
use codeconnections_inventory::local::EmulatorService;
use codeconnections_inventory::local::codeconnections::{
    CodeConnectionsEmulator, CreateConnectionInput, Options, ProviderType, Quotas, Scope,
};
use codeconnections_inventory::local::embedded::local_config;
use codeconnections_inventory::table::Table;
use serde_json::{Value, json};

use super::aws::Aws;
use super::consumers;
use super::eventually;
use super::ministack::Ministack;
use super::proxy::{Act, Proxy, Seen};
use super::template::{TEMPLATE, list, text};
use super::test_env::REGION;

/// The functions of the template, each with its test build.
const FUNCTIONS: [(&str, &str); 3] = [
    ("Function", env!("CARGO_BIN_EXE_codeconnections-inventory")),
    (
        "DependenciesFunction",
        env!("CARGO_BIN_EXE_codeconnections-dependencies"),
    ),
    (
        CHECKPOINTS,
        env!("CARGO_BIN_EXE_codeconnections-checkpoint"),
    ),
];
/// The function that only stacks with `Checkpoints=on` have.
const CHECKPOINTS: &str = "CheckpointFunction";

/// A deployed stack in its own account.
pub struct Stack {
    pub ministack: Arc<Ministack>,
    pub aws: Aws,
    pub codeconnections: CodeConnectionsEmulator,
    pub service: EmulatorService,
    /// The services with dependencies, in which nothing uses a connection.
    services: Proxy,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Deploys the template with default parameters.
    pub async fn deployed() -> Self {
        Self::deployed_with(&[]).await
    }

    /// Deploys the template with these parameters.
    pub async fn deployed_with(parameters: &[(&str, &str)]) -> Self {
        let mut stack = Self::prepared().await;
        stack.deploy(parameters, |_| {}).await;
        stack
    }

    /// Creates an account in ministack and a CodeConnections emulator, without deploying.
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
        let service = service.expect("a port");
        // Of tags only the CodeConnections emulator knows.
        let none = |seen: &Seen| match consumers::operation(seen) {
            "GetResources" => consumers::refusal(400, "AccessDeniedException"),
            _ => consumers::none(seen).unwrap_or(Act::Pass),
        };
        Self {
            ministack,
            aws,
            codeconnections,
            services: Proxy::start(service.endpoint(), none).await,
            service,
            outputs: BTreeMap::new(),
        }
    }

    /// Deploys the template, adapted by [`fit`] and then by `overlay`.
    pub async fn deploy(&mut self, parameters: &[(&str, &str)], overlay: impl FnOnce(&mut Value)) {
        let mut template = TEMPLATE.clone();
        let has_checkpoints = parameters.contains(&("Checkpoints", "on"));
        self.upload_functions(has_checkpoints).await;
        let services = &self.services.endpoint;
        fit(
            &mut template,
            &self.bucket(),
            self.service.endpoint(),
            services,
        );
        overlay(&mut template);
        self.create(&template, parameters).await;
    }

    pub fn account(&self) -> &str {
        &self.aws.account
    }

    /// Returns the name of the stack. It is unique, because ministack ends functions of the
    /// same name in all accounts when one is created.
    fn name(&self) -> String {
        format!("inventory-{}", self.account())
    }

    fn bucket(&self) -> String {
        format!("code-{}", self.account())
    }

    async fn upload_functions(&self, has_checkpoints: bool) {
        let bucket = self.bucket();
        let place = json!({"LocationConstraint": REGION});
        let bucket_made = json!({"Bucket": bucket, "CreateBucketConfiguration": place});
        self.aws.call("s3", "create_bucket", bucket_made).await;
        let programs = tokio::task::spawn_blocking(|| PROGRAMS.clone());
        let programs = programs.await.expect("programs");
        let functions = FUNCTIONS.iter().zip(programs);
        for ((name, _), program) in
            functions.filter(|((name, _), _)| has_checkpoints || *name != CHECKPOINTS)
        {
            let put = json!({"Bucket": bucket, "Key": code(name), "Program": program});
            self.aws.call("s3", "put_program", put).await;
        }
    }

    async fn create(&mut self, template: &Value, parameters: &[(&str, &str)]) {
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|(key, value)| json!({"ParameterKey": key, "ParameterValue": value}))
            .collect();
        // As `sam deploy` does: in a request a template may have 51,200 bytes only.
        let (bucket, key) = (self.bucket(), "template.json");
        let put = json!({"Bucket": bucket, "Key": key, "Body": template.to_string()});
        self.aws.call("s3", "put_object", put).await;
        let wanted = json!({
            "StackName": self.name(),
            "TemplateURL": format!("https://s3.amazonaws.com/{bucket}/{key}"),
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

    /// Returns the physical id of a resource of the template.
    pub async fn resource(&self, logical: &str) -> String {
        let which = json!({"StackName": self.name(), "LogicalResourceId": logical});
        let found = self
            .aws
            .call("cloudformation", "describe_stack_resource", which);
        text(&found.await["StackResourceDetail"]["PhysicalResourceId"])
    }

    /// Returns the deployed rule of this name in the template.
    pub async fn rule(&self, rule: &str) -> Value {
        let rule = json!({"Name": self.resource(rule).await});
        self.aws.call("events", "describe_rule", rule).await
    }

    /// Returns true if a deployed rule matches an event.
    pub async fn matches(&self, rule: &Value, event: &Value) -> bool {
        let request = json!({"EventPattern": rule["EventPattern"], "Event": event.to_string()});
        let answer = self.aws.call("events", "test_event_pattern", request);
        answer.await["Result"].as_bool().expect("yes or no")
    }

    /// Returns the name of the queue to which a deployed rule sends complete events.
    pub async fn target_queue(&self, rule: &Value) -> String {
        let request = json!({"Rule": rule["Name"]});
        let targets = self.aws.call("events", "list_targets_by_rule", request);
        let targets = targets.await;
        let [target] = list(&targets["Targets"]) else {
            panic!("one target: {targets}");
        };
        for changed in ["Input", "InputPath", "InputTransformer"] {
            assert_eq!(target.get(changed), None, "{target}");
        }
        let arn = text(&target["Arn"]);
        let (_, name) = arn.rsplit_once(':').expect("an ARN");
        name.to_owned()
    }

    /// Delivers an event of AWS as a deployed rule does that matches it: the emulator
    /// refuses events of sources that begin with `aws.`.
    pub async fn deliver(&self, rule: &str, event: &Value) {
        let rule = self.rule(rule).await;
        assert!(self.matches(&rule, event).await, "{event}");
        let queue = json!({"QueueName": self.target_queue(&rule).await});
        let queue = self.aws.call("sqs", "get_queue_url", queue).await;
        let message = json!({"QueueUrl": queue["QueueUrl"], "MessageBody": event.to_string()});
        self.aws.call("sqs", "send_message", message).await;
    }

    /// Makes a schedule fire soon. The emulator checks for due rules every ten seconds, and
    /// fires this one, which AWS would refuse, each time.
    pub async fn hurry(&self, rule: &str) {
        let rule = self.rule(rule).await;
        let often = json!({"Name": rule["Name"], "ScheduleExpression": "rate(0 minutes)"});
        self.aws.call("events", "put_rule", often).await;
    }

    /// Disables a schedule.
    pub async fn pause(&self, rule: &str) {
        let rule = json!({"Name": self.resource(rule).await});
        self.aws.call("events", "disable_rule", rule).await;
    }

    /// Returns the stack's table.
    pub fn table(&self) -> Table {
        self.table_at(&self.ministack.endpoint)
    }

    /// Returns the table of the same name at another endpoint.
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

    /// Returns the runs of an account, oldest first.
    pub async fn runs_of(&self, account: &str) -> Vec<RunRecord> {
        let account: AccountId = account.parse().expect("an account");
        let mut runs = self.table().runs_of(&account, 10_000).await.expect("read");
        runs.reverse();
        runs
    }

    /// Returns the runs of dependencies of an account, oldest first.
    pub async fn dependency_runs_of(&self, account: &str) -> Vec<RunRecord<Dependency>> {
        let table: Table<Dependency> = self.table().of_kind();
        let account: AccountId = account.parse().expect("an account");
        let mut runs = table.runs_of(&account, 10_000).await.expect("read");
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

    /// Creates a connection in the stack's account.
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

    /// Invokes the function. Returns its answer, or its error.
    pub async fn invoke(&self, event: &Value) -> Value {
        let call = json!({
            "FunctionName": self.output("FunctionName"),
            "Payload": event.to_string(),
        });
        let answer = self.aws.call("lambda", "invoke", call).await;
        serde_json::from_str(&text(&answer["Payload"])).expect("JSON")
    }
}

/// Adapts the template to the emulator.
fn fit(template: &mut Value, bucket: &str, service: &str, services: &str) {
    let resources = &mut template["Resources"];
    for (name, _) in FUNCTIONS {
        let function = &mut resources[name]["Properties"];
        // `sam build` would build the function for the architecture of the template, without
        // the features of the command line. Here it is the test build for this machine.
        function["CodeUri"] = json!({"Bucket": bucket, "Key": code(name)});
        function["Architectures"] = json!([match std::env::consts::ARCH {
            "aarch64" => "arm64",
            other => other,
        }]);
        // ministack has no CodeConnections. The CodeConnections emulator also serves STS, whose
        // credentials identify the account. The table is in ministack.
        let variables = &mut function["Environment"]["Variables"];
        for service_id in ["CODECONNECTIONS", "STS"] {
            variables[format!("AWS_ENDPOINT_URL_{service_id}")] = json!(service);
        }
        if name == "DependenciesFunction" {
            for variable in consumers::ENDPOINTS {
                variables[variable] = json!(services);
            }
        }
    }
    // No test deploys it, because streams of ministack lack PartiQL writes. But the
    // emulator reads the location of its code.
    let code_of_none = json!({"Bucket": bucket, "Key": code("Function")});
    resources["ComplianceFunction"]["Properties"]["CodeUri"] = code_of_none;
    // State machines of ministack can't call Organizations. A function replaces the resource
    // of that step.
    let resource_arn = "arn:${AWS::Partition}:states:::aws-sdk:organizations:listAccounts";
    let definition = &mut resources["StateMachine"]["Properties"]["DefinitionString"]["Fn::Sub"][0];
    let written = text(definition);
    assert_eq!(
        written.matches(resource_arn).count(),
        1,
        "one step lists accounts"
    );
    *definition = json!(written.replace(resource_arn, "${Organizations.Arn}"));
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

/// The functions' test builds, without their symbols.
static PROGRAMS: LazyLock<[PathBuf; 3]> = LazyLock::new(|| {
    FUNCTIONS.map(|(name, built)| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let unfinished = folder.join(format!("{name}.{}", std::process::id()));
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(&unfinished)
            .arg(built)
            .status()
            .expect("strip, which comes with the C compiler, runs");
        assert!(stripped.success());
        let program = folder.join(name);
        std::fs::rename(&unfinished, &program).expect("in place at once");
        program
    })
});

/// Returns the key of a function's code in the bucket.
fn code(function: &str) -> String {
    format!("{function}.zip")
}

/// Returns an account id that no other test of this process uses.
fn new_account() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(110_000_000_001);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}
