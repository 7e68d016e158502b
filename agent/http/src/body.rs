//! Request bodies: read with a limit, decoded with the texts of Go's `encoding/json`.

use crate::error::HttpError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde_json::Value;
use std::time::Duration;

/// How long the whole body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads a body of at most `limit` bytes. A longer one is refused before its bytes are kept.
pub(crate) async fn read(body: &mut Incoming, limit: usize, option: Option<&str>) -> Result<Bytes, HttpError> {
    let too_large = |size: u64| {
        let mut text = format!("Request body({size} bytes) too large, max size: {limit} bytes.");
        if let Some(option) = option {
            text.push_str(" See https://www.consul.io/docs/agent/options.html#");
            text.push_str(option);
            text.push('.');
        }
        HttpError::too_large(text)
    };
    let announced = body.size_hint().exact();
    if let Some(size) = announced.filter(|size| *size > limit as u64) {
        return Err(too_large(size));
    }
    let collect = async {
        let mut whole = BytesMut::new();
        let mut single: Option<Bytes> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| HttpError::bad_request("the request's body was cut off"))?;
            let Ok(data) = frame.into_data() else { continue };
            let size = single.as_ref().map_or(whole.len(), Bytes::len) + data.len();
            if size > limit {
                return Err(too_large(size as u64));
            }
            // One frame, the common case, is kept without a copy.
            match single.take() {
                None if whole.is_empty() => single = Some(data),
                first => {
                    if let Some(first) = first {
                        whole.extend_from_slice(&first);
                    }
                    whole.extend_from_slice(&data);
                }
            }
        }
        Ok(single.unwrap_or_else(|| whole.freeze()))
    };
    lictor_net::clock::timeout(BODY_TIMEOUT, collect).await.map_err(|_| HttpError::body_timeout())?
}

/// Bytes of an unwanted body that are read nevertheless, so that the client gets the answer instead of a reset connection.
const DRAIN_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long that may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads and forgets the rest of a body, within limits.
pub(crate) async fn drain(body: &mut Incoming) {
    if body.is_end_stream() || body.size_hint().exact().is_some_and(|size| size > DRAIN_BYTES_MAX) {
        return;
    }
    let rest = async {
        let mut size = 0;
        while let Some(Ok(frame)) = body.frame().await {
            size += frame.data_ref().map_or(0, |data| data.len() as u64);
            if size > DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    let _ = lictor_net::clock::timeout(DRAIN_TIMEOUT, rest).await;
}

/// Decodes JSON; what follows the first value is passed over, as Go's decoder does.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, HttpError> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    match values.next() {
        None => Err(decode_failed("EOF")),
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err(decode_failed("unexpected EOF")),
        Some(Err(error)) => Err(decode_failed(&syntax(bytes, &error))),
    }
}

/// What is wrong with a body, without the words before it.
pub(crate) fn why(error: &HttpError) -> &str {
    error.text().strip_prefix("Request decode failed: ").unwrap_or(error.text())
}

/// 400 `Request decode failed: …`.
pub(crate) fn decode_failed(why: &str) -> HttpError {
    HttpError::bad_request(format!("Request decode failed: {why}"))
}

fn syntax(bytes: &[u8], error: &serde_json::Error) -> String {
    let line = bytes.split(|b| *b == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let around = line.get(..error.column()).unwrap_or(line);
    match String::from_utf8_lossy(around).chars().next_back() {
        Some(wrong) => format!("invalid character {wrong:?} at line {} column {}", error.line(), error.column()),
        None => format!("invalid JSON at line {} column {}", error.line(), error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_in_gos_words() {
        for (text, expect) in [
            ("", "Request decode failed: EOF"),
            (" \n", "Request decode failed: EOF"),
            ("{", "Request decode failed: unexpected EOF"),
            ("[1,", "Request decode failed: unexpected EOF"),
            ("aaa", "Request decode failed: invalid character 'a' at line 1 column 1"),
            ("{nope", "Request decode failed: invalid character 'n' at line 1 column 2"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.status().as_u16(), 400);
            assert_eq!(error.text(), expect, "{text}");
        }
        assert_eq!(parse(b"{} trailing").unwrap(), serde_json::json!({}));
        assert!(parse("{\"a\":\n é".as_bytes()).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
