//! People are told when something goes wrong, once, and when all is well again.

use crate::rig::{JOHN, Line, until, until_some};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// What was posted: the header `Authorization`, and the body.
pub(crate) type Posted = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that keeps what is posted to it; `refuses` the first so many times.
pub(crate) async fn receiver(refuses: usize) -> (String, Posted) {
    let posted = Posted::default();
    let tries = Arc::new(Mutex::new(0));
    let take = move |State(posted): State<Posted>, headers: HeaderMap, body: String| {
        let tries = Arc::clone(&tries);
        async move {
            let mut tries = tries.lock().expect("whole");
            *tries += 1;
            if *tries <= refuses {
                return (axum::http::StatusCode::SERVICE_UNAVAILABLE, "busy");
            }
            let header = headers.get("authorization").and_then(|value| value.to_str().ok());
            let body = serde_json::from_str(&body).expect("JSON");
            posted.lock().expect("whole").push((header.unwrap_or_default().to_owned(), body));
            (axum::http::StatusCode::OK, "ok")
        }
    };
    let router = Router::new().fallback(take).with_state(Arc::clone(&posted));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook/secret-path", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, posted)
}

fn kinds(posted: &Posted) -> Vec<(String, bool)> {
    let posted = posted.lock().expect("whole");
    let kind = |(_, body): &(String, Value)| {
        (body["kind"].as_str().unwrap_or_default().to_owned(), body["isOver"] == true)
    };
    posted.iter().map(kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sick_crm_is_told_once_and_its_recovery_once() {
    let (url, posted) = receiver(1).await;
    let (slack_url, slack) = receiver(0).await;
    let line = Line::with_salesforce()
        .deadline("2s")
        .section(&format!(
            "[alerts]\nevery = \"50ms\"\nsettle = \"500ms\"\n\
             [alerts.channels.ops]\ntype = \"webhook\"\nurl = \"{url}\"\n\
             authorization = {{ env = \"HOOK_TOKEN\" }}\nallow_private_addresses = true\n\
             [alerts.channels.chat]\ntype = \"slack\"\nurl_from = {{ env = \"SLACK_URL\" }}\n\
             allow_private_addresses = true"
        ))
        .variable("HOOK_TOKEN", "Bearer hook-token")
        .variable("SLACK_URL", &slack_url)
        .start()
        .await;
    line.crm_does(Fault::Status { code: 503, body: None });
    until("it is told", async || {
        line.call_from(JOHN.1).await;
        !kinds(&posted).is_empty()
    })
    .await;
    // It stays sick for a while: nothing more is told of it.
    for _ in 0..20 {
        line.call_from(JOHN.1).await;
    }
    line.crm_recovers();
    let opened = |kinds: &[(String, bool)]| {
        kinds.iter().filter(|(kind, _)| kind == "breaker_open").cloned().collect::<Vec<_>>()
    };
    until("its end is told", async || {
        line.call_from(JOHN.1).await;
        opened(&kinds(&posted)).len() > 1
    })
    .await;
    let expected = [("breaker_open".to_owned(), false), ("breaker_open".to_owned(), true)];
    assert_eq!(opened(&kinds(&posted)), expected, "the first try was refused, and is not lost");
    let posted = posted.lock().expect("whole").clone();
    assert!(posted.iter().all(|(header, _)| header == "Bearer hook-token"), "{posted:?}");
    assert_eq!(posted[0].1["connection"], "salesforce");
    // Its line is another; on a slow machine the chat may be told of late answers too.
    until("the chat is told as well", async || {
        let told = slack.lock().expect("whole");
        told.iter().any(|(_, body)| body.to_string().contains("answers again"))
    })
    .await;
    let slack = slack.lock().expect("whole").clone();
    let texts: Vec<&str> = slack.iter().filter_map(|(_, body)| body["text"].as_str()).collect();
    assert!(
        texts.iter().any(|text| text.contains("*salesforce is sick and left alone*")),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text.contains("answers again")), "{texts:?}");
    let told = format!("{posted:?} {slack:?} {}", line.log());
    for hidden in [&JOHN.1[2..], "secret-path"] {
        assert!(!told.contains(hidden), "{hidden} is told");
    }
}

/// A mail server of Python's own world, which prints what it receives.
struct MailServer {
    child: Child,
    port: u16,
    received: Arc<Mutex<String>>,
}

const SERVER: &str = "
import sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
class Keep:
    async def handle_DATA(self, server, session, envelope):
        print('TO', envelope.mail_from, envelope.rcpt_tos, session.authenticated, flush=True)
        print(envelope.content.decode(), flush=True)
        return '250 OK'
def check(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b'ops' and data.password == b'mail-password')
c = Controller(Keep(), hostname='127.0.0.1', port=0, auth_required=True, auth_require_tls=False, authenticator=check)
c.port = int(sys.argv[1])
c.start()
print('PORT', c.port, flush=True)
time.sleep(600)
";

impl MailServer {
    /// `None`, said aloud, where there is no Python with aiosmtpd.
    fn start() -> Option<Self> {
        let Ok(python) = std::env::var("TIELINE_TEST_PYTHON") else {
            let _ = writeln!(std::io::stdout(), "SKIPPED smtp: TIELINE_TEST_PYTHON is not set");
            return None;
        };
        // It cannot be given port 0: a free one is looked for and given back.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut child = Command::new(python)
            .args(["-c", SERVER, &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next().expect("a line").expect("text");
        assert_eq!(first, format!("PORT {port}"));
        let received = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&received);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().expect("whole").push_str(&format!("{line}\n"));
            }
        });
        Some(Self { child, port, received })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_cannot_be_refreshed_is_told_by_mail() {
    let Some(server) = MailServer::start() else { return };
    let line = Line::with_salesforce()
        .deadline("2s")
        .section(&format!(
            "[alerts]\nevery = \"50ms\"\nsettle = \"500ms\"\n\
             [alerts.channels.mail]\ntype = \"email\"\nserver = \"127.0.0.1\"\nport = {}\n\
             security = \"none\"\nuser = \"ops\"\npassword = {{ env = \"MAIL_PASSWORD\" }}\n\
             from = \"Tieline <tieline@example.com>\"\nto = [\"ops@example.com\", \"night@example.com\"]",
            server.port
        ))
        .variable("MAIL_PASSWORD", "mail-password")
        .start()
        .await;
    let received = || server.received.lock().expect("whole").clone();
    let refused = json!({ "error": "invalid_grant", "error_description": "inactive user" });
    let refused = Fault::Status { code: 400, body: Some(refused.to_string()) };
    line.salesforce.faults().add(Rule::always(refused).on("/oauth2/token"));
    line.salesforce.revoke_tokens();
    until("the mail comes", async || {
        line.call_from(JOHN.1).await;
        received().contains("the token cannot be refreshed")
    })
    .await;
    line.crm_recovers();
    until("the end is told", async || received().contains("the token is refreshed again")).await;
    let received = received();
    assert!(received.contains("tieline@example.com"), "{received}");
    assert!(received.contains("['ops@example.com', 'night@example.com'] True"), "{received}");
    assert!(received.contains("Subject: [tieline] alert: salesforce: the token"), "{received}");
    for hidden in ["mail-password", &JOHN.1[2..]] {
        assert!(!format!("{received} {}", line.log()).contains(hidden), "{hidden} is told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_and_what_was_can_be_read_also_where_nobody_is_told() {
    let (url, posted) = receiver(0).await;
    let line = Line::with_salesforce()
        .deadline("2s")
        .section(&format!(
            "[alerts]\nevery = \"50ms\"\nsettle = \"100ms\"\nlate_rate = 0.25\n\
             [alerts.channels.ops]\ntype = \"webhook\"\nurl = \"{url}\"\n\
             allow_private_addresses = true"
        ))
        .start()
        .await;
    let none = line.get("/api/v1/alerts").await;
    assert_eq!((&none["open"], &none["history"]), (&json!([]), &json!([])), "{none:?}");
    assert_eq!(none["channels"], json!([{ "name": "ops", "type": "webhook" }]));
    assert_eq!(none["thresholds"]["lateRate"], 0.25);
    line.crm_does(Fault::Status { code: 503, body: None });
    let of = |list: &Value, kind: &str| {
        let list = list.as_array().expect("a list");
        list.iter().find(|one| one["kind"] == kind).cloned()
    };
    let open = until_some("it is open", async || {
        line.call_from(JOHN.1).await;
        of(&line.get("/api/v1/alerts").await["open"], "breaker_open")
    })
    .await;
    assert_eq!(
        (&open["of"], &open["title"]),
        (&json!("salesforce"), &json!("salesforce is sick and left alone"))
    );
    assert!(open["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{open}");
    line.crm_recovers();
    let alerts = until_some("it is over", async || {
        line.call_from(JOHN.1).await;
        let alerts = line.get("/api/v1/alerts").await;
        of(&alerts["open"], "breaker_open").is_none().then_some(alerts)
    })
    .await;
    let told = alerts["history"].as_array().expect("a list");
    let told: Vec<_> = told.iter().filter(|one| one["kind"] == "breaker_open").collect();
    assert_eq!(
        told.iter().map(|one| &one["isOver"]).collect::<Vec<_>>(),
        [true, false],
        "{told:?}"
    );
    assert_eq!(told[0]["since"], open["since"]);
    let sent = line.post("/api/v1/alerts/channels/ops/test", &json!({})).await;
    assert_eq!((sent.status, &sent["sent"]), (200, &json!(true)), "{sent:?}");
    assert!(kinds(&posted).contains(&("test".to_owned(), false)));
    let unknown = line.post("/api/v1/alerts/channels/nobody/test", &json!({})).await;
    assert_eq!((unknown.status, &unknown["error"]["code"]), (404, &json!("alerts.no_channel")));
}
