//! Blocking queries under way, so that many local callers who wait for the same cost one request to a server.

use crate::cluster::Answer;
use crate::error::ClusterError;
use crate::route::{Route, rest_of_wait};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use lictor_net::clock;
use lictor_types::{Consistency, Query, QueryOptions, Token};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

type Flight = Shared<BoxFuture<'static, Result<Answer, ClusterError>>>;
type WeakFlight = WeakShared<BoxFuture<'static, Result<Answer, ClusterError>>>;

/// Number of entries above which those that are over are first swept out.
const SWEEP_MIN: usize = 64;

/// What makes two blocking queries equal: all that the server is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    query: Query,
    datacenter: String,
    token: Token,
    min_index: u64,
    wait: Option<Duration>,
    consistency: Consistency,
    max_stale: Option<Duration>,
    near: String,
    node_meta: BTreeMap<String, String>,
    filter: String,
    forwarded: bool,
}

impl Key {
    fn new(query: &Query, options: &QueryOptions) -> Self {
        // Field by field, so that a new option is not forgotten here.
        let QueryOptions { datacenter, token, min_index, wait, consistency, max_stale, near, node_meta, filter, forwarded } =
            options.clone();
        let (query, min_index) = (query.clone(), min_index.0);
        Self { query, datacenter, token, min_index, wait, consistency, max_stale, near, node_meta, filter, forwarded }
    }
}

/// The flights. One ends, and with it the request to the server, when the last of those who wait for it is gone.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_key: HashMap<Key, WeakFlight>,
    /// Size at which to sweep next.
    sweep_at: usize,
}

impl Flights {
    /// Waits for a change, with others who wait for the same.
    pub(crate) async fn join(&self, route: &Route, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        let begun = clock::now();
        let (flight, mut joined) = self.board(route, query, options);
        let mut answer = flight.await?;
        // Who joined late has waited less than it asked for when the flight ends without a change.
        while joined && answer.meta.index <= options.min_index {
            let Some(rest) = rest_of_wait(options, begun.elapsed()).filter(|rest| rest.wait > Some(Duration::from_millis(1)))
            else {
                break;
            };
            let (flight, again) = self.board(route, query, &rest);
            joined = again;
            answer = flight.await?;
        }
        Ok(answer)
    }

    /// The flight of an equal query and true, or a new one and false.
    fn board(&self, route: &Route, query: &Query, options: &QueryOptions) -> (Flight, bool) {
        let key = Key::new(query, options);
        let mut inner = self.inner.lock();
        // One that is over has its answer, and its index may be old by now.
        if let Some(flight) = inner.by_key.get(&key).and_then(WeakShared::upgrade)
            && flight.peek().is_none()
        {
            return (flight, true);
        }
        let (route, query, options) = (route.clone(), query.clone(), options.clone());
        let asking = async move { route.query(&query, &options, ClusterError::NoServers).await };
        let flight = asking.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            inner.by_key.insert(key, weak);
        }
        if inner.by_key.len() > inner.sweep_at.max(SWEEP_MIN) {
            inner.by_key.retain(|_, weak| weak.upgrade().is_some_and(|flight| flight.peek().is_none()));
            inner.sweep_at = inner.by_key.len() * 2;
        }
        (flight, false)
    }
}
