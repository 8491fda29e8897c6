//! Where alerts are sent: webhooks, Slack and those like it, e-mail.

mod email;
mod webhook;

use crate::config::{AlertsSection, ChannelKind, ChannelSection};
use crate::exit::{self, Failure};
use engine::{Alerting, Channel};
use std::sync::Arc;

/// What is to be told, and to whom; mistakes name the setting.
pub fn alerting(section: &AlertsSection) -> Result<Arc<Alerting>, Failure> {
    for (name, rate) in [("late_rate", section.late_rate), ("partial_rate", section.partial_rate)] {
        if !(0.0..=1.0).contains(&rate) {
            return Err(exit::input(format!("alerts.{name} is a share, 0 to 1")));
        }
    }
    if section.every.0.is_zero() {
        return Err(exit::input("alerts.every is no time at all; write every = \"5s\""));
    }
    let channels = section.channels.iter().map(|(name, channel)| open(name, channel));
    Ok(Arc::new(Alerting {
        channels: channels.collect::<Result<_, Failure>>()?,
        late_rate: section.late_rate,
        partial_rate: section.partial_rate,
        settle: section.settle.0,
        every: section.every.0,
    }))
}

fn open(name: &str, section: &ChannelSection) -> Result<Arc<dyn Channel>, Failure> {
    let opened: Result<Arc<dyn Channel>, String> = match section.kind {
        ChannelKind::Webhook | ChannelKind::Slack => {
            webhook::Webhook::open(name, section).map(|one| Arc::new(one) as Arc<dyn Channel>)
        }
        ChannelKind::Email => {
            email::Email::open(name, section).map(|one| Arc::new(one) as Arc<dyn Channel>)
        }
    };
    opened.map_err(|wrong| exit::input(format!("alerts.channels.{name}.{wrong}")))
}
