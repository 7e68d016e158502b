//! Servers of a fixture's case, on loopback, for as long as the case lasts.

use crate::fixture::{Action, Server};
use lictor_net::{TcpListener, TcpStream, UdpSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// What a server keeps of what it was sent.
const HELD_BYTES_MAX: usize = 1 << 20;

/// The servers of a case; they end when this is dropped.
pub(crate) struct Servers {
    /// Names and addresses.
    pub(crate) places: Vec<(String, String)>,
    _tasks: JoinSet<()>,
}

fn actions(server: &Server) -> Result<Vec<Action>, String> {
    server.steps.iter().map(crate::fixture::Step::action).collect()
}

impl Servers {
    pub(crate) async fn start(tcp: &[Server], udp: &[Server]) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let mut tasks = JoinSet::new();
        let mut places = Vec::new();
        for (at, server) in tcp.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(told)?;
            places.push((format!("tcp.{at}"), listener.local_addr().map_err(told)?.to_string()));
            let steps = actions(server)?;
            tasks.spawn(async move {
                // One connection after the other: a check makes few.
                while let Ok((stream, _)) = listener.accept().await {
                    // A guest that hangs up early is its own business.
                    let _ = play(stream, &steps).await;
                }
            });
        }
        for (at, server) in udp.iter().enumerate() {
            let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(told)?;
            places.push((format!("udp.{at}"), socket.local_addr().map_err(told)?.to_string()));
            let answers: Vec<Vec<u8>> = actions(server)?
                .into_iter()
                .filter_map(|step| if let Action::Send(data) = step { Some(data) } else { None })
                .collect();
            tasks.spawn(async move {
                let mut data = vec![0; 65_536];
                for answer in answers.iter().cycle() {
                    let Ok((_, from)) = socket.recv_from(&mut data).await else { return };
                    let _ = socket.send_to(answer, from).await;
                }
            });
        }
        // Bound and let go again: nobody listens there for now.
        let refused = TcpListener::bind("127.0.0.1:0").await.map_err(told)?;
        places.push(("refused".to_owned(), refused.local_addr().map_err(told)?.to_string()));
        Ok(Self { places, _tasks: tasks })
    }
}

async fn play(mut stream: TcpStream, steps: &[Action]) -> std::io::Result<()> {
    let mut held: Vec<u8> = Vec::new();
    for step in steps {
        match step {
            Action::Send(data) => stream.write_all(data).await?,
            Action::Close => return stream.shutdown().await,
            Action::Bytes(count) => {
                while held.len() < *count {
                    more(&mut stream, &mut held).await?;
                }
                held.drain(..*count);
            }
            Action::Until(text) => loop {
                let found = held.windows(text.len().max(1)).position(|window| window == text.as_slice());
                if let Some(at) = found {
                    held.drain(..at + text.len());
                    break;
                }
                more(&mut stream, &mut held).await?;
            },
        }
    }
    // Open until the guest has gone: a close it does not expect would be another case.
    loop {
        held.clear();
        more(&mut stream, &mut held).await?;
    }
}

async fn more(stream: &mut TcpStream, held: &mut Vec<u8>) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    let got = stream.read(&mut piece).await?;
    if got == 0 || held.len() > HELD_BYTES_MAX {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    held.extend_from_slice(piece.get(..got).unwrap_or_default());
    Ok(())
}
