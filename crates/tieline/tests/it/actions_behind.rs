//! Enrichments that are answered `pending`: they run behind, once, and reach everybody
//! who is to know, whatever dies meanwhile.

use crate::rig::listen::By;
use crate::rig::plan::Plan;
use crate::rig::{Answer, JOHN, Line, MARIA, Place, until, until_some};
use serde_json::{Value, json};
use sim::faults::Fault;

crate::facts! {
    what_follows_reaches_the_stream_the_attributes_and_whoever_asks
    what_waits_for_an_agent_begins_when_one_has_accepted
    what_was_answered_pending_survives_a_kill
    a_crm_that_stays_sick_is_told_at_last
    an_erased_person_is_no_longer_in_what_was_asked
}

const ENRICHMENT: &str = include_str!("../../../../docs/examples/actions.toml");

fn plan(place: Place) -> Plan {
    let queues = r#"
[[queues]]
name = "Behind"
action = "CRM_Salesforce_Enrichment"
mode = "async"
fallback_queue = "Backup"

[[queues]]
name = "Accepted"
action = "CRM_Salesforce_Enrichment"
mode = "async"
trigger = "accepted"
"#;
    Line::with_salesforce()
        .on(place)
        .section(ENRICHMENT)
        .section(queues)
        .limit("timeout = \"500ms\"")
}

impl Line {
    async fn behind(&self, queue: &str, call: &str, mut body: Value) -> Answer {
        body["callId"] = call.into();
        let answer = self.post(&format!("/api/v1/queues/{queue}/enrich"), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn of(&self, call: &str) -> Answer {
        self.get(&format!("/api/v1/calls/{call}/enrichment")).await
    }

    async fn until_enriched(&self, call: &str, status: &str) -> Answer {
        until_some(&format!("{call} is {status}"), async || {
            let answer = self.of(call).await;
            (answer["status"] == status).then_some(answer)
        })
        .await
    }

    fn queries(&self) -> usize {
        let log = self.salesforce.faults().requests().log();
        log.iter()
            .filter(|seen| seen.target.contains("/query?q=SELECT+Id%2C+Name%2C+Email"))
            .count()
    }
}

async fn what_follows_reaches_the_stream_the_attributes_and_whoever_asks(place: Place) {
    let line = plan(place).and_genesys().start().await;
    let placed = line.place_call(MARIA.1);
    let call = placed.conversation_id.as_str();
    let mut listener = line.listen(By::Sse, &format!("/api/v1/calls/{call}/news")).await;
    line.crm_does(Fault::slow(std::time::Duration::from_millis(200)));
    let given = json!({ "externalId": line.id_of(MARIA.2), "ani": MARIA.1 });
    let pending = line.behind("Behind", call, given.clone()).await;
    assert_eq!((&pending["status"], &pending["crmError"]), (&json!("pending"), &json!(false)));
    let done = line.until_enriched(call, "hit").await;
    assert_eq!((&done["customerName"], &done["source"]), (&json!(MARIA.0), &json!("crm")));
    let keys = |answer: &Answer| {
        answer.body.as_object().expect("flat").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&pending), keys(&done), "the same keys now and later");
    // Known to nobody before, the call is stored: its stream tells the answer.
    let told = until_some("the stream tells it", async || {
        let news = listener.news().await;
        (news["call"]["enrichment"]["status"] == "hit").then_some(news)
    })
    .await;
    assert_eq!(told["type"], "enriched", "{told}");
    assert_eq!(told["call"]["enrichment"]["customerName"], MARIA.0, "{told}");
    until("the conversation has it", async || {
        let set = line.genesys().attributes(call, &placed.participant_id).unwrap_or_default();
        set.get("enrichStatus").map(String::as_str) == Some("hit")
            && set.get("customerEmail").map(String::as_str) == Some(MARIA.2)
    })
    .await;
    // Asked once more it is the same enrichment.
    let again = line.behind("Behind", call, given).await;
    assert_eq!(again["status"], "hit", "{again:?}");
    line.until_quiet().await;
    assert_eq!(line.queries(), 1);
}

async fn what_waits_for_an_agent_begins_when_one_has_accepted(place: Place) {
    let line = plan(place).start().await;
    let given = json!({ "externalId": line.id_of(JOHN.2) });
    for call in ["by-event", "by-request", "before"] {
        if call == "before" {
            let event = json!({ "type": "callAccepted", "callId": call, "userId": "agent-7" });
            assert_eq!(line.post("/api/v1/genesys/events", &event).await.status, 202);
        }
        let pending = line.behind("Accepted", call, given.clone()).await;
        assert_eq!(pending["status"], "pending", "{pending:?}");
    }
    let early = line.until_enriched("before", "hit").await;
    assert_eq!(early["customerName"], JOHN.0, "accepted before it was asked for");
    let asked = line.queries();
    assert_eq!(line.of("by-event").await["status"], "pending");
    assert_eq!(line.of("by-request").await["status"], "pending");
    let start = json!({ "type": "callStarted", "callId": "by-event", "userId": "agent-7" });
    let event = json!({ "type": "callAccepted", "callId": "by-event", "userId": "agent-7" });
    for body in [start, event] {
        assert_eq!(line.post("/api/v1/genesys/events", &body).await.status, 202);
    }
    line.until_enriched("by-event", "hit").await;
    let begun = line.post("/api/v1/calls/by-request/accepted", &json!({})).await;
    assert_eq!((begun.status, &begun["started"]), (202, &json!(1)));
    line.until_enriched("by-request", "hit").await;
    let twice = line.post("/api/v1/calls/by-request/accepted", &json!({})).await;
    assert_eq!((twice.status, &twice["started"]), (202, &json!(0)));
    assert_eq!(line.queries(), asked, "answered from the cache: the same values");
    let unknown = line.of("no-such-call").await;
    assert_eq!((unknown.status, &unknown["error"]["code"]), (404, &json!("enrichment.unknown")));
}

async fn what_was_answered_pending_survives_a_kill(place: Place) {
    let mut line = plan(place).start().await;
    line.crm_does(Fault::Html200);
    let given = json!({ "externalId": line.id_of(JOHN.2) });
    line.behind("Behind", "killed", given.clone()).await;
    line.behind("Accepted", "waiting", given).await;
    line.until_jobs_rest().await;
    line.kill().await;
    line.crm_recovers();
    line.start_server().await;
    let done = line.until_enriched("killed", "hit").await;
    assert_eq!(done["customerName"], JOHN.0);
    assert_eq!(line.of("waiting").await["status"], "pending");
    line.post("/api/v1/calls/waiting/accepted", &json!({})).await;
    line.until_enriched("waiting", "hit").await;
}

async fn a_crm_that_stays_sick_is_told_at_last(place: Place) {
    let line = plan(place).start().await;
    line.crm_does(Fault::Status {
        code: 400,
        body: Some("[{\"errorCode\":\"MALFORMED_QUERY\",\"message\":\"x\"}]".into()),
    });
    line.behind("Behind", "sick", json!({ "externalId": line.id_of(JOHN.2) })).await;
    let failed = line.until_enriched("sick", "failed").await;
    assert_eq!((&failed["crmError"], &failed["errorCode"]), (&json!(true), &json!("crm.invalid")));
    assert_eq!(failed["fallbackQueue"], "Backup", "{failed:?}");
}

async fn an_erased_person_is_no_longer_in_what_was_asked(place: Place) {
    let line = plan(place).start().await;
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "hers" })).await.assert_hit("crm");
    line.behind("Behind", "hers", json!({ "ani": MARIA.1 })).await;
    line.until_enriched("hers", "hit").await;
    // A call of nobody's, whose flow has passed on her e-mail.
    line.behind("Behind", "else", json!({ "email": MARIA.2 })).await;
    line.until_enriched("else", "hit").await;
    line.until_quiet().await;
    let erased =
        line.post("/api/v1/subjects/erase", &json!({ "externalIds": [line.id_of(MARIA.2)] })).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    for call in ["hers", "else"] {
        assert_eq!(line.of(call).await.status, 404, "{call}");
    }
    let now = line
        .post("/api/v1/queues/Behind/enrich", &json!({ "callId": "new", "ani": MARIA.1 }))
        .await;
    assert_eq!(now["status"], "pending", "{now:?}");
    let nobody = line.until_enriched("new", "unknown").await;
    assert_eq!(nobody["customerName"], "", "{nobody:?}");
}
