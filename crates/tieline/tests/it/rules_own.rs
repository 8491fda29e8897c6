//! Rules that bring an address or a login of their own: used by them alone, kept in the vault,
//! and gone with them.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, JOHN, Line, MARIA, Place, STRANGER};
use connectors::servicenow;
use connectors::servicenow::sim::Instance;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

crate::facts! {
    a_rule_by_url_decides_and_its_token_goes_nowhere_else
    a_rule_asks_with_its_own_login
}

const DID: &str = "+15550190000";
const RULE: &str = "/api/v1/routing/items/rules/Own";
const CHAIN: &str = "/api/v1/routing/items/chains/did:%2B15550190000";
const TOKEN: &str = "canary-of-a-rules-token";
/// Where rules may ask this machine, and no busy machine makes a decision late.
const AT_HOME: &str = "[routing]\ndeadline = \"5s\"\nallow_private_addresses = true\n";

/// A source that speaks TLS and knows John, as somebody may have written it in a morning.
struct Source {
    url: String,
    certificate: String,
    /// Heads of requests.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Source {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a pair");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, heads) = (acceptor.clone(), Arc::clone(&heads));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut byte).await {
                            Ok(1) => head.push(byte[0]),
                            _ => return,
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let body = answer(&head).to_string();
                    heads.lock().expect("heads").push(head);
                    let text = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(text.as_bytes()).await.ok();
                    stream.shutdown().await.ok();
                });
            }
        });
        Self { url, certificate: made.cert.pem(), seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("heads").clone()
    }

    /// A server that trusts it.
    async fn line(&self, place: Place, routing: &str) -> Line {
        let mut line = Line::with_salesforce().on(place).section(routing).lay().await;
        let trusted = line.folder.write("roots.pem", &self.certificate);
        line.environment.push(("SSL_CERT_FILE".to_owned(), trusted.display().to_string()));
        line.started().await
    }
}

/// One record, or none; by another path those of Maria.
fn answer(head: &str) -> Value {
    let is_of = |number: &str| head.contains(&format!("%2B{}", number.trim_start_matches('+')));
    match () {
        () if is_of(JOHN.1) => json!([{ "customer": { "tier": "Gold" }, "visits": 12 }]),
        () if is_of(MARIA.1) => json!({ "customer": { "tier": "Basic" }, "visits": 3 }),
        () => Value::Null,
    }
}

impl Line {
    async fn sends(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.http.put(self.url(path)).bearer_auth(API_KEY).json(body)).await
    }

    async fn drafted(&self, path: &str, body: &Value) -> Answer {
        let drafted = self.sends(path, body).await;
        assert_eq!(drafted.status, 200, "{drafted:?}");
        drafted
    }

    async fn takes_away(&self, path: &str) -> Answer {
        Answer::of(self.http.delete(self.url(path)).bearer_auth(API_KEY)).await
    }

    async fn publishes(&self) -> Answer {
        let published = self.post("/api/v1/routing/publish", &json!({})).await;
        assert_eq!(published.status, 200, "{published:?}");
        published
    }

    async fn goes_to(&self, ani: &str) -> Answer {
        let body = json!({ "did": DID, "ani": ani, "callId": self.new_call() });
        self.post("/api/v1/routing/decide", &body).await
    }

    /// Connections that rules have brought.
    async fn brought(&self) -> Vec<Value> {
        let all = self.get("/api/v1/settings/connections").await;
        let items = all["items"].as_array().expect("a list").iter().cloned();
        items.filter(|item| item["ofRule"] != "").collect()
    }
}

fn to(option: &str) -> Value {
    json!({ "type": "queue", "option": option })
}

fn by_url(url: &str) -> Value {
    json!({
        "location": "did", "url": url, "field": "customer.tier",
        "lines": [
            { "operator": "=", "value": "gold", "destination": to("Premium") },
            { "field": "/visits", "operator": ">", "value": 2, "destination": to("Regulars") },
        ],
    })
}

fn chain() -> Value {
    json!({ "rules": ["Own"], "default": to("General") })
}

fn with(rule: &Value, more: &Value) -> Value {
    let mut rule = rule.clone();
    for (name, value) in more.as_object().expect("an object") {
        rule[name] = value.clone();
    }
    rule
}

/// Where a refused rule is wrong.
fn places(refused: &Answer) -> Vec<String> {
    let code = &refused["error"]["code"];
    assert_eq!((refused.status, code), (400, &json!("rules.refused")), "{refused:?}");
    let all = refused["mistakes"].as_array().expect("mistakes");
    all.iter().map(|one| one["at"].as_str().expect("a place").to_owned()).collect()
}

async fn assert_nowhere(line: &Line, secret: &str, told: &[Answer]) {
    assert!(told.iter().all(|answer| !answer.body.to_string().contains(secret)), "{told:?}");
    let heap = [line.place.bytes().await, line.log().into_bytes()].concat();
    let is_in = heap.windows(secret.len()).any(|window| window == secret.as_bytes());
    assert!(!is_in, "a rule's secret lies in clear");
}

async fn a_rule_by_url_decides_and_its_token_goes_nowhere_else(place: Place) {
    let source = Source::start().await;
    let mut line = source.line(place, AT_HOME).await;
    let rule = by_url(&format!("{}/who?from=tieline", source.url));
    let drafted = line.drafted(RULE, &with(&rule, &json!({ "token": TOKEN }))).await;
    assert_eq!(drafted["draft"]["login"]["set"], true, "{drafted:?}");
    line.drafted(CHAIN, &chain()).await;
    line.publishes().await;
    for (who, to, how) in [
        (JOHN.1, "Premium", "matched"),
        (MARIA.1, "Regulars", "matched"),
        (STRANGER, "General", "default"),
    ] {
        let went = line.goes_to(who).await;
        assert_eq!((&went["destination"]["option"], &went["status"]), (&json!(to), &json!(how)));
    }
    let seen = source.seen();
    assert!(
        seen.iter().all(|head| head.starts_with("GET /who?from=tieline&phone=%2B1")),
        "{seen:?}"
    );
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    assert!(seen.len() == 3 && seen.iter().all(|head| head.contains(&bearer)), "{seen:?}");

    // A draft by another address changes nothing of what is in force; the token stays with
    // the address that it was given for.
    let exported = line.get("/api/v1/routing/set").await;
    let kept = json!({ "login": exported["rules"]["Own"]["login"] });
    let elsewhere = by_url("https://127.0.0.1:1/evil");
    assert_eq!(places(&line.sends(RULE, &with(&elsewhere, &kept)).await), ["rules.Own.login"]);
    line.drafted(RULE, &elsewhere).await;
    assert_eq!(line.brought().await.len(), 2);
    assert_eq!(line.goes_to(JOHN.1).await["destination"]["option"], "Premium");
    assert_eq!(line.takes_away(&format!("{RULE}?draft=true")).await.status, 200);
    assert_eq!(line.brought().await.len(), 1, "a draft that is forgotten takes it away");

    // As it was exported it can be applied; with another field the token is still there.
    let same = line.sends("/api/v1/routing/set", &exported.body).await;
    assert_eq!((same.status, &same["changed"]), (200, &json!([])), "{same:?}");
    let regulars = json!({ "field": "visits", "lines": [
        { "operator": ">", "value": 2, "destination": to("Regulars") },
    ] });
    line.drafted(RULE, &with(&with(&rule, &regulars), &json!({ "login": { "set": true } }))).await;
    line.publishes().await;
    line.restart().await;
    assert_eq!(line.goes_to(JOHN.1).await["destination"]["option"], "Regulars");
    assert!(source.seen().last().expect("a request").contains(&bearer));
    let back = line.post("/api/v1/routing/rollback", &json!({})).await;
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(line.goes_to(JOHN.1).await["destination"]["option"], "Premium");

    // Once nothing leads back to it, it is gone.
    line.drafted(CHAIN, &json!({ "rules": [], "default": to("General") })).await;
    assert_eq!(line.takes_away(RULE).await.status, 200);
    line.publishes().await;
    assert_eq!(line.brought().await.len(), 1, "one step back needs it");
    line.drafted(CHAIN, &json!({ "rules": [], "default": to("Nobody") })).await;
    line.publishes().await;
    let left = line.brought().await;
    assert!(left.is_empty(), "{left:?} {}", line.log());
    let mut told = vec![drafted, exported, same];
    for path in ["/api/v1/routing", "/api/v1/audit", "/api/v1/routing/history"] {
        told.push(line.get(path).await);
    }
    assert_nowhere(&line, TOKEN, &told).await;
}

const DESK: &str = r#"[routing]
deadline = "5s"

[connections.desk]
type = "servicenow"
prefix = "SN"
allow_private_addresses = true

[connections.desk.settings]
instance_url = "URL"
auth = "basic"
username = "nobody"
password = { env = "DESK_PASSWORD" }
data = { mail = "email" }
"#;

async fn desk(place: Place) -> (Line, Instance) {
    let instance = servicenow::sim::start(servicenow::sim::Config::default()).await;
    let instance = instance.expect("a ServiceNow");
    let plan = Line::with_salesforce().on(place).variable("DESK_PASSWORD", "a-wrong-password");
    let line = plan.section(&DESK.replace("URL", &instance.url())).start().await;
    (line, instance)
}

fn by_desk() -> Value {
    json!({
        "location": "did", "crm": "desk", "module": "contacts", "field": "mail",
        "lines": [{ "operator": "=", "value": JOHN.2, "destination": to("Premium") }],
    })
}

async fn a_rule_asks_with_its_own_login(place: Place) {
    let (mut line, instance) = desk(place).await;
    let (user, password) = (instance.config().username.clone(), instance.config().password.clone());
    line.drafted(RULE, &by_desk()).await;
    line.drafted(CHAIN, &chain()).await;
    line.publishes().await;
    let refused = line.goes_to(JOHN.1).await;
    assert_eq!((&refused["status"], refused.status), (&json!("degraded"), 200), "{refused:?}");

    let login = json!({ "username": user, "password": password });
    let drafted = line.drafted(RULE, &with(&by_desk(), &login)).await;
    line.publishes().await;
    let went = line.goes_to(JOHN.1).await;
    assert_eq!(
        (&went["destination"]["option"], &went["status"]),
        (&json!("Premium"), &json!("matched"))
    );
    let brought = line.brought().await;
    assert_eq!(brought[0]["ofRule"], "Own");
    let name = brought[0]["name"].as_str().expect("a name");
    let path = format!("/api/v1/settings/connections/{name}");
    let shown = line.get(&path).await;
    let expected = json!({ "rule": "Own", "crm": "desk", "login": { "set": true } });
    assert_eq!(shown["section"], expected);
    assert_eq!(line.takes_away(&path).await.status, 404, "it goes with its rule alone");
    let listed = line.command(&["settings", "list", "connections"]).await;
    assert!(listed.out.contains("for rule Own"), "{}", listed.out);
    let exported = line.command(&["rules", "export"]).await;
    assert!(exported.out.contains("set = true"), "{}", exported.out);
    line.restart().await;
    assert_eq!(line.goes_to(JOHN.1).await["destination"]["option"], "Premium");

    // Without the login it asks as the connection does; and elsewhere an id opens nothing.
    line.drafted(RULE, &by_desk()).await;
    let foreign = with(&by_desk(), &json!({ "login": { "set": true, "id": "abc" } }));
    assert_eq!(places(&line.sends(RULE, &foreign).await), ["rules.Own.login"]);
    line.publishes().await;
    let told = [drafted, shown, line.get("/api/v1/routing").await, line.get("/api/v1/audit").await];
    assert_nowhere(&line, &password, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_goes_only_where_it_was_given_for() {
    let (line, instance) = desk(Place::disk()).await;
    let evil = servicenow::sim::start(servicenow::sim::Config::default()).await;
    let evil = evil.expect("another ServiceNow");
    let path = "/api/v1/settings/connections/made";
    let made = |url: &str, mail: &str| {
        json!({
            "type": "servicenow", "prefix": "MADE", "allow_private_addresses": true,
            "settings": {
                "instance_url": url, "auth": "basic", "username": "nobody", "password": "wrong",
                "data": { "mail": mail },
            },
        })
    };
    line.drafted(path, &made(&instance.url(), "email")).await;
    let (user, password) = (instance.config().username.clone(), instance.config().password.clone());
    let login = json!({ "crm": "made", "username": user, "password": password });
    let drafted = line.drafted(RULE, &with(&by_desk(), &login)).await;
    line.drafted(CHAIN, &chain()).await;
    line.publishes().await;
    assert_eq!(line.goes_to(JOHN.1).await["destination"]["option"], "Premium");
    // Which data are read may change; the rule's connection reads them as well.
    line.drafted(path, &made(&instance.url(), "first_name")).await;
    assert_eq!(line.goes_to(MARIA.1).await["status"], "default");
    line.drafted(path, &made(&instance.url(), "email")).await;

    // Whoever sends the connection elsewhere does not send the rule's login along.
    line.drafted(path, &made(&evil.url(), "email")).await;
    let went = line.goes_to(JOHN.1).await;
    assert_eq!((&went["status"], went.status), (&json!("degraded"), 200), "{went:?}");
    assert_eq!(evil.faults().requests().log().len(), 0, "nothing was asked there");
    let brought = line.brought().await;
    let problem = brought[0]["problem"].as_str().expect("text");
    assert!(problem.contains("made is another since this login was given"), "{problem}");
    let kept = json!({ "crm": "made", "login": drafted["draft"]["login"] });
    let again =
        line.sends(RULE, &with(&with(&by_desk(), &kept), &json!({ "greeting": null }))).await;
    assert_eq!(places(&again), ["rules.Own.login"]);
    // Given again, it is used.
    line.drafted(RULE, &with(&by_desk(), &login)).await;
    line.publishes().await;
    assert_eq!(line.goes_to(JOHN.1).await["status"], "matched");
    assert!(!evil.faults().requests().log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_cannot_bring_is_refused_by_name_and_leaves_nothing() {
    let (line, instance) = desk(Place::disk()).await;
    for (rule, expected) in [
        (by_url("http://crm.example"), "url"),
        (by_url("https://127.0.0.1:8443/who"), "url"),
        (by_url("https://localhost/who"), "url"),
        (by_url("https://user:pass@crm.example/"), "url"),
        (by_url("https://crm.example/{phone}/{email}"), "url"),
        (by_url("https://crm.example/{nobody}"), "url"),
        (with(&by_url("https://crm.example/"), &json!({ "password": "p" })), "password"),
        (with(&by_desk(), &json!({ "token": "t" })), "token"),
        (with(&by_desk(), &json!({ "username": "u" })), "password"),
        (with(&by_desk(), &json!({ "login": { "set": true } })), "login"),
        (with(&by_desk(), &json!({ "crm": "nobody", "token": "t" })), "crm"),
    ] {
        for path in [RULE.to_owned(), format!("{RULE}?dryRun=true")] {
            let refused = line.sends(&path, &rule).await;
            assert_eq!(places(&refused), [format!("rules.Own.{expected}")], "{rule}");
        }
    }
    let takes = line.sends(RULE, &with(&by_desk(), &json!({ "token": "t" }))).await;
    assert!(takes["mistakes"][0]["fix"].as_str().expect("text").contains("username and password"));
    let login = json!({ "username": "u", "password": "p", "lines": [] });
    let all = places(&line.sends(RULE, &with(&by_desk(), &login)).await);
    assert_eq!(all, ["rules.Own.lines"]);
    let dry = line.sends(&format!("{RULE}?dryRun=true"), &by_url("https://crm.example/who")).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    let left = line.brought().await;
    assert!(left.is_empty(), "nothing is left of all this: {left:?}");
    assert_eq!(instance.faults().requests().log().len(), 0);
}
