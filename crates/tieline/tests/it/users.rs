//! People who sign in at the console: what their role lets them, when it ends, and what they
//! prove who they are with.

use crate::rig::{Line, Place};
use crate::visitor::{Visitor, code, cookie_of};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use totp_rs::{Builder, Secret};

crate::facts! {
    a_user_may_what_their_role_says_now
    who_is_not_there_and_who_mistypes_are_told_the_same
    a_session_ends_when_it_is_signed_out_of_and_when_its_user_may_not_go_on
    a_new_password_ends_every_other_session
    a_second_factor_is_asked_for_and_each_code_counts_once
    a_restart_signs_nobody_out
    an_agents_token_made_in_a_session_ends_with_it
}

const PASSWORD: &str = "a sentence is good";

/// Makes a user with this role and [`PASSWORD`].
async fn make(line: &Line, name: &str, role: &str) {
    let body = json!({ "name": name, "fullName": "Ada Byron", "role": role, "password": PASSWORD });
    let made = line.post("/api/v1/users", &body).await;
    assert_eq!((made.status, &made["password"]), (201, &json!("")), "{:?}", made.body);
}

async fn sign_in<'a>(line: &'a Line, name: &str) -> Visitor<'a> {
    Visitor::of(line, &json!({ "name": name, "password": PASSWORD })).await
}

/// What signing in so is refused with.
async fn refusal(line: &Line, typed: &Value) -> (u16, String) {
    let asked = line.post("/api/v1/session", typed).await;
    (asked.status, asked["error"]["code"].as_str().unwrap_or_default().to_owned())
}

async fn actions(line: &Line) -> String {
    line.get("/api/v1/audit").await.body.to_string()
}

async fn a_user_may_what_their_role_says_now(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    make(&line, "Ada", "supervisor").await;
    let ada = sign_in(&line, "ADA").await;
    assert_eq!(ada.told["user"]["name"], "ada");
    assert_eq!(ada.told["user"]["fullName"], "Ada Byron");
    assert_eq!(ada.told["scopes"], json!(["lookup", "context", "rules", "read", "supervise"]));
    assert_eq!((&ada.told["hasPassword"], &ada.told["totp"]), (&json!(true), &json!(false)));
    assert_eq!(ada.told["ways"], json!(["password", "key"]));
    let redrive = ("/api/v1/jobs/redrive", json!({}));
    assert_eq!(ada.act(Method::POST, redrive.0, &redrive.1).await.0, 200);
    let foreign = ada.ask(Method::POST, redrive.0, "", &redrive.1).await;
    assert_eq!(code(&foreign), (403, "session.foreign_page"));
    for path in ["/api/v1/users", "/api/v1/api-keys"] {
        assert_eq!(code(&ada.get(path).await), (403, "auth.scope_missing"), "{path}");
    }
    make(&line, "root", "admin").await;
    let root = sign_in(&line, "root").await;
    let change = json!({ "role": "analyst" });
    let (status, told) = root.act(Method::PATCH, "/api/v1/users/ada", &change).await;
    assert_eq!(
        (status, &told["role"], &told["fullName"]),
        (200, &json!("analyst"), &json!("Ada Byron"))
    );
    let refused = ada.act(Method::POST, redrive.0, &redrive.1).await;
    assert_eq!(code(&refused), (403, "auth.scope_missing"));
    assert_eq!(ada.get("/api/v1/calls").await.0, 200);
    let audit = actions(&line).await;
    for said in ["user.created", "user.changed", "session.opened", "user root"] {
        assert!(audit.contains(said), "{said}: {audit}");
    }
    let again = json!({ "name": "ada", "role": "agent" });
    let taken = line.post("/api/v1/users", &again).await;
    assert_eq!((taken.status, &taken["error"]["code"]), (409, &json!("user.taken")));
    let made = line.post("/api/v1/users", &json!({ "name": "bo", "role": "agent" })).await;
    let typed = json!({ "name": "bo", "password": made["password"] });
    let bo = Visitor::of(&line, &typed).await;
    assert_eq!(bo.told["scopes"], json!([]));
    assert_eq!(code(&bo.get("/api/v1/calls").await), (403, "auth.scope_missing"));
    let log = line.log();
    assert!(!log.contains(PASSWORD) && !log.contains(made["password"].as_str().expect("told")));
}

async fn who_is_not_there_and_who_mistypes_are_told_the_same(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    make(&line, "ada", "admin").await;
    let wrong = "another sentence";
    let mut told = Vec::new();
    for name in ["ada", "nobody", "ada'--"] {
        told.push(line.post("/api/v1/session", &json!({ "name": name, "password": wrong })).await);
    }
    assert_eq!((told[0].status, &told[0]["error"]["code"]), (401, &json!("session.refused")));
    assert!(told.iter().all(|one| one.body == told[0].body));
    for (typed, at) in [
        (json!({ "name": "ada" }), "name"),
        (json!({ "name": "", "password": wrong }), "name"),
        (json!({ "name": "ada", "password": "x".repeat(1_025) }), "name"),
        (json!({}), "key"),
        (json!({ "key": "x", "name": "ada", "password": wrong }), "key"),
    ] {
        let refused = line.post("/api/v1/session", &typed).await;
        assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!(at)), "{typed}");
    }
    let typed = json!({ "name": "ada", "password": wrong });
    let mut tries = 0;
    while refusal(&line, &typed).await.0 == 401 {
        tries += 1;
    }
    assert!(tries <= 20, "{tries}");
    assert_eq!(refusal(&line, &typed).await, (429, "session.rate_limited".to_owned()));
    assert!(actions(&line).await.contains("session.refused"));
}

async fn a_session_ends_when_it_is_signed_out_of_and_when_its_user_may_not_go_on(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    make(&line, "ada", "analyst").await;
    let sessions = [sign_in(&line, "ada").await, sign_in(&line, "ada").await];
    let [one, other] = &sessions;
    assert_eq!(one.act(Method::DELETE, "/api/v1/session", &Value::Null).await.0, 204);
    // Whoever kept a copy of the cookie has nothing.
    assert_eq!(code(&one.get("/api/v1/calls").await), (401, "auth.token_expired"));
    assert_eq!(other.get("/api/v1/calls").await.0, 200, "the other one goes on");
    let change = async |change: Value| {
        let asked = line.http.patch(line.url("/api/v1/users/ada")).json(&change);
        let asked = asked.bearer_auth(crate::rig::plan::API_KEY).send().await.expect("an answer");
        assert_eq!(asked.status(), 200);
    };
    change(json!({ "isDisabled": true })).await;
    assert_eq!(code(&other.get("/api/v1/calls").await), (401, "auth.token_expired"));
    let typed = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(refusal(&line, &typed).await, (401, "session.refused".to_owned()));
    change(json!({ "isDisabled": false })).await;
    assert_eq!(other.get("/api/v1/calls").await.0, 401, "it does not come back");
    let one = sign_in(&line, "ada").await;
    let reset = line.post("/api/v1/users/ada/password", &json!({})).await;
    assert_eq!(one.get("/api/v1/calls").await.0, 401);
    assert_eq!(refusal(&line, &typed).await.0, 401, "the old password is none any more");
    let one = Visitor::of(&line, &json!({ "name": "ada", "password": reset["password"] })).await;
    let asked = line.http.delete(line.url("/api/v1/users/ada"));
    let asked = asked.bearer_auth(crate::rig::plan::API_KEY).send().await.expect("an answer");
    assert_eq!(asked.status(), 200);
    assert_eq!(one.get("/api/v1/calls").await.0, 401);
    let (status, told) = one.get("/api/v1/session").await;
    assert_eq!((status, &told["user"]["name"]), (200, &json!("")), "the page asks to sign in");
}

async fn a_new_password_ends_every_other_session(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    make(&line, "ada", "agent").await;
    let (mut one, other) = (sign_in(&line, "ada").await, sign_in(&line, "ada").await);
    let path = "/api/v1/session/password";
    let new = "quite another sentence";
    for (now, new, expected) in [
        ("not the password", new, (403, "session.proof_wrong")),
        (PASSWORD, "too short", (400, "request.field_invalid")),
        (PASSWORD, "my name is Ada, yes", (400, "request.field_invalid")),
    ] {
        let body = json!({ "password": now, "newPassword": new });
        let refused = one.act(Method::PUT, path, &body).await;
        assert_eq!(code(&refused), expected, "{now} {new}");
    }
    let body = json!({ "password": PASSWORD, "newPassword": new });
    let answer = one.send(Method::PUT, path, one.csrf(), &body).await;
    assert_eq!(answer.status(), 200);
    one.cookie = cookie_of(&answer);
    let (status, told) = one.get("/api/v1/session").await;
    assert_eq!((status, &told["csrf"]), (200, &one.told["csrf"]), "the page goes on as it is");
    assert_eq!(told["user"]["name"], "ada");
    assert_eq!(other.get("/api/v1/session").await.1["user"]["name"], "");
    let typed = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(refusal(&line, &typed).await.0, 401);
    Visitor::of(&line, &json!({ "name": "ada", "password": new })).await;
    // Who came with a key has no password, and nobody else may change one.
    let key = Visitor::of(&line, &json!({ "key": crate::rig::plan::API_KEY })).await;
    let refused = key.act(Method::PUT, path, &body).await;
    assert_eq!(code(&refused), (409, "session.not_a_user"));
}

async fn a_second_factor_is_asked_for_and_each_code_counts_once(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    make(&line, "ada", "analyst").await;
    let ada = sign_in(&line, "ada").await;
    let (path, proof) = ("/api/v1/session/totp", json!({ "password": PASSWORD }));
    let early = ada.act(Method::PUT, path, &json!({ "code": "000000" })).await;
    assert_eq!(code(&early), (409, "session.totp_state"));
    let wrong = ada.act(Method::POST, path, &json!({ "password": "not the password" })).await;
    assert_eq!(code(&wrong), (403, "session.proof_wrong"));
    let (status, made) = ada.act(Method::POST, path, &proof).await;
    assert_eq!(status, 200, "{made}");
    // Before it has shown a code, it is not asked for.
    sign_in(&line, "ada").await;
    let secret = Secret::try_from_base32(made["secret"].as_str().expect("told")).expect("Base32");
    assert!(made["uri"].as_str().is_some_and(|uri| uri.starts_with("otpauth://totp/Tieline:ada?")));
    let app = Builder::new().with_secret(secret).build_noncompliant();
    // The step after is taken, too: clocks differ.
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let shown = |ahead: u64| app.generate(seconds() + 30 * ahead).to_string();
    let off = ada.act(Method::PUT, path, &json!({ "code": "abcdef" })).await;
    assert_eq!(code(&off), (403, "session.proof_wrong"));
    assert_eq!(ada.act(Method::PUT, path, &json!({ "code": shown(0) })).await.0, 204);
    assert_eq!(ada.get("/api/v1/session").await.1["totp"], true);
    let typed = |code: &str| json!({ "name": "ada", "password": PASSWORD, "code": code });
    assert_eq!(refusal(&line, &typed("")).await, (401, "session.code_required".to_owned()));
    assert_eq!(refusal(&line, &typed("000000")).await, (401, "session.refused".to_owned()));
    let now = shown(1);
    let one = Visitor::of(&line, &typed(&now)).await;
    assert_eq!(refusal(&line, &typed(&now)).await, (401, "session.refused".to_owned()));
    assert_eq!(refusal(&line, &typed(&shown(0))).await.0, 401, "nor one before it");
    let wrong = json!({ "name": "ada", "password": "not the password", "code": "" });
    assert_eq!(
        refusal(&line, &wrong).await.1,
        "session.refused",
        "the factor is nobody's business"
    );
    // Whoever has the password may mistype a code now and then, and guesses no further.
    let mut refused = Vec::new();
    for _ in 0..4 {
        refused.push(refusal(&line, &typed("000000")).await);
    }
    assert_eq!(refused[3], (429, "session.rate_limited".to_owned()), "{refused:?}");
    let told = actions(&line).await;
    assert_eq!(told.matches("user.code_refused").count(), 5, "each is written down: {told}");
    assert_eq!(one.act(Method::DELETE, path, &proof).await.0, 204);
    sign_in(&line, "ada").await;
}

async fn a_restart_signs_nobody_out(place: Place) {
    let mut line = Line::with_salesforce().on(place).start().await;
    make(&line, "ada", "analyst").await;
    let ada = sign_in(&line, "ada").await;
    let (cookie, told) = (ada.cookie.clone(), ada.told.clone());
    line.stop().await;
    line.start_server().await;
    let ada = Visitor::again(&line, cookie, told);
    assert_eq!(ada.get("/api/v1/calls").await.0, 200);
    assert_eq!(ada.act(Method::DELETE, "/api/v1/session", &Value::Null).await.0, 204);
    let (cookie, told) = (ada.cookie.clone(), ada.told.clone());
    line.stop().await;
    line.start_server().await;
    let ada = Visitor::again(&line, cookie, told);
    assert_eq!(ada.get("/api/v1/calls").await.0, 401, "nor signs it anybody in");
}

async fn an_agents_token_made_in_a_session_ends_with_it(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    make(&line, "root", "admin").await;
    let one = sign_in(&line, "root").await;
    let made = one.act(Method::POST, "/api/v1/agent-tokens", &json!({ "agent": "agent-7" })).await;
    let token = made.1["token"].as_str().expect("a token").to_owned();
    let ask = async |method: Method, path: &str| {
        let asked = line.http.request(method, line.url(path)).bearer_auth(&token);
        asked.json(&json!({})).send().await.expect("an answer").status().as_u16()
    };
    let news = "/api/v1/agents/agent-7/news";
    assert_eq!(ask(Method::GET, news).await, 200);
    assert_eq!(ask(Method::PUT, "/api/v1/session/password").await, 403, "an agent has no account");
    assert_eq!(one.act(Method::DELETE, "/api/v1/session", &Value::Null).await.0, 204);
    assert_eq!(ask(Method::GET, news).await, 401);
}
