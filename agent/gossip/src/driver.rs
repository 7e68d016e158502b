//! Moves the engine's bytes: datagrams, streams, timers; and keeps what a pool needs over restarts.
//!
//! One task owns the [engine](crate::engine::Engine) and the UDP socket (`pump`); each stream is a task of its own (`streams`)
//! that asks the first over a bounded channel. The first never waits for any of them.

mod address;
mod envelope;
pub mod error;
mod frame;
mod handle;
mod hush;
mod peers;
mod pump;
mod rejoin;
pub mod settings;
mod streams;

pub use error::{AddressError, GossipError, JoinFailed, RetryError};
pub use handle::{EventStream, GossipHandle, GossipStats, Heard};
pub use rejoin::RetryJoin;
pub use settings::{Encryption, GossipSettings, Interference, Pool, StreamLimits};

use crate::engine::{Engine, Own};
use crate::events::{KeyIgnored, Started};
use crate::keyring::store::KeyStore;
use envelope::Envelopes;
use hush::Hushes;
use lictor_net::bind::{self, BindError};
use lictor_net::{Shutdown, TcpListener, UdpSocket, clock};
use peers::PeersFile;
use pump::Pump;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

/// Receive buffer asked of the system: a burst of a large pool, while the agent is busy.
const RECEIVE_BYTES: usize = 2 << 20;
/// Commands that may wait for the pump.
const COMMANDS_MAX: usize = 256;
/// Answers that may wait for the pump.
const REPLIES_MAX: usize = 256;
/// Ports tried until one is free in UDP and TCP.
const FREE_PORT_TRIES: usize = 32;
/// Unit in which the memory of large frames is counted.
pub(crate) const BUDGET_UNIT: usize = 1024;

/// A pool: this agent as a member of it.
#[derive(Debug)]
pub struct Gossip;

/// What the pump, the streams and the handles share.
pub(crate) struct Shared {
    pub(crate) pool: &'static str,
    pub(crate) own: Own,
    pub(crate) local: SocketAddr,
    pub(crate) default_port: u16,
    pub(crate) leave_propagate_delay: Duration,
    pub(crate) envelopes: Envelopes,
    pub(crate) interference: Option<Arc<dyn Interference>>,
    pub(crate) limits: StreamLimits,
    /// Own streams that may still be opened.
    pub(crate) opened: Arc<Semaphore>,
    /// Memory that large frames may still take, in units of [`BUDGET_UNIT`].
    pub(crate) budget: Semaphore,
    pub(crate) shutdown: Shutdown,
    pub(crate) hush: Hushes,
}

impl Gossip {
    /// Binds the sockets and begins to gossip; comes back to the members of the last run, if they were kept. The tasks end with
    /// `shutdown`. An advertised port 0 becomes the bound one.
    pub async fn start(settings: GossipSettings, mut own: Own, shutdown: Shutdown) -> Result<GossipHandle, GossipError> {
        check(&settings, &own)?;
        let keys = open_keys(&settings).await?;
        let (listener, udp) = listen(&settings)?;
        let local = local_address(&listener, &settings)?;
        if own.address.port() == 0 {
            own.address.set_port(local.port());
        }
        let mut chance = StdRng::seed_from_u64(settings.seed);
        let shared = Arc::new(Shared {
            pool: settings.pool.name(),
            own: own.clone(),
            local,
            default_port: settings.default_port,
            leave_propagate_delay: settings.leave_propagate_delay,
            envelopes: Envelopes {
                keys,
                verify_incoming: !settings.encryption.accept_clear,
                verify_outgoing: !settings.encryption.send_clear,
            },
            interference: settings.interference.clone(),
            limits: settings.streams,
            opened: Arc::new(Semaphore::new(settings.streams.opened)),
            budget: Semaphore::new(settings.streams.bytes.max(frame::FRAME_BYTES_MAX).div_ceil(BUDGET_UNIT)),
            shutdown: shutdown.clone(),
            hush: Hushes::default(),
        });
        let encrypted = shared.envelopes.keys.current().is_some();
        Started { pool: shared.pool, address: local, node: &own.name, encrypted }.emit();

        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let (replies, replied) = mpsc::channel(REPLIES_MAX);
        let events = broadcast::Sender::new(settings.events_max.max(1));
        let engine = Engine::new(settings.engine.clone(), own, Duration::ZERO, chance.next_u64());
        let members = watch::Sender::new(engine.members());
        let peers_file = settings.file("peers").map(PeersFile);
        let kept = watch::Sender::new(None);
        let handle = GossipHandle {
            commands: commands.clone(),
            members: members.subscribe(),
            events: events.downgrade(),
            shared: Arc::clone(&shared),
        };
        if let Some(file) = peers_file {
            let last = rejoin::read(&file, settings.rejoin_after_leave).await;
            shutdown.spawn(rejoin::keep(file, kept.subscribe(), settings.peers_interval, Arc::clone(&shared)));
            if !last.is_empty() {
                shutdown.spawn(rejoin::rejoin(handle.clone(), last, chance.next_u64()));
            }
        }
        shutdown.spawn(streams::serve(listener, Arc::clone(&shared), commands));
        let pump =
            Pump::new(engine, udp, shared, clock::now(), pump::Channels { asked, replies, replied, events, members, kept });
        shutdown.spawn(pump.run());
        Ok(handle)
    }
}

fn check(settings: &GossipSettings, own: &Own) -> Result<(), GossipError> {
    if own.address.ip().is_unspecified() {
        return Err(GossipError::Settings(format!("others cannot reach {}: advertise an address of this machine", own.address)));
    }
    if settings.default_port == 0 || settings.streams.served == 0 || settings.streams.opened == 0 {
        return Err(GossipError::Settings("a port or a limit of streams is 0".to_owned()));
    }
    Ok(())
}

async fn open_keys(settings: &GossipSettings) -> Result<KeyStore, GossipError> {
    let file = settings.file("keyring").filter(|_| settings.encryption.keep_file);
    let key = settings.encryption.key.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let (store, ignored) = KeyStore::open(file.clone(), Some(&key))?;
        if let (true, Some(path)) = (ignored, &file) {
            KeyIgnored { path }.emit();
        }
        Ok(store)
    });
    opening.await.map_err(|_| GossipError::Ended)?
}

/// TCP and UDP on the same port.
fn listen(settings: &GossipSettings) -> Result<(TcpListener, UdpSocket), BindError> {
    let purpose = match settings.pool {
        Pool::Lan => "LAN gossip",
        Pool::Wan => "WAN gossip",
    };
    let both = || {
        let listener = bind::tcp(settings.bind, purpose)?;
        let mut address = settings.bind;
        if let (0, Ok(bound)) = (address.port(), listener.local_addr()) {
            address.set_port(bound.port());
        }
        Ok((listener, bind::udp(address, purpose, RECEIVE_BYTES)?))
    };
    // A port that TCP has free may be taken in UDP: that is another's chance only when any port will do.
    let tries = if settings.bind.port() == 0 { FREE_PORT_TRIES } else { 1 };
    let mut last = both();
    for _ in 1..tries {
        if last.is_ok() {
            break;
        }
        last = both();
    }
    last
}

fn local_address(listener: &TcpListener, settings: &GossipSettings) -> Result<SocketAddr, BindError> {
    let wrong = |source| BindError { address: settings.bind.to_string(), purpose: "gossip".to_owned(), source };
    listener.local_addr().map_err(wrong)
}
