//! What Asterisk and FreeSWITCH send and can read, over HTTP.

use super::decided::{put_rules_in_force, sections};
use crate::rig::plan::API_KEY;
use crate::rig::{JOHN, Line, MARIA, STRANGER};
use connectors::sql::sim::{Config, Planted};
use serde_json::json;
use std::collections::BTreeMap;
use tokio::io::AsyncWriteExt as _;

async fn line(planted: &Planted) -> Line {
    let uri_of = |name: &str| format!("sip:{name}@192.0.2.20:5060;transport=tcp");
    let line = Line::with_salesforce().lookup("match", "first");
    let line = line.section(&sections(planted, uri_of)).start().await;
    put_rules_in_force(&line).await;
    line
}

/// Status, type of content and body.
type Said = (u16, String, String);

async fn said(request: reqwest::RequestBuilder) -> Said {
    let answer = request.send().await.expect("an answer");
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    (answer.status().as_u16(), kind, answer.text().await.expect("text"))
}

/// A form with the login that `CURLOPT(userpwd)` and `gateway-credentials` make.
async fn posted(line: &Line, path: &str, form: &str) -> Said {
    let request = line.http.post(line.url(path)).basic_auth("switch", Some(API_KEY));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    said(request.body(form.to_owned())).await
}

/// As `func_curl` takes a body apart: at `&`, at the first `=`, and a `+` is a `+`.
fn hash(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').expect("a pair"));
    let plain = |text: &str| {
        let decoded = text.replace('+', "%2B");
        let decoded = reqwest::Url::parse(&format!("form:?x={decoded}")).expect("an address");
        decoded.query_pairs().next().expect("one").1.into_owned()
    };
    pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_is_told_in_pairs() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = line(&planted).await;
    let path = "/api/v1/routing/asterisk";
    let ask = async |ani: &str| {
        let form = format!("did=%2B15550190000&ani={ani}&callId=call%20{ani}%40192.0.2.30");
        posted(&line, path, &form.replace("%20", "-")).await
    };
    for (ani, queue, uri, status) in [
        (JOHN.1, "Premium Support", "premium", "matched"),
        (MARIA.1, "Billing", "billing", "matched"),
        (STRANGER, "General", "general", "default"),
        ("", "General", "general", "default"),
        ("anonymous", "General", "general", "default"),
    ] {
        let (code, kind, text) = ask(&ani.replace('+', "%2B")).await;
        assert_eq!((code, kind.as_str()), (200, "text/plain; charset=utf-8"), "{text}");
        let hash = hash(&text);
        let uri = format!("sip:{uri}@192.0.2.20:5060;transport=tcp");
        let told = ["destinationType", "destination", "destinationUri", "status"];
        let told = told.map(|name| hash[name].as_str());
        assert_eq!(told, ["queue", queue, uri.as_str(), status], "{ani}: {text}");
        assert!(!text.contains(['\n', ' ', '+']) && !text.contains("loyaltyTier"), "{text}");
    }
    // Where nothing hangs, every name is there all the same.
    let (code, _, text) = posted(&line, path, "ivrOption=Main%20menu%2F1&callId=option-1").await;
    assert_eq!((code, hash(&text)["destinationType"].as_str()), (200, ""), "{text}");
    let asked = format!("{path}?did=%2B15550190000&ani=%2B15550199999&callId=by-get");
    let by_get = said(line.http.get(line.url(&asked)).header("x-api-key", API_KEY)).await;
    assert_eq!(hash(&by_get.2)["destination"], "Premium Support", "{by_get:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asterisk_cannot_use_has_no_field_that_it_reads() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = line(&planted).await;
    let path = "/api/v1/routing/asterisk";
    let long = format!("did={}&callId=long", "9".repeat(70_000));
    let often = "callId=a&".repeat(5_000);
    for (form, status) in [
        ("", 400),
        ("did=%2B15550190000", 400),
        ("did=%2B15550190000&callId=a%20b", 400),
        ("did=%2B15550190000&callId=%00", 400),
        ("did=%FF%FE&callId=%C3%28", 400),
        (&long, 413),
    ] {
        let (code, _, text) = posted(&line, path, form).await;
        assert_eq!(code, status, "{form:.60}: {text}");
        assert!(!text.contains("destination"), "{text}");
    }
    // Without an entry a call goes to the default of all, and here there is none; with two, the
    // option counts, and at this one nothing hangs.
    for form in ["callId=neither", "did=%2B15550190000&ivrOption=a&callId=both", &often] {
        let (code, _, text) = posted(&line, path, form).await;
        assert_eq!((code, hash(&text)["destination"].as_str()), (200, ""), "{text}");
    }
    let form = "did=%2B15550190000&ani=%27%20OR%201%3D1&callId=odd&did=%2B1&=&&x";
    let (code, _, text) = posted(&line, path, form).await;
    assert_eq!((code, hash(&text)["destination"].as_str()), (200, "General"), "{text}");
    let keyless = said(line.http.post(line.url(path)).body("did=1&callId=2")).await;
    assert_eq!(keyless.0, 401, "{keyless:?}");
    let json = line.http.post(line.url(path)).bearer_auth(API_KEY);
    let json = said(json.header("content-type", "application/json").body("{}")).await;
    assert_eq!(json.0, 415, "{json:?}");
}

/// What `mod_xml_curl` posts of an inbound call, shortened by what nobody here reads.
fn channel(ani: &str, more: &str) -> String {
    let ani = ani.replace('+', "%2B");
    format!(
        "hostname=fs1&section=dialplan&tag_name=&key_name=&key_value=&Event-Name=REQUEST_PARAMS\
         &Core-UUID=f5d6a5a8-3b0c-4d8e-9c0a-0d6b1b1f3a11&FreeSWITCH-IPv4=192.0.2.40\
         &Event-Calling-Function=dialplan_xml_locate&Channel-State=CS_ROUTING\
         &Channel-Call-UUID=7a0b6f0e-1111-4a58-a1b0-3c3f6a6b2b01&Call-Direction=inbound\
         &Caller-Caller-ID-Number={ani}&Caller-ANI={ani}&Caller-Destination-Number=%2B15550190000\
         &Caller-Context=public&Caller-Privacy-Hide-Number=false\
         &variable_sip_call_id=a84b4c76e66710-{}%40192.0.2.30&variable_switch_r_sdp=v%3D0%0D%0A\
         &Hunt-Caller-ID-Number={ani}&Hunt-Destination-Number=%2B15550190000&Hunt-Context=public\
         &Hunt-Privacy-Hide-Number=false{more}",
        ani.len()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn freeswitch_is_told_by_a_dialplan() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = line(&planted).await;
    let path = "/api/v1/routing/freeswitch?profile=trunk";
    for (ani, queue, uri) in [
        (JOHN.1, "Premium Support", "premium"),
        (MARIA.1, "Billing", "billing"),
        (STRANGER, "General", "general"),
        ("anonymous", "General", "general"),
    ] {
        let (code, kind, text) = posted(&line, path, &channel(ani, "")).await;
        assert_eq!((code, kind.as_str()), (200, "text/xml; charset=utf-8"), "{text}");
        for part in [
            r#"<document type="freeswitch/xml">"#.to_owned(),
            r#"<section name="dialplan">"#.to_owned(),
            r#"<context name="public">"#.to_owned(),
            r#"application="set" data="tieline_asked=true"/>"#.to_owned(),
            format!(r#"application="set" data="tieline_destination={queue}"/>"#),
            format!(
                r#"application="bridge" data="sofia/trunk/sip:{uri}@192.0.2.20:5060;transport=tcp"/>"#
            ),
        ] {
            assert!(text.contains(&part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("loyaltyTier"), "{text}");
    }
    let is_found = async |form: String| {
        let (code, kind, text) = posted(&line, path, &form).await;
        assert_eq!((code, kind.as_str()), (200, "text/xml; charset=utf-8"), "{text}");
        !text.contains(r#"<result status="not found"/>"#)
    };
    assert!(is_found(channel(JOHN.1, "")).await);
    for other in [
        channel(JOHN.1, "").replace("section=dialplan", "section=directory"),
        channel(JOHN.1, "")
            .replace("Hunt-Destination-Number=%2B15550190000", "Hunt-Destination-Number=1000"),
        channel(JOHN.1, "&variable_tieline_asked=true"),
        channel(JOHN.1, "").replace("Context=public", "Context=%24%7Bx%7D"),
        channel(JOHN.1, "&variable_tieline_ivr_option=Main%20menu%2F1"),
        String::new(),
    ] {
        assert!(!is_found(other.clone()).await, "{other}");
    }
    let keyless = said(line.http.post(line.url(path)).body(channel(JOHN.1, ""))).await;
    assert_eq!(keyless.0, 401, "{keyless:?}");
}

/// By a parser that nobody here wrote: applications and data of its actions.
async fn actions(python: &str, document: &str) -> Vec<(String, String)> {
    const READ: &str = "import json,sys,xml.etree.ElementTree as E\n\
        root = E.fromstring(sys.stdin.buffer.read())\n\
        print(json.dumps([[a.get('application'), a.get('data')] for a in root.iter('action')]))";
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", READ]).stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut reader = command.spawn().expect("Python starts");
    let mut into = reader.stdin.take().expect("piped");
    into.write_all(document.as_bytes()).await.expect("it listens");
    drop(into);
    let read = reader.wait_with_output().await.expect("it ends");
    serde_json::from_slice(&read.stdout).unwrap_or_else(|_| panic!("no XML:\n{document}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialplan_stays_one_whatever_a_queue_is_called() {
    let Ok(python) = std::env::var("TIELINE_TEST_PYTHON") else {
        println!("skipped: TIELINE_TEST_PYTHON is not set");
        return;
    };
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = line(&planted).await;
    let odd = r#"A & "B" <'${system(id)}'> ]]> é"#;
    let chain = json!({ "rules": ["Gold"], "default": { "type": "queue", "option": odd } });
    let put = line.http.put(line.url("/api/v1/routing/items/chains/did:%2B15550190000"));
    assert_eq!(said(put.bearer_auth(API_KEY).json(&chain)).await.0, 200);
    assert_eq!(line.post("/api/v1/routing/publish", &json!({})).await.status, 200);
    let (_, _, text) = posted(&line, "/api/v1/routing/freeswitch", &channel(STRANGER, "")).await;
    let last = actions(&python, &text).await.pop().expect("an action");
    let plain = r#"A & "B" <'{system(id)}'> ]]> é"#.to_owned();
    assert_eq!(last, ("callcenter".to_owned(), plain.clone()), "{text}");
    let form = "did=%2B15550190000&callId=odd-name";
    let (_, _, text) = posted(&line, "/api/v1/routing/asterisk", form).await;
    assert_eq!(hash(&text)["destination"], plain, "{text}");
}
