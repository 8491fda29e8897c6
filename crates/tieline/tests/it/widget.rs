//! The agent's widget in a real browser: signed in without a password, through a whole call,
//! whatever line is left to it, and inside nobody's page but those that may show it.

use crate::console::{axe, keep_picture};
use crate::presence_console::browser::{Browser, Tab};
use crate::rig::plan::{API_KEY, Plan};
use crate::rig::{JANE, JOHN, Line, MARIA};
use axum::Router;
use axum::extract::Query;
use axum::response::Html;
use axum::routing::get;
use connectors::genesys_cloud::sim::SignedInUser;
use reqwest::header;
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::net::TcpListener;

/// Who is signed in at the simulated contact center.
fn agent() -> String {
    SignedInUser::default().user_id
}

fn plan() -> Plan {
    Line::with_salesforce().and_genesys().agents_sign_in()
}

/// The widget in a tab of its own, waiting for a call.
async fn waiting(line: &Line) -> Option<(Browser, Tab)> {
    let browser = Browser::start().await?;
    let tab = browser.open(&line.url("/widget/")).await;
    let waits = "document.getElementById('state').innerText === 'Waiting for a call.'";
    browser.until(&tab, waits).await;
    browser.until(&tab, "document.body.dataset.way").await;
    Some((browser, tab))
}

/// Somebody calls, and the agent takes it.
async fn call(line: &Line, id: &str, number: &str) {
    line.lookup(json!({ "fromNumber": number, "callId": id })).await;
    tell(line, json!({ "type": "callStarted", "callId": id, "userId": agent() })).await;
}

async fn tell(line: &Line, event: Value) {
    assert_eq!(line.post("/api/v1/genesys/events", &event).await.status, 202);
}

fn says(text: &str) -> String {
    format!("document.getElementById('calls').innerText.includes('{text}')")
}

async fn nothing_is_wrong(browser: &Browser, tab: &Tab) {
    let console = browser.console(tab).await;
    let wrong: Vec<&Value> = console.iter().filter(|line| line["level"] == "SEVERE").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_signed_in_by_their_contact_center_and_goes_through_a_whole_call() {
    let line = plan().lookup("match", "ambiguous");
    let line = line.section("[calls]\nsettle_for = \"150ms\"\n").start().await;
    let Some((browser, tab)) = waiting(&line).await else { return };
    assert_eq!(browser.run(&tab, "return location.search").await, "", "no code is left behind");
    call(&line, "earlier", MARIA.1).await;
    tell(&line, json!({ "type": "callEnded", "callId": "earlier", "userId": agent(),
        "startedAt": "2026-11-21T20:15:00Z", "endedAt": "2026-11-21T20:18:05Z", "wrapUp": "Resolved" }))
    .await;
    browser.until(&tab, &says(MARIA.0)).await;
    browser.until(&tab, "document.querySelector('article[data-call=earlier].over')").await;
    call(&line, "again", MARIA.1).await;
    let first = "document.querySelector('#calls article').innerText";
    browser.until(&tab, &format!("{first}.includes('Resolved')")).await;
    // Two people have this number: one click says which of them it is.
    call(&line, "shared", JOHN.1).await;
    browser.until(&tab, &says("Several people")).await;
    let jane = format!("It is {}", JANE.0);
    let click = format!(
        "[...document.querySelectorAll('article[data-call=shared] button')]
            .find(one => one.innerText === '{jane}').click()"
    );
    browser.run(&tab, &click).await;
    browser.until(&tab, &format!("{first}.includes('{jane} now.')")).await;
    let is_known =
        "document.querySelector('article[data-call=shared] .badge').innerText === 'Known'";
    browser.until(&tab, is_known).await;
    let stored = line.stored("shared").await;
    assert_eq!(stored["externalId"], json!(line.id_of(JANE.2)));
    let audit = line.get("/api/v1/audit").await.body.to_string();
    assert!(audit.contains(&format!("agent {} at genesys", agent())), "{audit}");
    // The call of somebody else is theirs.
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "theirs" })).await;
    tell(&line, json!({ "type": "callStarted", "callId": "theirs", "userId": "agent-8" })).await;
    tell(
        &line,
        json!({ "type": "callEnded", "callId": "shared", "userId": agent(),
        "startedAt": "2026-11-21T20:15:00Z", "endedAt": "2026-11-21T20:18:05Z" }),
    )
    .await;
    browser.until(&tab, "document.querySelector('article[data-call=shared].over')").await;
    let shown = browser.run(&tab, "return document.querySelectorAll('article').length").await;
    assert_eq!(shown, 3);
    nothing_is_wrong(&browser, &tab).await;
    browser.resize(&tab, 420, 760).await;
    keep_picture("widget", &browser.picture(&tab).await);
    if let Some(axe) = axe() {
        browser.run(&tab, &axe).await;
        let ask = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then(
                found => done(found.violations
                    .filter(one => ['serious', 'critical'].includes(one.impact))
                    .map(one => [one.id, one.nodes.map(node => node.html)])),
                error => done(String(error)));";
        assert_eq!(browser.run_until_told(&tab, ask).await, json!([]));
    }
}

/// As where a proxy in between lets no WebSocket through, or no stream either.
const NO_SOCKET: &str = "window.WebSocket = class {
    constructor() { setTimeout(() => this.onclose()); }
    close() {}
};";
const NO_STREAM: &str = "window.EventSource = class {
    constructor() { setTimeout(() => this.onerror()); }
    close() {}
    addEventListener() {}
};";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_line_does_not_carry_comes_over_the_next() {
    let line = plan().start().await;
    for (missing, way) in [
        (String::new(), "socket"),
        (NO_SOCKET.to_owned(), "events"),
        (format!("{NO_SOCKET}{NO_STREAM}"), "asking"),
    ] {
        let Some(browser) = Browser::start().await else { return };
        let tab = browser.open_after(&line.url("/widget/"), &missing).await;
        browser.until(&tab, &format!("document.body.dataset.way === '{way}'")).await;
        call(&line, way, MARIA.1).await;
        let there = format!("document.querySelector('article[data-call={way}]')");
        browser.until(&tab, &there).await;
        browser.until(&tab, &format!("{there}.innerText.includes('{}')", MARIA.0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_lost_is_told() {
    // A minute of the page's clock is two seconds.
    const QUICK: &str = "{ const [now, begun] = [Date.now.bind(Date), Date.now()];
        Date.now = () => begun + (now() - begun) * 30; }";
    let mut line = plan().section("[streams]\nheartbeat = \"200ms\"\n").start().await;
    let Some(browser) = Browser::start().await else { return };
    let tab = browser.open_after(&line.url("/widget/"), QUICK).await;
    browser.until(&tab, "document.body.dataset.way === 'socket'").await;
    let state = "document.getElementById('state')";
    assert_eq!(browser.run(&tab, &format!("return {state}.className")).await, "");
    line.stop().await;
    browser.until(&tab, &format!("{state}.className === 'stale'")).await;
    let told = browser.run(&tab, &format!("return {state}.innerText")).await;
    assert!(told.as_str().is_some_and(|told| told.contains("may be old")), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_follow_is_told_so() {
    let (ours, serving) = host("/widget/").await;
    let line = Line::with_salesforce().section(&format!("[widget]\nhosts = [\"{ours}\"]\n"));
    let line = line.start().await;
    let Some(browser) = Browser::start().await else { return };
    let token = line.post("/api/v1/agent-tokens", &json!({ "agent": "agent-8" })).await;
    let token = token["token"].as_str().expect("a token").to_owned();
    let query = format!("?base={}&agent={}&token={token}", line.url(""), agent());
    let tab = browser.open(&format!("{ours}/{query}")).await;
    let told = "document.getElementById('state').innerText.includes('another agent')";
    browser.until_in_frame(&tab, "#w", told).await;
    serving.abort();
}

/// A page of a host, which shows the widget and hands it the token of its query.
async fn host(widget: &'static str) -> (String, tokio::task::JoinHandle<()>) {
    let page = async move |Query(asked): Query<HashMap<String, String>>| {
        let (base, token) = (
            asked["base"].clone(),
            json!({
                "type": "tieline.token", "token": asked["token"], "agent": asked["agent"], "expiresIn": 900,
            }),
        );
        Html(format!(
            "<!doctype html><title>Host</title><iframe id=w src='{base}{widget}'></iframe><script>
            addEventListener('message', event => {{
                if (event.data.type === 'tieline.token.needed')
                    event.source.postMessage({token}, '{base}');
            }});</script>"
        ))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let app = Router::new().route("/", get(page));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
    (url, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_page_that_may_shows_it_and_hands_it_a_token() {
    let (ours, serving) = host("/widget/").await;
    let (foreign, serving_too) = host("/widget/").await;
    let section = format!("[widget]\nhosts = [\"{ours}\"]\n");
    let line = Line::with_salesforce().section(&section).start().await;
    let page = line.http.get(line.url("/widget/")).send().await.expect("an answer");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    assert!(policy.ends_with(&format!("frame-ancestors {ours}")), "{policy}");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let token = line.post("/api/v1/agent-tokens", &json!({ "agent": agent() })).await;
    let token = token["token"].as_str().expect("a token").to_owned();
    let Some(browser) = Browser::start().await else { return };
    let base = line.url("");
    let query = format!("?base={base}&agent={}&token={token}", agent());
    let tab = browser.open(&format!("{ours}/{query}")).await;
    let state = "return document.getElementById('state')?.innerText || ''";
    browser.until_in_frame(&tab, "#w", &format!("({})()", "() => document.body.dataset.way")).await;
    call(&line, "one", MARIA.1).await;
    browser.until_in_frame(&tab, "#w", &says(MARIA.0)).await;
    assert_eq!(browser.run_in_frame(&tab, "#w", state).await, "");
    let tab = browser.open(&format!("{foreign}/{query}")).await;
    let there = browser.run_in_frame(&tab, "#w", "return document.getElementById('calls')").await;
    assert_eq!(there, Value::Null, "the browser does not show it");
    serving.abort();
    serving_too.abort();
}

#[tokio::test]
async fn a_canvas_posts_who_is_signed_in_and_nothing_else() {
    let line = plan().start().await;
    let page = line.salesforce.sign_in(connectors::salesforce::sim::SignedInUser::default());
    let post = async |signed: &str| {
        let form = [("signed_request", signed)];
        let asked = line.http.post(line.url("/widget/")).form(&form).send().await;
        let answer = asked.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    };
    let (status, text) = post(&page.signed_request).await;
    let meta = format!("<meta name=\"signed-request\" content=\"{}\">", page.signed_request);
    assert!(status == 200 && text.contains(&meta), "{text}");
    for odd in ["", "\"><script>alert(1)</script>", "a b", &"x".repeat(40_000)] {
        assert_eq!(post(odd).await.0, 400, "{odd:.40}");
    }
    let frame = line.http.get(line.url("/widget/frame.json")).send().await.expect("an answer");
    let frame: Value = frame.json().await.expect("JSON");
    assert_eq!((&frame["connections"], &frame["hosts"]), (&json!(["salesforce"]), &json!([])));
    assert_eq!(frame["doors"][0]["connection"], "genesys");
    assert!(!frame.to_string().contains(API_KEY));
}

#[tokio::test]
async fn an_agent_corrects_and_looks_back_at_calls_of_their_own_alone() {
    let line = plan().start().await;
    let token = async |agent: &str, call: Option<&str>| {
        let body = json!({ "agent": agent, "callId": call });
        let told = line.post("/api/v1/agent-tokens", &body).await;
        told["token"].as_str().expect("a token").to_owned()
    };
    call(&line, "before", MARIA.1).await;
    call(&line, "now", MARIA.1).await;
    let (own, foreign) = (token(&agent(), None).await, token("agent-8", None).await);
    let (of_call, of_other) =
        (token("agent-8", Some("now")).await, token("agent-8", Some("before")).await);
    let reach = async |method: reqwest::Method, path: &str, token: &str| {
        let asked = line.http.request(method, line.url(path)).bearer_auth(token);
        let asked = asked.json(&json!({ "newExternalId": line.id_of(JOHN.2) })).send().await;
        let answer = asked.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.expect("JSON"))
    };
    let (history, context) = ("/api/v1/calls/now/history", "/api/v1/calls/now/context");
    for stranger in [&foreign, &of_other] {
        for (method, path) in [(reqwest::Method::GET, history), (reqwest::Method::POST, context)] {
            let (status, told) = reach(method, path, stranger).await;
            assert_eq!((status, &told["error"]["code"]), (403, &json!("stream.not_yours")));
        }
    }
    for theirs in [&own, &of_call] {
        let (status, told) = reach(reqwest::Method::GET, history, theirs).await;
        assert_eq!((status, &told["calls"][0]["callId"]), (200, &json!("before")), "{told}");
        assert_eq!(told["calls"].as_array().map(Vec::len), Some(1));
    }
    // Whom a vendor has signed in may name any call, and opens their own alone.
    let vouched = async |call: &str| {
        let shown = line.genesys().sign_in(connectors::genesys_cloud::sim::SignedInUser::default());
        let body = json!({ "connection": "genesys", "shown": shown, "callId": call });
        let told = line.post("/api/v1/agent-tokens/sign-in", &body).await;
        told["token"].as_str().expect("a token").to_owned()
    };
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "theirs" })).await;
    tell(&line, json!({ "type": "callStarted", "callId": "theirs", "userId": "agent-8" })).await;
    let of_theirs = vouched("theirs").await;
    for (method, what) in [
        (reqwest::Method::GET, "history"),
        (reqwest::Method::GET, "news"),
        (reqwest::Method::POST, "context"),
    ] {
        let path = format!("/api/v1/calls/theirs/{what}");
        let (status, told) = reach(method, &path, &of_theirs).await;
        assert_eq!((status, &told["error"]["code"]), (403, &json!("stream.not_yours")), "{what}");
    }
    assert_eq!(reach(reqwest::Method::GET, history, &vouched("now").await).await.0, 200);
    let page = line.salesforce.sign_in(connectors::salesforce::sim::SignedInUser::default());
    let body = json!({ "connection": "salesforce", "shown": page.token, "callId": "now" });
    let told = line.post("/api/v1/agent-tokens/sign-in", &body).await;
    let of_crm = told["token"].as_str().expect("a token");
    let (status, told) = reach(reqwest::Method::GET, history, of_crm).await;
    assert_eq!((status, &told["error"]["code"]), (403, &json!("stream.agent_unknown")), "{told}");
    let (status, told) = reach(reqwest::Method::POST, context, &own).await;
    assert_eq!((status, &told["confirmed"]), (200, &json!(true)), "{told}");
    let (_, told) = reach(reqwest::Method::GET, history, &own).await;
    assert_eq!(told["calls"], json!([]), "he has never called");
}
