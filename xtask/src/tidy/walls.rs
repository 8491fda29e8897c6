//! The walls between the crates: who may know whom, read from every `Cargo.toml`.

use super::Offence;
use super::tree::Tree;
use toml::Table;

const ARROWS: &str = "walls.arrow";
const LINTS: &str = "walls.lints";

/// Who may depend on whom, and what each must never know.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    ("domain", &[], "it decides; it knows no I/O and none of us"),
    ("kit", &["domain"], "it must know no vendor, no database, no API"),
    ("sim", &[], "a simulator that shares our types shares our mistakes"),
    (
        "connectors",
        &["domain", "kit", "sim"],
        "connectors know neither each other, nor the store, nor the engine",
    ),
    ("state", &["domain"], "the store must know no vendor, no HTTP, no use case"),
    (
        "engine",
        &["domain", "kit", "state"],
        "the use cases must know no vendor and no web framework",
    ),
    (
        "tieline",
        &["domain", "kit", "connectors", "state", "engine", "sim"],
        "the binary translates and wires",
    ),
    ("bench", &["domain"], "the bench measures us from outside, and of within the rules alone"),
    ("bench/zen", &[], "a rival, in a workspace of its own"),
    ("xtask", &[], "xtask starts the product and never links it"),
];

/// The arrows between our crates point one way, and only along the house's list. Tests may in
/// addition use the simulators' parts, except where the list says nothing of ours at all.
pub(super) fn arrows_point_one_way(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, name, manifest) in manifests(tree) {
        let Some((_, allowed, why)) = ALLOWED.iter().find(|(known, ..)| *known == name) else {
            let says =
                format!("the crate {name} has no place in the house; give it one in walls.rs");
            offences.push(Offence::new(ARROWS, path, 0, says));
            continue;
        };
        for (section, target, settings) in dependencies(&manifest) {
            if !ALLOWED.iter().any(|(known, ..)| *known == target) {
                continue;
            }
            let in_tests = section == "dev-dependencies" && target == "sim" && !allowed.is_empty();
            if !allowed.contains(&target.as_str()) && !in_tests {
                let says = format!("{name} must not depend on {target}: {why}");
                offences.push(Offence::new(ARROWS, path, 0, says));
            }
            let optional = settings.get("optional").and_then(toml::Value::as_bool) == Some(true);
            if name == "connectors" && target == "sim" && section == "dependencies" && !optional {
                let says = "connectors may take sim only as an optional dependency, behind the feature sim";
                offences.push(Offence::new(ARROWS, path, 0, says));
            }
        }
    }
    offences
}

/// Every crate takes the workspace's lints.
pub(super) fn every_crate_takes_the_lints(tree: &Tree) -> Vec<Offence> {
    let takes = |manifest: &Table| {
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        lints.and_then(toml::Value::as_bool) == Some(true)
    };
    manifests(tree)
        .filter(|(_, _, manifest)| !takes(manifest))
        .map(|(path, ..)| Offence::new(LINTS, path, 0, "lacks `[lints] workspace = true`"))
        .collect()
}

/// Path, crate name and content of every member's manifest. One that cannot be read as TOML is
/// left to Cargo, which refuses it.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &str, Table)> {
    tree.files().filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        let name = folder.strip_prefix("crates/").or((folder == "xtask").then_some(folder))?;
        Some((path, name, text.parse::<Table>().ok()?))
    })
}

/// Section, name and settings of every dependency, those for one platform included.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String, Table)> {
    const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = platforms.into_iter().flat_map(Table::values).filter_map(toml::Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(platforms) {
        for section in SECTIONS {
            let listed = table.get(section).and_then(toml::Value::as_table);
            for (name, settings) in listed.into_iter().flatten() {
                let settings = settings.as_table().cloned().unwrap_or_default();
                let named = settings.get("package").and_then(toml::Value::as_str).unwrap_or(name);
                found.push((section, named.to_owned(), settings.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{arrows_point_one_way, every_crate_takes_the_lints};
    use crate::tidy::tree::Tree;

    fn says(path: &str, manifest: &str) -> Vec<String> {
        let offences = arrows_point_one_way(&Tree::of([(path, manifest)]));
        offences.into_iter().map(|offence| offence.says).collect()
    }

    #[test]
    fn an_arrow_against_the_house_is_caught() {
        let said = says("crates/domain/Cargo.toml", "[dependencies]\nkit.workspace = true");
        assert_eq!(
            said,
            ["domain must not depend on kit: it decides; it knows no I/O and none of us"]
        );
        let said =
            says("crates/sim/Cargo.toml", "[dev-dependencies]\nd = { package = \"domain\" }");
        assert_eq!(said.len(), 1);
        let said =
            says("crates/engine/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nconnectors = {}");
        assert_eq!(said.len(), 1);
    }

    #[test]
    fn connectors_may_take_sim_only_behind_a_feature() {
        let path = "crates/connectors/Cargo.toml";
        assert_eq!(says(path, "[dependencies]\nsim = { workspace = true }").len(), 1);
        assert_eq!(
            says(path, "[dependencies]\nsim = { workspace = true, optional = true }").len(),
            0
        );
    }

    #[test]
    fn a_crate_without_a_place_is_caught() {
        assert_eq!(says("crates/shared/Cargo.toml", "").len(), 1);
    }

    #[test]
    fn a_crate_without_the_lints_is_caught() {
        let tree = Tree::of([("crates/kit/Cargo.toml", "[package]\nname = \"kit\"")]);
        assert_eq!(every_crate_takes_the_lints(&tree).len(), 1);
    }
}
