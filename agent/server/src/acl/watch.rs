//! Waiting for changes of what tokens may do.

use crate::server::Server;
use lictor_catalog::{QueryScope, WatchSet};
use lictor_net::clock;
use lictor_types::acl::{ANONYMOUS_SECRET, AclQuery, AclTokenFilter};
use lictor_types::{Query, Token};

impl Server {
    /// Fires when a policy, role or token changes. Nothing is watched where nobody enforces them.
    pub(crate) fn watch_acl(&self) -> WatchSet {
        let mut all = WatchSet::new();
        if self.settings.acl.is_some() {
            // A question about one that cannot be there: the whole table is watched, and nothing is read.
            let none = String::new;
            let tokens = AclTokenFilter { policy: "-".to_owned(), ..AclTokenFilter::default() };
            for asked in [AclQuery::Policy(none()), AclQuery::Role(none()), AclQuery::Tokens(tokens)] {
                if let Some((_, _, watch)) = self.catalog.query(&Query::Acl(Box::new(asked)), &QueryScope::default()) {
                    all.merge(&watch);
                }
            }
        }
        all
    }

    /// Waits a while until the first leader has written what is built in, and until this server is as far as the leader if it is to lead.
    pub(crate) async fn wait_for_acl(&self) {
        let ready = async {
            loop {
                let watch = self.watch_acl();
                if !self.is_acl_primary() || self.catalog.snapshot().acl_token_of(&Token::new(ANONYMOUS_SECRET)).is_some() {
                    return;
                }
                watch.changed().await;
            }
        };
        tokio::select! {
            () = ready => {}
            () = clock::sleep(self.settings.leader_wait) => {}
            () = self.shutdown.requested() => {}
        }
    }
}
