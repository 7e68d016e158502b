//! What `?cached` tells. Answers here come from memory already, so nothing is kept but which questions were asked before:
//! the first is a miss, later ones are hits of age zero, as Consul's cache answers while its background refresh is connected.

use lictor_net::clock::{self, Instant};
use lictor_types::{Query, QueryOptions};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How many questions are remembered.
const QUESTIONS_MAX: usize = 4096;
/// How long a question is remembered after it was last asked, as in Consul's cache.
const TTL: Duration = Duration::from_secs(3 * 24 * 3600);

#[derive(Default)]
pub(crate) struct Asked {
    last: Mutex<HashMap<u64, Instant>>,
}

impl Asked {
    /// Age in seconds on a hit, `None` on a miss; remembers the question.
    pub(crate) fn age(&self, query: &Query, options: &QueryOptions) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (query, &options.datacenter, &options.token, &options.filter, &options.node_meta).hash(&mut hasher);
        let now = clock::now();
        let mut last = self.last.lock();
        if last.len() >= QUESTIONS_MAX {
            last.retain(|_, at| now.duration_since(*at) < TTL);
            if last.len() >= QUESTIONS_MAX {
                last.clear();
            }
        }
        let before = last.insert(hasher.finish(), now);
        before.filter(|at| now.duration_since(*at) < TTL).map(|_| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_a_hit() {
        let asked = Asked::default();
        let options = QueryOptions::default();
        let filtered = QueryOptions { filter: "Node == a".to_owned(), ..QueryOptions::default() };
        assert_eq!(asked.age(&Query::Services, &options), None);
        assert_eq!(asked.age(&Query::Services, &options), Some(0));
        assert_eq!(asked.age(&Query::Services, &filtered), None);
        assert_eq!(asked.age(&Query::Nodes, &options), None);
    }

    #[test]
    fn memory_is_bounded() {
        let asked = Asked::default();
        for number in 0..QUESTIONS_MAX * 2 {
            let options = QueryOptions { filter: number.to_string(), ..QueryOptions::default() };
            asked.age(&Query::Nodes, &options);
        }
        assert!(asked.last.lock().len() <= QUESTIONS_MAX);
    }
}
