//! Checks requests and answers against Genesys Cloud's API description.
//!
//! Path and method must be described; every property must be a described one of
//! the described type, enumeration and bounds, recursively. In a request required
//! properties must be there and read-only ones other than `id` must not; in an answer required
//! ones are demanded at the top only, because references leave them out.
//!
//! The description is not committed: it is read below `TIELINE_SPECS` (default
//! `../shared/specs` beside the workspace). Where it is absent a test says
//! `SKIPPED specs: …` and `described()` is false.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Map, Value};

const DEPTH: usize = 40;

fn spec() -> Option<&'static Value> {
    static SPEC: OnceLock<Option<Value>> = OnceLock::new();
    SPEC.get_or_init(|| {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs");
        let root = std::env::var_os("TIELINE_SPECS").map_or_else(|| beside.into(), PathBuf::from);
        let text = std::fs::read(root.join("genesys/genesys-cloud.oas3.json")).ok()?;
        serde_json::from_slice(&text).ok()
    })
    .as_ref()
}

/// Whether the description is there; says so when it is not.
pub(crate) fn described() -> bool {
    if spec().is_none() {
        eprintln!("SKIPPED specs: no genesys/genesys-cloud.oas3.json below TIELINE_SPECS");
    }
    spec().is_some()
}

/// What our copy of the description leaves out: the vendor's own clients ask it.
pub(crate) const UNDESCRIBED: [&str; 3] =
    ["/api/v2/authorization/subjects/me", "/api/v2/architect/", "/api/v2/groups"];

/// Whether our copy leaves it out.
pub(crate) fn is_undescribed(path: &str) -> bool {
    UNDESCRIBED.iter().any(|start| path.starts_with(start))
}

/// Checks what is about to be sent. `path` may carry a query; its parameters are checked, too.
pub(crate) fn validate_request(
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(), Vec<String>> {
    let Some(spec) = spec() else { return Ok(()) };
    let mut faults = Vec::new();
    if let Some(operation) = operation(spec, method, path, &mut faults) {
        let described = resolve(spec, &operation["requestBody"]);
        match (json_schema(described), body) {
            (Some(schema), Some(body)) => {
                Check { spec, request: true, faults: &mut faults }.value("$", schema, body, 0);
            }
            (Some(_), None) if described["required"] == true => {
                faults.push("a body is required".into())
            }
            (None, Some(body)) if !body.is_null() => faults.push("no body is described".into()),
            _ => {}
        }
        query(spec, operation, path, &mut faults);
    }
    verdict(faults)
}

/// Checks what was answered.
pub(crate) fn validate_response(
    method: &str,
    path: &str,
    status: u16,
    body: Option<&Value>,
) -> Result<(), Vec<String>> {
    let Some(spec) = spec() else { return Ok(()) };
    let mut faults = Vec::new();
    if let Some(operation) = operation(spec, method, path, &mut faults) {
        let described = resolve(spec, &operation["responses"][status.to_string()]);
        match (json_schema(described), body) {
            _ if described.is_null() => faults.push(format!("status {status} is not described")),
            (Some(schema), Some(body)) => {
                Check { spec, request: false, faults: &mut faults }.value("$", schema, body, 0);
            }
            (Some(_), None) => faults.push("a body is described, none came".into()),
            (None, Some(_)) => faults.push("no body is described, one came".into()),
            (None, None) => {}
        }
    }
    verdict(faults)
}

/// The permissions an operation is described to need, by method and path template.
pub(crate) fn permissions(method: &str, template: &str) -> Option<Vec<&'static str>> {
    let operation = spec()?["paths"].get(template)?.get(method.to_lowercase())?;
    let named = operation["x-inin-requires-permissions"]["permissions"].as_array();
    Some(named.into_iter().flatten().filter_map(Value::as_str).collect())
}

fn verdict(faults: Vec<String>) -> Result<(), Vec<String>> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn operation<'a>(
    spec: &'a Value,
    method: &str,
    path: &str,
    faults: &mut Vec<String>,
) -> Option<&'a Value> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (mut one, mut two) = (template.split('/'), path.split('/'));
        loop {
            match (one.next(), two.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == b || (a.starts_with('{') && !b.is_empty()) => {}
                _ => return false,
            }
        }
    };
    // The template with the fewest parameters: `/calls/{id}` before `/{id}/{other}`.
    let paths = spec["paths"].as_object().into_iter().flatten();
    let fitting = paths.filter(|(template, _)| fits(template));
    let with_method = fitting.filter(|(_, item)| item.get(method.to_lowercase()).is_some());
    let found = with_method.min_by_key(|(template, _)| template.matches('{').count());
    if found.is_none() {
        faults.push(format!("{method} {path} is not described"));
    }
    found.map(|(_, item)| &item[method.to_lowercase()])
}

fn query(spec: &Value, operation: &Value, path: &str, faults: &mut Vec<String>) {
    let described: Vec<&Value> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| resolve(spec, parameter))
        .filter(|parameter| parameter["in"] == "query")
        .collect();
    let sent = path.split_once('?').map_or("", |(_, query)| query);
    let names: Vec<&str> = sent
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .collect();
    for name in &names {
        if !described.iter().any(|parameter| parameter["name"] == *name) {
            faults.push(format!("the query parameter {name} is not described"));
        }
    }
    for parameter in described.iter().filter(|parameter| parameter["required"] == true) {
        let name = parameter["name"].as_str().unwrap_or_default();
        if !names.contains(&name) {
            faults.push(format!("the query parameter {name} is required"));
        }
    }
}

fn json_schema(described: &Value) -> Option<&Value> {
    described["content"].get("application/json")?.get("schema")
}

fn resolve<'a>(spec: &'a Value, mut node: &'a Value) -> &'a Value {
    for _ in 0..DEPTH {
        match node
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|to| spec.pointer(to.trim_start_matches('#')))
        {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}

struct Check<'a> {
    spec: &'a Value,
    request: bool,
    faults: &'a mut Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, at: &str, schema: &Value, value: &Value, depth: usize) {
        let schema = resolve(self.spec, schema);
        // The description has no nullable; the platform itself reads null as absent.
        if depth > DEPTH || value.is_null() {
            return;
        }
        let fits = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object() || schema.get("properties").is_none(),
            _ => true,
        };
        if !fits {
            let kind = &schema["type"];
            self.faults.push(format!("{at} is no {kind}: {value}"));
            return;
        }
        self.bounds(at, schema, value);
        if let Some(items) = value.as_array() {
            for (index, item) in items.iter().enumerate() {
                self.value(&format!("{at}[{index}]"), &schema["items"], item, depth + 1);
            }
        }
        if let Some(object) = value.as_object() {
            self.object(at, schema, object, depth);
        }
    }

    fn object(&mut self, at: &str, schema: &Value, object: &Map<String, Value>, depth: usize) {
        let (known, more) = (&schema["properties"], &schema["additionalProperties"]);
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match known.get(name) {
                Some(property) if self.request && name != "id" && property["readOnly"] == true => {
                    self.faults.push(format!("{at} is read-only"));
                }
                Some(property) => self.value(&at, property, value, depth + 1),
                None if more.is_object() => self.value(&at, more, value, depth + 1),
                None if known.is_object() && *more != true => {
                    self.faults.push(format!("{at} is not described"));
                }
                None => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // Below the top, an object with an id refers to what exists already.
            let refers = depth > 0 && object.get("id").is_some_and(Value::is_string);
            if (depth == 0 || (self.request && !refers))
                && object.get(name).is_none_or(Value::is_null)
            {
                self.faults.push(format!("{at}.{name} is required"));
            }
        }
    }

    fn bounds(&mut self, at: &str, schema: &Value, value: &Value) {
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            self.faults.push(format!("{at} is none of the described values: {value}"));
        }
        let size = match value {
            Value::String(text) => Some((text.chars().count(), "minLength", "maxLength")),
            Value::Array(items) => Some((items.len(), "minItems", "maxItems")),
            _ => None,
        };
        if let Some((size, least, most)) = size {
            let bound =
                |name: &str| schema[name].as_u64().and_then(|bound| usize::try_from(bound).ok());
            if bound(least).is_some_and(|least| size < least)
                || bound(most).is_some_and(|most| size > most)
            {
                self.faults.push(format!("{at} has a size out of bounds: {size}"));
            }
        }
        let date = schema["format"] == "date-time";
        if date
            && !value.as_str().is_some_and(|text| {
                text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
            })
        {
            self.faults.push(format!("{at} is no date-time: {value}"));
        }
    }
}

#[test]
fn a_request_outside_the_description_is_told() {
    if !described() {
        return;
    }
    let check = |method, path, body: &Value| {
        validate_request(method, path, Some(body)).expect_err("a fault").join("; ")
    };
    let enrich = "/api/v2/externalcontacts/contacts/enrich";
    let good = serde_json::json!({ "action": "Upsert", "matchingIdentifiers": [{ "type": "Phone", "value": "+1" }] });
    assert_eq!(validate_request("POST", enrich, Some(&good)), Ok(()));
    assert_eq!(validate_request("POST", &format!("{enrich}?dryRun=true"), Some(&good)), Ok(()));
    let told = check("POST", enrich, &serde_json::json!({ "action": "Replace", "x": 1 }));
    assert_eq!(
        told,
        "$.action is none of the described values: \"Replace\"; $.x is not described; $.matchingIdentifiers is required"
    );
    assert!(check("PUT", "/api/v2/customers/1", &good).contains("not described"));
    assert!(
        check("POST", "/api/v2/externalcontacts/contacts/enrich?dry=1", &good)
            .contains("query parameter dry")
    );
    let read_only = serde_json::json!({ "type": "Curated", "firstName": 7 });
    assert_eq!(
        check("POST", "/api/v2/externalcontacts/contacts", &read_only),
        "$.firstName is no \"string\": 7; $.type is read-only"
    );
}
