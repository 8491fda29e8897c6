//! What is known and kept of a customer and of a call, and figures over calls.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place};
use reqwest::Method;
use serde_json::{Value, json};

crate::facts! {
    a_customer_is_read_and_kept_data_outlives_calls
    the_data_of_a_call_belongs_to_it_alone
    a_customer_is_found_by_number_and_mail_with_every_call_of_theirs
}

impl Line {
    /// Any request; the answer and its `ETag`.
    async fn tagged(
        &self,
        method: Method,
        path: &str,
        header: Option<(&str, &str)>,
        body: Option<Value>,
    ) -> (Answer, String) {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(API_KEY);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().expect("text").to_owned());
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (Answer { status, body, took: Default::default() }, tag.unwrap_or_default())
    }
}

fn path_of(id: &str) -> String {
    format!("/api/v2/customers/{}", id.replace(':', "%3A"))
}

async fn a_customer_is_read_and_kept_data_outlives_calls(place: Place) {
    let mut line = Line::with_salesforce().and_genesys().on(place).start().await;
    let (_, answer) = line.arrives(JANE.1).await;
    answer.assert_hit("crm");
    line.until_quiet().await;
    let (jane, john) = (line.id_of(JANE.2), line.id_of(JOHN.2));
    let (known, tag) = line.tagged(Method::GET, &path_of(&john), None, None).await;
    assert_eq!((known.id(), &known["name"]), (john.as_str(), &json!(JOHN.0)), "{known:?}");
    assert_eq!(known["data"]["loyaltyTier"], "Gold");
    assert_eq!((&known["persistent"], &known["interactionCount"]), (&json!({}), &json!(1)));
    let same = line.tagged(Method::GET, &path_of(&john), Some(("If-None-Match", &tag)), None).await;
    assert_eq!((same.0.status, &same.1), (304, &tag));

    // By the contact center's own id of the contact.
    let contact = line.contacts_of(&john)[0]["id"].as_str().expect("an id").to_owned();
    let by_contact = line.tagged(Method::GET, &path_of(&contact), None, None).await;
    assert_eq!(by_contact.0.id(), john);

    let data = json!({ "data": { "language": "es", "vip": true, "score": 7, "tags": ["a", "b"] } });
    let put = line.tagged(Method::PUT, &path_of(&john), Some(("If-Match", &tag)), Some(data)).await;
    assert_eq!((put.0.status, &put.0["persistent"]["language"]), (200, &json!("es")), "{put:?}");
    let late = json!({ "data": { "language": "fr" } });
    let late =
        line.tagged(Method::PUT, &path_of(&john), Some(("If-Match", &tag)), Some(late)).await;
    assert_eq!((late.0.status, &late.0["error"]["code"]), (412, &json!("customer.changed")));
    let less = json!({ "data": { "vip": null } });
    let any = Some(("If-Match", "*"));
    let put = line.tagged(Method::PUT, &path_of(&john), any, Some(less)).await.0;
    assert_eq!(put.status, 200, "whatever there is: {put:?}");
    line.restart().await;
    let after = line.get(&path_of(&john)).await;
    assert_eq!(after["persistent"], json!({ "language": "es", "score": 7, "tags": ["a", "b"] }));
    let other = line.get(&path_of(&jane)).await;
    assert_eq!(other["persistent"], json!({}), "nobody else's");
    let acts = line.get("/api/v1/audit").await;
    assert_eq!(acts[0]["action"], "customer.changed");
    for unknown in ["CRM:003000000000000AAA", "nobody", "UNKNOWN", "XYZ:1"] {
        let answer = line.get(&path_of(unknown)).await;
        assert_eq!(answer["error"]["code"], "customer.unknown", "{unknown}");
    }
}

impl std::ops::Index<usize> for Answer {
    type Output = Value;
    fn index(&self, at: usize) -> &Value {
        &self.body[at]
    }
}

async fn the_data_of_a_call_belongs_to_it_alone(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    for call in ["c-1", "c-2"] {
        line.lookup(json!({ "fromNumber": MARIA.1, "callId": call })).await.assert_whole();
    }
    let data = json!({ "data": { "intent": "billing" } });
    let put = line.tagged(Method::PUT, "/api/v1/calls/c-1/data", None, Some(data.clone())).await;
    assert_eq!((put.0.status, &put.0["data"]["intent"]), (200, &json!("billing")));
    assert_eq!(line.get("/api/v1/calls/c-1/data").await["data"]["intent"], "billing");
    assert_eq!(line.get("/api/v1/calls/c-2/data").await["data"], json!({}));
    let maria = line.get(&path_of(&line.id_of(MARIA.2))).await;
    assert_eq!(maria["persistent"], json!({}), "the customer keeps nothing of it");
    let unknown = line.tagged(Method::PUT, "/api/v1/calls/never/data", None, Some(data)).await;
    assert_eq!((unknown.0.status, &unknown.0["error"]["code"]), (404, &json!("call.unknown")));
}

#[tokio::test]
async fn data_that_cannot_be_kept_is_refused_whole() {
    let line = Line::with_salesforce().start().await;
    let path = path_of(&line.id_of(MARIA.2));
    let many: serde_json::Map<String, Value> =
        (0..65).map(|n| (format!("n{n}"), json!(n))).collect();
    for wrong in [
        json!({}),
        json!({ "data": null }),
        json!({ "data": { "good": 1, "nested": { "a": 1 } } }),
        json!({ "data": { "good": 1, "a name": 1 } }),
        json!({ "data": { "good": 1, "": 1 } }),
        json!({ "data": { "long": "x".repeat(5_000) } }),
        json!({ "data": many }),
    ] {
        let answer = line.tagged(Method::PUT, &path, None, Some(wrong.clone())).await.0;
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
    assert_eq!(line.get(&path).await["persistent"], json!({}));
}

#[tokio::test]
async fn a_report_is_grouped_by_what_is_kept_of_calls_and_nothing_else() {
    let line = Line::with_salesforce().section("[reports]\ndimensions = [\"loyaltyTier\"]");
    let line = line.start().await;
    for (by, status) in [("queue", 200), ("data.loyaltyTier", 200), ("data.email", 400), ("x", 400)]
    {
        let answer = line.get(&format!("/api/v1/reports/handle-time?group_by={by}")).await;
        assert_eq!(answer.status, status, "{by}: {answer:?}");
    }
    let refused = line.get("/api/v1/reports/handle-time?group_by=data.email").await;
    let fix = refused["error"]["fix"].as_str().unwrap_or_default();
    assert!(fix.contains("data.loyaltyTier") && fix.contains("reports.dimensions"), "{fix}");
    let odd = line.get("/api/v1/reports/handle-time?group_by=queue&from=yesterday").await;
    assert_eq!((odd.status, &odd["error"]["at"]), (400, &json!("from")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_while_calls_go_on() {
    let line = Line::with_salesforce().people(60).start().await;
    let stranger = line.call_from("+13175550123").await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let calls = async {
        for _ in 0..20 {
            line.call_from(JANE.1).await.assert_whole();
        }
    };
    let (rotated, ()) = tokio::join!(line.command(&["keys", "rotate"]), calls);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let cells: Value = serde_json::from_str(&rotated.out).expect("JSON");
    assert!(cells["cells"].as_u64() >= Some(4), "{rotated:?}");
    assert_eq!(line.call_from("+13175550123").await.id(), stranger.id(), "public ids stay");
    line.call_from(JOHN.1).await.assert_hit("directory");
    assert_eq!(line.calls().await.len(), 24);
    assert_eq!(line.get("/api/v1/audit").await[0]["action"], "keys.rotated");
}

async fn a_customer_is_found_by_number_and_mail_with_every_call_of_theirs(place: Place) {
    let line = Line::with_salesforce().on(place).deadline("5s").start().await;
    for number in [JOHN.1, MARIA.1, JOHN.1] {
        assert_eq!(line.call_from(number).await["status"], "hit");
    }
    let id = line.id_of(JOHN.2);
    let search = async |body: Value| line.post("/api/v1/customers/search", &body).await;
    for body in [
        json!({ "email": " John.Doe@Example.com" }),
        json!({ "phone": "", "email": "john.doe@example.com" }),
    ] {
        let found = search(body.clone()).await;
        assert_eq!(found.status, 200, "{found:?}");
        let found = found["customers"].as_array().expect("a list").clone();
        assert_eq!(found.len(), 1, "{body}: {found:?}");
        assert_eq!((&found[0]["externalId"], &found[0]["name"]), (&json!(id), &json!(JOHN.0)));
    }
    // Two people share this one, however it is written.
    for phone in [JOHN.1, "(555) 019-9999"] {
        let found = search(json!({ "phone": phone })).await;
        let found = found["customers"].as_array().expect("a list").iter();
        assert_eq!(found.map(|one| &one["name"]).collect::<Vec<_>>(), [JOHN.0, JANE.0]);
    }
    let nobody = search(json!({ "phone": "+15550100001" })).await;
    assert_eq!((nobody.status, &nobody["customers"]), (200, &json!([])));
    for body in [json!({}), json!({ "phone": "anonymous" }), json!({ "email": "nobody" })] {
        assert_eq!(search(body).await.status, 400);
    }
    let calls = line.get(&format!("/api/v1/calls?externalId={}", id.replace(':', "%3A"))).await;
    let calls = calls.body.as_array().expect("a list").clone();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|call| call["externalId"] == *id), "{calls:?}");
    let first = line.get(&format!("/api/v1/calls?externalId={id}&limit=1&source=directory")).await;
    assert_eq!(first.body.as_array().map(Vec::len), Some(1), "{first:?}");
    for wrong in ["CRM", "NOBODY:1", "PHONE:1"] {
        let refused = line.get(&format!("/api/v1/calls?externalId={wrong}")).await;
        assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!("externalId")));
    }
    let retention = line.get("/api/v1/retention").await;
    assert_eq!(retention["callsS"], 30 * 24 * 3_600, "{retention:?}");
}
