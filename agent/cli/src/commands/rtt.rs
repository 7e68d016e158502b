//! `lictor rtt`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::switch;
use lictor_types::coordinate::Coordinate;
use serde_json::Value;
use std::process::ExitCode;

/// `lictor rtt`
pub const RTT: Command = Command {
    name: "rtt",
    about: "Estimates the round trip between two nodes",
    arguments: "NODE1 [NODE2]",
    help: "From the network coordinates that the nodes keep. NODE2 is the agent's own node by default. With -wan, names end in their datacenter: node.dc.\n\nExamples:\n  lictor rtt web-1\n  lictor rtt -wan s1.east s2.west",
    flags: &[switch("wan", "Use the coordinates of the WAN pool.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (first, second) = match given.rest()[..] {
        [first] => (first.to_owned(), None),
        [first, second] => (first.to_owned(), Some(second.to_owned())),
        _ => return Err(Failure::Misused("One or two node names must be specified".to_owned())),
    };
    let wan = given.is_on("wan");
    let parts = |node: &str| node.rsplit_once('.').map(|(name, datacenter)| (name.to_owned(), datacenter.to_owned()));
    if wan && (parts(&first).is_none() || second.as_deref().is_some_and(|node| parts(node).is_none())) {
        return Err(Failure::Usage("Node names must be specified as <node name>.<datacenter> with -wan".to_owned()));
    }
    let second = match second {
        Some(second) => second,
        None => {
            let own = client.agent_self().await.map_err(Failure::while_doing("Unable to look up agent info"))?;
            let text = |pointer: &str| own.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
            if wan { format!("{}.{}", text("/Config/NodeName"), text("/Config/Datacenter")) } else { text("/Config/NodeName") }
        }
    };
    let failed = Failure::while_doing("Error getting coordinates");
    // Name as asked, segment or area, coordinate.
    let known: Vec<(String, String, Coordinate)> = if wan {
        let datacenters = client.datacenter_coordinates().await.map_err(failed)?;
        let rows = datacenters.into_iter().flat_map(|dc| {
            let (area, datacenter) = (dc.area, dc.datacenter);
            dc.coordinates.into_iter().map(move |row| (format!("{}.{datacenter}", row.node), area.clone(), row.coord))
        });
        rows.collect()
    } else {
        let rows = client.node_coordinates().await.map_err(failed)?;
        rows.into_iter().map(|row| (row.node.to_string(), row.segment, row.coord)).collect()
    };
    let of = |name: &str| -> Vec<&(String, String, Coordinate)> { known.iter().filter(|row| row.0 == name).collect() };
    let (ours, theirs) = (of(&first), of(&second));
    for (name, rows) in [(&first, &ours), (&second, &theirs)] {
        if rows.is_empty() {
            return Err(Failure::Failed(format!("Could not find a coordinate for node {name:?}")));
        }
    }
    // Coordinates of different areas cannot be compared.
    let distance = ours.iter().flat_map(|a| theirs.iter().map(move |b| (a, b))).filter(|(a, b)| a.1 == b.1);
    let Some(seconds) = distance.filter_map(|(a, b)| a.2.distance(&b.2)).next() else {
        return Err(Failure::Failed(format!("{first} and {second} have no coordinates that can be compared")));
    };
    let pool = if wan { "WAN" } else { "LAN" };
    terminal.say(&format!("Estimated {first} <-> {second} rtt: {:.3} ms (using {pool} coordinates)", seconds * 1000.0));
    Ok(ExitCode::SUCCESS)
}
