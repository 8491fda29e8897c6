//! What a rule means by Leads, Contacts or Accounts, in one connection's own words.
//!
//! A connector's manifest says which objects (`domain::Contact::object`) are which
//! ([`Facts`]); a connection whose objects are its administrator's own may say so itself.
//! [`Facts::of`] makes [`Modules`] of both: [`Modules::path`] answers whether a record is of
//! a module and where the module's fields stand in it, [`Names::of_field`] under which name
//! of an answer's `data` a field is.

use crate::Settings;
use crate::manifest::Manifest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The modules that a rule can name.
pub use domain::rules::Module as Word;

/// Every object that no other module names.
const REST: &str = "*";

/// What the manifest says under `[modules]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// The setting that lists the objects which are searched, or names the only one.
    pub searched: Option<String>,
    pub leads: Option<Module>,
    pub contacts: Option<Module>,
    pub accounts: Option<Module>,
    /// Modules that the vendor has not, or that this connector does not search, and why.
    #[serde(deserialize_with = "by_word")]
    pub absent: BTreeMap<Word, String>,
}

/// Words are the domain's, which knows no wire format.
fn by_word<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Word, String>, D::Error> {
    let said = BTreeMap::<String, String>::deserialize(from)?;
    let known = |(name, why): (String, String)| {
        let word = Word::ALL.into_iter().find(|word| word.as_str() == name);
        let word = word.ok_or_else(|| D::Error::custom(format!("no such module: {name}")))?;
        Ok((word, why))
    };
    said.into_iter().map(known).collect()
}

/// One module of one vendor or connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Module {
    /// Objects whose records are of it; `*`: those that no other module names.
    pub objects: Vec<String>,
    /// Objects of people whose records lead to one of it, each with what then stands before
    /// a field of it.
    pub through: BTreeMap<String, String>,
}

/// The modules of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    there: BTreeMap<Word, Module>,
    lacking: BTreeMap<Word, String>,
}

impl Modules {
    /// The module, where the connection has it.
    #[must_use]
    pub fn get(&self, word: Word) -> Option<&Module> {
        self.there.get(&word)
    }

    /// Why the connection has not got the module, in a sentence.
    #[must_use]
    pub fn lack(&self, word: Word) -> Option<&str> {
        let told = || self.lacking.get(&word).map_or("", String::as_str);
        (!self.there.contains_key(&word)).then(told)
    }

    /// What stands before the module's fields in a record of this object: nothing where
    /// the record is of the module itself. `None`: it neither is nor leads there.
    #[must_use]
    pub fn path(&self, word: Word, object: &str) -> Option<&str> {
        let module = self.there.get(&word)?;
        if names(&module.objects, object) {
            return Some("");
        }
        if let Some(before) = module.through.get(object) {
            return Some(before);
        }
        let is_named = || self.there.values().any(|module| names(&module.objects, object));
        (names(&module.objects, REST) && !is_named()).then_some("")
    }

    /// Objects whose records are of the module or lead there, and what then stands before
    /// its fields; of those that are known before anybody is found.
    pub fn ways(&self, word: Word) -> impl Iterator<Item = (&str, &str)> {
        let module = self.there.get(&word);
        let own = module.into_iter().flat_map(|module| &module.objects);
        let through = module.into_iter().flat_map(|module| &module.through);
        own.map(|object| (object.as_str(), ""))
            .chain(through.map(|(object, before)| (object.as_str(), before.as_str())))
    }
}

impl Facts {
    fn module(&self, word: Word) -> Option<&Module> {
        match word {
            Word::Leads => self.leads.as_ref(),
            Word::Contacts => self.contacts.as_ref(),
            Word::Accounts => self.accounts.as_ref(),
        }
    }

    /// Every object that a connection with these settings can find; `None` where only its
    /// answers say so.
    #[must_use]
    pub fn searched(&self, manifest: &Manifest, settings: &Settings) -> Option<Vec<String>> {
        let Some(key) = &self.searched else {
            let modules = Word::ALL.into_iter().filter_map(|word| self.module(word));
            let objects: Vec<String> =
                modules.flat_map(|module| module.objects.iter().cloned()).collect();
            return (!names(&objects, REST)).then_some(objects);
        };
        let given = settings.texts(key).into_iter().chain(settings.text(key).map(str::to_owned));
        let given: Vec<String> = given.collect();
        if !given.is_empty() {
            return Some(given);
        }
        let setting = manifest.settings.iter().find(|setting| setting.name == *key)?;
        let default = setting.default.as_deref().unwrap_or_default();
        Some(default.split(',').map(|object| object.trim().to_owned()).collect())
    }

    /// The modules of a connection with these settings, which itself says `own` of some.
    #[must_use]
    pub fn of(
        &self,
        manifest: &Manifest,
        settings: &Settings,
        own: &BTreeMap<Word, Vec<String>>,
    ) -> Modules {
        let searched = self.searched(manifest, settings);
        let claimed: Vec<String> = own.values().flatten().cloned().collect();
        let mut modules = Modules::default();
        for word in Word::ALL {
            let mut module = self.module(word).cloned().unwrap_or_default();
            match own.get(&word) {
                Some(objects) => module.objects.clone_from(objects),
                // What the connection says of one module is not taken for another's.
                None => module.objects.retain(|object| !names(&claimed, object)),
            }
            modules.there.insert(word, module);
        }
        if let Some(searched) = &searched {
            modules.keep(searched);
        }
        for word in Word::ALL {
            let module = &modules.there[&word];
            if module.objects.is_empty() && module.through.is_empty() {
                modules.there.remove(&word);
                modules.lacking.insert(word, self.why_not(word));
            }
        }
        modules
    }

    fn why_not(&self, word: Word) -> String {
        let objects = self.module(word).map(|module| {
            let through = module.through.keys().filter(|_| module.objects.is_empty());
            module.objects.iter().chain(through).cloned().collect::<Vec<_>>().join(" or ")
        });
        match (self.absent.get(&word), objects, &self.searched) {
            (Some(why), _, _) => why.clone(),
            (None, Some(objects), Some(setting)) if !objects.is_empty() => {
                format!("The connection does not search {objects}; add it to settings.{setting}.")
            }
            _ => format!("Nothing of the connection is said to be {}.", word.as_str()),
        }
    }
}

impl Modules {
    /// Only of what is searched; the rest is then known by name.
    fn keep(&mut self, searched: &[String]) {
        let named: Vec<String> =
            self.there.values().flat_map(|module| module.objects.clone()).collect();
        for module in self.there.values_mut() {
            if names(&module.objects, REST) {
                let rest = searched.iter().filter(|object| !names(&named, object));
                module.objects.extend(rest.cloned());
            }
            module.objects.retain(|object| names(searched, object));
            module.through.retain(|object, _| names(searched, object));
        }
    }
}

fn names(objects: &[String], object: &str) -> bool {
    objects.iter().any(|known| known.eq_ignore_ascii_case(object))
}

/// What an answer's `data` carries, as far as it is known before anybody is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Names, and the vendor's fields that they stand for.
    pub fields: BTreeMap<String, String>,
    /// There may be others, which only an answer tells: the columns of a query.
    pub has_others: bool,
}

impl Names {
    /// As these settings have them; `*` among them: there may be others.
    #[must_use]
    pub fn of(keys: &[String], settings: &Settings) -> Self {
        let fields = keys.iter().flat_map(|key| settings.pairs(key)).collect();
        Self { fields, has_others: names(keys, REST) }
    }

    /// The name under which a record of `object` shows a field that has `before` before it.
    ///
    /// A name that is asked for itself goes first, then the field as the vendor calls it,
    /// then without regard to case, to the object before it (`lead.score`) and to how it is
    /// shown (`score@label`); what else there may be goes by its own name.
    #[must_use]
    pub fn of_field<'a>(&'a self, object: &str, before: &str, field: &'a str) -> Option<&'a str> {
        let field = field.trim();
        let known = shown_as(&self.fields, object, before, field);
        known.or_else(|| (self.has_others && !field.is_empty()).then_some(field))
    }
}

fn shown_as<'a>(
    data: &'a BTreeMap<String, String>,
    object: &str,
    before: &str,
    field: &str,
) -> Option<&'a str> {
    let column = |written: &'a String| {
        let own = written.split_once('.').filter(|(of, _)| of.eq_ignore_ascii_case(object));
        own.map_or(written.as_str(), |(_, column)| column)
    };
    // A name of the person's own field is none of what the person leads to.
    let leads_there = |written: &'a String| {
        let begins = column(written).get(..before.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(before))
    };
    if let Some((name, _)) = data.get_key_value(field).filter(|(_, own)| leads_there(own)) {
        return Some(name);
    }
    let paths = [format!("{before}{field}"), field.to_owned()];
    // A field that is written with its path already is not given it twice.
    let paths = if field.starts_with(before) { &paths[1..] } else { &paths[..1] };
    let bare = |written: &'a String| column(written).split('@').next().unwrap_or_default();
    let find = |is: &dyn Fn(&'a String, &str) -> bool| {
        let mut shown = data.iter();
        shown.find(|(_, written)| paths.iter().any(|path| is(written, path)))
    };
    find(&|written, path| written == path)
        .or_else(|| find(&|written, path| column(written).eq_ignore_ascii_case(path)))
        .or_else(|| find(&|written, path| bare(written).eq_ignore_ascii_case(path)))
        .map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Facts, Modules, Names, Word};
    use crate::{Manifest, Settings};
    use std::collections::BTreeMap;

    const LIMITS: &str = r#"
        [limits]
        requests_per_minute = 60
        reserved_for_calls = 10
        concurrent_calls = 4
        concurrent_background = 2
        timeout_ms = 1000
    "#;

    const FACTS: &str = r#"
        [modules]
        searched = "tables"
        leads = { objects = ["Lead"] }
        contacts = { objects = ["Contact", "Consumer", "*"] }
        accounts = { through = { Contact = "Account." } }
        [[settings]]
        name = "tables"
        kind = "list"
        default = "Contact"
        help = "what is searched"
    "#;

    fn manifest(facts: &str) -> Manifest {
        let head = "name = 'acme'\ntitle = 'Acme'\nabout = 'A CRM.'\n";
        Manifest::parse(&format!("{head}{LIMITS}{facts}"))
    }

    fn modules(facts: &str, tables: &[&str], own: &[(Word, &[&str])]) -> Modules {
        let manifest = manifest(facts);
        let tables = tables.iter().map(|table| toml::Value::from(*table)).collect::<Vec<_>>();
        let mut settings = Settings::default();
        if !tables.is_empty() {
            settings.plain.insert("tables".to_owned(), tables.into());
        }
        let own = own.iter().map(|(word, all)| (*word, all.iter().map(|o| (*o).to_owned())));
        let own: BTreeMap<Word, Vec<String>> =
            own.map(|(word, all)| (word, all.collect())).collect();
        manifest.modules.of(&manifest, &settings, &own)
    }

    #[test]
    fn an_object_is_of_its_module_or_leads_there() {
        let modules = modules(FACTS, &["Contact", "Lead", "Partner"], &[]);
        for (word, object, expected) in [
            (Word::Leads, "Lead", Some("")),
            (Word::Leads, "Contact", None),
            (Word::Contacts, "Contact", Some("")),
            (Word::Contacts, "Partner", Some("")),
            (Word::Contacts, "Lead", None),
            (Word::Accounts, "Contact", Some("Account.")),
            (Word::Accounts, "Lead", None),
        ] {
            assert_eq!(modules.path(word, object), expected, "{word:?} {object}");
        }
        let ways: Vec<_> = modules.ways(Word::Accounts).collect();
        assert_eq!(ways, [("Contact", "Account.")]);
    }

    #[test]
    fn what_is_not_searched_is_lacking_with_its_mend() {
        let modules = modules(FACTS, &[], &[]);
        assert_eq!(modules.path(Word::Leads, "Lead"), None);
        let told = "The connection does not search Lead; add it to settings.tables.";
        assert_eq!(modules.lack(Word::Leads), Some(told));
        assert_eq!(modules.lack(Word::Contacts), None);
        assert_eq!(modules.get(Word::Contacts).expect("there").objects, ["Contact"]);
    }

    #[test]
    fn what_a_connection_says_of_its_own_goes_before_the_manifest() {
        let tables = ["Contact", "Consumer", "u_prospects"];
        let own: [(Word, &[&str]); 1] = [(Word::Leads, &["u_prospects", "Consumer"])];
        let modules = modules(FACTS, &tables, &own);
        assert_eq!(modules.path(Word::Leads, "U_Prospects"), Some(""));
        assert_eq!(modules.path(Word::Contacts, "u_prospects"), None, "it is another's now");
        assert_eq!(modules.path(Word::Contacts, "Consumer"), None);
        assert_eq!(modules.path(Word::Accounts, "Contact"), Some("Account."), "and this stays");
    }

    #[test]
    fn where_only_answers_tell_objects_the_rest_is_whatever_comes() {
        let facts = "[modules]\ncontacts = { objects = ['*'] }\nabsent = { leads = 'None here.' }";
        let own: [(Word, &[&str]); 1] = [(Word::Accounts, &["firm"])];
        let modules = modules(facts, &[], &own);
        assert_eq!(modules.path(Word::Contacts, "anything"), Some(""));
        assert_eq!(modules.path(Word::Contacts, ""), Some(""));
        assert_eq!(modules.path(Word::Contacts, "firm"), None);
        assert_eq!(modules.path(Word::Accounts, "firm"), Some(""));
        assert_eq!(modules.lack(Word::Leads), Some("None here."));
    }

    #[test]
    fn a_field_is_named_either_way() {
        let data = [
            ("loyaltyTier", "Tier__c"),
            ("company", "Account.Name"),
            ("score", "lead.new_score@label"),
            ("Tier", "Other__c"),
            ("limit", "lead.limit@number"),
            ("rawLimit", "lead.limit"),
        ];
        let fields = data.map(|(name, field)| (name.to_owned(), field.to_owned())).into();
        let mut names = Names { fields, has_others: false };
        for (object, before, field, expected) in [
            ("Contact", "", "loyaltyTier", Some("loyaltyTier")),
            ("Contact", "", "Tier__c", Some("loyaltyTier")),
            ("Contact", "", "tier__C", Some("loyaltyTier")),
            ("Contact", "", "Tier", Some("Tier")),
            ("Contact", "Account.", "Name", Some("company")),
            ("Contact", "Account.", "Account.Name", Some("company")),
            ("Contact", "Account.", "company", Some("company")),
            ("Contact", "Account.", "loyaltyTier", None),
            ("lead", "new_", "score", Some("score")),
            ("Contact", "", "Name", None),
            ("lead", "", "new_score", Some("score")),
            ("contact", "", "new_score", None),
            ("lead", "", "new_score@label", Some("score")),
            ("lead", "", "new_score@number", None),
            ("lead", "", "LIMIT", Some("rawLimit")),
            ("lead", "", "LIMIT@number", Some("limit")),
            ("Contact", "", "", None),
        ] {
            assert_eq!(names.of_field(object, before, field), expected, "{object} {field}");
        }
        names.has_others = true;
        assert_eq!(names.of_field("Contact", "", " open_invoices "), Some("open_invoices"));
        assert_eq!(names.of_field("Contact", "", "Tier__c"), Some("loyaltyTier"));
        assert_eq!(names.of_field("Contact", "", " "), None);
    }

    #[test]
    fn modules_go_by_the_words_of_rules() {
        for word in Word::ALL {
            let facts = format!("absent = {{ {} = 'None here.' }}", word.as_str());
            let facts: Facts = toml::from_str(&facts).expect("known");
            assert_eq!(facts.absent, BTreeMap::from([(word, "None here.".to_owned())]));
        }
        let wrong = toml::from_str::<Facts>("absent = { cases = 'None here.' }");
        let wrong = wrong.expect_err("no module").to_string();
        assert!(wrong.contains("no such module: cases"), "{wrong}");
    }
}
