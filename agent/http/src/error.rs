//! The only place that pairs an error with a status. Texts are those of Consul where it has the same error.

use http::StatusCode;
use lictor_rpc::{ClusterError, NodeError};

/// A request that failed: status and plain text. Nothing was changed unless the text of a lost leader says it is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {text}")]
pub(crate) struct HttpError {
    status: StatusCode,
    text: String,
    with_meta: bool,
}

impl HttpError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), with_meta: false }
    }
    /// 400: the caller's fault.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }
    /// 404 with a text.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }
    /// 403 with a text.
    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }
    /// 401 with a text.
    pub(crate) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }
    /// 500, which Consul answers also where the caller is at fault.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
    /// 413.
    pub(crate) fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }
    /// 415.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    }
    /// 429.
    pub(crate) fn too_many(text: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, text)
    }
    /// 501: known, not built.
    pub(crate) fn not_built(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, format!("Not built yet in this version of Lictor: {what}"))
    }
    /// 408: the body did not come.
    pub(crate) fn body_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time")
    }
    /// Tells the index headers too, with no leader known, as Consul's catalog, health, session and coordinate reads do.
    pub(crate) fn with_meta(mut self) -> Self {
        self.with_meta = true;
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
    pub(crate) fn has_meta(&self) -> bool {
        self.with_meta
    }
}

impl From<ClusterError> for HttpError {
    fn from(error: ClusterError) -> Self {
        let status = match &error {
            ClusterError::AclDisabled => StatusCode::UNAUTHORIZED,
            ClusterError::PermissionDenied | ClusterError::Forbidden(_) | ClusterError::AclNotFound => StatusCode::FORBIDDEN,
            ClusterError::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ClusterError::LeaderRateLimited => StatusCode::SERVICE_UNAVAILABLE,
            // Consul answers 500 to all of these; its clients retry on 500.
            ClusterError::BadRequest(_)
            | ClusterError::Refused(_)
            | ClusterError::NoPathToDatacenter
            | ClusterError::NoLeader
            | ClusterError::NotLeader { .. }
            | ClusterError::LeadershipLost
            | ClusterError::TimedOut(_)
            | ClusterError::ReadOnly(_)
            | ClusterError::NoServers
            | ClusterError::Unreachable(_)
            | ClusterError::ConnectionLost(_)
            | ClusterError::ShuttingDown
            | ClusterError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<NodeError> for HttpError {
    fn from(error: NodeError) -> Self {
        let status = match error {
            NodeError::PermissionDenied | NodeError::Forbidden(_) => StatusCode::FORBIDDEN,
            NodeError::BadRequest(_) => StatusCode::BAD_REQUEST,
            NodeError::NotFound(_) => StatusCode::NOT_FOUND,
            NodeError::Refused(_) | NodeError::ReloadRejected(_) => StatusCode::INTERNAL_SERVER_ERROR,
            NodeError::NotBuilt(what) => return Self::not_built(what),
            NodeError::Cluster(error) => return error.into(),
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_consuls_status() {
        for (error, status) in [
            (HttpError::from(ClusterError::PermissionDenied), 403),
            (ClusterError::AclNotFound.into(), 403),
            (ClusterError::AclDisabled.into(), 401),
            (ClusterError::Forbidden("x".into()).into(), 403),
            (NodeError::Forbidden("x".into()).into(), 403),
            (ClusterError::NoLeader.into(), 500),
            (ClusterError::RateLimited.into(), 429),
            (ClusterError::LeaderRateLimited.into(), 503),
            (ClusterError::BadRequest("x".into()).into(), 500),
            (NodeError::BadRequest("x".into()).into(), 400),
            (NodeError::NotFound("x".into()).into(), 404),
            (NodeError::Cluster(ClusterError::PermissionDenied).into(), 403),
            (NodeError::NotBuilt("x").into(), 501),
        ] {
            assert_eq!(error.status().as_u16(), status, "{error}");
        }
        assert_eq!(HttpError::not_built("intentions").text(), "Not built yet in this version of Lictor: intentions");
    }
}
