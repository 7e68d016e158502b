//! `/v1/kv/`: the key/value store.

use crate::dispatch::Call;
use crate::error::HttpError;
use crate::json;
use crate::params::parse_uint;
use crate::respond::{self, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use lictor_net::clock;
use lictor_types::{Command, Index, KvEntry, KvVerb, Outcome, Query, QueryOptions, Reply as Answered};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};
use std::sync::Arc;

pub(crate) async fn handle(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    match call.parts.method {
        // Boxed, so that a read does not carry the state of the others.
        Method::PUT => Box::pin(put(call)).await,
        Method::DELETE => Box::pin(delete(call)).await,
        _ if call.params.has("keys") => Box::pin(keys(call)).await,
        _ => get(call).await,
    }
}

fn needs_key(call: &Call<'_>) -> Result<(), HttpError> {
    if call.tail.is_empty() { Err(HttpError::bad_request("Missing key name")) } else { Ok(()) }
}

async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let recurse = call.params.has("recurse");
    let query = if recurse {
        Query::KvList(call.tail.clone())
    } else {
        needs_key(call)?;
        Query::KvGet(call.tail.clone())
    };
    let answer = call.query(&query, &options).await?;
    let Answered::Kv(entries) = &answer.content.reply else { return Err(HttpError::failed("internal error: not entries")) };
    let mut reply = match entries.first() {
        None => respond::bare(StatusCode::NOT_FOUND),
        Some(entry) if !recurse && call.params.has("raw") => raw(&entry.value),
        Some(_) => call.style.shared_by(&answer.content, &Entries(entries), || compact(entries)),
    };
    respond::set_meta(reply.headers_mut(), &answer.meta);
    Ok(reply)
}

/// The bare value. The headers keep a browser from running what it may hold.
fn raw(value: &Bytes) -> Reply {
    let mut reply = if value.is_empty() { respond::empty() } else { respond::plain(StatusCode::OK, value.clone()) };
    reply.headers_mut().insert("content-security-policy", HeaderValue::from_static("sandbox"));
    reply.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

async fn keys(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let query = Query::KvKeys { prefix: call.tail.clone(), separator: call.params.get("separator").to_owned() };
    let answer = call.query(&query, &options).await?;
    let mut reply = match &answer.content.reply {
        // The root always exists.
        Answered::Names(names) if names.is_empty() && !call.tail.is_empty() => respond::bare(StatusCode::NOT_FOUND),
        shape => call.style.shared(&answer.content, shape),
    };
    respond::set_meta(reply.headers_mut(), &answer.meta);
    Ok(reply)
}

async fn put(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    call.read_options()?;
    needs_key(call)?;
    refuse_conflicts(call, &["cas", "acquire", "release"])?;
    let mut entry = KvEntry { key: call.tail.clone(), ..KvEntry::default() };
    let mut verb = KvVerb::Set;
    if call.params.has("flags") {
        entry.flags = parse_uint(call.params.get("flags"))?;
    }
    if call.params.has("cas") {
        entry.modify_index = Index(parse_uint(call.params.get("cas"))?);
        verb = KvVerb::Cas;
    }
    for (name, lock) in [("acquire", KvVerb::Lock), ("release", KvVerb::Unlock)] {
        if call.params.has(name) {
            call.params.get(name).clone_into(&mut entry.session);
            verb = lock;
        }
    }
    let body = call.body(call.app.settings.kv_max_value_bytes, Some("kv_max_value_size")).await?;
    // What came over the wire is part of the connection's buffer, and would keep all of that in memory as long as the key lives.
    entry.value = Bytes::copy_from_slice(&body);
    write(call, verb, entry).await
}

async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.read_options()?;
    refuse_conflicts(call, &["recurse", "cas"])?;
    let mut entry = KvEntry { key: call.tail.clone(), ..KvEntry::default() };
    if call.params.has("recurse") {
        return write(call, KvVerb::DeleteTree, entry).await;
    }
    needs_key(call)?;
    let mut verb = KvVerb::Delete;
    if call.params.has("cas") {
        entry.modify_index = Index(parse_uint(call.params.get("cas"))?);
        verb = KvVerb::DeleteCas;
    }
    write(call, verb, entry).await
}

async fn write(call: &Call<'_>, verb: KvVerb, entry: KvEntry) -> Result<Reply, HttpError> {
    let locked = (verb == KvVerb::Lock).then(|| (entry.key.clone(), entry.session.clone()));
    let command = Command::Kv { verb, entry, now_unix_ms: clock::wall_unix_ms() };
    let outcome = call.app.cluster.apply(command, &call.write_options()).await?;
    let done = !matches!(outcome, Outcome::Decided(false));
    let mut reply = call.style.json(&done);
    if let Some((key, session)) = locked.filter(|_| done)
        && let Some(index) = fencing_index(call, &key, &session).await
    {
        reply.headers_mut().insert(FENCING_INDEX, HeaderValue::from(index.0));
    }
    Ok(reply)
}

const FENCING_INDEX: HeaderName = HeaderName::from_static("x-lictor-fencing-index");

/// What tells holders of a lock apart, for those who guard what it protects: larger for each later holder of the key, also when it was
/// deleted meanwhile or written without the lock, which its `LockIndex` does not survive. `None` when the session holds it no more, or
/// the key cannot be read.
async fn fencing_index(call: &Call<'_>, key: &str, session: &str) -> Option<Index> {
    let options = QueryOptions { datacenter: call.params.get("dc").to_owned(), token: call.token(), ..QueryOptions::default() };
    let answer = call.app.cluster.query(&Query::KvGet(key.to_owned()), &options).await.ok()?;
    let Answered::Kv(entries) = &answer.content.reply else { return None };
    entries.iter().find(|entry| entry.session.eq_ignore_ascii_case(session)).map(|entry| entry.modify_index)
}

/// What Go's `url.Values.Encode` leaves as it is.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

/// At most one of these parameters may be given.
fn refuse_conflicts(call: &Call<'_>, names: &[&str]) -> Result<(), HttpError> {
    if names.iter().filter(|name| call.params.has(name)).count() < 2 {
        return Ok(());
    }
    let escape = |text: &str| utf8_percent_encode(text, UNESCAPED).to_string().replace(' ', "+");
    let mut pairs: Vec<_> = call.params.pairs().map(|(name, value)| (escape(name), escape(value))).collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let flags: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Err(HttpError::bad_request(format!("Conflicting flags: {}", flags.join("&"))))
}

/// Entries in the shape of the API: the value in base64, `null` when empty; no session unless locked.
pub(crate) struct Entries<'a>(pub(crate) &'a [Arc<KvEntry>]);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for entry in self.0 {
            list.serialize_element(&Entry(entry))?;
        }
        list.end()
    }
}

/// The compact form of [`Entries`], written without a serializer: there is no question the agent is asked more often.
fn compact(entries: &[Arc<KvEntry>]) -> Vec<u8> {
    let room = |entry: &KvEntry| 128 + entry.key.len() + entry.session.len() + entry.value.len().div_ceil(3) * 4;
    let mut text = String::with_capacity(2 + entries.iter().map(|entry| room(entry)).sum::<usize>());
    let mut digits = itoa::Buffer::new();
    let mut number = |text: &mut String, name: &str, value: u64| {
        text.push_str(name);
        text.push_str(digits.format(value));
    };
    for entry in entries {
        text.push(if text.is_empty() { '[' } else { ',' });
        number(&mut text, "{\"LockIndex\":", entry.lock_index);
        text.push_str(",\"Key\":");
        json::push_text(&mut text, &entry.key);
        number(&mut text, ",\"Flags\":", entry.flags);
        text.push_str(",\"Value\":");
        if entry.value.is_empty() {
            text.push_str("null");
        } else {
            text.push('"');
            STANDARD.encode_string(&entry.value, &mut text);
            text.push('"');
        }
        if !entry.session.is_empty() {
            text.push_str(",\"Session\":");
            json::push_text(&mut text, &entry.session);
        }
        number(&mut text, ",\"CreateIndex\":", entry.create_index.0);
        number(&mut text, ",\"ModifyIndex\":", entry.modify_index.0);
        text.push('}');
    }
    text.push_str(if text.is_empty() { "[]" } else { "]" });
    text.into_bytes()
}

/// One entry in the shape of the API.
pub(crate) struct Entry<'a>(pub(crate) &'a KvEntry);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = self.0;
        let mut row = serializer.serialize_struct("KvEntry", 7)?;
        row.serialize_field("LockIndex", &entry.lock_index)?;
        row.serialize_field("Key", &entry.key)?;
        row.serialize_field("Flags", &entry.flags)?;
        row.serialize_field("Value", &(!entry.value.is_empty()).then_some(Base64(&entry.value)))?;
        if !entry.session.is_empty() {
            row.serialize_field("Session", &entry.session)?;
        }
        row.serialize_field("CreateIndex", &entry.create_index)?;
        row.serialize_field("ModifyIndex", &entry.modify_index)?;
        row.end()
    }
}

/// Bytes as base64 text.
pub(crate) struct Base64<'a>(pub(crate) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_entries_are_the_same() {
        let texts = ["", "a", "plain/key-1", "a<b>&\u{2028}\u{e9}\"\\\n\u{8}\u{1f}\u{7f}/", "\u{20ac}\u{2020}"];
        let mut entries = Vec::new();
        assert_eq!(compact(&entries), json::compact(&Entries(&entries)));
        for (n, key) in texts.iter().enumerate() {
            for session in texts {
                let number = [0, 7, u64::MAX][n % 3];
                entries.push(Arc::new(KvEntry {
                    key: (*key).to_owned(),
                    value: Bytes::from((0..n * 7).map(|byte| (byte * 37) as u8).collect::<Vec<_>>()),
                    flags: number,
                    session: session.to_owned(),
                    lock_index: number,
                    create_index: Index(number),
                    modify_index: Index(n as u64),
                }));
                assert_eq!(compact(&entries), json::compact(&Entries(&entries)));
            }
        }
    }

    #[test]
    fn entries_have_consuls_shape() {
        let plain = KvEntry {
            key: "a<b".into(),
            value: Bytes::from_static(b"hello"),
            flags: u64::MAX,
            create_index: Index(3),
            modify_index: Index(4),
            ..KvEntry::default()
        };
        let locked = KvEntry { key: "l".into(), session: "s".into(), lock_index: 1, ..KvEntry::default() };
        let text = String::from_utf8(crate::json::compact(&Entries(&[Arc::new(plain), Arc::new(locked)]))).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"[{"LockIndex":0,"Key":"a\u003cb","Flags":18446744073709551615,"Value":"aGVsbG8=","CreateIndex":3,"ModifyIndex":4},"#,
                r#"{"LockIndex":1,"Key":"l","Flags":0,"Value":null,"Session":"s","CreateIndex":0,"ModifyIndex":0}]"#
            )
        );
    }
}
