//! The query string, and the [`QueryOptions`] every read shares. Texts are Consul's.

use crate::cache::CacheControl;
use crate::error::HttpError;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use lictor_types::{Consistency, Index, QueryOptions, Token, duration};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::time::Duration;

/// Header with the caller's token.
const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
/// How many parameters one request may have.
const PARAMS_MAX: usize = 512;

/// A decoded query string. Pairs that cannot be decoded are dropped, as Go does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads what follows the `?`.
    pub(crate) fn parse(query: &str) -> Self {
        if query.is_empty() {
            return Self::default();
        }
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .take(PARAMS_MAX)
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((unescape(name)?, unescape(value)?))
            })
            .collect();
        Self { pairs }
    }

    /// Whether the parameter is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(n, _)| n == name)
    }

    /// The first value of a parameter; empty when it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// All pairs, as given.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn unescape(text: &str) -> Option<String> {
    let spaced = if text.contains('+') { text.replace('+', " ") } else { text.to_owned() };
    if !spaced.contains('%') {
        return Some(spaced);
    }
    let bytes = spaced.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'%' && !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return None;
        }
    }
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

/// What the settings and the route add to the parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults<'a> {
    /// Name of this node, for `near=_agent`.
    pub(crate) node_name: &'a str,
    /// Whether `?cached` is taken.
    pub(crate) use_cache: bool,
    /// Staleness allowed when no consistency is asked; zero: none.
    pub(crate) max_stale: Duration,
}

/// The options of a read, and whether a cached answer was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadOptions {
    pub(crate) query: QueryOptions,
    pub(crate) cached: bool,
    /// How old that may be.
    pub(crate) control: CacheControl,
}

/// The caller's token: `?token=`, else `X-Consul-Token`, else `Authorization: Bearer`.
pub(crate) fn read_token(params: &Params, headers: &HeaderMap) -> Token {
    let given = params.get("token");
    if !given.is_empty() {
        return Token::new(given);
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let given = text(TOKEN);
    if !given.is_empty() {
        return Token::new(given);
    }
    let mut words = text(AUTHORIZATION).split_whitespace();
    match (words.next(), words.next()) {
        (Some(scheme), Some(secret)) if scheme.eq_ignore_ascii_case("bearer") => Token::new(secret),
        _ => Token::default(),
    }
}

/// Reads the options of a read, in Consul's order, so that the first mistake is the one told.
pub(crate) fn read_options(params: &Params, headers: &HeaderMap, defaults: &Defaults<'_>) -> Result<ReadOptions, HttpError> {
    let mut options = ReadOptions::default();
    options.query.token = read_token(params, headers);
    params.get("filter").clone_into(&mut options.query.filter);
    read_consistency(params, defaults, &mut options)?;
    options.control = CacheControl::read(headers)?;
    params.get("dc").clone_into(&mut options.query.datacenter);
    read_wait(params, &mut options.query)?;
    options.query.near = match params.get("near") {
        "_agent" => defaults.node_name.to_owned(),
        node => node.to_owned(),
    };
    options.query.node_meta = read_node_meta(params);
    Ok(options)
}

fn read_consistency(params: &Params, defaults: &Defaults<'_>, options: &mut ReadOptions) -> Result<(), HttpError> {
    let mut stale = params.has("stale");
    let consistent = params.has("consistent");
    options.cached = defaults.use_cache && params.has("cached");
    let mut unspecified = !(stale || consistent || options.cached || params.has("leader"));
    let max_stale = params.get("max_stale");
    if !max_stale.is_empty() {
        let nanos = duration::parse_nanos(max_stale)
            .map_err(|_| HttpError::bad_request(format!("Invalid max_stale value {max_stale:?}")))?;
        if nanos > 0 {
            stale = true;
            unspecified = false;
            options.query.max_stale = u64::try_from(nanos).ok().map(Duration::from_nanos);
        }
    }
    if unspecified && !defaults.max_stale.is_zero() {
        stale = true;
        options.query.max_stale = Some(defaults.max_stale);
    }
    if stale && consistent {
        return Err(HttpError::bad_request("Cannot specify ?stale with ?consistent, conflicting semantics."));
    }
    if options.cached && consistent {
        return Err(HttpError::bad_request("Cannot specify ?cached with ?consistent, conflicting semantics."));
    }
    options.query.consistency = match (stale, consistent) {
        (true, _) => Consistency::Stale,
        (_, true) => Consistency::Consistent,
        _ => Consistency::Default,
    };
    Ok(())
}

/// `wait` and `index`.
pub(crate) fn read_wait(params: &Params, query: &mut QueryOptions) -> Result<(), HttpError> {
    query.wait = wait_of(params)?;
    let index = params.get("index");
    if !index.is_empty() {
        query.min_index = Index(index.parse().map_err(|_| HttpError::bad_request("Invalid index"))?);
    }
    Ok(())
}

/// `?wait=` alone. Zero stands for the default, as in Consul; less than zero is no wait at all (Consul takes it for the
/// default too, but nobody who asks that wants to wait for minutes).
pub(crate) fn wait_of(params: &Params) -> Result<Option<Duration>, HttpError> {
    let wait = params.get("wait");
    if wait.is_empty() {
        return Ok(None);
    }
    let nanos = duration::parse_nanos(wait).map_err(|_| HttpError::bad_request("Invalid wait time"))?;
    Ok((nanos != 0).then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(1))))
}

fn read_node_meta(params: &Params) -> BTreeMap<String, String> {
    params
        .all("node-meta")
        .map(|pair| {
            let (key, value) = pair.split_once(':').unwrap_or((pair, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// Go's `strconv.ParseUint`, with its words for what is wrong.
pub(crate) fn parse_uint(text: &str) -> Result<u64, HttpError> {
    text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())).ok_or_else(|| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let why = if digits { "value out of range" } else { "invalid syntax" };
        HttpError::failed(format!("strconv.ParseUint: parsing {text:?}: {why}"))
    })
}

/// Go's `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ReadOptions, HttpError> {
        read_options(
            &Params::parse(query),
            &HeaderMap::new(),
            &Defaults { node_name: "n1", use_cache: true, max_stale: Duration::ZERO },
        )
    }

    #[test]
    fn says_what_is_wrong_as_consul_does() {
        for (query, text) in [
            ("index=abc", "Invalid index"),
            ("index=-1", "Invalid index"),
            ("index=18446744073709551616", "Invalid index"),
            ("index=5&wait=abc", "Invalid wait time"),
            ("wait=10", "Invalid wait time"),
            ("wait=abc&index=abc", "Invalid wait time"),
            ("stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."),
            ("stale=false&consistent=false", "Cannot specify ?stale with ?consistent, conflicting semantics."),
            ("cached&consistent", "Cannot specify ?cached with ?consistent, conflicting semantics."),
            ("consistent&max_stale=5s", "Cannot specify ?stale with ?consistent, conflicting semantics."),
            ("max_stale=abc", "Invalid max_stale value \"abc\""),
        ] {
            let error = read(query).unwrap_err();
            assert_eq!((error.status().as_u16(), error.text()), (400, text), "{query}");
        }
    }

    #[test]
    fn reads_all_options() {
        let read = read("dc=dc2&token=t&index=7&wait=90s&stale&max_stale=5s&near=_agent&node-meta=a:b:c&node-meta=k&filter=a+%3D%3D%20b&cached").unwrap();
        let query = read.query;
        assert!(read.cached);
        assert_eq!((query.datacenter.as_str(), query.token.secret(), query.min_index), ("dc2", "t", Index(7)));
        assert_eq!(
            (query.wait, query.consistency, query.max_stale),
            (Some(Duration::from_secs(90)), Consistency::Stale, Some(Duration::from_secs(5)))
        );
        assert_eq!((query.near.as_str(), query.filter.as_str()), ("n1", "a == b"));
        assert_eq!(query.node_meta, BTreeMap::from([("a".to_owned(), "b:c".to_owned()), ("k".to_owned(), String::new())]));
    }

    #[test]
    fn no_wait_is_the_default_and_less_is_none() {
        assert_eq!(read("wait=-5s").unwrap().query.wait, Some(Duration::from_nanos(1)));
        for query in ["wait=0s", "wait=0", "wait="] {
            assert_eq!(read(query).unwrap().query.wait, None, "{query}");
        }
    }

    #[test]
    fn staleness_by_default_gives_way_to_any_wish() {
        let defaults = Defaults { max_stale: Duration::from_secs(3), ..Defaults::default() };
        for (query, expect) in [
            ("", Consistency::Stale),
            ("leader", Consistency::Default),
            ("consistent", Consistency::Consistent),
            ("max_stale=0s", Consistency::Stale),
        ] {
            let read = read_options(&Params::parse(query), &HeaderMap::new(), &defaults).unwrap();
            assert_eq!(read.query.consistency, expect, "{query}");
        }
    }

    #[test]
    fn tokens_come_from_three_places() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer  c".parse().unwrap());
        assert_eq!(read_token(&Params::default(), &headers).secret(), "c");
        headers.insert("x-consul-token", "b".parse().unwrap());
        assert_eq!(read_token(&Params::default(), &headers).secret(), "b");
        assert_eq!(read_token(&Params::parse("token=a"), &headers).secret(), "a");
        headers.clear();
        headers.insert("authorization", "Basic c".parse().unwrap());
        assert!(read_token(&Params::default(), &headers).is_anonymous());
    }

    #[test]
    fn pairs_that_cannot_be_decoded_are_dropped() {
        let params = Params::parse("a=%zz&b=1&&c&d=%ff&=x&b=2&e=a%2");
        assert_eq!(
            (params.has("a"), params.get("b"), params.has("c"), params.has("d"), params.has("e")),
            (false, "1", true, false, false)
        );
        assert_eq!(params.all("b").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn numbers_fail_in_gos_words() {
        assert_eq!(parse_uint("abc").unwrap_err().text(), "strconv.ParseUint: parsing \"abc\": invalid syntax");
        assert_eq!(
            parse_uint("18446744073709551616").unwrap_err().text(),
            "strconv.ParseUint: parsing \"18446744073709551616\": value out of range"
        );
        assert_eq!(parse_uint("18446744073709551615").unwrap(), u64::MAX);
        assert!(parse_uint("+1").is_err());
    }
}
