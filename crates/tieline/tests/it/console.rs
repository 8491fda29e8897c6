//! The console: who is let in by a browser's cookie, and its pages in a real browser.

use crate::demo::Demo;
use crate::presence_console::browser::{Browser, Tab};
use crate::rig::plan::{API_KEY, Plan};
use crate::rig::{JOHN, Line, MARIA, Place, STRANGER};
use crate::visitor::{Visitor, code, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response, header};
use serde_json::{Value, json};
use std::io::Write as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};

crate::facts! {
    a_browser_signs_in_with_a_key_and_may_what_the_key_may
    what_changes_something_is_taken_from_our_own_page_alone
    a_session_dies_with_its_key
}

async fn sign_in<'a>(line: &'a Line, key: &str) -> Visitor<'a> {
    Visitor::of(line, &json!({ "key": key })).await
}

async fn a_browser_signs_in_with_a_key_and_may_what_the_key_may(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let nobody = line.http.get(line.url("/api/v1/session")).send().await.expect("an answer");
    let nobody: Value = nobody.json().await.expect("JSON");
    assert_eq!(nobody["user"]["name"], "");
    assert_eq!(nobody["ways"], json!(["key"]), "there is no user yet");
    let body = json!({ "name": "analysts", "scopes": ["read"] });
    let key = line.post("/api/v1/api-keys", &body).await;
    let analyst = sign_in(&line, key["key"].as_str().expect("a key")).await;
    assert_eq!(analyst.told["user"]["name"], "analysts");
    assert_eq!(analyst.told["scopes"], json!(["read"]));
    let (status, told) = analyst.get("/api/v1/session").await;
    assert_eq!((status, &told), (200, &analyst.told), "the page that is loaded anew is told so");
    assert_eq!(analyst.get("/api/v1/calls").await.0, 200);
    let beyond = analyst.get("/api/v1/api-keys").await;
    assert_eq!(code(&beyond), (403, "auth.scope_missing"));
    let audit = line.get("/api/v1/audit").await.body.to_string();
    assert!(audit.contains("session.opened"), "{audit}");
    // A key beside it goes before: programs are not taken for browsers.
    let asked = line.http.get(line.url("/api/v1/api-keys")).bearer_auth(API_KEY);
    let asked = asked.header(header::COOKIE, analyst.cookie.as_str());
    assert_eq!(asked.send().await.expect("an answer").status(), 200);
}

async fn what_changes_something_is_taken_from_our_own_page_alone(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let one = sign_in(&line, API_KEY).await;
    let (path, body) = ("/api/v1/api-keys", json!({ "name": "ours", "scopes": ["read"] }));
    for csrf in ["", "00000000000000000000000000000000"] {
        let refused = one.ask(Method::POST, path, csrf, &body).await;
        assert_eq!(code(&refused), (403, "session.foreign_page"), "{csrf}");
    }
    assert!(!line.get(path).await.body.to_string().contains("ours"), "nothing was made");
    assert_eq!(one.act(Method::POST, path, &body).await.0, 201);
    let left = line.http.delete(line.url("/api/v1/session")).send().await.expect("an answer");
    assert!(text(&left, header::SET_COOKIE).contains("tieline_session=; ") && left.status() == 204);
}

async fn a_session_dies_with_its_key(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let body = json!({ "name": "analysts", "scopes": ["read"] });
    let key = line.post("/api/v1/api-keys", &body).await;
    let analyst = sign_in(&line, key["key"].as_str().expect("a key")).await;
    let path = format!("/api/v1/api-keys/{}", key["id"].as_str().expect("an id"));
    let revoked = line.http.delete(line.url(&path)).bearer_auth(API_KEY).send().await;
    assert!(revoked.expect("an answer").status().is_success());
    let calls = analyst.get("/api/v1/calls").await;
    assert_eq!(code(&calls), (401, "auth.key_revoked"));
    let (status, told) = analyst.get("/api/v1/session").await;
    assert_eq!((status, &told["user"]["name"]), (200, &json!("")), "the page asks to sign in");
    for wrong in [key["key"].as_str().expect("a key"), "a-guess"] {
        let asked = line.post("/api/v1/session", &json!({ "key": wrong })).await;
        assert_eq!((asked.status, &asked["error"]["code"]), (401, &json!("session.refused")));
    }
    assert!(!line.log().contains(key["key"].as_str().expect("a key")));
}

#[tokio::test]
async fn the_files_are_served_with_a_policy_and_asked_for_once() {
    let line = Line::with_salesforce().start().await;
    let ask = async |path: &str, name: &'static str, value: &str| {
        let asked = line.http.get(line.url(path)).header(name, value);
        asked.send().await.expect("an answer")
    };
    let page = ask("/", "accept", "text/html").await;
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/console/"));
    let policy = text(&page, header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    let tag = text(&page, header::ETAG).to_owned();
    assert_eq!(ask("/console/", "if-none-match", &tag).await.status(), 304);
    let whole = ask("/console/js/main.js", "accept-encoding", "identity").await;
    let length = |answer: &Response| text(answer, header::CONTENT_LENGTH).parse::<u64>();
    let plain = length(&whole).expect("a length");
    // Our client unzips by itself, and then tells no length.
    let script = ask("/console/js/main.js", "accept-encoding", "gzip").await;
    assert!(plain > 1_000 && length(&script).is_err(), "it was zipped");
    assert_eq!(text(&script, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    for path in
        ["/console/nothing.js", "/console/js/../../Cargo.toml", "/console/%2e%2e/Cargo.toml"]
    {
        assert_eq!(ask(path, "accept", "*/*").await.status(), 404, "{path}");
    }
}

const PAGES: [&str; 12] = [
    "calls",
    "customers",
    "presence",
    "connections",
    "queues",
    "routing",
    "syncs",
    "review",
    "alerts",
    "reports",
    "audit",
    "settings",
];

/// Somebody who looks at a server of their own.
pub(crate) struct Onlooker {
    pages: Pages,
    pub(crate) line: Line,
}

impl Deref for Onlooker {
    type Target = Pages;
    fn deref(&self) -> &Pages {
        &self.pages
    }
}

impl Onlooker {
    async fn new() -> Option<Self> {
        Self::of(Line::with_salesforce().and_genesys()).await
    }

    pub(crate) async fn of(plan: Plan) -> Option<Self> {
        let browser = Browser::start().await?;
        let line = plan.start().await;
        let pages = Pages::open(browser, &line.url("/console/")).await;
        pages.browser.resize(&pages.tab, 1_280, 860).await;
        Some(Self { pages, line })
    }

    pub(crate) async fn sign_in(&self) {
        self.pages.sign_in(API_KEY).await;
    }
}

/// A server's pages in a real browser.
pub(crate) struct Pages {
    pub(crate) browser: Browser,
    pub(crate) tab: Tab,
}

impl Pages {
    pub(crate) async fn open(browser: Browser, url: &str) -> Self {
        let tab = browser.open(url).await;
        browser.until(&tab, "document.querySelector('input[name=password]')").await;
        Self { browser, tab }
    }

    pub(crate) async fn sign_in(&self, key: &str) {
        let typed = format!(
            "const key = document.querySelector('input[name=password]'); key.value = '{key}';
             key.form.requestSubmit();"
        );
        self.browser.run(&self.tab, &typed).await;
        self.browser.until(&self.tab, "document.querySelector('nav a[data-at=calls]')").await;
    }

    /// Goes to a page, and waits until all of it stands.
    pub(crate) async fn go(&self, page: &str) {
        self.browser.run(&self.tab, &format!("location.hash = '#/{page}';")).await;
        let stands = format!(
            "document.querySelector('nav a[data-at={page}]').getAttribute('aria-current') && \
             document.querySelector('main[data-page={page}] h1') && !document.querySelector('main [aria-busy=true]') && \
             document.querySelector('main').innerText.length > 20"
        );
        self.browser.until(&self.tab, &stands).await;
    }

    pub(crate) async fn look(&self, script: &str) -> Value {
        self.browser.run(&self.tab, script).await
    }

    /// Keeps what it looks like with what CI keeps.
    pub(crate) async fn keep_picture(&self, name: &str) {
        keep_picture(name, &self.browser.picture(&self.tab).await);
    }

    /// The same where a form was meant to be refused: the browser tells of that as well.
    pub(crate) async fn assert_clean_but_refusals(&self) {
        self.assert_own_host().await;
        let wrong: Vec<Value> = self.browser.console(&self.tab).await;
        let is_refusal = |line: &Value| line["message"].to_string().contains("status of 400");
        let wrong: Vec<&Value> =
            wrong.iter().filter(|line| line["level"] == "SEVERE" && !is_refusal(line)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    async fn assert_own_host(&self) {
        let foreign = "return performance.getEntriesByType('resource').map(one => one.name) \
                       .filter(name => !name.startsWith(location.origin + '/'))";
        assert_eq!(self.look(foreign).await, json!([]));
    }

    /// Nothing was asked of another host, and nothing went wrong.
    pub(crate) async fn assert_clean(&self) {
        self.assert_own_host().await;
        let wrong: Vec<Value> = self.browser.console(&self.tab).await;
        let wrong: Vec<&Value> = wrong.iter().filter(|line| line["level"] == "SEVERE").collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

/// `picture` as the browser gives it. `docs/tour` shows these.
pub(crate) fn keep_picture(name: &str, picture: &str) {
    let picture = STANDARD.decode(picture).expect("base64");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(format!("{name}.png")), picture).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_real_browser_one_signs_in_and_every_page_stands() {
    let Some(one) = Onlooker::new().await else { return };
    one.sign_in().await;
    // Calls arrive while somebody looks.
    for number in [STRANGER, MARIA.1, STRANGER, JOHN.1, MARIA.1] {
        one.line.call_from(number).await;
    }
    let is_told = format!("document.querySelector('main').innerText.includes('{}')", JOHN.1);
    one.browser.until(&one.tab, &is_told).await;
    for page in PAGES {
        one.go(page).await;
        let said = one.look("return document.querySelector('main').innerText").await;
        let said = said.as_str().unwrap_or_default();
        assert!(!said.contains("undefined"), "{page}: {said}");
        let problems = one.look("return document.querySelectorAll('main .problem').length");
        assert_eq!(problems.await, 0, "{page}: {said}");
        one.keep_picture(page).await;
    }
    one.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_demo_every_page_shows_what_there_is() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start(&["--calls", "30"]).await;
    let one = Pages::open(browser, &format!("{}/console/", demo.text("url"))).await;
    one.browser.resize(&one.tab, 1_280, 860).await;
    one.sign_in(demo.text("apiKey")).await;
    let planned = "const told = await (await fetch('/api/v1/session')).json();
         await fetch('/api/v1/syncs/contacts/plan', { method: 'POST',
             headers: { 'content-type': 'application/json', 'x-csrf-token': told.csrf }, body: '{}' });";
    one.browser.run_until_told(&one.tab, &after(planned)).await;
    for (page, shows) in [
        ("calls", "document.querySelectorAll('main tbody tr').length > 10"),
        ("presence", "document.querySelectorAll('main tbody tr').length >= 12"),
        ("connections", "document.querySelector('main').innerText.includes('genesys')"),
        ("queues", "document.querySelectorAll('main tbody tr').length > 0"),
        ("routing", "document.querySelector('main').innerText.length > 100"),
        ("syncs", "document.querySelector('main').innerText.includes('not approved')"),
        ("reports", "document.querySelector('main svg')"),
        ("audit", "document.querySelectorAll('main tbody tr').length > 0"),
    ] {
        one.go(page).await;
        one.browser.until(&one.tab, shows).await;
        let problems = one.look("return document.querySelectorAll('main .problem').length");
        assert_eq!(problems.await, 0, "{page}");
        one.keep_picture(&format!("tour-{page}")).await;
    }
    one.look("location.hash = '#/syncs/contacts'").await;
    one.browser.until(&one.tab, "document.querySelector('main').innerText.includes('Plan')").await;
    one.keep_picture("tour-sync").await;
    one.go("calls").await;
    // The table is drawn anew as calls arrive: a click may hit a line that is gone.
    let opened = "document.body.innerText.includes('Call id') \
                  || document.querySelector('main tbody button')?.click()";
    one.browser.until(&one.tab, opened).await;
    one.keep_picture("tour-call").await;
    one.assert_clean().await;
}

/// A script whose end is told.
fn after(script: &str) -> String {
    format!(
        "const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(() => done(0), done);"
    )
}

/// Fills a form by its fields' names and sends it, as whoever types does.
pub(crate) fn typed(fields: &[(&str, &str)]) -> String {
    let set = |(name, value): &(&str, &str)| {
        format!(
            "field('{name}').value = {};
             field('{name}').dispatchEvent(new Event('input', {{ bubbles: true }}));",
            json!(value)
        )
    };
    let first = fields[0].0;
    let all: String = fields.iter().map(set).collect();
    format!(
        "const form = [...document.forms].find(one => one.elements['{first}']);
         const field = name => form.elements[name];
         {all} form.requestSubmit();"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_real_browser_a_user_is_made_and_signs_in_with_a_code() {
    let Some(one) = Onlooker::new().await else { return };
    one.sign_in().await;
    one.go("settings").await;
    one.look("location.hash = '#/settings/users'").await;
    one.browser.until(&one.tab, "document.querySelector('main input[name=fullName]')").await;
    one.look(&typed(&[("fullName", "Ada Byron"), ("name", "ada"), ("role", "supervisor")])).await;
    one.browser.until(&one.tab, "document.querySelector('dialog .secret')").await;
    let told = one.look("return document.querySelector('dialog .secret').innerText").await;
    let password = told.as_str().expect("a password").to_owned();
    let out = async || {
        let click = "document.querySelector('dialog')?.close();
            [...document.querySelectorAll('button')].find(one => one.innerText === 'Sign out').click()";
        one.look(click).await;
        one.browser.until(&one.tab, "document.querySelector('main.door input[name=name]')").await;
    };
    out().await;
    let ada = [("name", "ada"), ("password", password.as_str())];
    one.look(&typed(&ada)).await;
    one.browser.until(&one.tab, "document.querySelector('nav a[data-at=calls]')").await;
    let who = one.look("return document.body.innerText").await;
    assert!(who.as_str().is_some_and(|text| text.contains("Ada Byron")), "{who}");
    one.go("settings").await;
    let tabs = one.look("return document.querySelector('main .tabs').innerText").await;
    assert!(!tabs.as_str().unwrap_or_default().contains("Users"), "{tabs}");
    let set_up = "const form = [...document.forms].find(one => one.innerText.includes('Set up'));";
    let proof = format!("{set_up} form.elements.password.value = {}; form.requestSubmit();", told);
    one.look(&proof).await;
    one.browser.until(&one.tab, "document.querySelector('main .secret')").await;
    let secret = one.look("return document.querySelector('main .secret').innerText").await;
    let secret = secret.as_str().expect("a secret").replace(' ', "");
    let secret = totp_rs::Secret::try_from_base32(secret).expect("Base32");
    let app = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let code = |ahead| app.generate(now.as_ref().expect("a clock").as_secs() + ahead).to_string();
    one.look(&typed(&[("code", &code(0))])).await;
    one.browser
        .until(&one.tab, "document.querySelector('main').innerText.includes('Turn off')")
        .await;
    out().await;
    one.look(&typed(&ada)).await;
    let asks = "!document.querySelector('input[name=code]').closest('[hidden]')";
    one.browser.until(&one.tab, asks).await;
    let with_code = [ada[0], ada[1], ("code", &code(30))];
    one.look(&typed(&with_code)).await;
    one.browser.until(&one.tab, "document.querySelector('nav a[data-at=calls]')").await;
}

/// axe-core as it is published, or `None`, said aloud, where it was not installed.
pub(crate) fn axe() -> Option<String> {
    let found = std::env::var_os("TIELINE_TEST_NODE_MODULES").map(PathBuf::from);
    let found = found.map(|folder| folder.join("axe-core/axe.min.js"));
    let read = found.and_then(|file| std::fs::read_to_string(file).ok());
    if read.is_none() {
        let why = "it is not in TIELINE_TEST_NODE_MODULES";
        writeln!(std::io::stdout(), "SKIPPED axe-core: {why}").ok();
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_serious_on_any_page_wide_narrow_or_dark() {
    let Some(axe) = axe() else { return };
    let Some(one) = Onlooker::new().await else { return };
    let check = async |page: &str| {
        let ask = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then(
                found => done(found.violations
                    .filter(one => ['serious', 'critical'].includes(one.impact))
                    .map(one => [one.id, one.nodes.map(node => node.html)])),
                error => done(String(error)));";
        let found = one.browser.run_until_told(&one.tab, ask).await;
        assert_eq!(found, json!([]), "{page}");
    };
    one.look(&axe).await;
    check("the door").await;
    one.sign_in().await;
    one.line.call_from(JOHN.1).await.assert_hit("crm");
    for (width, height, is_dark) in [(1_280, 900, false), (390, 844, false), (1_280, 900, true)] {
        one.browser.resize(&one.tab, width, height).await;
        if is_dark {
            one.browser.darken(&one.tab).await;
        }
        for page in PAGES {
            one.go(page).await;
            check(page).await;
        }
        for (address, stands) in [
            ("items/connections/+", "main select[name=type]"),
            ("connections/salesforce", "main figure svg"),
            ("settings/retention", "main .readonly"),
            ("settings/users", "main input[name=fullName]"),
        ] {
            one.look(&format!("location.hash = '#/{address}'")).await;
            one.browser.until(&one.tab, &format!("document.querySelector('{stands}')")).await;
            if address.ends_with('+') {
                // With every setting that there is, also those behind a fold.
                let all = "const type = document.querySelector('select[name=type]');
                    type.value = 'salesforce'; type.dispatchEvent(new Event('change', { bubbles: true }));
                    document.querySelectorAll('main details').forEach(one => { one.open = true; });";
                one.look(all).await;
            }
            check(address).await;
        }
    }
}
