//! Data actions as Genesys Cloud imports them: one file for each address that a flow asks.
//!
//! The contract is flat in both directions, every output is always there, and none is
//! null, for a default does not stand in for a null there. Inputs are sent on as they
//! came (`${input.rawRequest}`), so that no template has to escape one; only what stands
//! in an address is escaped by the platform's own macro.
//!
//! Sources: help articles 134283 (import), 138534 (contracts), 135983 (macros); samples
//! that others have exported.

use serde_json::{Map, Value, json};

/// The type of a value in a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Flag,
}

/// Something that a flow passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub kind: Kind,
    pub is_required: bool,
}

/// Something that a flow is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    /// In the answer, as JSONPath: `$.status`.
    pub path: String,
    pub kind: Kind,
}

/// An address that a flow may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub name: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `{queue}` stands for the input of that name.
    pub path: String,
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
    /// When the platform gives up: 2 or 3 seconds.
    pub timeout_s: u8,
}

/// The integration type of actions that ask somebody else's address.
pub const INTEGRATION_TYPE: &str = "custom-rest-actions";
/// The field of the integration's credential that holds a key of the API.
pub const KEY_FIELD: &str = "apiKey";
const SCHEMA: &str = "http://json-schema.org/draft-04/schema#";

/// The file; `base` is the server's own address as the platform reaches it.
#[must_use]
pub fn export(offer: &Offer, base: &str) -> Value {
    json!({
        "name": offer.name,
        "integrationType": INTEGRATION_TYPE,
        "actionType": "custom",
        "config": config(offer, base),
        "contract": contract(offer),
        "secure": false,
    })
}

/// How the address is asked, and what is read out of its answer.
#[must_use]
pub fn config(offer: &Offer, base: &str) -> Value {
    let (mut map, mut defaults) = (Map::new(), Map::new());
    let mut template = Vec::new();
    for Output { name, path, kind } in &offer.outputs {
        map.insert(name.clone(), path.as_str().into());
        // As it is printed: a text with its quotes.
        defaults.insert(name.clone(), kind.nothing().into());
        template.push(format!("\"{name}\": ${{{name}}}"));
    }
    json!({
        "request": {
            "requestUrlTemplate": address(offer, base),
            "requestType": offer.method,
            "headers": {
                "Content-Type": "application/json",
                "X-API-Key": format!("${{credentials.{KEY_FIELD}}}"),
            },
            "requestTemplate": "${input.rawRequest}",
        },
        "response": {
            "translationMap": map,
            "translationMapDefaults": defaults,
            "successTemplate": format!("{{{}}}", template.join(", ")),
        },
        "timeoutSeconds": offer.timeout_s,
    })
}

/// What goes in and what comes out.
#[must_use]
pub fn contract(offer: &Offer) -> Value {
    let inputs: Map<String, Value> = offer
        .inputs
        .iter()
        .map(|input| (input.name.clone(), json!({ "type": input.kind.word() })))
        .collect();
    let outputs: Map<String, Value> = offer
        .outputs
        .iter()
        .map(|output| (output.name.clone(), json!({ "type": output.kind.word() })))
        .collect();
    let required = offer.inputs.iter().filter(|input| input.is_required);
    let required: Vec<&str> = required.map(|input| input.name.as_str()).collect();
    let mut input = json!({
        "$schema": SCHEMA, "title": format!("{} request", offer.name), "type": "object",
        "properties": inputs, "additionalProperties": true,
    });
    // An empty list is none in that draft.
    if !required.is_empty() {
        input["required"] = json!(required);
    }
    json!({
        "input": { "inputSchema": input },
        "output": { "successSchema": {
            "$schema": SCHEMA, "title": format!("{} answer", offer.name), "type": "object",
            "properties": outputs, "additionalProperties": true,
        } },
    })
}

fn address(offer: &Offer, base: &str) -> String {
    let mut address = base.trim_end_matches('/').to_owned();
    let mut rest = offer.path.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        address.push_str(before);
        address.push_str(&format!("$esc.url(${{input.{name}}})"));
        rest = after;
    }
    address + rest
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Flag => "boolean",
        }
    }

    fn nothing(self) -> &'static str {
        match self {
            Self::Text => "\"\"",
            Self::Integer => "0",
            Self::Number => "0.0",
            Self::Flag => "false",
        }
    }
}
