//! A small HTTP server that answers as a test wants, and a terminal that keeps what is printed.

use lictor_cli::Terminal;
use lictor_net::TcpListener;
use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// `PUT /v1/kv/a?flags=1`
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Status, `X-Consul-Index`, body.
pub(crate) type Answer = (u16, u64, Vec<u8>);

pub(crate) fn ok(body: &str) -> Answer {
    (200, 1, body.as_bytes().to_vec())
}

/// A server; it ends with this.
pub(crate) struct Fake {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: JoinSet<()>,
}

impl Fake {
    /// Answers each request by `answer`.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), asked.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, all) = (answer.clone(), all.clone());
                connections.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let Some(asked) = read(&mut stream).await else { return };
                    all.lock().unwrap().push(asked.clone());
                    let (status, index, body) = answer(&asked);
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nX-Consul-Index: {index}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&body).await;
                    let _ = stream.flush().await;
                });
            }
        });
        Self { address, asked, _serving: serving }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Their first lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// Runs a command against it: flags of the connection are put behind the command's `words`.
    pub(crate) async fn run(&self, words: &str, more: &[&str]) -> Ran {
        let address = format!("-http-addr={}", self.address);
        let arguments: Vec<&str> = words.split(' ').chain([address.as_str()]).chain(more.iter().copied()).collect();
        run(&arguments, "").await
    }
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Asked> {
    let mut asked = Asked::default();
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    asked.line = format!("{} {}", words.next()?, words.next()?);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    if let Some(length) = asked.headers.get("content-length") {
        asked.body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut asked.body).await.ok()?;
    } else if asked.headers.contains_key("transfer-encoding") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await.ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            asked.body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(asked)
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    code: ExitCode,
}

impl Ran {
    /// Whether it exited with `code`.
    pub(crate) fn exited(&self, code: u8) -> bool {
        format!("{:?}", self.code) == format!("{:?}", ExitCode::from(code))
    }

    /// Demands exit code and standard output.
    #[track_caller]
    pub(crate) fn is(&self, code: u8, output: &str) {
        assert!(self.exited(code), "{self:?}");
        assert_eq!(self.output, output, "{}", self.errors);
    }

    /// Demands a failure with this text.
    #[track_caller]
    pub(crate) fn failed(&self, code: u8, errors: &str) {
        assert!(self.exited(code), "{self:?}");
        assert_eq!(self.errors.trim_end(), errors, "{}", self.output);
    }
}

/// Runs a command.
pub(crate) async fn run(arguments: &[&str], input: &str) -> Ran {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (output, errors) = (Kept::default(), Kept::default());
    let input = Cursor::new(input.as_bytes().to_vec());
    let mut terminal = Terminal::new(Box::new(input), Box::new(output.clone()), Box::new(errors.clone()));
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    let code = lictor_cli::run(&arguments, "1.2.3", &[], &mut terminal).await;
    let text = |kept: Kept| String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    Ran { output: text(output), errors: text(errors), code }
}
