//! The way of a write: what Consul's endpoints refuse is refused here, what the proposer chooses is chosen, then raft.

mod intention;
pub(crate) mod validate;

use crate::authorize;
use crate::server::Server;
use lictor_acl::Authorizer;
use lictor_net::clock;
use lictor_rpc::{ClusterError, WriteOptions};
use lictor_types::{Command, ConfigEntryVerb, IntentionVerb, Outcome, PreparedQueryVerb, Register, SessionVerb, TxnReply};
use uuid::Uuid;

impl Server {
    /// Carries out a command, or lets the leader do it.
    pub(crate) async fn write_somewhere(&self, command: Command, options: &WriteOptions) -> Result<Outcome, ClusterError> {
        if self.links.pool.is_none() {
            return self.write(command, options).await;
        }
        let mut moves = 0;
        loop {
            if self.needs_leader()
                && let Some(outcome) = self.apply_at_leader(&command, options).await?
            {
                return Ok(outcome);
            }
            // Kept for the case that this server leads no longer when the command gets to raft; beside agreement among servers its
            // copy costs nothing.
            match self.write(command.clone(), options).await {
                Err(error) => {
                    if !self.has_moved(&error, options.forwarded, &mut moves).await {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Carries out a command here.
    pub(crate) async fn write(&self, mut command: Command, options: &WriteOptions) -> Result<Outcome, ClusterError> {
        fill(&mut command, clock::wall_unix_ms());
        let authorizer = self.authorizer(&options.token).await?;
        self.check_prepared_query(&command, &authorizer).await?;
        let refused = match &command {
            Command::RegisterBatch(_) | Command::Batch(_) => self.take_out_refused(&mut command, &authorizer),
            single => {
                self.validate(single).map_err(ClusterError::BadRequest)?;
                Vec::new()
            }
        };
        if let Command::Txn { ops, .. } = &command {
            // Told for each operation, and not allowed is only one of the things that may be wrong with it.
            let faults = self.txn_faults(ops, &authorizer);
            if !faults.is_empty() {
                return Ok(Outcome::Txn(TxnReply::failed(faults)));
            }
        }
        self.check_intention(&command, &authorizer)?;
        // Those of a batch were judged one by one.
        if !matches!(command, Command::RegisterBatch(_) | Command::Batch(_)) {
            authorize::command(&self.catalog.snapshot(), &authorizer, &command)?;
        }
        if is_empty(&command) {
            return Ok(Outcome::Batch(put_back(Vec::new(), refused)));
        }
        self.wait_for_lease().await?;
        self.judge_prepared_query(&command)?;
        match self.raft.propose(command).await? {
            Outcome::Refused(sentence) => Err(ClusterError::Refused(sentence)),
            Outcome::Batch(outcomes) => Ok(Outcome::Batch(put_back(outcomes, refused))),
            Outcome::Txn(mut reply) => {
                authorizer.redact_txn(&mut reply.results);
                Ok(Outcome::Txn(reply))
            }
            outcome => Ok(outcome),
        }
    }

    /// Removes the parts of a batch that are refused; answers their places and why. The rest goes on.
    fn take_out_refused(&self, command: &mut Command, authorizer: &Authorizer) -> Vec<(usize, String)> {
        let mut refused = Vec::new();
        let mut at = 0;
        let mut judge = |verdict: Result<(), String>| {
            let keep = verdict.map_err(|sentence| refused.push((at, sentence))).is_ok();
            at += 1;
            keep
        };
        match command {
            Command::RegisterBatch(registers) => {
                let state = self.catalog.snapshot();
                let may =
                    |register: &Register| authorize::register(&state, authorizer, register).map_err(|denied| denied.to_string());
                registers.retain(|register| judge(validate::register(register).and_then(|()| may(register))));
            }
            Command::Batch(parts) => {
                let state = self.catalog.snapshot();
                let may = |part: &Command| authorize::command(&state, authorizer, part).map_err(|denied| denied.to_string());
                parts.retain(|part| judge(self.validate(part).and_then(|()| may(part))));
            }
            _ => {}
        }
        refused
    }

    /// Refuses what makes no sense whatever the state is.
    fn validate(&self, command: &Command) -> Result<(), String> {
        match command {
            Command::Register(register) => validate::register(register),
            Command::Deregister(deregister) => validate::deregister(deregister),
            Command::Kv { verb, entry, .. } => validate::kv(*verb, entry),
            Command::Session { verb, session, .. } => validate::session(*verb, session, self.settings.session_ttl_min),
            Command::Coordinates(rows) => rows.iter().try_for_each(validate::coordinate),
            Command::PreparedQuery { verb, query } => validate::prepared_query(*verb, query),
            Command::Intention { verb, intention } => validate::intention(*verb, intention),
            Command::ConfigEntry { verb: ConfigEntryVerb::Delete | ConfigEntryVerb::DeleteCas, .. } => Ok(()),
            Command::ConfigEntry { entry, .. } => entry.validate(),
            Command::RegisterBatch(registers) => registers.iter().try_for_each(validate::register),
            Command::Batch(parts) => parts.iter().try_for_each(|part| self.validate(part)),
            // What is wrong with an operation of a transaction is an answer, not a failure.
            Command::Autopilot { .. } | Command::ReapTombstones(_) | Command::Txn { .. } => Ok(()),
            // Its steps belong together, and only who leads a restore knows whether they do.
            Command::Acl(_) => Err("who may do what is changed by a request".to_owned()),
            Command::Restore { .. } => Err("a snapshot is restored as a whole".to_owned()),
        }
    }
}

/// Fills in what the proposer chooses: the time, the ids of new sessions and queries, the form of configuration entries.
fn fill(command: &mut Command, now: u64) {
    match command {
        Command::Register(register) => register.now_unix_ms = now,
        Command::RegisterBatch(registers) => registers.iter_mut().for_each(|register| register.now_unix_ms = now),
        Command::Deregister(deregister) => deregister.now_unix_ms = now,
        Command::Kv { now_unix_ms, .. } | Command::Txn { now_unix_ms, .. } => *now_unix_ms = now,
        Command::Session { verb, session, now_unix_ms } => {
            *now_unix_ms = now;
            if *verb == SessionVerb::Create && session.id.is_empty() {
                session.id = Uuid::new_v4().to_string();
            }
        }
        Command::PreparedQuery { verb, query } => {
            if *verb == PreparedQueryVerb::Create && query.id.is_empty() {
                query.id = Uuid::new_v4().to_string();
            }
        }
        Command::Coordinates(_)
        | Command::ReapTombstones(_)
        | Command::Autopilot { .. }
        | Command::Restore { .. }
        | Command::Acl(_) => {}
        Command::ConfigEntry { entry, .. } => entry.normalise(),
        Command::Intention { verb, intention } => {
            intention.normalise();
            intention.created_at = intention::time(now);
            intention.updated_at.clone_from(&intention.created_at);
            intention.hash = intention::digest(intention);
            let is_new = matches!(verb, IntentionVerb::Create | IntentionVerb::Upsert);
            if is_new && intention.id.is_empty() {
                intention.id = Uuid::new_v4().to_string();
            }
        }
        Command::Batch(parts) => parts.iter_mut().for_each(|part| fill(part, now)),
    }
}

fn is_empty(command: &Command) -> bool {
    match command {
        Command::RegisterBatch(registers) => registers.is_empty(),
        Command::Batch(parts) => parts.is_empty(),
        _ => false,
    }
}

/// Puts the refusals back where their commands were.
fn put_back(outcomes: Vec<Outcome>, refused: Vec<(usize, String)>) -> Vec<Outcome> {
    let mut all = outcomes;
    for (at, sentence) in refused {
        all.insert(at.min(all.len()), Outcome::Refused(sentence));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_come_back_in_their_places() {
        let no = |sentence: &str| Outcome::Refused(sentence.to_owned());
        let refused = vec![(0, "a".to_owned()), (2, "b".to_owned()), (3, "c".to_owned())];
        assert_eq!(
            put_back(vec![Outcome::Done, Outcome::Decided(true)], refused),
            [no("a"), Outcome::Done, no("b"), no("c"), Outcome::Decided(true)]
        );
    }
}
