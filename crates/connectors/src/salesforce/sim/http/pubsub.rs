//! The Pub/Sub API of the org: gRPC on a port of its own, without TLS.
//!
//! `GetTopic`, `GetSchema` and `Subscribe` of `eventbus.v1.PubSub`. What a request changes is
//! an event once the request is done ([`World::publish`]); `log` keeps them, `avro` writes
//! them, `wire` has the messages. A subscription gets no more events than it asked for, an
//! empty answer when nothing happens, and ends with its session.
//!
//! Source: `pubsub_api.proto`; Pub/Sub API Guide, "Handle Errors".

mod avro;
mod log;
mod publish;
mod wire;

pub(in super::super) use self::log::Log;
pub(in super::super) use self::publish::Writing;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use self::avro::Told;
use self::wire::{
    ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent, Refusal, SchemaRequest, SchemaTold,
    TopicRequest, TopicTold, framed, unframed, well,
};
use super::super::World;
use super::super::store::Store;

/// The most events that one request asks for.
const MOST_REQUESTED: i32 = 100;

const NO_AUTH: Refusal = Refusal {
    status: 16,
    code: "sfdc.platform.eventbus.grpc.service.auth.error",
    message: "The request does not have valid authentication credentials",
};
const NO_TOPIC: Refusal = Refusal {
    status: 5,
    code: "sfdc.platform.eventbus.grpc.topic.not.found",
    message: "The topic does not exist",
};
const NO_SCHEMA: Refusal = Refusal {
    status: 5,
    code: "sfdc.platform.eventbus.grpc.schema.meta.permission",
    message: "The schema could not be accessed",
};
const CORRUPTED: Refusal = Refusal {
    status: 3,
    code: "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted",
    message: "The replay ID is corrupted, or is outside the retention window",
};
const NO_REPLAY: Refusal = Refusal {
    status: 3,
    code: "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed",
    message: "The replay ID validation failed",
};
const BAD_COUNT: Refusal = Refusal {
    status: 3,
    code: "sfdc.platform.eventbus.grpc.subscription.fetch.requested.events.invalid",
    message: "The number of requested events is invalid",
};
const UNKNOWN_METHOD: Refusal = Refusal { status: 12, code: "none", message: "Unimplemented" };

/// A running gRPC server; ends when dropped.
pub(in super::super) struct Serving {
    pub(in super::super) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves on 127.0.0.1; 0 takes a free port.
pub(in super::super) async fn start(world: Arc<World>, port: u16) -> io::Result<Serving> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let accepting = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let _ = stream.set_nodelay(true);
                    let world = Arc::clone(&world);
                    connections.spawn(async move {
                        let service = service_fn(move |asked| serve(Arc::clone(&world), asked));
                        let connection = http2::Builder::new(TokioExecutor::new());
                        let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Ok(Serving { address, accepting })
}

type Answer = Response<Channel<Bytes, io::Error>>;

async fn serve(world: Arc<World>, asked: Request<Incoming>) -> Result<Answer, Infallible> {
    let (tell, body) = Channel::new(8);
    let (head, incoming) = asked.into_parts();
    let token = match world.session(&head.headers) {
        Ok(token) => token,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    match method.as_str() {
        "GetTopic" | "GetSchema" => {
            let mut came = incoming
                .collect()
                .await
                .map_or_else(|_| Vec::new(), |whole| whole.to_bytes().to_vec());
            let message = unframed(&mut came).unwrap_or_default();
            let told = if method == "GetTopic" {
                TopicRequest::decode(&message[..]).ok().map(|ask| world.topic(&ask.topic_name))
            } else {
                SchemaRequest::decode(&message[..]).ok().map(|ask| world.schema(&ask.schema_id))
            };
            match told.unwrap_or(Err(UNKNOWN_METHOD)) {
                Err(refusal) => return Ok(refused(&refusal)),
                Ok(frame) => {
                    let mut tell = tell;
                    let _ = tell.send_data(frame).await;
                    let _ = tell.send_trailers(well()).await;
                }
            }
        }
        "Subscribe" => drop(tokio::spawn(subscribe(world, token, incoming, tell))),
        _ => return Ok(refused(&UNKNOWN_METHOD)),
    }
    Ok(grpc(body))
}

fn grpc(body: Channel<Bytes, io::Error>) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert("content-type", "application/grpc".parse().expect("a type"));
    answer
}

/// A refusal before anything was told.
fn refused(refusal: &Refusal) -> Answer {
    let (mut tell, body) = Channel::new(1);
    let status = refusal.headers();
    tokio::spawn(async move { tell.send_trailers(status).await });
    grpc(body)
}

/// One subscription, until either side ends it.
async fn subscribe(
    world: Arc<World>,
    token: String,
    mut asking: Incoming,
    mut tell: Sender<Bytes, io::Error>,
) {
    let Err(ended) = follow(&world, &token, &mut asking, &mut tell).await else {
        let _ = tell.send_trailers(well()).await;
        return;
    };
    match ended {
        Ended::Refused(refusal) => drop(tell.send_trailers(refusal.headers()).await),
        Ended::Cut => tell.abort(io::Error::from(io::ErrorKind::ConnectionReset)),
    }
}

enum Ended {
    Refused(Refusal),
    /// On purpose, in the middle of a message.
    Cut,
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
    }
}

/// How far a subscription is.
struct Place {
    topic: String,
    after: u64,
    wanted: usize,
    breaks: u64,
}

async fn follow(
    world: &World,
    token: &str,
    asking: &mut Incoming,
    tell: &mut Sender<Bytes, io::Error>,
) -> Result<(), Ended> {
    let (mut came, mut place): (Vec<u8>, Option<Place>) = (Vec::new(), None);
    let mut tip = world.events.tip.subscribe();
    let mut silent_since = tokio::time::Instant::now();
    loop {
        while let Some(message) = unframed(&mut came) {
            let ask = FetchRequest::decode(&message[..]).map_err(|_| Ended::Cut)?;
            world.asked_more(&ask, &mut place)?;
        }
        if world.tokens.check(token).is_err() {
            return Err(NO_AUTH.into());
        }
        let keepalive = silent_since + world.config.keepalive;
        if let Some(place) = &mut place {
            let is_silent = tokio::time::Instant::now() >= keepalive;
            let response = world.fetched(place, is_silent);
            if world.events.breaks() != place.breaks {
                return Err(Ended::Cut);
            }
            if let Some(response) = response {
                silent_since = tokio::time::Instant::now();
                let frame = framed(&response);
                if !response.events.is_empty() && world.cut.swap(false, Ordering::Relaxed) {
                    let _ = tell.send_data(frame.slice(..frame.len() / 2)).await;
                    return Err(Ended::Cut);
                }
                if tell.send_data(frame).await.is_err() {
                    return Ok(());
                }
                continue;
            }
        }
        tokio::select! {
            frame = asking.frame() => match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        came.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => return Err(Ended::Cut),
                None => return Ok(()),
            },
            changed = tip.changed(), if place.as_ref().is_some_and(|place| place.wanted > 0) => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep_until(keepalive) => {}
            // A session that ends, ends its streams as well.
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
}

impl World {
    fn session(&self, metadata: &HeaderMap) -> Result<String, Refusal> {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
        let token = text("accesstoken").filter(|token| self.tokens.check(token).is_ok());
        let is_here = text("instanceurl").is_some_and(|url| url.starts_with("http"));
        // Of an org's id 15 characters say which it is.
        let is_ours = text("tenantid")
            .is_some_and(|org| org.len() >= 15 && self.org().starts_with(&org[..15]));
        token.filter(|_| is_here && is_ours).map(str::to_owned).ok_or(NO_AUTH)
    }

    /// The objects that a topic tells of.
    fn topic_objects(&self, topic: &str) -> Option<Vec<usize>> {
        let store = self.read();
        let captured = &self.config.captured;
        let meant = |names: &[String]| -> Vec<usize> {
            let all = names.iter().filter(|name| captured.contains(name));
            all.filter_map(|name| store.object(name)).collect()
        };
        let name = topic.strip_prefix("/data/")?;
        let found = match &self.config.change_channel {
            Some((channel, names)) if channel == name => meant(names),
            _ if name == "ChangeEvents" => meant(captured),
            _ => {
                let of = match name.strip_suffix("__ChangeEvent") {
                    Some(custom) => format!("{custom}__c"),
                    None => name.strip_suffix("ChangeEvent")?.to_owned(),
                };
                meant(&[of])
            }
        };
        (!found.is_empty()).then_some(found)
    }

    fn topic(&self, name: &str) -> Result<Bytes, Refusal> {
        let objects = self.topic_objects(name).ok_or(NO_TOPIC)?;
        // A channel of several objects has no schema of its own.
        let schema_id = match objects.as_slice() {
            [one] => self.shape(*one).0,
            _ => String::new(),
        };
        Ok(framed(&TopicTold {
            topic_name: name.to_owned(),
            tenant_guid: self.org().to_owned(),
            can_publish: false,
            can_subscribe: true,
            schema_id,
            rpc_id: rpc(),
        }))
    }

    fn schema(&self, id: &str) -> Result<Bytes, Refusal> {
        let count = self.read().objects.len();
        let found = (0..count).map(|object| self.shape(object)).find(|(known, _)| known == id);
        let (schema_id, schema_json) = found.ok_or(NO_SCHEMA)?;
        let schema_json =
            if self.spoilt.load(Ordering::Relaxed) { "{\"type\":".to_owned() } else { schema_json };
        Ok(framed(&SchemaTold { schema_json, schema_id, rpc_id: rpc() }))
    }

    /// The id and the text of the schema of an object's events.
    fn shape(&self, object: usize) -> (String, String) {
        let store = self.read();
        shape(&store, object, &avro::told(&store.objects[object]))
    }

    /// Takes a request for events; the first of a stream says where it begins.
    fn asked_more(&self, ask: &FetchRequest, place: &mut Option<Place>) -> Result<(), Refusal> {
        if ask.num_requested <= 0 || ask.num_requested > MOST_REQUESTED {
            return Err(BAD_COUNT);
        }
        let more = usize::try_from(ask.num_requested).unwrap_or(0);
        if let Some(place) = place {
            if !ask.topic_name.is_empty() && ask.topic_name != place.topic {
                return Err(NO_TOPIC);
            }
            place.wanted += more;
            return Ok(());
        }
        self.topic_objects(&ask.topic_name).ok_or(NO_TOPIC)?;
        let breaks = self.events.breaks();
        let after = match ask.replay_preset {
            0 => self.events.last(),
            1 => self.events.earliest(),
            _ if ask.replay_id.is_empty() => return Err(NO_REPLAY),
            _ => {
                let id = <[u8; 8]>::try_from(&ask.replay_id[..]).map(u64::from_be_bytes);
                id.ok().filter(|id| self.events.has(*id)).ok_or(CORRUPTED)?
            }
        };
        *place = Some(Place { topic: ask.topic_name.clone(), after, wanted: more, breaks });
        Ok(())
    }

    /// What there is for a subscription; nothing yet where nothing happened.
    fn fetched(&self, place: &mut Place, is_silent: bool) -> Option<FetchResponse> {
        let objects = self.topic_objects(&place.topic).unwrap_or_default();
        let (found, after) =
            self.events.next(place.after, place.wanted, |object| objects.contains(&object));
        if found.is_empty() && !is_silent {
            return None;
        }
        place.after = if place.wanted == 0 { place.after } else { after };
        place.wanted -= found.len();
        let events = found.into_iter().map(|event| ConsumerEvent {
            replay_id: event.number.to_be_bytes().to_vec(),
            event: Some(ProducerEvent {
                id: format!("{:032x}", event.number),
                schema_id: event.schema,
                payload: event.payload,
            }),
        });
        Some(FetchResponse {
            events: events.collect(),
            latest_replay_id: place.after.to_be_bytes().to_vec(),
            rpc_id: rpc(),
            pending_num_requested: i32::try_from(place.wanted).unwrap_or(i32::MAX),
        })
    }
}

/// A schema's id is a digest of it.
fn shape(store: &Store, object: usize, fields: &[Told]) -> (String, String) {
    let text = avro::schema(&store.objects[object], fields).to_string();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let id = digest.as_ref().iter().take(11).map(|byte| format!("{byte:02x}")).collect();
    (id, text)
}

/// An id for traces, another each time.
fn rpc() -> String {
    use std::sync::atomic::AtomicU64;
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:08x}-0000-4000-8000-000000000000", COUNT.fetch_add(1, Ordering::Relaxed))
}
