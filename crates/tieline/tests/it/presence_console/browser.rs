//! A real browser for one test: Chromium, told what to do through ChromeDriver.
//!
//! ChromeDriver takes a free port itself and says which. All that was started carries the
//! test's own folder in its words; whatever the test comes to, those processes end with it.

use crate::rig::{Folder, until, until_some};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Longer than a browser takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// It looks for a port of IPv6 first, and ends where somebody else has the same of IPv4.
const STARTS_MAX: u32 = 10;

/// Where the programs are.
struct Programs {
    driver: PathBuf,
    chromium: PathBuf,
}

impl Programs {
    /// `None`, said aloud once, where this machine has none.
    fn find() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let found = named("TIELINE_TEST_CHROMEDRIVER").zip(named("TIELINE_TEST_CHROMIUM"));
        if found.is_none() {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                let mut out = std::io::stdout();
                let why = "TIELINE_TEST_CHROMEDRIVER and TIELINE_TEST_CHROMIUM are not set";
                writeln!(out, "SKIPPED a real browser: {why}").ok();
            });
        }
        found.map(|(driver, chromium)| Self { driver, chromium })
    }
}

/// A browser with an empty profile.
pub(crate) struct Browser {
    session: String,
    http: reqwest::Client,
    /// The empty tab that it starts with: there is always one to open others from.
    first: Option<Tab>,
    // In this order they go: what runs lies in the folder.
    _running: Running,
    _folder: Folder,
}

/// One tab.
#[derive(Debug, Clone)]
pub(crate) struct Tab(String);

impl Browser {
    pub(crate) async fn start() -> Option<Self> {
        let programs = Programs::find()?;
        let folder = Folder::new();
        let running = Running::start(&programs, &folder).await;
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let http = http.build().expect("a client");
        let profile = folder.join("profile");
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": programs.chromium, "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let url = format!("http://127.0.0.1:{}/session", running.port);
        let begun = told(http.post(&url).json(&wanted)).await;
        let id = begun["sessionId"].as_str().expect("a session");
        let session = format!("{url}/{id}");
        let (_running, _folder) = (running, folder);
        let mut browser = Self { session, http, first: None, _running, _folder };
        let first = told(browser.http.get(format!("{}/window", browser.session))).await;
        browser.first = first.as_str().map(|handle| Tab(handle.to_owned()));
        Some(browser)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        told(self.http.post(format!("{}/{path}", self.session)).json(&body)).await
    }

    /// Opens an address in a tab of its own.
    pub(crate) async fn open(&self, url: &str) -> Tab {
        self.open_after(url, "").await
    }

    /// The same, where a script runs before any of the page's own.
    pub(crate) async fn open_after(&self, url: &str, script: &str) -> Tab {
        if let Some(first) = &self.first {
            self.look_at(first).await;
        }
        let tab = self.post("window/new", json!({ "type": "tab" })).await;
        let tab = Tab(tab["handle"].as_str().expect("a tab").to_owned());
        self.look_at(&tab).await;
        let before = json!({ "source": script });
        let command = "Page.addScriptToEvaluateOnNewDocument";
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": before })).await;
        self.post("url", json!({ "url": url })).await;
        tab
    }

    async fn look_at(&self, tab: &Tab) {
        self.post("window", json!({ "handle": tab.0 })).await;
    }

    /// Closes a tab as its user does.
    pub(crate) async fn close(&self, tab: &Tab) {
        self.look_at(tab).await;
        told(self.http.delete(format!("{}/window", self.session))).await;
    }

    /// What a script in a tab returns.
    pub(crate) async fn run(&self, tab: &Tab, script: &str) -> Value {
        self.look_at(tab).await;
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What a script returns in a frame of a tab's page.
    pub(crate) async fn run_in_frame(&self, tab: &Tab, frame: &str, script: &str) -> Value {
        self.look_at(tab).await;
        let found = json!({ "using": "css selector", "value": frame });
        let frame = self.post("element", found).await;
        self.post("frame", json!({ "id": frame })).await;
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in a frame of a tab's page.
    pub(crate) async fn until_in_frame(&self, tab: &Tab, frame: &str, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, async || self.run_in_frame(tab, frame, &script).await == true).await;
    }

    /// What a script in a tab hands to the function that it is given last.
    pub(crate) async fn run_until_told(&self, tab: &Tab, script: &str) -> Value {
        self.look_at(tab).await;
        self.post("execute/async", json!({ "script": script, "args": [] })).await
    }

    /// What a tab looks like, as PNG in base64.
    pub(crate) async fn picture(&self, tab: &Tab) -> String {
        self.look_at(tab).await;
        let picture = told(self.http.get(format!("{}/screenshot", self.session))).await;
        picture.as_str().expect("a picture").to_owned()
    }

    /// Gives the window a size.
    pub(crate) async fn resize(&self, tab: &Tab, width: u32, height: u32) {
        self.look_at(tab).await;
        self.post("window/rect", json!({ "width": width, "height": height })).await;
    }

    /// Shows a tab as on a device that is set to dark.
    pub(crate) async fn darken(&self, tab: &Tab) {
        self.look_at(tab).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
        let command =
            json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.post("goog/cdp/execute", command).await;
    }

    /// Waits until an expression is true in a tab.
    pub(crate) async fn until(&self, tab: &Tab, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, async || self.run(tab, &script).await == true).await;
    }

    /// What was written to the console of a tab since the last look.
    pub(crate) async fn console(&self, tab: &Tab) -> Vec<Value> {
        self.look_at(tab).await;
        let lines = self.post("se/log", json!({ "type": "browser" })).await;
        lines.as_array().expect("a list").clone()
    }
}

/// What a request of WebDriver is answered with.
async fn told(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let body: Value = answer.json().await.expect("JSON");
    assert!(status.is_success(), "{status}: {}", body["value"]["message"]);
    body["value"].clone()
}

/// ChromeDriver and the browsers that it started.
struct Running {
    child: Child,
    port: u16,
    /// In the words of each of their processes.
    mark: String,
}

fn driver(programs: &Programs, folder: &Folder, said: &Path) -> Child {
    let file = fs::File::create(said).expect("a file in a folder of our own");
    let mut command = Command::new(&programs.driver);
    // What the browser keeps elsewhere belongs to the machine's user.
    command.env("HOME", folder.path()).env("TMPDIR", folder.path());
    command.args(["--port=0", "--log-level=SEVERE"]);
    command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
    command.spawn().expect("ChromeDriver starts")
}

impl Running {
    async fn start(programs: &Programs, folder: &Folder) -> Self {
        let mark = folder.path().display().to_string();
        for _ in 0..STARTS_MAX {
            let said = folder.join("driver.said");
            let child = driver(programs, folder, &said);
            let mut running = Self { child, port: 0, mark: mark.clone() };
            let port = until_some("ChromeDriver listens", async || {
                let ended = running.child.try_wait().is_ok_and(|status| status.is_some());
                let said = fs::read_to_string(&said).unwrap_or_default();
                if ended && said.contains("port not available") {
                    return Some(None);
                }
                assert!(!ended, "ChromeDriver ended: {said}");
                let port = said.split("started successfully on port ").nth(1)?;
                Some(Some(port.split('.').next()?.parse().ok()?))
            })
            .await;
            if let Some(port) = port {
                running.port = port;
                return running;
            }
        }
        panic!("ChromeDriver found no port in {STARTS_MAX} starts");
    }

    /// The processes that carry the mark.
    fn marked(&self) -> Vec<String> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_marked = |path: &PathBuf| {
            let words = fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(&self.mark)
        };
        let paths = all.map(|entry| entry.path()).filter(is_marked);
        let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        let own = std::process::id().to_string();
        paths.filter_map(name).filter(|pid| *pid != own).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        // A browser outlives its driver, and its parts start others while they go.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let left = self.marked();
            if left.is_empty() {
                return;
            }
            Command::new("kill").arg("-KILL").args(left).stderr(Stdio::null()).status().ok();
        }
    }
}
