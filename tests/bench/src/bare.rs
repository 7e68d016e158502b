//! The physical limit: the same bytes from a bare hyper loop and a bare UDP loop, the same programs from a bare loop of starts, on the
//! subjects' core.

use crate::measure::{self, SUBJECT_CORE, pin_to};
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::sync::Notify;

/// Serves one body to every request, for as long as the process runs; its port.
pub(crate) fn http(body: Bytes) -> Result<u16> {
    Ok(counted(body)?.0)
}

/// The same, with the number of connections so far.
pub(crate) fn counted(body: Bytes) -> Result<(u16, Arc<AtomicU64>)> {
    let connections = Arc::new(AtomicU64::new(0));
    let count = connections.clone();
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || -> Result<()> {
        pin_to(SUBJECT_CORE)?;
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            sender.send(listener.local_addr()?.port())?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                count.fetch_add(1, Ordering::Relaxed);
                let body = body.clone();
                tokio::spawn(async move {
                    let answer = service_fn(move |_: Request<hyper::body::Incoming>| {
                        let body = body.clone();
                        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
                    });
                    let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        })
    });
    Ok((receiver.recv().context("the bare loop starts")?, connections))
}

/// A bare loop that lets every GET wait, and answers all of them with one body at the next PUT.
pub(crate) struct Waiting {
    pub(crate) port: u16,
    /// The loop's thread, for its processor time.
    pub(crate) thread: u32,
}

/// Serves blocking requests for as long as the process runs.
pub(crate) fn waiting(body: Bytes) -> Result<Waiting> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || -> Result<()> {
        pin_to(SUBJECT_CORE)?;
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            sender.send(Waiting { port: listener.local_addr()?.port(), thread })?;
            let changed = Arc::new(Notify::new());
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (body, changed) = (body.clone(), changed.clone());
                tokio::spawn(async move {
                    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (body, changed) = (body.clone(), changed.clone());
                        async move {
                            if request.method() == Method::PUT {
                                changed.notify_waiters();
                            } else {
                                changed.notified().await;
                            }
                            Ok::<_, Infallible>(Response::new(Full::new(body)))
                        }
                    });
                    let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        })
    });
    receiver.recv().context("the bare loop starts")
}

/// Sends every question back as its own empty answer, for as long as the process runs; its port.
pub(crate) fn udp() -> Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    thread::spawn(move || -> Result<()> {
        pin_to(SUBJECT_CORE)?;
        let mut buffer = [0_u8; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer)?;
            // An answer, however empty.
            if let Some(flags) = buffer.get_mut(2) {
                *flags |= 0x80;
            }
            socket.send_to(buffer.get(..length).unwrap_or_default(), from)?;
        }
    });
    Ok(port)
}

/// Starts a program over and over, with a pause after each, and reads its output to the end; processor time of one run, the program's
/// own included, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the pause is part of the load, as an agent's checks have it; nothing is asserted")]
pub(crate) fn programs(program: &'static str, runs: u32, pause: Duration) -> Result<f64> {
    let starting = thread::spawn(move || -> Result<f64> {
        pin_to(SUBJECT_CORE)?;
        let before = measure::cpu_ms(std::process::id())?;
        for _ in 0..runs {
            Command::new(program).output()?;
            thread::sleep(pause);
        }
        Ok((measure::cpu_ms(std::process::id())? - before) / f64::from(runs))
    });
    starting.join().map_err(|_| anyhow::anyhow!("the bare loop ended early"))?
}
