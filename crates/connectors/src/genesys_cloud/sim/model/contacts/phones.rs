//! Reads a phone number as the platform does on write: what can be read becomes
//! E.164 and is matchable, what cannot is kept as typed and matches nothing.
//!
//! A plain reader, no number plan: a leading `+`, or a national number of a few
//! countries; a country that is not told is North America. Lengths are checked,
//! ranges are not. Letters (an extension typed into the number) are not read;
//! the vendor has a field of its own for extensions.

use serde_json::{Map, Value};

use super::super::problem::Problem;

/// ISO country, calling code, trunk prefix that is dropped in front of it.
const COUNTRIES: [(&str, &str, &str); 14] = [
    ("US", "1", ""),
    ("CA", "1", ""),
    ("GB", "44", "0"),
    ("DE", "49", "0"),
    ("FR", "33", "0"),
    ("NL", "31", "0"),
    ("IT", "39", ""),
    ("ES", "34", ""),
    ("AU", "61", "0"),
    ("ZA", "27", "0"),
    ("JP", "81", "0"),
    ("IN", "91", "0"),
    ("MX", "52", ""),
    ("BR", "55", "0"),
];

/// The E.164 form, if the number can be read.
pub(crate) fn e164(typed: &str, country: Option<&str>) -> Option<String> {
    let typed = typed.trim();
    let plus = typed.starts_with('+');
    let readable = |c: char| c.is_ascii_digit() || " -().+/\u{a0}".contains(c);
    if typed.matches('+').count() > usize::from(plus) || !typed.chars().all(readable) {
        return None;
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let number = if plus { digits } else { national(&digits, country)? };
    let possible = match number.as_bytes().first() {
        None | Some(b'0') => false,
        Some(b'1') => number.len() == 11,
        Some(_) => (7..=15).contains(&number.len()),
    };
    possible.then(|| format!("+{number}"))
}

fn national(digits: &str, country: Option<&str>) -> Option<String> {
    let country = country.filter(|c| !c.is_empty()).unwrap_or("US");
    let (_, code, trunk) = COUNTRIES.iter().find(|(iso, ..)| iso.eq_ignore_ascii_case(country))?;
    if *code == "1" {
        return match digits.len() {
            10 => Some(format!("1{digits}")),
            11 if digits.starts_with('1') => Some(digits.to_owned()),
            _ => None,
        };
    }
    let rest = if trunk.is_empty() { digits } else { digits.strip_prefix(trunk).unwrap_or(digits) };
    (rest.len() >= 6).then(|| format!("{code}{rest}"))
}

/// The international form that replaces `display`.
fn international(e164: &str) -> String {
    let digits = &e164[1..];
    if digits.starts_with('1') && digits.len() == 11 {
        return format!("+1 {}-{}-{}", &digits[1..4], &digits[4..7], &digits[7..]);
    }
    match COUNTRIES.iter().find(|(_, code, _)| *code != "1" && digits.starts_with(code)) {
        Some((_, code, _)) => format!("+{code} {}", &digits[code.len()..]),
        None => e164.to_owned(),
    }
}

fn country_of(e164: &str) -> Option<&'static str> {
    let digits = &e164[1..];
    COUNTRIES.iter().find(|(_, code, _)| digits.starts_with(code)).map(|(iso, ..)| *iso)
}

/// What is stored for a written `PhoneNumber`. `e164`, `countryCode` and
/// `userInput` are never taken from the writer. `None` where nothing was written.
pub(crate) fn stored(field: &str, written: &Value) -> Result<Option<Map<String, Value>>, Problem> {
    let Value::Object(written) = written else {
        return Err(Problem::invalid_value(
            field,
            &written.to_string(),
            "PhoneNumber",
            "an object",
        ));
    };
    let text = |name: &str| -> Result<Option<&str>, Problem> {
        match written.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(other) => Err(Problem::invalid_value(field, &other.to_string(), "String", "text")),
        }
    };
    let Some(display) = text("display")?.filter(|display| !display.is_empty()) else {
        return Ok(None);
    };
    if display.chars().count() > 512 {
        return Err(Problem::bad_request("A phone number has at most 512 characters.")
            .at("max.length", field));
    }
    let country = text("normalizationCountryCode")?;
    let mut stored = Map::new();
    stored.insert("userInput".into(), display.into());
    if let Some(country) = country {
        stored.insert("normalizationCountryCode".into(), country.into());
    }
    for name in ["extension", "acceptsSMS"] {
        match written.get(name) {
            Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                stored.insert(name.into(), value.clone());
            }
            None | Some(Value::Null) => {}
            Some(other) => {
                let field = format!("{field}.{name}");
                return Err(Problem::invalid_value(
                    &field,
                    &other.to_string(),
                    "Integer",
                    "a number",
                ));
            }
        }
    }
    match e164(display, country) {
        Some(number) => {
            stored.insert("display".into(), international(&number).into());
            if let Some(country) = country_of(&number) {
                stored.insert("countryCode".into(), country.into());
            }
            stored.insert("e164".into(), number.into());
        }
        None => {
            stored.insert("display".into(), display.into());
        }
    }
    Ok(Some(stored))
}

#[cfg(test)]
mod tests {
    use super::{e164, stored};
    use serde_json::json;

    #[test]
    fn a_number_with_plus_or_of_a_told_country_is_read() {
        let cases = [
            ("+1 555 019 9999", None, Some("+15550199999")),
            ("(555) 019-9999", None, Some("+15550199999")),
            ("1-555-019-9999", Some("US"), Some("+15550199999")),
            ("555.019.9999", Some(""), Some("+15550199999")),
            ("020 7946 0018", Some("GB"), Some("+442079460018")),
            ("020 7946 0018", None, None),
            ("030 901820", Some("de"), Some("+4930901820")),
            ("555.019.9999 x12", None, None),
            ("019-9999", None, None),
            ("+1 555", None, None),
            ("+0123456789", None, None),
            ("call me", None, None),
            ("030 901820", Some("XX"), None),
            ("", None, None),
        ];
        for (typed, country, expected) in cases {
            assert_eq!(e164(typed, country).as_deref(), expected, "{typed} {country:?}");
        }
    }

    #[test]
    fn the_server_writes_e164_itself_and_rewrites_display() {
        let written = json!({ "display": "(555) 019-9999", "e164": "+442079460018" });
        let stored = stored("workPhone", &written).expect("valid").expect("written");
        assert_eq!(stored["display"], "+1 555-019-9999");
        assert_eq!(stored["e164"], "+15550199999");
        assert_eq!(stored["countryCode"], "US");
        assert_eq!(stored["userInput"], "(555) 019-9999");
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_typed_without_e164() {
        let stored = stored("workPhone", &json!({ "display": "ask for Bob" }));
        let stored = stored.expect("valid").expect("written");
        assert_eq!(stored["display"], "ask for Bob");
        assert!(!stored.contains_key("e164"));
    }

    #[test]
    fn e164_without_display_writes_nothing() {
        assert_eq!(stored("workPhone", &json!({ "e164": "+15550199999" })), Ok(None));
    }
}
