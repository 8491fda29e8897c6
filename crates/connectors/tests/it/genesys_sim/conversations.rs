//! Calls: linked to contacts, given attributes, queried.

use connectors::genesys_cloud::sim::NewCall;
use serde_json::{Value, json};

use super::{CONTACTS, ada, inbound, organization};

#[tokio::test]
async fn a_caller_nobody_knows_is_identified_hidden_and_promoted() {
    let (organization, client) = organization().await;
    let call = organization.place_call(&inbound("sip:+15550190123@10.1.2.3"));
    let contact = call.external_contact_id.expect("made");
    let seen = client.get(&format!("/api/v2/conversations/{}", call.conversation_id)).await.body;
    assert_eq!(seen["participants"][0]["externalContactId"], contact.as_str());
    assert_eq!(client.get(&format!("{CONTACTS}/{contact}")).await.body["type"], "Identified");
    let hidden = |body: Value| {
        body["contacts"].as_array().or(body["entities"].as_array()).is_some_and(Vec::is_empty)
    };
    for path in [
        "/api/v2/externalcontacts/reversewhitepageslookup?lookupVal=%2B15550190123",
        "/api/v2/externalcontacts/scan/contacts",
        CONTACTS,
    ] {
        assert!(hidden(client.get(path).await.body), "{path}");
    }
    let promoted = client.send("POST", &format!("{CONTACTS}/{contact}/promotion"), None).await.body;
    assert_eq!(promoted["type"], "Curated");
    assert_eq!(client.get(CONTACTS).await.body["total"], 1);
}

#[tokio::test]
async fn a_call_links_to_the_first_created_holder_of_its_number() {
    let (organization, client) = organization().await;
    let first = organization.add_contact(&ada(&organization)).expect("valid");
    organization
        .add_contact(&json!({ "cellPhone": { "display": "+15550199999" } }))
        .expect("valid");
    let call = organization.place_call(&inbound("tel:+15550199999"));
    assert_eq!(call.external_contact_id.as_deref(), Some(first.as_str()));
    client.send("DELETE", &format!("{CONTACTS}/{first}"), None).await;
    let call = organization.place_call(&inbound("tel:+15550199999"));
    assert!(call.external_contact_id.is_some_and(|second| second != first));
}

#[tokio::test]
async fn attributes_merge_and_those_set_after_the_end_are_not_saved() {
    let (organization, client) = organization().await;
    let call = organization.place_call(&NewCall {
        queue_id: Some(organization.queues()[0].0.clone()),
        ..inbound("tel:+15550199999")
    });
    let path = format!(
        "/api/v2/conversations/{}/participants/{}/attributes",
        call.conversation_id, call.participant_id
    );
    let set = |body: Value| {
        let (client, path) = (&client, &path);
        async move { client.send("PATCH", path, Some(&body)).await.status }
    };
    assert_eq!(
        set(json!({ "attributes": { "PT_URLPop": "https://crm.example.com/003", "a": "1" } }))
            .await,
        202
    );
    assert_eq!(set(json!({ "attributes": { "a": "2" } })).await, 202);
    let calls = path.replace("/conversations/", "/conversations/calls/");
    let body = json!({ "attributes": { "b": "3" } });
    assert_eq!(client.send("PATCH", &calls, Some(&body)).await.body["attributes"]["a"], "2");
    for wrong in
        [json!({ "attributes": { "n": 4 } }), json!({ "attributes": { "n": null } }), json!({})]
    {
        assert_eq!(client.raw("PATCH", &path, Some(&wrong)).await.status, 400, "{wrong}");
    }
    assert!(organization.end_call(&call.conversation_id));
    assert_eq!(set(json!({ "attributes": { "late": "1" } })).await, 202);
    let live = organization.attributes(&call.conversation_id, &call.participant_id).expect("known");
    let saved =
        organization.saved_attributes(&call.conversation_id, &call.participant_id).expect("ended");
    assert_eq!((live.len(), saved.len(), saved.contains_key("late")), (4, 3, false));
    let ended = client.get(&format!("/api/v2/conversations/{}", call.conversation_id)).await.body;
    assert_eq!(ended["participants"][0]["calls"][0]["state"], "terminated");
    assert_eq!(ended["participants"][2]["queueName"], "Sales");
}

#[tokio::test]
async fn a_conversation_id_that_is_no_uuid_is_bad_and_an_unknown_one_not_found() {
    let (organization, client) = organization().await;
    let unknown = "11111111-2222-4333-8444-555555555555";
    let body = json!({ "attributes": {} });
    for (id, status, code) in [("abc-123-def-456", 400, "bad.request"), (unknown, 404, "not.found")]
    {
        let read = client.get(&format!("/api/v2/conversations/{id}")).await;
        assert_eq!((read.status, read.code()), (status, code));
        let path = format!("/api/v2/conversations/{id}/participants/{unknown}/attributes");
        assert_eq!(client.send("PATCH", &path, Some(&body)).await.status, status);
    }
    let call = organization.place_call(&inbound("tel:+15550199999"));
    let path = format!("/api/v2/externalcontacts/conversations/{}", call.conversation_id);
    let good = json!({ "conversationId": call.conversation_id, "communicationId": call.communication_id, "mediaType": "CALL" });
    for (name, value, status) in [
        ("mediaType", json!("VOICE"), 400),
        ("communicationId", json!(unknown), 400),
        ("conversationId", json!(unknown), 400),
        ("externalContactId", json!(unknown), 404),
    ] {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(client.raw("PUT", &path, Some(&body)).await.status, status, "{name}");
    }
    assert_eq!(client.send("PUT", &path, Some(&good)).await.status, 202);
    assert_eq!(organization.associations()[0].external_contact_id, None);
}

#[tokio::test]
async fn the_details_query_pages_the_calls_of_the_days_it_touches() {
    let (organization, client) = organization().await;
    let queue = organization.add_queue("Claims");
    for n in 0..3 {
        let queue_id = (n == 0).then(|| queue.clone());
        organization.place_call(&NewCall { queue_id, ..inbound(&format!("tel:+1555019000{n}")) });
    }
    let path = "/api/v2/analytics/conversations/details/query";
    let query = |filters: Value| {
        json!({
            "interval": "2020-01-01T00:00:00Z/2100-01-01T00:00:00Z", "order": "desc",
            "paging": { "pageSize": 2, "pageNumber": 1 }, "segmentFilters": filters,
        })
    };
    let page = client.post(path, query(json!([]))).await.body;
    assert_eq!(
        (&page["totalHits"], page["conversations"].as_array().map(Vec::len)),
        (&json!(3), Some(2))
    );
    let predicate =
        json!([{ "type": "and", "predicates": [{ "dimension": "queueId", "value": queue }] }]);
    let found = client.post(path, query(predicate)).await.body;
    assert_eq!(found["totalHits"], 1);
    assert!(found["conversations"][0]["participants"][0].get("attributes").is_none());
    assert_eq!(client.post(path, json!({ "interval": "today" })).await.code(), "invalid.date");
}

#[tokio::test]
async fn a_script_places_and_ends_calls_from_outside() {
    let (organization, client) = organization().await;
    let call = client
        .raw(
            "POST",
            "/_sim/calls",
            Some(&json!({ "ani": "tel:+15550199999", "dnis": "tel:+15550190000" })),
        )
        .await
        .body;
    let id = call["conversationId"].as_str().expect("an id");
    assert_eq!(client.raw("POST", &format!("/_sim/calls/{id}/end"), None).await.status, 204);
    assert!(client.get(&format!("/api/v2/conversations/{id}")).await.body["endTime"].is_string());
    let state = client.raw("GET", "/_sim/state", None).await.body;
    assert_eq!(state["contacts"], Value::from(organization.contacts()));
}
