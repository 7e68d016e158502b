//! A port on loopback that leads to a unix socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Told in the place of an agent that is not there; nothing was sent to it.
const REFUSED: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 18\r\n\r\nConnection refused";

/// The relay; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    pub(crate) fn start(port: u16, socket: PathBuf) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let socket = socket.clone();
                thread::spawn(move || pass(stream, &socket));
            }
        });
        Self { port, ended, accepting: Some(accepting) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // So that it looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Passes bytes on until one side ends.
fn pass(mut near: TcpStream, socket: &Path) {
    let Ok(mut far) = UnixStream::connect(socket) else {
        let _ = near.write_all(REFUSED);
        let _ = near.shutdown(Shutdown::Write);
        let _ = near.set_read_timeout(Some(std::time::Duration::from_secs(1)));
        // Read to the end, so that the answer is not lost with a reset.
        let _ = near.read_to_end(&mut Vec::new());
        return;
    };
    let _ = near.set_nodelay(true);
    let (Ok(mut near_in), Ok(mut far_out)) = (near.try_clone(), far.try_clone()) else { return };
    let there = thread::spawn(move || {
        let _ = std::io::copy(&mut near_in, &mut far_out);
        let _ = far_out.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut far, &mut near);
    let _ = near.shutdown(Shutdown::Both);
    let _ = there.join();
}
