//! Every link of every page leads to a file that is there.

use super::Offence;
use super::source::numbered;
use super::tree::Tree;

const LINK: &str = "links.dead";

/// Links between our files resolve; links to the world are not followed.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        let mut fenced = false;
        for (line, text) in numbered(text) {
            if text.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            for link in links(text).filter(|_| !fenced) {
                if resolve(path, &link).is_none_or(|target| !tree.has(&target)) {
                    offences.push(Offence::new(
                        LINK,
                        path,
                        line,
                        format!("'{link}' leads nowhere"),
                    ));
                }
            }
        }
    }
    offences
}

/// What stands in `](…)` or `]: …` and is a path, anchors and titles taken off.
fn links(line: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let plain = without_code(line);
    for rest in plain.split("](").skip(1) {
        found.push(rest.split([')', ' ']).next().unwrap_or_default().to_owned());
    }
    if let Some((_, rest)) = plain.split_once("]: ").filter(|_| plain.starts_with('[')) {
        found.push(rest.split(' ').next().unwrap_or_default().to_owned());
    }
    found.into_iter().filter_map(|link| {
        let link = link.trim_matches(['<', '>']).split('#').next()?.to_owned();
        let outside = link.contains("://") || link.starts_with("mailto:");
        (!link.is_empty() && !outside).then_some(link)
    })
}

/// The line with everything between backticks taken out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

/// The path a link of the page `from` means, from the root; `None` if it leaves the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = match link.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(),
    };
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::links_lead_somewhere;
    use crate::tidy::tree::Tree;

    #[test]
    fn a_dead_link_is_caught() {
        let page = "[a](STYLE.md#x) [b](../README.md) [c](gone.md) `[d](gone.md)`\n\
                    [e](https://example.com/gone.md) [f](#here) [g](adr/) [h](../../out.md)\n\
                    ```\n[i](gone.md)\n```\n[j]: gone.md";
        let tree = Tree::of([
            ("docs/A.md", page),
            ("docs/STYLE.md", ""),
            ("docs/adr/20261121-x.md", ""),
            ("README.md", ""),
        ]);
        let lines: Vec<usize> =
            links_lead_somewhere(&tree).iter().map(|offence| offence.line).collect();
        assert_eq!(lines, [1, 2, 6]);
    }
}
