//! Connections for short exchanges: they join the event loop only when there is something to wait for.
//!
//! A connection to this machine is made by the time `connect` has returned, and a small request fits in the socket's buffer. To
//! ask the event loop for either costs a registration and a turn of the loop, which is more than all the rest of such an exchange.

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TCP connection that was opened from here. Must be used within a tokio runtime.
#[derive(Debug)]
pub struct Outbound {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The event loop does not know of it.
    Apart(TcpStream),
    Joined(AsyncFd<TcpStream>),
    /// It could not be registered; every further use fails.
    Lost,
}

impl Outbound {
    /// Connects. Errors are those of `connect(2)`; there is no limit of time.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        let target = SockAddr::from(address);
        // The second call asks how far the first one has come.
        for _ in 0..2 {
            match socket.connect(&target) {
                Ok(()) => return Ok(Self { state: State::Apart(socket.into()) }),
                Err(error) if is_under_way(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let joined = register(TcpStream::from(socket))?;
        loop {
            let mut guard = joined.writable().await?;
            if let Some(error) = guard.get_inner().take_error()? {
                return Err(error);
            }
            // A wake-up may be spurious.
            match guard.get_inner().peer_addr() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => guard.clear_ready(),
                Err(error) => return Err(error),
            }
        }
        Ok(Self { state: State::Joined(joined) })
    }

    /// Whether small writes are sent at once.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream()?.set_nodelay(nodelay)
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        match &self.state {
            State::Apart(stream) => Ok(stream),
            State::Joined(joined) => Ok(joined.get_ref()),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn join(&mut self) -> io::Result<&AsyncFd<TcpStream>> {
        if let State::Apart(_) = &self.state
            && let State::Apart(stream) = std::mem::replace(&mut self.state, State::Lost)
        {
            self.state = State::Joined(register(stream)?);
        }
        match &self.state {
            State::Joined(joined) => Ok(joined),
            State::Apart(_) | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Tries at once, and waits for room only if there was none.
    fn poll_send<F>(&mut self, context: &mut Context<'_>, send: F) -> Poll<io::Result<usize>>
    where
        F: Fn(&TcpStream) -> io::Result<usize>,
    {
        match send(self.stream()?) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
        let joined = self.join()?;
        loop {
            let mut guard = ready!(joined.poll_write_ready(context))?;
            if let Ok(done) = guard.try_io(|inner| send(inner.get_ref())) {
                return Poll::Ready(done);
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe for the sake of types whose descriptor may change; a TcpStream's does not"
)]
fn register(stream: TcpStream) -> io::Result<AsyncFd<TcpStream>> {
    AsyncFd::new(stream)
}

/// Whether a connection is still being made (`EINPROGRESS`, `EALREADY`), or the call was interrupted and goes on by itself.
fn is_under_way(error: &io::Error) -> bool {
    let known = [Errno::INPROGRESS, Errno::ALREADY, Errno::INTR];
    Errno::from_io_error(error).is_some_and(|error| known.contains(&error))
}

impl AsyncRead for Outbound {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // An answer is hardly there before one has waited for it: no try beforehand.
        let joined = self.get_mut().join()?;
        loop {
            let mut guard = ready!(joined.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            match guard.try_io(|inner| inner.get_ref().read(unfilled)) {
                Ok(Ok(size)) => {
                    buffer.advance(size);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Outbound {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream()?.shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_to_this_machine_needs_no_event_loop() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Outbound::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.write_all(b"question").await.unwrap();
        assert!(matches!(stream.state, State::Apart(_)), "{stream:?}");
        let (mut server, _) = listener.accept().unwrap();
        let mut question = [0; 8];
        server.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"question");
        let answer = tokio::task::spawn_blocking(move || server.write_all(b"answer"));
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
        answer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_for_room() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Outbound::connect(listener.local_addr().unwrap()).await.unwrap();
        let reader = tokio::task::spawn_blocking(move || {
            let (mut server, _) = listener.accept().unwrap();
            let mut all = Vec::new();
            server.read_to_end(&mut all).unwrap();
            all.len()
        });
        let size = 16 * 1024 * 1024;
        stream.write_all(&vec![7; size]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), size);
    }

    #[tokio::test]
    async fn refused_is_said_as_connect_does() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Outbound::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_server_that_accepts_late_is_waited_for() {
        // A full queue of a listener leaves further connections under way until there is room again.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let first = Outbound::connect(address).await.unwrap();
        let second = tokio::spawn(Outbound::connect(address));
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "the queue of one is full");
        let listener = TcpListener::from(socket);
        let accepts = tokio::task::spawn_blocking(move || (listener.accept().is_ok(), listener.accept().is_ok()));
        second.await.unwrap().unwrap();
        assert_eq!(accepts.await.unwrap(), (true, true));
        drop(first);
    }
}
