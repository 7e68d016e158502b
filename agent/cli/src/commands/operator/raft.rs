//! `lictor operator raft …`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::value;
use crate::table;
use std::process::ExitCode;

/// `lictor operator raft list-peers`
pub const LIST_PEERS: Command = Command {
    name: "operator raft list-peers",
    about: "Lists the servers that replicate the state",
    arguments: "",
    help: "Example:\n  lictor operator raft list-peers",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list_peers(invocation)) as Work<'_>,
};

/// `lictor operator raft remove-peer`
pub const REMOVE_PEER: Command = Command {
    name: "operator raft remove-peer",
    about: "Takes a server out of those that replicate the state",
    arguments: "",
    help: "For a server that is gone for good and that `force-leave` did not take out.\n\nExample:\n  lictor operator raft remove-peer -address=10.0.0.1:8300",
    flags: &[
        value("address", "address", "Address of the server, as `list-peers` shows it."),
        value("id", "id", "Id of the server, as `list-peers` shows it."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(remove_peer(invocation)) as Work<'_>,
};

/// `lictor operator raft transfer-leader`
pub const TRANSFER_LEADER: Command = Command {
    name: "operator raft transfer-leader",
    about: "Hands the leadership to another server",
    arguments: "",
    help: "Example:\n  lictor operator raft transfer-leader -id=8f246b77-f3e1-ff88-5b48-8ec93abf3e05",
    flags: &[value("id", "id", "Id of the server that is to lead; one that is up to date by default.")],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(transfer_leader(invocation)) as Work<'_>,
};

async fn list_peers(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let servers = invocation
        .client
        .raft_servers()
        .await
        .map_err(Failure::while_doing("Error getting peers: Failed to retrieve raft configuration"))?;
    let mut rows = vec![["Node", "ID", "Address", "State", "Voter", "RaftProtocol"].map(str::to_owned).to_vec()];
    for server in servers {
        let state = if server.leader { "leader" } else { "follower" };
        let protocol = if server.protocol_version.is_empty() { "<=1".to_owned() } else { server.protocol_version };
        rows.push(vec![server.node, server.id, server.address, state.to_owned(), server.voter.to_string(), protocol]);
    }
    table::print(&rows, invocation.terminal);
    Ok(ExitCode::SUCCESS)
}

async fn remove_peer(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let (address, id) = (invocation.given.text("address"), invocation.given.text("id"));
    let (by, value) = match (address.is_empty(), id.is_empty()) {
        (true, true) => {
            return Err(Failure::Usage("Error removing peer: an address or id is required for the peer to remove".to_owned()));
        }
        (false, false) => return Err(Failure::Usage("Error removing peer: cannot give both an address and id".to_owned())),
        (false, true) => ("address", address),
        (true, false) => ("id", id),
    };
    invocation.client.remove_raft_peer(by, value).await.map_err(Failure::while_doing("Error removing peer"))?;
    invocation.terminal.say(&format!("Removed peer with {by} {value:?}"));
    Ok(ExitCode::SUCCESS)
}

async fn transfer_leader(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    invocation
        .client
        .transfer_raft_leader(invocation.given.text("id"))
        .await
        .map_err(Failure::while_doing("Error transfering leadership"))?;
    invocation.terminal.say("Success");
    Ok(ExitCode::SUCCESS)
}
