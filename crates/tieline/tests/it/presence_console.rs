//! The agent's page in the CRM, as `integrations/salesforce` ships it, in a real browser.
//!
//! The script, the component's and the page's own code, the browser and Tieline's API are real;
//! the CRM is the simulated one. Without a browser (`TIELINE_TEST_CHROMEDRIVER`,
//! `TIELINE_TEST_CHROMIUM`) the facts say that they are skipped.

pub(crate) mod browser;
mod office;

use crate::rig::plan::API_KEY;
use crate::rig::{Line, until};
use axum::http::header;
use browser::Browser;
use office::{Office, integration, key};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_on_queue_makes_the_browser_set_the_crms_status_and_tieline_says_settled() {
    let Some(office) = Office::open().await else { return };
    let tab = office.console().await;
    office.desk.in_center("On Queue");
    office.desk.until("On Queue", "Online").await;
    office.browser.until(&tab, r"seen.log.some(line => /^order \d+: done$/.test(line))").await;
    office.desk.in_center("Available");
    office.desk.until("Available", "Transition").await;
    office.browser.until(&tab, "seen.sets === 2").await;
    let console = office.browser.console(&tab).await;
    let said = json!(console).to_string();
    assert!(said.contains("bridge: order ") && said.contains(": done"), "it is seen here: {said}");
    let tokens = office.tickets.given();
    assert_eq!(tokens.len(), 1);
    assert!(tokens.iter().all(|token| !said.contains(token)), "no token is logged: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lightning_component_does_it_and_leaves_when_it_is_taken_away() {
    let Some(office) = Office::open().await else { return };
    let tab = office.browser.open(&format!("{}/lightning", office.url)).await;
    office.browser.until(&tab, "values['v.state'] === 'connected' && label === 'Tieline'").await;
    office.desk.until("Available", "Transition").await;
    office.desk.in_center("On Queue");
    office.desk.until("On Queue", "Online").await;
    office.browser.run(&tab, "controller.stop(component, {}, helper)").await;
    office.until_gone(true).await;
    office.browser.until(&tab, "label === 'Tieline (stopped)'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_in_classic_does_the_same() {
    let Some(office) = Office::open().await else { return };
    let tab = office.browser.open(&format!("{}/classic", office.url)).await;
    let is_connected =
        "document.getElementById('tieline-words').textContent === 'Connected to Tieline.'";
    office.browser.until(&tab, is_connected).await;
    office.desk.until("Available", "Transition").await;
    office.desk.in_center("On Queue");
    office.desk.until("On Queue", "Online").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_an_org_reads_is_well_formed() {
    let Some(browser) = Browser::start().await else { return };
    let tab = browser.open("about:blank").await;
    let (mut folders, mut read) = (vec![integration()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let quoted = json!(text).to_string();
            let script = match path.extension().and_then(|extension| extension.to_str()) {
                Some("xml") => format!("return wrong({quoted})"),
                // Their prefixes are declared by nobody but the vendor.
                Some("cmp" | "design" | "page") => format!("return wrong(prefixed({quoted}))"),
                Some("js") => format!("new Function({quoted}); return ''"),
                Some("json") => format!("JSON.parse({quoted}); return ''"),
                _ => continue,
            };
            let wrong = browser.run(&tab, &format!("{PARSE}\n{script}")).await;
            assert_eq!(wrong, "", "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 18, "{read}");
    let broken = browser.run(&tab, &format!("{PARSE}\nreturn wrong('<a><b></a>')")).await;
    assert_ne!(broken, "", "what is broken is noticed");
}

/// What an XML parser has against a text.
const PARSE: &str = r#"
    const wrong = (text) => {
        const read = new DOMParser().parseFromString(text, 'application/xml');
        const error = read.querySelector('parsererror');
        return error ? error.textContent : '';
    };
    const prefixed = (text) => text.replace(/^<([\w:]+)/, '<$1'
        + ['apex', 'aura', 'design', 'lightning', 'ltng'].map((name) => ` xmlns:${name}="${name}"`).join(''));
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_who_acts_between_order_and_doing_keeps_their_own_act() {
    let Some(office) = Office::open().await else { return };
    let tab = office.console().await;
    let hold = "seen.gate = new Promise((open) => { seen.open = open; })";
    office.browser.run(&tab, hold).await;
    office.desk.in_center("On Queue");
    office.browser.until(&tab, "seen.held").await;
    office.desk.in_crm("Lunch");
    office.browser.run(&tab, "seen.gate = null; seen.open()").await;
    office.browser.until(&tab, "seen.log.some((line) => /^order \\d+: late$/.test(line))").await;
    office.desk.until("Meal", "Lunch").await;
    assert_eq!(office.browser.run(&tab, "return seen.sets").await, 0, "the page set nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_logged_out_is_not_logged_in_by_an_order() {
    let Some(office) = Office::open().await else { return };
    let tab = office.console().await;
    let hold = "seen.gate = new Promise((open) => { seen.open = open; })";
    office.browser.run(&tab, hold).await;
    office.desk.in_center("On Queue");
    office.browser.until(&tab, "seen.held").await;
    office.desk.line.salesforce.agent_logs_out(&office.desk.crm).expect("logged out");
    office.browser.run(&tab, "seen.gate = null; seen.open()").await;
    office.browser.until(&tab, "seen.log.some((line) => /^order \\d+: late$/.test(line))").await;
    assert_eq!(office.browser.run(&tab, "return seen.sets").await, 0);
    assert_eq!(office.desk.shown().1, "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_the_org_does_not_grant_is_told_as_refused() {
    let Some(office) = Office::open().await else { return };
    let tab = office.console().await;
    office.browser.run(&tab, "seen.refuses = true").await;
    office.desk.in_center("On Queue");
    office.browser.until(&tab, "seen.log.some((line) => /^order \\d+: refused$/.test(line))").await;
    until("somebody is told", async || office.desk.agent().await["alerts"] == json!(["drift"]))
        .await;
    assert_eq!(office.desk.shown(), ("On Queue".to_owned(), "Transition".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_closed_is_missed_at_once_and_made_good_when_it_is_back() {
    let Some(office) = Office::open().await else { return };
    let tab = office.console().await;
    office.browser.close(&tab).await;
    office.until_gone(true).await;
    office.desk.in_center("On Queue");
    until("it is told", async || office.desk.agent().await["alerts"] == json!(["console_gone"]))
        .await;
    assert_eq!(office.desk.shown().1, "Transition");
    let tab = office.tab("").await;
    office.desk.until("On Queue", "Online").await;
    office.until_gone(false).await;
    // A component that is taken off its page leaves as well.
    office.browser.run(&tab, "bridge.leave()").await;
    office.browser.until(&tab, "seen.state === 'stopped'").await;
    office.until_gone(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_dead_is_replaced_and_no_order_is_lost() {
    let Some(office) = Office::open().await else { return };
    let (old, text) = key(&office.desk).await;
    office.tickets.set(|now| now.key = text);
    let tab = office.console().await;
    let new = key(&office.desk).await.1;
    office.tickets.set(|now| now.key = new);
    let revoke = office.desk.line.url(&format!("/api/v1/api-keys/{old}"));
    let revoke = office.desk.line.http.delete(revoke).bearer_auth(API_KEY);
    assert!(revoke.send().await.expect("an answer").status().is_success());
    // The ask that waits is answered still; what came of it is refused until there is a token.
    office.desk.in_center("On Queue");
    office.desk.until("On Queue", "Online").await;
    office.desk.in_center("Available");
    office.desk.until("Available", "Transition").await;
    office.browser.until(&tab, "seen.state === 'connected' && seen.sets === 2").await;
    let tokens = office.tickets.given();
    assert_eq!(tokens.len(), 2, "as many as there were keys");
    let states = office.browser.run(&tab, "return seen.states").await;
    assert_eq!(states, json!(["offline", "connected"]), "the agent sees nothing of it");
    // The browser itself names the addresses of requests that failed; the page names none.
    let console = office.browser.console(&tab).await;
    let own = console.iter().filter(|line| line["source"] == "console-api");
    let own: Vec<String> = own.map(Value::to_string).collect();
    assert!(!own.is_empty());
    assert!(tokens.iter().all(|token| own.iter().all(|line| !line.contains(token))), "{own:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_ahead_of_its_end() {
    let Some(office) = Office::open().await else { return };
    office.tickets.set(|now| now.lives_s = Some(1));
    let tab = office.console().await;
    for (center, crm) in [("On Queue", "Online"), ("Available", "Transition")] {
        office.desk.in_center(center);
        office.desk.until(center, crm).await;
    }
    office.browser.until(&tab, "seen.tickets >= 2").await;
    let log = office.browser.run(&tab, "return seen.log").await;
    let is_order = |line: &Value| line.as_str().is_some_and(|line| line.starts_with("order "));
    assert!(log.as_array().expect("a list").iter().all(is_order), "nothing failed: {log}");
}

/// Of two tabs the first acts, and the second when that is closed.
async fn of_two_tabs_one_acts(query: &str) {
    let Some(office) = Office::open().await else { return };
    let first = office.console_with(query).await;
    let second = office.tab(query).await;
    office.browser.until(&second, "seen.state === 'waiting'").await;
    office.desk.in_center("On Queue");
    office.desk.until("On Queue", "Online").await;
    office.browser.until(&first, "seen.sets === 1").await;
    assert_eq!(office.browser.run(&second, "return seen.sets").await, 0);
    office.browser.close(&first).await;
    office.browser.until(&second, "seen.state === 'connected'").await;
    office.desk.in_center("Available");
    office.desk.until("Available", "Transition").await;
    office.browser.until(&second, "seen.sets === 1").await;
    // Closing one that waits tells nobody that the console is gone.
    let third = office.tab(query).await;
    office.browser.until(&third, "seen.state === 'waiting'").await;
    office.browser.close(&third).await;
    office.desk.in_center("On Queue");
    office.desk.until("On Queue", "Online").await;
    office.until_gone(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tabs_one_acts_and_the_other_takes_over() {
    of_two_tabs_one_acts("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tabs_that_cannot_lock_one_acts_and_the_other_takes_over() {
    of_two_tabs_one_acts("turn=lease").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tieline_that_was_away_is_found_again_and_what_was_missed_is_set() {
    let Some(mut office) = Office::open().await else { return };
    let tab = office.console().await;
    let stopped = office.desk.line.stop().await;
    assert_eq!(stopped, Some(0));
    office.browser.until(&tab, "seen.state === 'offline'").await;
    office.desk.in_center("On Queue");
    office.desk.line.start_server().await;
    let base = office.desk.line.url("");
    office.tickets.set(|now| now.base = base);
    office.browser.until(&tab, "seen.state === 'connected'").await;
    office.desk.until("On Queue", "Online").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_token_has_ended_can_be_read_by_a_page_of_any_origin() {
    let line = Line::with_salesforce().start().await;
    for (path, is_for_pages) in [
        ("/api/v1/agents/005a/presence/order?access_token=dead", true),
        ("/api/v1/agents/005a/news?access_token=dead", true),
        ("/api/v1/presence", false),
    ] {
        let refused = line.http.get(line.url(path)).send().await.expect("an answer");
        assert_eq!(refused.status(), 401, "{path}");
        let readable = refused.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(readable.is_some(), is_for_pages, "{path}");
    }
}
