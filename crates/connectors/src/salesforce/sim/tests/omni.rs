//! Omni-Channel over real HTTP: who may change what, and when work is offered.

use super::*;

const REFUSED: (u16, &str) = (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");

impl Org {
    fn agent(&self) -> String {
        self.salesforce.add_agent("Ann Lee", "ann@example.com").expect("added")
    }

    /// What the agent's browser does, as `POST /_sim/omni/{what}`; the id of what was made.
    async fn plays(&self, what: &str, body: Json) -> (u16, String) {
        let url = format!("{}/_sim/omni/{what}", self.salesforce.url());
        let got = got(self.client.post(url).json(&body)).await;
        let told: Json = serde_json::from_str(&got.text).unwrap_or_default();
        (got.status, told["id"].as_str().unwrap_or_default().to_owned())
    }

    fn shown(&self, user: &str) -> Vec<Json> {
        let query = format!(
            "SELECT ServicePresenceStatus.DeveloperName, User.Username, IsCurrentState, \
             StatusStartDate, StatusEndDate, StatusDuration FROM UserServicePresence \
             WHERE UserId = '{user}' ORDER BY Name"
        );
        self.salesforce.query(&query).expect("rows")
    }
}

fn refused(got: &Got) {
    let (status, code) = got.error();
    assert_eq!((status, code.as_str()), REFUSED, "{}", got.text);
}

#[tokio::test]
async fn a_presence_is_written_by_nobody_but_the_console() {
    let org = org(quick()).await;
    let (user, busy) = (org.agent(), org.salesforce.status("Busy").expect("a status"));
    org.salesforce.agent_sets(&user, "Online").expect("set");
    let before = org.shown(&user);
    let id = &org.salesforce.all("UserServicePresence", &["Id"]).expect("rows")[0]["Id"];
    let id = id.as_str().expect("an id");
    let body = json!({ "UserId": user, "ServicePresenceStatusId": busy });
    let change = json!({ "ServicePresenceStatusId": busy });
    refused(&org.send(Method::POST, "/sobjects/UserServicePresence", &body).await);
    let path = format!("/sobjects/UserServicePresence/{id}");
    refused(&org.send(Method::PATCH, &path, &change).await);
    let path = format!("/sobjects/UserServicePresence/Id/{id}");
    refused(&org.send(Method::PATCH, &path, &change).await);
    let one = |more: Json| {
        let mut one = json!({ "attributes": { "type": "UserServicePresence" } });
        for (key, value) in more.as_object().expect("fields") {
            one[key] = value.clone();
        }
        json!({ "allOrNone": false, "records": [one] })
    };
    let changed = one(json!({ "id": id, "ServicePresenceStatusId": busy }));
    let by_id = json!({ "Id": id, "ServicePresenceStatusId": busy });
    for (method, path, body) in [
        (Method::POST, "/composite/sobjects", one(body.clone())),
        (Method::PATCH, "/composite/sobjects", changed),
        (Method::PATCH, "/composite/sobjects/UserServicePresence/Id", one(by_id)),
    ] {
        let told = org.send(method, path, &body).await.json();
        assert_eq!(told[0]["success"], false, "{path}: {told}");
        assert_eq!(told[0]["errors"][0]["statusCode"], REFUSED.1, "{path}: {told}");
    }
    let path = format!("/sobjects/UserServicePresence/{id}");
    let gone = org.send(Method::DELETE, &path, &json!({})).await;
    assert_eq!(gone.error(), (403, "INSUFFICIENT_ACCESS".to_owned()));
    assert_eq!(org.shown(&user), before);
    let described = org.get("/sobjects/UserServicePresence/describe").await.json();
    assert_eq!(
        (&described["createable"], &described["updateable"]),
        (&json!(false), &json!(false))
    );
}

#[tokio::test]
async fn another_status_ends_the_one_before_and_who_logs_out_has_none() {
    let org = org(quick()).await;
    let user = org.agent();
    let by_name = |status: &str| json!({ "user": "ann@example.com", "status": status });
    assert_eq!(org.plays("status", by_name("Online")).await.0, 204);
    assert_eq!(org.plays("status", by_name("Nothing")).await.0, 404);
    assert_eq!(org.plays("status", by_name("Lunch")).await.0, 204);
    let rows = org.shown(&user);
    let names: Vec<&Json> =
        rows.iter().map(|row| &row["ServicePresenceStatus"]["DeveloperName"]).collect();
    assert_eq!(names, ["Online", "Lunch"]);
    assert_eq!(rows[0]["User"]["Username"], "ann@example.com");
    assert_eq!(
        (&rows[0]["IsCurrentState"], &rows[1]["IsCurrentState"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(rows[0]["StatusEndDate"], rows[1]["StatusStartDate"]);
    assert!(rows[0]["StatusStartDate"].as_str().is_some_and(|at| at.ends_with(".000+0000")));
    assert_eq!(org.plays("log-out", json!({ "user": user })).await.0, 204);
    assert!(org.shown(&user).iter().all(|row| row["IsCurrentState"] == false));
    assert_eq!(org.salesforce.agent_status(&user), None);
}

#[tokio::test]
async fn work_is_offered_to_who_is_online_for_it_and_has_room() {
    let org = org(quick()).await;
    let user = org.agent();
    let offer = || org.plays("offer", json!({ "user": user }));
    assert_eq!(offer().await.0, 400, "nobody is there");
    org.salesforce.agent_sets(&user, "Busy").expect("set");
    assert_eq!(offer().await.0, 400, "busy");
    org.salesforce.agent_sets(&user, "Online").expect("set");
    let mut offered = Vec::new();
    for _ in 0..3 {
        let (status, work) = offer().await;
        assert_eq!(status, 201);
        offered.push(work);
    }
    assert_eq!(offer().await.0, 400, "no room");
    let act = |what: &'static str, at: usize| org.plays(what, json!({ "work": offered[at] }));
    assert_eq!(act("close", 0).await.0, 400, "it was not accepted");
    assert_eq!((act("accept", 0).await.0, act("close", 0).await.0), (204, 204));
    assert_eq!((act("decline", 1).await.0, act("time-out", 2).await.0), (204, 204));
    let query = "SELECT Status, AcceptDateTime, CloseDateTime, DeclineDateTime, \
                 PushTimeoutDateTime FROM AgentWork ORDER BY Name";
    let rows = org.salesforce.query(query).expect("rows");
    let statuses: Vec<&Json> = rows.iter().map(|row| &row["Status"]).collect();
    assert_eq!(statuses, ["Closed", "Declined", "DeclinedOnPushTimeout"]);
    let told = |at: usize| {
        let fields = ["AcceptDateTime", "CloseDateTime", "DeclineDateTime", "PushTimeoutDateTime"];
        fields.map(|field| rows[at][field].is_string())
    };
    assert_eq!(told(0), [true, true, false, false]);
    assert_eq!(told(1), [false, false, true, false]);
    assert_eq!(told(2), [false, false, false, true]);
    assert_eq!(offer().await.0, 201, "there is room again");
}

#[tokio::test]
async fn a_client_pushes_work_and_changes_none() {
    let org = org(quick()).await;
    let user = org.agent();
    org.salesforce.agent_sets(&user, "Online").expect("set");
    let channels = org.salesforce.all("ServiceChannel", &["Id"]).expect("channels");
    let case = &org.salesforce.all("Case", &["Id"]).expect("cases")[0]["Id"];
    let body = json!({ "UserId": user, "ServiceChannelId": channels[0]["Id"], "WorkItemId": case });
    let made = org.send(Method::POST, "/sobjects/AgentWork", &body).await.json();
    let id = made["id"].as_str().expect("an id");
    let path = format!("/sobjects/AgentWork/{id}");
    let change = json!({ "TransferRequesterId": user });
    assert!(org.send(Method::PATCH, &path, &change).await.status == 400);
    refused(&org.send(Method::PATCH, &path, &json!({ "Status": "Opened" })).await);
    let work = org.get(&path).await.json();
    assert_eq!(work["Status"], "Assigned");
    let gone = org.send(Method::DELETE, &path, &json!({})).await;
    assert_eq!(gone.error(), (403, "INSUFFICIENT_ACCESS".to_owned()), "it is active");
    org.salesforce.agent_logs_out(&user).expect("out");
    assert_eq!(org.get(&path).await.json()["Status"], "Unavailable");
    assert_eq!(org.send(Method::DELETE, &path, &json!({})).await.status, 204);
}

#[tokio::test]
async fn the_last_end_of_each_agent_is_told_by_group() {
    let org = org(quick()).await;
    let user = org.agent();
    let days = |count: u32| Duration::from_secs(24 * 3_600) * count;
    for (began, ended) in [(9, 8), (5, 4)] {
        let shown = org.salesforce.agent_showed(&user, "Busy", days(began), Some(days(ended)));
        shown.expect("shown");
    }
    let got = org
        .query(
            "SELECT UserId, MAX(StatusEndDate) latest, MIN(StatusStartDate), COUNT(Id) \
             FROM UserServicePresence GROUP BY UserId",
        )
        .await
        .json();
    let row = &got["records"][0];
    assert_eq!((&got["totalSize"], &row["UserId"]), (&json!(1), &json!(user)));
    assert_eq!(row["attributes"], json!({ "type": "AggregateResult" }));
    let ends = org.salesforce.all("UserServicePresence", &["StatusEndDate"]).expect("rows");
    assert_eq!(row["latest"], ends[1]["StatusEndDate"]);
    assert!(row["expr1"].is_string() && row["expr2"] == 2, "{row}");
    for (soql, code) in [
        ("SELECT UserId, MAX(StatusEndDate) FROM UserServicePresence", "MALFORMED_QUERY"),
        ("SELECT MAX(IsAway) FROM UserServicePresence", "MALFORMED_QUERY"),
        ("SELECT COUNT(Id) FROM UserServicePresence GROUP BY StatusEndDate", "INVALID_FIELD"),
        ("SELECT SUM(StatusDuration) FROM UserServicePresence", "MALFORMED_QUERY"),
    ] {
        assert_eq!(org.query(soql).await.error().1, code, "{soql}");
    }
}

#[tokio::test]
async fn a_page_of_any_origin_has_the_consoles_toolkit() {
    let org = org(quick()).await;
    let user = org.agent();
    let at = |what: &str| format!("{}/_sim/omni/{what}", org.salesforce.url());
    let script = got(org.client.get(at("toolkit.js"))).await;
    assert_eq!(script.headers["content-type"], "text/javascript;charset=UTF-8");
    assert!(script.text.contains("setServicePresenceStatus"), "{}", script.text);
    let shown = async || got(org.client.post(at("shown")).json(&json!({ "user": user }))).await;
    let out = shown().await;
    assert_eq!(
        (out.status, &out.headers["access-control-allow-origin"]),
        (404, &"*".parse().expect("a value"))
    );
    org.salesforce.agent_sets(&user, "Online").expect("set");
    let online = org.salesforce.status("Online").expect("a status");
    let expected = json!({
        "statusId": online[..15], "statusApiName": "Online", "statusName": "Available",
    });
    assert_eq!(shown().await.json(), expected);
    let (status, _) = org.plays("status", json!({ "user": user, "status": online[..15] })).await;
    assert_eq!(status, 204, "ids of both lengths are known");
    assert_eq!(got(org.client.get(at("shown"))).await.status, 405);
}
