//! Connectors against their simulated vendors, over real HTTP.

mod contract;
mod genesys;
mod genesys_sim;
mod logs;
mod openapi;
mod rig;
mod salesforce;
