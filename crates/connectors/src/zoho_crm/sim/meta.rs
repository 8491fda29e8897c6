//! The organization's own data: users, modules and fields, as clients ask for them first.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::World;
use super::http::{Answer, Asked};
use super::schema::{self, Field, Kind};
use super::store::{US, user};

impl World {
    /// `GET /users`: the one whose tokens there are.
    pub(super) fn users(&self) -> Answer {
        let mut own = user(US);
        own["email"] = "integration@example.com".into();
        own["full_name"] = own["name"].clone();
        own["last_name"] = own["name"].clone();
        own["status"] = "active".into();
        own["role"] = json!({ "name": "CEO", "id": "5725767000000026005" });
        own["profile"] = json!({ "name": "Administrator", "id": "5725767000000026011" });
        let info = json!({ "per_page": 200, "count": 1, "page": 1, "more_records": false });
        Answer::json(StatusCode::OK, &json!({ "users": [own], "info": info }))
    }

    /// `GET /org`.
    pub(super) fn organization(&self) -> Answer {
        let org = json!({ "id": self.config.org_id, "company_name": "Acme Corporation", "country": "US" });
        Answer::json(StatusCode::OK, &json!({ "org": [org] }))
    }

    /// `GET /settings/modules`.
    pub(super) fn modules(&self) -> Answer {
        let modules = schema::MODULES.iter().zip(1_u64..).map(|(module, nth)| {
            json!({
                "id": (5_725_767_000_000_002_000 + nth).to_string(), "api_name": module.name,
                "module_name": module.name, "plural_label": module.name, "singular_label": module.singular,
                "api_supported": true, "creatable": true, "editable": true, "deletable": true,
                "viewable": true, "generated_type": "default", "modified_time": null,
            })
        });
        Answer::json(StatusCode::OK, &json!({ "modules": modules.collect::<Vec<Json>>() }))
    }

    /// `GET /settings/fields?module=`.
    pub(super) fn fields(&self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let module = asked.get("module").and_then(schema::module).ok_or_else(|| {
            let told = "the module name given seems to be invalid";
            Answer::refused("INVALID_MODULE", json!({ "param_name": "module" }), told)
        })?;
        let fields = module.fields.iter().zip(1_u64..).map(|(field, nth)| described(field, nth));
        Ok(Answer::json(StatusCode::OK, &json!({ "fields": fields.collect::<Vec<Json>>() })))
    }
}

fn described(field: &Field, nth: u64) -> Json {
    let lookup = match field.kind {
        Kind::Lookup(to) => json!({
            "module": { "api_name": to, "id": "5725767000000002179" }, "display_label": to,
        }),
        _ => json!({}),
    };
    let json_type = match field.kind {
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::Lookup(_) | Kind::User => "jsonobject",
        _ => "string",
    };
    // What is no text has a length as well: that of how it is written.
    let length = match (field.kind, field.length) {
        (Kind::Boolean, _) => 5,
        (Kind::Lookup(_) | Kind::User, _) => 120,
        (_, 0) => 25,
        (_, length) => length,
    };
    json!({
        "id": (5_725_767_000_000_002_500 + nth).to_string(), "api_name": field.name,
        "field_label": field.name.replace('_', " "), "data_type": field.kind.word(),
        "json_type": json_type, "length": length, "system_mandatory": field.mandatory,
        "read_only": field.read_only(), "field_read_only": field.read_only(), "custom_field": false,
        "visible": true, "lookup": lookup, "multiselectlookup": {}, "multiuserlookup": {},
        "pick_list_values": [], "unique": if field.unique { json!({ "casesensitive": "false" }) } else { json!({}) },
        "type": "used", "subform": null, "formula": {}, "currency": {}, "decimal_place": null,
    })
}
