//! What stands beside a CRM is another connection, named once, and linked by a name that
//! the CRM's people have.

use super::Check;
use crate::config::Config;
use crate::config::mistakes::nearest;

impl Check<'_> {
    /// Every mistake in what stands beside connections.
    pub(super) fn beside(&mut self, config: &Config, names: &[&str]) {
        for (name, section) in &config.connections {
            let mut taken: Vec<&str> = Vec::new();
            for (index, beside) in section.beside.iter().enumerate() {
                let (index, other) = (index.to_string(), beside.connection.as_str());
                let at = ["connections", name, "beside", &index, "connection"];
                self.known(names, &at, other);
                if other == name {
                    let message = format!("`{name}` cannot stand beside itself.");
                    self.mistake(&at, message, "Name another connection, such as an ERP's.");
                }
                if taken.contains(&other) {
                    let message = format!("`{other}` stands here already.");
                    self.mistake(&at, message, "Name each connection once.");
                }
                taken.push(other);
                let data = section.settings.get("data").and_then(toml::Value::as_table);
                let link = beside.linked_by.as_str();
                let is_there = data.is_none_or(|data| data.contains_key(link));
                if link == "account" || (is_there && !link.trim().is_empty()) {
                    continue;
                }
                let fix = data.and_then(|data| nearest(link, data.keys().map(String::as_str)));
                let fix = fix.map_or_else(
                    || format!("Add it to connections.{name}.settings.data, or write account."),
                    |near| format!("Did you mean `{near}`?"),
                );
                let at = ["connections", name, "beside", &index, "linked_by"];
                self.mistake(&at, format!("`{link}` is no name of settings.data."), fix);
            }
        }
    }
}
