//! The topics of now.

use super::reader::Reader;
use super::topic::{Key, Topic};
use crate::dispatch::App;
use crate::error::HttpError;
use lictor_rpc::ClusterError;
use lictor_types::Index;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;

/// Questions that are followed at a time. One that nobody reads makes room for a new one.
const TOPICS_MAX: usize = 1024;

/// The list.
pub(crate) struct Topics {
    known: Arc<Mutex<HashMap<Key, Arc<Topic>>>>,
    /// One for each reader there may be.
    places: Arc<Semaphore>,
}

impl Topics {
    /// None yet; at most so many readers.
    pub(crate) fn new(readers_max: usize) -> Self {
        Self { known: Arc::default(), places: Arc::new(Semaphore::new(readers_max)) }
    }

    /// A reader of a question that had `last`; begins to follow it, unless that is being done.
    pub(crate) async fn join(&self, app: &App, key: Key, last: Option<Index>) -> Result<Reader, HttpError> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| HttpError::too_many("Too many read streams of this agent already"))?;
        let reader = |topic| Reader::new(topic, last, app.shutdown.clone(), place);
        if let Some(topic) = self.enter(&key) {
            return Ok(reader(topic));
        }
        // Asked here, so that who may not see it, or asks for what makes no sense, gets an answer and no stream.
        let answer = tokio::select! {
            biased;
            answer = app.cluster.query(&key.query, &key.options) => answer?,
            () = app.shutdown.requested() => return Err(ClusterError::ShuttingDown.into()),
        };
        let mut known = self.known.lock();
        // Another one may have come meanwhile.
        if let Some(topic) = known.get(&key) {
            topic.readers.fetch_add(1, Ordering::AcqRel);
            return Ok(reader(topic.clone()));
        }
        if known.len() >= TOPICS_MAX {
            known.retain(|_, topic| {
                let is_read = topic.readers.load(Ordering::Acquire) > 0;
                if !is_read {
                    topic.end();
                }
                is_read
            });
        }
        if known.len() >= TOPICS_MAX {
            return Err(HttpError::too_many("Too many different streams are read of this agent already"));
        }
        let topic = Topic::new(key.clone(), answer.meta.index, answer.content);
        topic.readers.fetch_add(1, Ordering::AcqRel);
        known.insert(key, topic.clone());
        drop(known);
        let list = self.known.clone();
        let leave = move |topic: &Topic| {
            let mut known = list.lock();
            // Who enters does so under this lock.
            if topic.readers.load(Ordering::Acquire) > 0 && !topic.is_over() {
                return false;
            }
            if known.get(topic.key()).is_some_and(|there| std::ptr::eq(Arc::as_ptr(there), topic)) {
                known.remove(topic.key());
            }
            true
        };
        app.shutdown.spawn(topic.clone().follow(app.cluster.clone(), app.shutdown.clone(), leave));
        Ok(reader(topic))
    }

    fn enter(&self, key: &Key) -> Option<Arc<Topic>> {
        let known = self.known.lock();
        let topic = known.get(key)?;
        topic.readers.fetch_add(1, Ordering::AcqRel);
        Some(topic.clone())
    }
}
