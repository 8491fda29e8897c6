//! One folder per vendor: what Tieline speaks to.
//!
//! A vendor is added by two lines here, its `mod` and its entry in [`all`]; all
//! else lies in its folder, beginning with `mod.rs`. No folder knows another.

use kit::Connector;

pub mod genesys_cloud;
pub mod salesforce;

/// Every connector there is.
#[must_use]
pub fn all() -> Vec<Connector> {
    vec![genesys_cloud::connector(), salesforce::connector()]
}

/// The connector that a connection's `type` names.
#[must_use]
pub fn by_name(name: &str) -> Option<Connector> {
    all().into_iter().find(|connector| connector.manifest.name == name)
}
