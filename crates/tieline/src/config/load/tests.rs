//! Mistakes are told with file, line, key and the nearest right name.

use super::load_text;
use crate::config::Loaded;
use std::path::Path;

const GOOD: &str = r#"[server]
api_keys = [{ env = "KEY" }]

[store]
location = "sqlite:x.db"
master_key = { env = "MASTER" }

[lookup]
default_connection = "sf"
default_region = "US"

[connections.sf]
type = "salesforce"
prefix = "CRM"

[connections.sf.settings]
login_url = "https://acme.my.salesforce.com"
auth = "client_credentials"
client_id = "id"
client_secret = { file = "SECRET" }

[[queues]]
name = "Support"
dids = ["(202) 555-0123"]
connection = "sf"
"#;

/// The good file with a secret that exists, and one thing changed.
fn loaded(from: &str, to: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    assert!(GOOD.contains(from), "{from}");
    let secret = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = GOOD.replace(from, to).replace("SECRET", &secret.display().to_string());
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    load_text(&text, Path::new("tieline.toml"), environment.collect()).map_err(|m| m.to_string())
}

fn check(from: &str, to: &str, expected: &str) {
    let told = loaded(from, to, &[]).expect_err("a mistake");
    assert_eq!(told, expected);
}

#[test]
fn a_good_file_loads_with_its_defaults() {
    let loaded = loaded("", "", &[]).expect("good");
    assert_eq!(loaded.config.lookup.deadline.to_string(), "300ms");
    assert_eq!(loaded.config.server.listen.port(), 8080);
    assert!(loaded.settings["sf"].secrets.contains_key("client_secret"));
}

#[test]
fn a_schedule_is_a_time_of_day_in_a_time_zone() {
    for (section, word) in [
        ("[reconcile]\nat = \"3 o'clock\"\n", "3 o'clock"),
        ("[reconcile]\ntime_zone = \"Berlin\"\n", "Europe/Berlin"),
        ("[reconcile]\nsince = \"0s\"\n", "since"),
    ] {
        let to = format!("{section}\n[[queues]]");
        let told = loaded("[[queues]]", &to, &[]).expect_err("a mistake");
        assert!(told.contains(word) && told.contains("reconcile"), "{told}");
    }
    let zone = "[reconcile]\nat = \"02:30\"\ntime_zone = \"Europe/Berlin\"\n\n[[queues]]";
    assert!(loaded("[[queues]]", zone, &[]).is_ok());
}

#[test]
fn an_unknown_key_is_told_its_line_and_the_nearest_name() {
    check(
        "default_region = \"US\"",
        "default_region = \"US\"\ndeadlin = \"1s\"",
        "tieline.toml:11: deadlin: unknown field `deadlin`, expected one of `default_connection`, \
         `default_region`, `deadline`, `store_reserve`, `fresh_for`, `stale_limit`, \
         `remember_misses_for`, `match`\n    Did you mean `deadline`?",
    );
}

#[test]
fn a_vendors_setting_is_checked_like_our_own() {
    check(
        "client_id = \"id\"",
        "clientid = \"id\"",
        "tieline.toml:19: connections.sf.settings.clientid: Salesforce has no setting `clientid`.\n    \
         Did you mean `client_id`?\n\
         tieline.toml:16: connections.sf.settings.client_id: `client_id` is required.\n    \
         Set it: The External Client App's consumer key.",
    );
}

#[test]
fn a_secret_in_clear_is_refused_with_its_line() {
    check(
        "client_secret = { file = \"SECRET\" }",
        "client_secret = \"hunter2\"",
        "tieline.toml:20: connections.sf.settings.client_secret: `client_secret` is a secret and \
         stands in clear.\n    Write client_secret = { env = \"NAME\" } or client_secret = { file = \"PATH\" }.",
    );
}

#[test]
fn a_secret_that_cannot_be_read_names_its_source_and_not_its_value() {
    check(
        "{ file = \"SECRET\" }",
        "{ env = \"TIELINE_NOT_SET\" }",
        "tieline.toml:20: connections.sf.settings.client_secret: the environment variable \
         TIELINE_NOT_SET is not set.\n    Set it, or name another source.",
    );
}

#[test]
fn a_connection_that_does_not_exist_is_told_the_nearest() {
    check(
        "default_connection = \"sf\"",
        "default_connection = \"fs\"",
        "tieline.toml:9: lookup.default_connection: there is no connection `fs`.\n    Did you mean `sf`?",
    );
}

#[test]
fn two_connections_never_share_a_prefix() {
    let second = "[connections.two]\ntype = \"salesforce\"\nprefix = \"CRM\"\n[connections.two.settings]\n\
        login_url = \"https://b.my.salesforce.com\"\nclient_id = \"b\"\nclient_secret = { file = \"SECRET\" }\n\n[[queues]]";
    check(
        "[[queues]]",
        second,
        "tieline.toml:24: connections.two.prefix: `CRM` belongs to `sf` already.\n    An externalId \
         must say whose it is: choose another.",
    );
}

#[test]
fn what_stands_beside_is_another_connection_named_once_and_linked_by_a_name_of_the_data() {
    let second = "[connections.erp]\ntype = \"salesforce\"\n[connections.erp.settings]\n\
        login_url = \"https://b.my.salesforce.com\"\nclient_id = \"b\"\nclient_secret = { file = \"SECRET\" }\n";
    let beside = |more: &str, data: &str| {
        let text = format!("{data}\n{more}\n{second}\n[[queues]]");
        loaded("[[queues]]", &text, &[]).map_err(|told| told.replace("    ", ""))
    };
    let data = "data = { erpNumber = \"Account.AccountNumber\" }";
    let one = |connection: &str, link: &str| {
        format!("[[connections.sf.beside]]\nconnection = \"{connection}\"\n{link}\n")
    };
    let good = beside(&one("erp", "linked_by = \"erpNumber\""), data).expect("good");
    assert_eq!(good.config.connections["sf"].beside[0].linked_by, "erpNumber");
    let good = beside(&one("erp", ""), "").expect("good");
    assert_eq!(good.config.connections["sf"].beside[0].linked_by, "account");
    for (more, data, expected) in [
        (
            one("epr", ""),
            "",
            "beside.0.connection: there is no connection `epr`.\nDid you mean `erp`?",
        ),
        (one("sf", ""), "", "beside.0.connection: `sf` cannot stand beside itself.\nName another"),
        (
            one("erp", "") + &one("erp", ""),
            "",
            "beside.1.connection: `erp` stands here already.\nName each connection once.",
        ),
        (
            one("erp", "linked_by = \"erpNumer\""),
            data,
            "beside.0.linked_by: `erpNumer` is no name of settings.data.\nDid you mean `erpNumber`?",
        ),
        (
            one("erp", "linked_by = \" \""),
            "",
            "beside.0.linked_by: ` ` is no name of settings.data.\nAdd it to connections.sf.settings.data",
        ),
        (one("erp", "linkedby = \"erpNumber\""), data, "Did you mean `linked_by`?"),
    ] {
        let told = beside(&more, data).expect_err(expected);
        assert!(told.contains(expected), "{told}");
    }
    let told = beside(&one("erp", "linked_by = \"erpNumer\""), data).expect_err("a mistake");
    assert!(told.starts_with("tieline.toml:25: "), "{told}");
}

#[test]
fn a_connection_that_identifies_callers_needs_a_prefix() {
    check(
        "prefix = \"CRM\"\n",
        "",
        "tieline.toml:12: connections.sf: `prefix` is required: this connection identifies callers.\n    \
         Write prefix = \"CRM\".",
    );
    let told = loaded("prefix = \"CRM\"", "prefix = \"PHONE\"", &[]).expect_err("ours");
    assert!(told.contains("PHONE and UNKNOWN are Tieline's own prefixes"), "{told}");
}

#[test]
fn every_mistake_is_told_at_once() {
    let told =
        loaded("default_region = \"US\"", "default_region = \"Mars\"\nstore_reserve = \"1h\"", &[]);
    let told = told.expect_err("two mistakes");
    assert!(
        told.contains("tieline.toml:10: lookup.default_region: `Mars` is no region."),
        "{told}"
    );
    assert!(told.contains("tieline.toml:11: lookup.store_reserve: leaves nothing"), "{told}");
}

#[test]
fn a_queue_that_two_words_lead_to_is_refused() {
    let told = loaded("name = \"Support\"", "name = \"Support\"\nids = [\"support\"]", &[]);
    assert!(told.expect_err("twice").contains("leads to `Support` already"));
}

#[test]
fn a_did_that_is_no_number_is_refused() {
    let told = loaded("(202) 555-0123", "hotline", &[]).expect_err("no number");
    assert!(
        told.starts_with("tieline.toml:24: queues.0.dids: `hotline` is no telephone number."),
        "{told}"
    );
}

#[test]
fn the_environment_lays_over_the_file() {
    let over = [("TIELINE_LOOKUP__DEADLINE", "250ms"), ("TIELINE_SERVER__CONNECTIONS_MAX", "9")];
    let loaded = loaded("", "", &over).expect("good");
    assert_eq!(loaded.config.lookup.deadline.to_string(), "250ms");
    assert_eq!(loaded.config.server.connections_max, 9);
}

#[test]
fn a_mistake_of_the_environment_names_its_variable() {
    let told = loaded("", "", &[("TIELINE_LOOKUP__DEADLINE", "soon")]).expect_err("no time");
    assert!(told.contains("TIELINE_LOOKUP__DEADLINE: `soon` is no length of time"), "{told}");
}

#[test]
fn broken_toml_names_its_line() {
    let told = loaded("[lookup]", "[lookup", &[]).expect_err("broken");
    assert!(told.starts_with("tieline.toml:8: "), "{told}");
}

#[test]
fn a_placeholder_that_stands_for_nothing_is_told_with_the_nearest() {
    let more = "default_region = \"US\"\n\n[calls.activity]\nsubject = \"{direction} {quue}\"";
    let told = loaded("default_region = \"US\"", more, &[]).expect_err("a mistake");
    assert!(told.contains("calls.activity.subject: `{quue}` stands for nothing."), "{told}");
    assert!(
        told.contains("tieline.toml:13:") && told.contains("Did you mean `{queue}`?"),
        "{told}"
    );
}

#[test]
fn a_format_that_could_be_read_as_another_record_is_refused() {
    let with = |formats: &str| {
        let section = format!("prefix = \"CRM\"\n[connections.sf.formats]\n{formats}");
        loaded("prefix = \"CRM\"\n", &section, &[])
    };
    let good = with("phone = \"national\"\nid = { pad = 10, upper = true, prefix = \"C-\" }\n");
    let formats = &good.expect("good").config.connections["sf"].formats;
    assert_eq!(formats.ids().write("4711"), "C-0000004711");
    for (wrong, told) in [
        ("id = { pad = 65 }\n", "formats.id.pad"),
        ("id = { prefix = \"a b\" }\n", "formats.id.prefix"),
        ("id = { upper = true, prefix = \"c-\" }\n", "prefix = \"C-\""),
        ("id = { pad = 10, prefix = \"00\" }\n", "could not be told"),
        ("phone = \"nationl\"\n", "Did you mean `national`?"),
        ("ids = { pad = 1 }\n", "Did you mean `id`?"),
    ] {
        let error = with(wrong).expect_err(wrong);
        assert!(error.contains(told), "{wrong}: {error}");
    }
}

#[test]
fn a_module_is_an_object_that_the_connection_finds_and_no_other_modules() {
    let settings = "[connections.sf.settings]\n";
    let with = |said: &str, more: &str| {
        format!("[connections.sf.modules]\n{said}\n[connections.sf.settings]\n{more}\n")
    };
    let told = |said: &str, more: &str| {
        loaded(settings, &with(said, more), &[]).map(drop).expect_err("a mistake")
    };
    let told = |said: &str, more: &str| told(said, more).replace("tieline.toml:", "");
    let lead = told("leads = [\"Lead\"]", "");
    assert!(
        lead.contains("connections.sf.modules.leads: the connection finds no `Lead`.\n    Add it to connections.sf.settings.objects."),
        "{lead}"
    );
    let both = "objects = [\"Contact\", \"Lead\"]";
    loaded(settings, &with("leads = [\"lead\"]", both), &[]).expect("it is searched");
    let near = told("leads = [\"Leads\"]", both);
    assert!(near.contains("Did you mean `Lead`?"), "{near}");
    let twice = told("leads = [\"Lead\"]\ncontacts = [\"lead\"]", both);
    assert!(twice.contains("modules.contacts: `lead` is of leads already."), "{twice}");
    let unknown = told("cases = [\"Case\"]", "");
    assert!(unknown.contains("unknown field `cases`"), "{unknown}");
}
