//! `cargo xtask bench console`: how soon each page of the console paints and shows what it is for,
//! in a real browser, over a store with a million calls and a million contacts.
//!
//! Each time the page is loaded anew, with nothing kept from before but the session. *Painted* is
//! the browser's own first contentful paint; *shown* is the first frame in which what the page is
//! for stands: rows of its table, its chart, the profile. Both count from the navigation.

use super::contestants::{self, Directory, KEY, Part};
use super::figures::Series;
use super::http;
use super::table::{Table, spread};
use crate::{process, tools};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const MANY: u64 = 1_000_000;
const FEW: u64 = 20_000;
const ROUNDS: usize = 5;
const TARGET_MS: f64 = 300.0;
/// Compressed, as it is served; in bytes.
const WHOLE_MAX: usize = 200_000;

const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
const FILL_LIMIT: Duration = Duration::from_secs(40 * 60);
const START_LIMIT: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_secs(60);

/// Each page, and what stands there once it shows what it is for.
const PAGES: [(&str, &str); 14] = [
    ("calls", "main tbody tr"),
    ("calls/CALL", "main .facts"),
    ("customers", "main input[name=q]"),
    ("customers/CUSTOMER", "main tbody tr"),
    ("presence", "main .part"),
    ("connections", "main tbody tr"),
    ("queues", "main .part"),
    ("routing", "main .part"),
    ("syncs", "main .part"),
    ("review", "main .part, main .bar"),
    ("alerts", "main .part"),
    ("reports", "main svg.chart, main figure svg"),
    ("audit", "main tbody tr"),
    ("settings", "main .facts"),
];

/// Builds what fills the store, as it is run.
pub(super) fn build() -> Result<()> {
    let mut command = Command::new(tools::cargo());
    command.args(["build", "--release", "--quiet", "-p", "state", "--example", "filled"]);
    let built = process::run("cargo build", command.current_dir(tools::root()), BUILD_LIMIT)?;
    ensure!(built.success(), "the release build failed");
    Ok(())
}

pub(super) fn pages(is_quick: bool, folder: &Path) -> Result<Table> {
    let many = if is_quick { FEW } else { MANY };
    let crm = contestants::simulator()?;
    let took = fill(many, folder)?;
    let started = Instant::now();
    let part = contestants::ours(&crm, Directory::Usual, folder)?;
    let mut table = Table::default();
    table.tell(&format!("{many} calls and {many} contacts made in"), format!("{took:.0} s"));
    let ready = started.elapsed().as_secs_f64();
    table.tell("the server is ready after", format!("{ready:.2} s"));
    look(&part, folder, &mut table)?;
    let resident = contestants::resident_mb(&part)?;
    table.tell("resident after it", format!("{resident:.0} MB"));
    let whole = compressed()?;
    let figure = format!("{whole} bytes");
    table.judge("the whole console, compressed", "< 200 KB", figure, whole < WHOLE_MAX);
    Ok(table)
}

/// Seconds that it took.
fn fill(many: u64, folder: &Path) -> Result<f64> {
    tools::say(&format!("making {many} calls and {many} contacts"));
    let data = folder.join("ours-usual");
    std::fs::create_dir_all(&data)?;
    let started = Instant::now();
    let mut command = Command::new(contestants::program("examples/filled"));
    command.arg(format!("sqlite:{}/tieline.db", data.display())).arg("7".repeat(64));
    command.args([many.to_string(), many.to_string()]);
    let done = process::capture("filled", &mut command, FILL_LIMIT)?;
    ensure!(done.ok, "filled: {}", done.err.trim());
    Ok(started.elapsed().as_secs_f64())
}

fn look(part: &Part, folder: &Path, table: &mut Table) -> Result<()> {
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    let calls = http::ask("GET", &part.url, "/api/v1/calls?limit=1", &headers, "", STEP)?.json()?;
    let text = |name: &str| {
        let text = calls[0][name].as_str();
        text.map(str::to_owned).with_context(|| format!("a call without {name}: {calls}"))
    };
    let (call, customer) = (text("callId")?, text("externalId")?);
    let browser = Browser::start(folder)?;
    browser.sign_in(&part.url)?;
    for (page, stands) in PAGES {
        let address = page.replace("CALL", &call).replace("CUSTOMER", &http::encoded(&customer));
        let (mut painted, mut shown) = (Series::default(), Series::default());
        for _ in 0..ROUNDS {
            let (paint, stood) = browser.load(&part.url, &address, stands)?;
            painted.push(paint);
            shown.push(stood);
        }
        let what = format!("{page}: painted");
        let met = painted.most() <= TARGET_MS;
        table.judge(&what, "≤ 300 ms", spread(&painted, "ms"), met);
        let met = shown.most() <= TARGET_MS;
        table.judge(&format!("{page}: shown"), "≤ 300 ms", spread(&shown, "ms"), met);
    }
    Ok(())
}

/// Every file of the console, as a browser is sent it.
fn compressed() -> Result<usize> {
    let folder = tools::root().join("crates/tieline/console");
    let script = format!(
        "find {} -type f | sort | while read -r f; do gzip -6 -c \"$f\"; done | wc -c",
        folder.display()
    );
    let done = process::capture("gzip", Command::new("sh").args(["-c", &script]), STEP)?;
    done.out.trim().parse().context("a number of bytes")
}

/// Chromium, told what to do through ChromeDriver.
struct Browser {
    _driver: process::Running,
    url: String,
    session: String,
}

impl Browser {
    fn start(folder: &Path) -> Result<Self> {
        const PACKAGES: &[&str] = &["chromium", "chromium-driver"];
        let find = |program: &str| {
            tools::find_or_install(program, PACKAGES)
                .with_context(|| format!("no {program} on this machine"))
        };
        let (driver, chromium) = (find("chromedriver")?, find("chromium")?);
        let port = tools::free_port()?;
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let running = process::Running::start("chromedriver", &mut command)?;
        let url = format!("http://127.0.0.1:{port}");
        let until = Instant::now() + START_LIMIT;
        let is_up = || {
            http::ask_driver("GET", &url, "/status", "", STEP).is_ok_and(|told| told.status == 200)
        };
        while !is_up() {
            ensure!(Instant::now() < until, "chromedriver does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        let flags = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--no-proxy-server".to_owned(),
            "--disable-background-networking".to_owned(),
            "--window-size=1280,860".to_owned(),
            format!("--user-data-dir={}", folder.join("profile").display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": flags },
        } } });
        let mut browser = Self { _driver: running, url, session: String::new() };
        let begun = browser.post("/session", &wanted)?;
        let id = begun["sessionId"].as_str().context("a session")?;
        browser.session = format!("/session/{id}");
        Ok(browser)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = http::ask_driver("POST", &self.url, path, &body.to_string(), STEP)?;
        let told = answer.json()?;
        ensure!(answer.status == 200, "{path}: {told}");
        Ok(told["value"].clone())
    }

    fn run(&self, script: &str) -> Result<Value> {
        let body = json!({ "script": script, "args": [] });
        self.post(&format!("{}/execute/async", self.session), &body)
    }

    fn go(&self, url: &str) -> Result<()> {
        self.post(&format!("{}/url", self.session), &json!({ "url": url })).map(drop)
    }

    /// As its page does with a key.
    fn sign_in(&self, url: &str) -> Result<()> {
        self.go(&format!("{url}/console/"))?;
        let script = format!(
            "const done = arguments[arguments.length - 1];
             fetch('/api/v1/session', {{ method: 'POST', headers: {{ 'content-type': 'application/json' }},
                 body: JSON.stringify({{ key: '{KEY}' }}) }}).then(answer => done(answer.status), done);"
        );
        let status = self.run(&script)?;
        ensure!(status == 200, "nobody is signed in: {status}");
        Ok(())
    }

    /// Loads a page anew; when it was painted first, and when it showed what it is for.
    fn load(&self, url: &str, page: &str, stands: &str) -> Result<(f64, f64)> {
        let name = page.split('/').next().unwrap_or(page);
        self.go("about:blank")?;
        let watch = format!(
            "(() => {{
                 const isThere = () =>
                     document.querySelector('nav a[data-at={name}][aria-current]') &&
                     document.querySelector('main[data-page={name}] h1') &&
                     document.querySelector('{stands}');
                 const look = () => {{
                     if (isThere()) window.stood = performance.now();
                     else requestAnimationFrame(look);
                 }};
                 requestAnimationFrame(look);
             }})()"
        );
        let before = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": { "source": watch } });
        let cdp = format!("{}/goog/cdp/execute", self.session);
        let script = self.post(&cdp, &before)?["identifier"].clone();
        self.go(&format!("{url}/console/#/{page}"))?;
        let told = self.run(
            "const done = arguments[arguments.length - 1];
             const until = Date.now() + 20000;
             const look = () => {
                 const paint = performance.getEntriesByName('first-contentful-paint')[0];
                 if (window.stood && paint) return done([paint.startTime, window.stood]);
                 if (Date.now() > until) return done(document.body.innerText.slice(0, 300));
                 setTimeout(look, 5);
             };
             look();",
        )?;
        let over = json!({ "cmd": "Page.removeScriptToEvaluateOnNewDocument", "params": { "identifier": script } });
        self.post(&cdp, &over)?;
        let times = told[0].as_f64().zip(told[1].as_f64());
        times.with_context(|| format!("{page} does not stand: {told}"))
    }
}

impl Drop for Browser {
    /// Chromium ends with its session.
    fn drop(&mut self) {
        let _ = http::ask_driver("DELETE", &self.url, &self.session, "", STEP);
    }
}
