//! Bad input is told in one shape, stores nothing and shows up in no log.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, Line, MARIA};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Said nowhere but in a request.
const CANARY: &str = "canary5417person";
const CANARY_NUMBER: &str = "+12125550177";

/// In the house's shape, with a page that is there.
async fn assert_refused(line: &Line, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = &answer["error"];
    assert_eq!(error["code"], code, "{answer:?}");
    for key in ["message", "at", "fix", "docs"] {
        assert!(error[key].is_string(), "{key}: {answer:?}");
    }
    assert!(!error["message"].as_str().unwrap_or_default().is_empty(), "{answer:?}");
    assert!(!error["fix"].as_str().unwrap_or_default().is_empty(), "{answer:?}");
    let page = error["docs"].as_str().expect("checked above");
    let page = Answer::of(line.http.get(line.url(page))).await;
    assert_eq!(page.status, 200, "{answer:?}");
    assert!(page.body.as_str().is_some_and(|text| text.contains(code)), "{page:?}");
    assert!(!answer.body.to_string().contains(CANARY), "the body is not repeated: {answer:?}");
}

/// Nothing is stored, nothing is left to do, and nothing of a body is in the log.
async fn assert_nothing_happened(line: &Line) {
    assert_eq!(line.calls().await, Vec::<Value>::new());
    assert_eq!(line.jobs().await, Vec::<Value>::new());
    assert_eq!(line.get("/healthz").await.status, 200);
    let log = line.log();
    for canary in [CANARY, CANARY_NUMBER, "2125550177", API_KEY] {
        assert!(!log.contains(canary), "{canary} is in the log:\n{log}");
    }
}

async fn debugging() -> Line {
    Line::with_salesforce().log_level("debug").start().await
}

fn raw(line: &Line, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let request = line.http.post(line.url("/api/v1/genesys/lookup")).bearer_auth(API_KEY);
    request.header("content-type", "application/json").body(body)
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let line = debugging().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_field =
        format!(r#"{{"callId":"{CANARY}","extra":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(9_000), "}".repeat(9_000));
    for body in [
        String::new(),
        "{".to_owned(),
        format!("{{\"callId\":\"{CANARY}\""),
        format!("{{\"callId\":\"{CANARY}\"}} trailing"),
        format!("{{\"callId\": {CANARY}}}"),
        format!("callId={CANARY}"),
        "null".to_owned(),
        "[]".to_owned(),
        format!("\"{CANARY}\""),
        format!("{{\"callId\":\"{CANARY}\",\"callId\":\"{CANARY}\"}}"),
        format!("{{\"callId\":\"{CANARY}\\ud800\"}}"),
        deep,
        deep_field,
        deep_objects,
    ] {
        let begins: String = body.chars().take(60).collect();
        let answer = Answer::of(raw(&line, body)).await;
        assert_eq!(answer.status, 400, "{begins}…");
        assert_refused(&line, &answer, 400, "request.body_invalid").await;
    }
    let latin = format!("{{\"callId\":\"{CANARY}\u{e9}").into_bytes();
    let mut latin: Vec<u8> = latin[..latin.len() - 2].to_vec();
    latin.extend(*b"\xe9\"}");
    let answer = Answer::of(raw(&line, latin)).await;
    assert_refused(&line, &answer, 400, "request.body_invalid").await;
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn a_field_of_a_wrong_type_is_refused() {
    let line = debugging().await;
    for (key, value) in [
        ("callId", json!(7)),
        ("callId", json!({ "id": CANARY })),
        ("callId", json!([CANARY])),
        ("fromNumber", json!(15_550_199_999_u64)),
        ("fromNumber", json!([CANARY_NUMBER])),
        ("toNumber", json!({})),
        ("email", json!(true)),
        ("type", json!(1)),
        ("mediaType", json!(["voice"])),
        ("queueId", json!(1.5)),
        ("userId", json!({ "id": CANARY })),
        ("externalId", json!(false)),
    ] {
        let mut body = json!({ "fromNumber": CANARY_NUMBER, "callId": CANARY });
        body[key] = value;
        let answer = line.lookup(body).await;
        assert_refused(&line, &answer, 400, "request.body_invalid").await;
    }
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn a_call_without_a_usable_id_is_refused() {
    let line = debugging().await;
    let mut bodies = vec![json!({ "fromNumber": CANARY_NUMBER })];
    let ids = [
        json!(null),
        json!(""),
        json!("   "),
        json!("a b"),
        json!("ä"),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("💥"),
        json!("x".repeat(129)),
        json!("x".repeat(60_000)),
    ];
    bodies.extend(ids.map(|id| json!({ "fromNumber": CANARY_NUMBER, "callId": id })));
    for body in bodies {
        let answer = line.lookup(body).await;
        assert_refused(&line, &answer, 400, "request.field_invalid").await;
        assert_eq!(answer["error"]["at"], "callId");
    }
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn a_word_outside_its_set_is_refused_by_name() {
    let line = debugging().await;
    for (key, value) in [("type", "sideways"), ("mediaType", "telepathy"), ("type", CANARY)] {
        let body = json!({ "fromNumber": CANARY_NUMBER, "callId": "w", key: value });
        let answer = line.lookup(body).await;
        assert_refused(&line, &answer, 400, "request.field_invalid").await;
        assert_eq!(answer["error"]["at"], key);
    }
    for key in ["fromNumber", "toNumber", "email", "queueId", "userId", "externalId"] {
        let mut body = json!({ "callId": "w" });
        body[key] = json!(CANARY.repeat(100));
        let answer = line.lookup(body).await;
        assert_refused(&line, &answer, 400, "request.field_invalid").await;
        assert_eq!(answer["error"]["at"], key);
    }
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn null_and_unknown_fields_are_no_mistakes() {
    let line = debugging().await;
    let body = json!({
        "fromNumber": MARIA.1, "toNumber": null, "callId": "nulls", "type": null, "mediaType": null,
        "queueId": null, "userId": null, "email": null, "externalId": null,
        "somethingElse": { "nested": [1, 2, 3] },
    });
    let answer = line.lookup(body).await;
    assert_eq!((answer.status, &answer["name"]), (200, &json!(MARIA.0)));
    let empty = json!({
        "fromNumber": MARIA.1, "toNumber": "", "callId": "empty", "type": "", "mediaType": "",
        "queueId": "", "userId": "", "email": "", "externalId": "",
    });
    let answer = line.lookup(empty).await;
    assert_eq!((&answer["name"], &answer["warnings"]), (&json!(MARIA.0), &json!([])));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let line = debugging().await;
    let large = json!({ "callId": "x", "extra": CANARY.repeat(10_000) }).to_string();
    let answer = Answer::of(raw(&line, large.clone())).await;
    assert_refused(&line, &answer, 413, "request.body_too_large").await;
    let answer = Answer::of(raw(&line, large).header("X-Padding", "y".repeat(1_000))).await;
    assert_refused(&line, &answer, 413, "request.body_too_large").await;
    // Without a length, piece by piece.
    let body = format!("{{\"callId\":\"{}\"}}", "x".repeat(100_000));
    let chunked = body.as_bytes().chunks(9_000);
    let mut request =
        b"POST /api/v1/genesys/lookup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            .to_vec();
    request.extend(
        format!("Authorization: Bearer {API_KEY}\r\nTransfer-Encoding: chunked\r\n\r\n").bytes(),
    );
    for chunk in chunked {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    let answer = spoken(&line, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request.body_too_large"), "{answer}");
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let line = debugging().await;
    let body = json!({ "fromNumber": CANARY_NUMBER, "callId": CANARY }).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonish", ""] {
        let request = line.http.post(line.url("/api/v1/genesys/lookup")).bearer_auth(API_KEY);
        let answer = Answer::of(request.header("content-type", kind).body(body.clone())).await;
        assert_refused(&line, &answer, 415, "request.media_type").await;
    }
    assert_nothing_happened(&line).await;
    let request = line.http.post(line.url("/api/v1/genesys/lookup")).bearer_auth(API_KEY);
    let kind = "Application/JSON; charset=utf-8";
    let answer = Answer::of(request.header("content-type", kind).body(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn without_a_known_key_nothing_is_answered() {
    let line = debugging().await;
    let body = json!({ "fromNumber": CANARY_NUMBER, "callId": "k" });
    let ask = || line.http.post(line.url("/api/v1/genesys/lookup")).json(&body);
    for request in [
        ask(),
        ask().header("Authorization", ""),
        ask().header("Authorization", "Bearer"),
        ask().header("Authorization", "Bearer "),
        ask().header("Authorization", format!("Basic {API_KEY}")),
        ask().header("X-API-Key", ""),
        ask().query(&[("key", API_KEY)]),
    ] {
        let answer = Answer::of(request).await;
        assert_refused(&line, &answer, 401, "auth.key_missing").await;
    }
    let longer = format!("{API_KEY}x");
    for key in ["demo", CANARY, &API_KEY[1..], &longer, &API_KEY.to_uppercase()] {
        for request in [ask().bearer_auth(key), ask().header("X-API-Key", key)] {
            let answer = Answer::of(request).await;
            assert_refused(&line, &answer, 401, "auth.key_unknown").await;
        }
    }
    let odd = ask()
        .header("X-API-Key", reqwest::header::HeaderValue::from_bytes(b"\xff\xfe").expect("bytes"));
    assert_eq!(Answer::of(odd).await.status, 401);
    for (method, path) in [
        ("GET", "/api/v1/calls"),
        ("GET", "/api/v1/calls/k"),
        ("GET", "/api/v1/jobs"),
        ("POST", "/api/v1/jobs/redrive"),
        ("POST", "/api/v1/jobs/1/redrive"),
        ("POST", "/api/v1/connections/check"),
        ("POST", "/api/v1/store/backup"),
    ] {
        let method = method.parse().expect("a method");
        let answer = Answer::of(line.http.request(method, line.url(path))).await;
        assert_refused(&line, &answer, 401, "auth.key_missing").await;
    }
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn an_address_or_method_that_is_not_there_is_told_in_the_same_shape() {
    let line = debugging().await;
    for path in [
        "/nothing",
        "/api",
        "/api/v1/nothing",
        "/api/v2/genesys/lookup",
        "/docs/errors/no.such",
        "/%F0%9F",
    ] {
        let answer = line.get(path).await;
        assert_refused(&line, &answer, 404, "request.no_route").await;
    }
    for (method, path) in [
        ("GET", "/api/v1/genesys/lookup"),
        ("DELETE", "/api/v1/calls"),
        ("PUT", "/api/v1/genesys/lookup"),
        ("POST", "/healthz"),
    ] {
        let method = method.parse().expect("a method");
        let request = line.http.request(method, line.url(path)).bearer_auth(API_KEY);
        assert_refused(&line, &Answer::of(request).await, 405, "request.no_method").await;
    }
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn odd_queries_and_paths_are_told_in_the_same_shape() {
    let line = debugging().await;
    for path in [
        "/api/v1/calls?limit=many",
        "/api/v1/calls?limit=-1",
        "/api/v1/jobs?limit=1e9",
        "/api/v1/jobs?state=sleeping",
        "/api/v1/jobs/abc/redrive",
        "/api/v1/jobs/99999999999999999999/redrive",
        "/api/v1/calls/unknown",
        "/api/v1/calls/%ff",
        "/api/v1/calls/%00",
        "/docs/errors/%ff",
    ] {
        let answer = match path.ends_with("redrive") {
            true => line.post(path, &json!({})).await,
            false => line.get(path).await,
        };
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        let code = answer["error"]["code"].as_str().unwrap_or_default().to_owned();
        assert!(!code.is_empty(), "{path} is not in the error's shape: {answer:?}");
        assert_refused(&line, &answer, answer.status, &code).await;
    }
    assert_nothing_happened(&line).await;
}

#[tokio::test]
async fn every_code_has_its_page_at_its_address() {
    let line = debugging().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
    let mut pages = 0;
    for page in std::fs::read_dir(folder).expect("the pages") {
        let page = page.expect("an entry").path();
        let code = page.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let served = Answer::of(line.http.get(line.url(&format!("/docs/errors/{code}")))).await;
        let written = std::fs::read_to_string(&page).expect("a page");
        assert_eq!((served.status, served.body.as_str()), (200, Some(written.as_str())), "{code}");
        pages += 1;
    }
    assert!(pages > 10, "{pages} pages");
}

#[tokio::test]
async fn a_backup_to_nowhere_is_refused() {
    let line = debugging().await;
    let there = line.folder.write("there", "not a backup");
    for path in ["/nowhere/at/all/backup.db", there.to_str().expect("a path")] {
        let answer = line.post("/api/v1/store/backup", &json!({ "path": path })).await;
        assert_refused(&line, &answer, 409, "store.backup_failed").await;
    }
    assert_eq!(std::fs::read_to_string(there).expect("the file"), "not a backup");
    for body in [json!({}), json!({ "path": 7 }), json!([])] {
        let answer = line.post("/api/v1/store/backup", &body).await;
        assert_refused(&line, &answer, 400, "request.body_invalid").await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_hung_up_on_and_the_next_is_served() {
    let line = debugging().await;
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"HELLO\r\n\r\n",
        b"POST /api/v1/genesys/lookup HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/genesys/lookup HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"\r\n\r\n\r\n\r\n\0\0\0\0",
    ] {
        let answer = spoken(&line, garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut head = b"GET /healthz HTTP/1.1\r\n".to_vec();
    head.extend(format!("X-Long: {}\r\n\r\n", "x".repeat(200_000)).bytes());
    let answer = spoken(&line, &head).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_nothing_happened(&line).await;
}

/// What comes back for these bytes, until the server hangs up or half a second
/// after its first word.
async fn spoken(line: &Line, bytes: &[u8]) -> String {
    let address = line.url("").replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    // It may hang up in the middle of what we say.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let reading = async {
        let mut piece = [0; 4_096];
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..read]);
            if answer.starts_with(b"HTTP/1.1") && answer.ends_with(b"}") {
                break;
            }
        }
    };
    let bound = std::time::Duration::from_secs(5);
    tokio::time::timeout(bound, reading).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn no_customer_is_named_in_a_log_whatever_happens() {
    let line = debugging().await;
    let call = json!({ "fromNumber": MARIA.1, "email": MARIA.2, "callId": "quiet" });
    line.lookup(call).await.assert_hit("crm");
    for fault in [
        sim::faults::Fault::Html200,
        sim::faults::Fault::Reset,
        sim::faults::Fault::Unauthorized,
        sim::faults::Fault::Throttled,
        sim::faults::Fault::Status {
            code: 400,
            body: Some(format!("[{{\"errorCode\":\"X\",\"message\":\"{CANARY}\"}}]")),
        },
    ] {
        line.crm_does(fault);
        line.call_from(CANARY_NUMBER).await.assert_by_number("partial");
        line.crm_recovers();
    }
    let log = line.log();
    let secrets = ["sim-consumer-secret", API_KEY, crate::rig::MASTER_KEY, "Bearer "];
    let people = [MARIA.1, "5550198888", MARIA.2, "Garcia", CANARY, CANARY_NUMBER, "2125550177"];
    for canary in people.into_iter().chain(secrets) {
        assert!(!log.contains(canary), "{canary} is in the log:\n{log}");
    }
}
