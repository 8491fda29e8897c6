//! A browser as the server sees it: the cookie that it sends, and what its page was told.

use crate::rig::Line;
use reqwest::{Method, Response, header};
use serde_json::Value;

pub(crate) struct Visitor<'a> {
    line: &'a Line,
    pub(crate) cookie: String,
    /// What signing in was answered with.
    pub(crate) told: Value,
}

pub(crate) fn text(answer: &Response, name: header::HeaderName) -> &str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Status and code of a refusal.
pub(crate) fn code((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["error"]["code"].as_str().unwrap_or_default())
}

impl<'a> Visitor<'a> {
    /// Signs in with what is typed.
    pub(crate) async fn of(line: &'a Line, typed: &Value) -> Self {
        let asked = line.http.post(line.url("/api/v1/session")).json(typed);
        let answer = asked.send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), text(&answer, header::CACHE_CONTROL)),
            (200, "no-store")
        );
        let cookie = cookie_of(&answer);
        Self { line, cookie, told: answer.json().await.expect("JSON") }
    }

    /// The same one, after the server has gone and come back.
    pub(crate) fn again(line: &'a Line, cookie: String, told: Value) -> Self {
        Self { line, cookie, told }
    }

    /// With a body where there is one, as the page's script sends it.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        csrf: &str,
        body: &Value,
    ) -> Response {
        let asked = self.line.http.request(method, self.line.url(path));
        let asked = asked.header(header::COOKIE, format!("theme=dark; {}", self.cookie));
        let asked = if csrf.is_empty() { asked } else { asked.header("x-csrf-token", csrf) };
        let asked = if body.is_null() { asked } else { asked.json(body) };
        asked.send().await.expect("an answer")
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        csrf: &str,
        body: &Value,
    ) -> (u16, Value) {
        let answer = self.send(method, path, csrf, body).await;
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, "", &Value::Null).await
    }

    /// From our own page.
    pub(crate) async fn act(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        self.ask(method, path, self.csrf(), body).await
    }

    pub(crate) fn csrf(&self) -> &str {
        self.told["csrf"].as_str().expect("told")
    }
}

/// What a browser keeps of an answer that signs in.
pub(crate) fn cookie_of(answer: &Response) -> String {
    let set = text(answer, header::SET_COOKIE).to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{set}");
    set.split(';').next().expect("a cookie").to_owned()
}
