//! What is Genesys Cloud's own about whole records: organizations, custom fields, phones,
//! and changes that replace a whole entity.

use crate::genesys::{as_described, organization};
use crate::rig::Rig;
use connectors::genesys_cloud::sim::GenesysCloud;
use domain::Value as Plain;
use domain::sync::Kind;
use kit::{Capabilities, ChangesAsk, Error, Fields, Form, Lane, Saved, Write};
use serde_json::{Value, json};

struct Tried {
    rig: Rig<GenesysCloud>,
    connection: Capabilities,
}

async fn tried() -> Tried {
    let rig = organization().await;
    let connection = rig.open().await;
    Tried { rig, connection }
}

fn fields(all: Value) -> Fields {
    all.as_object().cloned().expect("fields")
}

fn make(id: &str, all: Value) -> Write {
    Write::Create { key: ("externalId".to_owned(), id.to_owned()), fields: fields(all) }
}

fn change(id: &str, all: Value) -> Write {
    Write::Update { id: id.to_owned(), seen: None, fields: fields(all) }
}

impl Tried {
    async fn write(&self, object: &str, writes: &[Write]) -> Vec<Result<Saved, Error>> {
        let connection = self.connection.writes.as_ref().expect("writes");
        connection.write(object, writes).await.expect("tried")
    }

    async fn made(&self, object: &str, id: &str, all: Value) -> String {
        self.write(object, &[make(id, all)]).await.remove(0).expect("made").id
    }

    async fn read(&self, object: &str, id: &str, fields: &[&str]) -> Option<Fields> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let writes = self.connection.writes.as_ref().expect("writes");
        let found = writes.read(Lane::Background, object, &[id.to_owned()], &fields).await;
        found.expect("read").remove(0).map(|record| record.fields)
    }

    fn form(&self, name: &str) -> Form {
        let forms = self.connection.forms.as_ref().expect("forms");
        forms.form("contacts", name, None).expect("a form")
    }

    /// Requests to a path so far.
    fn asked(&self, part: &str) -> usize {
        let log = self.rig.faults().requests().log();
        log.iter().filter(|seen| seen.target.contains(part)).count()
    }
}

const ACCOUNT: &str = "externalOrganization.externalId";

#[tokio::test]
async fn organizations_are_told_read_written_and_deleted() {
    let tried = tried().await;
    let rows = [
        make("001A", json!({ "name": "Acme", "industry": "Anvils", "tags": ["vip"] })),
        make("001B", json!({ "industry": "no name" })),
        make("001C", json!({ "name": "Initech" })),
    ];
    let told = tried.write("organizations", &rows).await;
    let acme = told[0].as_ref().expect("made").clone();
    assert!(acme.is_new && acme.version.is_some());
    let refused = told[1].as_ref().expect_err("an organization needs a name");
    assert!(matches!(refused, Error::Invalid { field: Some(field), .. } if field == "name"));
    let again = json!({ "name": "Acme", "industry": null });
    let again = tried.made("organizations", "001A", again).await;
    assert_eq!(again, acme.id);
    let writes = tried.connection.writes.as_ref().expect("writes");
    let phone = fields(json!({ "phoneNumber": { "display": "(555) 019-9999" } }));
    let stale = writes.update("organizations", &acme.id, acme.version.as_deref(), &phone).await;
    assert_eq!(stale.expect_err("it was changed since").kind(), "conflict");
    writes.update("organizations", &acme.id, None, &phone).await.expect("changed");

    let all = ["externalId", "name", "industry", "tags", "phoneNumber.e164"];
    let read = tried.read("organizations", &acme.id, &all).await.expect("there");
    let expected = json!({
        "externalId": "001A", "name": "Acme", "industry": null, "tags": ["vip"],
        "phoneNumber.e164": "+15550199999",
    });
    assert_eq!(Value::Object(read), expected);
    let ask = ChangesAsk {
        object: "organizations".to_owned(),
        fields: vec!["externalId".to_owned()],
        cursor: None,
        page_max: 100,
    };
    let changes = tried.connection.changes.as_ref().expect("changes");
    assert_eq!(changes.page(&ask).await.expect("a page").changes.len(), 2);
    let gone = [Write::Delete { id: acme.id.clone(), seen: None }];
    assert!(tried.write("organizations", &gone).await[0].is_ok());
    assert_eq!(tried.read("organizations", &acme.id, &[]).await, None);
    assert!(as_described(&tried.rig) > 5);
}

#[tokio::test]
async fn a_contact_is_tied_to_its_organization_by_the_other_systems_id() {
    let tried = tried().await;
    let acme = tried.made("organizations", "001A", json!({ "name": "Acme" })).await;
    let rows: Vec<Write> = (0..25)
        .map(|n| {
            let account = if n == 7 { "001Z" } else { "001A" };
            make(&format!("003{n}"), json!({ "firstName": format!("N {n}"), ACCOUNT: account }))
        })
        .collect();
    let told = tried.write("contacts", &rows).await;
    for (at, outcome) in told.iter().enumerate() {
        match outcome {
            Err(Error::Invalid { field: Some(field), .. }) if at == 7 => {
                assert_eq!(field, "externalOrganization");
            }
            outcome => assert!(outcome.is_ok() && at != 7, "{at}: {outcome:?}"),
        }
    }
    assert_eq!(tried.asked("identifierlookup/organizations"), 2, "each is asked for once");
    let id = told[0].as_ref().expect("made").id.clone();
    let stored = tried.rig.simulator.contact(&id).expect("there");
    assert_eq!(stored["externalOrganization"]["id"], acme.as_str());
    let read = tried.read("contacts", &id, &[ACCOUNT, "externalId"]).await.expect("there");
    assert_eq!(read, fields(json!({ ACCOUNT: "001A", "externalId": "0030" })));
    let told = tried.write("contacts", &[change(&id, json!({ ACCOUNT: null }))]).await;
    assert!(told[0].is_ok());
    let read = tried.read("contacts", &id, &[ACCOUNT]).await.expect("there");
    assert_eq!(read, fields(json!({ ACCOUNT: null })));
    // One that comes later is found then, by a single write as well.
    tried.made("organizations", "001Z", json!({ "name": "Zenith" })).await;
    let writes = tried.connection.writes.as_ref().expect("writes");
    let account = fields(json!({ ACCOUNT: "001Z" }));
    writes.update("contacts", &id, None, &account).await.expect("found by now");
    let read = tried.read("contacts", &id, &[ACCOUNT]).await.expect("there");
    assert_eq!(read, account);
    assert!(as_described(&tried.rig) > 5);
}

#[tokio::test]
async fn a_custom_field_is_made_where_it_is_absent_and_only_once() {
    let tried = tried().await;
    let forms = tried.connection.forms.clone().expect("forms");
    let tags = tried.form("attributes.tags");
    assert_eq!((tags.field.as_str(), tags.kind), ("customFields.tags_tag", Kind::Tags));
    let row = |id: &str| make(id, json!({ "lastName": "Doe", "customFields.tags_tag": ["vip"] }));
    let refused = tried.write("contacts", &[row("0031")]).await.remove(0).expect_err("not there");
    assert!(refused.to_string().contains("customFields.tags_tag"), "{refused}");

    let wanted = ["lastName".to_owned(), tags.field.clone()];
    let made = forms.prepare("contacts", &wanted).await.expect("prepared");
    assert_eq!(made, ["custom field tags_tag of contacts (schema Tieline)"]);
    assert!(forms.prepare("contacts", &wanted).await.expect("prepared").is_empty());
    let first = tried.made("contacts", "0031", json!({ "customFields.tags_tag": ["a"] })).await;
    // A second field is the schema's next version; who has the first keeps it.
    let both = [wanted[1].clone(), "customFields.tier_text".to_owned()];
    let made = forms.prepare("contacts", &both).await.expect("prepared");
    assert_eq!(made, ["custom field tier_text of contacts (schema Tieline)"]);
    let row = change(&first, json!({ "customFields.tier_text": "Gold" }));
    assert!(tried.write("contacts", &[row]).await[0].is_ok());
    let all = ["customFields", "schema.version"];
    let read = tried.read("contacts", &first, &all).await.expect("there");
    let expected = json!({
        "customFields": { "tags_tag": ["a"], "tier_text": "Gold" }, "schema.version": 2,
    });
    assert_eq!(Value::Object(read), expected);
    let value = tags.read(&json!(["a"])).expect("a value");
    assert_eq!(value, Plain::List(vec!["a".into()]));
    let odd = forms.prepare("contacts", &["customFields.tags".to_owned()]).await;
    assert_eq!(odd.expect_err("no core type").kind(), "invalid");
    assert!(as_described(&tried.rig) > 5);
}

#[tokio::test]
async fn what_a_change_in_bulk_does_not_name_is_left_alone() {
    let tried = tried().await;
    let id = tried.made("contacts", "0031", json!({ "firstName": "Ada" })).await;
    let other = json!({ "name": "Other" });
    let token = tried.connection.tokens.as_ref().expect("tokens").current().expect("a token");
    let agent = |method: reqwest::Method, path: &str, body: &Value| {
        let url = format!("{}/api/v2/externalcontacts/{path}", tried.rig.simulator.url());
        let request = reqwest::Client::new().request(method, url);
        request.bearer_auth(token.value.reveal()).json(body).send()
    };
    let source: Value = agent(reqwest::Method::POST, "externalsources", &other)
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    // What an agent writes: a phone with an extension, an id of another system, an address.
    let entry = json!({ "externalSource": { "id": source["id"] }, "value": "77" });
    let patch = json!({ "changes": [
        { "field": "$.homePhone", "action": "Update", "value": { "display": "(555) 019-0001", "extension": 7, "acceptsSMS": true } },
        { "field": "$.externalIds", "action": "AppendToCollection", "value": [entry] },
        { "field": "$.address", "action": "Update", "value": { "city": "London" } },
        { "field": "$.surveyOptOut", "action": "Update", "value": true },
    ] });
    let answer = agent(reqwest::Method::PATCH, &format!("contacts/{id}"), &patch).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    let mut before = tried.rig.simulator.contact(&id).expect("there");
    let row = change(&id, json!({ "title": "Dr", "firstName": null }));
    assert!(tried.write("contacts", &[row]).await[0].is_ok());
    let mut after = tried.rig.simulator.contact(&id).expect("there");
    assert_eq!((after["title"].take(), after.get("firstName")), (json!("Dr"), None));
    // The platform takes the form that it gave itself for what was typed.
    for contact in [&mut before, &mut after] {
        contact["homePhone"]["userInput"].take();
    }
    for (name, value) in before.as_object().expect("a contact") {
        if !["firstName", "modifyDate"].contains(&name.as_str()) {
            assert_eq!(&after[name], value, "{name}");
        }
    }
}

#[tokio::test]
async fn who_was_merged_into_another_is_gone_and_the_other_is_not_touched() {
    let tried = tried().await;
    let one = tried.made("contacts", "0031", json!({ "firstName": "One" })).await;
    let two = tried.made("contacts", "0032", json!({ "firstName": "Two" })).await;
    let token = tried.connection.tokens.as_ref().expect("tokens").current().expect("a token");
    let url = format!("{}/api/v2/externalcontacts/contacts/merge", tried.rig.simulator.url());
    let request = reqwest::Client::new().post(url).bearer_auth(token.value.reveal());
    let merged = request.json(&json!({ "contactIds": [one, two] })).send().await;
    let merged: Value = merged.expect("an answer").json().await.expect("JSON");
    let rows = [
        change(&one, json!({ "title": "lost" })),
        Write::Delete { id: two.clone(), seen: None },
        change(merged["id"].as_str().expect("an id"), json!({ "middleName": "kept" })),
    ];
    let told = tried.write("contacts", &rows).await;
    assert_eq!(told[0], Err(Error::NotFound));
    assert!(told[1].is_ok() && told[2].is_ok(), "{told:?}");
    // Who they became is told to whoever asks before they count as deleted.
    let into = merged["id"].as_str().map(str::to_owned);
    let writes = tried.connection.writes.as_ref().expect("writes");
    let asked: Vec<String> = [&one, &two].into_iter().cloned().collect();
    let successors = writes.successors("contacts", &asked).await.expect("told");
    for (id, successor) in asked.iter().zip(successors) {
        assert_eq!(successor, into.clone().filter(|into| into != id));
    }
    let canonical = tried.rig.simulator.contact(&one).expect("there");
    assert_eq!((&canonical["middleName"], canonical.get("title")), (&json!("kept"), None));
}

#[tokio::test]
async fn contacts_are_made_ten_and_changed_fifty_in_one_request() {
    let tried = tried().await;
    tried.rig.simulator.set_rate_per_minute(10_000);
    let count = 200;
    let rows: Vec<Write> =
        (0..count).map(|n| make(&format!("003{n:04}"), json!({ "lastName": "Doe" }))).collect();
    let mut ids = Vec::new();
    for rows in rows.chunks(50) {
        ids.extend(
            tried.write("contacts", rows).await.into_iter().map(|one| one.expect("made").id),
        );
    }
    assert_eq!(tried.asked("bulk/contacts/enrich"), count / 10);
    let rows: Vec<Write> = ids.iter().map(|id| change(id, json!({ "title": "Dr" }))).collect();
    for rows in rows.chunks(50) {
        assert!(tried.write("contacts", rows).await.iter().all(Result::is_ok));
    }
    let (changed, read) = (tried.asked("bulk/contacts/update"), tried.asked("bulk/contacts"));
    assert_eq!(changed, count / 50);
    assert_eq!(read - changed - count / 10, count / 50, "and as many to read them before");
}
