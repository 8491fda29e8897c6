//! Rules and chains as people write them, read whole: every mistake at once, each by name.
//!
//! The same objects come by API, lie in the store and stand in a TOML file.

use domain::rules::{
    CHAIN_RULES_MAX, CONDITIONS_MAX, Chain, Condition, Destination, DestinationKind, Entry,
    LINES_MAX, Line, Location, Misused, Module, Operator, Rule, Source, Test, VALUES_MAX,
};
use domain::{Caller, Region, phone};
use serde_json::{Map, Value};

mod own;

pub use own::{LOGIN, SECRETS, fields, has_own_connection, is_own, login, own_connection};

/// A rule or a chain as an object.
pub type Body = Map<String, Value>;

/// Something that is wrong with a rule or a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which field, such as `lines[2].operator`.
    pub at: String,
    pub message: String,
    pub fix: String,
}

/// What a rule says besides what decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub rule: Rule,
    /// The address that is asked in place of a connection.
    pub url: Option<String>,
}

const RULE_FIELDS: [&str; 12] = [
    "name", "location", "greeting", "crm", "url", "module", "username", "password", "token", LOGIN,
    "field", "lines",
];
const CHAIN_FIELDS: [&str; 3] = ["entry", "rules", "default"];
const LINE_FIELDS: [&str; 6] = ["field", "operator", "value", "values", "all", "destination"];
const CONDITION_FIELDS: [&str; 4] = ["field", "operator", "value", "values"];

/// Characters of a name, a field or an option.
const NAME_MAX: usize = 128;
/// Characters of a value.
const VALUE_MAX: usize = 256;
/// Characters of a greeting and of an address.
const TEXT_MAX: usize = 2_000;

/// A reader that notes what is wrong and goes on.
struct Reader {
    faults: Vec<Fault>,
}

/// FNV-1a, 64 bits: a name for a text, nothing secret.
pub(super) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn has(body: &Body, name: &str) -> bool {
    body.get(name).is_some_and(|value| !value.is_null() && *value != "")
}

/// Reads a rule of this name.
///
/// # Errors
/// Everything that is missing or wrong.
pub fn rule(name: &str, body: &Body) -> Result<Read, Vec<Fault>> {
    let mut reader = Reader { faults: Vec::new() };
    reader.known("", body, &RULE_FIELDS);
    let name_is = reader.name("name", Some(&Value::from(name)));
    let location = reader.word("location", body.get("location"), &Location::ALL, Location::as_str);
    let greeting = reader.optional("greeting", body.get("greeting"), TEXT_MAX);
    if greeting.is_some() && location == Some(Location::Did) {
        reader.fault(
            "greeting",
            "is for rules of an IVR only.",
            "Leave it out, or make the location ivr.",
        );
    }
    let url = reader.url(body);
    let crm = match &url {
        Some(_) => None,
        None => reader.required("crm", body.get("crm"), NAME_MAX),
    };
    if crm.as_deref().is_some_and(is_own) {
        let fix = "Name a connection, and give this rule a login of its own.";
        reader.fault("crm", "is what another rule has brought.", fix);
    }
    let module = match &url {
        Some(_) => None,
        None => reader.word("module", body.get("module"), &Module::ALL, Module::as_str),
    };
    reader.login(body);
    let field = reader.required("field", body.get("field"), NAME_MAX);
    let lines = reader.lines(body.get("lines"));
    let connection = match has_own_connection(body) {
        true => Some(own_connection(name, body)),
        false => crm,
    };
    let rule = || {
        let source = Source { connection: connection?, module };
        let (name, location, field) = (name_is?, location?, field?);
        Some(Rule { name, location, greeting, source, field, lines })
    };
    match (rule(), reader.faults.is_empty()) {
        (Some(rule), true) => Ok(Read { rule, url }),
        _ => Err(reader.faults),
    }
}

/// Reads a chain; `region` for a DID in national form.
///
/// # Errors
/// Everything that is missing or wrong.
pub fn chain(entry_text: &str, body: &Body, region: Region) -> Result<Chain, Vec<Fault>> {
    let mut reader = Reader { faults: Vec::new() };
    reader.known("", body, &CHAIN_FIELDS);
    let entry = entry(entry_text, region);
    if entry.is_none() {
        reader.fault(
            "entry",
            "is no DID and no option of an IVR.",
            "Write did:+15550190000, or ivr:Main menu/1 for option 1 of the IVR Main menu.",
        );
    }
    let mut rules = Vec::new();
    match body.get("rules") {
        Some(Value::Array(names)) if names.len() <= CHAIN_RULES_MAX => {
            for (at, name) in names.iter().enumerate() {
                let at = format!("rules[{at}]");
                let Some(name) = reader.name(&at, Some(name)) else { continue };
                if rules.contains(&name) {
                    reader.fault(
                        &at,
                        "names a rule that stands before it already.",
                        "Leave it out.",
                    );
                }
                rules.push(name);
            }
        }
        None => {}
        Some(_) => reader.fault(
            "rules",
            format!("is no list of up to {CHAIN_RULES_MAX} names."),
            "Write the rules' names in order.",
        ),
    }
    let default = reader.destination("default", body.get("default"));
    match (entry, default, reader.faults.is_empty()) {
        (Some(entry), Some(default), true) => Ok(Chain { entry, rules, default }),
        _ => Err(reader.faults),
    }
}

/// An entry, its number as E.164.
#[must_use]
pub fn entry(text: &str, region: Region) -> Option<Entry> {
    match Entry::parse(text.trim())? {
        Entry::Did(number) => match phone::parse(&number, region) {
            Caller::Number(phone) => Some(Entry::Did(phone.e164)),
            Caller::Withheld | Caller::Unusable { .. } => None,
        },
        ivr @ Entry::Ivr { .. } => (text.chars().count() <= 2 * NAME_MAX).then_some(ivr),
    }
}

impl Reader {
    fn fault(&mut self, at: &str, message: impl Into<String>, fix: impl Into<String>) {
        let (message, fix) = (message.into(), fix.into());
        self.faults.push(Fault { at: at.to_owned(), message, fix });
    }

    fn known(&mut self, at: &str, body: &Body, known: &[&str]) {
        for name in body.keys().filter(|name| !known.contains(&name.as_str())) {
            let at = format!("{at}{}", name.chars().take(NAME_MAX).collect::<String>());
            self.fault(&at, "is no field of it.", format!("Its fields are {}.", known.join(", ")));
        }
    }

    fn required(&mut self, at: &str, value: Option<&Value>, max: usize) -> Option<String> {
        let text = self.optional(at, value, max);
        if text.is_none() && !self.faults.iter().any(|fault| fault.at == at) {
            self.fault(at, "is required.", "Add it.");
        }
        text
    }

    fn name(&mut self, at: &str, value: Option<&Value>) -> Option<String> {
        self.required(at, value, NAME_MAX)
    }

    /// A text with something in it, without outer space.
    fn optional(&mut self, at: &str, value: Option<&Value>, max: usize) -> Option<String> {
        let text = match value {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => text.trim(),
            Some(_) => {
                self.fault(at, "is no text.", "Write it as a text.");
                return None;
            }
        };
        if text.chars().count() > max || text.chars().any(|c| c.is_control() && c != '\n') {
            let message = format!("is longer than {max} characters, or has control characters.");
            self.fault(at, message, "Shorten it.");
            return None;
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn word<T: Copy>(
        &mut self,
        at: &str,
        value: Option<&Value>,
        all: &[T],
        word: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.required(at, value, NAME_MAX)?;
        let found = all.iter().copied().find(|one| word(*one).eq_ignore_ascii_case(&text));
        if found.is_none() {
            let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
            self.fault(at, "is none of its words.", format!("Write {}.", words.join(", ")));
        }
        found
    }

    /// The address, with what must not stand beside it.
    fn url(&mut self, body: &Body) -> Option<String> {
        let url = self.optional("url", body.get("url"), TEXT_MAX)?;
        if !url.starts_with("https://") {
            self.fault("url", "does not start with https://.", "Use an address that does.");
        }
        for name in ["crm", "module", "username", "password"] {
            if has(body, name) {
                let fix = "Leave it out: what the URL answers is the record.";
                self.fault(name, "does not go with a custom URL.", fix);
            }
        }
        Some(url)
    }

    fn lines(&mut self, value: Option<&Value>) -> Vec<Line> {
        let lines = match value {
            Some(Value::Array(lines)) if !lines.is_empty() && lines.len() <= LINES_MAX => lines,
            None | Some(Value::Null) => {
                self.fault("lines", "is required.", "Add at least one line.");
                return Vec::new();
            }
            Some(_) => {
                let message = format!("is no list of 1 to {LINES_MAX} lines.");
                self.fault("lines", message, "Add at least one line, or make two rules of it.");
                return Vec::new();
            }
        };
        lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| self.line(&format!("lines[{at}]"), line))
            .collect()
    }

    fn line(&mut self, at: &str, value: &Value) -> Option<Line> {
        let Value::Object(line) = value else {
            self.fault(at, "is no object.", "Write operator, value and destination.");
            return None;
        };
        self.known(&format!("{at}."), line, &LINE_FIELDS);
        let conditions = match line.get("all") {
            None => vec![self.condition(at, line)],
            Some(Value::Array(all)) if !all.is_empty() && all.len() <= CONDITIONS_MAX => {
                for name in CONDITION_FIELDS.iter().filter(|name| line.contains_key(**name)) {
                    let fix = "Write it inside of all.";
                    self.fault(&format!("{at}.{name}"), "does not go with all.", fix);
                }
                all.iter()
                    .enumerate()
                    .map(|(n, one)| self.one_of_all(&format!("{at}.all[{n}]"), one))
                    .collect()
            }
            Some(_) => {
                let message = format!("is no list of 1 to {CONDITIONS_MAX} conditions.");
                self.fault(&format!("{at}.all"), message, "Each has an operator and a value.");
                Vec::new()
            }
        };
        let destination = self.destination(&format!("{at}.destination"), line.get("destination"));
        let conditions: Option<Vec<Condition>> = conditions.into_iter().collect();
        Some(Line { conditions: conditions?, destination: destination? })
    }

    fn one_of_all(&mut self, at: &str, value: &Value) -> Option<Condition> {
        let Value::Object(condition) = value else {
            self.fault(at, "is no object.", "Write field, operator and value.");
            return None;
        };
        self.known(&format!("{at}."), condition, &CONDITION_FIELDS);
        self.condition(at, condition)
    }

    fn condition(&mut self, at: &str, body: &Body) -> Option<Condition> {
        let field = self.optional(&format!("{at}.field"), body.get("field"), NAME_MAX);
        let operator = format!("{at}.operator");
        let operator = self.word(&operator, body.get("operator"), &Operator::ALL, Operator::as_str);
        let (at_value, values) = match (body.get("value"), body.get("values")) {
            (value, None) => (format!("{at}.value"), value.into_iter().collect::<Vec<_>>()),
            (None, Some(Value::Array(all))) => (format!("{at}.values"), all.iter().collect()),
            _ => {
                let fix = "Write value for one, values for a list.";
                self.fault(&format!("{at}.values"), "is no list, or stands beside value.", fix);
                return None;
            }
        };
        let values: Option<Vec<String>> =
            values.into_iter().filter(|value| !value.is_null()).map(text).collect();
        let Some(values) = values else {
            self.fault(&at_value, "is no text, number or truth value.", "Write one of them.");
            return None;
        };
        if values.iter().any(|value| value.chars().count() > VALUE_MAX) {
            self.fault(&at_value, format!("is longer than {VALUE_MAX} characters."), "Shorten it.");
            return None;
        }
        if operator.is_none() && values.is_empty() {
            self.fault(&at_value, "is required.", "Add it.");
        }
        let operator = operator?;
        let several = |most: usize| format!("takes up to {most} values.");
        match Test::new(operator, &values) {
            Ok(_) => Some(Condition { field, operator, values }),
            Err(wrong) => {
                let (message, fix) = match wrong {
                    Misused::NoValue => ("is required.".to_owned(), "Add it."),
                    Misused::EmptyValue => ("is empty.".to_owned(), "Use the operator `is empty`."),
                    Misused::TooManyValues if operator == Operator::In => {
                        (several(VALUES_MAX), "Make two lines of it.")
                    }
                    Misused::TooManyValues if operator == Operator::IsEmpty => {
                        ("does not go with `is empty`.".to_owned(), "Leave it out.")
                    }
                    Misused::TooManyValues => (several(1), "Use the operator `in` for a list."),
                };
                self.fault(&at_value, message, fix);
                None
            }
        }
    }

    fn destination(&mut self, at: &str, value: Option<&Value>) -> Option<Destination> {
        let body = match value {
            Some(Value::Object(body)) => body,
            None | Some(Value::Null) => {
                self.fault(at, "is required.", "Write type and option.");
                return None;
            }
            Some(_) => {
                self.fault(at, "is no object.", "Write type and option.");
                return None;
            }
        };
        self.known(&format!("{at}."), body, &["type", "option"]);
        let kind = self.word(
            &format!("{at}.type"),
            body.get("type"),
            &DestinationKind::ALL,
            DestinationKind::as_str,
        );
        let option = self.required(&format!("{at}.option"), body.get("option"), NAME_MAX);
        Some(Destination { kind: kind?, option: option? })
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
