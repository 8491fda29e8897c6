//! The agent's side, live: each kind of news over each carrier, once, without a gap.

use crate::rig::listen::{By, Listener};
use crate::rig::plan::{API_KEY, Plan};
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, MASTER_KEY, Place, Signal, until, until_some};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sim::faults::Fault;
use state::{Location, Options, Store};
use std::time::{Duration, Instant, SystemTime};

crate::facts! {
    every_kind_of_news_arrives_over_every_carrier
    a_stream_goes_on_where_it_was_across_a_restart_and_a_kill
    several_people_are_candidates_until_an_agent_has_chosen
    an_agent_sees_their_own_calls_and_no_others
    a_stream_ends_with_its_token_and_its_key
    two_who_follow_at_once_see_the_same
}

const BOTH: [By; 2] = [By::Sse, By::WebSocket];

fn plan(place: Place) -> Plan {
    let quick = "[calls]\nsettle_for = \"150ms\"\n\n[streams]\nheartbeat = \"200ms\"\n";
    Line::with_salesforce().on(place).limit("timeout = \"600ms\"").section(quick)
}

async fn correct(line: &Line, call: &str, to: &str) {
    let body = json!({ "callId": call, "newExternalId": to, "reason": "the caller said so" });
    let answer = line.post("/api/v1/genesys/update-context", &body).await;
    assert_eq!(answer["confirmed"], true, "{answer:?}");
}

async fn end(line: &Line, call: &str, agent: &str) {
    let event = json!({
        "type": "callEnded", "callId": call, "startedAt": "2026-11-21T20:15:00Z", "userId": agent,
        "endedAt": "2026-11-21T20:18:05Z", "wrapUp": "Resolved", "talkMs": 150_000,
    });
    assert_eq!(line.post("/api/v1/genesys/events", &event).await.status, 202);
}

async fn starts(line: &Line, call: &str, agent: &str) {
    let event = json!({ "type": "callStarted", "callId": call, "userId": agent });
    assert_eq!(line.post("/api/v1/genesys/events", &event).await.status, 202);
}

fn of_call(call: &str) -> String {
    format!("/api/v1/calls/{call}/news")
}

fn of_agent(agent: &str) -> String {
    format!("/api/v1/agents/{agent}/news")
}

async fn token(line: &Line, agent: &str, call: Option<&str>) -> String {
    let body = json!({ "agent": agent, "callId": call });
    let answer = line.post("/api/v1/agent-tokens", &body).await;
    answer["token"].as_str().expect("a token").to_owned()
}

fn bearer(text: &str) -> String {
    format!("Bearer {text}")
}

fn kinds(answer: &Answer) -> Vec<&str> {
    let news = answer["news"].as_array().expect("a list");
    news.iter().map(|one| one["type"].as_str().expect("a word")).collect()
}

async fn every_kind_of_news_arrives_over_every_carrier(place: Place) {
    let line = plan(place).start().await;
    let mut listeners = Vec::new();
    for by in BOTH {
        listeners.push(line.listen(by, &of_call("c1")).await);
        listeners.push(line.listen(by, &of_agent("agent-7")).await);
    }
    line.crm_does(Fault::Status { code: 503, body: None });
    let call =
        json!({ "toNumber": MARIA.1, "callId": "c1", "type": "outbound", "userId": "agent-7" });
    line.lookup(call).await.assert_by_number("partial");
    for listener in &mut listeners {
        let news = listener.news().await;
        assert_eq!((&news["type"], &news["call"]["callId"]), (&json!("identified"), &json!("c1")));
        assert_eq!(news["call"]["status"], "partial", "{news}");
    }
    line.crm_recovers();
    let (maria, jane) = (line.id_of(MARIA.2), line.id_of(JANE.2));
    for listener in &mut listeners {
        let news = listener.news().await;
        let call = &news["call"];
        assert_eq!((&news["type"], &call["externalId"]), (&json!("enriched"), &json!(maria)));
        assert_eq!((&call["name"], &call["status"]), (&json!(MARIA.0), &json!("hit")), "{news}");
        assert_eq!(call["outcome"]["endedAt"], "", "{news}");
    }
    correct(&line, "c1", &jane).await;
    for listener in &mut listeners {
        let news = listener.news().await;
        let said = (&news["type"], &news["call"]["externalId"], &news["call"]["name"]);
        assert_eq!(said, (&json!("context_changed"), &json!(jane), &json!(JANE.0)), "{news}");
    }
    end(&line, "c1", "agent-7").await;
    for listener in &mut listeners {
        let news = listener.news().await;
        let said = (&news["type"], &news["call"]["outcome"]["talkMs"]);
        assert_eq!(said, (&json!("ended"), &json!(150_000)), "{news}");
    }
    let all = ["identified", "enriched", "context_changed", "ended"];
    for path in [of_call("c1"), of_agent("agent-7")] {
        let asked = line.get(&path).await;
        assert_eq!(kinds(&asked), all, "{asked:?}");
        assert_eq!((&asked["more"], &asked["reset"]), (&json!(false), &json!(false)));
        // Whoever comes later reads the same, also by another carrier.
        for by in BOTH {
            assert_eq!(line.listen(by, &path).await.kinds(4).await, all);
        }
    }
}

/// Ids and kinds that a listener tells until it has told so many.
async fn ids(listener: &mut Listener, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let news = listener.news().await;
        assert_ne!(news["type"], "reset", "{news}");
        ids.push(news["id"].as_str().expect("an id").parse().expect("a number"));
    }
    ids
}

async fn a_stream_goes_on_where_it_was_across_a_restart_and_a_kill(place: Place) {
    let mut line = plan(place).start().await;
    let (john, jane) = (line.id_of(JOHN.2), line.id_of(JANE.2));
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c1" })).await.assert_hit("crm");
    let mut seen = Vec::new();
    let mut listener = line.listen(By::WebSocket, &of_call("c1")).await;
    seen.extend(ids(&mut listener, 1).await);
    drop(listener);
    // While nobody listens, and then the server dies between commit and telling.
    correct(&line, "c1", &jane).await;
    correct(&line, "c1", &john).await;
    line.kill().await;
    line.start_server().await;
    correct(&line, "c1", &jane).await;
    for by in BOTH {
        let path = format!("{}?after={}", of_call("c1"), seen[0]);
        let mut listener = line.listen(by, &path).await;
        let mut rest = ids(&mut listener, 2).await;
        // Where the address is old and the header is new, the header counts.
        let last = rest[1].to_string();
        let key = bearer(API_KEY);
        let headers = [("authorization", key.as_str()), ("last-event-id", last.as_str())];
        let mut listener = line.listen_with(by, &path, &headers).await;
        rest.extend(ids(&mut listener, 1).await);
        seen.truncate(1);
        seen.extend(rest);
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }
    line.restart().await;
    let asked = line.get(&of_call("c1")).await;
    let all: Vec<_> = asked["news"].as_array().expect("a list").iter().map(|n| &n["id"]).collect();
    let seen: Vec<_> = seen.iter().map(|id| json!(id.to_string())).collect();
    assert_eq!(all, seen.iter().collect::<Vec<_>>(), "none is missing and none came twice");
}

async fn several_people_are_candidates_until_an_agent_has_chosen(place: Place) {
    let line = plan(place).lookup("match", "ambiguous").start().await;
    let mut listener = line.listen(By::Sse, &of_call("c1")).await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c1" }))
        .await
        .assert_by_number("ambiguous");
    let news = listener.news().await;
    assert_eq!(news["type"], "candidates", "{news}");
    let (john, jane) = (line.id_of(JOHN.2), line.id_of(JANE.2));
    let candidates = news["call"]["candidates"].as_array().expect("a list");
    let named: Vec<_> = candidates.iter().map(|one| (&one["externalId"], &one["name"])).collect();
    let expected = [(json!(john), json!(JOHN.0)), (json!(jane), json!(JANE.0))];
    assert!(named.len() == 2 && expected.iter().all(|(id, n)| named.contains(&(id, n))), "{news}");
    correct(&line, "c1", &jane).await;
    let news = listener.news().await;
    assert_eq!(news["type"], "context_changed");
    assert_eq!(news["call"]["candidates"], json!([]), "there is nothing left to choose");
}

async fn an_agent_sees_their_own_calls_and_no_others(place: Place) {
    let line = plan(place).start().await;
    let own = token(&line, "agent-7", None).await;
    let foreign = token(&line, "agent-8", None).await;
    let for_call = token(&line, "agent-8", Some("c1")).await;
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await.assert_hit("crm");
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c2" })).await.assert_hit("crm");
    let in_address = |path: &str, token: &str| format!("{path}?access_token={token}");
    let mut agent = line.listen_with(By::Sse, &in_address(&of_agent("agent-7"), &own), &[]).await;
    // The screen pops when the agent is named, however long ago the call was identified.
    starts(&line, "c1", "agent-7").await;
    let news = agent.news().await;
    let said = (&news["type"], &news["call"]["callId"], &news["call"]["name"]);
    assert_eq!(said, (&json!("identified"), &json!("c1"), &json!(MARIA.0)), "{news}");
    correct(&line, "c2", &line.id_of(JANE.2)).await;
    correct(&line, "c1", &line.id_of(JOHN.2)).await;
    let news = agent.news().await;
    let said = (&news["type"], &news["call"]["callId"]);
    assert_eq!(said, (&json!("context_changed"), &json!("c1")), "of c2 not a word: {news}");
    for by in BOTH {
        let opens = async |path: String, token: &str| {
            let by_address = line.try_listen(by, &in_address(&path, token), &[]).await.map(drop);
            let by_header = [("authorization", &*bearer(token))];
            let by_header = line.try_listen(by, &path, &by_header).await.map(drop);
            assert_eq!(by_address, by_header);
            by_header.err().unwrap_or(200)
        };
        assert_eq!(opens(of_agent("agent-7"), &own).await, 200);
        assert_eq!(opens(of_call("c1"), &own).await, 200, "a call of theirs");
        assert_eq!(opens(of_call("c1"), &for_call).await, 200, "the token's own call");
        assert_eq!(opens(of_call("c2"), &own).await, 403);
        assert_eq!(opens(of_call("c2"), &for_call).await, 403);
        assert_eq!(opens(of_agent("agent-8"), &own).await, 403);
        assert_eq!(opens(of_agent("agent-8"), &for_call).await, 403, "it is for one call alone");
        assert_eq!(opens(of_call("c1"), &foreign).await, 403);
        assert_eq!(opens(of_call("c1"), "tt_made.up").await, 401);
        // No key stands in an address.
        let keyed = line.try_listen(by, &in_address(&of_call("c1"), API_KEY), &[]).await;
        assert_eq!(keyed.err(), Some(401));
    }
    let asked = line.http.get(line.url(&of_call("c2"))).bearer_auth(&own);
    let refused = Answer::of(asked).await;
    assert_eq!((refused.status, &refused["error"]["code"]), (403, &json!("stream.not_yours")));
    assert!(!line.log().contains(&own), "no token lies in the log");
}

async fn a_stream_ends_with_its_token_and_its_key(place: Place) {
    let line = plan(place).start().await;
    let body = json!({ "name": "wall", "scopes": ["read", "agents"] });
    let key = line.post("/api/v1/api-keys", &body).await;
    let text = key["key"].as_str().expect("a key");
    let issued = line.http.post(line.url("/api/v1/agent-tokens")).bearer_auth(text);
    let issued = Answer::of(issued.json(&json!({ "agent": "agent-7" }))).await;
    let own = issued["token"].as_str().expect("a token");
    let mut listeners = Vec::new();
    for by in BOTH {
        for credential in [text, own] {
            let headers = [("authorization", &*bearer(credential))];
            listeners.push(line.listen_with(by, &of_agent("agent-7"), &headers).await);
        }
    }
    for listener in &mut listeners {
        let beat = listener.message().await.expect("a sign of life");
        assert_eq!((&beat["type"], beat["id"].is_string()), (&json!("heartbeat"), true));
    }
    let id = key["id"].as_str().expect("an id");
    let url = line.url(&format!("/api/v1/api-keys/{id}"));
    let revoked = Answer::of(line.http.delete(url).bearer_auth(API_KEY)).await;
    assert!(revoked.status < 300, "{revoked:?}");
    let begun = Instant::now();
    for listener in &mut listeners {
        let closed = listener.closed().await;
        assert_eq!(
            (&closed["code"], &closed["retryAfterMs"]),
            (&json!("auth.key_revoked"), &json!(0))
        );
        assert!(listener.close_code().is_none_or(|code| code == 1008));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "within a heartbeat, not some time");
}

async fn two_who_follow_at_once_see_the_same(place: Place) {
    const CALLS: usize = 12;
    let line = plan(place).start().await;
    let mut listeners = Vec::new();
    for by in BOTH {
        listeners.push(line.listen(by, &of_agent("agent-7")).await);
    }
    for n in 0..CALLS {
        let call = json!({ "fromNumber": MARIA.1, "callId": format!("c{n}"), "userId": "agent-7" });
        line.lookup(call).await.assert_whole();
        if n == CALLS / 2 {
            // One more joins in the middle, and must see what was before.
            listeners.push(line.listen(By::WebSocket, &of_agent("agent-7")).await);
        }
    }
    for listener in &mut listeners {
        for n in 0..CALLS {
            let news = listener.news().await;
            assert_eq!(news["call"]["callId"], format!("c{n}"), "in order, each once");
        }
    }
}

#[tokio::test]
async fn asking_again_costs_nothing_until_there_is_news() {
    let line = plan(Place::disk()).start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c1" })).await.assert_hit("crm");
    let ask = async |after: &str, tag: Option<&str>| {
        let url = line.url(&format!("{}?after={after}", of_call("c1")));
        let mut request = line.http.get(url).bearer_auth(API_KEY);
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        request.send().await.expect("an answer")
    };
    let first = ask("", None).await;
    let header = |answer: &reqwest::Response, name: &str| {
        answer.headers()[name].to_str().expect("text").to_owned()
    };
    let (tag, next) = (header(&first, "etag"), header(&first, "last-event-id"));
    let body: Value = first.json().await.expect("JSON");
    assert_eq!((body["news"].as_array().map(Vec::len), &body["next"]), (Some(1), &json!(next)));
    let again = ask("", Some(&tag)).await;
    assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.clone()));
    let nothing = ask(&next, None).await;
    let tag_of_nothing = header(&nothing, "etag");
    assert_eq!(nothing.json::<Value>().await.expect("JSON")["news"], json!([]));
    // News of others: nothing new here, but a place that rises.
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c2" })).await.assert_hit("crm");
    let still = ask(&next, Some(&tag_of_nothing)).await;
    assert_eq!(still.status().as_u16(), 304);
    assert_ne!(header(&still, "last-event-id"), next);
    correct(&line, "c1", &line.id_of(JANE.2)).await;
    let changed = ask(&next, Some(&tag_of_nothing)).await;
    assert_eq!(changed.status().as_u16(), 200);
    let body: Value = changed.json().await.expect("JSON");
    assert_eq!(body["news"][0]["type"], "context_changed", "{body}");
    // An id of another world: all that is kept, and a word that it is.
    let odd = ask("999999", None).await.json::<Value>().await.expect("JSON");
    assert_eq!((&odd["reset"], odd["news"].as_array().map(Vec::len)), (&json!(true), Some(2)));
    let wrong = line.get(&format!("{}?after=soon", of_call("c1"))).await;
    assert_eq!((wrong.status, &wrong["error"]["at"]), (400, &json!("after")));
}

#[tokio::test]
async fn an_id_that_is_not_kept_is_told_so_before_all_that_is() {
    let line = plan(Place::disk()).start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c1" })).await.assert_hit("crm");
    for by in BOTH {
        let mut listener = line.listen(by, &format!("{}?after=4711", of_call("c1"))).await;
        assert_eq!(listener.kinds(2).await, ["reset", "identified"]);
        // And goes on as if nothing had been.
        assert_eq!(listener.message().await.expect("a sign of life")["type"], "heartbeat");
    }
}

#[tokio::test]
async fn streams_end_at_once_when_the_server_stops_and_say_when_to_come_back() {
    let mut line = plan(Place::disk()).start().await;
    let mut listeners = Vec::new();
    for by in BOTH {
        listeners.push(line.listen(by, &of_call("c1")).await);
    }
    line.signal(Signal::Term);
    let begun = Instant::now();
    for listener in &mut listeners {
        let closed = listener.closed().await;
        assert_eq!(closed["code"], "stream.stopping", "{closed}");
        assert!(closed["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{closed}");
        assert!(listener.close_code().is_none_or(|code| code == 1012));
    }
    assert_eq!(line.server().ended().await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waited for the drain time");
}

#[tokio::test]
async fn more_streams_than_may_be_are_refused_and_calls_go_on() {
    let few = "[streams]\nmax = 2\nheartbeat = \"200ms\"\n";
    let line = Line::with_salesforce().section(few).start().await;
    let one = line.listen(By::Sse, &of_call("c1")).await;
    let other = line.listen(By::WebSocket, &of_call("c1")).await;
    let key = bearer(API_KEY);
    let headers = [("authorization", key.as_str()), ("accept", "text/event-stream")];
    for by in BOTH {
        let refused = line.try_listen(by, &of_call("c1"), &headers[..1]).await;
        assert_eq!(refused.err(), Some(503));
    }
    let mut request = line.http.get(line.url(&of_call("c1")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let refused = request.send().await.expect("an answer");
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body["error"]["code"], "stream.too_many", "{body}");
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c1" })).await.assert_hit("crm");
    assert_eq!(kinds(&line.get(&of_call("c1")).await), ["identified"]);
    let open = async |count: u32| {
        let metrics = Answer::of(line.http.get(line.url("/metrics"))).await;
        let text = metrics.body.as_str().expect("text").to_owned();
        text.lines().any(|line| line == format!("tieline_streams {count}"))
    };
    assert!(open(2).await);
    // Their places are free once they are gone.
    drop((one, other));
    until("both are counted out", async || open(0).await).await;
    until("there is room again", async || {
        line.try_listen(By::WebSocket, &of_call("c1"), &headers[..1]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_browsers_ways_to_pass_a_token_are_taken_and_a_remembered_password_is_not() {
    let line = plan(Place::disk()).start().await;
    let own = token(&line, "agent-7", None).await;
    let offered = format!("tieline.v1, token.{own}");
    let headers = [("sec-websocket-protocol", offered.as_str()), ("origin", "https://crm.example")];
    let mut listener = line.listen_with(By::WebSocket, &of_agent("agent-7"), &headers).await;
    assert_eq!(listener.message().await.expect("a sign of life")["type"], "heartbeat");
    let basic = "Basic eDphLWtleS1mb3ItdGVzdHMtMDEyMzQ1Njc4OQ==";
    for by in BOTH {
        let plain = line.try_listen(by, &of_call("c1"), &[("authorization", basic)]).await;
        assert!(plain.is_ok(), "a program may");
        let headers = [("authorization", basic), ("origin", "https://evil.example")];
        let from_a_page = line.try_listen(by, &of_call("c1"), &headers).await;
        assert_eq!(from_a_page.err(), Some(401), "a page that was given nothing may not");
    }
    // In addresses of anything else no token counts.
    let elsewhere = line.http.get(line.url(&format!("/api/v1/calls?access_token={own}")));
    assert_eq!(Answer::of(elsewhere).await.status, 401);
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_no_memory_and_misses_nothing() {
    const CALLS: usize = 60;
    let line = plan(Place::disk()).start().await;
    let mut slow = line.listen(By::WebSocket, &of_agent("agent-7")).await;
    // More than may wait for one who follows.
    for n in 0..CALLS {
        let call = json!({ "fromNumber": MARIA.1, "callId": format!("c{n}"), "userId": "agent-7" });
        line.lookup(call).await.assert_whole();
    }
    for n in 0..CALLS {
        assert_eq!(slow.news().await["call"]["callId"], format!("c{n}"));
    }
    let asked = until_some("asked for in parts", async || {
        let first = line.get(&of_agent("agent-7")).await;
        (first["news"].as_array().map(Vec::len) == Some(CALLS)).then_some(first)
    })
    .await;
    assert_eq!(asked["more"], false);
}

/// A token of that server that ends so soon as none is issued.
async fn token_that_ends(line: &mut Line, after: Duration) -> String {
    let keys = line.get("/api/v1/api-keys").await;
    let key = keys.body[0]["id"].as_str().expect("the file's key").to_owned();
    assert_eq!(line.stop().await, Some(0));
    let location: Location = line.place.location().parse().expect("a location");
    let master = MASTER_KEY.parse().expect("a key");
    let store = Store::open(&location, &master, Options::default()).await.expect("opened");
    let signs = hmac::Key::new(hmac::HMAC_SHA256, &store.derived_key("access tokens")[..]);
    store.close().await;
    line.start_server().await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let ends = u64::try_from((now + after).as_millis()).expect("a time");
    let claims = json!({ "k": key, "s": "agent", "e": ends, "a": "agent-7" }).to_string();
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&signs, claims.as_bytes()));
    format!("tt_{claims}.{signature}")
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does_and_not_at_the_next_heartbeat() {
    let slow = "[streams]\nheartbeat = \"1h\"\n";
    let mut line = Line::with_salesforce().section(slow).start().await;
    let own = token_that_ends(&mut line, Duration::from_secs(5)).await;
    let credential = bearer(&own);
    let mut listeners = Vec::new();
    for by in BOTH {
        let headers = [("authorization", credential.as_str())];
        listeners.push(line.listen_with(by, &of_agent("agent-7"), &headers).await);
    }
    for listener in &mut listeners {
        let closed = listener.closed().await;
        assert_eq!(closed["code"], "auth.token_expired", "{closed}");
        assert!(listener.close_code().is_none_or(|code| code == 1008));
    }
    let again = [("authorization", credential.as_str())];
    assert_eq!(line.try_listen(By::Sse, &of_agent("agent-7"), &again).await.err(), Some(401));
}
