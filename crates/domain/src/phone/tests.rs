//! Numbers as contact centers really send them.

use super::{Caller, Phone, Region, digit_forms, national_digits, parse, typed_forms};

fn region(text: &str) -> Region {
    Region::parse(text).expect("a region of the metadata")
}

fn check(text: &str, expected: &str) {
    let got = match parse(text, region("US")) {
        Caller::Number(Phone { e164, extension: None }) => e164,
        Caller::Number(Phone { e164, extension: Some(ext) }) => format!("{e164} x{ext}"),
        Caller::Withheld => "withheld".to_owned(),
        Caller::Unusable { .. } => "unusable".to_owned(),
    };
    assert_eq!(got, expected, "{text}");
}

#[test]
fn a_number_is_the_same_however_it_is_written() {
    for text in [
        "+15550199999",
        "15550199999",
        "5550199999",
        "(555) 019-9999",
        "555.019.9999",
        "555-019-9999",
        "+1 555 0199 999",
        "+1 (555) 019-9999",
        " +1 555 019 9999 ",
        "tel:+15550199999",
        "tel:+1-555-019-9999",
        "TEL:5550199999",
        "tel:5550199999;phone-context=+1",
        "sip:+15550199999@10.87.3.4",
        "sip:+15550199999@10.87.3.4:5060;user=phone",
        "sips:%2B15550199999@edge.example.com",
        "sip:5550199999@example.com;transport=tls",
        "\"John Doe\" <sip:+15550199999@example.com>;tag=1",
        "sip:+15550199999;cpc=ordinary@example.com",
        "sip:+15550199999",
        "sip:+15550199999:secret@example.com",
        "011 1 555 019 9999",
        "+15550199999",
    ] {
        check(text, "+15550199999");
    }
}

#[test]
fn an_extension_is_kept_apart_from_the_number() {
    for text in [
        "555.019.9999 x12",
        "tel:+15550199999;ext=12",
        "+1 555 019 9999 ext. 12",
        "sip:+15550199999;ext=12@h",
    ] {
        check(text, "+15550199999 x12");
    }
}

#[test]
fn numbers_of_other_countries_keep_their_country() {
    check("+49 30 123456", "+4930123456");
    check("0114930123456", "+4930123456");
    check("+201001231262", "+201001231262");
    check("+442071838750", "+442071838750");
    let german = parse("030 123456", region("DE"));
    assert!(matches!(german, Caller::Number(phone) if phone.e164 == "+4930123456"));
}

#[test]
fn withheld_callers_are_withheld() {
    for text in [
        "",
        "  ",
        "anonymous",
        "Anonymous",
        "sip:anonymous@anonymous.invalid",
        "tel:anonymous",
        "Restricted",
        "unknown",
        "private",
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "+266696687",
        "sip:restricted@10.0.0.1",
    ] {
        check(text, "withheld");
    }
}

#[test]
fn rubbish_is_unusable_and_says_why() {
    for text in [
        "0",
        "4021",
        "not a number",
        "+",
        "++++",
        "sip:",
        "sip:alice@example.com",
        "019-9999",
        "+999999999999999999",
        "' OR 1=1 --",
        "\u{0}\u{1}",
        "%%%",
        "😀",
        "<",
        "<>",
        "sip:%@h",
        "tel:;ext=;ext",
    ] {
        let got = parse(text, region("US"));
        assert!(matches!(got, Caller::Unusable { .. } | Caller::Withheld), "{text}: {got:?}");
    }
    check(&"5".repeat(300), "unusable");
}

#[test]
fn the_address_of_a_host_is_no_number() {
    for text in [
        "sip:100.100.100.10",
        "sip:100.100.100.10:5060",
        "sip:100.100.100.10;transport=udp",
        "sips:100.100.100.010",
        "<sip:100.100.100.10>",
        "\"PBX\" <sip:100.100.100.10:5060;lr>",
        "sip:100.100.100.10@100.100.100.10",
        "sip:[2001:db8::5550:1999:9999]",
        "sip:[2001:db8:5550:1999:9999::1]:5060",
        "sip:5550199999.example.com",
        "sip:pbx-5550199999",
    ] {
        check(text, "unusable");
    }
    for text in ["sip:+15550199999@100.100.100.10", "sip:+15550199999:5060", "sip:555.019.9999"] {
        check(text, "+15550199999");
    }
    check("sip:anonymous", "withheld");
    check("sip:@100.100.100.10", "withheld");
}

#[test]
fn the_forms_people_type_are_among_the_typed_forms() {
    let phone = Phone { e164: "+15550199999".into(), extension: None };
    let forms = typed_forms(&phone);
    for form in [
        "+15550199999",
        "15550199999",
        "5550199999",
        "(555) 019-9999",
        "555-019-9999",
        "555.019.9999",
        "555 019 9999",
        "+1 555-019-9999",
        "+1 (555) 019-9999",
        "1-555-019-9999",
        "+1 555 019 9999",
    ] {
        assert!(forms.iter().any(|f| f == form), "{form} not in {forms:?}");
    }
    assert!(forms.len() <= 24, "{forms:?}");
}

#[test]
fn every_typed_form_reads_back_as_the_number() {
    for e164 in ["+15550199999", "+4930123456", "+442071838750", "+33142685300", "+390612345678"] {
        let phone = Phone { e164: e164.into(), extension: None };
        for form in typed_forms(&phone) {
            let home = match &e164[..3] {
                "+49" => "DE",
                "+44" => "GB",
                "+33" => "FR",
                "+39" => "IT",
                _ => "US",
            };
            let got = parse(&form, region(home));
            assert!(matches!(&got, Caller::Number(p) if p.e164 == e164), "{form}: {got:?}");
        }
    }
}

#[test]
fn the_digit_forms_are_those_of_the_typed_forms() {
    for e164 in ["+15550199999", "+4930123456", "+442071838750", "+33142685300", "+390612345678"] {
        let phone = Phone { e164: e164.into(), extension: None };
        let mut typed = typed_forms(&phone);
        typed.retain(|form| form.bytes().all(|b| b.is_ascii_digit()));
        typed.push(national_digits(&phone));
        let forms = digit_forms(&phone);
        assert_eq!(forms[0], national_digits(&phone));
        assert!(typed.iter().all(|form| forms.contains(form)), "{typed:?} {forms:?}");
        assert!(forms.iter().all(|form| typed.contains(form)), "{typed:?} {forms:?}");
    }
}

#[test]
fn a_text_index_is_asked_for_the_national_digits() {
    let digits = |e164: &str| national_digits(&Phone { e164: e164.into(), extension: None });
    assert_eq!(digits("+15550199999"), "5550199999");
    assert_eq!(digits("+390612345678"), "0612345678");
}

#[test]
fn a_number_never_shows_in_debug_output() {
    let got = format!("{:?}", parse("+15550199999", region("US")));
    assert!(!got.contains("5550199999"), "{got}");
}

proptest::proptest! {
    #[test]
    fn a_north_american_number_is_read_at_once_as_it_would_be_at_length(number in "[+]1[2-9][0-9]{9}") {
        // A space makes it take the long way.
        proptest::prop_assert_eq!(parse(&number, region("DE")), parse(&format!("{number} "), region("DE")));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,80}") {
        let _ = parse(&text, region("US"));
        let _ = parse(&format!("sip:{text}@h"), region("DE"));
        let _ = parse(&format!("tel:{text}"), region("GB"));
    }
}
