//! One person who asks: everything that is kept of them, or that it be forgotten.
//!
//! Who is meant stands in the body, never in the address, where logs of others would
//! keep it. A number or an e-mail of several people erases nobody until the request says
//! that it means all of them, or names one.

mod document;
mod syncing;
pub mod tombstones;

use super::input::read_json;
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use document::Document;
use engine::{Asked, Elsewhere, Preview};
use serde::{Deserialize, Serialize};
use state::audit::Act;
use state::subject::{Identifiers, Person, Record, Subject, Why};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Whom it is about: at least one identifier, of one person.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectBody {
    /// Numbers in any form; at most 16, as of the others.
    #[serde(default)]
    #[schema(example = json!(["+15550199999"]))]
    phones: Vec<String>,
    #[serde(default)]
    emails: Vec<String>,
    /// As lookups answer them. Where one is given, nobody but these records is meant.
    #[serde(default)]
    #[schema(example = json!(["CRM:0035g00000ABCdEAAW"]))]
    external_ids: Vec<String>,
}

/// Whom to erase.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EraseBody {
    #[serde(flatten)]
    subject: SubjectBody,
    /// All who have the number or the e-mail are meant.
    #[serde(default)]
    everybody: bool,
    /// Say what would be erased, and erase nothing.
    #[serde(default)]
    dry_run: bool,
    /// A reference, such as a ticket's id: kept with the tombstones, so nothing personal.
    /// At most 64 letters, digits and `-_.:/#`, a digit among them.
    #[serde(default)]
    #[schema(example = "DSR-4711")]
    reason: String,
}

/// One of the people meant, or who share something with them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonBody {
    external_id: String,
    connection: String,
    /// Empty where the directory does not know them.
    name: String,
}

/// A number or an e-mail of whoever is meant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentifierBody {
    /// `phone`, `email`, or `account` for one of a system beside the CRM.
    kind: &'static str,
    value: String,
    /// `asked`, or the externalId whose record has it.
    because: String,
    /// Others have it as well: nothing is erased by it, and calls by it name nobody. An
    /// account of several people of the CRM stays.
    shared: bool,
}

/// Something of theirs that was put into another system.
#[derive(Serialize, ToSchema)]
pub struct ElsewhereBody {
    connection: String,
    /// `contact`, `activity` or `conversation`.
    kind: &'static str,
    id: String,
}

/// Who is meant, by what, and who is not.
#[derive(Serialize, ToSchema)]
pub struct WhoBody {
    people: Vec<PersonBody>,
    identifiers: Vec<IdentifierBody>,
    /// Who shares an identifier and is not meant.
    others: Vec<PersonBody>,
}

/// What an erasure came to, or would.
#[derive(Serialize, ToSchema)]
pub struct ErasedBody {
    /// The erasure; empty where nothing was erased.
    id: String,
    erased: bool,
    who: WhoBody,
    /// Rows that were removed, by table; of a dry run, those that would be.
    removed: BTreeMap<String, u64>,
    tombstones: usize,
    /// What is left to be erased in other systems, by hand.
    elsewhere: Vec<ElsewhereBody>,
    /// More was found than is listed here; all of it is erased.
    cut: bool,
}

/// Everything that is kept of a person.
#[utoipa::path(
    post, path = "/api/v1/subjects/export", tag = "privacy", request_body = SubjectBody,
    responses((status = 200, body = Document), (status = 400, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn export(State(app): State<App>, request: Request) -> Result<Json<Document>, ApiError> {
    let actor = super::actor::actor(&request);
    let body: SubjectBody = read_json(request).await?;
    let asked = identifiers(&app, body)?;
    let preview = app.engine.subject(&asked).await?;
    // Before it is given: nobody sees it unseen.
    let act = Act {
        actor,
        action: "subject.exported",
        subject: of_whom(&app, &asked),
        details: BTreeMap::from([("calls".to_owned(), preview.export.calls.len().to_string())]),
    };
    let now = app.engine.clock.now();
    app.engine.store.audit(act, now).await?;
    Ok(Json(Document::of(preview, now)))
}

/// Erases a person and leaves tombstones, so that no sync brings them back.
#[utoipa::path(
    post, path = "/api/v1/subjects/erase", tag = "privacy", request_body = EraseBody,
    responses(
        (status = 200, body = ErasedBody), (status = 400, body = super::error::ErrorBody),
        (status = 409, description = "It means several people", body = super::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn erase(State(app): State<App>, request: Request) -> Result<Json<ErasedBody>, ApiError> {
    let actor = super::actor::actor(&request);
    let EraseBody { subject, everybody, dry_run, reason } = read_json(request).await?;
    refuse_reason(&reason)?;
    let asked = identifiers(&app, subject)?;
    let preview = app.engine.subject(&asked).await?;
    let removed = document::counts(&preview);
    if dry_run {
        return Ok(Json(ErasedBody::of(preview, String::new(), removed, 0)));
    }
    if preview.subject.is_cut {
        let message = "More than a thousand people have this number or e-mail.";
        return Err(several(message, "Name the person by externalId."));
    }
    if preview.subject.people.len() > 1 && asked.records.is_empty() && !everybody {
        let message = "Several people have this number or e-mail; nothing was erased.";
        let fix = "See with dryRun who they are; then name one by externalId, or say everybody.";
        return Err(several(message, fix));
    }
    // In a task of its own: a client that gives up does not cut it off.
    let engine = app.engine.clone();
    let erasing = tokio::spawn(async move {
        let erased = engine.erase(&preview.subject, &reason, actor).await;
        erased.map(|erased| (erased, preview))
    });
    let (erased, preview) = erasing.await.unwrap_or_else(|_| {
        let reason = "it was cut off, and goes on by itself".to_owned();
        Err(state::Error::Unavailable { during: "erasing", reason })
    })?;
    let removed = erased.removed.iter().filter(|(_, count)| **count > 0);
    let removed = removed.map(|(table, count)| ((*table).to_owned(), *count)).collect();
    Ok(Json(ErasedBody::of(preview, erased.id, removed, erased.tombstones)))
}

fn several(message: &'static str, fix: &'static str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "subject.several", message, fix)
}

fn identifiers(app: &App, body: SubjectBody) -> Result<Identifiers, ApiError> {
    let SubjectBody { phones, emails, external_ids } = body;
    let asked = Asked { phones, emails, external_ids };
    let read = app.engine.identifiers(&asked);
    read.map_err(|wrong| ApiError::field(wrong.field, wrong.reason, wrong.fix))
}

fn refuse_reason(reason: &str) -> Result<(), ApiError> {
    let is_one = |c: char| c.is_ascii_alphanumeric() || "-_.:/#".contains(c);
    // A name has no digit, a ticket's id has one.
    let is_reference = reason.is_empty() || reason.bytes().any(|b| b.is_ascii_digit());
    if reason.len() <= 64 && reason.chars().all(is_one) && is_reference {
        return Ok(());
    }
    let message =
        "reason is a reference: at most 64 letters, digits and -_.:/#, a digit among them.";
    Err(ApiError::field("reason", message, "Write a ticket's id; it is kept in clear."))
}

/// Whom an act was about, by a keyed hash: the same people, the same text.
fn of_whom(app: &App, asked: &Identifiers) -> String {
    let records = asked.records.iter().map(|one| format!("{}\n{}", one.connection, one.record));
    let all: Vec<String> =
        asked.phones.iter().chain(&asked.emails).cloned().chain(records).collect();
    let digest = app.engine.store.digest(&all.join("\n"));
    state::hex(&digest)
}

impl ErasedBody {
    fn of(preview: Preview, id: String, removed: BTreeMap<String, u64>, tombstones: usize) -> Self {
        Self {
            erased: !id.is_empty(),
            id,
            cut: preview.export.is_cut || preview.subject.is_cut,
            who: WhoBody::of(preview.subject),
            removed,
            tombstones,
            elsewhere: preview.elsewhere.into_iter().map(ElsewhereBody::from).collect(),
        }
    }
}

impl From<Elsewhere> for ElsewhereBody {
    fn from(found: Elsewhere) -> Self {
        Self { connection: found.connection, kind: found.kind, id: found.id }
    }
}

impl WhoBody {
    fn of(subject: Subject) -> Self {
        let Subject { people, phones, emails, accounts, others, is_cut: _ } = subject;
        let accounts = accounts.into_iter().map(|(account, found)| {
            ("account", (format!("{} {}", account.connection, account.record), found))
        });
        let phones = phones.into_iter().map(|found| ("phone", found));
        let emails = emails.into_iter().map(|found| ("email", found));
        let identifiers =
            phones.chain(emails).chain(accounts).map(|(kind, (value, found))| IdentifierBody {
                kind,
                value,
                because: match found.why {
                    Why::Asked => "asked".to_owned(),
                    Why::Of(external_id) => external_id,
                },
                shared: found.is_shared,
            });
        Self {
            identifiers: identifiers.collect(),
            people: people.into_iter().map(person).collect(),
            others: others.into_iter().map(person).collect(),
        }
    }
}

fn person((record, person): (Record, Person)) -> PersonBody {
    PersonBody { external_id: person.external_id, connection: record.connection, name: person.name }
}
