//! What parameters of reports look like, for the API's description.

use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn format() -> Object {
    text().enum_values(Some(["json", "csv"])).build()
}

pub(super) fn interval() -> Object {
    text().enum_values(Some(["hour", "day"])).build()
}

pub(super) fn offset() -> Object {
    text().pattern(Some("^(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$")).build()
}

pub(super) fn time() -> Object {
    text()
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
            utoipa::openapi::KnownFormat::DateTime,
        )))
        .build()
}

pub(super) fn status() -> Object {
    text().enum_values(Some(["hit", "miss", "partial", "ambiguous", "unknown"])).build()
}

pub(super) fn source() -> Object {
    text().enum_values(Some(["directory", "crm", "none"])).build()
}

pub(super) fn cursor() -> Object {
    text().pattern(Some("^[0-9a-f]{1,16}[.][0-9a-f]{1,16}$")).build()
}
