//! Everything beyond this machine requires TLS, servers are reachable only from
//! this machine, and files are readable only by their owner.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::future::ready;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::support::ccinv::{Ccinv, PROGRAM};
use crate::support::fakes::http_server::{HttpServer, whole};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use axum::body::Bytes;
use axum::http::{Response, header};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// An endpoint that nothing may be sent to. Its address reaches this machine,
/// but is not a loopback address.
struct ForbiddenEndpoint {
    listener: TcpListener,
    url: String,
}

impl ForbiddenEndpoint {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("not blocking");
        let port = listener.local_addr().expect("an address").port();
        std::net::TcpStream::connect(("0.0.0.0", port)).expect("it can be reached");
        listener.accept().expect("it was reached");
        Self {
            listener,
            url: format!("http://0.0.0.0:{port}"),
        }
    }

    #[track_caller]
    fn assert_nothing_received(&self) {
        let accepted = self.listener.accept();
        let error = accepted.expect_err("nothing is sent");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

const ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_CODECONNECTIONS",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_STS",
];

#[tokio::test]
async fn cli_sends_nothing_in_clear_text() {
    let elsewhere = ForbiddenEndpoint::new();
    let env = TestEnv::new().await;
    let table = env.table.name().as_str();
    let commands: [&[&str]; 4] = [
        &["scan"],
        &["scan", "--table", table],
        &["list", "--table", table],
        &["verify", "--table", table],
    ];
    for command in commands {
        for variable in ENDPOINTS {
            let ccinv = Ccinv::at(&env).with(variable, &elsewhere.url);
            let done = ccinv.run(command).await;
            assert_eq!(done.code, 2, "{command:?} {variable}: {done:?}");
            let complaint = done.complaint();
            let start = format!("invalid settings: {variable}: \"{}\"", elsewhere.url);
            assert!(complaint.starts_with(&start), "{complaint}");
            assert_eq!(ccinv.files(), [] as [&Path; 0], "no file is created");
        }
    }
    elsewhere.assert_nothing_received();
    assert_eq!(
        env.codeconnections.requests(),
        0,
        "nothing is sent to the allowed endpoint either"
    );
}

#[tokio::test]
async fn cli_sends_nothing_in_clear_text_to_an_endpoint_of_a_profile() {
    let elsewhere = ForbiddenEndpoint::new();
    let env = TestEnv::new().await;
    let url = &elsewhere.url;
    let profiles = [
        (
            "AWS_ENDPOINT_URL_DYNAMODB",
            format!(
                "[default]\nservices = mine\n[services mine]\ndynamodb =\n  endpoint_url = {url}\n"
            ),
        ),
        (
            "AWS_ENDPOINT_URL",
            format!("[default]\nendpoint_url = {url}\n"),
        ),
    ];
    for (variable, profile) in profiles {
        let ccinv = Ccinv::at(&env).without("AWS_ENDPOINT_URL_DYNAMODB");
        let folder = ccinv.folder().join(".aws");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("config"), profile).expect("a profile");
        let done = ccinv.run(&["list", "--table", "inventory"]).await;
        assert_eq!(done.code, 2, "{done:?}");
        let complaint = done.complaint();
        let start = format!("invalid settings: {variable}: \"{url}\"");
        assert!(complaint.starts_with(&start), "{complaint}");
    }
    elsewhere.assert_nothing_received();
}

#[tokio::test]
async fn local_endpoint_is_not_reached_through_a_clear_text_proxy() {
    let proxy = ForbiddenEndpoint::new();
    let env = TestEnv::new().await;
    let table = env.table.name().as_str();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let ccinv = Ccinv::at(&env).with(variable, &proxy.url);
        let done = ccinv.run(&["list", "--table", table]).await;
        assert_eq!(done.code, 2, "{variable}: {done:?}");
        let complaint = done.complaint();
        assert!(
            complaint.contains("in the clear: put its host into NO_PROXY"),
            "{complaint}"
        );
        // Without a proxy it works; the table has no record yet.
        let direct = ccinv.with("NO_PROXY", "127.0.0.1");
        let done = direct.run(&["list", "--table", table]).await;
        assert_eq!(done.code, 4, "{variable}: {done:?}");
    }
    proxy.assert_nothing_received();
}

#[tokio::test]
async fn proxy_receives_only_the_name_of_a_service_and_tls() {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let ccinv = Ccinv::offline()
        .with("AWS_REGION", REGION)
        .with("AWS_ACCESS_KEY_ID", ACCOUNT)
        .with("AWS_SECRET_ACCESS_KEY", "secret")
        .with("HTTPS_PROXY", &url);
    let mut asking = ccinv
        .command(&["list", "--table", "inventory"])
        .spawn()
        .expect("it starts");
    let (mut stream, _) = proxy.accept().await.expect("it asks");
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        let read = stream.read_buf(&mut received).await.expect("text");
        assert_ne!(read, 0, "{received:?}");
    }
    let name = format!("dynamodb.{REGION}.amazonaws.com:443");
    let head = format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n");
    assert_eq!(String::from_utf8(received).expect("text"), head);
    stream
        .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
        .await
        .expect("sent");
    // A handshake of TLS, and not a request.
    assert_eq!(stream.read_u8().await.expect("a byte"), 0x16);
    asking.kill().await.expect("ended");
}

#[tokio::test]
async fn function_does_not_start_with_a_clear_text_endpoint() {
    let elsewhere = ForbiddenEndpoint::new();
    for variable in ENDPOINTS {
        let output = Command::new(env!("CARGO_BIN_EXE_codeconnections-inventory"))
            .env_clear()
            .env("TABLE_NAME", "inventory")
            .env("TOMBSTONE_GUARD", "2")
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env(variable, &elsewhere.url)
            .output()
            .await
            .expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        assert_eq!(line["message"], "the function can't start");
        let error = line["error"].as_str().expect("an error");
        // All other invalid settings are reported too.
        assert!(
            error.starts_with("invalid settings: TOMBSTONE_GUARD: "),
            "{error}"
        );
        let named = format!("; {variable}: \"{}\"", elsewhere.url);
        assert!(error.contains(&named), "{error}");
        assert_eq!(output.stderr, b"");
    }
    elsewhere.assert_nothing_received();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = ForbiddenEndpoint::new();
    let env = TestEnv::new().await;
    for status in [301, 302, 307, 308] {
        let location = elsewhere.url.clone();
        let server = HttpServer::start(move |_| {
            let response = Response::builder().status(status);
            let response = response.header(header::LOCATION, &location);
            ready(whole(response.body(Bytes::new()).expect("a response")))
        })
        .await;
        let at = |variable| Ccinv::at(&env).with(variable, &server.endpoint);
        for (variable, command) in [
            (ENDPOINTS[1], &["scan", "--account", ACCOUNT][..]),
            (ENDPOINTS[2], &["list", "--table", "inventory"]),
            (ENDPOINTS[3], &["scan"]),
        ] {
            let done = at(variable).run(command).await;
            assert_ne!(done.code, 0, "{status} {command:?}: {done:?}");
        }
    }
    elsewhere.assert_nothing_received();
}

#[tokio::test]
async fn servers_listen_on_loopback_and_files_are_private() {
    let ccinv = Ccinv::offline();
    // New files would be readable by all.
    let script = "umask 000; exec \"$0\" demo --dir d --serve";
    let mut demo = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .current_dir(ccinv.folder())
        .env_clear()
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a shell");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    loop {
        let line = lines.next_line().await.expect("text").expect("it serves");
        if line.starts_with("The account stays up at ") {
            break;
        }
    }
    let pid = demo.id().expect("it runs");

    let listening = listening(pid);
    assert!(listening.len() >= 2, "table and service: {listening:?}");
    for address in &listening {
        assert!(address.starts_with("0100007F:"), "127.0.0.1, not {address}");
    }

    let files = std::fs::read_dir(ccinv.folder().join("d")).expect("a folder");
    let mut names = BTreeSet::new();
    for file in files {
        let file = file.expect("an entry");
        let name = file.file_name().into_string().expect("UTF-8");
        assert_eq!(mode(&file.path()), 0o600, "{name}");
        names.insert(name);
    }
    let expected = ["demo.db", "demo.db-shm", "demo.db-wal"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));
    demo.kill().await.expect("ended");
}

/// Returns the addresses at which a process listens, as the kernel writes them.
fn listening(pid: u32) -> BTreeSet<String> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    let sockets: BTreeSet<String> = descriptors
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.ok()?.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    ["tcp", "tcp6"]
        .iter()
        .flat_map(|table| {
            let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"));
            let lines: Vec<String> = table
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect();
            lines
        })
        .filter_map(|line| {
            // number, local address, remote address, state, …, inode
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(3) == Some(&"0A") && sockets.contains(*fields.get(9)?);
            listens.then(|| fields[1].to_owned())
        })
        .collect()
}

#[tokio::test]
async fn database_open_to_others_is_reported_and_left_unchanged() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan", "--db", "mine.db"]).await;
    let file = ccinv.folder().join("mine.db");
    // Its rows don't say how long ago something was.
    let ask = async || {
        ccinv
            .run(&["changes", "--db", "mine.db", "--format", "csv"])
            .await
    };
    let own = ask().await;
    assert_eq!(own.code, 0, "{own:?}");
    assert!(!own.stderr.contains("warning"), "{own:?}");
    for (mode_set, can) in [
        (0o640, "read"),
        (0o604, "read"),
        (0o620, "write"),
        (0o666, "write"),
    ] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode_set)).expect("set");
        let done = ask().await;
        assert_eq!((done.code, &done.stdout), (0, &own.stdout));
        let warning = format!(
            "ccinv: warning: others can {can} mine.db (mode {mode_set:04o}); chmod 600 mine.db \
             keeps it to you\n"
        );
        assert!(done.stderr.starts_with(&warning), "{done:?}");
        assert_eq!(mode(&file), mode_set);
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o777
}
