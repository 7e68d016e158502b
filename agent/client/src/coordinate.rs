//! Calls about network coordinates.

use crate::{Client, ClientError};
use lictor_types::coordinate::{DatacenterCoordinates, NodeCoordinate};

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
