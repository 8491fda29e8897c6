//! What tables there are, what they extend, and the columns that each adds.

/// A table of the base system, cut down to what callers and their calls need.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) extends: Option<&'static str>,
    /// Column and type; `>table` is a reference.
    columns: &'static [(&'static str, &'static str)],
    /// Deletions are kept in `sys_audit_delete`.
    pub(super) is_audited: bool,
}

/// Columns that every table has.
const SYSTEM: &[(&str, &str)] = &[
    ("sys_id", "GUID"),
    ("sys_created_on", "glide_date_time"),
    ("sys_created_by", "string"),
    ("sys_updated_on", "glide_date_time"),
    ("sys_updated_by", "string"),
    ("sys_mod_count", "integer"),
];

const fn table(
    name: &'static str,
    extends: Option<&'static str>,
    columns: &'static [(&'static str, &'static str)],
    is_audited: bool,
) -> Table {
    Table { name, extends, columns, is_audited }
}

const TABLES: &[Table] = &[
    table(
        "sys_user",
        None,
        &[
            ("user_name", "string"),
            ("name", "string"),
            ("first_name", "string"),
            ("last_name", "string"),
            ("email", "email"),
            ("phone", "ph_number"),
            ("mobile_phone", "ph_number"),
            ("home_phone", "phone_number"),
            ("title", "string"),
            ("company", ">core_company"),
            ("active", "boolean"),
            ("vip", "boolean"),
        ],
        false,
    ),
    table(
        "customer_contact",
        Some("sys_user"),
        &[("account", ">customer_account"), ("u_tier", "choice"), ("u_external_key", "string")],
        true,
    ),
    table(
        "csm_consumer",
        None,
        &[
            ("number", "string"),
            ("name", "string"),
            ("first_name", "string"),
            ("last_name", "string"),
            ("email", "email"),
            ("business_phone", "ph_number"),
            ("mobile_phone", "ph_number"),
            ("home_phone", "ph_number"),
        ],
        false,
    ),
    table("sys_user_role", None, &[("name", "string"), ("description", "string")], false),
    table(
        "sys_user_has_role",
        None,
        &[("user", ">sys_user"), ("role", ">sys_user_role"), ("inherited", "boolean")],
        false,
    ),
    table(
        "core_company",
        None,
        &[("name", "string"), ("phone", "ph_number"), ("city", "string")],
        false,
    ),
    table(
        "customer_account",
        Some("core_company"),
        &[("number", "string"), ("account_code", "string"), ("u_open_cases", "integer")],
        false,
    ),
    table(
        "interaction",
        None,
        &[
            ("number", "string"),
            ("type", "choice"),
            ("direction", "choice"),
            ("state", "choice"),
            ("short_description", "string"),
            ("opened_for", ">sys_user"),
            ("contact", ">customer_contact"),
            ("consumer", ">csm_consumer"),
            ("account", ">customer_account"),
            ("opened_at", "glide_date_time"),
            ("closed_at", "glide_date_time"),
            ("client_session_id", "string"),
            ("caller_phone_number", "phone_number_e164"),
            ("work_notes", "journal_input"),
        ],
        false,
    ),
    table(
        "incident",
        None,
        &[
            ("number", "string"),
            ("short_description", "string"),
            ("caller_id", ">sys_user"),
            ("priority", "choice"),
            ("active", "boolean"),
        ],
        false,
    ),
    table(
        "sys_journal_field",
        None,
        &[
            ("element_id", "string"),
            ("element", "string"),
            ("name", "string"),
            ("value", "journal_input"),
        ],
        false,
    ),
    table(
        "sys_audit_delete",
        None,
        &[("tablename", "string"), ("documentkey", "string"), ("display_value", "string")],
        false,
    ),
    table("sys_db_object", None, &[("name", "string"), ("super_class", ">sys_db_object")], false),
    table(
        "sys_dictionary",
        None,
        &[
            ("name", "string"),
            ("element", "string"),
            ("internal_type", "string"),
            ("audit", "boolean"),
        ],
        false,
    ),
];

/// Every table.
pub(super) fn all() -> &'static [Table] {
    TABLES
}

/// The table of that name.
pub(super) fn find(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

impl Table {
    /// The columns of its own, as the dictionary lists them.
    pub(super) fn own(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let system = if self.extends.is_none() { SYSTEM } else { &[] };
        system.iter().chain(self.columns).copied()
    }

    /// A column's type, its own or inherited.
    pub(super) fn kind(&self, column: &str) -> Option<&'static str> {
        let own = self.own().find(|(name, _)| *name == column).map(|(_, kind)| kind);
        own.or_else(|| find(self.extends?)?.kind(column))
    }

    /// The table that a column refers to.
    pub(super) fn refers(&self, column: &str) -> Option<&'static Table> {
        find(self.kind(column)?.strip_prefix('>')?)
    }

    /// Every column, its own and inherited.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        let inherited = self.extends.and_then(find).map(Table::columns).unwrap_or_default();
        inherited.into_iter().chain(self.own().map(|(name, _)| name)).collect()
    }

    /// Is it this table, or one that extends it?
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name || self.extends.and_then(find).is_some_and(|parent| parent.is(name))
    }
}
