//! CodePipeline: source actions that read through a connection.
//! <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, list as items, member, read_each, required_list, text};
use crate::aws::json_client::{Operation, Service};
use crate::domain::DependencyType;

const LIST_PIPELINES: Pages = Pages {
    operation: operation("ListPipelines"),
    token: "nextToken",
    next_token: "nextToken",
    items: "pipelines",
};

const GET_PIPELINE: Operation = operation("GetPipeline");

const fn operation(name: &'static str) -> Operation {
    Service::new("CodePipeline", "codepipeline").aws_json("CodePipeline_20150709", "1.1", name)
}

/// The provider of source actions that use a connection.
const PROVIDER: &str = "CodeStarSourceConnection";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let pipelines = api.all(LIST_PIPELINES, json!({})).await?;
    read_each(pipelines, found, |pipeline| get(api, pipeline)).await
}

/// Returns the source actions of a pipeline; none if it was deleted meanwhile.
async fn get(api: &Api<'_>, listed: Value) -> Result<Vec<Found>, Problem> {
    let input = json!({"name": member(&listed, "name")});
    let response = match api.call(GET_PIPELINE, &input).await {
        Err(problem) if problem.is_not_found() => return Ok(Vec::new()),
        response => response?,
    };
    let pipeline = member(&response, "pipeline");
    let metadata = member(&response, "metadata");
    let arn = text(&metadata, "pipelineArn")
        .ok_or_else(|| Problem::of_answer(GET_PIPELINE, "pipelineArn"))?;
    let mut actions = Vec::new();
    for stage in required_list(GET_PIPELINE, &pipeline, "stages")? {
        let name = text(stage, "name").unwrap_or_default();
        let of_stage = required_list(GET_PIPELINE, stage, "actions")?.iter();
        actions.extend(of_stage.map(|action| (name, action)));
    }
    let sources = actions
        .into_iter()
        .filter(|(_, action)| action["actionTypeId"]["provider"] == PROVIDER)
        .map(|(stage, action)| {
            let name = text(action, "name").unwrap_or_default();
            let configuration = &action["configuration"];
            let triggers = triggers_of(&pipeline, name);
            Found::new(
                DependencyType::PipelineSource,
                arn,
                Some(&format!("{stage}.{name}")),
                text(&pipeline, "name"),
                text(configuration, "ConnectionArn"),
                [
                    (
                        "FullRepositoryId",
                        member(configuration, "FullRepositoryId"),
                    ),
                    ("BranchName", member(configuration, "BranchName")),
                    ("DetectChanges", member(configuration, "DetectChanges")),
                    ("triggers", triggers),
                ],
            )
        });
    let mut found = Vec::new();
    add(&mut found, GET_PIPELINE, sources)?;
    Ok(found)
}

/// Returns the triggers of a source action; null if it has none.
fn triggers_of(pipeline: &Value, action: &str) -> Value {
    let git = items(pipeline, "triggers")
        .iter()
        .map(|trigger| &trigger["gitConfiguration"]);
    let of_action = git.filter(|git| text(git, "sourceActionName") == Some(action));
    let triggers: Vec<Value> = of_action.cloned().collect();
    if triggers.is_empty() {
        Value::Null
    } else {
        triggers.into()
    }
}
