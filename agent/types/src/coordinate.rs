//! Network coordinates (Vivaldi), by which answers are sorted for `?near=`.

use crate::ids::NodeName;
use serde::{Deserialize, Serialize};

/// A point in the coordinate space. See Dabek et al., "Vivaldi: A Decentralized Network Coordinate System" (2004).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Coordinate {
    /// Euclidean part, seconds.
    pub vec: Vec<f64>,
    /// Estimate of the error, without unit.
    pub error: f64,
    /// Adjustment, seconds.
    pub adjustment: f64,
    /// Height above the plane, seconds.
    pub height: f64,
}

impl Coordinate {
    /// Estimated round trip between two points in seconds; `None` if their dimensions differ.
    pub fn distance(&self, other: &Self) -> Option<f64> {
        if self.vec.len() != other.vec.len() {
            return None;
        }
        let plane: f64 = self.vec.iter().zip(&other.vec).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let raw = plane + self.height + other.height;
        let adjusted = raw + self.adjustment + other.adjustment;
        Some(if adjusted > 0.0 { adjusted } else { raw })
    }
}

/// A node's coordinate: a row of the coordinates table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeCoordinate {
    /// The node.
    pub node: NodeName,
    /// Network segment; always empty here.
    pub segment: String,
    /// The coordinate.
    pub coord: Coordinate,
}

/// Where the servers of a datacenter are, as the servers of all datacenters measure it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DatacenterCoordinates {
    /// The datacenter.
    pub datacenter: String,
    /// What was measured in; `wan`: the gossip pool of all servers. Coordinates of two areas cannot be compared.
    #[serde(rename = "AreaID")]
    pub area: String,
    /// One for each server whose place is known.
    pub coordinates: Vec<NodeCoordinate>,
}
