//! A headless Chromium, driven over its debugging pipe.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::tools;

/// A browser with one page.
pub struct Chromium {
    process: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    last_id: u64,
    session: Option<String>,
    /// What the page did, in the order in which it told.
    events: Vec<Value>,
    _profile: TempDir,
}

/// It reads commands from file descriptor 3 and answers on 4.
const ON_PIPE: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null"#;

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

impl Chromium {
    pub async fn start() -> Self {
        let profile = TempDir::new().expect("a folder");
        let mut command = Command::new("sh");
        command.arg("-c").arg(ON_PIPE).arg(tools::chromium());
        command.args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().expect("sh starts");
        let commands = process.stdin.take().expect("piped");
        let messages = BufReader::new(process.stdout.take().expect("piped"));
        let mut this = Self {
            process,
            commands,
            messages,
            last_id: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let target = this
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = this.call("Target.attachToTarget", attach).await;
        this.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            this.call(&format!("{domain}.enable"), json!({})).await;
        }
        this
    }

    /// Opens a file, and waits until it is loaded.
    pub async fn open(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({"url": url})).await;
        // The page before may tell of its own loading yet.
        let loaded = json!([url, "complete"]);
        while self.eval("[location.href, document.readyState]").await != loaded {
            let message = self.next().await;
            self.events.push(message);
        }
    }

    /// Waits until the page told this since it was opened.
    pub async fn wait_for(&mut self, method: &str) {
        while self.events_of(method).is_empty() {
            let message = self.next().await;
            self.events.push(message);
        }
    }

    /// A command's result.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> impl Future<Output = Value> {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        async move {
            let mut line = command.to_string().into_bytes();
            line.push(0);
            self.commands.write_all(&line).await.expect("it reads");
            loop {
                let message = self.next().await;
                if message["id"] == id {
                    let error = &message["error"];
                    assert!(error.is_null(), "{}: {error}", command["method"]);
                    return message["result"].clone();
                }
                self.events.push(message);
            }
        }
    }

    /// What an expression gives in the page; a promise is waited for.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> impl Future<Output = Value> {
        let expression = expression.to_owned();
        async move {
            let params = json!({
                "expression": &expression, "returnByValue": true, "awaitPromise": true,
            });
            let done = self.call("Runtime.evaluate", params).await;
            let thrown = &done["exceptionDetails"];
            assert!(thrown.is_null(), "{expression}: {thrown}");
            done["result"]["value"].clone()
        }
    }

    /// Presses a key once.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            other => panic!("no code for {other:?}"),
        };
        let event = |kind: &str| {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            event
        };
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", event(kind)).await;
        }
    }

    /// Types text into what has the focus.
    pub async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Lays the page out as wide and high as this.
    pub async fn resize(&mut self, width: u32, height: u32, phone: bool) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Shows the page for `media` (`screen` or `print`) and in a colour scheme.
    pub async fn media(&mut self, media: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let params = json!({"media": media, "features": features});
        self.call("Emulation.setEmulatedMedia", params).await;
    }

    /// What is in view, as a PNG file.
    pub async fn screenshot(&mut self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({})).await;
        write_base64(&shot, file);
    }

    /// The printed page, as a PDF file.
    pub async fn print(&mut self, file: &Path) {
        let params = json!({"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": true});
        let printed = self.call("Page.printToPDF", params).await;
        write_base64(&printed, file);
    }

    /// The events of this name since the page was opened.
    pub fn events_of(&self, method: &str) -> Vec<&Value> {
        let events = self.events.iter();
        events.filter(|event| event["method"] == method).collect()
    }

    /// What the page complained of, or had to be stopped from.
    pub fn complaints(&self) -> Vec<&Value> {
        [
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ]
        .iter()
        .flat_map(|method| self.events_of(method))
        .collect()
    }

    /// The addresses that were asked for.
    pub fn requests(&self) -> Vec<&str> {
        self.events_of("Network.requestWillBeSent")
            .into_iter()
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .collect()
    }

    async fn next(&mut self) -> Value {
        let mut message = Vec::new();
        let read = self.messages.read_until(0, &mut message);
        let read = tokio::time::timeout(Duration::from_secs(120), read).await;
        read.expect("Chromium answers").expect("it can be read");
        if message.pop() != Some(0) {
            let ended = self.process.try_wait();
            panic!("Chromium ended: {ended:?}");
        }
        serde_json::from_slice(&message).expect("JSON")
    }
}

fn write_base64(answer: &Value, file: &Path) {
    use base64::Engine;
    let data = answer["data"].as_str().expect("data");
    let bytes = base64::engine::general_purpose::STANDARD.decode(data);
    std::fs::write(file, bytes.expect("base64")).expect("written");
}
