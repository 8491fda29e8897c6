//! `cargo xtask new-connector NAME`: a folder after the house's pattern, and two lines in one file.
//!
//! What it writes compiles, keeps the rules and passes the contract suite against the
//! simulator it brings along, of a vendor that nobody has: every sentence that begins
//! with "Say" waits for the facts of the real one.

use crate::{Outcome, tools, words};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The vendor that nobody has, as it is named in what is copied: in code, and for people.
const PATTERN: (&str, &str) = ("acme_crm", "Acme Crm");

/// The files of its folder. The contract suite runs over them as they are, so that what is
/// written from them passes it.
const FILES: [(&str, &str); 8] = [
    ("mod.rs", include_str!("acme_crm/mod.rs")),
    ("client.rs", include_str!("acme_crm/client.rs")),
    ("mapping.rs", include_str!("acme_crm/mapping.rs")),
    ("sim.rs", include_str!("acme_crm/sim.rs")),
    ("simulate.rs", include_str!("acme_crm/simulate.rs")),
    ("manifest.toml", include_str!("acme_crm/manifest.toml")),
    ("README.md", include_str!("acme_crm/README.md")),
    ("fixtures/person.json", include_str!("acme_crm/fixtures/person.json")),
];

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    match rest {
        [name] if is_name(name) => {
            make(&tools::root().join("crates/connectors/src"), name)?;
            tools::say(&format!(
                "crates/connectors/src/{name} is there, and listed in crates/connectors/src/lib.rs.\n\
                 Next: its README.md, manifest.toml and fixtures with the vendor's facts; then mapping.rs."
            ));
            Ok(Outcome::Done)
        }
        [] => {
            tools::say("xtask: new-connector needs a name, such as acme_crm");
            Ok(Outcome::WrongWords)
        }
        [name] => {
            tools::say(&format!("xtask: '{name}' is no name for a folder; write it like acme_crm"));
            Ok(Outcome::WrongWords)
        }
        [_, wrong, ..] => Ok(words::refuse("word of new-connector", wrong, &[])),
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.ends_with('_')
}

/// Writes the folder under `connectors` and lists it; an existing folder is left alone.
fn make(connectors: &Path, name: &str) -> Result<()> {
    let folder = connectors.join(name);
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    let list = connectors.join("lib.rs");
    let listed = with_entry(&fs::read_to_string(&list)?, name)?;
    fs::create_dir_all(folder.join("fixtures"))?;
    for (file, pattern) in FILES {
        let text = pattern.replace(PATTERN.0, name).replace(PATTERN.1, &title(name));
        fs::write(folder.join(file), text)?;
    }
    fs::write(list, listed)?;
    Ok(())
}

/// `lib.rs` with one more `pub mod` and one more entry of `all()`, both in their order.
fn with_entry(list: &str, name: &str) -> Result<String> {
    let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
    let module = format!("pub mod {name};");
    let modules: Vec<usize> =
        (0..lines.len()).filter(|&at| lines[at].starts_with("pub mod ")).collect();
    let last = modules.last().context("lib.rs lists no modules")? + 1;
    let at = modules.iter().copied().find(|&at| lines[at] > module).unwrap_or(last);
    lines.insert(at, module);
    let entry = format!("{name}::vendor()");
    let text = lines.join("\n") + "\n";
    let (before, rest) = text.split_once("vec![").context("lib.rs has no list `vec![…]`")?;
    let (inside, after) = rest.split_once(']').context("the list in lib.rs does not end")?;
    let mut entries: Vec<&str> =
        inside.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    entries.push(&entry);
    entries.sort_unstable();
    let one_line = format!("vec![{}]", entries.join(", "));
    let list = if one_line.len() > 90 {
        format!("vec![\n        {},\n    ]", entries.join(",\n        "))
    } else {
        one_line
    };
    Ok(format!("{before}{list}{after}"))
}

/// `acme_crm` as people write it: `Acme Crm`.
fn title(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    name.split('_').filter_map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{FILES, PATTERN, is_name, make, title, with_entry};

    const LIST: &str = "//! One folder per vendor.\n\npub mod alpha;\npub mod omega;\n\n\
                        pub fn all() -> Vec<Vendor> {\n    vec![alpha::vendor(), omega::vendor()]\n}\n";

    #[test]
    fn one_file_is_changed_by_two_lines() {
        let listed = with_entry(LIST, "beta").expect("the list is as it should be");
        let new: Vec<&str> =
            listed.lines().filter(|line| !LIST.lines().any(|old| old == *line)).collect();
        assert_eq!(
            new,
            ["pub mod beta;", "    vec![alpha::vendor(), beta::vendor(), omega::vendor()]"]
        );
    }

    #[test]
    fn the_real_list_can_be_added_to() {
        let real = include_str!("../../../crates/connectors/src/lib.rs");
        let listed = with_entry(real, "zz_last").expect("the list is as it should be");
        assert!(listed.contains("pub mod zz_last;") && listed.contains("zz_last::vendor()"));
    }

    #[test]
    fn a_folder_is_written_whole_and_never_twice() {
        let root = std::env::temp_dir().join(format!("new-connector-{}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a temporary folder");
        std::fs::write(root.join("lib.rs"), LIST).expect("a list");
        make(&root, "other_erp").expect("the folder is new");
        for (file, _) in FILES {
            let text =
                std::fs::read_to_string(root.join("other_erp").join(file)).expect("it is written");
            assert!(!text.to_lowercase().contains("acme"), "{file}");
        }
        let module = std::fs::read_to_string(root.join("other_erp/mod.rs")).expect("it is written");
        assert!(module.starts_with("//! Other Erp: "), "{module}");
        assert!(make(&root, "other_erp").is_err());
        std::fs::remove_dir_all(root).expect("it is ours");
    }

    #[test]
    fn names_are_folders_names() {
        assert!(
            is_name("sap_s4")
                && !is_name("SAP")
                && !is_name("../x")
                && !is_name("4you")
                && !is_name("a_")
        );
        assert_eq!(title(PATTERN.0), PATTERN.1);
    }
}
