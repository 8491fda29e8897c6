//! Wrong words are named, and the nearest right one with them.

use crate::{Outcome, tools};

/// Says that `wrong` is no `what`, names the nearest of `right`, and returns the outcome for it.
pub(crate) fn refuse(what: &str, wrong: &str, right: &[&str]) -> Outcome {
    tools::say(&refusal(what, wrong, right));
    Outcome::WrongWords
}

fn refusal(what: &str, wrong: &str, right: &[&str]) -> String {
    if right.is_empty() {
        return format!("xtask: '{wrong}' is one word too many");
    }
    let nearest = right.iter().min_by_key(|candidate| distance(wrong, candidate));
    let hint = match nearest {
        Some(nearest) if distance(wrong, nearest) <= 3 => format!("did you mean '{nearest}'?"),
        _ => format!("there are: {}", right.join(", ")),
    };
    format!("xtask: '{wrong}' is no {what}; {hint}")
}

/// Edit distance: insertions, deletions and replacements.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, refusal};

    #[test]
    fn the_nearest_word_is_named() {
        let said = refusal("command", "tets", &["test", "check"]);
        assert_eq!(said, "xtask: 'tets' is no command; did you mean 'test'?");
    }

    #[test]
    fn a_word_near_to_none_gets_the_whole_list() {
        let said = refusal("command", "deployment", &["test", "check"]);
        assert_eq!(said, "xtask: 'deployment' is no command; there are: test, check");
    }

    #[test]
    fn a_swap_is_two_edits() {
        assert_eq!(distance("ab", "ba"), 2);
    }
}
