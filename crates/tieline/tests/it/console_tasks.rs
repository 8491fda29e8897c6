//! What people come to the console's pages for, done in a real browser.

use crate::actions::ENRICHMENT;
use crate::console::{Onlooker, Pages, typed};
use crate::demo::Demo;
use crate::presence_console::browser::Browser;
use crate::rig::{JOHN, Line, MARIA};
use crate::sync_health::{run, section};
use connectors::salesforce::sim::{Config, start};
use serde_json::{Value, json};

impl Pages {
    /// Goes to an address within the console, and waits until something stands there.
    async fn at(&self, address: &str, stands: &str) {
        self.look(&format!("location.hash = '#/{address}'")).await;
        self.browser.until(&self.tab, stands).await;
    }

    async fn says(&self, text: &str) {
        let said = format!("document.body.innerText.includes('{text}')");
        self.browser.until(&self.tab, &said).await;
    }

    async fn main(&self) -> String {
        let told = self.look("return document.querySelector('main').innerText").await;
        told.as_str().unwrap_or_default().to_owned()
    }
}

/// Presses the button of this name.
fn press(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('main button, dialog button')]
             .find(one => one.innerText === '{name}').click()"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_made_by_the_form_of_its_connector_and_checked() {
    let Some(one) = Onlooker::of(Line::with_salesforce()).await else { return };
    let other = start(Config::default()).await.expect("another Salesforce");
    one.sign_in().await;
    one.at("items/connections/+", "document.querySelector('main select[name=type]')").await;
    let choose = "const type = document.querySelector('select[name=type]');
        type.value = 'salesforce'; type.dispatchEvent(new Event('change', { bubbles: true }));";
    one.look(choose).await;
    one.browser.until(&one.tab, "document.querySelector('[data-setting=login_url]')").await;
    let told = one.main().await;
    assert!(
        told.contains("The integration user in whose name"),
        "each setting says what it is: {told}"
    );
    // What is missing is told in its own place before anything is saved.
    one.look(
        "document.querySelector('[name=name]').value = 'second';
         document.querySelector('[data-setting=login_url]').value = 'https://login.example.com';",
    )
    .await;
    one.look(&press("Check only")).await;
    one.browser.until(&one.tab, "document.querySelector('main .problem')").await;
    assert!(one.main().await.contains("client_id"), "{}", one.main().await);
    let (url, id) = (other.url(), Config::default().consumer_key);
    let secret = Config::default().consumer_secret;
    let fill = format!(
        "const set = (name, value) => {{ document.querySelector('[data-setting=' + name + ']').value = value }};
         set('login_url', '{url}'); set('client_id', '{id}'); set('client_secret', '{secret}');
         set('data', 'loyaltyTier = Loyalty_Tier__c');
         document.querySelector('[name=prefix]').value = 'SECOND';
         document.querySelector('[name=private]').checked = true;
         document.querySelector('[data-limit=concurrent_calls]').value = '7';
         document.querySelector('main form').requestSubmit();"
    );
    one.look(&fill).await;
    one.says("second is saved and served").await;
    let kept = one.line.get("/api/v1/settings/connections/second").await;
    let section = &kept["section"];
    assert_eq!(section["settings"]["client_secret"]["set"], true, "{kept:?}");
    assert_eq!(section["settings"]["data"]["loyaltyTier"], "Loyalty_Tier__c");
    assert_eq!(
        (&section["prefix"], &section["limits"]["concurrent_calls"]),
        (&"SECOND".into(), &7.into())
    );
    // Saved again with nothing typed it keeps its secret.
    one.at("connections", "document.querySelector('nav a[data-at=connections][aria-current]')")
        .await;
    one.at("items/connections/second", "document.querySelector('[data-setting=client_secret]')")
        .await;
    one.keep_picture("connection-form").await;
    one.look(&press("Save")).await;
    one.browser.until(&one.tab, "location.hash === '#/connections'").await;
    one.at("connections/second", "document.querySelectorAll('main svg').length >= 2").await;
    one.look(&press("Test")).await;
    one.says("checks are well").await;
    assert!(one.main().await.contains("Latency over the last day"));
    let checked = one.line.post("/api/v1/connections/second/check", &Value::Null).await;
    assert!(checked.body.as_array().is_some_and(|all| all.iter().all(|one| one["ok"] == true)));
    one.assert_clean_but_refusals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_tried_and_its_request_and_answer_are_shown_without_values() {
    let Some(one) = Onlooker::of(Line::with_salesforce().section(ENRICHMENT)).await else { return };
    one.sign_in().await;
    one.at("queues", "document.querySelector('main select[name=what]')").await;
    let id = one.line.id_of(JOHN.2);
    one.look(&typed(&[("what", "action CRM_Salesforce_Enrichment"), ("externalId", &id)])).await;
    one.browser.until(&one.tab, "document.querySelector('main pre[aria-label=Answer]')").await;
    let shown =
        "return [...document.querySelectorAll('main pre')].map(one => one.innerText).join(' ')";
    let shown = one.look(shown).await;
    let shown = shown.as_str().expect("a text");
    assert!(shown.contains("SELECT") && shown.contains("totalSize"), "{shown}");
    assert!(!shown.contains(JOHN.0) && !shown.contains(&id[4..]), "{shown}");
    assert!(one.main().await.contains(JOHN.0), "a flow is told it");
    one.look("document.querySelector('main pre').scrollIntoView({ block: 'center' })").await;
    one.keep_picture("action-tried").await;
    one.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_shown_through_the_map_and_a_customer_is_found_with_their_calls() {
    let plan = Line::with_salesforce().and_genesys().people(20);
    let Some(one) = Onlooker::of(plan.section(&section("direction = \"both\""))).await else {
        return;
    };
    run(&one.line).await;
    one.line.call_from(MARIA.1).await;
    one.sign_in().await;
    let map = "[...document.querySelectorAll('main button, main a')].find(one => one.innerText === 'Map')";
    one.at("syncs/contacts", map).await;
    one.look(&format!("{map}.click()")).await;
    one.browser.until(&one.tab, "document.querySelector('main input[name=id]')").await;
    let john = one.line.salesforce.contact_with(JOHN.2).expect("John");
    one.look(&typed(&[("side", "left"), ("id", &john)])).await;
    one.says("Would be written to the right").await;
    let told = one.main().await;
    assert!(told.contains("workEmail") && told.matches("John").count() >= 4, "{told}");
    one.look("document.querySelector('main form.bar').scrollIntoView()").await;
    one.keep_picture("sync-map").await;
    one.at("customers", "document.querySelector('main input[name=q]')").await;
    one.look(&typed(&[("q", MARIA.1)])).await;
    one.says(MARIA.0).await;
    one.look("document.querySelector('main tbody a').click()").await;
    one.browser
        .until(&one.tab, "document.querySelectorAll('main table tbody tr').length > 0")
        .await;
    one.says("Calls so far").await;
    let told = one.main().await;
    assert!(told.contains(MARIA.1), "{told}");
    one.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_show_who_is_told_from_when_on_and_what_was() {
    let alerts = "[alerts]\nevery = \"50ms\"\nsettle = \"100ms\"\n[alerts.channels.ops]\n\
        type = \"webhook\"\nurl = \"https://hooks.example.com/x\"";
    let Some(one) = Onlooker::of(Line::with_salesforce().section(alerts)).await else { return };
    one.sign_in().await;
    one.line.crm_does(sim::faults::Fault::Status { code: 503, body: None });
    one.at("alerts", "document.querySelector('main h1')").await;
    crate::rig::until("it is told", async || {
        one.line.call_from(JOHN.1).await;
        one.main().await.contains("salesforce is sick and left alone")
    })
    .await;
    let told = one.main().await;
    assert!(told.contains("ops") && told.contains("above 5.0 %"), "{told}");
    one.at("settings/retention", "document.querySelector('main')").await;
    one.says("30 days").await;
    one.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_explained_and_replayed_and_a_correction_of_it_is_cleared() {
    let Some(one) = Onlooker::of(Line::with_salesforce()).await else { return };
    let call = one.line.decide_by_rules(JOHN.1).await;
    one.line.lookup(json!({ "fromNumber": JOHN.1, "callId": call })).await;
    let body = json!({ "callId": call, "newExternalId": one.line.id_of(MARIA.2) });
    let told = one.line.post("/api/v1/genesys/update-context", &body).await;
    assert_eq!(told["remembered"], true, "{told:?}");
    one.sign_in().await;
    one.at(&format!("calls/{call}"), "document.querySelector('main .facts')").await;
    one.says("Answered in").await;
    let told = one.main().await;
    assert!(told.contains("Rule set") && told.contains("Agent's correction"), "{told}");
    one.at("routing", "document.querySelector('main input[name=since]')").await;
    one.look(&typed(&[("since", "7d")])).await;
    one.says("None goes elsewhere").await;
    let clear = labelled(&format!("Clear the override of {}", JOHN.1));
    one.at("settings/overrides", &clear).await;
    one.look(&format!("{clear}.click()")).await;
    one.says("No correction is remembered").await;
    let kept = one.line.get("/api/v1/overrides").await;
    assert_eq!(kept.body, json!([]));
    one.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_exported_and_erased_a_key_is_made_and_withdrawn_and_the_log_tells_it() {
    let Some(one) = Onlooker::of(Line::with_salesforce()).await else { return };
    one.line.call_from(MARIA.1).await;
    one.sign_in().await;
    one.at("reports", "document.querySelector('main svg')").await;
    let csv = "const done = arguments[arguments.length - 1];
        const link = [...document.querySelectorAll('main a')].find(one => one.innerText === 'Export as CSV');
        fetch(link.href).then(answer => answer.text()).then(done, done);";
    let csv = one.browser.run_until_told(&one.tab, csv).await;
    let csv = csv.as_str().expect("a text");
    assert!(csv.starts_with("from,group,calls,hits") && csv.contains(",1,1,"), "{csv}");

    one.at("settings/keys", "document.querySelector('main input[name=\"scope:read\"]')").await;
    one.look("document.querySelector('main input[name=\"scope:read\"]').checked = true").await;
    one.look(&typed(&[("name", "wallboard")])).await;
    one.browser.until(&one.tab, "document.querySelector('dialog .secret')").await;
    let key = one.look("return document.querySelector('dialog .secret').innerText").await;
    let key = key.as_str().expect("a key").to_owned();
    let status = async || {
        let asked = one.line.http.get(one.line.url("/api/v1/calls")).bearer_auth(&key);
        asked.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status().await, 200);
    one.look(&press("Done")).await;
    let withdraw = labelled("Withdraw wallboard");
    one.browser.until(&one.tab, &withdraw).await;
    one.look(&format!("{withdraw}.click()")).await;
    one.browser.until(&one.tab, "document.querySelector('dialog button.danger')").await;
    one.look("document.querySelector('dialog button.danger').click()").await;
    one.says("wallboard is withdrawn").await;
    assert_eq!(status().await, 401);

    let maria = one.line.id_of(MARIA.2);
    one.at(&format!("customers/{maria}"), "document.querySelector('main .facts')").await;
    one.look(&press("Export")).await;
    one.says("The export is saved as a file").await;
    one.look(&press("Erase…")).await;
    one.browser.until(&one.tab, "document.querySelector('dialog input[name=word]')").await;
    one.look(&typed(&[("word", &maria)])).await;
    one.says("What is left elsewhere").await;
    one.look(&press("Done")).await;
    one.at("customers", "document.querySelector('main input[name=q]')").await;
    one.look(&typed(&[("q", MARIA.1)])).await;
    one.says("Nobody with this is known here").await;
    assert!(!one.line.get("/api/v1/calls").await.body.to_string().contains(MARIA.1));

    let rows = "document.querySelectorAll('main tbody tr').length > 3";
    one.at("audit", rows).await;
    let told = one.main().await.to_lowercase();
    for act in ["key", "export", "eras", "session"] {
        assert!(told.contains(act), "{act}: {told}");
    }
    one.look(&press("Verify the log")).await;
    one.says("Verified").await;
    assert!(one.main().await.contains("whole"), "{}", one.main().await);
    one.assert_clean().await;
}

/// A button by the name that a screen reader reads.
fn labelled(label: &str) -> String {
    format!(
        "[...document.querySelectorAll('main button')].find(one => one.ariaLabel === '{label}')"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_demo_an_agent_is_paused_a_rule_published_and_a_sync_run_decided_and_undone() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start(&[]).await;
    let one = Pages::open(browser, &format!("{}/console/", demo.text("url"))).await;
    one.browser.resize(&one.tab, 1_280, 860).await;
    one.sign_in(demo.text("apiKey")).await;

    let pause = labelled("Pause Ada Amber");
    one.at("presence", &pause).await;
    one.look(&format!("{pause}.click()")).await;
    one.says("Ada Amber is paused").await;
    let resume = labelled("Resume Ada Amber");
    one.browser.until(&one.tab, &resume).await;
    one.look(&format!("{resume}.click()")).await;
    one.says("Ada Amber is kept in step again").await;

    let option = "document.querySelector('main fieldset [data-is=option]')";
    one.at("routing/rules/Gold%20callers", option).await;
    one.look(&format!("{option}.value = 'General'")).await;
    one.look(&typed(&[("number", JOHN.1)])).await;
    one.says("Goes to: Queue: General").await;
    one.look(&format!("{option}.form.requestSubmit()")).await;
    one.says("not in force until it is published").await;
    let press_when_there = async |name: &str| {
        let button = format!(
            "[...document.querySelectorAll('main button, dialog button')]
                 .find(one => one.innerText === '{name}')"
        );
        one.browser.until(&one.tab, &button).await;
        one.look(&press(name)).await;
    };
    press_when_there("Publish…").await;
    press_when_there("Publish").await;
    one.says("Rule set 2 is in force").await;
    one.says("loyaltyTier = Gold → Queue: General").await;
    let back = labelled("Roll back to rule set 1");
    one.browser.until(&one.tab, &back).await;
    one.look(&format!("{back}.click()")).await;
    one.browser.until(&one.tab, "document.querySelector('dialog button.primary')").await;
    one.look("document.querySelector('dialog button.primary').click()").await;
    one.says("Rule set 3 is in force").await;

    one.at("syncs/contacts", "document.querySelector('main .tabs')").await;
    press_when_there("Plan").await;
    one.says("What it would write").await;
    one.at("syncs/contacts", "document.querySelector('main .tabs')").await;
    press_when_there("Run now").await;
    press_when_there("Approve and run").await;
    let undo = "[...document.querySelectorAll('main button')].find(one => one.innerText === 'Undo this run…')";
    one.browser.until(&one.tab, undo).await;
    one.keep_picture("sync-run").await;
    let run = one.look("return location.hash.slice(2)").await;
    let run = run.as_str().expect("an address").to_owned();

    let key = "document.querySelector('main [aria-label=Decide] button kbd')";
    one.at("review", key).await;
    one.keep_picture("review-decided").await;
    let decide = format!(
        "document.dispatchEvent(new KeyboardEvent('keydown', {{ key: {key}.innerText, bubbles: true }}))"
    );
    one.look(&decide).await;
    one.says("1 review decided").await;

    one.at(&run, undo).await;
    one.look(&format!("{undo}.click()")).await;
    press_when_there("Undo").await;
    let undone = "document.querySelector('main').innerText.includes('Takes back') \
                  && !document.querySelector('main').innerText.includes('Goes on')";
    one.browser.until(&one.tab, undone).await;
    assert!(one.main().await.contains("done"), "{}", one.main().await);
    one.assert_clean().await;
}
