//! The one who writes: takes all that waits, writes it as one batch, flushes once, tells all.
//!
//! When the disk refuses, the batch is kept and tried again with the store opened anew, until it succeeds or the agent ends;
//! meanwhile [`Writer::read_only`] tells why, and no callback fires, so nothing that isn't durable is acknowledged.

use crate::error::StorageError;
use crate::events::{DiskFailed, DiskRecovered, Flushed};
use crate::storage::{Change, Storage};
use crate::types::TypeConfig;
use openraft::storage::IOFlushed;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Jobs that may wait; openraft itself keeps few under way.
const QUEUE_MAX: usize = 1024;
/// Jobs taken into one batch at most.
const BATCH_MAX: usize = 512;
/// Pause between two tries while the disk refuses.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Who waits for a job.
pub(super) enum Done {
    /// openraft, for entries.
    Flushed(IOFlushed<TypeConfig>),
    /// A caller that awaits.
    Reply(oneshot::Sender<Result<(), io::Error>>),
    /// Nobody.
    Nobody,
}

impl Done {
    fn tell(self, result: Result<(), io::Error>) {
        match self {
            Self::Flushed(callback) => callback.io_completed(result),
            // The caller may have gone away; nothing is lost by that.
            Self::Reply(sender) => drop(sender.send(result)),
            Self::Nobody => {}
        }
    }
}

/// Changes, and who waits for them.
pub(super) struct Job {
    pub(super) changes: Vec<Change>,
    pub(super) done: Done,
}

struct State {
    storage: Arc<dyn Storage>,
    read_only: watch::Sender<Option<Arc<str>>>,
    flushed_end: AtomicU64,
    flushes: AtomicU64,
    closing: AtomicBool,
    pause: (Mutex<()>, Condvar),
}

/// Handle to the writer.
pub(super) struct Writer {
    state: Arc<State>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn ended() -> io::Error {
    io::Error::other("the raft log's writer has ended")
}

impl Writer {
    /// Starts the thread, unless the store needs none. `flushed_end`: one more than the last entry that is durable already.
    pub(super) fn start(storage: Arc<dyn Storage>, flushed_end: u64) -> Result<Self, StorageError> {
        let instant = storage.is_instant();
        let state = Arc::new(State {
            storage,
            read_only: watch::Sender::new(None),
            flushed_end: AtomicU64::new(flushed_end),
            flushes: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            pause: (Mutex::new(()), Condvar::new()),
        });
        if instant {
            return Ok(Self { state, queue: Mutex::new(None), thread: Mutex::new(None) });
        }
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let of_thread = state.clone();
        let thread =
            std::thread::Builder::new().name("raft-log".into()).stack_size(256 * 1024).spawn(move || of_thread.run(receiver))?;
        Ok(Self { state, queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Hands over a job. Order of calls is order of writing.
    pub(super) async fn hand(&self, job: Job) -> Result<(), io::Error> {
        if self.state.storage.is_instant() {
            let result = self.state.storage.write(&job.changes).and_then(|()| self.state.storage.sync());
            if result.is_ok() {
                self.state.written(&job.changes);
            }
            job.done.tell(result.map_err(io::Error::from));
            return Ok(());
        }
        let queue = self.queue.lock().clone().ok_or_else(ended)?;
        queue.send(job).await.map_err(|_| ended())
    }

    /// One more than the last entry that is durable.
    pub(super) fn flushed_end(&self) -> u64 {
        self.state.flushed_end.load(Ordering::Acquire)
    }

    pub(super) fn flushes(&self) -> u64 {
        self.state.flushes.load(Ordering::Relaxed)
    }

    pub(super) fn read_only(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.state.read_only.subscribe()
    }

    /// Has writes that the disk refuses fail for good.
    pub(super) fn stop_retrying(&self) {
        self.state.closing.store(true, Ordering::Release);
        self.state.pause.1.notify_all();
    }

    /// Ends the thread and waits for it; what was handed over is written first, unless the disk refuses.
    pub(super) fn close(&self) {
        drop(self.queue.lock().take());
        self.stop_retrying();
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the writer was logged by the panic hook; there is nothing to add.
            drop(thread.join());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn run(&self, mut queue: mpsc::Receiver<Job>) {
        let mut waiting = Vec::new();
        let mut changes = Vec::new();
        while let Some(job) = queue.blocking_recv() {
            let mut next = Some(job);
            while let Some(Job { changes: more, done }) = next {
                changes.extend(more);
                waiting.push(done);
                next = if waiting.len() < BATCH_MAX { queue.try_recv().ok() } else { None };
            }
            let result = self.write_until_done(&changes);
            if result.is_ok() {
                self.written(&changes);
            }
            for done in waiting.drain(..) {
                done.tell(result.as_ref().map(|_| ()).map_err(|e| io::Error::other(e.to_string())));
            }
            changes.clear();
            changes.shrink_to(64);
        }
    }

    fn written(&self, changes: &[Change]) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        for change in changes {
            match change {
                Change::Append { index, .. } => self.flushed_end.store(index + 1, Ordering::Release),
                Change::TruncateAfter(last) => {
                    self.flushed_end.fetch_min(last.map_or(0, |last| last + 1), Ordering::AcqRel);
                }
                Change::Purge { .. } | Change::Vote(_) => {}
            }
        }
        Flushed { changes: changes.len() }.emit();
    }

    fn write_until_done(&self, changes: &[Change]) -> Result<(), StorageError> {
        let write = || self.storage.write(changes).and_then(|()| self.storage.sync());
        let mut result = write();
        if let Err(StorageError::Poisoned) = result {
            // It tells the reason only when opened anew, and then it may be over.
            result = self.storage.reopen().and_then(|()| write());
        }
        let Err(mut error) = result else { return Ok(()) };
        let mut tries: u64 = 0;
        loop {
            let reason: Arc<str> = error.to_string().into();
            if tries == 0 {
                DiskFailed { reason: reason.clone() }.emit();
            }
            self.read_only.send_replace(Some(reason));
            if self.closing.load(Ordering::Acquire) {
                return Err(error);
            }
            self.pause.1.wait_for(&mut self.pause.0.lock(), RETRY_PAUSE);
            if self.closing.load(Ordering::Acquire) {
                return Err(error);
            }
            tries += 1;
            // The same changes once more: writing an entry, vote or mark again does no harm.
            match self.storage.reopen().and_then(|()| write()) {
                Ok(()) => {
                    self.read_only.send_replace(None);
                    DiskRecovered { tries }.emit();
                    return Ok(());
                }
                Err(again) => error = again,
            }
        }
    }
}
