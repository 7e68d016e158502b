//! Sends each metric to StatsD, DogStatsD and Statsite servers.
//!
//! Whoever counts something waits for none of this: values go through a bounded queue for each server, and what finds no room there is
//! left out. Names are looked up here, when there is something to send, so an agent starts without its metrics servers.

use lictor_config::runtime::TelemetrySettings;
use lictor_net::{Backoff, Shutdown, TcpStream, UdpSocket, clock, lookup_host};
use lictor_telemetry::loops::{self, LoopHandle};
use lictor_telemetry::metrics::{self, Form, Naming, Observation};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::Receiver;

/// Values that wait for one server.
const QUEUE: usize = 4096;
/// Values taken from the queue at once.
const TAKEN_MAX: usize = 256;
/// Largest datagram: what a frame of Ethernet holds, as Consul.
const PACKET_BYTES_MAX: usize = 1400;
/// Most that is written to a stream at once.
const CHUNK_BYTES_MAX: usize = 16 << 10;
/// How long a packet that is not full waits for more.
const LINGER: Duration = Duration::from_millis(100);
/// How long an address is believed.
const ADDRESS_AGE_MAX: Duration = Duration::from_secs(60);
/// How long the look-up of a name, a connection or a write may take.
const PATIENCE: Duration = Duration::from_secs(5);
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How names are told outside.
fn naming(settings: &TelemetrySettings) -> Naming {
    Naming {
        prefix: settings.metrics_prefix.clone(),
        host: if settings.disable_hostname { String::new() } else { settings.hostname.clone() },
        allowed: settings.allowed_prefixes.clone(),
        blocked: settings.blocked_prefixes.clone(),
        others: settings.filter_default,
    }
}

/// Takes over the filters alone: prefix and host stay as they were at the start.
pub(crate) fn set_filters(settings: &TelemetrySettings) {
    let registry = metrics::process();
    let Naming { prefix, host, .. } = (*registry.naming()).clone();
    registry.set_naming(Naming { prefix, host, ..naming(settings) });
}

/// A server that wants each value.
#[derive(Clone, Debug)]
enum Server {
    Datagrams { name: &'static str, address: String, form: Form },
    Stream { address: String },
}

/// Starts a loop for each server that is configured; ends them with the agent.
pub(crate) fn start(settings: &TelemetrySettings, seed: u64, shutdown: &Shutdown) {
    let registry = metrics::process();
    registry.set_naming(naming(settings));
    let servers = servers(settings);
    if servers.is_empty() {
        return;
    }
    for (server, values) in servers.iter().cloned().zip(registry.tap(servers.len(), QUEUE)) {
        let backoff = Backoff::new(WAIT_FIRST, WAIT_MAX, seed);
        match server {
            Server::Datagrams { name, address, form } => {
                let state = loops::register(name);
                let door = Door { address, state, backoff, closed_until: None };
                shutdown.spawn(Datagrams { door, form, socket: None }.run(values, shutdown.clone()));
            }
            Server::Stream { address } => {
                let state = loops::register("statsite");
                let door = Door { address, state, backoff, closed_until: None };
                shutdown.spawn(Stream { door, connection: None }.run(values, shutdown.clone()));
            }
        }
    }
}

fn servers(settings: &TelemetrySettings) -> Vec<Server> {
    let address = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let statsd =
        address(&settings.statsd_address).map(|address| Server::Datagrams { name: "statsd", address, form: Form::Statsd });
    let dogstatsd = address(&settings.dogstatsd_addr).map(|address| Server::Datagrams {
        name: "dogstatsd",
        address,
        form: Form::Dogstatsd { tags: settings.dogstatsd_tags.clone() },
    });
    let statsite = address(&settings.statsite_address).map(|address| Server::Stream { address });
    [statsite, statsd, dogstatsd].into_iter().flatten().collect()
}

/// Lines that wait to be sent together.
#[derive(Debug, Default)]
struct Packet {
    text: String,
    /// When its first line came.
    since: Option<clock::Instant>,
}

impl Packet {
    /// When it is to be sent, full or not; never, when it is empty.
    async fn due(&self) {
        match self.since {
            Some(since) => clock::sleep_until(since + LINGER).await,
            None => std::future::pending().await,
        }
    }

    fn push(&mut self, line: &str) {
        self.since.get_or_insert_with(clock::now);
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn take(&mut self) -> String {
        self.since = None;
        std::mem::take(&mut self.text)
    }
}

/// Of several addresses the one that most servers listen to: nobody says on UDP that it was the wrong one.
async fn resolve(address: &str) -> io::Result<SocketAddr> {
    let found = clock::timeout(PATIENCE, lookup_host(address)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    found?.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| io::Error::other(format!("{address} has no address")))
}

/// Where a server is, and when it may be tried again.
struct Door {
    address: String,
    state: LoopHandle,
    backoff: Backoff,
    closed_until: Option<clock::Instant>,
}

impl Door {
    /// What comes while it is closed is left out.
    fn is_closed(&self) -> bool {
        self.closed_until.is_some_and(|until| clock::now() < until)
    }

    fn opened(&mut self) {
        self.backoff.reset();
        self.closed_until = None;
        self.state.state("sending");
    }

    fn failed(&mut self, error: &io::Error) {
        self.closed_until = Some(clock::now() + self.backoff.next_wait());
        self.state.error(error);
        tracing::debug!(address = self.address, %error, "metrics cannot be sent");
    }
}

struct Datagrams {
    door: Door,
    form: Form,
    /// With when its address was looked up.
    socket: Option<(UdpSocket, clock::Instant)>,
}

impl Datagrams {
    async fn run(mut self, mut values: Receiver<Observation>, shutdown: Shutdown) {
        let (mut taken, mut packet, mut line) = (Vec::with_capacity(TAKEN_MAX), Packet::default(), String::new());
        loop {
            let mut full = Vec::new();
            tokio::select! {
                () = shutdown.requested() => break,
                () = packet.due() => full.push(packet.take()),
                _ = values.recv_many(&mut taken, TAKEN_MAX) => {
                    let naming = metrics::process().naming();
                    for value in taken.drain(..) {
                        line.clear();
                        if !self.form.write(&mut line, &naming, &value) {
                            continue;
                        }
                        if !packet.text.is_empty() && packet.text.len() + line.len() + 1 > PACKET_BYTES_MAX {
                            full.push(packet.take());
                        }
                        packet.push(&line);
                    }
                }
            }
            for text in full {
                tokio::select! {
                    () = shutdown.requested() => break,
                    () = self.send(&text) => {}
                }
            }
        }
        if let Some((socket, _)) = &self.socket {
            let _ = clock::timeout(LINGER, socket.send(packet.take().as_bytes())).await;
        }
    }

    /// Sends once, or not at all.
    async fn send(&mut self, text: &str) {
        let known = self.socket.as_ref().is_some_and(|(_, since)| since.elapsed() < ADDRESS_AGE_MAX);
        if !known && !self.door.is_closed() {
            match open(&self.door.address).await {
                Ok(socket) => {
                    self.door.opened();
                    self.socket = Some((socket, clock::now()));
                }
                // The address that was good until now may still be.
                Err(error) => self.door.failed(&error),
            }
        }
        let Some((socket, _)) = &self.socket else { return };
        let sent = clock::timeout(LINGER, socket.send(text.as_bytes())).await;
        if let Err(error) = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            // Nobody listened to the datagram before, or there is no room: it may pass.
            self.door.state.error(error);
        }
    }
}

async fn open(address: &str) -> io::Result<UdpSocket> {
    let address = resolve(address).await?;
    let any: SocketAddr = if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

struct Stream {
    door: Door,
    connection: Option<TcpStream>,
}

impl Stream {
    async fn run(mut self, mut values: Receiver<Observation>, shutdown: Shutdown) {
        let (mut taken, mut packet, mut line) = (Vec::with_capacity(TAKEN_MAX), Packet::default(), String::new());
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                () = packet.due() => {}
                _ = values.recv_many(&mut taken, TAKEN_MAX) => {
                    let naming = metrics::process().naming();
                    for value in taken.drain(..) {
                        line.clear();
                        if Form::Statsd.write(&mut line, &naming, &value) {
                            packet.push(&line);
                        }
                    }
                    if packet.text.len() < CHUNK_BYTES_MAX {
                        continue;
                    }
                }
            }
            let text = packet.take();
            tokio::select! {
                () = shutdown.requested() => break,
                () = self.send(&text) => {}
            }
        }
        if let Some(connection) = &mut self.connection {
            let _ = clock::timeout(LINGER, connection.write_all(packet.take().as_bytes())).await;
        }
    }

    /// Writes once; after a failure the next chunk goes to a new connection.
    async fn send(&mut self, text: &str) {
        if self.connection.is_none() && self.door.is_closed() {
            return;
        }
        let written = clock::timeout(PATIENCE, self.write(text)).await;
        if let Err(error) = written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            self.connection = None;
            self.door.failed(&error);
        }
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = TcpStream::connect(self.door.address.as_str()).await?;
                self.door.opened();
                none.insert(connection)
            }
        };
        connection.write_all(text.as_bytes()).await
    }
}
