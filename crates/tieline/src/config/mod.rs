//! What `tieline.toml` says, checked before anything starts.
//!
//! Defaults ← file ← environment (`TIELINE_LOOKUP__DEADLINE=250ms`) ← flags.
//! [`load`] refuses unknown keys with the line and the nearest right name, and
//! tells every mistake at once. The doc comments here are the reference manual
//! (`docs/reference/config.md` and `tieline.example.toml` are made from them).

pub mod actions;
mod alerts;
mod calls;
mod console;
mod formats;
pub mod load;
mod mistakes;
mod modules;
mod period;
pub mod presence;
mod reconcile;
mod retention;
mod routing;
mod secret;
mod sections;
mod server;
mod streams;
pub mod syncs;
mod widget;

pub use actions::ActionSection;
pub use alerts::{AlertsSection, ChannelKind, ChannelSection, MailSecurity};
pub use calls::CallsSection;
pub use console::{ConsoleSection, OidcSection};
pub use formats::FormatsSection;
pub use load::{Loaded, load};
pub use mistakes::{Mistake, Mistakes};
pub use modules::ModulesSection;
pub use period::Period;
pub use presence::PresenceSection;
pub use reconcile::ReconcileSection;
pub use retention::RetentionSection;
pub use routing::RoutingSection;
pub use secret::SecretSource;
pub use sections::{
    Config, ConnectionSection, Durability, LimitsSection, LogFormat, LogSection, QueueSection,
};
pub use server::{AddressRange, ForwardedHeader, ServerSection, TlsSection};
pub use streams::StreamsSection;
pub use syncs::SyncSection;
pub use widget::WidgetSection;
