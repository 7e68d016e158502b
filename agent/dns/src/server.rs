//! The sockets: hickory's server around a [`Resolver`].

use crate::error::BindError;
use crate::events::{Listening, Overloaded, SocketLost};
use crate::message::{Outgoing, no_question};
use crate::resolver::{Resolver, Transport};
use crate::settings::DnsSettings;
use crate::wire::Rcode;
use hickory_proto::op::{Header, HeaderCounts};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::Queries;
use lictor_net::{Backoff, Shutdown, TcpListener, UdpSocket, bind, clock};
use lictor_rpc::Cluster;
use lictor_telemetry::{Emit, loops};
use lictor_types::Token;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Questions that wait for a recursor or another datacenter at once; more are answered with SERVFAIL.
const WAITING_MAX: usize = 4_096;
/// How long a TCP connection may be silent, or refuse to take what is sent.
const IDLE: Duration = Duration::from_secs(10);
/// Responses that may wait to be sent on one TCP connection. Its questions are answered one after another.
const RESPONSES_MAX: usize = 32;
const SOCKET_BUFFER_BYTES: usize = 1 << 20;
/// Tries to find a free port that both protocols can have.
const PORT_TRIES: usize = 16;
/// Waits before a socket that was lost is opened anew.
const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_LONGEST: Duration = Duration::from_secs(10);

/// A running server. Cheap to clone. It ends with the [`Shutdown`] it was given, and closes its sockets then.
#[derive(Clone)]
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
        let no_question = no_question().ok_or(BindError::Library)?;
        let (waiting, dice) = (Semaphore::new(WAITING_MAX), AtomicU64::new(seed));
        let handler = Handler(Arc::new(Shared { resolver: resolver.clone(), waiting, dice, no_question }));
        let mut addresses = Vec::with_capacity(open.len());
        for (udp, tcp, address) in open {
            for socket in [Socket::Udp(udp), Socket::Tcp(tcp)] {
                shutdown.spawn(serve(handler.clone(), socket, address, seed, shutdown.clone()));
            }
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

    /// Changes the token that is shown with every question from now on.
    pub fn set_token(&self, token: Token) {
        self.resolver.set_token(token);
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
        let tcp = bind::tcp(address, TCP)?;
        let actual = tcp.local_addr().unwrap_or(address);
        match bind::udp(actual, UDP, SOCKET_BUFFER_BYTES) {
            Ok(udp) => return Ok((udp, tcp, actual)),
            Err(_) if tries > 1 => tries -= 1,
            Err(error) => return Err(error.into()),
        }
    }
}

const UDP: &str = "DNS over UDP";
const TCP: &str = "DNS over TCP";

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

/// Serves one socket until the shutdown. The library gives a socket up on some errors: then it is opened anew.
async fn serve(handler: Handler, socket: Socket, address: SocketAddr, seed: u64, shutdown: Shutdown) {
    let (purpose, listed) = match &socket {
        Socket::Udp(_) => (UDP, loops::register("dns.udp")),
        Socket::Tcp(_) => (TCP, loops::register("dns.tcp")),
    };
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_LONGEST, seed);
    let mut socket = Some(socket);
    loop {
        if let Some(socket) = socket.take() {
            let mut server = Server::new(handler.clone());
            match socket {
                Socket::Udp(udp) => server.register_socket(udp),
                Socket::Tcp(tcp) => server.register_listener(tcp, IDLE, RESPONSES_MAX),
            }
            let stop = server.shutdown_token().clone();
            let ended = {
                let mut running = pin!(server.block_until_done());
                tokio::select! {
                    ended = &mut running => ended,
                    () = shutdown.requested() => {
                        stop.cancel();
                        running.await
                    }
                }
            };
            if shutdown.is_requested() {
                return;
            }
            let error = ended.err().map_or_else(|| "the server ended".to_owned(), |error| error.to_string());
            listed.error(&error);
            SocketLost { address, purpose, error: &error }.emit();
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = clock::sleep(backoff.next_wait()) => {}
        }
        let reopened = match purpose {
            UDP => bind::udp(address, UDP, SOCKET_BUFFER_BYTES).map(Socket::Udp),
            _ => bind::tcp(address, TCP).map(Socket::Tcp),
        };
        match reopened {
            Ok(open) => socket = Some(open),
            Err(error) => listed.error(&error),
        }
    }
}

/// What answers the questions that hickory's server has read.
#[derive(Clone)]
struct Handler(Arc<Shared>);

struct Shared {
    resolver: Arc<Resolver>,
    waiting: Semaphore,
    /// Decides the order of records, another one for each question.
    dice: AtomicU64,
    no_question: Queries,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut out: R) -> ResponseInfo {
        let shared = &*self.0;
        let transport = if request.protocol() == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
        let dice = shared.dice.fetch_add(1, Ordering::Relaxed);
        let mut answering = pin!(shared.resolver.reply(request, transport, dice));
        let reply = match at_once(answering.as_mut()).await {
            Some(reply) => reply,
            None => match shared.waiting.try_acquire() {
                Ok(_slot) => answering.await,
                Err(_) => {
                    Overloaded { what: "waiting questions" }.emit();
                    Outgoing::refusal(&request.metadata, Rcode::ServFail)
                }
            },
        };
        match out.send_response(reply.message(&request.queries, &shared.no_question)).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(peer = %request.src(), %error, "sending a DNS response failed");
                Header { metadata: reply.metadata, counts: HeaderCounts::default() }.into()
            }
        }
    }
}

/// Runs a future as far as it goes without waiting. Most answers come from memory and are there at once.
async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
