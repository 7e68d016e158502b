//! Tokens.

use super::digest;
use super::links::{self, Holder};
use super::request::{is_uuid, refused};
use crate::server::Server;
use crate::uuid_text;
use jiff::{SignedDuration, Timestamp};
use lictor_catalog::State;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::acl::{
    ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, AclCommand, AclDone, AclLink, AclToken, Bootstrap, GLOBAL_MANAGEMENT, RESERVED_PREFIX,
    TokenGiven,
};
use lictor_types::{Index, Token, duration};
use std::sync::Arc;
use uuid::Uuid;

/// Longest file that says which index bootstrapping may be done again at.
const RESET_BYTES_MAX: u64 = 64;

/// The time, to the millisecond.
pub(super) fn now() -> Option<Timestamp> {
    i64::try_from(clock::wall_unix_ms()).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

/// The token of callers who show none; it may do nothing until somebody gives it policies.
pub(crate) fn anonymous_token() -> AclToken {
    hashed(AclToken {
        accessor_id: ANONYMOUS_ACCESSOR.to_owned(),
        secret_id: Token::new(ANONYMOUS_SECRET),
        description: "Anonymous Token".to_owned(),
        create_time: now(),
        ..AclToken::default()
    })
}

/// A token with all rights.
pub(crate) fn initial_token(secret: &Token, description: &str) -> AclToken {
    hashed(AclToken {
        accessor_id: Uuid::new_v4().to_string(),
        secret_id: secret.clone(),
        description: description.to_owned(),
        policies: vec![AclLink { id: GLOBAL_MANAGEMENT.to_owned(), name: "global-management".to_owned() }],
        create_time: now(),
        ..AclToken::default()
    })
}

fn hashed(token: AclToken) -> AclToken {
    AclToken { hash: digest::token(&token), ..token }
}

fn done(state: &State, secret: &Token) -> Result<AclDone, ClusterError> {
    state.acl_token_of(secret).map(AclDone::Token).ok_or(ClusterError::AclNotFound)
}

impl Server {
    pub(super) async fn bootstrap_acl(&self) -> Result<AclDone, ClusterError> {
        let before = self.catalog.snapshot().acl_bootstrap();
        let reset = self.reset_index().await;
        if before != Index(0) && reset != Some(before.0) {
            return Err(ClusterError::Forbidden(format!("ACL bootstrap no longer allowed (reset index: {before})")));
        }
        let secret = Token::new(&Uuid::new_v4().to_string());
        let token = initial_token(&secret, "Bootstrap Token (Global Management)");
        let state = self.propose_acl(AclCommand::Bootstrap(Box::new(Bootstrap { token, reset: before }))).await?;
        if let (Some(_), Some(file)) = (reset, self.settings.acl.as_ref().and_then(|settings| settings.reset_file.clone())) {
            // It allowed this once.
            if let Err(error) = tokio::fs::remove_file(&file).await {
                tracing::warn!(file = %file.display(), %error, "the file that allowed bootstrapping anew cannot be removed");
            }
        }
        tracing::info!("ACL bootstrap completed");
        done(&state, &secret)
    }

    /// The index in the file that allows bootstrapping anew.
    async fn reset_index(&self) -> Option<u64> {
        let file = self.settings.acl.as_ref()?.reset_file.as_ref()?;
        let length = tokio::fs::metadata(file).await.ok()?.len();
        if length > RESET_BYTES_MAX {
            return None;
        }
        tokio::fs::read_to_string(file).await.ok()?.trim().parse().ok()
    }

    pub(super) async fn set_token(&self, given: &TokenGiven, create: bool) -> Result<AclDone, ClusterError> {
        let state = self.catalog.snapshot();
        let known = if create { None } else { Some(self.existing(&state, given)?) };
        let token = match known {
            None => self.new_token(&state, given)?,
            Some(known) => changed(&known, given)?,
        };
        self.finish_token(&state, token, given).await
    }

    /// Fills in what is named by name, and writes.
    pub(super) async fn finish_token(
        &self,
        state: &State,
        mut token: AclToken,
        given: &TokenGiven,
    ) -> Result<AclDone, ClusterError> {
        token.policies = links::policies(state, &given.policies, Holder::Token).map_err(refused)?;
        token.roles = links::roles(state, &given.roles).map_err(refused)?;
        token.service_identities = links::services(&given.service_identities, token.local, Holder::Token).map_err(refused)?;
        token.node_identities = links::nodes(&given.node_identities, Holder::Token).map_err(refused)?;
        let token = hashed(token);
        let secret = token.secret_id.clone();
        let state = self.propose_acl(AclCommand::SetTokens { tokens: vec![token], is_bootstrap: false }).await?;
        done(&state, &secret)
    }

    fn existing(&self, state: &State, given: &TokenGiven) -> Result<Arc<AclToken>, ClusterError> {
        if !is_uuid(&given.accessor_id) {
            return Err(refused("AccessorID is not a valid UUID"));
        }
        let known = state.acl_token(&given.accessor_id).filter(|token| !token.has_expired(clock::wall_unix_ms()));
        known.ok_or_else(|| refused(format!("Cannot find token {:?}", given.accessor_id)))
    }

    fn new_token(&self, state: &State, given: &TokenGiven) -> Result<AclToken, ClusterError> {
        let invalid = |why: &str| refused(format!("Invalid Token: {why}"));
        let reserved = || invalid(&format!("UUIDs with the prefix {RESERVED_PREFIX:?} are reserved"));
        let accessor_id = if given.accessor_id.is_empty() {
            Uuid::new_v4().to_string()
        } else {
            uuid_text::check(&given.accessor_id).map_err(|fault| {
                refused(format!("Failed acl token lookup by accessor: failed acl token lookup: index error: {fault}"))
            })?;
            if !is_uuid(&given.accessor_id) {
                return Err(invalid("AccessorID is not a valid UUID"));
            }
            if state.acl_token(&given.accessor_id).is_some() {
                return Err(invalid("AccessorID is already in use"));
            }
            if given.accessor_id.starts_with(RESERVED_PREFIX) {
                return Err(reserved());
            }
            given.accessor_id.clone()
        };
        let secret_id = if given.secret_id.is_anonymous() {
            Token::new(&Uuid::new_v4().to_string())
        } else {
            if !is_uuid(given.secret_id.secret()) {
                return Err(invalid("SecretID is not a valid UUID"));
            }
            if state.acl_token_of(&given.secret_id).is_some() {
                return Err(invalid("SecretID is already in use"));
            }
            if given.secret_id.secret().starts_with(RESERVED_PREFIX) {
                return Err(reserved());
            }
            given.secret_id.clone()
        };
        if !given.auth_method.is_empty() {
            return Err(refused("AuthMethod field is disallowed outside of Login"));
        }
        let create_time = now();
        Ok(AclToken {
            accessor_id,
            secret_id,
            description: given.description.clone(),
            local: given.local,
            create_time,
            expiration_time: self.end_of(given, create_time)?,
            ..AclToken::default()
        })
    }

    /// When a new token ends.
    pub(super) fn end_of(&self, given: &TokenGiven, made: Option<Timestamp>) -> Result<Option<Timestamp>, ClusterError> {
        let told = |span: SignedDuration| {
            let length = duration::format(span.unsigned_abs());
            if span.is_negative() { format!("-{length}") } else { length }
        };
        let span = SignedDuration::from_nanos(given.expiration_nanos);
        if span.is_negative() {
            return Err(refused(format!("Token Expiration TTL '{}' should be > 0", told(span))));
        }
        let end = match (given.ttl(), given.expiration_time) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(refused("Token Expiration TTL and Expiration Time cannot both be set")),
            (Some(_), None) => made.and_then(|made| made.checked_add(span).ok()),
            (None, end) => end,
        };
        let (Some(made), Some(end)) = (made, end) else { return Err(refused("ExpirationTime is out of range")) };
        if end < made {
            return Err(refused("ExpirationTime cannot be before CreateTime"));
        }
        let limits = self.settings.acl.as_ref().map(|settings| settings.limits).unwrap_or_default();
        let length = end.duration_since(made);
        let outside = |word: &str, limit: std::time::Duration| {
            let limit = duration::format(limit);
            refused(format!("ExpirationTime cannot be {word} than {limit} in the future (was {})", told(length)))
        };
        let bound = |limit| SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
        if length > bound(limits.longest) {
            return Err(outside("more", limits.longest));
        }
        if length < bound(limits.shortest) {
            return Err(outside("less", limits.shortest));
        }
        Ok(Some(end))
    }

    pub(super) async fn clone_token(&self, accessor: &str, description: &str) -> Result<AclDone, ClusterError> {
        super::request::check_id("token", accessor)?;
        let state = self.catalog.snapshot();
        let known = state.acl_token(accessor).filter(|token| !token.has_expired(clock::wall_unix_ms()));
        let known = known.ok_or(ClusterError::AclNotFound)?;
        if !known.auth_method.is_empty() {
            return Err(refused("Cannot clone a token created from an auth method"));
        }
        let secret = Token::new(&Uuid::new_v4().to_string());
        let token = hashed(AclToken {
            accessor_id: Uuid::new_v4().to_string(),
            secret_id: secret.clone(),
            description: if description.is_empty() { known.description.clone() } else { description.to_owned() },
            create_time: now(),
            ..AclToken::clone(&known)
        });
        let state = self.propose_acl(AclCommand::SetTokens { tokens: vec![token], is_bootstrap: false }).await?;
        done(&state, &secret)
    }

    pub(super) async fn delete_token(&self, accessor: &str, own: &Token) -> Result<AclDone, ClusterError> {
        if !is_uuid(accessor) {
            return Err(refused("Accessor ID is missing or an invalid UUID"));
        }
        if accessor.eq_ignore_ascii_case(ANONYMOUS_ACCESSOR) {
            return Err(refused("Delete operation not permitted on the anonymous token"));
        }
        let Some(token) = self.catalog.snapshot().acl_token(accessor) else { return Ok(AclDone::Done) };
        if token.secret_id == *own {
            return Err(refused("Deletion of the request's authorization token is not permitted"));
        }
        self.propose_acl(AclCommand::DeleteTokens(vec![token.secret_id.clone()])).await?;
        Ok(AclDone::Done)
    }
}

/// A token as it is to become; what it is named by and when it ends stays.
fn changed(known: &AclToken, given: &TokenGiven) -> Result<AclToken, ClusterError> {
    let accessor = &known.accessor_id;
    if !given.secret_id.is_anonymous() && given.secret_id != known.secret_id {
        return Err(refused("Changing a tokens SecretID is not permitted"));
    }
    if given.local != known.local {
        return Err(refused(format!("cannot toggle local mode of {accessor}")));
    }
    if !given.auth_method.is_empty() && given.auth_method != known.auth_method {
        return Err(refused(format!("Cannot change AuthMethod of {accessor}")));
    }
    let same_end = given.expiration_time.is_none() || given.expiration_time == known.expiration_time;
    if given.expiration_nanos != 0 || !same_end {
        return Err(refused(format!("Cannot change expiration time of {accessor}")));
    }
    Ok(AclToken { description: given.description.clone(), legacy: None, ..known.clone() })
}
