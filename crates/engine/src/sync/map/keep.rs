//! What both sides agreed on, as it is kept: by names, so that a map may change.
//!
//! A field that joins the map later was never agreed on; one that leaves it is forgotten
//! with the next change of its pair.

use super::{Line, Map};
use domain::sync::{Agreed, canonical};
use kit::forms::{read_plain, write_plain};
use serde_json::Value as Json;

impl Map {
    /// What was agreed on, as JSON.
    #[must_use]
    pub fn keep(&self, agreed: &[Agreed]) -> Json {
        let held = self.lines.iter().zip(agreed).filter_map(|(line, agreed)| match agreed {
            Agreed::Never => None,
            Agreed::On(value) => {
                Some((line.key.clone(), value.as_ref().map_or(Json::Null, write_plain)))
            }
        });
        Json::Object(held.collect())
    }

    /// The way back; what is not there was never agreed on.
    #[must_use]
    pub fn recall(&self, kept: &Json) -> Vec<Agreed> {
        let agreed = |line: &Line| match kept.get(&line.key) {
            None => Agreed::Never,
            // A field may have become of another kind since.
            Some(held) => Agreed::On(canonical(line.kind, read_plain(held), self.numbers[0])),
        };
        self.lines.iter().map(agreed).collect()
    }
}
