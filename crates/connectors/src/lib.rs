//! One folder per vendor: what Tieline speaks to.
//!
//! A vendor is added by two lines here, its `mod` and its entry in [`all`]; all
//! else lies in its folder, beginning with `mod.rs`. No folder knows another.

use kit::Connector;

#[cfg(test)]
mod shown;
#[cfg(feature = "sim")]
mod simulation;

#[cfg(feature = "sim")]
pub use simulation::{Sample, Setup, Simulate, Simulation, Simulator, Starting};

pub mod custom_url;
pub mod dynamics;
pub mod genesys_cloud;
pub mod hubspot;
pub mod netsuite;
pub mod salesforce;
pub mod sap_s4;
pub mod servicenow;
pub mod sql;
pub mod zoho_crm;

/// One vendor: the code for it, and its stand-in on this machine.
pub struct Vendor {
    /// Its facts, and how a connection to it is opened.
    pub connector: Connector,
    /// Starts its simulator for those who do not know the vendor.
    #[cfg(feature = "sim")]
    pub simulate: Simulate,
}

/// Every vendor there is.
#[must_use]
pub fn all() -> Vec<Vendor> {
    vec![
        custom_url::vendor(),
        dynamics::vendor(),
        genesys_cloud::vendor(),
        hubspot::vendor(),
        netsuite::vendor(),
        salesforce::vendor(),
        sap_s4::vendor(),
        servicenow::vendor(),
        sql::vendor(),
        zoho_crm::vendor(),
    ]
}

/// The connector that a connection's `type` names.
#[must_use]
pub fn by_name(name: &str) -> Option<Connector> {
    let mut connectors = all().into_iter().map(|vendor| vendor.connector);
    connectors.find(|connector| connector.manifest.name == name)
}
