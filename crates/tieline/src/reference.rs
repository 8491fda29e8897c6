//! The reference, made from the code: a test fails when a file is stale.
//!
//! Configuration from the doc comments of [`crate::config`], the command line
//! from `clap`, metrics from their table, connectors from their manifests, the
//! API from its handlers. `cargo xtask codegen` writes all of it.

mod config_pages;

use crate::cli::{Cli, DocsArgs};
use crate::exit::{self, Failure};
use crate::http;
use clap::CommandFactory;
use kit::modules::Word;
use kit::{Connector, Manifest};
use std::fmt::Write as _;
use std::io::Write as _;

const MADE: &str = "<!-- Made by `cargo xtask codegen`; edit the code, not this page. -->\n\n";

pub fn run(args: &DocsArgs) -> Result<(), Failure> {
    for (path, content) in files() {
        if let Some(root) = &args.write {
            let file = root.join(&path);
            let parent = file.parent().unwrap_or(root);
            std::fs::create_dir_all(parent).map_err(exit::environment)?;
            std::fs::write(&file, content).map_err(exit::environment)?;
        }
        writeln!(std::io::stdout(), "{path}").map_err(exit::environment)?;
    }
    Ok(())
}

/// Every generated file, by its path in the repository.
fn files() -> Vec<(String, String)> {
    let mut files = vec![
        ("tieline.example.toml".to_owned(), config_pages::example()),
        ("docs/reference/config.md".to_owned(), format!("{MADE}{}", config_pages::reference())),
        ("docs/reference/cli.md".to_owned(), format!("{MADE}{}", command_line())),
        ("docs/reference/metrics.md".to_owned(), format!("{MADE}{}", metrics())),
        ("docs/reference/openapi.json".to_owned(), openapi()),
        ("docs/reference/errors.md".to_owned(), format!("{MADE}{}", errors())),
    ];
    files.push((
        "docs/reference/connectors/README.md".to_owned(),
        format!("{MADE}{}", capabilities()),
    ));
    for connector in connectors::all().into_iter().map(|vendor| vendor.connector) {
        let path = format!("docs/reference/connectors/{}.md", connector.manifest.name);
        files.push((path, format!("{MADE}{}", connector_page(&connector))));
    }
    files
}

fn command_line() -> String {
    let mut page = "# Command line\n".to_owned();
    let mut root = Cli::command().term_width(90);
    root.build();
    commands_of(&mut root, "tieline", &mut page);
    page
}

/// Each command, and after it the commands within it.
fn commands_of(command: &mut clap::Command, name: &str, page: &mut String) {
    let shown = |c: &&mut clap::Command| !c.is_hide_set() && c.get_name() != "help";
    for command in command.get_subcommands_mut().filter(shown) {
        let name = format!("{name} {}", command.get_name());
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        // Writing to a String cannot fail.
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim()).ok();
        commands_of(command, &name, page);
    }
}

fn metrics() -> String {
    let mut page = "# Metrics\n\nServed at `/metrics` as OpenMetrics text.\n\n\
        | Name | Type | Meaning |\n| --- | --- | --- |\n"
        .to_owned();
    for metric in engine::metrics::all() {
        let suffix = if metric.kind == "counter" { "_total" } else { "" };
        writeln!(page, "| `{}{suffix}` | {} | {} |", metric.name, metric.kind, metric.help).ok();
    }
    page
}

fn openapi() -> String {
    let mut text = serde_json::to_string_pretty(&http::openapi_document()).unwrap_or_default();
    text.push('\n');
    text
}

fn errors() -> String {
    let mut page = "# Error codes\n\n| Code | Meaning |\n| --- | --- |\n".to_owned();
    for (code, text) in http::error::PAGES {
        let meaning = text.lines().nth(2).unwrap_or_default();
        writeln!(page, "| [`{code}`](../errors/{code}.md) | {meaning} |").ok();
    }
    page
}

/// Which vendor can do what, and why another cannot.
fn capabilities() -> String {
    let all = || connectors::all().into_iter().map(|vendor| vendor.connector.manifest);
    let mut page = "# Connectors\n\nWhat each can do. Below, for what one cannot: the vendor's fact that forbids it.\n".to_owned();
    let kinds = [("Systems that know customers", false), ("Contact centers", true)];
    for (title, is_contact_center) in kinds {
        let of_kind = || all().filter(|manifest| manifest.is_contact_center == is_contact_center);
        let Some(columns) = of_kind().next().map(|manifest| manifest.expected()) else { continue };
        let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
        // Writing to a String cannot fail.
        write!(page, "\n## {title}\n\n| | {} |\n", names.join(" | ")).ok();
        writeln!(page, "| --- |{}", " --- |".repeat(columns.len())).ok();
        for manifest in of_kind() {
            let cell =
                |name: &&str| if manifest.absent.contains_key(*name) { "–" } else { "yes" };
            let cells: Vec<&str> = columns.iter().map(cell).collect();
            let (title, name) = (&manifest.title, &manifest.name);
            writeln!(page, "| [{title}]({name}.md) | {} |", cells.join(" | ")).ok();
        }
    }
    page.push_str(
        "\n## What forbids the rest\n\n| Connector | Capability | Fact |\n| --- | --- | --- |\n",
    );
    for manifest in all() {
        for (name, fact) in &manifest.absent {
            writeln!(page, "| {} | `{name}` | {fact} |", manifest.title).ok();
        }
    }
    page
}

fn connector_page(connector: &Connector) -> String {
    let manifest = &connector.manifest;
    let limits = &manifest.limits;
    let mut page = format!(
        "# {}\n\n`type = \"{}\"`. {}\n\n## Limits\n\nDefaults, overridden under `[connections.NAME.limits]`.\n\n\
         | Limit | Default |\n| --- | --- |\n\
         | `requests_per_minute` | {} |\n| `reserved_for_calls` | {} |\n| `concurrent_calls` | {} |\n\
         | `concurrent_background` | {} |\n| `timeout` | {}ms |\n\n## Settings\n\n\
         Under `[connections.NAME.settings]`.\n\n| Setting | Value | Required | Default | Meaning |\n\
         | --- | --- | --- | --- | --- |\n",
        manifest.title,
        manifest.name,
        manifest.about,
        limits.requests_per_minute,
        limits.reserved_for_calls,
        limits.concurrent_calls,
        limits.concurrent_background,
        limits.timeout_ms,
    );
    for setting in &manifest.settings {
        let required = match &setting.required_if {
            _ if setting.required => "yes".to_owned(),
            Some((key, value)) => format!("with {key} = {value}"),
            None => "no".to_owned(),
        };
        let value = match setting.one_of.as_slice() {
            [] => setting.kind.as_str().to_owned(),
            words => words.join(", "),
        };
        let default = setting.default.as_deref().map_or_else(String::new, |d| format!("`{d}`"));
        writeln!(
            page,
            "| `{}` | {value} | {required} | {default} | {} |",
            setting.name, setting.help
        )
        .ok();
    }
    page.push_str(&modules(manifest));
    page
}

/// What a routing rule's modules are there.
fn modules(manifest: &Manifest) -> String {
    if manifest.absent.contains_key("lookup") || manifest.is_contact_center {
        return String::new();
    }
    let facts = &manifest.modules;
    let mut page = "\n## Modules\n\nOf routing rules. A connection's own objects are told under \
                    `[connections.NAME.modules]`.\n\n| Module | Objects | Fields |\n| --- | --- | --- |\n"
        .to_owned();
    let own = [
        (Word::Leads, &facts.leads),
        (Word::Contacts, &facts.contacts),
        (Word::Accounts, &facts.accounts),
    ];
    for (word, module) in own {
        let Some(module) = module else {
            let why = facts.absent.get(&word).map_or("", String::as_str);
            writeln!(page, "| {} | – | {why} |", word.as_str()).ok();
            continue;
        };
        let code = |text: &String| match text.as_str() {
            "*" => "any other".to_owned(),
            text => format!("`{text}`"),
        };
        for object in &module.objects {
            writeln!(page, "| {} | {} | as `data` names them |", word.as_str(), code(object)).ok();
        }
        for (object, before) in &module.through {
            let word = word.as_str();
            writeln!(page, "| {word} | of a `{object}` | those of `data` under `{before}` |").ok();
        }
    }
    page.push_str(&own_login(manifest));
    page
}

/// What a routing rule's own login is there.
fn own_login(manifest: &Manifest) -> String {
    let mut page = format!("\nA rule's own login: {}.", manifest.login.words());
    let ways = [&manifest.login.user, &manifest.login.token].into_iter().flatten();
    for way in ways {
        for word in ["username", "password", "token"] {
            if let Some(setting) = way.settings.get(word) {
                write!(page, " Its {word} is used as `{setting}`.").ok();
            }
        }
        if let Some((setting, values)) = &way.only_with {
            write!(page, " Only with `{setting}` = {}.", values.join(", ")).ok();
        }
    }
    page.push('\n');
    page
}

#[cfg(test)]
mod tests {
    use super::files;
    use std::path::Path;

    #[test]
    fn the_generated_files_are_fresh() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, expected) in files() {
            let found = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
            assert!(found == expected, "{path} is stale: run `cargo xtask codegen`");
        }
    }
}
