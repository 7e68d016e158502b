//! UDP sockets that speak with one granted address.

use crate::contract::types::Failure;
use crate::contract::udp::{Host, HostUdpSocket};
use crate::grant::{Access, parse_target};
use crate::state::{RunState, failure};
use lictor_net::{UdpSocket, clock};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use wasmtime::component::Resource;

/// The longest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// A guest's socket.
#[allow(unreachable_pub)] // The generated bindings re-export it.
pub struct Socket {
    socket: UdpSocket,
    peer: SocketAddr,
}

async fn open(peer: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = if peer.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

impl Host for RunState {}

impl HostUdpSocket for RunState {
    async fn connect(&mut self, address: String) -> wasmtime::Result<Result<Resource<Socket>, Failure>> {
        let target = match parse_target(&address) {
            Ok(target) => target,
            Err(why) => return Ok(Err(Failure::Invalid(why))),
        };
        let until = self.deadline;
        let peer = match self.resolve(Access::Udp(&target), until).await? {
            Ok(addresses) => addresses.into_iter().next(),
            Err(failure) => return Ok(Err(failure)),
        };
        let Some(peer) = peer else { return Ok(Err(Failure::Other("no address".to_owned()))) };
        self.count_connection()?;
        match open(peer).await {
            Ok(socket) => Ok(Ok(self.table.push(Socket { socket, peer })?)),
            Err(error) => Ok(Err(failure(&error))),
        }
    }

    async fn send(&mut self, this: Resource<Socket>, data: Vec<u8>) -> wasmtime::Result<Result<(), Failure>> {
        self.count_sent(data.len())?;
        let until = self.deadline;
        let socket = self.table.get(&this)?;
        Ok(match clock::timeout_at(until, socket.socket.send(&data)).await {
            Err(_) => Err(Failure::TimedOut),
            Ok(Err(error)) => Err(failure(&error)),
            Ok(Ok(_)) => Ok(()),
        })
    }

    async fn recv(&mut self, this: Resource<Socket>, max: u32, timeout_ms: u32) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let until = self.until(timeout_ms);
        let mut data = vec![0; (max as usize).min(DATAGRAM_BYTES_MAX)];
        let socket = self.table.get(&this)?;
        let got = match clock::timeout_at(until, socket.socket.recv(&mut data)).await {
            Err(_) => return Ok(Err(Failure::TimedOut)),
            Ok(Err(error)) => return Ok(Err(failure(&error))),
            Ok(Ok(got)) => got,
        };
        self.count_received(got)?;
        data.truncate(got);
        Ok(Ok(data))
    }

    async fn peer(&mut self, this: Resource<Socket>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.peer.to_string())
    }

    async fn drop(&mut self, this: Resource<Socket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
