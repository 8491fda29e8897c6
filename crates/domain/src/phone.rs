//! Turns what a contact center sends as a number into E.164, or says why not.
//!
//! [`parse`] takes off what surrounds a number on a signalling wire (`sip:`,
//! `tel:`, display names, hosts, parameters), tells withheld callers from
//! rubbish, and leaves the numbering plans to libphonenumber's metadata.
//! *Possible* numbers pass, also where no such number was ever assigned:
//! a CRM holds what people typed, and a caller is better found than judged.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};
use std::fmt;

mod numbering;
pub use numbering::{Numbering, Written};

/// A default region for numbers in national form: ISO 3166-1 alpha-2, e.g. `US`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region(rlibphonenumber::Region);

impl Region {
    /// The region, or `None` when libphonenumber has no numbering plan of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let region: rlibphonenumber::Region = text.parse().ok()?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Self(region))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A possible telephone number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    /// `+` and up to 17 digits.
    pub e164: String,
    /// Digits of an extension, where one was given.
    pub extension: Option<String>,
}

impl fmt::Debug for Phone {
    /// Never the number itself: debug output ends up in logs (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(…)")
    }
}

/// Who, by number, is on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Number(Phone),
    /// The caller or a network hid the number.
    Withheld,
    /// There is text, but no possible number in it.
    Unusable {
        reason: &'static str,
    },
}

/// Longest text looked at: a SIP URI with parameters fits, an attack does not.
const TEXT_MAX: usize = 256;

/// What switches and networks send instead of a number (RFC 3323 and habit).
const WITHHELD: &[&str] = &[
    "anonymous",
    "restricted",
    "unavailable",
    "unknown",
    "private",
    "withheld",
    "blocked",
    "no caller id",
    "no number",
    "private number",
    "unknown number",
    "caller id blocked",
    "asserted",
    // ANONYMOUS on a dial pad, as some carriers send it.
    "266696687",
    "+266696687",
    "2666966687",
];

/// Reads a number as a contact center sends it.
///
/// ```
/// use domain::phone::{Caller, Region, parse};
/// let us = Region::parse("US").expect("a region");
/// for text in ["+15550199999", "(555) 019-9999", "sip:+15550199999@10.0.0.1;user=phone"] {
///     let Caller::Number(phone) = parse(text, us) else { panic!("{text}") };
///     assert_eq!(phone.e164, "+15550199999");
/// }
/// assert_eq!(parse("sip:anonymous@anonymous.invalid", us), Caller::Withheld);
/// ```
#[must_use]
pub fn parse(text: &str, default_region: Region) -> Caller {
    if text.len() > TEXT_MAX {
        return Caller::Unusable { reason: "longer than 256 characters" };
    }
    if is_plain_nanp(text) {
        return Caller::Number(Phone { e164: text.to_owned(), extension: None });
    }
    let Some(bare) = undress(text) else {
        return Caller::Unusable { reason: "the address of a host, without a number" };
    };
    let bare = bare.trim();
    if is_withheld(bare) {
        return Caller::Withheld;
    }
    let Ok(number) = PHONE_NUMBER_UTIL.parse(bare, Some(default_region.0)) else {
        return Caller::Unusable { reason: "no telephone number in it" };
    };
    match number.is_possible_with_reason() {
        Ok(NumberLengthType::IsPossible) => Caller::Number(to_phone(&number)),
        Ok(NumberLengthType::IsPossibleLocalOnly) => {
            Caller::Unusable { reason: "a local number without its area code" }
        }
        Err(_) => Caller::Unusable { reason: "not a possible number of its region" },
    }
}

/// Reads `text` as a number of a stored record, where only possible numbers count.
#[must_use]
pub fn parse_stored(text: &str, default_region: Region) -> Option<Phone> {
    match parse(text, default_region) {
        Caller::Number(phone) => Some(phone),
        Caller::Withheld | Caller::Unusable { .. } => None,
    }
}

/// The forms in which people type this number, E.164 first, each once: what to
/// compare with in a system that stores numbers as typed.
#[must_use]
pub fn typed_forms(phone: &Phone) -> Vec<String> {
    let mut forms = vec![phone.e164.clone()];
    let mut add = |form: String| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    let Ok(number) = PHONE_NUMBER_UTIL.parse(&phone.e164, None) else {
        return forms;
    };
    let international = number.format_as(PhoneNumberFormat::International).into_owned();
    let national = number.format_as(PhoneNumberFormat::National).into_owned();
    let digits: String = national.chars().filter(char::is_ascii_digit).collect();
    add(phone.e164[1..].to_owned());
    add(digits);
    add(international.replace('-', " "));
    add(international.replace(['-', ' '], "."));
    add(international);
    let loose = national.replace(['(', ')'], "");
    for separator in ["-", ".", " "] {
        let spaced = loose.replace([' ', '-', '/'], separator);
        add(spaced.clone());
        if number.country_code == 1 {
            add(format!("1{separator}{spaced}"));
            add(format!("+1{separator}{spaced}"));
        }
    }
    if number.country_code == 1 {
        add(format!("+1 {national}"));
        add(format!("1 {national}"));
        add(national.replace(") ", ")"));
    }
    add(national);
    forms
}

/// The digits of the forms in which people type this number, each once: the national
/// part first, with the country code, and as dialled within the country.
#[must_use]
pub fn digit_forms(phone: &Phone) -> Vec<String> {
    let whole = phone.e164[1..].to_owned();
    if is_plain_nanp(&phone.e164) {
        return vec![whole[1..].to_owned(), whole];
    }
    let Ok(number) = PHONE_NUMBER_UTIL.parse(&phone.e164, None) else { return vec![whole] };
    let national = number.format_as(PhoneNumberFormat::National);
    let dialled: String = national.chars().filter(char::is_ascii_digit).collect();
    let mut forms = vec![number.get_national_significant_number(), whole];
    if !forms.contains(&dialled) {
        forms.push(dialled);
    }
    forms
}

/// `+1` and ten digits of which the first is 2 to 9: in the North American plan that is
/// E.164 already, whatever follows, with nothing to be taken off. Most calls of those who
/// use it look like this, and the general way costs a hundred times as much.
fn is_plain_nanp(text: &str) -> bool {
    let digits = text.strip_prefix("+1").unwrap_or_default().as_bytes();
    digits.len() == 10 && matches!(digits[0], b'2'..=b'9') && digits.iter().all(u8::is_ascii_digit)
}

/// The digits by which the number is found in a full-text index: the national part.
#[must_use]
pub fn national_digits(phone: &Phone) -> String {
    PHONE_NUMBER_UTIL
        .parse(&phone.e164, None)
        .map_or_else(|_| phone.e164[1..].to_owned(), |n| n.get_national_significant_number())
}

fn to_phone(number: &PhoneNumber) -> Phone {
    let extension = Some(number.extension().to_owned()).filter(|e| !e.is_empty());
    let mut plain = number.clone();
    plain.extension = None;
    Phone { e164: plain.format_as(PhoneNumberFormat::E164).into_owned(), extension }
}

fn is_withheld(bare: &str) -> bool {
    bare.is_empty()
        || WITHHELD.iter().any(|word| bare.eq_ignore_ascii_case(word))
        || bare.to_ascii_lowercase().starts_with("anonymous")
}

/// Takes off a display name, angle brackets, a URI scheme, host and parameters;
/// `None` when nothing but a host is left.
fn undress(text: &str) -> Option<String> {
    let mut text = text.trim();
    if let Some((_, inner)) = text.split_once('<') {
        text = inner.split('>').next().unwrap_or(inner);
    }
    for scheme in ["sips:", "sip:", "tel:", "callto:"] {
        let head = text.get(..scheme.len());
        if head.is_some_and(|h| h.eq_ignore_ascii_case(scheme)) {
            let rest = text[scheme.len()..].trim_start_matches('/');
            let is_sip = scheme.starts_with("sip");
            return if is_sip { sip_user(rest) } else { Some(tel_subscriber(rest)) };
        }
    }
    Some(text.to_owned())
}

/// `user[:password][;params]@host…` → the user part, percent-decoded, extension kept.
/// `None` without one: the digits of a host's address are nobody's number.
fn sip_user(rest: &str) -> Option<String> {
    let (user, has_host) = match rest.split_once('@') {
        Some((user, _host)) => (user, true),
        None => (rest.split('?').next().unwrap_or(rest), false),
    };
    let user = percent_decoded(user);
    let (subscriber, parameters) = user.split_once(';').unwrap_or((&user, ""));
    let subscriber = subscriber.split(':').next().unwrap_or(subscriber);
    // By the grammar what has no `@` is a host; some gateways send a number in its place.
    let is_user = has_host || is_dialed(subscriber) || is_withheld(subscriber);
    (is_user && !is_ipv4(subscriber)).then(|| with_extension(subscriber, parameters))
}

/// Nothing but digits and what people put between them.
fn is_dialed(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c))
}

/// Four numbers below 256, as no numbering plan groups its digits on a SIP wire;
/// also with leading zeros, which some devices write.
fn is_ipv4(text: &str) -> bool {
    let is_octet = |part: &str| part.len() <= 3 && part.parse::<u8>().is_ok();
    text.split('.').count() == 4 && text.split('.').all(is_octet)
}

/// `+1-555…;ext=12;phone-context=+1` → the number with its extension and context.
fn tel_subscriber(rest: &str) -> String {
    let rest = percent_decoded(rest);
    let (subscriber, parameters) = rest.split_once(';').unwrap_or((&rest, ""));
    with_extension(subscriber, parameters)
}

fn with_extension(subscriber: &str, parameters: &str) -> String {
    let value = |name: &str| {
        parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    };
    let context =
        value("phone-context").filter(|c| c.starts_with('+') && !subscriber.starts_with('+'));
    let number = format!("{}{subscriber}", context.unwrap_or(""));
    match value("ext") {
        Some(extension) => format!("{number};ext={extension}"),
        None => number,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
