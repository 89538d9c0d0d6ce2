//! A headless Chromium, driven over its debugging pipe.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::tools;

/// A page in its own window, which shares no storage and no cache with other tests.
pub struct Chromium {
    browser: Arc<Browser>,
    context: String,
    session: String,
    messages: UnboundedReceiver<Value>,
    /// The events of the page, in order.
    events: Vec<Value>,
}

/// A running browser. It ends when the last page is dropped, or when the tests' process
/// ends and closes its pipe.
struct Browser {
    process: Mutex<Child>,
    commands: Mutex<ChildStdin>,
    /// Receivers of messages, by session or by command.
    readers: Arc<Mutex<Readers>>,
    last_id: AtomicU64,
    _profile: TempDir,
}

type Readers = HashMap<String, UnboundedSender<Value>>;

/// The browser that the tests of a program share while any of them has a page.
static SHARED: Mutex<Weak<Browser>> = Mutex::new(Weak::new());

/// Chromium reads commands from file descriptor 3 and answers on 4.
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

impl Browser {
    fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().expect("no panic");
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start());
        *shared = Arc::downgrade(&started);
        started
    }

    fn start() -> Self {
        let profile = TempDir::new().expect("a folder");
        let mut command = Command::new("sh");
        command.arg("-c").arg(ON_PIPE).arg(tools::chromium());
        command.args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut process = command.spawn().expect("sh starts");
        let commands = process.stdin.take().expect("piped");
        let messages = BufReader::new(process.stdout.take().expect("piped"));
        let readers = Arc::new(Mutex::new(Readers::new()));
        let of_thread = Arc::clone(&readers);
        std::thread::spawn(move || distribute(messages, &of_thread));
        Self {
            process: Mutex::new(process),
            commands: Mutex::new(commands),
            readers,
            last_id: AtomicU64::new(0),
            _profile: profile,
        }
    }

    /// Returns the messages of a session, or the answer to the command with this id.
    fn messages_of(&self, key: &str) -> UnboundedReceiver<Value> {
        let (sender, receiver) = unbounded_channel();
        let mut readers = self.readers.lock().expect("no panic");
        readers.insert(key.to_owned(), sender);
        receiver
    }

    fn forget(&self, key: &str) {
        self.readers.lock().expect("no panic").remove(key);
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn send(&self, command: &Value) -> std::io::Result<()> {
        let mut line = command.to_string().into_bytes();
        line.push(0);
        self.commands.lock().expect("no panic").write_all(&line)
    }

    /// Sends a command to the browser itself. Returns its result.
    async fn call(&self, method: &str, params: Value) -> Value {
        let id = self.next_id();
        let key = id.to_string();
        let mut answer = self.messages_of(&key);
        self.send(&json!({"id": id, "method": method, "params": params}))
            .expect("it reads");
        let answer = self.next(&mut answer).await;
        self.forget(&key);
        result(method, &answer)
    }

    async fn next(&self, messages: &mut UnboundedReceiver<Value>) -> Value {
        let message = tokio::time::timeout(Duration::from_secs(120), messages.recv()).await;
        message.expect("Chromium answers").unwrap_or_else(|| {
            let ended = self.process.lock().expect("no panic").try_wait();
            panic!("Chromium ended: {ended:?}");
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let process = self.process.get_mut().expect("no panic");
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Forwards each message to its receiver until the browser ends.
fn distribute(mut messages: impl BufRead, readers: &Mutex<Readers>) {
    let mut message = Vec::new();
    while messages.read_until(0, &mut message).is_ok() && message.pop() == Some(0) {
        let value: Value = serde_json::from_slice(&message).expect("JSON");
        message.clear();
        let key = match value["sessionId"].as_str() {
            Some(session) => session.to_owned(),
            None => value["id"].to_string(),
        };
        if let Some(reader) = readers.lock().expect("no panic").get(&key) {
            // Fails if the page was dropped.
            let _ = reader.send(value);
        }
    }
    readers.lock().expect("no panic").clear();
}

fn result(method: &str, answer: &Value) -> Value {
    let error = &answer["error"];
    assert!(error.is_null(), "{method}: {error}");
    answer["result"].clone()
}

impl Chromium {
    /// Opens a new page in the shared browser.
    pub async fn start() -> Self {
        let browser = Browser::shared();
        let text = |value: &Value| value.as_str().expect("an ID").to_owned();
        let context = browser.call("Target.createBrowserContext", json!({}));
        let context = text(&context.await["browserContextId"]);
        let page = json!({"url": "about:blank", "browserContextId": context, "newWindow": true});
        let target = browser.call("Target.createTarget", page).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        let session = text(&attached["sessionId"]);
        let mut this = Self {
            messages: browser.messages_of(&session),
            browser,
            context,
            session,
            events: Vec::new(),
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            this.call(&format!("{domain}.enable"), json!({})).await;
        }
        // Focus as if its window were in front.
        let focus = json!({"enabled": true});
        this.call("Emulation.setFocusEmulationEnabled", focus).await;
        this
    }

    /// Opens a file and waits until it is loaded.
    pub async fn open(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({"url": url})).await;
        // The previous page may still send events of its own loading.
        let loaded = json!([url, "complete"]);
        while self.eval("[location.href, document.readyState]").await != loaded {
            let message = self.next().await;
            self.events.push(message);
        }
    }

    /// Waits for an event of this name since the page was opened.
    pub async fn wait_for(&mut self, method: &str) {
        while self.events_of(method).is_empty() {
            let message = self.next().await;
            self.events.push(message);
        }
    }

    /// Sends a command to the page. Returns its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> impl Future<Output = Value> {
        let id = self.browser.next_id();
        let method = method.to_owned();
        let command = json!({
            "id": id, "sessionId": self.session, "method": method, "params": params,
        });
        async move {
            self.browser.send(&command).expect("it reads");
            loop {
                let message = self.next().await;
                if message["id"] == id {
                    return result(&method, &message);
                }
                self.events.push(message);
            }
        }
    }

    /// Evaluates an expression in the page, and awaits a promise.
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

    /// Types text into the focused element.
    pub async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Sets the size of the window.
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

    /// Writes a screenshot as a PNG file.
    pub async fn screenshot(&mut self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({})).await;
        write_base64(&shot, file);
    }

    /// Prints the page to a PDF file.
    pub async fn print(&mut self, file: &Path) {
        let params = json!({"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": true});
        let printed = self.call("Page.printToPDF", params).await;
        write_base64(&printed, file);
    }

    /// Returns the events of this name since the page was opened.
    pub fn events_of(&self, method: &str) -> Vec<&Value> {
        let events = self.events.iter();
        events.filter(|event| event["method"] == method).collect()
    }

    /// Returns log entries, exceptions and dialogs of the page.
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

    /// Returns the requested URLs.
    pub fn requests(&self) -> Vec<&str> {
        self.events_of("Network.requestWillBeSent")
            .into_iter()
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .collect()
    }

    async fn next(&mut self) -> Value {
        self.browser.next(&mut self.messages).await
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.browser.forget(&self.session);
        let id = self.browser.next_id();
        let params = json!({"browserContextId": self.context});
        let close = json!({"id": id, "method": "Target.disposeBrowserContext", "params": params});
        // Fails only if the browser has ended.
        let _ = self.browser.send(&close);
    }
}

fn write_base64(answer: &Value, file: &Path) {
    use base64::Engine;
    let data = answer["data"].as_str().expect("data");
    let bytes = base64::engine::general_purpose::STANDARD.decode(data);
    std::fs::write(file, bytes.expect("base64")).expect("written");
}
