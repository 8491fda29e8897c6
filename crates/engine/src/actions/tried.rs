//! An action as a person tries it: what goes out and what comes back, with every value
//! hidden by its shape.
//!
//! The request that is shown is the template filled with hidden values, so that nothing
//! of a person is shown wherever it would have stood.

use super::outcome::{Enrichment, Outcome};
use super::run::{Prepared, read_out};
use crate::lookup::Engine;

use kit::{Custom, Given, Lane};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;

/// What a try has come to.
#[derive(Debug)]
pub struct Tried {
    /// What was sent, or would be; `None` where it could not be made.
    pub request: Option<Custom>,
    /// What came back; `None` where nothing was asked or it failed.
    pub answer: Option<Json>,
    /// What a flow would be told; of a dry run that a value is lacking, where one is.
    pub told: Enrichment,
    /// The CRM's own words where it failed; empty else.
    pub error: String,
}

/// Members and items of an answer that are shown.
const SHOWN_MAX: usize = 1_000;
const ITEMS_MAX: usize = 20;
/// A number of so many digits is a count or an age.
const COUNT_DIGITS: usize = 4;

impl Engine {
    /// Runs an action by its name past its cache; with `is_dry` the request is made and not
    /// sent. `None` where there is no such action.
    pub async fn try_action(&self, name: &str, given: Given, is_dry: bool) -> Option<Tried> {
        let arrived = Instant::now();
        let action = self.actions.get(name)?;
        let connection = self.connections.get(&action.connection)?;
        let until = arrived + action.timeout;
        let asked = self.asked(None, "", given);
        let prepared = self.prepare(action, connection, &asked, Lane::Call, until).await;
        let fields = action.fields.iter().map(|field| (field.name.clone(), field.default.clone()));
        let fields = fields.collect();
        let tried = |request, answer, outcome: Outcome, error| Tried {
            request,
            answer,
            told: outcome.answer(fields, connection, arrived.elapsed()),
            error,
        };
        let Prepared { given, custom, .. } = match prepared {
            Ok(prepared) => prepared,
            Err(outcome) => return Some(tried(None, None, outcome, String::new())),
        };
        // A hidden value is refused nowhere that the value itself is not, or is not shown.
        let hidden = given.iter().map(|(name, value)| (name.clone(), hide(value)));
        let request = action.template.fill(&hidden.collect()).ok().map(hide_headers);
        let unasked = Outcome::of(super::Word::Unknown, "");
        let requests = connection.capabilities.requests.as_ref().filter(|_| !is_dry);
        let Some(requests) = requests else {
            return Some(tried(request, None, unasked, String::new()));
        };
        let sent = tokio::time::timeout_at(until, requests.send(Lane::Call, &custom)).await;
        Some(match sent {
            Ok(Ok(answer)) => {
                let outcome = read_out(action, &answer, self.clock.now());
                tried(request, Some(hide_answer(&answer)), outcome, String::new())
            }
            Ok(Err(error)) => tried(request, None, Outcome::failed(&error), error.to_string()),
            Err(_) => {
                let outcome = Outcome::of(super::Word::Failed, "crm.deadline");
                tried(request, None, outcome, String::new())
            }
        })
    }
}

/// Headers hold what an administrator wrote, which may be a secret.
fn hide_headers(mut custom: Custom) -> Custom {
    custom.headers.iter_mut().for_each(|(_, value)| *value = shape(value));
    custom
}

fn hide(value: &Json) -> Json {
    match value {
        Json::String(text) => shape(text).into(),
        Json::Number(number) => shape(&number.to_string()).into(),
        value => value.clone(),
    }
}

/// A text by its shape alone: two characters of what is long, and punctuation as it is, for
/// it is what a vendor's search stumbles over.
fn shape(text: &str) -> String {
    let length = text.chars().count();
    let shown = if length >= 8 { length - 2 } else { length };
    let hidden = |(at, character): (usize, char)| match character {
        character if !character.is_alphanumeric() => character,
        character if at >= shown => character,
        _ => 'x',
    };
    text.chars().enumerate().map(hidden).collect()
}

/// An answer by its shape: names as they are, values hidden, what is long cut short.
fn hide_answer(answer: &Json) -> Json {
    let mut left = SHOWN_MAX;
    cut(answer, &mut left)
}

fn cut(value: &Json, left: &mut usize) -> Json {
    match value {
        Json::Object(members) => {
            let mut shown = Map::new();
            for (name, value) in members {
                if *left == 0 {
                    shown.insert("…".to_owned(), format!("{} in all", members.len()).into());
                    break;
                }
                *left -= 1;
                shown.insert(name.clone(), cut(value, left));
            }
            Json::Object(shown)
        }
        Json::Array(items) => {
            let mut shown = Vec::new();
            for item in items {
                if *left == 0 || shown.len() == ITEMS_MAX {
                    shown.push(format!("… {} in all", items.len()).into());
                    break;
                }
                *left -= 1;
                shown.push(cut(item, left));
            }
            Json::Array(shown)
        }
        Json::Number(number) if number.to_string().len() <= COUNT_DIGITS => value.clone(),
        value => hide(value),
    }
}

#[cfg(test)]
mod tests {
    use super::{hide_answer, shape};
    use serde_json::json;

    #[test]
    fn a_shape_keeps_how_a_value_is_written_and_hides_what_it_is() {
        for (text, expected) in [
            ("+15550199999", "+xxxxxxxxx99"),
            ("(555) 019-9999 x12", "(xxx) xxx-xxxx x12"),
            ("jane.doe@example.com", "xxxx.xxx@xxxxxxx.xom"),
            ("Jane", "xxxx"),
            ("Zoë", "xxx"),
            ("", ""),
        ] {
            assert_eq!(shape(text), expected);
        }
    }

    #[test]
    fn an_answer_is_shown_by_its_names_and_cut_short() {
        let long: Vec<i32> = (0..50).collect();
        let answer = json!({ "Name": "Jane Doe", "Open": true, "Age": 47, "Account": 98_765_432,
                             "All": long, "None": null });
        let shown = hide_answer(&answer);
        assert_eq!(shown["Name"], "xxxx xoe");
        assert_eq!((&shown["Open"], &shown["Age"]), (&json!(true), &json!(47)));
        assert_eq!(shown["Account"], "xxxxxx32");
        assert_eq!(shown["None"], json!(null));
        let all = shown["All"].as_array().expect("a list");
        assert_eq!((all.len(), &all[20]), (21, &json!("… 50 in all")));
        let wide: serde_json::Map<_, _> = (0..5_000).map(|n| (format!("k{n}"), json!(n))).collect();
        let shown = hide_answer(&json!(wide));
        assert_eq!(shown.as_object().expect("an object").len(), 1_001);
    }
}
