//! Contacts: written, found, claimed, enriched, merged.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CONTACTS, ENRICH, LOOKUP, ada, crm_id, inbound, organization};

#[tokio::test]
async fn a_contact_is_written_normalised_and_read_back() {
    let (organization, client) = organization().await;
    let written = client.post(CONTACTS, ada(&organization)).await.body;
    assert_eq!((&written["firstName"], &written["type"]), (&json!("Ada"), &json!("Curated")));
    assert_eq!(written["cellPhone"]["e164"], "+15550199999");
    assert_eq!(written["cellPhone"]["display"], "+1 555-019-9999");
    let path = format!("{CONTACTS}/{}", written["id"].as_str().expect("an id"));
    for query in
        ["?expand=identifiers&expand=externalSources", "?expand=identifiers%2CexternalSources"]
    {
        let read = client.get(&format!("{path}{query}")).await.body;
        assert_eq!(read["identifiers"].as_array().map(Vec::len), Some(3), "{query}");
        assert_eq!(read["externalIds"][0]["externalSource"]["name"], "CRM");
    }
    let changed = json!({ "firstName": "Ada", "otherPhone": { "display": "unknown" } });
    let put = client.send("PUT", &path, Some(&changed)).await.body;
    assert!(put.get("workEmail").is_none() && put["otherPhone"].get("e164").is_none());
    let patch =
        json!({ "changes": [{ "field": "$.title", "action": "Update", "value": "Countess" }] });
    assert_eq!(client.send("PATCH", &path, Some(&patch)).await.body["title"], "Countess");
    assert_eq!(client.send("DELETE", &path, None).await.status, 200);
    assert_eq!(client.get(&path).await.code(), "not.found");
}

#[tokio::test]
async fn eleven_external_ids_or_a_bad_address_are_refused() {
    let (organization, client) = organization().await;
    let source = &organization.config().external_source.0;
    let ids: Vec<Value> = (0..11)
        .map(|n| json!({ "externalSource": { "id": source }, "value": n.to_string() }))
        .collect();
    let named = json!({ "externalSource": { "name": "crm" }, "value": "1" });
    for body in [
        json!({ "externalIds": ids }),
        json!({ "externalIds": [{ "externalSource": { "name": "no such" }, "value": "1" }] }),
        json!({ "workEmail": "nobody" }),
        json!({ "firstName": "x".repeat(1001) }),
        json!({ "surveyOptOut": "yes" }),
        json!({ "customFields": { "tier_text": "Gold" } }),
        json!({ "division": { "id": "home" } }),
    ] {
        assert_eq!(client.raw("POST", CONTACTS, Some(&body)).await.status, 400, "{body}");
    }
    let by_name = client.post(CONTACTS, json!({ "externalIds": [named] })).await.body;
    assert_eq!(by_name["externalIds"][0]["externalSource"]["id"], *source);
}

#[tokio::test]
async fn a_second_contact_with_the_number_is_created_without_its_identifier() {
    let (organization, client) = organization().await;
    let first = client.post(CONTACTS, ada(&organization)).await.body;
    let second = client.post(CONTACTS, json!({ "cellPhone": { "display": "+15550199999" } })).await;
    assert_eq!(second.status, 200);
    let (first, second) =
        (first["id"].as_str().expect("id"), second.body["id"].as_str().expect("id").to_owned());
    let of_second = format!("{CONTACTS}/{second}/identifiers");
    assert_eq!(client.get(&of_second).await.body["entities"], json!([]));
    let phone = json!({ "type": "Phone", "value": "+1 555 019 9999" });
    assert_eq!(client.post(LOOKUP, phone.clone()).await.body["id"], first);
    let both = client
        .get("/api/v2/externalcontacts/reversewhitepageslookup?lookupVal=%2B15550199999")
        .await
        .body;
    assert_eq!(both["contacts"].as_array().map(Vec::len), Some(2));

    let claim = json!({ "operation": "Claim", "identifier": phone });
    assert_eq!(client.send("PATCH", &of_second, Some(&claim)).await.status, 409);
    let release = json!({ "operation": "Release", "identifier": phone });
    assert_eq!(
        client
            .send("PATCH", &format!("{CONTACTS}/{first}/identifiers"), Some(&release))
            .await
            .status,
        200
    );
    assert_eq!(client.post(LOOKUP, phone.clone()).await.status, 404);
    assert_eq!(client.send("PATCH", &of_second, Some(&claim)).await.body["value"], "+15550199999");
    assert_eq!(client.post(LOOKUP, phone).await.body["id"], second);
}

#[tokio::test]
async fn a_lookup_is_exact_and_wants_e164() {
    let (organization, client) = organization().await;
    client.post(CONTACTS, ada(&organization)).await;
    for (body, status) in [
        (json!({ "type": "Phone", "value": "+15550199999" }), 200),
        (json!({ "type": "Phone", "value": "+15550199998" }), 404),
        (json!({ "type": "Phone", "value": "5550199999" }), 400),
        (json!({ "type": "Email", "value": "ADA@example.com" }), 200),
        (crm_id(&organization, "003"), 200),
        (crm_id(&organization, "004"), 404),
        (json!({ "type": "ExternalId", "value": "003" }), 400),
        (json!({ "type": "Fax", "value": "1" }), 400),
        (json!({}), 400),
    ] {
        assert_eq!(client.send("POST", LOOKUP, Some(&body)).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn enriching_twice_leaves_one_contact() {
    let (organization, client) = organization().await;
    let body = json!({
        "division": { "id": "*" }, "action": "Upsert", "matchingIdentifiers": [crm_id(&organization, "003")],
        "contact": ada(&organization), "options": { "promote": true },
    });
    let planned = client.post(&format!("{ENRICH}?dryRun=true"), body.clone()).await;
    assert_eq!((planned.status, organization.contacts().len()), (201, 0));
    let (created, updated) =
        (client.post(ENRICH, body.clone()).await, client.post(ENRICH, body).await);
    assert_eq!((created.status, updated.status), (201, 200));
    assert_eq!(created.body["id"], updated.body["id"]);
    assert_eq!(organization.contacts().len(), 1);
}

#[tokio::test]
async fn bulk_results_come_in_another_order_with_their_trackers_and_errors() {
    let (organization, client) = organization().await;
    let path = "/api/v2/externalcontacts/bulk/contacts/enrich";
    let one = |n: usize, action: &str| json!({ "id": format!("t{n}"), "action": action, "matchingIdentifiers": [crm_id(&organization, &n.to_string())], "contact": { "firstName": n.to_string() } });
    let entities = [one(0, "Upsert"), one(1, "Update"), one(2, "Upsert")];
    let answer = client.post(path, json!({ "entities": entities })).await.body;
    let trackers: Vec<&str> = answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert_eq!(trackers, ["t2", "t1", "t0"]);
    assert_eq!((&answer["errorCount"], &answer["errorIndexes"]), (&json!(1), &json!([1])));
    let failed = &answer["results"][1];
    assert_eq!((&failed["success"], &failed["status"]), (&json!(false), &json!(404)));
    assert_eq!(failed["error"]["entity"]["id"], "t1");
    assert_eq!(
        (&failed["error"]["code"], &failed["error"]["retryable"]),
        (&json!("not.found"), &json!(false))
    );
    assert_eq!(answer["results"][0]["entity"]["firstName"], "2");
    let eleven: Vec<Value> = (0..11).map(|n| one(n, "Upsert")).collect();
    assert_eq!(client.post(path, json!({ "entities": eleven })).await.status, 400);
}

#[tokio::test]
async fn contacts_are_added_fetched_updated_and_removed_in_bulk() {
    let (organization, client) = organization().await;
    let path = |verb: &str| format!("/api/v2/externalcontacts/bulk/contacts{verb}");
    let added = client
        .post(&path("/add"), json!({ "entities": [{ "firstName": "a" }, { "firstName": "b" }] }))
        .await
        .body;
    let ids: Vec<Value> = added["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|one| json!({ "id": one["entity"]["id"] }))
        .collect();
    assert_eq!(client.post(&path(""), json!({ "entities": ids })).await.body["errorCount"], 0);
    let update =
        json!({ "entities": [{ "id": ids[0]["id"], "firstName": "c" }, { "id": "unknown" }] });
    assert_eq!(client.post(&path("/update"), update).await.body["errorCount"], 1);
    assert_eq!(
        client.post(&path("/remove"), json!({ "entities": ids })).await.body["errorCount"],
        0
    );
    assert_eq!(organization.contacts().len(), 0);
}

#[tokio::test]
async fn a_merged_id_leads_to_the_canonical_contact_but_not_in_an_association() {
    let (organization, client) = organization().await;
    let one = client.post(CONTACTS, ada(&organization)).await.body["id"].clone();
    let two = client.post(CONTACTS, json!({ "lastName": "King" })).await.body["id"].clone();
    let merge = json!({ "contactIds": [one, two] });
    let merged = client.post("/api/v2/externalcontacts/contacts/merge", merge).await.body;
    assert_eq!(merged["mergeSet"].as_array().map(Vec::len), Some(3));
    let one = one.as_str().expect("id");
    assert_eq!(client.get(&format!("{CONTACTS}/{one}")).await.body["id"], merged["id"]);
    let itself = client.get(&format!("{CONTACTS}/{one}/unresolved")).await.body;
    assert_eq!((&itself["id"], &itself["canonicalContact"]["id"]), (&json!(one), &merged["id"]));
    let put =
        client.send("PUT", &format!("{CONTACTS}/{one}"), Some(&json!({ "title": "x" }))).await.body;
    assert_eq!(put["id"], merged["id"]);

    let call = organization.place_call(&inbound("tel:+15550190123"));
    let body = json!({
        "conversationId": call.conversation_id, "communicationId": call.communication_id,
        "mediaType": "CALL", "externalContactId": one,
    });
    let path = format!("/api/v2/externalcontacts/conversations/{}", call.conversation_id);
    assert_eq!(client.send("PUT", &path, Some(&body)).await.status, 202);
    assert_eq!(organization.associations()[0].external_contact_id.as_deref(), Some(one));
    assert_eq!(client.send("DELETE", &format!("{CONTACTS}/{one}"), None).await.status, 200);
    assert!(organization.contact(merged["id"].as_str().expect("id")).is_none());
}

#[tokio::test]
async fn lists_are_limited_to_a_thousand_and_scan_walks_them_all() {
    let (organization, client) = organization().await;
    for n in 0..25 {
        organization.add_contact(&json!({ "firstName": format!("n{n:02}") })).expect("valid");
    }
    let page = client
        .get(&format!("{CONTACTS}?pageSize=10&pageNumber=3&sortOrder=firstName:desc"))
        .await
        .body;
    assert_eq!(
        (&page["total"], &page["pageCount"], page["entities"].as_array().map(Vec::len)),
        (&json!(25), &json!(3), Some(5))
    );
    assert_eq!(page["entities"][4]["firstName"], "n00");
    assert_eq!(client.get(&format!("{CONTACTS}?q=n07")).await.body["total"], 1);
    assert_eq!(client.get(&format!("{CONTACTS}?pageSize=100&pageNumber=11")).await.status, 400);

    let (mut seen, mut next) =
        (Vec::new(), "/api/v2/externalcontacts/scan/contacts?limit=10".to_owned());
    for _ in 0..10 {
        let page = client.get(&next).await.body;
        seen.extend(page["entities"].as_array().cloned().unwrap_or_default());
        match page["nextUri"].as_str() {
            Some(uri) => next = uri.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(
        client.get("/api/v2/externalcontacts/scan/contacts?cursor=rubbish").await.status,
        400
    );
    assert_eq!(client.get("/api/v2/externalcontacts/scan/contacts?limit=500").await.status, 400);
}

#[tokio::test]
async fn search_lags_behind_but_an_exact_lookup_does_not() {
    let (organization, client) = organization().await;
    organization.set_index_lag(Duration::from_secs(3600));
    client.post(CONTACTS, ada(&organization)).await;
    assert_eq!(client.get(&format!("{CONTACTS}?q=ada")).await.body["total"], 0);
    assert_eq!(client.post(LOOKUP, crm_id(&organization, "003")).await.status, 200);
    organization.settle_index();
    assert_eq!(client.get(&format!("{CONTACTS}?q=ada")).await.body["total"], 1);
}
