//! The sockets: UDP and TCP loops around a [`Resolver`].

use crate::error::BindError;
use crate::events::{Listening, Overloaded};
use crate::request::{Decoded, Request, decode};
use crate::resolver::{Resolver, Transport};
use crate::settings::DnsSettings;
use lictor_net::{Shutdown, TcpListener, TcpStream, UdpSocket, bind, clock};
use lictor_rpc::Cluster;
use lictor_telemetry::{Emit, loops};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};

/// Largest datagram taken; requests are far smaller.
const DATAGRAM_LEN_MAX: usize = 4_096;
/// Questions that wait for a recursor or another datacenter at once; more are dropped (the client asks again).
const WAITING_MAX: usize = 4_096;
/// TCP connections at once; more are closed.
const CONNECTIONS_MAX: usize = 1_024;
/// Questions under way on one TCP connection; then it is not read until one is answered.
const PIPELINE_MAX: usize = 32;
/// How long a TCP connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// How long a client may take to accept a response over TCP.
const WRITE: Duration = Duration::from_secs(10);
/// Tasks that read one UDP socket.
const READERS_MAX: usize = 4;
/// Datagrams a reader takes before others of the runtime may run.
const BATCH: usize = 64;
const SOCKET_BUFFER_BYTES: usize = 1 << 20;
/// Tries to find a free port that both protocols can have.
const PORT_TRIES: usize = 16;

/// A running server. It ends with the [`Shutdown`] it was given, and closes its sockets then.
pub struct DnsServer {
    resolver: Arc<Resolver>,
    addresses: Vec<SocketAddr>,
}

impl DnsServer {
    /// Opens all listeners, UDP and TCP, and starts to answer. `seed` decides the order of records.
    ///
    /// # Errors
    /// When an address can't be used or a domain is no name; nothing stays open then.
    pub async fn bind(
        settings: DnsSettings,
        cluster: Arc<dyn Cluster>,
        seed: u64,
        shutdown: &Shutdown,
    ) -> Result<Self, BindError> {
        let listeners = settings.listeners.clone();
        let resolver = Arc::new(Resolver::new(settings, cluster)?);
        let mut open = Vec::with_capacity(listeners.len());
        for address in listeners {
            open.push(bind_both(address)?);
        }
        let mut rng = SmallRng::seed_from_u64(seed);
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let readers = std::thread::available_parallelism().map_or(1, |n| n.get().min(READERS_MAX));
        let mut addresses = Vec::with_capacity(open.len());
        for (udp, tcp, address) in open {
            let udp = Arc::new(udp);
            for _ in 0..readers {
                let loop_ = UdpLoop {
                    resolver: resolver.clone(),
                    socket: udp.clone(),
                    waiting: waiting.clone(),
                    rng: SmallRng::seed_from_u64(rng.next_u64()),
                    shutdown: shutdown.clone(),
                };
                shutdown.spawn(loop_.run());
            }
            let accept = TcpLoop {
                resolver: resolver.clone(),
                listener: tcp,
                connections: connections.clone(),
                rng: SmallRng::seed_from_u64(rng.next_u64()),
                shutdown: shutdown.clone(),
            };
            shutdown.spawn(accept.run());
            Listening { address }.emit();
            addresses.push(address);
        }
        Ok(Self { resolver, addresses })
    }

    /// Where it listens, in the order of the settings, with the ports in effect.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Changes all settings but the listeners, for every question from now on.
    ///
    /// # Errors
    /// When a domain is no name: everything stays as it was.
    pub fn update(&self, settings: DnsSettings) -> Result<(), BindError> {
        self.resolver.update(settings)
    }

    /// The resolver behind the sockets.
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }
}

/// Both sockets of an address. TCP comes first: it is the one that tells when the port is taken by another server.
fn bind_both(address: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), BindError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        let tcp = bind::tcp(address, "DNS over TCP")?;
        let actual = tcp.local_addr().unwrap_or(address);
        match bind::udp(actual, "DNS over UDP", SOCKET_BUFFER_BYTES) {
            Ok(udp) => return Ok((udp, tcp, actual)),
            Err(_) if tries > 1 => tries -= 1,
            Err(error) => return Err(error.into()),
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

fn answering(resolver: Arc<Resolver>, request: Box<Request>, transport: Transport, dice: u64) -> Answering {
    Box::pin(async move { resolver.answer(&request, transport, dice).await })
}

/// Runs a future as far as it goes without waiting. Most answers come from memory and are there at once.
async fn at_once(future: &mut Answering) -> Option<Vec<u8>> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(bytes) => Poll::Ready(Some(bytes)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

struct UdpLoop {
    resolver: Arc<Resolver>,
    socket: Arc<UdpSocket>,
    waiting: Arc<Semaphore>,
    rng: SmallRng,
    shutdown: Shutdown,
}

impl UdpLoop {
    async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        let mut requested = pin!(shutdown.requested());
        let listed = loops::register("dns.udp");
        let mut buffer = vec![0; DATAGRAM_LEN_MAX];
        loop {
            let ready = tokio::select! {
                () = &mut requested => return,
                ready = self.socket.readable() => ready,
            };
            if let Err(error) = ready {
                listed.error(&error);
                continue;
            }
            for _ in 0..BATCH {
                match self.socket.try_recv_from(&mut buffer) {
                    Ok((len, peer)) => self.take(&buffer[..len], peer).await,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP error of an earlier answer; the next datagram is not concerned.
                    Err(error) => tracing::debug!(%error, "receiving a DNS datagram failed"),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn take(&mut self, packet: &[u8], peer: SocketAddr) {
        let bytes = match decode(packet) {
            Decoded::Drop => return,
            Decoded::Refuse(bytes) => bytes,
            Decoded::Request(request) => {
                let mut future = answering(self.resolver.clone(), request, Transport::Udp, self.rng.next_u64());
                match at_once(&mut future).await {
                    Some(bytes) => bytes,
                    None => return self.wait_for(future, peer),
                }
            }
        };
        send(&self.socket, &bytes, peer).await;
    }

    /// Answers later, so that one slow recursor holds up nobody else.
    fn wait_for(&self, future: Answering, peer: SocketAddr) {
        let Ok(permit) = self.waiting.clone().try_acquire_owned() else {
            return Overloaded { what: "waiting questions" }.emit();
        };
        let (socket, shutdown) = (self.socket.clone(), self.shutdown.clone());
        self.shutdown.spawn(async move {
            tokio::select! {
                () = shutdown.requested() => {}
                bytes = future => send(&socket, &bytes, peer).await,
            }
            drop(permit);
        });
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr) {
    let sent = match socket.try_send_to(bytes, peer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.send_to(bytes, peer).await,
        sent => sent,
    };
    if let Err(error) = sent {
        tracing::debug!(%peer, %error, "sending a DNS response failed");
    }
}

struct TcpLoop {
    resolver: Arc<Resolver>,
    listener: TcpListener,
    connections: Arc<Semaphore>,
    rng: SmallRng,
    shutdown: Shutdown,
}

impl TcpLoop {
    async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        let listed = loops::register("dns.tcp");
        loop {
            let accepted = tokio::select! {
                () = shutdown.requested() => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accepting a DNS connection failed");
                    listed.error(&error);
                    // Out of file descriptors: wait for some to come back.
                    clock::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(permit) = self.connections.clone().try_acquire_owned() else {
                Overloaded { what: "connections" }.emit();
                continue;
            };
            let (resolver, ending) = (self.resolver.clone(), shutdown.clone());
            let rng = SmallRng::seed_from_u64(self.rng.next_u64());
            shutdown.spawn(async move {
                tokio::select! {
                    () = ending.requested() => {}
                    ended = converse(resolver, stream, rng, &ending) => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "a DNS connection ended");
                        }
                    }
                }
                drop(permit);
            });
        }
    }
}

/// One connection: questions are read while earlier ones are answered, in whatever order answers come (RFC 7766 §6.2.1.1).
async fn converse(resolver: Arc<Resolver>, stream: TcpStream, mut rng: SmallRng, shutdown: &Shutdown) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let (answers, mut ready) = mpsc::channel::<Vec<u8>>(PIPELINE_MAX);
    let slots = Arc::new(Semaphore::new(PIPELINE_MAX));
    let reading = async move {
        let mut packet = Vec::new();
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(()) };
            let len = match clock::timeout(IDLE, reader.read_u16()).await {
                Ok(Ok(len)) => len,
                // Silence, or the end of the stream: what is under way is still answered.
                Ok(Err(_)) | Err(_) => return Ok(()),
            };
            packet.resize(usize::from(len), 0);
            match clock::timeout(IDLE, reader.read_exact(&mut packet)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return Ok(()),
            }
            let bytes = match decode(&packet) {
                Decoded::Drop => return Ok(()),
                Decoded::Refuse(bytes) => bytes,
                Decoded::Request(request) => {
                    let mut future = answering(resolver.clone(), request, Transport::Tcp, rng.next_u64());
                    match at_once(&mut future).await {
                        Some(bytes) => bytes,
                        None => {
                            let (answers, ending) = (answers.clone(), shutdown.clone());
                            shutdown.spawn(async move {
                                tokio::select! {
                                    () = ending.requested() => {}
                                    // Without a connection the answer goes nowhere.
                                    bytes = future => drop(answers.send(bytes).await),
                                }
                                drop(slot);
                            });
                            continue;
                        }
                    }
                }
            };
            if answers.send(bytes).await.is_err() {
                return Ok::<(), io::Error>(());
            }
        }
    };
    let writing = async move {
        while let Some(bytes) = ready.recv().await {
            let Ok(len) = u16::try_from(bytes.len()) else { continue };
            let mut framed = Vec::with_capacity(bytes.len() + 2);
            framed.extend_from_slice(&len.to_be_bytes());
            framed.extend_from_slice(&bytes);
            clock::timeout(WRITE, writer.write_all(&framed)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        }
        Ok::<(), io::Error>(())
    };
    // The reader's end closes the channel once nothing is under way, and so ends the writer.
    let (read, written) = tokio::join!(reading, writing);
    read.and(written)
}
