//! The modules and their fields, by the vendor's names and types of data.

/// One field: name, type of data, longest text (0: no text), and what is said below.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) length: usize,
    /// No record without it.
    pub(super) mandatory: bool,
    /// No two records with the same.
    pub(super) unique: bool,
}

/// A type of data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Id,
    Text,
    Area,
    Phone,
    Email,
    Picklist,
    Boolean,
    Integer,
    DateTime,
    /// A record of another module.
    Lookup(&'static str),
    /// A user.
    User,
}

impl Kind {
    /// The vendor's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Id => "bigint",
            Kind::Text => "text",
            Kind::Area => "textarea",
            Kind::Phone => "phone",
            Kind::Email => "email",
            Kind::Picklist => "picklist",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::DateTime => "datetime",
            Kind::Lookup(_) => "lookup",
            Kind::User => "ownerlookup",
        }
    }
}

/// A module.
pub(super) struct Module {
    pub(super) name: &'static str,
    /// Of one of its records.
    pub(super) singular: &'static str,
    /// The field that names a record.
    pub(super) title: &'static str,
    /// Fields by which an upsert finds duplicates unless it is told by which.
    pub(super) duplicates: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

const fn field(name: &'static str, kind: Kind, length: usize) -> Field {
    Field { name, kind, length, mandatory: false, unique: false }
}

const fn mandatory(name: &'static str, kind: Kind, length: usize) -> Field {
    Field { name, kind, length, mandatory: true, unique: false }
}

const fn unique(name: &'static str, kind: Kind, length: usize) -> Field {
    Field { name, kind, length, mandatory: false, unique: true }
}

const ID: Field = field("id", Kind::Id, 0);
const OWNER: Field = field("Owner", Kind::User, 0);
const CREATED: Field = field("Created_Time", Kind::DateTime, 0);
const MODIFIED: Field = field("Modified_Time", Kind::DateTime, 0);
const CREATED_BY: Field = field("Created_By", Kind::User, 0);
const MODIFIED_BY: Field = field("Modified_By", Kind::User, 0);
const TIER: Field = field("Loyalty_Tier", Kind::Picklist, 120);
const EXTERNAL: Field = unique("External_Number", Kind::Text, 80);

pub(super) const MODULES: &[Module] = &[
    Module {
        name: "Contacts",
        singular: "Contact",
        title: "Full_Name",
        duplicates: &["Email"],
        fields: &[
            ID,
            OWNER,
            CREATED,
            MODIFIED,
            CREATED_BY,
            MODIFIED_BY,
            TIER,
            EXTERNAL,
            field("First_Name", Kind::Text, 40),
            mandatory("Last_Name", Kind::Text, 80),
            field("Full_Name", Kind::Text, 120),
            field("Email", Kind::Email, 100),
            field("Secondary_Email", Kind::Email, 100),
            field("Phone", Kind::Phone, 50),
            field("Mobile", Kind::Phone, 30),
            field("Home_Phone", Kind::Phone, 30),
            field("Other_Phone", Kind::Phone, 30),
            field("Asst_Phone", Kind::Phone, 30),
            field("Account_Name", Kind::Lookup("Accounts"), 0),
            field("Title", Kind::Text, 100),
            field("Email_Opt_Out", Kind::Boolean, 0),
            field("Mailing_City", Kind::Text, 100),
            field("Description", Kind::Area, 32_000),
        ],
    },
    Module {
        name: "Leads",
        singular: "Lead",
        title: "Full_Name",
        duplicates: &["Email"],
        fields: &[
            ID,
            OWNER,
            CREATED,
            MODIFIED,
            CREATED_BY,
            MODIFIED_BY,
            TIER,
            EXTERNAL,
            field("First_Name", Kind::Text, 40),
            mandatory("Last_Name", Kind::Text, 80),
            field("Full_Name", Kind::Text, 120),
            field("Company", Kind::Text, 200),
            field("Email", Kind::Email, 100),
            field("Secondary_Email", Kind::Email, 100),
            field("Phone", Kind::Phone, 30),
            field("Mobile", Kind::Phone, 30),
            field("City", Kind::Text, 100),
            field("Description", Kind::Area, 32_000),
        ],
    },
    Module {
        name: "Accounts",
        singular: "Account",
        title: "Account_Name",
        duplicates: &["Account_Name"],
        fields: &[
            ID,
            OWNER,
            CREATED,
            MODIFIED,
            CREATED_BY,
            MODIFIED_BY,
            mandatory("Account_Name", Kind::Text, 200),
            field("Account_Number", Kind::Text, 40),
            field("Phone", Kind::Phone, 30),
            field("Rating", Kind::Picklist, 120),
            field("Employees", Kind::Integer, 0),
            field("Billing_City", Kind::Text, 100),
        ],
    },
    Module {
        name: "Calls",
        singular: "Call",
        title: "Subject",
        duplicates: &[],
        fields: &[
            ID,
            OWNER,
            CREATED,
            MODIFIED,
            CREATED_BY,
            MODIFIED_BY,
            mandatory("Subject", Kind::Text, 255),
            mandatory("Call_Type", Kind::Picklist, 120),
            mandatory("Call_Start_Time", Kind::DateTime, 0),
            field("Call_Duration", Kind::Text, 20),
            field("Call_Result", Kind::Picklist, 255),
            field("Call_Purpose", Kind::Picklist, 120),
            field("Outgoing_Call_Status", Kind::Picklist, 120),
            field("Description", Kind::Area, 32_000),
            field("Who_Id", Kind::Lookup("Contacts"), 0),
            field("What_Id", Kind::Lookup("Leads"), 0),
            field("$se_module", Kind::Text, 100),
            unique("Tieline_Call_Id", Kind::Text, 255),
        ],
    },
];

/// Names of modules are the same in any case.
pub(super) fn module(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name.eq_ignore_ascii_case(name))
}

impl Module {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

impl Field {
    /// Who writes does not set it.
    pub(super) fn read_only(&self) -> bool {
        matches!(
            self.name,
            "id" | "Created_Time"
                | "Modified_Time"
                | "Created_By"
                | "Modified_By"
                | "Full_Name"
                | "Owner"
        )
    }
}
