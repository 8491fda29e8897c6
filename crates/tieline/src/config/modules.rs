//! The sections `[connections.NAME.modules]`: what a rule's modules are in a system of one's own.

use kit::modules::Word;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a routing rule's modules are in this system, where that is not as the connector's page
/// says: ServiceNow tables of your own, values of the column `object` of an SQL query, a
/// source's `object`. Each is a list of such objects, which then belong to no other module.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModulesSection {
    /// Whose records are leads, such as `["u_prospects"]`.
    pub leads: Option<Vec<String>>,
    /// Whose records are contacts.
    pub contacts: Option<Vec<String>>,
    /// Whose records are accounts.
    pub accounts: Option<Vec<String>>,
}

impl ModulesSection {
    /// What is said of each module.
    pub fn own(&self) -> BTreeMap<Word, Vec<String>> {
        let said = [
            (Word::Leads, &self.leads),
            (Word::Contacts, &self.contacts),
            (Word::Accounts, &self.accounts),
        ];
        said.into_iter().filter_map(|(word, said)| Some((word, said.clone()?))).collect()
    }
}
