//! Connectors against their simulated vendors, over real HTTP.

// What `cargo xtask new-connector` writes, as part of the list that it would join.
#[path = "../../../../xtask/src/new_connector/acme_crm/mod.rs"]
mod acme_crm;
mod batches;
mod contract;
mod custom_url;
mod dynamics;
mod faults;
mod followed;
mod genesys;
mod genesys_presence;
mod genesys_records;
mod genesys_sim;
mod hubspot;
mod logs;
mod netsuite;
mod openapi;
mod prism;
mod records;
mod rig;
mod salesforce;
mod salesforce_accounts;
mod salesforce_events;
mod salesforce_presence;
mod salesforce_records;
mod sap;
mod sap_mock;
mod servicenow;
mod sql;
mod vault;
mod zoho;

// `acme_crm` finds these at the root of its crate, as it would in `connectors`.
use connectors::{Setup, Simulation, Simulator, Starting, Vendor};
