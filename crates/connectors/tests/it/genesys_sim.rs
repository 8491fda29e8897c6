//! The simulated Genesys Cloud over real HTTP, each answer held against the
//! vendor's API description (see `openapi`).

use connectors::genesys_cloud::sim::{Config, GenesysCloud, NewCall, start};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::openapi;

mod access;
mod contacts;
mod conversations;
mod presence;

const CONTACTS: &str = "/api/v2/externalcontacts/contacts";
const ENRICH: &str = "/api/v2/externalcontacts/contacts/enrich";
const LOOKUP: &str = "/api/v2/externalcontacts/identifierlookup/contacts";

/// A client that has logged in.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answered {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Client {
    async fn login(organization: &GenesysCloud) -> Client {
        let http = reqwest::Client::new();
        let url = organization.url();
        let token = ask_for_token(&http, &url, &organization.config().client_secret).await;
        let token = token.body["access_token"].as_str().expect("a token").to_owned();
        Client { http, url, token }
    }

    async fn raw(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let method = method.parse().expect("a method");
        let mut request =
            self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        answered(request).await
    }

    /// Sends; where it succeeds, both sides must be as described.
    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let answer = self.raw(method, path, body).await;
        let came = (!answer.body.is_null()).then_some(&answer.body);
        assert_eq!(
            openapi::validate_response(method, path, answer.status, came),
            Ok(()),
            "{method} {path}"
        );
        if answer.status < 300 {
            assert_eq!(openapi::validate_request(method, path, body), Ok(()), "{method} {path}");
        }
        let correlation = answer.headers.get("ININ-Correlation-Id").expect("a correlation id");
        if answer.status >= 400 {
            assert_eq!(answer.body["contextId"], correlation.to_str().expect("text"));
            assert_eq!(answer.body["status"], answer.status);
        }
        answer
    }

    async fn get(&self, path: &str) -> Answered {
        self.send("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answered {
        self.send("POST", path, Some(&body)).await
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body =
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
    Answered { status, headers, body }
}

async fn ask_for_token(http: &reqwest::Client, url: &str, secret: &str) -> Answered {
    let request = http
        .post(format!("{url}/oauth/token"))
        .basic_auth(Config::default().client_id, Some(secret));
    answered(request.form(&[("grant_type", "client_credentials")])).await
}

async fn organization() -> (GenesysCloud, Client) {
    let organization = start(Config::default()).await.expect("a free port");
    let client = Client::login(&organization).await;
    (organization, client)
}

fn crm_id(organization: &GenesysCloud, value: &str) -> Value {
    json!({ "type": "ExternalId", "value": value, "externalSource": { "id": organization.config().external_source.0 } })
}

fn ada(organization: &GenesysCloud) -> Value {
    json!({
        "firstName": " Ada ", "lastName": "Lovelace", "workEmail": "Ada@Example.com",
        "cellPhone": { "display": "(555) 019-9999", "normalizationCountryCode": "US" },
        "externalIds": [{ "externalSource": { "id": organization.config().external_source.0 }, "value": "003" }],
    })
}

fn inbound(ani: &str) -> NewCall {
    NewCall { ani: ani.to_owned(), dnis: "tel:+15550190000".to_owned(), ..NewCall::default() }
}
