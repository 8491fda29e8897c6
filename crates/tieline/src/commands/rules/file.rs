//! Rules as a TOML file: `[[rules]]` with their names, `[[chains]]` with their entries.

use crate::exit::{self, Failure};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Fields and values as typed; a field that comes twice has both.
pub(super) fn typed(record: &[String]) -> Result<Value, Failure> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in record {
        let (field, value) = one
            .split_once('=')
            .ok_or_else(|| exit::input(format!("--record {one}: write FIELD=VALUE")))?;
        all.entry(field.trim().to_owned()).or_default().push(value.into());
    }
    let one = |mut values: Vec<Value>| match values.len() {
        1 => values.remove(0),
        _ => Value::Array(values),
    };
    Ok(Value::Object(all.into_iter().map(|(field, values)| (field, one(values))).collect()))
}

/// The file as the API takes a set: `[[rules]]` by name, `[[chains]]` by entry.
pub(super) fn read(file: &Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(drop),
        _ => std::fs::read_to_string(file).map(|read| text = read),
    };
    let at = file.display();
    read.map_err(|error| exit::input(format!("{at}: {error}")))?;
    let whole: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| exit::input(format!("{at}: {}", error.message())))?;
    let mut set = Map::new();
    for (key, value) in whole {
        let named = match key.as_str() {
            "rules" => "name",
            "chains" => "entry",
            _ => return Err(exit::input(format!("{at}: {key} is neither rules nor chains"))),
        };
        let items = value.as_array().ok_or_else(|| {
            exit::input(format!("{at}: {key} is no list: write [[{key}]] before each"))
        })?;
        let mut all = Map::new();
        for (index, item) in items.iter().enumerate() {
            let item = serde_json::to_value(item).map_err(exit::failed)?;
            let name = text_of(&item, named)
                .ok_or_else(|| exit::input(format!("{at}: {key}[{index}] has no {named}")))?;
            let mut body = item.as_object().cloned().unwrap_or_default();
            body.remove(named);
            if all.insert(name.clone(), Value::Object(body)).is_some() {
                return Err(exit::input(format!("{at}: {key} has {name} twice")));
            }
        }
        set.insert(key, Value::Object(all));
    }
    Ok(Value::Object(set))
}

fn text_of(item: &Value, key: &str) -> Option<String> {
    item[key].as_str().map(str::to_owned)
}

/// A set as TOML.
pub(super) fn toml_of(set: &Value) -> Result<String, Failure> {
    let mut whole = toml::Table::new();
    for (key, named) in [("rules", "name"), ("chains", "entry")] {
        let mut items = Vec::new();
        for (name, body) in set[key].as_object().into_iter().flatten() {
            let mut item = toml::Table::new();
            item.insert(named.to_owned(), name.as_str().into());
            for (field, value) in
                body.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null())
            {
                item.insert(field.clone(), toml::Value::try_from(value).map_err(exit::failed)?);
            }
            items.push(toml::Value::Table(item));
        }
        if !items.is_empty() {
            whole.insert(key.to_owned(), toml::Value::Array(items));
        }
    }
    toml::to_string_pretty(&whole).map_err(exit::failed)
}
