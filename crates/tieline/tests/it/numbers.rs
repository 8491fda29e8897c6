//! Numbers as contact centers really send them, and as people typed them into a CRM.

use crate::rig::people::{self, external_id};
use crate::rig::{Line, MARIA};
use serde_json::json;

#[tokio::test]
async fn every_form_of_a_number_finds_its_person() {
    let line = Line::with_salesforce().start().await;
    let maria = line.id_of(MARIA.2);
    for form in [
        "+15550198888",
        "15550198888",
        "5550198888",
        "(555) 019-8888",
        "555.019.8888",
        "1-555-019-8888",
        " +1 (555) 019 8888 ",
        "tel:+15550198888",
        "tel:+1-555-019-8888",
        "tel:+15550198888;phone-context=+1",
        "sip:+15550198888@10.87.12.9",
        "sip:+15550198888@carrier.example.com:5060;user=phone;transport=tcp",
        "sips:15550198888@example.com",
        "\"Maria Garcia\" <sip:+15550198888@example.com;user=phone>;tag=abc",
        "sip:%2B15550198888@example.com",
        "+15550198888;ext=12",
        "tel:+15550198888;ext=12",
        "555-019-8888 x12",
        "+1 555 019 8888 ext. 12",
        "011 1 555 019 8888",
    ] {
        let answer = line.call_from(form).await;
        assert_eq!(answer.id(), maria, "{form}: {:?}", answer.body);
    }
}

#[tokio::test]
async fn an_extension_makes_nobody_somebody_else() {
    let line = Line::with_salesforce().start().await;
    let plain = line.call_from(MARIA.1).await;
    let extended = line.call_from("+15550198888;ext=77").await;
    assert_eq!(extended.id(), plain.id());
    assert_eq!(extended["data"]["previousInteractionCount"], 1);
}

#[tokio::test]
async fn national_numbers_are_read_in_the_default_region() {
    let line =
        Line::with_salesforce().variable("TIELINE_LOOKUP__DEFAULT_REGION", "DE").start().await;
    let contact =
        json!({ "LastName": "Schmidt", "Phone": "030 1234567", "Email": "s@example.com" });
    line.salesforce.add("Contact", &contact).expect("a contact");
    let schmidt = external_id(&line.salesforce, "s@example.com");
    for form in ["+49301234567", "030 1234567", "030/1234567", "tel:0301234567", "0049 30 1234567"]
    {
        assert_eq!(line.call_from(form).await.id(), schmidt, "{form}");
    }
    assert_eq!(
        line.call_from(MARIA.1).await["name"],
        MARIA.0,
        "and others with their country code"
    );
}

#[tokio::test]
async fn rubbish_is_unknown_and_said_to_be_unusable() {
    let line = Line::with_salesforce().start().await;
    let asked = line.crm_requests();
    let long = "9".repeat(900);
    for rubbish in [
        "hello",
        "+",
        "12",
        "911",
        "+1555",
        "sip:alice@example.com",
        "sip:100.100.100.10",
        "sip:10.87.12.9:5060;transport=udp",
        "0000000000000000000000",
        "+1555019999999999999",
        "' OR '1'='1",
        "💥",
        "\u{0}",
        "<script>",
        long.as_str(),
    ] {
        let call = line.new_call();
        let answer = line.lookup(json!({ "fromNumber": rubbish, "callId": call })).await;
        answer.assert_whole();
        assert_eq!(answer.id(), "UNKNOWN", "{rubbish}");
        assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(1), "{rubbish}: {answer:?}");
        assert_eq!(line.stored(&call).await["externalId"], "UNKNOWN", "stored all the same");
    }
    assert_eq!(line.crm_requests(), asked, "nobody is asked about rubbish");
}

#[tokio::test]
async fn every_generated_person_is_found_however_their_number_was_typed() {
    let line = Line::with_salesforce().people(150).start().await;
    for person in people::loners(100) {
        let answer = line.call_from(&person.number).await;
        assert_eq!(answer["email"], person.email, "{person:?}: {answer:?}");
    }
}
