//! TCP streams to granted addresses.

use crate::contract::tcp::{Host, HostTcpConnection};
use crate::contract::types::Failure;
use crate::grant::{Access, Host as Name, Target, parse_target};
use crate::state::{RunState, failure};
use lictor_net::{TcpStream, clock};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wasmtime::component::Resource;

/// The longest answer of one `recv`.
const RECV_BYTES_MAX: usize = 64 << 10;

/// What goes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A guest's stream.
#[allow(unreachable_pub)] // The generated bindings re-export it.
pub struct Connection {
    /// None after hands that were not shaken.
    pub(crate) stream: Option<Box<dyn Duplex>>,
    pub(crate) is_secured: bool,
    /// What was connected to.
    pub(crate) host: Name,
    peer: SocketAddr,
}

impl Connection {
    /// Sends all of it; TLS keeps what it did not have to send yet.
    async fn send(&mut self, data: &[u8]) -> Result<(), Failure> {
        let stream = self.stream.as_mut().ok_or(Failure::Closed)?;
        stream.write_all(data).await.map_err(|error| failure(&error))?;
        stream.flush().await.map_err(|error| failure(&error))
    }

    async fn recv(&mut self, data: &mut [u8]) -> Result<usize, Failure> {
        let stream = self.stream.as_mut().ok_or(Failure::Closed)?;
        stream.read(data).await.map_err(|error| failure(&error))
    }
}

/// Connects to the first granted address that answers.
pub(crate) async fn connect(
    state: &mut RunState,
    access: Access<'_>,
    until: clock::Instant,
) -> wasmtime::Result<Result<(TcpStream, SocketAddr), Failure>> {
    let addresses = match state.resolve(access, until).await? {
        Ok(addresses) => addresses,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut last = Failure::Other("no address".to_owned());
    for address in addresses {
        state.count_connection()?;
        match clock::timeout_at(until, TcpStream::connect(address)).await {
            Err(_) => return Ok(Err(Failure::TimedOut)),
            Ok(Ok(stream)) => {
                // Small questions and answers: waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                return Ok(Ok((stream, address)));
            }
            Ok(Err(error)) => last = failure(&error),
        }
    }
    Ok(Err(last))
}

impl Host for RunState {}

impl HostTcpConnection for RunState {
    async fn connect(&mut self, address: String, timeout_ms: u32) -> wasmtime::Result<Result<Resource<Connection>, Failure>> {
        let target: Target = match parse_target(&address) {
            Ok(target) => target,
            Err(why) => return Ok(Err(Failure::Invalid(why))),
        };
        let until = self.until(timeout_ms);
        match connect(self, Access::Tcp(&target), until).await? {
            Ok((stream, peer)) => {
                let stream: Option<Box<dyn Duplex>> = Some(Box::new(stream));
                Ok(Ok(self.table.push(Connection { stream, is_secured: false, host: target.host, peer })?))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn send(
        &mut self,
        this: Resource<Connection>,
        data: Vec<u8>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.count_sent(data.len())?;
        let until = self.until(timeout_ms);
        let connection = self.table.get_mut(&this)?;
        Ok(clock::timeout_at(until, connection.send(&data)).await.unwrap_or(Err(Failure::TimedOut)))
    }

    async fn recv(
        &mut self,
        this: Resource<Connection>,
        max: u32,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let until = self.until(timeout_ms);
        let wanted = (max as usize).min(RECV_BYTES_MAX).min(self.bytes_left());
        let mut data = vec![0; wanted];
        let connection = self.table.get_mut(&this)?;
        let got = match clock::timeout_at(until, connection.recv(&mut data)).await.unwrap_or(Err(Failure::TimedOut)) {
            Ok(got) => got,
            Err(failure) => return Ok(Err(failure)),
        };
        self.count_received(got)?;
        data.truncate(got);
        Ok(Ok(data))
    }

    async fn finish(&mut self, this: Resource<Connection>) -> wasmtime::Result<Result<(), Failure>> {
        let Some(stream) = self.table.get_mut(&this)?.stream.as_mut() else { return Ok(Err(Failure::Closed)) };
        Ok(stream.shutdown().await.map_err(|error| failure(&error)))
    }

    async fn peer(&mut self, this: Resource<Connection>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.peer.to_string())
    }

    async fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
