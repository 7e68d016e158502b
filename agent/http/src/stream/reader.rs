//! One reader: events as they come, and now and then a sign that there is somebody.

use super::topic::{Cursor, Step, Topic};
use bytes::Bytes;
use lictor_net::{Shutdown, clock};
use lictor_types::Index;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// When nothing happens for so long, a comment is sent: so both sides learn that the other is gone, and proxies keep the connection.
const SIGN_INTERVAL: Duration = Duration::from_secs(15);
/// What a browser waits before it comes back, and the first bytes of each stream.
const GREETING: &[u8] = b"retry: 1000\n\n";
/// A comment.
const SIGN: &[u8] = b":\n\n";

/// A reader of a topic, counted as long as it is there.
pub(crate) struct Reader {
    topic: Arc<Topic>,
    news: watch::Receiver<u64>,
    cursor: Cursor,
    greeted: bool,
    shutdown: Shutdown,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// A reader that had `last`. Its topic counts it already.
    pub(super) fn new(topic: Arc<Topic>, last: Option<Index>, shutdown: Shutdown, place: OwnedSemaphorePermit) -> Self {
        let news = topic.news();
        Self { topic, news, cursor: Cursor::Begin(last), greeted: false, shutdown, _place: place }
    }

    /// The next bytes; `None` at the end, which is that of the agent, or of the right to see this.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(GREETING));
        }
        loop {
            // Marked as seen before looking, so that nothing is missed.
            self.news.borrow_and_update();
            match self.topic.step(&mut self.cursor) {
                Step::Send(bytes) => return Some(bytes),
                Step::End => return None,
                Step::Wait => {}
            }
            tokio::select! {
                biased;
                () = self.shutdown.requested() => return None,
                changed = self.news.changed() => changed.ok()?,
                () = clock::sleep(SIGN_INTERVAL) => return Some(Bytes::from_static(SIGN)),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.topic.readers.fetch_sub(1, Ordering::AcqRel);
    }
}
