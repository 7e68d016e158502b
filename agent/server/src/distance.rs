//! Datacenters by the network coordinates of their servers: where those are, and the order of who is nearest.

use crate::links::DistantServers;
use crate::server::Server;
use lictor_types::coordinate::{DatacenterCoordinates, NodeCoordinate};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Consul's name of the area in which the servers of all datacenters gossip.
const WAN: &str = "wan";

impl Server {
    /// The names of all datacenters, the own one first, then by the median of the round trips to their servers, as Consul has it;
    /// those at the same distance, or of which none is known, by name.
    pub(crate) async fn datacenters_by_distance(&self) -> Vec<String> {
        let own = &self.settings.node.datacenter;
        let Some(datacenters) = &self.links.datacenters else { return vec![own.clone()] };
        let mut names = datacenters.names();
        if names.len() > 1
            && let Some(gossip) = &self.links.gossip
        {
            sort(&mut names, own, &gossip.distant_servers().await);
        }
        names
    }

    /// Where the servers of all datacenters are, by the names of the datacenters.
    pub(crate) async fn datacenter_coordinates(&self) -> Vec<DatacenterCoordinates> {
        match &self.links.gossip {
            Some(gossip) => by_datacenter(gossip.distant_servers().await),
            None => Vec::new(),
        }
    }
}

/// The servers whose place is known, by datacenter and name.
fn by_datacenter(seen: DistantServers) -> Vec<DatacenterCoordinates> {
    let mut rows: BTreeMap<String, Vec<NodeCoordinate>> = BTreeMap::new();
    for server in seen.servers {
        let Some(coord) = server.place else { continue };
        rows.entry(server.datacenter).or_default().push(NodeCoordinate { node: server.node, segment: String::new(), coord });
    }
    let row = |(datacenter, mut coordinates): (String, Vec<NodeCoordinate>)| {
        coordinates.sort_by(|a, b| a.node.cmp(&b.node));
        DatacenterCoordinates { datacenter, area: WAN.to_owned(), coordinates }
    };
    rows.into_iter().map(row).collect()
}

/// Sorts names that are in their order already.
fn sort(names: &mut [String], own: &str, seen: &DistantServers) {
    names.sort_by_cached_key(|name| Distance(if name.eq_ignore_ascii_case(own) { 0.0 } else { median(name, seen) }));
}

/// The median of the round trips to a datacenter's servers in seconds; one whose place is not known is infinitely far.
fn median(datacenter: &str, seen: &DistantServers) -> f64 {
    let of_it = seen.servers.iter().filter(|server| server.datacenter.eq_ignore_ascii_case(datacenter));
    let distance = |place: &Option<_>| seen.own.as_ref()?.distance(place.as_ref()?).filter(|seconds| seconds.is_finite());
    let mut seconds: Vec<f64> = of_it.map(|server| distance(&server.place).unwrap_or(f64::INFINITY)).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// Seconds, in their order.
struct Distance(f64);

impl PartialEq for Distance {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Distance {}

impl PartialOrd for Distance {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Distance {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::DistantServer;
    use lictor_types::coordinate::Coordinate;

    fn place(at: f64) -> Option<Coordinate> {
        Some(Coordinate { vec: vec![at, 0.0], ..Coordinate::default() })
    }

    fn server(datacenter: &str, node: &str, place: Option<Coordinate>) -> DistantServer {
        DistantServer { datacenter: datacenter.to_owned(), node: node.into(), place }
    }

    /// `dc` and the places of its servers; a negative one is not known.
    fn sorted(own: Option<Coordinate>, servers: &[(&str, &[f64])]) -> String {
        let mut names: Vec<String> = servers.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.push("home".to_owned());
        names.sort();
        let known = |at: &f64| if *at < 0.0 { None } else { place(*at) };
        let servers = servers.iter().flat_map(|(name, at)| at.iter().map(|at| server(name, "s", known(at)))).collect();
        sort(&mut names, "HOME", &DistantServers { own, servers });
        names.join(" ")
    }

    #[test]
    fn the_nearest_datacenter_is_first_after_the_own_one() {
        for (servers, expect) in [
            (&[("b", &[0.3][..]), ("a", &[0.1])][..], "home a b"),
            (&[("a", &[0.3]), ("b", &[0.1])], "home b a"),
            // The median: of three the middle one, of two the farther one.
            (&[("a", &[0.9, 0.2, 0.1]), ("b", &[0.15, 0.3])], "home a b"),
            (&[("a", &[0.0, 0.5]), ("b", &[0.4, 0.4])], "home b a"),
            // One server more that is not known may make it far.
            (&[("a", &[0.1, -1.0]), ("c", &[-1.0]), ("b", &[0.9])], "home b a c"),
            (&[("z", &[]), ("a", &[]), ("m", &[0.1])], "home m a z"),
        ] {
            assert_eq!(sorted(place(0.0), servers), expect, "{servers:?}");
        }
    }

    #[test]
    fn servers_are_told_by_datacenter_and_name_where_their_place_is_known() {
        let servers = vec![
            server("b", "s2", place(0.2)),
            server("a", "s1", place(0.1)),
            server("b", "s1", place(0.3)),
            server("b", "s3", None),
            server("c", "s1", None),
        ];
        let told = by_datacenter(DistantServers { own: None, servers });
        let told: Vec<String> = told
            .iter()
            .map(|row| {
                let servers = row.coordinates.iter().map(|server| format!("{}@{}", server.node, server.coord.vec[0]));
                format!("{} {} {}", row.datacenter, row.area, servers.collect::<Vec<_>>().join(","))
            })
            .collect();
        assert_eq!(told, ["a wan s1@0.1", "b wan s1@0.3,s2@0.2"]);
    }

    #[test]
    fn without_an_own_place_names_decide() {
        assert_eq!(sorted(None, &[("b", &[0.1]), ("a", &[0.3])]), "home a b");
    }
}
