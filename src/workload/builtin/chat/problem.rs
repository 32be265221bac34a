//! Why the service could not answer, as an HTTP status and a JSON body that names the phase. Refuses to name secrets.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use redis::RedisError;

use super::wire::ErrorBody;

/// A request that came to nothing.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    phase: &'static str,
    message: String,
    limit: Option<Duration>,
}

impl Problem {
    /// The request itself is wrong.
    pub(super) fn request(phase: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, phase, message: message.into(), limit: None }
    }

    /// A service behind this one failed.
    pub(super) fn upstream(phase: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, phase, message: message.into(), limit: None }
    }

    /// This service failed.
    pub(super) fn internal(phase: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, phase, message: message.into(), limit: None }
    }

    /// A phase took longer than it may.
    pub(super) fn timeout(phase: &'static str, limit: Duration) -> Self {
        let message = format!("phase {phase} took longer than {limit:?}");
        Self { status: StatusCode::GATEWAY_TIMEOUT, phase, message, limit: Some(limit) }
    }

    /// Redis failed, or did not answer within `limit`.
    pub(super) fn redis(phase: &'static str, limit: Duration, error: &RedisError) -> Self {
        if error.is_timeout() { Self::timeout(phase, limit) } else { Self::upstream(phase, error.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: Cow::Borrowed(&self.message),
            phase: Cow::Borrowed(self.phase),
            limit_ns: self.limit.map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)),
        };
        match serde_json::to_vec(&body) {
            Ok(json) => (self.status, [(CONTENT_TYPE, "application/json")], json).into_response(),
            Err(_) => self.status.into_response(),
        }
    }
}
