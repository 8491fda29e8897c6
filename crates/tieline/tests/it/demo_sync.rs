//! The demo's sync: planned, run and taken back by the command line, while both simulated
//! systems are read directly.

use crate::rig::{Ended, Folder, Server, until, until_some};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A demo with its people, and how both of its systems are read.
struct Demo {
    server: Server,
    folder: Folder,
    hello: Value,
    http: reqwest::Client,
}

/// What a system holds in every mapped field, by the record's id.
type Held = BTreeMap<String, Value>;

impl Demo {
    async fn start(words: &[&str]) -> Self {
        let folder = Folder::new();
        let mut all = vec!["demo", "--json", "--port", "0"];
        all.extend(words);
        let mut server = Server::start(&all, &environment(&folder));
        let hello = server.until_it_says_a_line().await;
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { server, folder, hello, http }
    }

    fn text(&self, at: &str) -> &str {
        self.hello.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{at}"))
    }

    /// A command as typed, in a folder without a configuration.
    async fn command(&self, words: &[&str]) -> Ended {
        Ended::of(words, &environment(&self.folder)).await
    }

    /// The same with `--json`: what it says, if it does its job.
    async fn told(&self, words: &[&str]) -> Value {
        let ended = self.command(&[words, &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
        serde_json::from_str(&ended.out).expect("JSON")
    }

    async fn get(&self, url: String, token: &str) -> Value {
        let answer = self.http.get(&url).bearer_auth(token).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{url}");
        answer.json().await.expect("JSON")
    }

    async fn token(&self, system: &str, path: &str) -> String {
        let of = |key: &str| self.text(&format!("/{system}/{key}")).to_owned();
        let form = [("grant_type", "client_credentials")];
        let (id, secret) = (of("clientId"), of("clientSecret"));
        let request = self.http.post(format!("{}{path}", of("url"))).form(&form);
        let answer = request.basic_auth(id, Some(secret)).send().await.expect("an answer");
        let body: Value = answer.json().await.expect("JSON");
        body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    async fn salesforce(&self) -> Held {
        let token = self.token("salesforce", "/services/oauth2/token").await;
        let url = self.text("/salesforce/url");
        let asked = "SELECT+Id,FirstName,LastName,Email,Phone,AccountId+FROM+Contact";
        let mut next = format!("/services/data/v67.0/query?q={asked}");
        let mut held = Held::new();
        loop {
            let page = self.get(format!("{url}{next}"), &token).await;
            for record in page["records"].as_array().expect("records") {
                let mut record = record.clone();
                record.as_object_mut().expect("an object").remove("attributes");
                held.insert(record["Id"].as_str().expect("an id").to_owned(), record);
            }
            match page["nextRecordsUrl"].as_str() {
                Some(more) => more.clone_into(&mut next),
                None => return held,
            }
        }
    }

    async fn genesys(&self) -> Held {
        let token = self.token("genesys", "/oauth/token").await;
        let url = self.text("/genesys/url");
        let mapped = [
            "firstName",
            "lastName",
            "workEmail",
            "workPhone",
            "externalIds",
            "externalOrganization",
            "customFields",
        ];
        let (mut held, mut cursor) = (Held::new(), String::new());
        loop {
            let path = format!("/api/v2/externalcontacts/scan/contacts?limit=200{cursor}");
            let page = self.get(format!("{url}{path}"), &token).await;
            for contact in page["entities"].as_array().expect("entities") {
                let fields = mapped.map(|name| (name.to_owned(), contact[name].clone()));
                let id = contact["id"].as_str().expect("an id").to_owned();
                held.insert(id, Value::from_iter(fields));
            }
            match page.pointer("/cursors/after").and_then(Value::as_str) {
                Some(after) if !after.is_empty() => cursor = format!("&cursor={after}"),
                _ => return held,
            }
        }
    }
}

fn environment(folder: &Folder) -> Vec<(String, String)> {
    vec![("TMPDIR".to_owned(), folder.path().display().to_string())]
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Who differs, for a failure's message: a few of them.
fn differences<'a>(
    before: &'a Held,
    after: &'a Held,
) -> Vec<(&'a String, Option<&'a Value>, Option<&'a Value>)> {
    let ids: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let told = ids.into_iter().map(|id| (id, before.get(id), after.get(id)));
    told.filter(|(_, one, two)| one != two).take(3).collect()
}

#[tokio::test]
async fn a_run_of_the_demo_is_planned_approved_and_taken_back_byte_for_byte() {
    let demo = Demo::start(&["--people", "800"]).await;
    let before = [demo.salesforce().await, demo.genesys().await];

    let plan = demo.told(&["sync", "plan", "contacts"]).await["plan"].clone();
    for side in ["left", "right"] {
        let of = &plan[side];
        assert!(number(&of["creates"]) > 50 && number(&of["updates"]) > 10, "{side}: {plan}");
    }
    let counts = &plan["counts"];
    assert!(number(&counts["conflicts"]) >= 40, "{plan}");
    assert!(number(&counts["linked"]) > 400, "{plan}");
    assert!(number(&counts["duplicates"]) > 5 && number(&counts["held"]) > 2, "{plan}");
    assert_eq!(demo.salesforce().await, before[0], "nothing was written");
    assert_eq!(demo.genesys().await, before[1], "nothing was written");

    let early = demo.command(&["sync", "run", "contacts"]).await;
    assert!(early.code == Some(1) && early.err.contains("sync.not_approved"), "{early:?}");
    assert_eq!(demo.command(&["sync", "approve", "contacts"]).await.code, Some(0));
    let run = demo.told(&["sync", "run", "contacts"]).await;
    assert_eq!(number(&run["counts"]["errors"]), 0, "{run}");
    assert!(number(&run["counts"]["conflicts"]) >= 40, "{run}");
    let after = [demo.salesforce().await, demo.genesys().await];
    for at in 0..2 {
        assert!(after[at].len() > before[at].len() + 50, "people were made on both sides");
    }

    let undone = demo.told(&["sync", "undo", &run["runId"].to_string()]).await;
    assert_eq!(undone["left"], json!([]), "{undone}");
    let back = [demo.salesforce().await, demo.genesys().await];
    for at in 0..2 {
        assert_eq!(differences(&before[at], &back[at]), vec![]);
    }
}

#[tokio::test]
async fn the_demos_people_are_a_few_thousand_on_each_side_with_some_hundred_conflicts() {
    let demo = Demo::start(&[]).await;
    let plan = demo.told(&["sync", "plan", "contacts"]).await["plan"].clone();
    let counts = &plan["counts"];
    for side in ["left", "right"] {
        assert!(number(&counts[format!("new_{side}")]) > 2_000, "{plan}");
        assert!(number(&plan[side]["creates"]) > 200, "{plan}");
    }
    assert!((200..1_000).contains(&number(&counts["conflicts"])), "{plan}");
}

/// Runs the sync to its end, once no other run is under way.
async fn run(demo: &Demo) -> Value {
    until_some("a run begins and ends", async || {
        let ended = demo.command(&["sync", "run", "contacts", "--yes", "--json"]).await;
        let is_busy = ended.code == Some(1) && ended.err.contains("sync.busy");
        (!is_busy).then(|| serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}")))
    })
    .await
}

/// A number as whoever dials it means it.
fn dialled(phone: &Value) -> Option<String> {
    let text = phone["e164"].as_str().or(phone["display"].as_str()).or(phone.as_str())?;
    let region = domain::Region::parse("US").expect("a region");
    Some(domain::Numbering::from(region).read(text).map_or_else(|| text.to_owned(), |one| one.e164))
}

/// Who is linked, and differs in a mapped field; and how many are linked.
async fn unlike(demo: &Demo) -> (Vec<(Value, Value)>, usize) {
    let [left, right] = [demo.salesforce().await, demo.genesys().await];
    let (mut unlike, mut linked) = (Vec::new(), 0);
    for contact in right.values() {
        let id = contact["externalIds"][0]["value"].as_str().and_then(|id| id.strip_prefix("CRM:"));
        let Some(other) = id.and_then(|id| left.get(id)) else { continue };
        let lower = |value: &Value| value.as_str().map(str::to_lowercase);
        let of_left = (
            &other["FirstName"],
            &other["LastName"],
            lower(&other["Email"]),
            dialled(&other["Phone"]),
        );
        let of_right = (
            &contact["firstName"],
            &contact["lastName"],
            lower(&contact["workEmail"]),
            dialled(&contact["workPhone"]),
        );
        linked += 1;
        if of_left != of_right {
            unlike.push((other.clone(), contact.clone()));
        }
    }
    (unlike, linked)
}

#[tokio::test]
async fn people_who_keep_editing_on_both_sides_are_the_same_once_they_stop() {
    let words = ["--people", "300", "--edits", "40", "--edits-total", "160"];
    let demo = Demo::start(&words).await;
    for _ in 0..2 {
        run(&demo).await;
    }
    until("people have stopped editing", async || {
        demo.server.out.all().iter().any(|line| line.starts_with("{\"edits\":"))
    })
    .await;
    // One run takes what was edited, the next says what the first has learned.
    for _ in 0..3 {
        run(&demo).await;
    }
    let (unlike, linked) = unlike(&demo).await;
    assert!(linked > 250, "{linked}");
    assert!(unlike.is_empty(), "{} of {linked}: {:?}", unlike.len(), unlike.first());
    let last = run(&demo).await;
    for word in ["created_left", "created_right", "updated_left", "updated_right", "errors"] {
        assert_eq!(last["counts"][word], Value::Null, "nothing echoes: {last}");
    }
}
