//! What may be written only in its place: vendors in their folders, SQL in the store, machines nowhere.

use super::Offence;
use super::source::{numbered, words};
use super::tree::Tree;

const VENDOR: &str = "places.vendor";
const SQL: &str = "places.sql";
const MACHINE: &str = "places.machine";

/// The crates that must never know a vendor by name.
const VENDORLESS: &[&str] =
    &["crates/domain/src/", "crates/kit/src/", "crates/state/src/", "crates/engine/src/"];

/// Found anywhere within a word, in any case.
const VENDORS: &[&str] = &["salesforce", "genesys", "servicenow", "hubspot", "netsuite", "zoho"];
/// Found as whole words only, since they are also parts of other words.
const VENDOR_WORDS: &[&str] = &["Dynamics", "SAP", "dynamics365"];

/// Statements of a store's language.
const STATEMENTS: &[&str] = &[
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE",
    "CREATE INDEX",
    "ALTER TABLE",
    "DROP TABLE",
    "PRAGMA ",
];

/// Written in two halves, so that this file does not catch itself.
const MACHINES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("deb.debian", ".org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("files.pythonhosted", ".org"),
];

/// Domain, kit, state and engine serve every vendor and name none, not even in a comment.
pub(super) fn vendors_stay_in_their_folders(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, source) in
        tree.sources().filter(|(path, _)| VENDORLESS.iter().any(|at| path.starts_with(at)))
    {
        for (line, text) in numbered(&source.text) {
            let lower = text.to_lowercase();
            let named = VENDORS.iter().find(|vendor| lower.contains(**vendor));
            let named = named.or_else(|| {
                VENDOR_WORDS.iter().find(|vendor| words(text).any(|word| word == **vendor))
            });
            if let Some(vendor) = named {
                let says = format!("names {vendor}; vendors live in crates/connectors");
                offences.push(Offence::new(VENDOR, path, line, says));
            }
        }
    }
    offences
}

/// Engine and binary speak to the store, never its language.
pub(super) fn sql_stays_in_the_store(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    let places = ["crates/engine/src/", "crates/tieline/src/"];
    for (path, source) in
        tree.sources().filter(|(path, _)| places.iter().any(|at| path.starts_with(at)))
    {
        for (line, string) in &source.strings {
            let text = string.trim_start_matches(|c: char| !c.is_ascii_uppercase());
            if STATEMENTS.iter().any(|statement| text.starts_with(statement)) {
                let says = "SQL text; it belongs to crates/state";
                offences.push(Offence::new(SQL, path, *line, says));
            }
        }
    }
    offences
}

/// No committed file names a machine it was made on, or where packages come from.
pub(super) fn nothing_names_a_machine(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in tree.files() {
        for (line, text) in numbered(text) {
            if let Some(machine) = MACHINES.iter().find(|machine| text.contains(**machine)) {
                let says = format!("names {machine}, which is true on some machines only");
                offences.push(Offence::new(MACHINE, path, line, says));
            }
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::{
        MACHINES, nothing_names_a_machine, sql_stays_in_the_store, vendors_stay_in_their_folders,
    };
    use crate::tidy::tree::Tree;

    #[test]
    fn a_vendor_outside_its_folder_is_caught() {
        let text =
            "//! For every vendor.\nlet genesys_id = 1;\n// SAP says so\n// dynamics, ASAP, zoom";
        let tree =
            Tree::of([("crates/engine/src/a.rs", text), ("crates/connectors/src/b.rs", text)]);
        let lines: Vec<usize> =
            vendors_stay_in_their_folders(&tree).iter().map(|offence| offence.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn sql_outside_the_store_is_caught() {
        let text = "let a = \"SELECT 1\";\nlet b = r#\"\n  UPDATE calls SET x = 1\"#;\nlet c = \"Select one\"; // SELECT 1";
        let tree = Tree::of([("crates/engine/src/a.rs", text), ("crates/state/src/b.rs", text)]);
        let lines: Vec<usize> =
            sql_stays_in_the_store(&tree).iter().map(|offence| offence.line).collect();
        assert_eq!(lines, [1, 2]);
    }

    #[test]
    fn a_machine_is_caught_in_any_file() {
        for machine in MACHINES {
            let text = format!("ok\nsee {machine}x");
            let offences = nothing_names_a_machine(&Tree::of([("README.md", &text)]));
            assert_eq!(offences.len(), 1, "{machine}");
        }
    }
}
