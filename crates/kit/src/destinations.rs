//! Where a platform can send a call: its queues, IVRs and recordings.
//!
//! A rule names its destination in somebody's words; [`Destinations`] asks the platform
//! whether it has one and what it is called there. [`Sought`] is how words are compared, so
//! that a word means the same on every platform. That there is none, that the platform
//! cannot be asked, and that it would not tell are three different answers.

use crate::{Error, Lane};
use async_trait::async_trait;
pub use domain::rules::DestinationKind as Kind;

/// Knows what a call can be sent to.
#[async_trait]
pub trait Destinations: Send + Sync {
    /// Can the platform be asked for this kind? Where it cannot, nothing is known of it.
    fn can_be_asked(&self, kind: Kind) -> bool;

    /// For each word, in order, what the platform has of that kind under this id, name or
    /// number; `None` where it has none that these credentials may see.
    ///
    /// # Errors
    /// `Forbidden` naming the permission where the platform does not let us look, `Invalid`
    /// where it cannot be asked for the kind, any other [`Error`]; it holds for all words.
    async fn find(
        &self,
        lane: Lane,
        kind: Kind,
        words: &[String],
    ) -> Result<Vec<Option<Destination>>, Error>;
}

/// A queue, IVR or recording as its platform knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub id: String,
    pub name: String,
}

/// How well a word fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Id,
    Name,
    /// Without regard to case.
    NameInOtherCase,
    Number,
}

/// Words that are looked for in a list, and the best that was seen of each.
///
/// An id goes before a name, a name before the same in another case, and that before a
/// number that leads there; of two that fit alike the first that was offered stays.
#[derive(Debug)]
pub struct Sought {
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    text: String,
    lower: String,
    number: Option<String>,
    best: Option<(Fit, Destination)>,
}

impl Sought {
    /// Outer space of the words does not count; an empty one fits nothing.
    #[must_use]
    pub fn new(words: &[String]) -> Self {
        let word = |word: &String| {
            let text = word.trim().to_owned();
            Word { lower: text.to_lowercase(), number: number(&text), text, best: None }
        };
        Self { words: words.iter().map(word).collect() }
    }

    /// The platform has this, and these numbers lead to it.
    pub fn offer<'a>(
        &mut self,
        id: &str,
        name: &str,
        numbers: impl IntoIterator<Item = &'a str> + Clone,
    ) {
        let trimmed = name.trim();
        let lower = trimmed.to_lowercase();
        for word in self.words.iter_mut().filter(|word| !word.text.is_empty()) {
            let by_number = || {
                let own = word.number.as_deref()?;
                let mut numbers = numbers.clone().into_iter().filter_map(number);
                numbers.any(|number| number == own).then_some(Fit::Number)
            };
            let fit = match () {
                () if word.text.eq_ignore_ascii_case(id) => Some(Fit::Id),
                () if word.text == trimmed => Some(Fit::Name),
                () if word.lower == lower => Some(Fit::NameInOtherCase),
                () => by_number(),
            };
            let Some(fit) = fit else { continue };
            if word.best.as_ref().is_none_or(|(best, _)| fit < *best) {
                let found = Destination { id: id.to_owned(), name: name.to_owned() };
                word.best = Some((fit, found));
            }
        }
    }

    /// Every word was met by an id or by a name as it is written: the rest of the list can
    /// be left unread.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.words.iter().all(|word| {
            let fit = word.best.as_ref().map(|(fit, _)| *fit);
            word.text.is_empty() || fit.is_some_and(|fit| fit <= Fit::Name)
        })
    }

    /// What was found of each word, in their order.
    #[must_use]
    pub fn found(self) -> Vec<Option<Destination>> {
        self.words.into_iter().map(|word| word.best.map(|(_, found)| found)).collect()
    }
}

/// The digits of what can only be a number, however it is written.
fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let is_number = text.chars().all(|c| c.is_ascii_digit() || "+-. ()".contains(c));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (is_number && digits.len() >= 3).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::{Destination, Sought};

    fn find(words: &[&str]) -> Vec<Option<String>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut sought = Sought::new(&words);
        sought.offer("q-1", "SUPPORT", []);
        sought.offer("q-2", "Support", ["+1 555 019-0000"]);
        sought.offer("q-3", "Billing", ["tel:+15550190001"]);
        sought.offer("q-4", "q-3", []);
        sought.offer("q-5", "+15550190000", []);
        sought.offer("", "", []);
        let id = |found: Option<Destination>| found.map(|found| found.id);
        sought.found().into_iter().map(id).collect()
    }

    #[test]
    fn a_word_is_an_id_then_a_name_then_a_number() {
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(find(&[word]), [expected.map(str::to_owned)], "{word}");
        };
        check("Support", Some("q-2"));
        check(" sUPPORT ", Some("q-1"));
        check("SUPPORT", Some("q-1"));
        check("q-3", Some("q-3"));
        check("Q-2", Some("q-2"));
        check("+1 (555) 019-0001", Some("q-3"));
        check("+15550190000", Some("q-5"));
        check("0190001", None);
        check("Sales", None);
        check("*", None);
        check(" ", None);
        check("", None);
    }

    #[test]
    fn several_words_are_answered_in_their_order() {
        let found = find(&["Billing", "Sales", "billing"]);
        assert_eq!(found, [Some("q-3".to_owned()), None, Some("q-3".to_owned())]);
        let mut sought = Sought::new(&["q-1".to_owned(), String::new()]);
        assert!(!sought.is_settled());
        sought.offer("q-1", "Support", []);
        assert!(sought.is_settled());
    }
}
