//! Runs the simulated Genesys Cloud alone, with one call in progress.
//!
//! First line on stdout: one JSON object with its address, client, external
//! source, queue and the ids of the call. Serves until killed. Port: first argument,
//! else a free one. `GC_RATE` changes the requests per minute.

use std::io::Write as _;

use connectors::genesys_cloud::sim::{Config, NewCall, start};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut config = Config::default();
    if let Some(port) = std::env::args().nth(1).and_then(|port| port.parse().ok()) {
        config.port = port;
    }
    if let Some(rate) = std::env::var("GC_RATE").ok().and_then(|rate| rate.parse().ok()) {
        config.rate_per_minute = rate;
    }
    let organization = start(config).await?;
    let queue = organization.queues()[0].0.clone();
    let call = organization.place_call(&NewCall {
        ani: "tel:+15550199999".to_owned(),
        ani_name: "Springfield".to_owned(),
        dnis: "tel:+15550190000".to_owned(),
        queue_id: Some(queue.clone()),
        ..NewCall::default()
    });
    let config = organization.config();
    let first = serde_json::json!({
        "url": organization.url(),
        "clientId": config.client_id,
        "clientSecret": config.client_secret,
        "widgetClientId": config.widget_client_id,
        "externalSourceId": config.external_source.0,
        "queueId": queue,
        "conversationId": call.conversation_id,
        "participantId": call.participant_id,
        "communicationId": call.communication_id,
        "externalContactId": call.external_contact_id,
    });
    let mut out = std::io::stdout();
    writeln!(out, "{first}")?;
    out.flush()?;
    tokio::signal::ctrl_c().await
}
