use super::*;
use crate::build::Tools;
use crate::testing::{later, soon};
use HealthStatus::{Critical, Passing, Warning};
use lictor_net::UnixListener;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An engine with one container `box`; says what it was asked.
async fn engine(listener: UnixListener, exit_code: i64, asked: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let text = loop {
            let mut chunk = [0; 1024];
            let size = stream.read(&mut chunk).await.unwrap();
            request.extend_from_slice(&chunk[..size]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if let Some((_, body)) = text.split_once("\r\n\r\n")
                && body.len() >= length.unwrap_or(0)
            {
                break text;
            }
        };
        let line = text.lines().next().unwrap().to_owned();
        let body = text.split_once("\r\n\r\n").unwrap().1;
        asked.lock().push(format!("{line} {body}"));
        let json = |status: &str, body: String| {
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .into_bytes()
        };
        let answer = match line.rsplit_once(' ').unwrap().0 {
            "POST /containers/box/exec" => json("201 Created", r#"{"Id":"e1"}"#.to_owned()),
            "POST /containers/slow/exec" => json("201 Created", r#"{"Id":"slow"}"#.to_owned()),
            "POST /exec/slow/start" => {
                tokio::spawn(async move {
                    let _stream = stream;
                    std::future::pending::<()>().await;
                });
                continue;
            }
            "POST /exec/e1/start" => {
                let mut raw = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n".to_vec();
                for (stream, text) in [(1, "out\n"), (2, "err\n"), (1, "")] {
                    raw.extend_from_slice(&[stream, 0, 0, 0]);
                    raw.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
                    raw.extend_from_slice(text.as_bytes());
                }
                raw
            }
            "GET /exec/e1/json" => json("200 OK", format!(r#"{{"Running":false,"ExitCode":{exit_code}}}"#)),
            _ => json("404 Not Found", r#"{"message":"No such container: gone"}"#.to_owned()),
        };
        stream.write_all(&answer).await.unwrap();
    }
}

async fn check(container: &str, exit_code: i64, deadline: Instant, expect: Outcome) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let docker_socket = folder.path().join("docker.sock");
    let asked = Arc::new(Mutex::default());
    tokio::spawn(engine(UnixListener::bind(&docker_socket).unwrap(), exit_code, asked.clone()));
    let tools = Arc::new(Tools::new(crate::Settings { docker_socket, ..crate::Settings::default() }));
    let definition = CheckDefinition {
        docker_container_id: container.to_owned(),
        shell: "/bin/sh".to_owned(),
        args: vec!["check".to_owned(), "it".to_owned()],
        ..CheckDefinition::default()
    };
    let outcome = DockerProbe::new(tools, &definition, Duration::from_secs(3), 4096).run(deadline).await;
    assert_eq!(outcome, expect, "{container}");
    asked.lock().clone()
}

#[tokio::test]
async fn exit_codes_decide() {
    for (code, status) in [(0, Passing), (1, Warning), (2, Critical)] {
        let asked = check("box", code, later(), Outcome::new(status, "out\nerr\n")).await;
        assert!(asked[0].contains(r#""Cmd":["/bin/sh","-c","check it"]"#), "{asked:?}");
        assert_eq!(asked.len(), 3);
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said() {
    let gone = "create exec failed for container gone: 404 No such container: gone";
    check("gone", 0, later(), Outcome::new(Critical, gone)).await;
    check("../x", 0, later(), Outcome::new(Critical, "\"../x\" is not an id or a name of a container")).await;
    check("slow", 0, soon(), Outcome::new(Critical, "Timed out (3s) running check")).await;
    let tools = Arc::new(Tools::new(crate::Settings { docker_socket: "/no/such.sock".into(), ..crate::Settings::default() }));
    let definition = CheckDefinition { docker_container_id: "x".into(), args: vec!["a".into()], ..CheckDefinition::default() };
    let outcome = DockerProbe::new(tools, &definition, Duration::from_secs(3), 4096).run(later()).await;
    let text = "create exec failed for container x: dial unix /no/such.sock: connect: no such file or directory";
    assert_eq!(outcome, Outcome::new(Critical, text));
}

#[test]
fn frames_come_in_any_pieces() {
    let bytes = [&[1, 0, 0, 0, 0, 0, 0, 3][..], b"abc", &[2, 0, 0, 0, 0, 0, 0, 2], b"de"].concat();
    for size in 1..bytes.len() {
        let (mut frames, mut output) = (Frames::default(), Tail::new(100));
        for piece in bytes.chunks(size) {
            frames.push(piece, &mut output);
        }
        assert_eq!(output.text(), "abcde");
    }
}
