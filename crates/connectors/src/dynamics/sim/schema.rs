//! The tables of a fresh environment: columns, ways between them, alternate keys.
//!
//! As in the table reference of Microsoft Learn, cut to what people, accounts and phone
//! calls need, with two columns that an administrator has added.

use serde_json::{Value as Json, json};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Id,
    /// At most so many characters.
    Text(usize),
    Int,
    Decimal,
    Bool,
    Date,
    /// Numbers with labels.
    Choice(&'static [(i64, &'static str)]),
    /// Another record's id.
    Lookup,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Set by the system alone.
    pub(super) is_own: bool,
}

/// A lookup's way to one of the tables that it may lead to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) name: &'static str,
    /// The column, as `_…_value`.
    pub(super) column: &'static str,
    pub(super) to: &'static str,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) logical: &'static str,
    pub(super) set: &'static str,
    pub(super) id: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) ways: Vec<Way>,
    /// Alternate keys: name, columns, whether the index is ready.
    pub(super) keys: Vec<(&'static str, Vec<&'static str>, bool)>,
    pub(super) is_tracked: bool,
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn way(&self, name: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.name == name)
    }

    /// As `EntityDefinitions` describes it.
    pub(super) fn described(&self) -> Json {
        let schema = |name: &str| {
            let mut letters = name.chars();
            letters.next().map_or_else(String::new, |c| {
                c.to_uppercase().collect::<String>() + letters.as_str()
            })
        };
        let key = |(name, columns, is_ready): &(&str, Vec<&str>, bool)| {
            json!({
                "LogicalName": name, "KeyAttributes": columns,
                "EntityKeyIndexStatus": if *is_ready { "Active" } else { "Pending" },
            })
        };
        let column = |column: &Column| {
            let (name, kind) = match column.kind {
                Kind::Lookup => {
                    let name = column.name.strip_prefix('_').unwrap_or(column.name);
                    (name.strip_suffix("_value").unwrap_or(name), "Lookup")
                }
                Kind::Id => (column.name, "Uniqueidentifier"),
                Kind::Text(most) if most >= 2_000 => (column.name, "Memo"),
                Kind::Text(_) => (column.name, "String"),
                Kind::Int => (column.name, "Integer"),
                Kind::Decimal => (column.name, "Decimal"),
                Kind::Bool => (column.name, "Boolean"),
                Kind::Date => (column.name, "DateTime"),
                Kind::Choice(_) => (column.name, "Picklist"),
            };
            json!({
                "LogicalName": name, "SchemaName": schema(name), "AttributeType": kind,
                "IsValidForCreate": !column.is_own, "IsValidForUpdate": !column.is_own,
                "IsValidForRead": true,
            })
        };
        let way = |way: &Way| {
            let name = way.column.strip_prefix('_').unwrap_or(way.column);
            json!({
                "ReferencingEntity": self.logical, "ReferencedEntity": way.to,
                "ReferencingAttribute": name.strip_suffix("_value").unwrap_or(name),
                "ReferencingEntityNavigationPropertyName": way.name,
            })
        };
        json!({
            "Attributes": self.columns.iter().map(column).collect::<Vec<_>>(),
            "ManyToOneRelationships": self.ways.iter().map(way).collect::<Vec<_>>(),
            "MetadataId": format!("70816501-edb9-4740-a16c-{:012x}", self.logical.len() * 65_537),
            "LogicalName": self.logical, "SchemaName": schema(self.logical),
            "EntitySetName": self.set, "LogicalCollectionName": self.set,
            "PrimaryIdAttribute": self.id, "ChangeTrackingEnabled": self.is_tracked,
            "Keys": self.keys.iter().map(key).collect::<Vec<_>>(),
        })
    }
}

const METHODS: Kind =
    Kind::Choice(&[(1, "Any"), (2, "Email"), (3, "Phone"), (4, "Fax"), (5, "Mail")]);
const TIERS: Kind = Kind::Choice(&[
    (100_000_000, "Bronze"),
    (100_000_001, "Silver"),
    (100_000_002, "Gold"),
    (100_000_003, "Platinum"),
]);
const STATES: Kind = Kind::Choice(&[(0, "Active"), (1, "Inactive")]);
const LEAD_STATES: Kind = Kind::Choice(&[(0, "Open"), (1, "Qualified"), (2, "Disqualified")]);
const CALL_STATES: Kind = Kind::Choice(&[(0, "Open"), (1, "Completed"), (2, "Canceled")]);
const CALL_REASONS: Kind =
    Kind::Choice(&[(1, "Open"), (2, "Made"), (3, "Canceled"), (4, "Received")]);
const REASONS: Kind = Kind::Choice(&[(1, "Active"), (2, "Inactive")]);

fn set(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_own: false }
}

fn own(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_own: true }
}

/// What every table has.
fn standard(id: &'static str, states: Kind, reasons: Kind) -> Vec<Column> {
    vec![
        set(id, Kind::Id),
        set("statecode", states),
        set("statuscode", reasons),
        own("createdon", Kind::Date),
        own("modifiedon", Kind::Date),
        own("versionnumber", Kind::Int),
        own("_modifiedby_value", Kind::Lookup),
        own("_createdby_value", Kind::Lookup),
        own("_ownerid_value", Kind::Lookup),
    ]
}

/// What those have whose rows can be merged.
fn merged() -> Vec<Column> {
    vec![own("merged", Kind::Bool), own("_masterid_value", Kind::Lookup)]
}

fn texts(of: &[(&'static str, usize)]) -> Vec<Column> {
    of.iter().map(|(name, most)| set(name, Kind::Text(*most))).collect()
}

fn person(id: &'static str, states: Kind) -> Vec<Column> {
    let mut columns = standard(id, states, REASONS);
    columns.extend(merged());
    columns.push(own("fullname", Kind::Text(160)));
    columns.extend(texts(&[
        ("firstname", 50),
        ("lastname", 50),
        ("jobtitle", 100),
        ("telephone1", 50),
        ("telephone2", 50),
        ("telephone3", 50),
        ("mobilephone", 50),
        ("emailaddress1", 100),
        ("emailaddress2", 100),
        ("emailaddress3", 100),
        ("address1_city", 80),
        ("description", 2_000),
    ]));
    columns.push(set("preferredcontactmethodcode", METHODS));
    columns
}

fn contact() -> Table {
    let mut columns = person("contactid", STATES);
    columns.extend(texts(&[
        ("externaluseridentifier", 50),
        ("new_caseref", 100),
        ("new_importid", 100),
    ]));
    columns.extend([
        set("new_tier", TIERS),
        set("creditlimit", Kind::Decimal),
        set("donotphone", Kind::Bool),
        set("birthdate", Kind::Date),
        set("_parentcustomerid_value", Kind::Lookup),
    ]);
    let way = |name, to| Way { name, column: "_parentcustomerid_value", to };
    Table {
        logical: "contact",
        set: "contacts",
        id: "contactid",
        columns,
        ways: vec![
            way("parentcustomerid_account", "account"),
            way("parentcustomerid_contact", "contact"),
        ],
        keys: vec![
            ("new_external", vec!["externaluseridentifier"], true),
            ("new_import", vec!["new_importid"], false),
        ],
        is_tracked: true,
    }
}

fn lead() -> Table {
    let mut columns = person("leadid", LEAD_STATES);
    columns.extend(texts(&[("companyname", 100), ("subject", 300)]));
    columns.push(set("_parentaccountid_value", Kind::Lookup));
    Table {
        logical: "lead",
        set: "leads",
        id: "leadid",
        columns,
        ways: vec![Way {
            name: "parentaccountid",
            column: "_parentaccountid_value",
            to: "account",
        }],
        keys: vec![],
        is_tracked: true,
    }
}

fn account() -> Table {
    let mut columns = standard("accountid", STATES, REASONS);
    columns.extend(merged());
    columns.extend(texts(&[
        ("name", 160),
        ("accountnumber", 20),
        ("telephone1", 50),
        ("telephone2", 50),
        ("telephone3", 50),
        ("emailaddress1", 100),
        ("emailaddress2", 100),
        ("emailaddress3", 100),
    ]));
    columns.extend([
        set("creditonhold", Kind::Bool),
        set("creditlimit", Kind::Decimal),
        set("_primarycontactid_value", Kind::Lookup),
    ]);
    Table {
        logical: "account",
        set: "accounts",
        id: "accountid",
        columns,
        ways: vec![Way {
            name: "primarycontactid",
            column: "_primarycontactid_value",
            to: "contact",
        }],
        keys: vec![("new_number", vec!["accountnumber"], true)],
        is_tracked: true,
    }
}

fn phonecall() -> Table {
    let mut columns = standard("activityid", CALL_STATES, CALL_REASONS);
    columns.extend(texts(&[
        ("subject", 200),
        ("description", 2_000),
        ("phonenumber", 200),
        ("category", 250),
    ]));
    columns.extend([
        set("directioncode", Kind::Bool),
        set("leftvoicemail", Kind::Bool),
        set("actualdurationminutes", Kind::Int),
        set("actualstart", Kind::Date),
        set("actualend", Kind::Date),
        set("_regardingobjectid_value", Kind::Lookup),
    ]);
    let way = |name, to| Way { name, column: "_regardingobjectid_value", to };
    Table {
        logical: "phonecall",
        set: "phonecalls",
        id: "activityid",
        columns,
        ways: vec![
            way("regardingobjectid_contact_phonecall", "contact"),
            way("regardingobjectid_lead_phonecall", "lead"),
            way("regardingobjectid_account_phonecall", "account"),
        ],
        keys: vec![],
        is_tracked: false,
    }
}

/// Every table.
pub(super) fn tables() -> Vec<Table> {
    vec![contact(), lead(), account(), phonecall()]
}
