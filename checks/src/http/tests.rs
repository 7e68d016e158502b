use super::*;
use crate::testing::{later, listener, nobody, patiently, soon, tls_acceptor, tools_trusting};
use HealthStatus::{Critical, Passing, Warning};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What the server was asked: request line and headers, then the body.
type Asked = Arc<Mutex<Vec<String>>>;

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, asked: Asked) {
    let mut request = Vec::new();
    let text = loop {
        let mut chunk = [0; 1024];
        let Ok(size @ 1..) = stream.read(&mut chunk).await else { return };
        request.extend_from_slice(&chunk[..size]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let length = text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length.unwrap_or(0)
        {
            break text;
        }
    };
    asked.lock().push(text.clone());
    let path = text.split(' ').nth(1).unwrap();
    let sized = |status: &str, body: &str| format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let to = |status: &str, location: &str| format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 1\r\n\r\nx");
    let answer = match path {
        "/ok" => sized("200 OK", "fine"),
        "/empty" => sized("204 No Content", ""),
        "/busy" => sized("429 Too Many Requests", "status"),
        "/broken" => sized("500 Internal Server Error", "status"),
        "/odd" => sized("200 Fine and dandy", ""),
        "/bare" => sized("200", ""),
        "/unknown" => sized("299 Whatever", ""),
        "/redirect" => to("302 Found", "ok"),
        "/redirect307" => to("307 Temporary Redirect", "/ok"),
        "/loop" => to("302 Found", "/loop"),
        "/nowhere" => sized("302 Found", ""),
        "/big" => sized("200 OK", &(0..1000).map(|row| format!("row{row:04}\n")).collect::<String>()),
        "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
        "/old" => "HTTP/1.0 200 OK\r\n\r\nuntil the end".to_owned(),
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_owned(),
        "/garbage" => "SSH-2.0-foo\r\n".to_owned(),
        "/half" => "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
        "/drop" => String::new(),
        "/slow" => return std::future::pending().await,
        "/slowbody" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
            return std::future::pending().await;
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(&[b'y'; 4096]).await.is_ok() {}
            return;
        }
        other => panic!("{other}"),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn server() -> (String, Asked) {
    let (listener, address) = listener().await;
    let asked = Asked::default();
    let told = asked.clone();
    tokio::spawn(async move {
        loop {
            tokio::spawn(serve(listener.accept().await.unwrap().0, told.clone()));
        }
    });
    (address, asked)
}

fn get(url: String) -> CheckDefinition {
    CheckDefinition { http: url, ..CheckDefinition::default() }
}

async fn run(definition: CheckDefinition, deadline: Instant) -> Outcome {
    HttpProbe::new(tools_trusting(None), &definition, 100).run(deadline).await
}

#[tokio::test]
async fn answers_as_consul_words_them() {
    let (address, _) = server().await;
    for (path, status, rest) in [
        ("ok", Passing, "200 OK Output: fine"),
        ("empty", Passing, "204 No Content Output: "),
        ("busy", Warning, "429 Too Many Requests Output: status"),
        ("broken", Critical, "500 Internal Server Error Output: status"),
        ("odd", Passing, "200 Fine and dandy Output: "),
        ("bare", Passing, "200 Output: "),
        ("unknown", Passing, "299 Whatever Output: "),
        ("redirect", Passing, "200 OK Output: fine"),
        ("redirect307", Passing, "200 OK Output: fine"),
        ("chunked", Passing, "200 OK Output: abcde"),
        ("old", Passing, "200 OK Output: until the end"),
        ("cut", Passing, "200 OK Output: abc"),
    ] {
        let outcome = run(get(format!("http://{address}/{path}")), later()).await;
        assert_eq!(outcome, Outcome::new(status, format!("HTTP GET http://{address}/{path}: {rest}")));
    }
    for (path, reason) in [
        ("drop", "EOF"),
        ("half", "EOF"),
        ("garbage", "net/http: HTTP/1.x transport connection broken: malformed HTTP response"),
        ("nowhere", "302 response missing Location header"),
    ] {
        let outcome = run(get(format!("http://{address}/{path}")), later()).await;
        assert_eq!(outcome, Outcome::new(Critical, format!("Get \"http://{address}/{path}\": {reason}")));
    }
    let outcome = run(get(format!("http://{address}/loop")), later()).await;
    assert_eq!(outcome, Outcome::new(Critical, "Get \"/loop\": stopped after 10 redirects"));
    let gone = nobody().await;
    let outcome = run(get(format!("http://{gone}/x")), later()).await;
    assert_eq!(outcome, Outcome::new(Critical, format!("Get \"http://{gone}/x\": dial tcp {gone}: connect: connection refused")));
    let outcome = run(get("ftp://x/".to_owned()), later()).await;
    assert_eq!(outcome, Outcome::new(Critical, "Get \"ftp://x/\": unsupported protocol scheme \"ftp\""));
}

#[tokio::test]
async fn slow_servers() {
    let (address, _) = server().await;
    let outcome = run(get(format!("http://{address}/slow")), soon()).await;
    let reason = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(outcome, Outcome::new(Critical, format!("Get \"http://{address}/slow\": {reason}")));
    let expect = Outcome::new(Passing, format!("HTTP GET http://{address}/slowbody: 200 OK Output: abc"));
    patiently(|deadline| run(get(format!("http://{address}/slowbody")), deadline), |outcome| *outcome == expect).await;
    let endless = || get(format!("http://{address}/endless"));
    let outcome = patiently(|deadline| run(endless(), deadline), |outcome| outcome.status == Passing).await;
    assert!(outcome.output.len() < 200, "capped while it is read");
}

#[tokio::test]
async fn the_end_of_a_long_body_is_kept() {
    let (address, _) = server().await;
    let outcome = run(get(format!("http://{address}/big")), later()).await;
    assert!(outcome.output.ends_with("row0998\nrow0999\n"), "{}", outcome.output);
    assert!(outcome.output.contains("200 OK Output: 987\nrow0988") || outcome.output.len() < 160, "{}", outcome.output);
}

#[tokio::test]
async fn the_request_is_what_the_definition_says() {
    let (address, asked) = server().await;
    let mut definition = CheckDefinition { method: "POST".into(), body: "x=1".into(), ..get(format!("http://u:p@{address}/ok")) };
    run(definition.clone(), later()).await;
    let plain = asked.lock().pop().unwrap();
    let lines: Vec<&str> = plain.lines().collect();
    assert_eq!(lines[0], "POST /ok HTTP/1.1");
    for line in [
        &*format!("Host: {address}"),
        "Accept: text/plain, text/*, */*",
        "Authorization: Basic dTpw",
        "Connection: close",
        "Content-Length: 3",
    ] {
        assert!(lines.iter().any(|got| got.eq_ignore_ascii_case(line)), "{line} in {plain}");
    }
    assert!(plain.contains("Consul Health Check") && plain.ends_with("\r\n\r\nx=1"), "{plain}");
    for (name, values) in
        [("host", vec!["a.example"]), ("X-A", vec!["1", "2"]), ("User-Agent", vec!["me"]), ("accept", vec!["a/b"])]
    {
        definition.header.insert(name.to_owned(), values.into_iter().map(str::to_owned).collect());
    }
    run(definition, later()).await;
    let own = asked.lock().pop().unwrap().to_lowercase();
    for line in ["host: a.example\r\n", "x-a: 1\r\n", "x-a: 2\r\n", "user-agent: me\r\n", "accept: a/b\r\n"] {
        assert!(own.contains(line), "{line} in {own}");
    }
    assert!(!own.contains(&address));
}

#[tokio::test]
async fn redirects_change_the_request() {
    let (address, asked) = server().await;
    let post =
        |path: &str| CheckDefinition { method: "POST".into(), body: "zz".into(), ..get(format!("http://{address}/{path}")) };
    run(post("redirect"), later()).await;
    let second = asked.lock().pop().unwrap();
    assert!(second.starts_with("GET /ok ") && second.ends_with("\r\n\r\n"), "{second}");
    run(post("redirect307"), later()).await;
    let second = asked.lock().pop().unwrap();
    assert!(second.starts_with("POST /ok ") && second.ends_with("\r\n\r\nzz"), "{second}");
    let outcome = run(CheckDefinition { disable_redirects: true, ..get(format!("http://{address}/redirect")) }, later()).await;
    assert_eq!(outcome, Outcome::new(Critical, format!("HTTP GET http://{address}/redirect: 302 Found Output: x")));
}

#[tokio::test]
async fn over_tls() {
    let (acceptor, authority) = tls_acceptor(&["http/1.1"]);
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (stream, acceptor) = (listener.accept().await.unwrap().0, acceptor.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, Asked::default()).await;
                }
            });
        }
    });
    let url = format!("https://{address}/ok");
    let run = async |definition, tools| HttpProbe::new(tools, &definition, 100).run(later()).await;
    let good = Outcome::new(Passing, format!("HTTP GET {url}: 200 OK Output: fine"));
    let (_, stranger) = tls_acceptor(&[]);
    let (trusting, wary) = (tools_trusting(Some(authority)), tools_trusting(Some(stranger)));
    assert_eq!(run(get(url.clone()), trusting.clone()).await, good);
    assert_eq!(run(CheckDefinition { tls_skip_verify: true, ..get(url.clone()) }, wary.clone()).await, good);
    let outcome = run(get(url.clone()), wary).await;
    assert_eq!(outcome, Outcome::new(Critical, format!("Get \"{url}\": x509: certificate signed by unknown authority")));
    let outcome = run(CheckDefinition { tls_server_name: "no.example".into(), ..get(url.clone()) }, trusting).await;
    assert_eq!(outcome, Outcome::new(Critical, format!("Get \"{url}\": x509: certificate is not valid for no.example")));
    let (listener, plain) = crate::testing::listener().await;
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let outcome = run(get(format!("https://{plain}/ok")), tools_trusting(None)).await;
    let reason = "tls: first record does not look like a TLS handshake";
    assert_eq!(outcome, Outcome::new(Critical, format!("Get \"https://{plain}/ok\": {reason}")));
}
