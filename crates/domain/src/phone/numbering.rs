//! How one system writes telephone numbers, and how they are read there.
//!
//! [`Numbering::write`] gives one form, and [`Numbering::read`] reads it back as the same
//! number: a form that would read as another number is not used, E.164 stands there
//! instead. [`Numbering::forms`] are what to compare with: that one form where the system
//! is known to keep to it, else every form in which people type the number.

use super::{PHONE_NUMBER_UTIL, Phone, PhoneNumberFormat, Region, digit_forms, typed_forms};

/// The one form in which a system keeps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// `+4930123456`
    E164,
    /// `4930123456`: digits alone, with the country code.
    Digits,
    /// `030 123456`, `(555) 019-9999`: as people of the region write it. A number of
    /// another country is written as E.164.
    National,
    /// `30123456`: the national part's digits, without what is dialled before it. A number
    /// of another country is written as E.164.
    NationalDigits,
}

impl Written {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::E164, Self::Digits, Self::National, Self::NationalDigits];

    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::E164 => "e164",
            Self::Digits => "digits",
            Self::National => "national",
            Self::NationalDigits => "national_digits",
        }
    }
}

/// Where a system's numbers are at home, and how it writes them if it always does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    region: Region,
    written: Option<Written>,
}

impl From<Region> for Numbering {
    /// Numbers as people type them.
    fn from(region: Region) -> Self {
        Self { region, written: None }
    }
}

impl Numbering {
    /// `written`: the system keeps every number in this form.
    #[must_use]
    pub fn new(region: Region, written: Option<Written>) -> Self {
        Self { region, written }
    }

    /// The same system's numbers of people who live elsewhere.
    #[must_use]
    pub fn of(self, region: Region) -> Self {
        Self { region, ..self }
    }

    /// Every number is kept in one form.
    #[must_use]
    pub fn is_uniform(self) -> bool {
        self.written.is_some()
    }

    /// A stored number.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Phone> {
        let text = text.trim();
        let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if is_digits && self.written == Some(Written::Digits) {
            let whole = super::parse_stored(&format!("+{text}"), self.region);
            if whole.is_some() {
                return whole;
            }
        }
        super::parse_stored(text, self.region)
    }

    /// The number as this system writes it.
    #[must_use]
    pub fn write(self, phone: &Phone) -> String {
        let form = match self.written {
            None | Some(Written::E164) => return phone.e164.clone(),
            Some(Written::Digits) => Some(phone.e164[1..].to_owned()),
            Some(Written::National) => self.at_home(phone, |number| {
                number.format_as(PhoneNumberFormat::National).into_owned()
            }),
            Some(Written::NationalDigits) => {
                self.at_home(phone, super::PhoneNumber::get_national_significant_number)
            }
        };
        let reads_back =
            |form: &String| self.read(form).is_some_and(|read| read.e164 == phone.e164);
        form.filter(reads_back).unwrap_or_else(|| phone.e164.clone())
    }

    /// What to compare with in this system, each form once.
    #[must_use]
    pub fn forms(self, phone: &Phone) -> Vec<String> {
        match self.written {
            Some(_) => vec![self.write(phone)],
            None => typed_forms(phone),
        }
    }

    /// The same, and where people type numbers also their digits alone, as people dial them.
    #[must_use]
    pub fn all_forms(self, phone: &Phone) -> Vec<String> {
        let mut forms = self.forms(phone);
        if self.written.is_none() {
            for form in digit_forms(phone) {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
        forms
    }

    /// A form of numbers of the system's own country.
    fn at_home(self, phone: &Phone, form: fn(&super::PhoneNumber) -> String) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(&phone.e164, None).ok()?;
        let home = PHONE_NUMBER_UTIL.get_country_code_for_region(self.region.0)?;
        (i64::from(number.country_code) == i64::from(home)).then(|| form(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbering, Written};
    use crate::phone::{Phone, Region, parse_stored};
    use proptest::prelude::*;

    fn numbering(region: &str, written: Option<Written>) -> Numbering {
        Numbering::new(Region::parse(region).expect("a region"), written)
    }

    fn phone(e164: &str) -> Phone {
        Phone { e164: e164.to_owned(), extension: None }
    }

    #[test]
    fn a_number_is_written_as_the_system_writes_it() {
        let check = |region: &str, e164: &str, expected: [&str; 4]| {
            for (written, expected) in Written::ALL.into_iter().zip(expected) {
                let numbering = numbering(region, Some(written));
                assert_eq!(numbering.write(&phone(e164)), expected, "{region} {written:?}");
                assert_eq!(numbering.forms(&phone(e164)), [expected]);
                assert_eq!(numbering.read(expected), Some(phone(e164)), "{region} {written:?}");
            }
        };
        check(
            "US",
            "+14155550123",
            ["+14155550123", "14155550123", "(415) 555-0123", "4155550123"],
        );
        check("DE", "+4930123456", ["+4930123456", "4930123456", "030 123456", "30123456"]);
        check(
            "DE",
            "+14155550123",
            ["+14155550123", "14155550123", "+14155550123", "+14155550123"],
        );
        check(
            "IT",
            "+390236618300",
            ["+390236618300", "390236618300", "02 3661 8300", "0236618300"],
        );
    }

    #[test]
    fn digits_with_the_country_code_are_not_read_as_a_number_of_the_region() {
        let text = "14155550123";
        assert_eq!(numbering("DE", Some(Written::Digits)).read(text), Some(phone("+14155550123")));
        let typed = numbering("DE", None);
        assert_eq!(typed.read(text), Some(phone("+4914155550123")), "as people of Germany do");
    }

    #[test]
    fn what_people_type_is_compared_with_in_every_form() {
        let forms = numbering("US", None).all_forms(&phone("+14155550123"));
        for form in ["+14155550123", "(415) 555-0123", "4155550123", "415.555.0123"] {
            assert!(forms.contains(&form.to_owned()), "{form} {forms:?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_number_reads_back_as_itself_and_is_written_the_same_again(
            region in prop::sample::select(vec!["US", "CA", "DE", "GB", "IT", "FR", "BR", "IN", "MX", "AR"]),
            code in prop::sample::select(vec!["1", "49", "44", "39", "33", "55", "91", "52", "54", "800"]),
            national in "[1-9][0-9]{5,11}",
            written in prop::sample::select(Written::ALL.to_vec()),
        ) {
            let numbering = numbering(region, Some(written));
            let Some(phone) = parse_stored(&format!("+{code}{national}"), Region::parse("US").expect("US")) else {
                return Ok(());
            };
            let text = numbering.write(&phone);
            let read = numbering.read(&text).expect("what was written is a number");
            prop_assert_eq!(&read.e164, &phone.e164, "{}", text);
            prop_assert_eq!(numbering.write(&read), text);
        }
    }
}
