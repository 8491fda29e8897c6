//! `POST /api/v1/routing/freeswitch`: the question and the answer as FreeSWITCH's
//! `mod_xml_curl` has them.
//!
//! A form comes in with everything that FreeSWITCH knows of the channel. What goes out is a
//! dialplan of one extension, or the document that says `not found`, after which FreeSWITCH
//! looks in its own files. The recipe that uses it: `integrations/freeswitch`.

use super::decide;
use super::switch::{Fields, Question, Told, dialled, fields, inert};
use crate::http::error::ErrorBody;
use crate::http::{ApiError, App};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use tokio::time::Instant;
use utoipa::ToSchema;

/// What is read of `mod_xml_curl`'s form. `Caller-…` counts where `Hunt-…` is missing, and of a
/// name that comes twice the first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "says what is read of any form")]
pub struct FreeswitchForm {
    /// Only for `dialplan` is anything decided.
    #[schema(example = "dialplan")]
    section: String,
    #[serde(rename = "Hunt-Context")]
    #[schema(example = "public")]
    context: Option<String>,
    #[serde(rename = "Hunt-Destination-Number")]
    #[schema(example = "+15550190000")]
    destination: Option<String>,
    #[serde(rename = "Hunt-Caller-ID-Number")]
    #[schema(example = "+15550199999")]
    caller: Option<String>,
    /// `true` where the caller's number is withheld.
    #[serde(rename = "Hunt-Privacy-Hide-Number")]
    is_withheld: Option<String>,
    /// Else `Channel-Call-UUID`.
    #[schema(example = "a84b4c76e66710@192.0.2.30")]
    variable_sip_call_id: Option<String>,
    /// `true` where this call was answered for already.
    variable_tieline_asked: Option<String>,
    /// The IVR and the option that the caller chose.
    #[schema(example = "Main menu/1")]
    variable_tieline_ivr_option: Option<String>,
}

/// Decides where a call goes, for FreeSWITCH. `profile` after the `?` names the Sofia profile
/// through which SIP addresses are called (`external` where it is absent).
#[utoipa::path(
    post, path = "/api/v1/routing/freeswitch", tag = "calls",
    params(("profile" = Option<String>, Query, description = "A profile of mod_sofia")),
    request_body(content = FreeswitchForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A dialplan, or the document that says `not found`", body = String, content_type = "text/xml"),
        (status = 400, description = "The call has no id, or a number is too long", body = ErrorBody),
        (status = 413, description = "The body is too large", body = ErrorBody),
        (status = 415, description = "The body is not declared as a form", body = ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn post(State(app): State<App>, request: Request) -> Result<impl IntoResponse, ApiError> {
    let arrived = Instant::now();
    let document = match question(&fields(request).await?) {
        None => NOT_FOUND.to_owned(),
        Some((question, place)) => {
            let told = decide::told(&app, question, arrived).await?;
            answer(&place, &told)
        }
    };
    Ok(([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], document))
}

/// Says that FreeSWITCH should look elsewhere, as `mod_xml_curl` has it.
pub const NOT_FOUND: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<document type="freeswitch/xml">
  <section name="result">
    <result status="not found"/>
  </section>
</document>
"#;

/// Set on every channel that was answered for: what it is transferred to is looked up again,
/// and must not be asked here again.
const ASKED: &str = "tieline_asked";
/// Set by an IVR's own dialplan, which asks for one of its options.
const IVR_OPTION: &str = "tieline_ivr_option";

/// Where the answer will be looked up.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub context: String,
    /// Of Sofia, through which a URI is called.
    pub profile: String,
}

/// What it asks, and where the answer goes. `None` where there is nothing to decide: another section than the dialplan, a call that
/// was answered for, no context.
pub fn question(fields: &Fields) -> Option<(Question, Place)> {
    let text = |names: &[&str]| fields.first(names).to_owned();
    // `Hunt-` is what is being looked up, `Caller-` what the call came as.
    let context = text(&["Hunt-Context", "Caller-Context"]);
    let ivr_option = text(&["variable_tieline_ivr_option"]);
    let is_answered = fields.first(&["variable_tieline_asked"]) == "true";
    if fields.first(&["section"]) != "dialplan"
        || !is_word(&context)
        || (is_answered && ivr_option.is_empty())
    {
        return None;
    }
    let profile = text(&["profile"]);
    let hides = ["Hunt-Privacy-Hide-Number", "Caller-Privacy-Hide-Number"];
    let is_withheld = hides.iter().any(|name| fields.first(&[name]) == "true");
    let numbers = ["Hunt-Caller-ID-Number", "Caller-Caller-ID-Number", "Hunt-ANI", "Caller-ANI"];
    let dialled = || text(&["Hunt-Destination-Number", "Caller-Destination-Number"]);
    let question = Question {
        did: if ivr_option.is_empty() { dialled() } else { String::new() },
        ivr_option,
        ani: if is_withheld { String::new() } else { text(&numbers) },
        call_id: text(&["variable_sip_call_id", "Channel-Call-UUID", "Unique-ID"]),
    };
    let profile = if is_word(&profile) { profile } else { "external".to_owned() };
    Some((question, Place { context, profile }))
}

/// A name as FreeSWITCH's own files have them, and nothing that it would expand.
fn is_word(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(is_plain)
}

/// The dialplan that sends the call there. Never with the reason: it quotes the customer's
/// record, and variables of a channel end in call records (invariant 9).
pub fn answer(place: &Place, told: &Told) -> String {
    let way = way(place, told);
    // Whoever dials within FreeSWITCH is looked up here as well: without a chain of its own a
    // number is none of our business, default for all or not.
    if way.is_empty() || told.status == "unattached" {
        return NOT_FOUND.to_owned();
    }
    let mut actions = vec![
        action("set", &format!("{ASKED}=true")),
        action("unset", IVR_OPTION),
        variable("status", told.status),
        variable("destination_type", told.destination_type),
        variable("destination", &told.destination),
        variable("greeting", &told.greeting),
        variable("rule", &told.rule),
    ];
    actions.extend(way);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<document type="freeswitch/xml">
  <section name="dialplan">
    <context name="{}">
      <extension name="tieline">
        <condition>
{}        </condition>
      </extension>
    </context>
  </section>
</document>
"#,
        escaped(&place.context),
        actions.concat()
    )
}

/// To its URI; else to FreeSWITCH's own queue, menu or file of this name. A number is looked
/// up as if it had been dialled. Empty for nowhere.
fn way(place: &Place, told: &Told) -> Vec<String> {
    let (uri, name) = (dialled(&told.uri), inert(&told.destination));
    let digits = name.strip_prefix('+').unwrap_or(&name);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !uri.is_empty() {
        let bridge = action("bridge", &format!("sofia/{}/{uri}", place.profile));
        return vec![action("set", "hangup_after_bridge=true"), bridge];
    }
    match told.destination_type {
        _ if name.is_empty() => Vec::new(),
        "queue" | "ivr" if is_number => {
            vec![action("transfer", &format!("{name} XML {}", place.context))]
        }
        "queue" => vec![action("answer", ""), action("callcenter", &name)],
        "ivr" => vec![action("answer", ""), action("ivr", &name)],
        "recording" => {
            vec![action("answer", ""), action("playback", &name), action("hangup", "")]
        }
        _ => Vec::new(),
    }
}

fn variable(name: &str, value: &str) -> String {
    action("set", &format!("tieline_{name}={}", inert(value)))
}

fn action(application: &str, data: &str) -> String {
    let (application, data) = (escaped(application), escaped(data));
    format!("          <action application=\"{application}\" data=\"{data}\"/>\n")
}

/// Text inside an attribute's quotes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, char| {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::{NOT_FOUND, Place, Question, answer, question};
    use crate::http::routing::switch::{Fields, Told};

    /// As a channel of `mod_sofia` posts it, shortened.
    const POSTED: &str = "hostname=fs1&section=dialplan&tag_name=&key_name=&key_value=\
        &Event-Name=REQUEST_PARAMS&Core-UUID=f5d6a5a8-3b0c-4d8e-9c0a-0d6b1b1f3a11\
        &FreeSWITCH-Hostname=fs1&FreeSWITCH-Switchname=fs1\
        &Event-Calling-Function=dialplan_xml_locate&Channel-State=CS_ROUTING\
        &Channel-Call-UUID=7a0b6f0e-1111-4a58-a1b0-3c3f6a6b2b01&Call-Direction=inbound\
        &Unique-ID=7a0b6f0e-1111-4a58-a1b0-3c3f6a6b2b01&Caller-Direction=inbound\
        &Caller-Caller-ID-Name=%2B15550199999&Caller-Caller-ID-Number=%2B15550199999\
        &Caller-Network-Addr=192.0.2.30&Caller-ANI=%2B15550199999\
        &Caller-Destination-Number=%2B15550190000&Caller-Context=public\
        &Caller-Screen-Bit=true&Caller-Privacy-Hide-Name=false\
        &Caller-Privacy-Hide-Number=false&variable_sip_call_id=a84b4c76e66710%40192.0.2.30\
        &variable_sip_from_user=%2B15550199999&Hunt-Direction=inbound\
        &Hunt-Caller-ID-Number=%2B15550199999&Hunt-ANI=%2B15550199999\
        &Hunt-Destination-Number=%2B15550190000&Hunt-Context=public\
        &Hunt-Privacy-Hide-Number=false";

    fn asked(more: &str) -> Option<(Question, Place)> {
        question(&Fields::parse(&[more.as_bytes(), POSTED.as_bytes()]))
    }

    #[test]
    fn a_channel_is_read_as_it_is_posted() {
        let question = Question {
            did: "+15550190000".into(),
            ivr_option: String::new(),
            ani: "+15550199999".into(),
            call_id: "a84b4c76e66710@192.0.2.30".into(),
        };
        let (context, profile) = ("public".to_owned(), "external".to_owned());
        assert_eq!(asked(""), Some((question, Place { context, profile })));
    }

    #[test]
    fn what_the_recipe_sends_is_enough() {
        let recipe = include_str!("../../../../../integrations/freeswitch/xml_curl.conf.xml");
        let sends = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            name == "section"
                || recipe.contains(&format!(r#"name="enable-post-var" value="{name}""#))
        };
        let posted: Vec<&str> = POSTED.split('&').filter(sends).collect();
        assert_eq!(question(&Fields::parse(&[posted.join("&").as_bytes()])), asked(""));
        for variable in ["variable_tieline_asked", "variable_tieline_ivr_option"] {
            assert!(recipe.contains(variable), "{variable}");
        }
    }

    #[test]
    fn what_is_not_to_be_decided_is_looked_up_elsewhere() {
        for other in [
            "section=directory",
            "section=",
            "variable_tieline_asked=true",
            "Hunt-Context=%24%24%7Bx%7D",
            "Hunt-Context=a%22b",
        ] {
            assert_eq!(asked(other), None, "{other}");
        }
        assert_eq!(question(&Fields::parse(&[b"%FF=%FF&&=&a"])), None);
    }

    #[test]
    fn a_withheld_number_is_not_asked_about_and_an_option_is_asked_for_again() {
        let withheld = asked("Hunt-Privacy-Hide-Number=true").expect("a question");
        assert_eq!(withheld.0.ani, "");
        let option = "variable_tieline_asked=true&variable_tieline_ivr_option=Main+menu%2F1";
        assert_eq!(asked(option).expect("a question").0.ivr_option, "Main menu/1");
        assert_eq!(asked("profile=trunk").expect("a question").1.profile, "trunk");
        assert_eq!(asked("profile=a%2Fb").expect("a question").1.profile, "external");
    }

    #[test]
    fn no_value_leaves_its_attribute_or_is_expanded() {
        let (_, place) = asked("").expect("a question");
        let told = Told {
            destination_type: "queue",
            destination: "A & \"B\"\"/><action application='system' data='x'/>".into(),
            uri: "sip:a@x,loopback/900|b".into(),
            greeting: "Hello ${system(id)} <you>".into(),
            ..Told::default()
        };
        let document = answer(&place, &told);
        for action in [
            "application=\"set\" data=\"tieline_destination=A &amp; &quot;B&quot;&quot;/&gt;&lt;action \
             application=&apos;system&apos; data=&apos;x&apos;/&gt;\"/>",
            "application=\"set\" data=\"tieline_greeting=Hello {system(id)} &lt;you&gt;\"/>",
            "application=\"bridge\" data=\"sofia/external/sip:a@x%2Cloopback/900%7Cb\"/>",
        ] {
            assert!(document.contains(action), "{action} is not in\n{document}");
        }
        assert_eq!(document.matches("<action ").count(), 9, "{document}");
    }

    #[test]
    fn without_a_uri_the_call_goes_to_what_freeswitch_has_of_this_name() {
        let (_, place) = asked("").expect("a question");
        let check = |destination_type, destination: &str, expected: &str| {
            let destination = destination.to_owned();
            let document =
                answer(&place, &Told { destination_type, destination, ..Told::default() });
            assert!(document.contains(expected), "{expected} is not in\n{document}");
        };
        check("queue", "Billing", r#"<action application="callcenter" data="Billing"/>"#);
        check("queue", "7001", r#"<action application="transfer" data="7001 XML public"/>"#);
        check("ivr", "Main menu", r#"<action application="ivr" data="Main menu"/>"#);
        check("recording", "closed.wav", r#"<action application="playback" data="closed.wav"/>"#);
        for (destination_type, destination) in [("", "x"), ("queue", ""), ("queue", "${}")] {
            let destination = destination.to_owned();
            let told = Told { destination_type, destination, ..Told::default() };
            let is_nowhere = answer(&place, &told) == NOT_FOUND;
            assert_eq!(is_nowhere, told.destination != "${}", "{told:?}");
        }
    }
}
