//! The compared programs, built or installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fakes::http_server::Seen;
use crate::front::{Front, Kept};
use crate::function::Program;
use crate::{Result, tools};

pub const OURS: &str = "this function";
const OURS_IN_A_ZIP: &str = "this function in a zip";
pub const TUNED: &str = "Python, tuned";
pub const IDIOMATIC: &str = "Python, idiomatic";
pub const NOTHING: &str = "Rust that does nothing";
pub const FLOOR: &str = "the same bytes alone";
pub const LISTING: &str = "the listing alone";

/// Names of other builds of the function, in the order of the arguments.
const BUILDS: [&str; 4] = ["build 1", "build 2", "build 3", "build 4"];

pub struct Programs {
    /// Programs that do the task, the function first.
    pub contestants: Vec<Program>,
    nothing: Program,
    floor: Program,
    /// None without peers.
    python: Option<PathBuf>,
}

/// Builds the function as for deployment, for this machine.
pub fn function() -> Result<Program> {
    built(OURS, "codeconnections-inventory")
}

/// Builds the function of dependencies.
pub fn dependencies() -> Result<Program> {
    built(
        "the function of dependencies",
        "codeconnections-dependencies",
    )
}

fn built(name: &'static str, binary: &str) -> Result<Program> {
    let target = target()?;
    cargo(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"),
        target,
        // As SAM builds it: Cargo.toml, [package.metadata.lambda.build].
        &[
            "--no-default-features",
            "--features=compliance",
            "--bin",
            binary,
        ],
    )?;
    Ok(rust(name, target.join("release").join(binary)))
}

fn target() -> Result<&'static Path> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    target.ok_or_else(|| "no target folder".into())
}

/// Returns a program without arguments and variables.
fn rust(name: &'static str, path: PathBuf) -> Program {
    Program {
        name,
        path,
        arguments: Vec::new(),
        variables: Vec::new(),
    }
}

/// The programs to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    /// The function and its peers.
    Peers,
    /// Builds of the function.
    Builds(Vec<PathBuf>),
    /// The function with these numbers of concurrent requests.
    Concurrency(Vec<u32>),
}

impl Programs {
    /// Builds all programs as for deployment.
    pub fn build(beside: &Beside) -> Result<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let peers = target()?.join("peers");
        cargo(&project.join("benches/peers/rust/Cargo.toml"), &peers, &[])?;
        let nothing = rust(NOTHING, peers.join("release/nothing"));
        let floor = rust(FLOOR, peers.join("release/floor"));
        let contestants = match beside {
            Beside::Peers => return Self::with_peers(nothing, floor),
            Beside::Builds(builds) => {
                let builds = BUILDS.iter().zip(builds);
                builds
                    .map(|(name, path)| rust(name, path.clone()))
                    .collect()
            }
            Beside::Concurrency(numbers) => {
                let function = function()?;
                let numbers = numbers.iter();
                numbers
                    .map(|number| Program {
                        // Leaked for the duration of the benchmark.
                        name: format!("at most {number} at once").leak(),
                        variables: vec![("MAX_CONCURRENCY", number.to_string())],
                        ..function.clone()
                    })
                    .collect()
            }
        };
        Ok(Self {
            contestants,
            nothing,
            floor,
            python: None,
        })
    }

    fn with_peers(nothing: Program, floor: Program) -> Result<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let interpreter = tools::peers();
        let folder = project.join("benches/peers/python");
        let python = |name, module: &str| Program {
            name,
            path: interpreter.clone(),
            // On Lambda the function's folder is in the module path.
            arguments: ["-c", START, &format!("{module}.handler")]
                .map(Into::into)
                .into_iter()
                .chain([folder.clone().into_os_string()])
                .collect(),
            variables: Vec::new(),
        };
        Ok(Self {
            contestants: vec![
                function()?,
                python(TUNED, "tuned"),
                python(IDIOMATIC, "idiomatic"),
            ],
            nothing,
            floor,
            python: Some(interpreter),
        })
    }

    pub fn all_that_start(&self) -> impl Iterator<Item = &Program> {
        std::iter::once(&self.nothing).chain(&self.contestants)
    }

    /// Returns the bytes of the binaries, and of the zip with the function.
    pub fn sizes(&self) -> Result<Vec<(&'static str, u64)>> {
        // Without the interpreter.
        let binaries = self.contestants.iter().filter(|p| p.arguments.is_empty());
        let size = |program: &Program| Ok((program.name, program.path.metadata()?.len()));
        let sizes = binaries.chain([&self.nothing, &self.floor]).map(size);
        let mut sizes: Vec<_> = sizes.collect::<Result<_>>()?;
        if let Some(python) = &self.python {
            let function = &self.contestants[0].path;
            let output = Command::new(python)
                .args(["-c", ZIP])
                .arg(function)
                .output()?;
            let bytes = String::from_utf8(output.stdout)?;
            sizes.push((OURS_IN_A_ZIP, bytes.trim().parse()?));
        }
        Ok(sizes)
    }

    /// Returns the floor program with the recorded requests for `fronts`.
    pub fn floor(
        &self,
        fronts: &[Front; 2],
        [service, table]: [&Kept; 2],
        only_listing: bool,
    ) -> Result<Program> {
        let of = |front: &Front, kept: &Kept, operations: &[&str]| -> Vec<Value> {
            let requests = kept.iter().map(|(seen, _)| seen);
            let these = requests.filter(|seen| operations.contains(&seen.operation.as_str()));
            these.map(|seen| request(front, seen)).collect()
        };
        let [to_service, to_table] = fronts;
        let script = json!({
            "listing": of(to_service, service, &["ListConnections"]),
            "reads": of(to_table, table, &["Query"]),
            "writes": of(to_table, table, &["BatchExecuteStatement"]),
            "last": of(to_table, table, &["ExecuteTransaction", "ExecuteStatement", "PutItem", "UpdateItem"]),
        });
        let number = |part: &str| script[part].as_array().map_or(0, Vec::len);
        let all = ["listing", "reads", "writes", "last"].map(number);
        if all.iter().sum::<usize>() != service.len() + table.len() {
            return Err(format!("not every request is sent again: {all:?}").into());
        }
        let file =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("floor-{only_listing}.json"));
        std::fs::write(&file, script.to_string())?;
        let mut program = self.floor.clone();
        program.arguments.push(file.into());
        if only_listing {
            program.name = LISTING;
            program.arguments.push("listing".into());
        }
        Ok(program)
    }
}

/// Prints the size of a zip with a function.
const ZIP: &str = "\
import io, sys, zipfile
zipped = io.BytesIO()
with zipfile.ZipFile(zipped, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    archive.write(sys.argv[1], 'bootstrap')
print(len(zipped.getvalue()))";

/// Starts AWS's Python runtime client with the handler of a folder.
const START: &str = "\
import sys, runpy
handler, folder = sys.argv[1:]
sys.path.insert(0, folder)
sys.argv = ['awslambdaric', handler]
runpy.run_module('awslambdaric', run_name='__main__')";

fn request(front: &Front, seen: &Seen) -> Value {
    let path = seen.uri.path_and_query().map_or("/", |path| path.as_str());
    let headers = seen.headers.iter().filter(|(name, _)| {
        // The HTTP client sets these headers.
        !matches!(name.as_str(), "host" | "content-length")
    });
    let headers = headers
        .map(|(name, value)| [name.as_str(), value.to_str().expect("text")].map(str::to_owned));
    json!({
        "uri": format!("{}{path}", front.endpoint),
        "headers": headers.collect::<Vec<_>>(),
        "body": STANDARD.encode(&seen.body),
    })
}

/// Builds a release with Cargo.
fn cargo(manifest: &Path, target: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--manifest-path",
        ])
        .arg(manifest)
        .arg("--target-dir")
        .arg(PathBuf::from(target))
        .args(arguments)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{}: {status}", manifest.display()).into())
    }
}
