//! A session that is kept alive while something is held through it.

use lictor_client::{Client, ClientError};
use lictor_net::clock;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Its TTL: how long after our death others can have the lock.
const TTL: Duration = Duration::from_secs(15);

/// A session, renewed by a task of its own until it is ended.
pub(super) struct Session {
    client: Client,
    id: String,
    renewal: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Session {
    /// Creates one. `fleeting`: keys held by it are deleted with it, instead of only released.
    pub(super) async fn open(client: &Client, name: &str, fleeting: bool) -> Result<Self, ClientError> {
        let mut definition = json!({ "Name": name, "TTL": format!("{}s", TTL.as_secs()) });
        if let (true, Some(object)) = (fleeting, definition.as_object_mut()) {
            object.insert("Behavior".to_owned(), json!("delete"));
        }
        let id = client.create_session(&definition).await?;
        let renewal = tokio::spawn({
            let (client, id) = (client.clone(), id.clone());
            async move {
                let mut pause = TTL / 2;
                loop {
                    clock::sleep(pause).await;
                    pause = match client.renew_session(&id).await {
                        // Gone: who watches the lock sees that.
                        Ok(false) => return,
                        Ok(true) => TTL / 2,
                        Err(_) => Duration::from_secs(1),
                    };
                }
            }
        });
        Ok(Self { client: client.clone(), id, renewal })
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Ends it. If the agent cannot be reached, its TTL does.
    pub(super) async fn end(self) {
        let _ = self.client.destroy_session(&self.id).await;
    }
}
