//! URLs of HTTP checks: leniently read, with the sentences Consul's users know. Pure.

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

/// Stands for the method in an error of [`parse`] that speaks of it.
const METHOD_MARK: &str = "\u{0}";

/// Reads an absolute `http` or `https` URL. Bytes that a URL may not hold are escaped, a fragment is cut off.
pub(crate) fn parse(text: &str) -> Result<Uri, String> {
    let unsupported = |scheme: &str| format!("{METHOD_MARK} \"{text}\": unsupported protocol scheme \"{scheme}\"");
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(match text.split_once(':') {
            Some(("", _)) => format!("parse \"{text}\": missing protocol scheme"),
            Some((before, _)) if before.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("parse \"{text}\": first path segment in URL cannot contain colon")
            }
            Some((before, _)) if !before.contains('/') => unsupported(&before.to_lowercase()),
            _ => unsupported(""),
        });
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(if scheme.is_empty() {
            format!("parse \"{text}\": missing protocol scheme")
        } else {
            unsupported(&scheme.to_lowercase())
        });
    }
    let uri: Uri = escaped(rest, &scheme.to_lowercase()).parse().map_err(|error| format!("parse \"{text}\": {error}"))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("{METHOD_MARK} \"{text}\": http: no Host in request URL"));
    }
    Ok(uri)
}

/// Puts the method into an error of [`parse`].
pub(crate) fn for_method(sentence: String, verb: &str) -> String {
    match sentence.strip_prefix(METHOD_MARK) {
        Some(rest) => format!("{verb}{rest}"),
        None => sentence,
    }
}

fn escaped(rest: &str, scheme: &str) -> String {
    let mut text = format!("{scheme}://");
    for byte in rest.split('#').next().unwrap_or_default().bytes() {
        match byte {
            0..=0x20 | 0x7f.. | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                text.push_str(&format!("%{byte:02X}"));
            }
            plain => text.push(char::from(plain)),
        }
    }
    text
}

/// The URL that a redirect from `base` points to.
pub(crate) fn join(base: &Uri, location: &str) -> Result<Uri, String> {
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let absolute = if location.contains("://") && !location.starts_with('/') && !location.starts_with('?') {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map(|(folder, _)| folder).unwrap_or_default();
        format!("{scheme}://{authority}{folder}/{location}")
    };
    parse(&absolute).map_err(|sentence| match sentence.split_once("\": ") {
        Some((_, reason)) => reason.to_owned(),
        None => sentence,
    })
}

/// Host (without brackets) and port to connect to.
pub(crate) fn host_port(uri: &Uri) -> Result<(String, u16), String> {
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let after_user = after_user(uri);
    let port_text = match after_user.rsplit_once(':') {
        Some((before, port)) if !before.starts_with('[') || before.ends_with(']') => port,
        _ => "",
    };
    match port_text {
        "" => Ok((host.to_owned(), default)),
        text => Ok((host.to_owned(), text.parse().map_err(|_| format!("dial tcp: address {text}: invalid port"))?)),
    }
}

/// User and password of the URL, as they are written there.
pub(crate) fn user(uri: &Uri) -> Option<&str> {
    uri.authority()?.as_str().rsplit_once('@').map(|(user, _)| user)
}

fn after_user(uri: &Uri) -> &str {
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, after)| after)
}

/// The value of the `Host` header.
pub(crate) fn host_header(uri: &Uri) -> Result<HeaderValue, String> {
    HeaderValue::from_str(after_user(uri)).map_err(|_| "http: invalid Host header".to_owned())
}

/// Path and query, as an HTTP/1.1 request line has them.
pub(crate) fn origin_form(uri: &Uri) -> Uri {
    Uri::from(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_urls_say_why() {
        for (text, expect) in [
            ("127.0.0.1:80/x", "parse \"127.0.0.1:80/x\": first path segment in URL cannot contain colon"),
            ("::::", "parse \"::::\": missing protocol scheme"),
            ("ftp://127.0.0.1/x", "Get \"ftp://127.0.0.1/x\": unsupported protocol scheme \"ftp\""),
            ("/foo", "Get \"/foo\": unsupported protocol scheme \"\""),
            ("localhost:80", "Get \"localhost:80\": unsupported protocol scheme \"localhost\""),
            ("http:///x", "parse \"http:///x\": invalid format"),
        ] {
            let got = parse(text).map_err(|sentence| for_method(sentence, "Get"));
            match got {
                Err(sentence) if text == "http:///x" => assert!(sentence.contains(text), "{sentence}"),
                other => assert_eq!(other, Err(expect.to_owned()), "{text}"),
            }
        }
    }

    #[test]
    fn odd_urls_are_read() {
        for (text, host, port, path) in [
            ("http://a.example", "a.example", 80, "/"),
            ("HTTPS://a.example/x?y=1#z", "a.example", 443, "/x?y=1"),
            ("http://u:p@[::1]:81/a b/{c}", "::1", 81, "/a%20b/%7Bc%7D"),
            ("http://[::1]/", "::1", 80, "/"),
            ("http://127.0.0.1:8080?q=é", "127.0.0.1", 8080, "/?q=%C3%A9"),
        ] {
            let uri = parse(text).unwrap();
            assert_eq!(host_port(&uri), Ok((host.to_owned(), port)), "{text}");
            assert_eq!(origin_form(&uri).to_string(), path, "{text}");
        }
        let uri = parse("http://u:p@a:1/x").unwrap();
        assert_eq!((user(&uri), host_header(&uri).unwrap().to_str().unwrap()), (Some("u:p"), "a:1"));
        let far = parse("http://127.0.0.1:99999/x");
        assert!(
            far.as_ref().map(host_port).is_ok_and(|got| got == Err("dial tcp: address 99999: invalid port".to_owned()))
                || far.is_err(),
            "{far:?}"
        );
    }

    #[test]
    fn redirects() {
        let base = parse("http://a:1/b/c?d").unwrap();
        for (location, expect) in [
            ("/x", "http://a:1/x"),
            ("x?y", "http://a:1/b/x?y"),
            ("?z", "http://a:1/b/c?z"),
            ("//h/x", "http://h/x"),
            ("https://h:2/x", "https://h:2/x"),
        ] {
            assert_eq!(join(&base, location).unwrap().to_string(), expect);
        }
        assert_eq!(join(&base, "ftp://x/"), Err("unsupported protocol scheme \"ftp\"".to_owned()));
    }
}
