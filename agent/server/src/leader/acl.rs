//! What is built in of access control: a new leader writes what is not there, and deletes tokens that have ended.

use super::RETRY_PAUSE;
use crate::acl::{anonymous_token, initial_token, management_policy};
use crate::events::StepFailed;
use crate::server::Server;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::acl::{ANONYMOUS_SECRET, AclCommand, GLOBAL_MANAGEMENT};
use lictor_types::{Index, Token};
use std::time::Duration;

/// Most tokens deleted in one entry.
const REAPED_MAX: usize = 512;
/// Tokens that end are looked for this often at least, and not more often than once in the shorter time.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
const LOOK_PAUSE: Duration = Duration::from_millis(500);

impl Server {
    /// Writes what is built in, until it is there.
    pub(super) async fn write_builtin_acl(&self) {
        let Some(settings) = &self.settings.acl else { return };
        if !self.is_acl_primary() {
            return;
        }
        while let Err(error) = self.write_missing_acl(&settings.initial_management).await {
            StepFailed { step: "builtin ACLs", error: &error }.emit();
            if !self.raft.is_leader() {
                return;
            }
            clock::sleep(RETRY_PAUSE).await;
        }
    }

    async fn write_missing_acl(&self, initial: &Token) -> Result<(), ClusterError> {
        let _one_at_a_time = self.changing_acl.lock().await;
        let state = self.catalog.snapshot();
        if state.acl_policy(GLOBAL_MANAGEMENT).is_none() {
            self.propose_acl(AclCommand::SetPolicies(vec![management_policy()])).await?;
            tracing::info!("Created ACL 'global-management' policy");
        }
        if !initial.is_anonymous() && state.acl_token_of(initial).is_none() {
            let tokens = vec![initial_token(initial, "Master Token")];
            let is_bootstrap = state.acl_bootstrap() == Index(0);
            self.propose_acl(AclCommand::SetTokens { tokens, is_bootstrap }).await?;
            tracing::info!("Created ACL master token from configuration");
        }
        // Last: that it is there tells that all of it is.
        if state.acl_token_of(&Token::new(ANONYMOUS_SECRET)).is_none() {
            self.propose_acl(AclCommand::SetTokens { tokens: vec![anonymous_token()], is_bootstrap: false }).await?;
            tracing::info!("Created ACL anonymous token from configuration");
        }
        Ok(())
    }

    /// Deletes tokens that have ended.
    pub(super) async fn reap_tokens_forever(&self) {
        if self.settings.acl.is_none() {
            return std::future::pending().await;
        }
        loop {
            let watch = self.watch_acl();
            let now = clock::wall_unix_ms();
            let state = self.catalog.snapshot();
            let ended = state.acl_ended(now, REAPED_MAX);
            if !ended.is_empty()
                && let Err(error) = self.propose_acl(AclCommand::DeleteTokens(ended)).await
            {
                StepFailed { step: "ended tokens", error: &error }.emit();
            }
            let until_next = self.catalog.snapshot().acl_next_end().map(|end| Duration::from_millis(end.saturating_sub(now)));
            let pause = until_next.map_or(LOOK_INTERVAL, |next| next.clamp(LOOK_PAUSE, LOOK_INTERVAL));
            clock::sleep(LOOK_PAUSE).await;
            tokio::select! {
                () = clock::sleep(pause.saturating_sub(LOOK_PAUSE)) => {}
                () = watch.changed() => {}
            }
        }
    }
}
