//! What is said to be a module is an object that the connection finds, and of one module alone.

use super::Check;
use crate::config::ConnectionSection;
use crate::config::mistakes::nearest;
use kit::{Manifest, Settings};

impl Check<'_> {
    /// Every mistake in what a connection says of its modules.
    pub(super) fn modules(
        &mut self,
        name: &str,
        section: &ConnectionSection,
        manifest: &Manifest,
        settings: &Settings,
    ) {
        let searched = manifest.modules.searched(manifest, settings);
        let mut taken: Vec<(String, &str)> = Vec::new();
        for (word, objects) in section.modules.own() {
            let at = ["connections", name, "modules", word.as_str()];
            for object in objects {
                let lower = object.to_lowercase();
                if let Some((_, other)) = taken.iter().find(|(known, _)| *known == lower) {
                    let message = format!("`{object}` is of {other} already.");
                    self.mistake(&at, message, "Name each once.");
                }
                taken.push((lower, word.as_str()));
                let Some(searched) = &searched else { continue };
                if searched.iter().any(|known| known.eq_ignore_ascii_case(&object)) {
                    continue;
                }
                let fix = nearest(&object, searched.iter().map(String::as_str)).map_or_else(
                    || match &manifest.modules.searched {
                        Some(key) => format!("Add it to connections.{name}.settings.{key}."),
                        None => format!("One of: {}.", searched.join(", ")),
                    },
                    |near| format!("Did you mean `{near}`?"),
                );
                let message = format!("the connection finds no `{object}`.");
                self.mistake(&at, message, fix);
            }
        }
    }
}
