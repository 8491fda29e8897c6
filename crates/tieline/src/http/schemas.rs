//! What fields and parameters look like, for the API's description.
//!
//! It says no less and no more than what is accepted: a test speaks with the server
//! by the description alone, in what it allows and in what it does not.

use engine::actions::fields::Kind;
use engine::actions::{CODES, FIXED, Word};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, Object, ObjectBuilder, Schema, SchemaType,
    Type,
};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

fn any_of(forms: AnyOfBuilder) -> Schema {
    Schema::AnyOf(forms.build())
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn nullable_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

/// One of these, or empty for none.
fn one_of(words: &[&str]) -> Object {
    text().enum_values(Some(words.iter().copied().chain([""]))).build()
}

pub(super) fn format() -> Object {
    one_of(&["json", "csv"])
}

pub(super) fn interval() -> Object {
    one_of(&["hour", "day"])
}

pub(super) fn offset() -> Object {
    text().pattern(Some("^(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])?$")).build()
}

pub(super) fn status() -> Object {
    one_of(&["hit", "miss", "partial", "ambiguous", "unknown"])
}

pub(super) fn source() -> Object {
    one_of(&["directory", "crm", "none"])
}

pub(super) fn job_state() -> Object {
    text().enum_values(Some(["waiting", "leased", "skipped", "dead"])).build()
}

pub(super) fn cursor() -> Object {
    text().pattern(Some("^([0-9a-f]{1,16}[.][0-9a-f]{1,16})?$")).build()
}

/// Where a page begins: what the one before has told, or empty for the first.
pub(super) fn place() -> Object {
    text().pattern(Some(r"^[^\u0000]*$")).build()
}

/// The id of a piece of news, or empty for none.
pub(super) fn news_id() -> Object {
    text().pattern(Some("^[0-9]{0,18}$")).build()
}

/// How far back: as `period` of a reconciliation reads it, or none.
pub(super) fn since() -> Object {
    nullable_text().pattern(Some("^[1-9][0-9]{0,5}[smhd]$")).examples(["24h"]).build()
}

/// A key of ours.
pub(super) fn key() -> Object {
    text().pattern(Some("^[!-~]{1,1024}$")).build()
}

/// What a vendor's page has in hand.
pub(super) fn shown() -> Object {
    text().pattern(Some("^[!-~]{1,32768}$")).build()
}

fn date_time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

fn empty() -> ObjectBuilder {
    text().max_length(Some(0))
}

/// A time as RFC 3339, or empty for none.
pub(super) fn time() -> Schema {
    any_of(AnyOfBuilder::new().item(date_time()).item(empty()))
}

/// As [`time`], in a body.
pub(super) fn body_time() -> Schema {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    any_of(AnyOfBuilder::new().item(date_time()).item(empty()).item(null))
}

/// As [`body_time`], or milliseconds since 1970, as a number or a text.
pub(super) fn event_time() -> Schema {
    let number = whole().maximum(Some(253_402_300_799_999_i64));
    let digits = text().pattern(Some("^[0-9]{1,14}$"));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let forms = AnyOfBuilder::new().item(date_time()).item(number).item(digits);
    any_of(forms.item(empty()).item(null))
}

fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

/// Whole milliseconds, as a number or a text.
pub(super) fn milliseconds() -> Schema {
    let digits = text().pattern(Some("^[0-9]{0,19}$"));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    any_of(AnyOfBuilder::new().item(whole().maximum(Some(i64::MAX))).item(digits).item(null))
}

const CALL_ID: &str = "abc-123-def-456";

/// The contact center's id of a conversation.
pub(super) fn call_id() -> Object {
    text().pattern(Some(r"^\s*[!-~]{1,128}\s*$")).examples([CALL_ID]).build()
}

/// As [`call_id`], or none.
pub(super) fn some_call_id() -> Object {
    nullable_text().pattern(Some(r"^\s*[!-~]{0,128}\s*$")).examples([CALL_ID]).build()
}

/// A text of a lookup or an event.
pub(super) fn short_text() -> Object {
    nullable_text().max_length(Some(1_024)).build()
}

/// A text that a person reads: at most 256 characters, some of them visible.
pub(super) fn agent() -> Object {
    visible().max_length(Some(256)).build()
}

/// As [`agent`], at most 100.
pub(super) fn key_name() -> Object {
    visible().max_length(Some(100)).build()
}

pub(super) fn user_name() -> Object {
    text().pattern(Some("^[A-Za-z0-9._@+-]{1,64}$")).build()
}

pub(super) fn full_name() -> Object {
    let pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$";
    nullable_text().pattern(Some(pattern)).max_length(Some(128)).build()
}

/// What is typed to sign in.
pub(super) fn typed() -> Object {
    text().min_length(Some(1)).max_length(Some(1024)).build()
}

pub(super) fn typed_code() -> Object {
    nullable_text().max_length(Some(1024)).build()
}

fn visible() -> ObjectBuilder {
    const OTHER: &str = r"[^\u0000-\u001f\u007f-\u009f]*";
    text().pattern(Some(format!(r"^{OTHER}[^\s\u0000-\u001f\u007f-\u009f]{OTHER}$")))
}

pub(super) fn scopes() -> Schema {
    let word = text().enum_values(Some([
        "lookup",
        "events",
        "context",
        "routing",
        "rules",
        "read",
        "supervise",
        "agents",
        "admin",
    ]));
    ArrayBuilder::new().items(word).min_items(Some(1)).build().into()
}

pub(super) fn direction() -> Object {
    in_any_case(&["inbound", "outbound"])
}

pub(super) fn media_type() -> Object {
    in_any_case(&["voice", "chat", "message", "email"])
}

/// A closed word in any case, or none.
fn in_any_case(words: &[&str]) -> Object {
    let letter = |c: char| format!("[{}{c}]", c.to_ascii_uppercase());
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    let pattern = format!(r"^\s*({})?\s*$", words.join("|"));
    nullable_text().pattern(Some(pattern)).build()
}

/// Values that an action or a lookup is asked with, `callId` among them.
pub(super) fn values(needs_call: bool) -> Object {
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    let kept = || text().max_length(Some(1_024)).pattern(Some(r"^[^\u0000]*$"));
    let truth = ObjectBuilder::new().schema_type(Type::Boolean);
    let number = ObjectBuilder::new().schema_type(Type::Number);
    let plain = AnyOfBuilder::new().item(kept()).item(number).item(truth).item(null());
    let value: RefOr<Schema> = any_of(plain).into();
    let id = if needs_call { call_id() } else { some_call_id() };
    let some = || any_of(AnyOfBuilder::new().item(kept()).item(null()));
    let values = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("callId", id)
        .property("ani", some())
        .property("dnis", some())
        .property("email", some())
        .property("externalId", some())
        .additional_properties(Some(AdditionalProperties::RefOr(value)))
        .max_properties(Some(64))
        .examples([serde_json::json!({ "callId": CALL_ID, "ani": "+15550199999" })]);
    if needs_call { values.required("callId").build() } else { values.build() }
}

/// The declared fields beside the keys that are always there; nothing is null.
pub(super) fn enrichment() -> Object {
    let one_of = |words: Vec<&'static str>| text().enum_values(Some(words)).build();
    let truth = ObjectBuilder::new().schema_type(Type::Boolean);
    let number = ObjectBuilder::new().schema_type(Type::Number);
    let plain = AnyOfBuilder::new().item(text()).item(number).item(truth);
    let value: RefOr<Schema> = any_of(plain).into();
    let mut answer = ObjectBuilder::new().schema_type(Type::Object);
    for (name, kind) in FIXED {
        let schema = match (*name, kind) {
            ("status", _) => one_of(Word::ALL.map(Word::as_str).to_vec()),
            ("errorCode", _) => one_of(CODES.iter().copied().chain([""]).collect()),
            ("source", _) => one_of(vec!["crm", "directory", "cache", "none"]),
            ("latencyMs", _) => whole().build(),
            (_, Kind::Flag) => ObjectBuilder::new().schema_type(Type::Boolean).build(),
            _ => text().build(),
        };
        answer = answer.property(*name, schema).required(*name);
    }
    answer.additional_properties(Some(AdditionalProperties::RefOr(value))).build()
}

/// A decision of a person about a review, or about those whose `ids` stand beside it.
pub(super) fn decision(is_of_many: bool) -> Schema {
    let object = || {
        let ids = ArrayBuilder::new()
            .items(whole().maximum(Some(1_000_000_000_000_i64)))
            .min_items(Some(1))
            .max_items(Some(1_000));
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
        if is_of_many { object.property("ids", ids).required("ids") } else { object }
    };
    let word = |words: &[&'static str]| text().enum_values(Some(words.to_vec()));
    let plain = || {
        let truth = ObjectBuilder::new().schema_type(Type::Boolean);
        let number = ObjectBuilder::new().schema_type(Type::Number);
        let null = ObjectBuilder::new().schema_type(Type::Null);
        AnyOfBuilder::new().item(text()).item(number).item(truth).item(null)
    };
    let value = any_of(plain().item(ArrayBuilder::new().items(plain())));
    let pair = SchemaType::from_iter([Type::Integer, Type::Null]);
    let pair = ObjectBuilder::new().schema_type(pair).minimum(Some(1));
    let pair = pair.maximum(Some(1_000_000_000_000_i64));
    let choice = word(&["left", "right", "both", "approve"]);
    let by_choice = object().property("choice", choice).required("choice");
    let by_value = object().property("choice", word(&["value"])).required("choice");
    let by_value = by_value.property("value", value).required("value");
    let by_pair = object().property("pair", pair).required("pair");
    any_of(AnyOfBuilder::new().item(by_choice).item(by_value).item(by_pair))
}

/// Data of a customer or a call: names with plain values, `null` to remove one.
pub(super) fn data() -> Object {
    let kept = || text().max_length(Some(4_096)).pattern(Some(r"^[^\u0000]*$"));
    let plain = |form: AnyOfBuilder| {
        let truth = ObjectBuilder::new().schema_type(Type::Boolean);
        let number = ObjectBuilder::new().schema_type(Type::Number);
        form.item(kept()).item(number).item(truth)
    };
    let items = plain(AnyOfBuilder::new());
    let list = ArrayBuilder::new().items(items).max_items(Some(64));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let value: RefOr<Schema> = any_of(plain(AnyOfBuilder::new()).item(list).item(null)).into();
    let name = text().pattern(Some("^[A-Za-z0-9_.-]{1,64}$")).build();
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(name))
        .additional_properties(Some(AdditionalProperties::RefOr(value)))
        .max_properties(Some(64))
        .examples([serde_json::json!({ "preferredLanguage": "es" })])
        .build()
}
