//! Blocking queries: asking again with the index of the last answer.

use crate::{Client, ClientError, Response};
use std::time::Duration;

impl Client {
    /// As [`Client::get`], but any status is `Ok`, and the agent answers when the index has passed `index` or `wait` is over.
    /// Index 0 answers at once.
    pub async fn wait(&self, path: &str, query: &[(&str, &str)], index: u64, wait: Duration) -> Result<Response, ClientError> {
        let (index, wait) = (index.to_string(), format!("{}ms", wait.as_millis()));
        let mut query = query.to_vec();
        if index != "0" {
            query.extend([("index", index.as_str()), ("wait", wait.as_str())]);
        }
        self.send(http::Method::GET, path, &query, Vec::new()).await
    }
}
