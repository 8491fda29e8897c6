//! Calls that the demo places by itself: known people, strangers, withheld
//! numbers, click-to-dial, in the forms that a contact center sends.

use super::KEY;
use super::setup::{DID, World};
use connectors::genesys_cloud::sim::NewCall;
use serde_json::{Value, json};
use std::time::Duration;

/// Between two calls, so that a person can follow.
const PAUSE: Duration = Duration::from_millis(150);

/// Places `count` calls one after the other: a conversation on the platform,
/// then what its flow would ask.
pub fn place(count: usize, url: String, world: &World) -> impl Future<Output = ()> + Send + use<> {
    let bodies: Vec<Value> = (0..count).map(|index| body(index, world)).collect();
    async move {
        let Ok(client) = reqwest::Client::builder().no_proxy().build() else { return };
        for body in bodies {
            let asked =
                client.post(format!("{url}/api/v1/genesys/lookup")).bearer_auth(KEY).json(&body);
            if let Err(error) = asked.send().await {
                tracing::warn!("a simulated call was not answered: {}", error.without_url());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn body(index: usize, world: &World) -> Value {
    let number = number(index);
    let ani = match index % 4 {
        0 => format!("tel:{number}"),
        1 => format!("sip:{number}@10.87.12.9;user=phone"),
        _ => number.clone(),
    };
    let call = world.genesys.place_call(&NewCall {
        ani: format!("tel:{number}"),
        dnis: format!("tel:{DID}"),
        queue_id: Some(world.queue.0.clone()),
        ..NewCall::default()
    });
    let call_id = call.conversation_id;
    match index % 10 {
        7 => {
            json!({ "fromNumber": "sip:anonymous@anonymous.invalid", "toNumber": DID, "callId": call_id })
        }
        8 => {
            json!({ "fromNumber": "+13175550123", "toNumber": DID, "callId": call_id, "type": "inbound" })
        }
        9 => json!({
            "fromNumber": DID, "toNumber": number, "callId": call_id, "type": "outbound",
            "userId": "agent-1", "queueId": world.queue.0,
        }),
        _ => json!({ "fromNumber": ani, "toNumber": DID, "callId": call_id, "type": "inbound" }),
    }
}

/// John Doe now and then, else one of the generated people.
fn number(index: usize) -> String {
    let seed = connectors::salesforce::sim::Config::default().seed;
    if index.is_multiple_of(5) {
        return "+15550199999".to_owned();
    }
    let person = ::sim::seed::person(u64::try_from(index).unwrap_or(0) * 7 % 500, seed);
    person.phones.first().map(|phone| phone.e164.clone()).unwrap_or_default()
}
