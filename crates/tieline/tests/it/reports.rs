//! Reports over calls: the list behind them, figures over time, and dimensions that are none.

use crate::rig::plan::{API_KEY, Plan};
use crate::rig::{JANE, JOHN, Line, MARIA, Place, STRANGER, until, until_some};
use serde_json::{Value, json};
use sim::faults::Fault;

crate::facts! {
    the_list_has_what_the_interaction_report_needs
    the_list_goes_on_from_its_cursor
    rates_are_told_over_time
    a_dimension_with_many_values_is_refused_with_the_reason
}

fn plan(place: Place) -> Plan {
    let reports = "[reports]\ndimensions = [\"loyaltyTier\"]\ncolumns = [\"crmCaseId\"]\n";
    let soon = "[calls]\nsettle_for = \"150ms\"\n";
    Line::with_salesforce().on(place).section(reports).section(soon)
}

/// A page as it came: status, body and where to go on.
async fn page(line: &Line, path: &str) -> (u16, String, Option<String>) {
    let answer = line.http.get(line.url(path)).bearer_auth(API_KEY).send().await.expect("sent");
    let next = answer.headers().get("x-next-cursor");
    let next = next.map(|next| next.to_str().expect("text").to_owned());
    (answer.status().as_u16(), answer.text().await.expect("whole"), next)
}

async fn call(line: &Line, call: &str, number: &str) {
    line.lookup(json!({ "fromNumber": number, "callId": call })).await.assert_whole();
}

fn ids(calls: &Value) -> Vec<&str> {
    let calls = calls.as_array().expect("a list").iter();
    calls.map(|call| call["callId"].as_str().expect("an id")).collect()
}

async fn the_list_has_what_the_interaction_report_needs(place: Place) {
    let line = plan(place).start().await;
    call(&line, "c1", JOHN.1).await;
    call(&line, "c2", STRANGER).await;
    let own = json!({ "data": { "intent": "=HYPERLINK(1)", "loyaltyTier": "=2+3" } });
    let put = line.http.put(line.url("/api/v1/calls/c2/data")).bearer_auth(API_KEY).json(&own);
    assert_eq!(put.send().await.expect("sent").status(), 200);
    let end = json!({
        "type": "callEnded", "callId": "c1", "startedAt": "2026-11-21T20:15:00Z",
        "endedAt": "2026-11-21T20:18:25Z", "queueId": "Support", "userId": "agent-7",
        "wrapUp": "Resolved", "talkMs": 150_000, "holdMs": 35_000, "acwMs": 20_000,
    });
    assert_eq!(line.post("/api/v1/genesys/events", &end).await.status, 202);
    let listed = until_some("the call is closed and its CRM knows", async || {
        let listed = line.get("/api/v1/calls?data.loyaltyTier=Gold").await;
        (listed.body[0]["outcome"]["journal"] == "written").then_some(listed)
    })
    .await;
    assert_eq!(ids(&listed.body), ["c1"]);
    let one = &listed.body[0];
    assert_eq!(one["externalId"], line.id_of(JOHN.2));
    assert_eq!(one["data"], json!({ "crmCaseId": "CASE-99812" }));
    assert_eq!(one["dimensions"], json!({ "loyaltyTier": "Gold" }));
    assert_eq!(
        (&one["durationMs"], &one["outcome"]["handleMs"]),
        (&json!(205_000), &json!(205_000))
    );
    let mut alone = line.stored("c1").await.body;
    assert_eq!(alone["data"]["company"], "Acme Corporation", "what is known by now");
    alone["data"] = one["data"].clone();
    assert_eq!(alone, *one, "and of the time of the call the same");
    for (filter, expected) in [
        ("queue=Support", &["c1"][..]),
        ("status=miss", &["c2"]),
        ("source=crm&data.loyaltyTier=Gold", &["c1"]),
        ("data.loyaltyTier=Silver", &[]),
        ("status=&queue=&data.loyaltyTier=&cursor=", &["c2", "c1"]),
        ("to=2026-01-01T00:00:00Z", &[]),
        ("from=2026-01-01T00:00:00%2B01:00", &["c2", "c1"]),
    ] {
        let listed = line.get(&format!("/api/v1/calls?{filter}")).await;
        assert_eq!(ids(&listed.body), expected, "{filter}");
    }
    let (status, table, _) = page(&line, "/api/v1/calls?format=csv").await;
    let lines: Vec<&str> = table.split("\r\n").collect();
    assert_eq!((status, lines.len()), (200, 4), "{table}");
    assert!(lines[0].starts_with("call_id,external_id,status,source,"), "{table}");
    assert!(lines[0].ends_with(",wrap_up,data.loyaltyTier,data.crmCaseId"), "{table}");
    assert!(lines[1].starts_with("c2,PHONE:") && lines[1].ends_with(",'=2+3,"), "{table}");
    let ends = "205000,150000,35000,20000,205000,Resolved,Gold,CASE-99812";
    assert!(lines[2].ends_with(ends) && lines[2].contains(",Support,agent-7,"), "{table}");
    for personal in [JOHN.1, JOHN.2, JOHN.0, STRANGER] {
        assert!(!table.contains(personal), "a table travels: {table}");
    }
    for (wrong, at) in [
        ("data.email=x", "data.email"),
        ("data.=x", "data."),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=1", "cursor"),
        ("status=HIT", "status"),
        ("source=x", "source"),
        ("from=yesterday", "from"),
        ("format=xml", "format"),
        ("data.loyaltyTier=1&data.loyaltyTier=2&data.loyaltyTier=3&data.loyaltyTier=4", "data"),
    ] {
        let refused = line.get(&format!("/api/v1/calls?{wrong}")).await;
        assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!(at)), "{refused:?}");
    }
    let fix = line.get("/api/v1/calls?data.email=x").await["error"]["fix"].to_string();
    assert!(fix.contains("data.loyaltyTier") && fix.contains("reports.dimensions"), "{fix}");
}

async fn the_list_goes_on_from_its_cursor(place: Place) {
    let line = plan(place).start().await;
    for n in 0..5 {
        call(&line, &format!("c{n}"), JOHN.1).await;
    }
    let path = "/api/v1/calls?data.loyaltyTier=Gold&limit=2";
    let (mut seen, mut next) = (Vec::new(), None::<String>);
    loop {
        let cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
        let (status, body, more) = page(&line, &format!("{path}{cursor}")).await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        seen.extend(ids(&body).into_iter().map(str::to_owned));
        call(&line, &format!("meanwhile-{}", seen.len()), JOHN.1).await;
        next = more;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["c4", "c3", "c2", "c1", "c0"]);
    let (_, first, next) = page(&line, &format!("{path}&format=csv")).await;
    let (_, second, _) =
        page(&line, &format!("{path}&format=csv&cursor={}", next.expect("more"))).await;
    assert_eq!(first.lines().next(), second.lines().next(), "every page has the same header");
    assert!(second.contains("\r\nc4,"), "{second}");
}

async fn rates_are_told_over_time(place: Place) {
    let line = plan(place).start().await;
    call(&line, "c1", JOHN.1).await;
    call(&line, "c2", STRANGER).await;
    call(&line, "c3", "anonymous").await;
    line.until_quiet().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c4" })).await.assert_by_number("partial");
    line.crm_recovers();
    line.until_stored_as("c4", "hit").await;
    let jane = line.id_of(JANE.2);
    let correction = json!({ "callId": "c2", "newExternalId": jane, "reason": "she said so" });
    assert_eq!(line.post("/api/v1/genesys/update-context", &correction).await["confirmed"], true);

    let report = line.get("/api/v1/reports/identification").await;
    let lines = report.body.as_array().expect("a list");
    let sum =
        |key: &str| lines.iter().map(|line| line[key].as_u64().expect("a count")).sum::<u64>();
    let counts = ["calls", "hits", "misses", "partial", "unknown", "ambiguous", "late"].map(sum);
    assert_eq!(counts, [4, 1, 1, 1, 1, 0, 0], "{report:?}");
    assert_eq!((sum("identifiedLater"), sum("corrected")), (2, 1), "{report:?}");
    if let [line] = lines.as_slice() {
        // Unless the day has just changed.
        let rates = ["identificationRate", "partialRate", "lateRate"].map(|key| line[key].as_f64());
        assert_eq!(rates, [Some(0.25), Some(0.25), Some(0.0)], "{report:?}");
        assert!(line["from"].as_str().is_some_and(|at| at.ends_with("T00:00:00.000Z")));
    }
    let path =
        "/api/v1/reports/identification?interval=hour&offset=%2B05:30&group_by=data.loyaltyTier";
    let by_tier = line.get(path).await;
    let groups: Vec<_> =
        by_tier.body.as_array().expect("a list").iter().map(|line| &line["group"]).collect();
    assert!(groups.contains(&&json!("Gold")) && groups.contains(&&json!("")), "{by_tier:?}");
    assert!(by_tier.body[0]["from"].as_str().is_some_and(|at| at.contains(":30:00")));
    let (_, table, _) = page(&line, &format!("{path}&format=csv")).await;
    assert!(table.starts_with("from,group,calls,hits,"), "{table}");
    for (wrong, at) in [
        ("interval=week", "interval"),
        ("offset=Berlin", "offset"),
        ("group_by=data.email", "group_by"),
        ("format=xml", "format"),
        ("from=x", "from"),
    ] {
        let refused = line.get(&format!("/api/v1/reports/identification?{wrong}")).await;
        assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!(at)), "{refused:?}");
    }
}

async fn a_dimension_with_many_values_is_refused_with_the_reason(place: Place) {
    let reports = "[reports]\ndimensions = [\"crmCaseId\", \"loyaltyTier\"]\nvalues_max = 2\n";
    let mut line = Line::with_salesforce().on(place).people(30).section(reports).start().await;
    for person in Line::loners(20) {
        line.call_from(&person.number).await.assert_whole();
    }
    let code = "report.dimension_refused";
    for _ in 0..2 {
        for (path, at) in [
            ("/api/v1/reports/handle-time?group_by=data.crmCaseId", "group_by"),
            ("/api/v1/reports/identification?group_by=data.crmCaseId", "group_by"),
            ("/api/v1/calls?data.crmCaseId=x", "data.crmCaseId"),
        ] {
            let refused = line.get(path).await;
            assert_eq!(refused["error"]["code"], code, "{refused:?}");
            assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!(at)));
            let reason = refused["error"]["message"].as_str().unwrap_or_default();
            assert!(reason.contains("more than 2 values"), "{reason}");
        }
        assert!(line.log().contains("`crmCaseId` has more than 2 values"), "{}", line.log());
        line.restart().await;
    }
    let calls = line.calls().await;
    let kept = calls.iter().filter(|call| call["dimensions"]["crmCaseId"] != Value::Null).count();
    assert!(kept <= 2, "{kept} of {}", calls.len());
}

#[tokio::test]
async fn a_bound_that_is_none_is_refused() {
    for wrong in ["values_max = 0", "values_max = 1001"] {
        let plan = Line::with_salesforce().section(&format!("[reports]\n{wrong}"));
        let line = plan.lay().await;
        let ended = line.command_elsewhere(&["check"]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("reports.values_max"), "{ended:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_late_counts_as_late() {
    let plan = Line::with_salesforce().deadline("2ms").lookup("store_reserve", "1ms");
    let line = plan.start().await;
    // A millisecond for the commit: sooner or later one takes longer.
    until("an answer is late", async || {
        line.call_from(STRANGER).await;
        let report = line.get("/api/v1/reports/identification").await;
        report.body[0]["late"].as_u64().is_some_and(|late| late > 0)
    })
    .await;
}
