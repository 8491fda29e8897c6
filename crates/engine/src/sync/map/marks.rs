//! What tells a record apart from others that have its number.

use super::{Line, Map, MatchAs};
use domain::Value;
use domain::sync::Values;
use domain::sync::matching::Marks;

impl Map {
    /// Of a record with these values.
    #[must_use]
    pub fn marks(&self, values: &Values) -> Marks {
        let texts = |match_as: MatchAs| -> Vec<&str> {
            let is_it = |line: &Line| line.match_as == Some(match_as);
            let own = self.lines.iter().zip(values).filter(|(line, _)| is_it(line));
            own.filter_map(|(_, value)| text(value.as_ref())).collect()
        };
        Marks::new(&texts(MatchAs::Email), texts(MatchAs::FirstName).first().copied())
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}
