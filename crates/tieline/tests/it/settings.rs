//! Connections, actions and queues made by API: served at once, kept, and never at the cost
//! of what is there.

use crate::rig::plan::{API_KEY, salesforce_section};
use crate::rig::{Answer, JOHN, Line, MARIA, Place, Server, until, until_some};
use connectors::salesforce;
use connectors::salesforce::sim::{Config, Salesforce};
use reqwest::Method;
use serde_json::{Value, json};

crate::facts! {
    what_is_made_by_api_serves_the_next_call
    secrets_never_come_back_nor_lie_in_clear
    what_is_made_survives_a_restart_and_a_kill
}

/// Of the simulated vendor's client.
const SECRET: &str = "sim-consumer-secret";
const BILLING: &str = "/api/v1/settings/queues/Billing%20%26%20Returns";
const OTHER: &str = "/api/v1/settings/connections/other";
const WHO: &str = "/api/v1/settings/actions/Who_Is_It";

impl Line {
    async fn set(&self, path: &str, body: Value) -> Answer {
        self.set_if(path, None, body).await
    }

    /// A change, with a header.
    async fn set_if(&self, path: &str, header: Option<(&str, &str)>, body: Value) -> Answer {
        let method = if body.is_null() { Method::DELETE } else { Method::PUT };
        let mut request = self.http.request(method, self.url(path)).bearer_auth(API_KEY);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    async fn made(&self, path: &str, body: Value) -> Answer {
        let made = self.set(path, body).await;
        assert_eq!((made.status, &made["problem"]), (200, &json!("")), "{path} {made:?}");
        made
    }

    async fn deleted(&self, path: &str) -> Answer {
        self.set(path, Value::Null).await
    }

    async fn until_token(&self, name: &str) {
        until(&format!("{name} has its token"), async || {
            let ready = self.get(&format!("/api/v1/connections/{name}/ready")).await;
            ready["token"] == true
        })
        .await;
    }

    async fn call_of_queue(&self, number: &str, queue: &str) -> Answer {
        let call = self.new_call();
        self.lookup(json!({ "fromNumber": number, "callId": call, "queueId": queue })).await
    }

    async fn names(&self, kind: &str) -> Vec<String> {
        let all = self.get(&format!("/api/v1/settings/{kind}")).await;
        let items = all["items"].as_array().expect("a list").iter();
        items.map(|item| format!("{} {}", item["from"], item["name"]).replace('"', "")).collect()
    }
}

/// Another org with people of its own.
async fn another() -> Salesforce {
    let config = Config { people: 20, ..Config::default() };
    salesforce::sim::start(config).await.expect("another Salesforce")
}

fn connection(url: &str) -> Value {
    json!({
        "type": "salesforce",
        "prefix": "TWO",
        "allow_private_addresses": true,
        "settings": {
            "login_url": url,
            "client_id": Config::default().consumer_key,
            "client_secret": SECRET,
            "data": { "loyaltyTier": "Loyalty_Tier__c" },
        },
    })
}

fn action(connection: &str) -> Value {
    json!({
        "connection": connection,
        "path": "/query",
        "query": { "q": "SELECT Id, Name FROM Contact WHERE Email = '{{email}}' LIMIT 1" },
        "fields": { "whoIsIt": { "path": "records.0.Name" } },
    })
}

fn queue() -> Value {
    json!({ "connection": "other", "action": "Who_Is_It", "ids": ["q-billing"] })
}

async fn what_is_made_by_api_serves_the_next_call(place: Place) {
    let (line, other) = (Line::with_salesforce().on(place).start().await, another().await);
    let before = line.call_of_queue(MARIA.1, "q-billing").await;
    assert!(before.id().starts_with("CRM:"), "{before:?}");
    line.made(OTHER, connection(&other.url())).await;
    line.made(WHO, action("other")).await;
    line.made(BILLING, queue()).await;
    line.until_token("other").await;
    let answer = line.call_of_queue(MARIA.1, "q-billing").await;
    assert!(answer.id().starts_with("TWO:"), "{answer:?}");
    assert_eq!((&answer["name"], &answer["warnings"]), (&json!(MARIA.0), &json!([])), "{answer:?}");
    let enrich = json!({ "callId": line.new_call(), "email": MARIA.2 });
    let enriched = line.post("/api/v1/queues/q-billing/enrich", &enrich).await;
    assert_eq!((&enriched["whoIsIt"], &enriched["status"]), (&json!(MARIA.0), &json!("hit")));

    // Work behind a call has its line too: the number is finished by a job of the new connection.
    line.until_quiet().await;

    // A change of one thing leaves the others as they are, and what they know.
    let asked = |health: Answer| health["latency"]["requests"].as_u64().expect("a number");
    let health = "/api/v1/connections/other/health";
    let so_far = asked(line.get(health).await);
    assert!(so_far > 0);
    line.made(BILLING, json!({ "connection": "salesforce", "ids": ["q-billing"] })).await;
    assert!(asked(line.get(health).await) >= so_far, "the connection is still the same");
    let elsewhere = line.call_of_queue(JOHN.1, "q-billing").await;
    assert!(elsewhere.id().starts_with("CRM:"), "{elsewhere:?}");

    for path in [BILLING, WHO, OTHER] {
        assert_eq!(line.deleted(path).await.status, 200, "{path}");
        assert_eq!(line.get(path).await.status, 404, "{path}");
    }
    assert_eq!(line.get(health).await.status, 404);
    line.call_from(JOHN.1).await.assert_whole();
    let acts = line.get("/api/v1/audit").await;
    let acts: Vec<&Value> =
        acts.body.as_array().expect("a list").iter().map(|act| &act["action"]).collect();
    let count = |action: &str| acts.iter().filter(|act| **act == action).count();
    let (made, changed) = (count("settings.made"), count("settings.changed"));
    assert_eq!((made, changed, count("settings.deleted")), (3, 1, 3), "{acts:?}");
}

async fn secrets_never_come_back_nor_lie_in_clear(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let other = another().await;
    let made = line.made(OTHER, connection(&other.url())).await;
    assert_eq!(made["section"]["settings"]["client_secret"], json!({ "set": true }));
    line.until_token("other").await;
    // As it came it can be sent back, with another deadline: the secret stays.
    let mut body = made["section"].clone();
    body["deadline"] = json!("4s");
    line.made(OTHER, body.clone()).await;
    line.until_token("other").await;
    body["settings"].as_object_mut().expect("an object").remove("client_secret");
    let kept = line.made(OTHER, body.clone()).await;
    assert_eq!(kept["section"]["settings"]["client_secret"], json!({ "set": true }));
    // To another host it does not go.
    body["settings"]["login_url"] = json!("https://evil.example");
    let refused = line.set(OTHER, body).await;
    let at = "connections.other.settings.client_secret";
    assert_eq!((refused.status, &refused["mistakes"][0]["at"]), (400, &json!(at)), "{refused:?}");
    assert!(refused["mistakes"][0]["fix"].as_str().expect("text").contains("send it again"));
    // A secret in a wrong place is refused without being repeated.
    let mut wrong = connection(&other.url());
    wrong["deadline"] = json!({ "secret": SECRET });
    let wrong = line.set(OTHER, wrong).await;
    assert_eq!((wrong.status, &wrong["error"]["code"]), (400, &json!("settings.refused")));
    let mut told = vec![refused, wrong, made, kept];
    for path in [OTHER, "/api/v1/settings/connections", "/api/v1/audit", "/api/v1/connections"] {
        told.push(line.get(path).await);
    }
    assert!(told.iter().all(|answer| !answer.body.to_string().contains(SECRET)), "{told:?}");
    let of_file = line.get("/api/v1/settings/connections/salesforce").await;
    assert_eq!(of_file["section"]["settings"]["client_secret"], json!({ "set": true }));
    let heap = [line.place.bytes().await, line.log().into_bytes()].concat();
    let is_in = heap.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    assert!(!is_in, "the secret lies in clear");
}

async fn what_is_made_survives_a_restart_and_a_kill(place: Place) {
    let mut line = Line::with_salesforce().on(place).start().await;
    let other = another().await;
    line.made(OTHER, connection(&other.url())).await;
    line.made(WHO, action("other")).await;
    line.made(BILLING, queue()).await;
    line.kill().await;
    line.start_server().await;
    let answer = line.call_of_queue(MARIA.1, "q-billing").await;
    assert!(answer.id().starts_with("TWO:"), "{answer:?}");
    let queue = line.get(BILLING).await;
    assert_eq!((&queue["from"], &queue["revision"]), (&json!("store"), &json!(3)));
    line.restart().await;
    assert_eq!(line.names("queues").await, ["store Billing & Returns"]);
    assert_eq!(line.names("connections").await, ["store other", "file salesforce"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_file_is_read_only() {
    let premium = "[[queues]]\nname = \"Premium\"\nconnection = \"salesforce\"\n";
    let line = Line::with_salesforce().section(premium).start().await;
    for (kind, name) in
        [("connections", "salesforce"), ("queues", "Premium"), ("queues", "premium")]
    {
        let path = format!("/api/v1/settings/{kind}/{name}");
        for body in [json!({}), Value::Null] {
            let refused = line.set(&path, body).await;
            let code = &refused["error"]["code"];
            assert_eq!((refused.status, code), (409, &json!("settings.from_file")), "{refused:?}");
        }
    }
    let shown = line.get("/api/v1/settings/queues/Premium").await;
    assert_eq!((&shown["from"], &shown["changedBy"]), (&json!("file"), &json!("")));
    assert_eq!(shown["section"]["connection"], "salesforce", "{shown:?}");
    assert_eq!(line.names("queues").await, ["file Premium"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_would_break_something_changes_nothing() {
    let (line, other) = (Line::with_salesforce().start().await, another().await);
    line.made(OTHER, connection(&other.url())).await;
    line.made(WHO, action("other")).await;
    line.made(BILLING, queue()).await;
    let places = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.status, 400, "{answer:?}");
        let all = answer["mistakes"].as_array().expect("a list").iter();
        all.map(|mistake| mistake["at"].as_str().expect("text").to_owned()).collect()
    };
    // What others need does not go, and all who need it are named.
    let gone = line.deleted(OTHER).await;
    let needed = ["queues.Billing & Returns.connection", "actions.Who_Is_It.connection"];
    assert_eq!(places(&gone), needed, "{gone:?}");
    let action_gone = line.deleted(WHO).await;
    assert_eq!(places(&action_gone), ["queues.Billing & Returns.action"]);
    // All mistakes at once.
    let wrong = json!({ "connection": "othr", "action": "who", "dids": ["no number"] });
    let wrong = line.set("/api/v1/settings/queues/Wrong", wrong).await;
    let all = ["queues.Wrong.connection", "queues.Wrong.dids", "queues.Wrong.action"];
    assert_eq!(places(&wrong), all, "{wrong:?}");
    assert_eq!(wrong["mistakes"][0]["fix"], "Did you mean `other`?");
    let mut same = connection(&other.url());
    same["prefix"] = json!("CRM");
    assert_eq!(places(&line.set(OTHER, same).await).len(), 1, "a prefix belongs to one");
    for (path, body) in [
        (OTHER, json!({ "type": "salesforce", "prefix": "X", "typo": 1 })),
        (OTHER, json!({ "type": "salesforc" })),
        (
            OTHER,
            json!({ "type": "sql", "prefix": "X", "settings": { "engine": "sqlite", "file": "/x" } }),
        ),
        (
            OTHER,
            json!({ "type": "salesforce", "settings": { "client_secret": { "env": "HOME" } } }),
        ),
        (WHO, json!({ "connection": "other" })),
        (WHO, json!({ "connection": "other", "path": "/x{{nobody}}" })),
        ("/api/v1/settings/actions/a%20b", action("other")),
        ("/api/v1/settings/queues/%20", queue()),
    ] {
        assert!(!places(&line.set(path, body.clone()).await).is_empty(), "{path} {body}");
    }
    // A dry run says the same and does as little.
    let dry = line.set(&format!("{OTHER}?dryRun=true"), Value::Null).await;
    assert_eq!(places(&dry), needed);
    let fine = json!({ "connection": "salesforce" });
    let fine = line.set(&format!("{BILLING}?dryRun=true"), fine).await;
    assert_eq!(fine.status, 200, "{fine:?}");
    // Nothing of all this has changed anything.
    let queue = line.get(BILLING).await;
    assert_eq!((&queue["revision"], &queue["section"]["action"]), (&json!(3), &json!("Who_Is_It")));
    line.until_token("other").await;
    let answer = line.call_of_queue(MARIA.1, "q-billing").await;
    assert!(answer.id().starts_with("TWO:"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_change_the_same_the_second_is_told() {
    let line = Line::with_salesforce().start().await;
    let queue = |connection: &str| json!({ "connection": connection });
    let path = "/api/v1/settings/queues/Support";
    let new = Some(("If-None-Match", "*"));
    assert_eq!(line.set_if(path, new, queue("salesforce")).await.status, 200);
    assert_eq!(line.set_if(path, new, queue("salesforce")).await.status, 412);
    let seen = Some(("If-Match", "\"r1\""));
    assert_eq!(line.set_if(path, seen, queue("salesforce")).await.status, 200);
    for body in [queue("salesforce"), Value::Null] {
        let late = line.set_if(path, seen, body).await;
        assert_eq!((late.status, &late["error"]["code"]), (412, &json!("settings.changed")));
    }
    assert_eq!(line.set_if(path, Some(("If-Match", "\"r2\"")), Value::Null).await.status, 200);
    assert_eq!(line.deleted(path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_no_longer_fits_keeps_nobody_from_being_answered() {
    let other = another().await;
    let section = salesforce_section("second", "TWO", &other.url());
    let mut line = Line::with_salesforce().section(&section).start().await;
    line.made(WHO, action("second")).await;
    line.made(BILLING, json!({ "connection": "second", "action": "Who_Is_It" })).await;
    line.made("/api/v1/settings/queues/Support", json!({ "connection": "salesforce" })).await;
    assert_eq!(line.stop().await, Some(0));
    let text = std::fs::read_to_string(&line.config).expect("the file");
    let clash = "[[queues]]\nname = \"Support\"\nconnection = \"salesforce\"\n";
    std::fs::write(&line.config, text.replace(&section, clash)).expect("written");
    line.start_server().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let problem = async |path: &str| {
        let told = line.get(path).await;
        assert_eq!(told["from"], "store", "{told:?}");
        told["problem"].as_str().expect("text").to_owned()
    };
    assert!(problem(WHO).await.contains("there is no connection `second`"));
    assert!(problem(BILLING).await.contains("there is no connection `second`"));
    assert!(line.log().contains("left out, though it was made by API"), "{}", line.log());
    assert_eq!(
        line.names("queues").await,
        ["store Billing & Returns", "file Support", "store Support"]
    );
    assert_eq!(line.deleted("/api/v1/settings/queues/Support").await.status, 200);
    assert_eq!(line.names("queues").await, ["store Billing & Returns", "file Support"]);
    // What is wrong keeps no other change from being made, and mends by itself.
    line.made("/api/v1/settings/connections/second", connection(&other.url())).await;
    assert_eq!(problem(WHO).await, "");
    assert_eq!(problem(BILLING).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_makes_and_deletes_by_command() {
    let (line, other) = (Line::with_salesforce().start().await, another().await);
    let file = line.folder.write("other.json", &connection(&other.url()).to_string());
    let file = file.display().to_string();
    let put = line.command(&["settings", "put", "connections", "other", &file]).await;
    assert_eq!(put.code, Some(0), "{put:?}");
    let queue = line.folder.write("queue.json", "{\"connection\": \"othr\"}");
    let queue = queue.display().to_string();
    let wrong = line.command(&["settings", "put", "queues", "A & B", &queue, "--dry-run"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("queues.A & B.connection: there is no connection `othr`."));
    assert!(wrong.err.contains("Did you mean `other`?"), "{wrong:?}");
    let list = line.command(&["settings", "list", "connections"]).await;
    assert!(list.out.contains("store  other  ") && list.out.contains("file   salesforce"));
    let show = line.command(&["settings", "show", "connections", "other"]).await;
    let shown: Value = serde_json::from_str(&show.out).expect("JSON");
    assert_eq!(shown["settings"]["client_secret"], json!({ "set": true }));
    // What is made by API is checked too, by the server that has it.
    line.until_token("other").await;
    let check = line.command(&["check"]).await;
    assert!(check.code == Some(0) && check.out.contains("ok    other: "), "{check:?}");
    let delete = line.command(&["settings", "delete", "connections", "other"]).await;
    assert_eq!(delete.code, Some(0), "{delete:?}");
    let of_file = line.command(&["settings", "delete", "connections", "salesforce"]).await;
    assert!(of_file.code == Some(1) && of_file.err.contains("settings.from_file"), "{of_file:?}");
    let said = [put.out, list.out, show.out, check.out, check.err, delete.out].concat();
    assert!(!said.contains(SECRET), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_follows() {
    let Some(place) = Place::postgres().await else { return };
    let (line, other) = (Line::with_salesforce().on(place).start().await, another().await);
    let mut second = Server::serve(&line.config, &line.environment);
    let address = second.until_it_listens_or_ends().await.expect("it listens");
    let ask = async |number: &str| {
        let call = line.new_call();
        let body = json!({ "fromNumber": number, "callId": call, "queueId": "q-billing" });
        let url = format!("http://{address}/api/v1/genesys/lookup");
        Answer::of(line.http.post(url).bearer_auth(API_KEY).json(&body)).await
    };
    assert!(ask(MARIA.1).await.id().starts_with("CRM:"));
    line.made(OTHER, connection(&other.url())).await;
    line.made(WHO, action("other")).await;
    line.made(BILLING, queue()).await;
    until_some("the other node serves it", async || {
        let answer = ask(MARIA.1).await;
        answer.id().starts_with("TWO:").then_some(())
    })
    .await;
    let url = format!("http://{address}{BILLING}");
    let told = Answer::of(line.http.get(&url).bearer_auth(API_KEY)).await;
    assert_eq!((told.status, &told["revision"]), (200, &json!(3)), "{told:?}");
    // Whoever asks the other node to change something decides on what is so by now.
    assert_eq!(line.deleted(BILLING).await.status, 200);
    let gone = Answer::of(line.http.delete(&url).bearer_auth(API_KEY)).await;
    assert_eq!(gone.status, 404, "{gone:?}");
}
