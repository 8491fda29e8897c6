//! `/api/v1/routing/asterisk`: the question and the answer as Asterisk's `CURL` has them.
//!
//! A form comes in. What goes out is read by `CURLOPT(hashcompat)=yes`: pairs of `name=value`
//! with `&` between, percent-encoded (a `+` stays a `+` there), which land in `HASH()`. The
//! recipe that uses it: `integrations/asterisk`.

use super::decide;
use super::switch::{Fields, Question, Told, dialled, fields, inert};
use crate::http::error::ErrorBody;
use crate::http::{ApiError, App, schemas};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use std::fmt::Write as _;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

/// A call that is to go somewhere, as Asterisk tells of it. `callId` and one of `did` and
/// `ivrOption` are needed. Of a name that comes twice the first counts.
#[derive(IntoParams, ToSchema)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "says what is read of any form")]
pub struct AsteriskForm {
    /// The SIP Call-ID, or any other that this call alone has.
    #[schema(schema_with = schemas::call_id)]
    #[param(schema_with = schemas::call_id)]
    call_id: String,
    /// What was dialled: `+E.164`, national, `tel:` or `sip:`.
    #[schema(example = "+15550190000", max_length = 1_024)]
    #[param(example = "+15550190000", max_length = 1_024)]
    did: Option<String>,
    /// The IVR and the option that the caller chose.
    #[schema(example = "Main menu/1", max_length = 1_024)]
    #[param(example = "Main menu/1", max_length = 1_024)]
    ivr_option: Option<String>,
    /// Who dialled; empty where the number is withheld.
    #[schema(example = "+15550199999", max_length = 1_024)]
    #[param(example = "+15550199999", max_length = 1_024)]
    ani: Option<String>,
}

/// Decides where a call goes, for Asterisk. A `POST` keeps the number out of logs of addresses.
#[utoipa::path(
    get, path = "/api/v1/routing/asterisk", tag = "calls", params(AsteriskForm),
    responses(
        (status = 200, description = "Where it goes: `name=value&…`, percent-encoded", body = String, content_type = "text/plain"),
        (status = 400, description = "A field is missing or wrong", body = ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn get(State(app): State<App>, request: Request) -> Result<impl IntoResponse, ApiError> {
    told(app, request).await
}

/// Decides where a call goes, for Asterisk.
#[utoipa::path(
    post, path = "/api/v1/routing/asterisk", tag = "calls",
    request_body(content = AsteriskForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Where it goes: `name=value&…`, percent-encoded", body = String, content_type = "text/plain"),
        (status = 400, description = "A field is missing or wrong", body = ErrorBody),
        (status = 413, description = "The body is too large", body = ErrorBody),
        (status = 415, description = "The body is not declared as a form", body = ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn post(State(app): State<App>, request: Request) -> Result<impl IntoResponse, ApiError> {
    told(app, request).await
}

async fn told(app: App, request: Request) -> Result<impl IntoResponse, ApiError> {
    let arrived = Instant::now();
    let question = question(&fields(request).await?);
    let told = decide::told(&app, question, arrived).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], answer(&told)))
}

/// What it asks. Names are those of the JSON that other callers send.
pub fn question(fields: &Fields) -> Question {
    let text = |name: &str| fields.first(&[name]).to_owned();
    Question {
        did: text("did"),
        ivr_option: text("ivrOption"),
        ani: text("ani"),
        call_id: text("callId"),
    }
}

/// What it is told. Never the reason: it quotes the customer's record, and variables of a
/// channel are logged (invariant 9).
pub fn answer(told: &Told) -> String {
    let pairs = [
        ("status", told.status.to_owned()),
        ("destinationType", told.destination_type.to_owned()),
        ("destination", inert(&told.destination)),
        ("destinationUri", dialled(&told.uri)),
        ("greeting", inert(&told.greeting)),
        ("rule", inert(&told.rule)),
        ("line", told.line.to_string()),
        ("revision", told.revision.to_string()),
    ];
    let mut text = String::new();
    for (name, value) in pairs {
        let between = if text.is_empty() { "" } else { "&" };
        text.push_str(between);
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                // A text takes text.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{answer, question};
    use crate::http::routing::switch::{Fields, Told};

    #[test]
    fn the_recipe_sends_what_is_read_and_reads_what_is_sent() {
        let recipe = include_str!("../../../../../integrations/asterisk/extensions.conf");
        let sent = answer(&Told::default());
        let mut reads = recipe.split("${HASH(tieline,").skip(1);
        let keys: Vec<&str> = sent.split(['&', '=']).step_by(2).collect();
        assert!(reads.all(|read| keys.contains(&read.split(')').next().unwrap_or_default())));
        for form in ["did=1&ani=2&callId=3", "ivrOption=1&ani=2&callId=3"] {
            let names = form.split(['&', '=']).step_by(2);
            names.for_each(|name| assert!(recipe.contains(name), "{name}"));
            let question = question(&Fields::parse(&[form.as_bytes()]));
            let entry = format!("{}{}", question.did, question.ivr_option);
            assert_eq!((&*entry, &*question.ani, &*question.call_id), ("1", "2", "3"));
        }
    }

    #[test]
    fn every_value_survives_a_reader_that_keeps_the_plus() {
        let told = Told {
            destination_type: "queue",
            destination: "Premium & Support + 100 %=ä".into(),
            uri: "sip:premium@192.0.2.20".into(),
            status: "matched",
            rule: "Gold callers".into(),
            line: 1,
            revision: 7,
            ..Told::default()
        };
        let text = answer(&told);
        assert_eq!(
            text,
            "status=matched&destinationType=queue\
             &destination=Premium%20%26%20Support%20%2B%20100%20%25%3D%C3%A4\
             &destinationUri=sip%3Apremium%40192.0.2.20&greeting=&rule=Gold%20callers\
             &line=1&revision=7"
        );
    }
}
