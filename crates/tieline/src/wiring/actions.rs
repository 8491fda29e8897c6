//! Actions, once their connections are open: what a vendor's query language says of each
//! place is seen here, before a call is answered.

use crate::config::actions::{QueueMode, Trigger, value};
use crate::config::load::actions::{Fields, known, otherwise};
use crate::config::{ActionSection, Loaded, Mistake, QueueSection};
use engine::Connections;
use engine::actions::fields::{Field, Kind, Path};
use engine::actions::{Action, Actions, Cache, Mode, Serving};
use kit::Template;

/// Every action of the configuration.
///
/// Every mistake is told at once, with its place and its mend.
pub fn all(loaded: &Loaded, connections: &Connections) -> Result<Actions, Vec<Mistake>> {
    let config = &loaded.config;
    let (mut actions, mut mistakes) = (Vec::new(), Vec::new());
    for (name, section) in &config.actions {
        match action(name, section, connections) {
            Ok(action) => actions.push(action),
            Err(told) => mistakes.extend(told),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let fields = config.enriched().into_iter().map(|(name, kind)| (name, kind.empty())).collect();
    let waits =
        |queue: &QueueSection| queue.mode == QueueMode::Async && queue.trigger == Trigger::Accepted;
    Ok(Actions::new(actions, fields, config.queues.iter().any(waits)))
}

fn action(
    name: &str,
    section: &ActionSection,
    connections: &Connections,
) -> Result<Action, Vec<Mistake>> {
    let connection = connections.get(&section.connection);
    let requests = connection.and_then(|connection| connection.capabilities.requests.as_ref());
    let Some(requests) = requests else {
        return Err(vec![Mistake::new(
            format!("actions.{name}.connection"),
            format!("`{}` sends no requests of your own", section.connection),
            "Name a connection that does; docs/reference/connectors/ says which.",
        )]);
    };
    let language = |place: kit::Place<'_>| requests.language(place);
    let template = Template::read(&section.draft(), &known(section), &language);
    let template = template.map_err(|problems| {
        let told = problems.into_iter().map(|problem| {
            Mistake::new(format!("actions.{name}.{}", problem.key), problem.message, problem.fix)
        });
        told.collect::<Vec<_>>()
    })?;
    let field = |(name, field): (&String, &crate::config::actions::FieldSection)| {
        let kind: Kind = field.kind.into();
        let default = field.default.as_ref().and_then(|default| value(kind, default));
        Some(Field {
            name: name.clone(),
            path: Path::parse(&field.path).ok()?,
            kind,
            default: default.unwrap_or_else(|| kind.empty()),
        })
    };
    let inputs = section.inputs.iter().map(|(name, kind)| (name.clone(), (*kind).into()));
    Ok(Action {
        name: name.to_owned(),
        connection: section.connection.clone(),
        template,
        fields: section.fields.iter().filter_map(field).collect(),
        timeout: section.timeout.0,
        cache: section.cache.as_ref().map(|cache| Cache::new(cache.keep_for.0, cache.max)),
        inputs: inputs.collect(),
    })
}

/// What an enrichment of a queue's calls asks.
pub fn serving(queue: &QueueSection, fields: &Fields) -> Serving {
    let waits_for_agent = queue.trigger == Trigger::Accepted;
    Serving {
        action: queue.action.clone(),
        mode: match queue.mode {
            QueueMode::Sync => Mode::Sync,
            QueueMode::Async => Mode::Async { waits_for_agent },
        },
        fallback_crm: queue.fallback_crm.clone(),
        fallback_queue: queue.fallback_queue.clone().unwrap_or_default(),
        otherwise: otherwise(queue, fields),
    }
}
