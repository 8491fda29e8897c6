//! What is read out of an answer: a path, a type, and what stands where nothing is found.

use domain::Value;
use serde_json::Value as Json;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Flag,
}

/// One field of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub path: Path,
    pub kind: Kind,
    /// Where the answer has nothing there.
    pub default: Value,
}

/// Steps into JSON: `records.0.Account.Name`, or a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<String>);

/// Longest text of a field, in characters: a flow's attribute holds less.
const TEXT_MAX: usize = 4_096;
/// Steps of a path.
const STEPS_MAX: usize = 32;

impl Path {
    /// The path.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let steps: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => {
                let read = |step: &str| step.replace("~1", "/").replace("~0", "~");
                pointer.split('/').map(read).collect()
            }
            None => text.split('.').map(str::to_owned).collect(),
        };
        if steps.len() > STEPS_MAX {
            return Err("has more than 32 steps");
        }
        if !text.starts_with('/') && steps.iter().any(String::is_empty) {
            return Err("has a step without a name");
        }
        Ok(Self(steps))
    }

    /// What is there; `None` also for `null`.
    #[must_use]
    pub fn of<'a>(&self, answer: &'a Json) -> Option<&'a Json> {
        let mut at = answer;
        for step in &self.0 {
            at = match at {
                Json::Array(list) => list.get(step.parse::<usize>().ok()?)?,
                Json::Object(map) => map.get(step)?,
                _ => return None,
            };
        }
        (!at.is_null()).then_some(at)
    }
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Text, Self::Integer, Self::Number, Self::Flag];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Flag => "flag",
        }
    }

    /// What stands where nothing is known and no default is given.
    #[must_use]
    pub fn empty(self) -> Value {
        match self {
            Self::Text => Value::Text(String::new()),
            Self::Integer => Value::Integer(0),
            Self::Number => Value::Number(0.0),
            Self::Flag => Value::Bool(false),
        }
    }

    /// A value of JSON in this type; `None` where it cannot be written so.
    #[must_use]
    pub fn read(self, value: &Json) -> Option<Value> {
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            Json::Bool(flag) => flag.to_string(),
            Json::Null | Json::Array(_) | Json::Object(_) => return None,
        };
        self.of_text(&text)
    }

    fn of_text(self, text: &str) -> Option<Value> {
        let trimmed = text.trim();
        match self {
            Self::Text => Some(Value::Text(text.chars().take(TEXT_MAX).collect())),
            Self::Integer => trimmed.parse().ok().or_else(|| whole(trimmed)).map(Value::Integer),
            Self::Number => trimmed.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number),
            Self::Flag => match trimmed {
                "true" | "1" => Some(Value::Bool(true)),
                "false" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
        }
    }

    /// A value of ours in this type.
    #[must_use]
    pub fn cast(self, value: &Value) -> Option<Value> {
        match value {
            Value::Text(text) => self.of_text(text),
            Value::Integer(number) => self.of_text(&number.to_string()),
            Value::Number(number) => self.of_text(&number.to_string()),
            Value::Bool(flag) => self.of_text(&flag.to_string()),
            Value::List(items) => {
                let texts: Option<Vec<String>> = items.iter().map(text_of).collect();
                self.of_text(&texts?.join("; "))
            }
        }
    }

    /// The type of a value; lists are told as text.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Text(_) | Value::List(_) => Self::Text,
            Value::Integer(_) => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Flag,
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match Kind::Text.cast(value)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// `42.0` is whole as well.
fn whole(text: &str) -> Option<i64> {
    /// Up to here a float tells whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    #[allow(clippy::cast_possible_truncation)]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Path};
    use domain::Value;
    use serde_json::json;

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let answer = json!({
            "records": [{ "Account": { "Name": "Acme" }, "a.b": 1, "c/d": 2 }], "none": null
        });
        let check = |path: &str, expected: Option<serde_json::Value>| {
            let path = Path::parse(path).expect(path);
            assert_eq!(path.of(&answer).cloned(), expected, "{path:?}");
        };
        check("records.0.Account.Name", Some(json!("Acme")));
        check("/records/0/Account/Name", Some(json!("Acme")));
        check("/records/0/a.b", Some(json!(1)));
        check("/records/0/c~1d", Some(json!(2)));
        check("records.1.Account", None);
        check("records.x", None);
        check("none", None);
        check("none.more", None);
        assert!(Path::parse("").is_err() && Path::parse("a..b").is_err());
        assert!(Path::parse(&"a.".repeat(40)).is_err());
    }

    #[test]
    fn a_value_is_written_in_the_type_of_its_field_or_not_at_all() {
        let check = |kind: Kind, value: serde_json::Value, expected: Option<Value>| {
            assert_eq!(kind.read(&value), expected, "{kind:?} of {value}");
        };
        check(Kind::Text, json!(42), Some(Value::from("42")));
        check(Kind::Text, json!(true), Some(Value::from("true")));
        check(Kind::Integer, json!("42"), Some(Value::Integer(42)));
        check(Kind::Integer, json!(42.0), Some(Value::Integer(42)));
        check(Kind::Integer, json!(42.5), None);
        check(Kind::Number, json!("4.5"), Some(Value::Number(4.5)));
        check(Kind::Number, json!("inf"), None);
        check(Kind::Flag, json!("true"), Some(Value::Bool(true)));
        check(Kind::Flag, json!("yes"), None);
        check(Kind::Text, json!([1]), None);
        check(Kind::Text, json!(null), None);
        let list = Value::List(vec![Value::from("a"), Value::Integer(2)]);
        assert_eq!(Kind::Text.cast(&list), Some(Value::from("a; 2")));
    }
}
