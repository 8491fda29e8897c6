//! People whom an identity provider signs in: npm oauth2-mock-server, which nobody here wrote.

use crate::rig::plan::API_KEY;
use crate::rig::{Line, Place};
use crate::visitor::{Visitor, text};
use reqwest::{Method, Response, header};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

crate::facts! {
    whoever_the_organization_knows_is_let_in_as_their_groups_say
    what_does_not_hold_lets_nobody_in
}

const CLIENT: (&str, &str) = ("tieline-client", "hunter2");

/// A provider, which ends with this.
struct Provider {
    issuer: String,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Provider {
    /// `None`, said aloud, where it was not installed.
    async fn start() -> Option<Self> {
        let Some(modules) = std::env::var_os("TIELINE_TEST_NODE_MODULES") else {
            let why = "oauth2-mock-server is not in TIELINE_TEST_NODE_MODULES";
            writeln!(std::io::stdout(), "SKIPPED oidc: {why}").ok();
            return None;
        };
        let folder = Path::new(&modules).parent().expect("a folder").to_owned();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/oidc_server.mjs");
        let mut child = Command::new("node")
            .arg(program)
            .args([CLIENT.0, CLIENT.1])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node starts");
        let input = child.stdin.take().expect("its input");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut provider = Self { issuer: String::new(), input, lines, _child: child };
        let said = provider.line().await;
        said.strip_prefix("URL=").expect("its address").clone_into(&mut provider.issuer);
        Some(provider)
    }

    async fn line(&mut self) -> String {
        let said = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        said.expect("in time").expect("a line").expect("a line more")
    }

    /// Who comes next.
    async fn signs_in(&mut self, claims: Value) {
        let line = format!("{claims}\n");
        self.input.write_all(line.as_bytes()).await.expect("written");
        assert_eq!(self.line().await, "set");
    }

    async fn line_with(&self, place: Place, secret: &str) -> Line {
        let section = format!(
            r#"[console.oidc]
issuer = "{}"
client_id = "{}"
client_secret = {{ env = "OIDC_SECRET" }}
public_url = "http://tieline.example.com"
allow_private_addresses = true
[console.oidc.roles]
admin = ["ops"]
analyst = ["people"]
"#,
            self.issuer, CLIENT.0
        );
        let plan = Line::with_salesforce().on(place).section(&section);
        plan.variable("OIDC_SECRET", secret).start().await
    }
}

/// A browser that follows no redirect by itself.
fn browser() -> reqwest::Client {
    let none = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(none).build().expect("a client")
}

fn cookie(answer: &Response, name: &str) -> String {
    let all = answer.headers().get_all(header::SET_COOKIE).iter();
    let mut all = all.filter_map(|value| value.to_str().ok());
    let set = all.find(|set| set.starts_with(&format!("{name}="))).unwrap_or_default();
    set.split(';').next().unwrap_or_default().to_owned()
}

/// To the provider, and back to the door: the address there, and the browser's cookie.
async fn to_the_provider(line: &Line) -> (String, String) {
    let begun = browser().get(line.url("/api/v1/session/oidc")).send().await.expect("an answer");
    assert_eq!(begun.status(), 303);
    let to = text(&begun, header::LOCATION).to_owned();
    for part in ["response_type=code", "code_challenge_method=S256", "scope=openid+profile+email"] {
        assert!(to.contains(part), "{to}");
    }
    let back = browser().get(to).send().await.expect("an answer");
    let back = text(&back, header::LOCATION).to_owned();
    let path = back.strip_prefix("http://tieline.example.com").expect("our address").to_owned();
    (path, cookie(&begun, "tieline_oidc"))
}

async fn come_back(line: &Line, path: &str, cookie: &str) -> Response {
    let back = browser().get(line.url(path)).header(header::COOKIE, cookie).send().await;
    let back = back.expect("an answer");
    assert_eq!(back.status(), 303);
    back
}

async fn sign_in(line: &Line) -> Result<Visitor<'_>, String> {
    let (path, attempt) = to_the_provider(line).await;
    let back = come_back(line, &path, &attempt).await;
    let session = cookie(&back, "tieline_session");
    let to = text(&back, header::LOCATION).to_owned();
    if session.is_empty() {
        return Err(to);
    }
    assert_eq!(to, "/console/");
    let visitor = Visitor::again(line, session.clone(), Value::Null);
    let told = visitor.get("/api/v1/session").await.1;
    Ok(Visitor::again(line, session, told))
}

async fn whoever_the_organization_knows_is_let_in_as_their_groups_say(place: Place) {
    let Some(mut provider) = Provider::start().await else { return };
    let line = provider.line_with(place, CLIENT.1).await;
    let ada = |groups: Value| {
        json!({ "sub": "u-1", "preferred_username": "Ada.Byron", "name": "Ada Byron",
            "groups": groups })
    };
    provider.signs_in(ada(json!(["people"]))).await;
    let one = sign_in(&line).await.expect("signed in");
    assert_eq!(one.told["user"]["name"], "ada.byron");
    assert_eq!(one.told["user"]["fullName"], "Ada Byron");
    assert_eq!((&one.told["scopes"], &one.told["hasPassword"]), (&json!(["read"]), &json!(false)));
    assert_eq!(one.told["ways"], json!(["password", "oidc", "key"]));
    assert_eq!(one.get("/api/v1/calls").await.0, 200);
    assert_eq!(one.get("/api/v1/users").await.0, 403);
    // In another group by now: the session that is open may so, too.
    provider.signs_in(ada(json!(["ops", "people"]))).await;
    let again = sign_in(&line).await.expect("signed in");
    assert_eq!(again.told["user"]["id"], one.told["user"]["id"]);
    let (status, users) = one.get("/api/v1/users").await;
    assert_eq!((status, users.as_array().map(Vec::len)), (200, Some(1)), "{users}");
    assert_eq!((&users[0]["role"], &users[0]["signsInBy"]), (&json!("admin"), &json!("oidc")));
    // Somebody else of the same name is somebody else.
    let mut other = ada(json!(["people"]));
    other["sub"] = json!("u-2");
    provider.signs_in(other).await;
    let other = sign_in(&line).await.expect("signed in");
    assert_eq!(other.told["user"]["name"], "ada.byron-2");
    let reset = again.act(Method::POST, "/api/v1/users/ada.byron-2/password", &Value::Null).await;
    assert_eq!((reset.0, &reset.1["error"]["code"]), (409, &json!("user.elsewhere")));
    let disabled = json!({ "isDisabled": true });
    let path = "/api/v1/users/ada.byron-2";
    assert_eq!(again.act(Method::PATCH, path, &disabled).await.0, 200);
    assert_eq!(other.get("/api/v1/calls").await.0, 401);
    assert_eq!(sign_in(&line).await.err().as_deref(), Some("/console/?problem=refused"));
    // Taken away they would be made anew, and let in.
    let kept_out = again.act(Method::DELETE, path, &Value::Null).await;
    assert_eq!((kept_out.0, &kept_out.1["error"]["code"]), (409, &json!("user.kept_out")));
    let typed = json!({ "name": "ada.byron", "password": "" });
    assert_eq!(line.post("/api/v1/session", &typed).await.status, 400);
    let typed = json!({ "name": "ada.byron", "password": "x" });
    assert_eq!(line.post("/api/v1/session", &typed).await.status, 401, "there is no password");
    let audit = line.get("/api/v1/audit").await.body.to_string();
    assert!(audit.contains("identity provider") && audit.contains("session.opened"), "{audit}");
}

async fn what_does_not_hold_lets_nobody_in(place: Place) {
    let Some(mut provider) = Provider::start().await else { return };
    let elsewhere = place.another().await;
    let line = provider.line_with(place, CLIENT.1).await;
    let good = json!({ "sub": "u-1", "groups": ["ops"] });
    for (change, expected) in [
        (json!({ "groups": ["others"] }), "no_role"),
        (json!({ "aud": "another-client" }), "refused"),
        (json!({ "aud": [CLIENT.0, "another-client"] }), "refused"),
        (json!({ "azp": "another-client" }), "refused"),
        (json!({ "iss": "https://id.example.com" }), "refused"),
        (json!({ "exp": 1_000_000_000 }), "refused"),
        (json!({ "nbf": 4_000_000_000_u64 }), "refused"),
        (json!({ "nonce": "another" }), "refused"),
        (json!({ "nonce": null }), "refused"),
        (json!({ "sub": null }), "refused"),
    ] {
        let mut claims = good.clone();
        let all = claims.as_object_mut().expect("claims");
        all.extend(change.as_object().expect("a change").clone());
        provider.signs_in(claims).await;
        let problem = sign_in(&line).await.err().unwrap_or_default();
        assert_eq!(problem, format!("/console/?problem={expected}"), "{change}");
    }
    provider.signs_in(good).await;
    let (path, attempt) = to_the_provider(&line).await;
    let (_, other) = to_the_provider(&line).await;
    let other_state = path.split("state=").next().expect("a path").to_owned() + "state=x";
    for (path, cookie) in [
        (path.as_str(), ""),
        (path.as_str(), other.as_str()),
        (path.as_str(), "tieline_oidc=e30.e30"),
        (other_state.as_str(), attempt.as_str()),
        ("/api/v1/session/oidc/done?error=access_denied", attempt.as_str()),
    ] {
        let back = come_back(&line, path, cookie).await;
        assert_eq!(text(&back, header::LOCATION), "/console/?problem=late", "{path} {cookie}");
    }
    let used = come_back(&line, &path, &attempt).await;
    assert_eq!(text(&used, header::LOCATION), "/console/", "it was good");
    assert!(line.get("/api/v1/users").await.body.to_string().contains("u-1"));
    let log = line.log();
    assert!(!log.contains(CLIENT.1) && !log.contains(API_KEY), "no secret is logged");
    // A provider that does not know us, and one that is not there.
    let stranger = provider.line_with(elsewhere, "wrong-secret").await;
    assert_eq!(sign_in(&stranger).await.err().as_deref(), Some("/console/?problem=refused"));
    drop(provider);
    let begun = browser().get(stranger.url("/api/v1/session/oidc")).send().await;
    assert!(begun.expect("an answer").status() == 303);
    let without = Line::with_salesforce().start().await;
    let begun = browser().get(without.url("/api/v1/session/oidc")).send().await;
    let to = text(&begun.expect("an answer"), header::LOCATION).to_owned();
    assert_eq!(to, "/console/?problem=not_offered");
}
