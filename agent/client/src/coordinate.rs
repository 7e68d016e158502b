//! Calls about network coordinates.

use crate::{Client, ClientError};
use lictor_types::coordinate::NodeCoordinate;
use serde::Deserialize;

/// The coordinates of a datacenter's servers in an area of the WAN.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DatacenterCoordinates {
    /// The datacenter.
    pub datacenter: String,
    /// The area; `wan`, if it is the gossip pool of all servers.
    #[serde(rename = "AreaID")]
    pub area: String,
    /// One for each server.
    pub coordinates: Vec<NodeCoordinate>,
}

impl Client {
    /// Coordinates of the datacenter's nodes.
    pub async fn node_coordinates(&self) -> Result<Vec<NodeCoordinate>, ClientError> {
        self.get("/v1/coordinate/nodes", &[]).await?.json()
    }

    /// Coordinates of all servers in the WAN.
    pub async fn datacenter_coordinates(&self) -> Result<Vec<DatacenterCoordinates>, ClientError> {
        self.get("/v1/coordinate/datacenters", &[]).await?.json()
    }
}
