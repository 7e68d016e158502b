//! Tells the datacenter this node's network coordinate, so that answers can be sorted by distance.

use lictor_acl::AgentTokens;
use lictor_gossip::GossipHandle;
use lictor_net::{Shutdown, clock};
use lictor_rpc::{Cluster, WriteOptions};
use lictor_types::coordinate::{Coordinate, NodeCoordinate};
use lictor_types::{Command, NodeName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

/// Shortest time between two updates of one node; Consul's `sync_coordinate_interval_min`.
const INTERVAL_MIN: Duration = Duration::from_secs(15);
/// Updates a second that all nodes together aim at; Consul's `sync_coordinate_rate_target`.
const RATE_TARGET: f64 = 64.0;
/// What has moved by less is not worth a write, in seconds of round trip.
const MOVED_MIN: f64 = 0.000_1;

/// Runs until the agent ends.
pub(crate) async fn send(
    node: NodeName,
    pool: GossipHandle,
    cluster: Arc<dyn Cluster>,
    tokens: AgentTokens,
    seed: u64,
    shutdown: Shutdown,
) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut sent: Option<Coordinate> = None;
    loop {
        let members = pool.members().borrow().len();
        let interval = INTERVAL_MIN.max(Duration::from_secs_f64(members as f64 / RATE_TARGET));
        tokio::select! {
            // Spread, so that nodes that started together do not write together.
            () = clock::sleep(interval.mul_f64(chance.random_range(1.0..2.0))) => {}
            () = shutdown.requested() => return,
        }
        // One that is alone measures nothing, but has a coordinate: what it is compared with may come from outside.
        let Ok(coordinate) = pool.coordinate().await else { return };
        if sent.as_ref().is_some_and(|sent| !has_moved(sent, &coordinate)) {
            continue;
        }
        let row = NodeCoordinate { node: node.clone(), segment: String::new(), coord: coordinate.clone() };
        let options = WriteOptions { token: tokens.get().own().clone(), ..WriteOptions::default() };
        match cluster.apply(Command::Coordinates(vec![row]), &options).await {
            Ok(_) => sent = Some(coordinate),
            Err(error) => tracing::debug!(%error, "the network coordinate could not be told; it is tried again"),
        }
    }
}

fn has_moved(from: &Coordinate, to: &Coordinate) -> bool {
    let plane: f64 = from.vec.iter().zip(&to.vec).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    plane + (from.height - to.height).abs() + (from.adjustment - to.adjustment).abs() >= MOVED_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_moves_are_not_worth_a_write() {
        let here = Coordinate { vec: vec![0.0; 8], error: 1.5, adjustment: 0.0, height: 1e-5 };
        assert!(!has_moved(&here, &Coordinate { error: 0.1, ..here.clone() }));
        assert!(!has_moved(&here, &Coordinate { height: 5e-5, ..here.clone() }));
        assert!(has_moved(&here, &Coordinate { height: 5e-3, ..here.clone() }));
        let mut there = here.clone();
        there.vec[3] = 0.01;
        assert!(has_moved(&here, &there));
    }
}
