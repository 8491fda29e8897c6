//! What can be named of a connection's people before anybody is asked.
//!
//! A field is named as the vendor calls it, or by its name in the answer's `data`; what a
//! system beside the connection adds to `data` is named as that system's settings do.

use super::{Connection, Connections};
use kit::Modules;
use kit::modules::{Names, Word};

/// Modules and fields, as the connection's settings have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// Which records are leads, contacts and accounts.
    pub modules: Modules,
    /// What is told with a person.
    pub people: Names,
    /// What is told of an account that another connection's person is linked to.
    pub accounts: Names,
}

impl Data {
    /// The name of `data` under which a record of `object` shows a field of the module.
    /// `None`: the record neither is of the module nor leads there, or the field is not read
    /// with it.
    #[must_use]
    pub fn name<'a>(&'a self, module: Word, object: &str, field: &'a str) -> Option<&'a str> {
        let before = self.modules.path(module, object)?;
        self.people.of_field(object, before, field)
    }

    /// Can any record of the module show this field? As far as that is known.
    #[must_use]
    pub fn can_tell(&self, module: Word, field: &str) -> bool {
        let mut ways = self.modules.ways(module);
        ways.any(|(object, before)| self.people.of_field(object, before, field).is_some())
    }
}

impl Connections {
    /// As [`Data::name`], else what a system beside the connection adds: it joins the data of
    /// whoever is of the module.
    #[must_use]
    pub fn data_name<'a>(
        &'a self,
        of: &'a Connection,
        module: Word,
        object: &str,
        field: &'a str,
    ) -> Option<&'a str> {
        of.data.modules.path(module, object)?;
        of.data.name(module, object, field).or_else(|| self.beside_name(of, field))
    }

    /// As [`Data::can_tell`], with the systems beside the connection.
    #[must_use]
    pub fn can_tell(&self, of: &Connection, module: Word, field: &str) -> bool {
        let joins = || self.beside_name(of, field).is_some();
        of.data.modules.get(module).is_some() && (of.data.can_tell(module, field) || joins())
    }

    /// Names that are written go before those that only an answer would tell.
    fn beside_name<'a>(&'a self, of: &'a Connection, field: &'a str) -> Option<&'a str> {
        let others = || of.beside.iter().filter_map(|beside| self.get(&beside.connection));
        let known = others().find_map(|other| {
            let names = &other.data.accounts;
            names.of_field("", "", field).filter(|name| names.fields.contains_key(*name))
        });
        known.or_else(|| others().find_map(|other| other.data.accounts.of_field("", "", field)))
    }
}

#[cfg(test)]
mod tests {
    use super::Data;
    use crate::Beside;
    use crate::connections::tests::{connection, joined};
    use domain::beside::LinkedBy;
    use kit::Manifest;
    use kit::modules::{Names, Word};

    const FACTS: &str = r#"
        name = "acme"
        title = "Acme"
        about = "A CRM."
        [limits]
        requests_per_minute = 60
        reserved_for_calls = 10
        concurrent_calls = 4
        concurrent_background = 2
        timeout_ms = 1000
        [modules]
        contacts = { objects = ["Contact"] }
        accounts = { objects = ["Firm"], through = { Contact = "Account." } }
    "#;

    fn names(fields: &[(&str, &str)], has_others: bool) -> Names {
        let fields = fields.iter().map(|(name, field)| ((*name).to_owned(), (*field).to_owned()));
        Names { fields: fields.collect(), has_others }
    }

    fn data(people: Names) -> Data {
        let manifest = Manifest::parse(FACTS);
        let modules = manifest.modules.of(&manifest, &Default::default(), &Default::default());
        Data { modules, people, accounts: Names::default() }
    }

    #[test]
    fn a_field_of_an_account_is_found_with_the_person_or_itself() {
        let data = data(names(&[("tier", "Account.Tier"), ("city", "City")], false));
        assert_eq!(data.name(Word::Accounts, "Contact", "Tier"), Some("tier"));
        assert_eq!(data.name(Word::Accounts, "Firm", "City"), Some("city"));
        assert_eq!(data.name(Word::Accounts, "Contact", "City"), None, "it is the person's");
        assert_eq!(data.name(Word::Contacts, "Contact", "City "), Some("city"));
        assert_eq!(data.name(Word::Contacts, "Firm", "City"), None, "a firm is no contact");
        assert_eq!(data.name(Word::Leads, "Contact", "City"), None);
        assert!(data.can_tell(Word::Accounts, "tier") && data.can_tell(Word::Accounts, "Tier"));
        assert!(!data.can_tell(Word::Contacts, "Nothing") && !data.can_tell(Word::Leads, "tier"));
    }

    #[test]
    fn where_only_an_answer_tells_the_columns_every_name_may_be_one() {
        let data = data(names(&[], true));
        assert_eq!(data.name(Word::Contacts, "Contact", "open_invoices"), Some("open_invoices"));
        assert!(data.can_tell(Word::Contacts, "open_invoices"));
        assert!(!data.can_tell(Word::Contacts, " "));
        assert_eq!(data.name(Word::Leads, "Contact", "open_invoices"), None);
    }

    #[test]
    fn what_stands_beside_joins_under_its_own_names() {
        let beside = |name: &str| Beside {
            connection: name.to_owned(),
            linked_by: LinkedBy::parse("account"),
        };
        let own = data(names(&[("tier", "Tier")], false));
        let crm = connection("crm").with_data(own).with_beside(vec![beside("own"), beside("erp")]);
        let accounts = names(&[("balance", "OpenAmount@number")], false);
        let erp = connection("erp").with_data(Data { accounts, ..Data::default() });
        let accounts = names(&[], true);
        let sql = connection("own").with_data(Data { accounts, ..Data::default() });
        let all = joined([crm, erp, sql]);
        let crm = all.get("crm").expect("a CRM");
        let name = |module, field| all.data_name(crm, module, "Contact", field);
        assert_eq!(name(Word::Contacts, "tier"), Some("tier"));
        assert_eq!(name(Word::Contacts, "balance"), Some("balance"));
        assert_eq!(name(Word::Accounts, "openamount"), Some("balance"));
        assert_eq!(name(Word::Contacts, "openInvoices"), Some("openInvoices"), "a column, maybe");
        assert_eq!(name(Word::Leads, "balance"), None, "the caller is no lead");
        assert!(all.can_tell(crm, Word::Contacts, "balance"));
        assert!(!all.can_tell(crm, Word::Leads, "balance"));
        let erp = all.get("erp").expect("an ERP");
        assert!(!all.can_tell(erp, Word::Contacts, "balance"), "nobody is found there");
    }
}
