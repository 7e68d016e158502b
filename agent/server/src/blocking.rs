//! Blocking queries: an answer that is given once it differs, or when the time is up.

use crate::authorize;
use crate::cache::Found;
use crate::prepared::is_missing;
use crate::query::Asked;
use crate::server::Server;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::{Index, QueryOptions};
use rand::RngExt;
use std::time::Duration;

/// Up to this part of the wait is added, so that clients that began together do not come back together.
const JITTER_PART: u32 = 16;

impl Server {
    /// Answers at once when the index has passed `min_index` (or none is given), else after the next change that moves it past, or
    /// when the time is up, when an older state is restored, or when this agent ends; then with what there is.
    pub(crate) async fn wait_for_change(&self, asked: &mut Asked<'_>, options: &QueryOptions) -> Result<Found, ClusterError> {
        if options.min_index == Index(0) {
            return self.evaluate(asked, false);
        }
        let begun_at = self.catalog.snapshot().index();
        let mut timeout = std::pin::pin!(clock::sleep(self.patience(options.wait)));
        let mut over = false;
        loop {
            // Who loses a right while waiting is told at once; the watch is set before the rules are read.
            let rules = self.watch_acl();
            asked.authorizer = self.authorizer(&options.token).await?;
            authorize::query(&asked.authorizer, asked.query)?;
            let found = self.evaluate(asked, true)?;
            if over || found.index > options.min_index || is_missing(asked, &found.content.reply) {
                return Ok(found);
            }
            // What was answered last must not be kept alive by those who wait for its successor.
            drop(found.content);
            tokio::select! {
                // An older state was put in its place: what comes after the index that is waited for is no news of this one.
                () = found.watch.changed() => over = self.catalog.snapshot().index() < begun_at,
                () = rules.changed() => {}
                () = &mut timeout => over = true,
                () = self.shutdown.requested() => over = true,
            }
        }
    }

    fn patience(&self, wait: Option<Duration>) -> Duration {
        let wait = match wait {
            None | Some(Duration::ZERO) => self.settings.query_time_default,
            Some(wait) => wait.min(self.settings.query_time_max),
        };
        let most = u64::try_from((wait / JITTER_PART).as_micros()).unwrap_or(u64::MAX);
        wait + Duration::from_micros(self.chance.lock().random_range(0..=most))
    }
}
