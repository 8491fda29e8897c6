//! Agents of two systems that hand out work are kept the same.

use crate::rig::{Console, Line, Place, until, until_some};
use connectors::genesys_cloud::sim::Act;
use connectors::salesforce::sim::WorkAct;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

crate::facts! {
    both_at_once_an_agent_is_given_nothing_by_one_while_handling_an_item_of_the_other
    one_at_a_time_going_on_queue_makes_busy_and_leaving_leads_through_the_transition
    what_happened_while_tieline_was_down_is_found_and_made_good
    who_has_logged_out_unheard_is_not_logged_in
    without_a_console_it_is_told_and_made_good_when_it_is_back
    who_is_paused_is_left_alone_and_an_agent_has_a_story
    settings_that_do_not_fit_what_the_systems_have_are_told_by_pair
    who_is_not_found_on_both_sides_is_told_and_left_alone
    who_is_known_by_an_external_id_is_worked_for_at_once_after_a_restart
    an_agent_whom_the_crm_signed_in_follows_their_calls_in_the_contact_center
}

pub(crate) const BOTH: &str = r#"
[[presence]]
name = "support"
contact_center = "genesys"
crm = "salesforce"
scenario = "both_at_once"
pairs = [{ contact_center = "On Queue", crm = "Available" }, { contact_center = "Meal", crm = "Lunch" }]
transition = { contact_center = "Available", crm = "Transition", dwell = "1s" }
console = { grace = "1s" }
compare_every = "2s"
agents_every = "2s"
"#;

const ONE: &str = r#"
[[presence]]
name = "support"
contact_center = "genesys"
crm = "salesforce"
scenario = "one_at_a_time"
pairs = [
  { contact_center = "On Queue", crm = "Busy" },
  { contact_center = "Busy", crm = "Available" },
  { contact_center = "Meal", crm = "Lunch" },
]
transition = { contact_center = "Available", crm = "Transition", dwell = "1s" }
compare_every = "2s"
agents_every = "2s"
"#;

/// One agent in both systems, at their own console.
pub(crate) struct Desk {
    // Before the line it goes to.
    console: Console,
    pub(crate) line: Line,
    center: String,
    pub(crate) crm: String,
}

/// Logged in to both, given nothing by either.
pub(crate) async fn desk(place: Place, section: &str) -> Desk {
    let mut desk = desk_without_console(place, section).await;
    desk.console.open();
    desk.until("Available", "Transition").await;
    desk
}

/// The same, with nothing in the CRM that could set a status.
pub(crate) async fn desk_without_console(place: Place, section: &str) -> Desk {
    let line = Line::with_salesforce().and_genesys().on(place).section(section).lay().await;
    let mut desk = Desk::of(line);
    desk.in_center("Available");
    desk.in_crm("Transition");
    desk.line.start_server().await;
    desk
}

impl Desk {
    fn of(line: Line) -> Self {
        let (center, _, email) = line.genesys().config().agents[0].clone();
        let crm = line.salesforce.add_agent("Ann Agent", &email).expect("an agent");
        Self { console: Console::of(&line, &crm), line, center, crm }
    }

    pub(crate) fn in_center(&self, status: &str) {
        self.line.genesys().agent_sets(&self.center, status).expect("set");
    }

    pub(crate) fn in_crm(&self, status: &str) {
        self.line.salesforce.agent_sets(&self.crm, status).expect("set");
    }

    fn act(&self, act: Act) {
        assert!(self.line.genesys().agent_act(&self.center, act), "{act:?}");
    }

    /// What both systems themselves show; the CRM's by its name in the API.
    pub(crate) fn shown(&self) -> (String, String) {
        let center = self.line.genesys().agent_status(&self.center).expect("an agent").0;
        let crm = self.line.salesforce.agent_status(&self.crm);
        (center, crm.unwrap_or_else(|| "offline".to_owned()))
    }

    pub(crate) async fn until(&self, center: &str, crm: &str) {
        let wanted = (center.to_owned(), crm.to_owned());
        until(&format!("both show {wanted:?}"), async || self.shown() == wanted).await;
        // And that is where it rests.
        until(&format!("{wanted:?} is settled"), async || {
            let agent = self.agent().await;
            agent["isSettled"] == true && self.shown() == wanted
        })
        .await;
    }

    pub(crate) async fn agent(&self) -> Value {
        let path = format!("/api/v1/presence/agents/{}", self.center);
        self.line.get(&path).await.body["agent"].clone()
    }
}

async fn both_at_once_an_agent_is_given_nothing_by_one_while_handling_an_item_of_the_other(
    place: Place,
) {
    let desk = desk(place, BOTH).await;
    desk.in_center("On Queue");
    desk.until("On Queue", "Online").await;
    // A call: nothing more from the CRM until its after-call work is done.
    desk.act(Act::Offer);
    desk.act(Act::Accept);
    desk.until("On Queue", "Transition").await;
    assert!(desk.line.salesforce.offer_work(&desk.crm).is_err(), "the CRM offers nothing");
    desk.act(Act::EndWithWork);
    desk.act(Act::End);
    desk.until("On Queue", "Online").await;
    // A case: no call meanwhile.
    let work = desk.line.salesforce.offer_work(&desk.crm).expect("offered");
    desk.line.salesforce.work_act(&work, WorkAct::Accept).expect("accepted");
    desk.until("Available", "Online").await;
    assert!(!desk.line.genesys().agent_act(&desk.center, Act::Offer), "no call is offered");
    desk.line.salesforce.work_act(&work, WorkAct::Close).expect("closed");
    desk.until("On Queue", "Online").await;
    // Leaving work in the CRM, through the transition, to where the map leads.
    desk.in_crm("Lunch");
    desk.until("Meal", "Lunch").await;
}

async fn one_at_a_time_going_on_queue_makes_busy_and_leaving_leads_through_the_transition(
    place: Place,
) {
    let desk = desk(place, ONE).await;
    desk.in_center("On Queue");
    desk.until("On Queue", "Busy").await;
    desk.in_center("Available");
    desk.until("Available", "Transition").await;
    // Mirrored when the CRM hands out the work.
    desk.in_crm("Online");
    desk.until("Busy", "Online").await;
    desk.in_crm("Transition");
    desk.until("Available", "Transition").await;
}

async fn what_happened_while_tieline_was_down_is_found_and_made_good(place: Place) {
    let mut desk = desk(place, BOTH).await;
    desk.in_center("On Queue");
    desk.until("On Queue", "Online").await;
    desk.line.kill().await;
    desk.in_center("Meal");
    desk.line.start_server().await;
    desk.until("Meal", "Lunch").await;
}

async fn who_has_logged_out_unheard_is_not_logged_in(place: Place) {
    let section = BOTH.replace("compare_every = \"2s\"", "compare_every = \"1h\"");
    let desk = desk(place, &section).await;
    desk.line.genesys().mute_sockets();
    desk.in_center("Offline");
    desk.in_crm("Online");
    // What is heard last counts as newest: they have left.
    desk.until("Offline", "Transition").await;
}

async fn without_a_console_it_is_told_and_made_good_when_it_is_back(place: Place) {
    let mut desk = desk(place, BOTH).await;
    assert!(desk.console.leave().await);
    desk.in_center("On Queue");
    until("it is told", async || desk.agent().await["alerts"] == json!(["console_gone"])).await;
    assert_eq!(desk.shown(), ("On Queue".to_owned(), "Transition".to_owned()));
    assert_ne!(desk.agent().await["consoleGone"], "");
    desk.console.open();
    desk.until("On Queue", "Online").await;
    assert_eq!(desk.agent().await["alerts"], json!([]));
}

async fn who_is_paused_is_left_alone_and_an_agent_has_a_story(place: Place) {
    let desk = desk(place, BOTH).await;
    let path = format!("/api/v1/presence/agents/{}", desk.crm);
    let paused = desk.line.post(&format!("{path}/pause"), &json!({})).await;
    assert_eq!((paused.status, &paused.body["hasChanged"]), (200, &json!(true)), "{paused:?}");
    let again = desk.line.post(&format!("{path}/pause"), &json!({})).await;
    assert_eq!(again.body["hasChanged"], false);
    until("the pause is known", async || desk.agent().await["isPaused"] == true).await;
    desk.in_center("On Queue");
    until("it is seen", async || desk.agent().await["contactCenter"]["status"] == "On Queue").await;
    assert_eq!(desk.shown().1, "Transition", "nobody is told anything");
    let team = desk.line.post("/api/v1/presence/teams/support/pause", &json!({})).await;
    assert_eq!(team.body["hasChanged"], true);
    desk.line.post(&format!("{path}/resume"), &json!({})).await;
    assert_eq!(desk.agent().await["isPaused"], true, "the team is");
    let team = desk.line.post("/api/v1/presence/teams/support/resume", &json!({})).await;
    assert_eq!(team.body["hasChanged"], true);
    desk.until("On Queue", "Online").await;
    let story = desk.line.command(&["presence", "show", "ann.agent@example.com"]).await;
    assert_eq!(story.code, Some(0), "{}", story.err);
    let words = [
        "paused",
        "resumed",
        "shows  contact_center  On Queue",
        "told  crm  Available",
        "decided  crm  Available  agent_in_contact_center",
    ];
    for word in words {
        assert!(story.out.contains(word), "{word}: {}", story.out);
    }
    let audit = desk.line.get("/api/v1/audit?limit=20").await.body.to_string();
    assert!(audit.contains("presence.paused") && audit.contains("presence.resumed"), "{audit}");
}

async fn settings_that_do_not_fit_what_the_systems_have_are_told_by_pair(place: Place) {
    let section = BOTH.replace("crm = \"Lunch\"", "crm = \"Siesta\"");
    let line = Line::with_salesforce().and_genesys().on(place).section(&section).start().await;
    let team = until_some("the faults are told", async || {
        let all = line.get("/api/v1/presence").await.body;
        let team = all["teams"][0].clone();
        (team["standing"] == "faulty").then_some(team)
    })
    .await;
    let fault = team["faults"][0].as_str().expect("a fault");
    assert!(fault.starts_with("pairs[1].crm: salesforce has no status `Siesta`"), "{fault}");
    assert!(fault.contains("Lunch"), "it says what there is: {fault}");
}

async fn who_is_not_found_on_both_sides_is_told_and_left_alone(place: Place) {
    let desk = desk(place, BOTH).await;
    let all = desk.line.get("/api/v1/presence").await.body;
    assert_eq!(
        (&all["teams"][0]["agents"], &all["teams"][0]["aloneCount"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1));
    let (_, _, email) = desk.line.genesys().config().agents[1].clone();
    desk.line.salesforce.add_agent("Ben Agent", &email).expect("an agent");
    until("they are found", async || {
        desk.line.get("/api/v1/presence").await.body["teams"][0]["agents"] == 2
    })
    .await;
    desk.in_center("On Queue");
    desk.until("On Queue", "Online").await;
}

async fn who_is_known_by_an_external_id_is_worked_for_at_once_after_a_restart(place: Place) {
    let section = format!(
        "{}\n[presence.matching]\nexternal_id = \"salesforce\"\nemail = false\n",
        BOTH.replace("agents_every = \"2s\"", "agents_every = \"1h\"")
    );
    let line = Line::with_salesforce().and_genesys().on(place).section(&section).lay().await;
    let (center, _, _) = line.genesys().config().agents[0].clone();
    let crm = line.salesforce.add_agent("Ann Agent", "ann@other.example").expect("an agent");
    assert!(line.genesys().name_agent(&center, "salesforce", &crm));
    let mut desk = Desk { console: Console::of(&line, &crm), line, center, crm };
    desk.in_center("Available");
    desk.in_crm("Transition");
    desk.line.start_server().await;
    desk.console.open();
    desk.until("Available", "Transition").await;
    desk.line.kill().await;
    // Nobody answers what agents are called elsewhere.
    let sick = Fault::Status { code: 503, body: None };
    desk.line.genesys().faults().add(Rule::always(sick).on("/externalid"));
    desk.in_center("On Queue");
    desk.line.start_server().await;
    desk.until("On Queue", "Online").await;
}

async fn an_agent_whom_the_crm_signed_in_follows_their_calls_in_the_contact_center(place: Place) {
    let plan = Line::with_salesforce().and_genesys().agents_sign_in().on(place);
    let mut desk = Desk::of(plan.section(BOTH).lay().await);
    desk.in_center("Available");
    desk.in_crm("Transition");
    desk.line.start_server().await;
    desk.console.open();
    desk.until("Available", "Transition").await;
    let line = &desk.line;
    let token = async |user: Option<String>| {
        let who = connectors::salesforce::sim::SignedInUser { user_id: user, ..Default::default() };
        let shown = line.salesforce.sign_in(who).token;
        let body = json!({ "connection": "salesforce", "shown": shown });
        let told = line.post("/api/v1/agent-tokens/sign-in", &body).await;
        assert_eq!(told.status, 200, "{told:?}");
        (told["token"].as_str().expect("a token").to_owned(), told["agent"].clone())
    };
    let ask = async |path: &str, token: &str| {
        let asked = line.http.get(line.url(path)).bearer_auth(token).send().await;
        let answer = asked.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (ann, agent) = token(Some(desk.crm.clone())).await;
    assert_eq!(agent, json!(desk.crm), "to their console they are who the CRM says");
    line.lookup(json!({ "fromNumber": crate::rig::MARIA.1, "callId": "hers" })).await;
    let begun = json!({ "type": "callStarted", "callId": "hers", "userId": desk.center });
    assert_eq!(line.post("/api/v1/genesys/events", &begun).await.status, 202);
    for id in [&desk.crm, &desk.center] {
        let (status, news) = ask(&format!("/api/v1/agents/{id}/news"), &ann).await;
        assert_eq!(status, 200, "{news}");
        assert!(news.to_string().contains("hers"), "{news}");
    }
    assert_eq!(ask("/api/v1/calls/hers/history", &ann).await.0, 200);
    let foreign = ask("/api/v1/agents/agent-8/news", &ann).await;
    assert_eq!((foreign.0, &foreign.1["error"]["code"]), (403, &json!("stream.not_yours")));
    let stranger = line.salesforce.add_agent("Nobody Else", "else@example.org").expect("an agent");
    let (other, agent) = token(Some(stranger)).await;
    let path = format!("/api/v1/agents/{}/news", agent.as_str().expect("an id"));
    let unknown = ask(&path, &other).await;
    assert_eq!((unknown.0, &unknown.1["error"]["code"]), (403, &json!("stream.agent_unknown")));
}
