//! Locks, against a fake that keeps keys.

use crate::fake::{Answer, Asked, Fake, ok};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Keys with their rows; the store's index is their count of changes.
#[derive(Default)]
struct Store {
    index: u64,
    keys: BTreeMap<String, Value>,
    /// After so many reads the store takes every lock away.
    reads_left: Option<u32>,
}

impl Store {
    fn answer(&mut self, asked: &Asked) -> Answer {
        let (method, target) = asked.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        match (method, path.strip_prefix("/v1/kv/")) {
            (_, None) if path == "/v1/session/create" => ok(r#"{"ID":"s-1"}"#),
            (_, None) => ok("true"),
            ("GET", Some(key)) => {
                if let Some(left) = self.reads_left.as_mut() {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        self.keys.clear();
                        self.index += 1;
                    }
                }
                let recurse = query.split('&').any(|pair| pair == "recurse");
                let rows: Vec<&Value> = self
                    .keys
                    .iter()
                    .filter(|(name, _)| if recurse { name.starts_with(key) } else { *name == key })
                    .map(|(_, row)| row)
                    .collect();
                (if rows.is_empty() { 404 } else { 200 }, self.index, json!(rows).to_string().into_bytes())
            }
            ("PUT", Some(key)) => {
                let holder = self.keys.get(key).and_then(|row| row["Session"].as_str()).map(str::to_owned);
                let session = match (parameter("acquire"), parameter("release")) {
                    (Some(session), _) if holder.as_deref().is_none_or(|holder| holder == session) => Some(session.to_owned()),
                    (Some(_), _) => return ok("false"),
                    (None, Some(session)) if holder.as_deref() == Some(session) => None,
                    (None, Some(_)) => return ok("false"),
                    (None, None) => holder,
                };
                self.index += 1;
                let flags: u64 = parameter("flags").unwrap_or("0").parse().unwrap();
                let row = json!({"Key": key, "Flags": flags, "Value": STANDARD.encode(&asked.body), "Session": session, "ModifyIndex": self.index});
                self.keys.insert(key.to_owned(), row);
                ok("true")
            }
            (_, Some(key)) => {
                self.index += 1;
                self.keys.remove(key);
                ok("true")
            }
        }
    }
}

async fn start(store: Store) -> (Fake, Arc<Mutex<Store>>) {
    let store = Arc::new(Mutex::new(store));
    let fake = Fake::start({
        let store = store.clone();
        move |asked| store.lock().unwrap().answer(asked)
    })
    .await;
    (fake, store)
}

#[tokio::test]
async fn the_child_runs_while_the_lock_is_held() {
    let (fake, store) = start(Store::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("echo $CONSUL_LOCK_HELD > {}/ran", folder.path().display());
    fake.run("lock", &["-verbose", "a/b/", &script]).await.is(
        0,
        "Setting up lock at path: a/b/.lock\nAttempting lock acquisition\nStarting handler\n\
         Child terminated, releasing lock\nCleanup succeeded\n",
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("ran")).unwrap(), "true\n");
    assert!(store.lock().unwrap().keys.is_empty());
    let lines = fake.lines();
    assert_eq!(lines.first().unwrap(), "PUT /v1/session/create");
    assert!(lines.contains(&"PUT /v1/session/destroy/s-1".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("PUT /v1/kv/a/b/.lock?flags=3304740253564472344&acquire=s-1")), "{lines:?}");
    let session: Value = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    assert_eq!(session["TTL"], "15s");
}

#[tokio::test]
async fn the_childs_failure_counts_when_asked() {
    let (fake, _) = start(Store::default()).await;
    fake.run("lock", &["a", "exit 3"]).await.failed(0, "Error running handler: exit status 3");
    fake.run("lock", &["-child-exit-code", "a", "exit 3"]).await.failed(2, "Error running handler: exit status 3");
    let ran = fake.run("lock", &["-child-exit-code", "-shell=false", "a", "no-such-program", "-x"]).await;
    assert!(ran.exited(2) && ran.errors.starts_with("Error starting handler: exec: \"no-such-program\""), "{ran:?}");
    fake.run("lock", &["a"]).await.failed(1, "Key prefix and child command must be specified");
    fake.run("lock", &["-n=0", "a", "true"]).await.failed(1, "Lock holder limit must be positive");
}

#[tokio::test]
async fn a_held_lock_is_waited_for_so_long_and_a_foreign_key_refused() {
    let held = json!({"Key": "a/.lock", "Flags": 3304740253564472344_u64, "Session": "other", "ModifyIndex": 1});
    let (fake, _) = start(Store { index: 1, keys: BTreeMap::from([("a/.lock".to_owned(), held)]), reads_left: None }).await;
    let text = "Shutdown triggered or timeout during lock acquisition";
    fake.run("lock", &["-timeout=50ms", "a", "true"]).await.failed(1, text);
    let foreign = json!({"Key": "a/.lock", "Flags": 1, "ModifyIndex": 1});
    let (fake, _) = start(Store { index: 1, keys: BTreeMap::from([("a/.lock".to_owned(), foreign)]), reads_left: None }).await;
    fake.run("lock", &["a", "true"]).await.failed(1, "Lock acquisition failed: Existing key does not match lock use");
}

#[tokio::test]
async fn a_lost_lock_ends_the_child() {
    // Read once to acquire; from then on the lock is watched.
    let (fake, _) = start(Store { reads_left: Some(5), ..Store::default() }).await;
    let ran = fake.run("lock", &["-verbose", "a", "sleep 1000"]).await;
    assert!(ran.exited(0), "{ran:?}");
    assert!(ran.output.contains("Lock lost, killing child\nTerminating child pid "), "{ran:?}");
    assert!(ran.output.ends_with("Child terminated\nCleanup succeeded\n"), "{ran:?}");
}

#[tokio::test]
async fn a_semaphore_lists_its_holders() {
    let (fake, store) = start(Store::default()).await;
    let ran = fake.run("lock", &["-n=2", "-verbose", "sem", "true"]).await;
    assert!(ran.exited(0) && ran.output.starts_with("Setting up semaphore (limit 2) at prefix: sem\n"), "{ran:?}");
    assert!(store.lock().unwrap().keys.is_empty(), "nothing stays");
    let written: Vec<String> =
        fake.asked().iter().filter(|asked| asked.line.starts_with("PUT /v1/kv/sem/.lock?")).map(Asked::text).collect();
    assert_eq!(written, [r#"{"Limit":2,"Holders":{"s-1":true}}"#, r#"{"Limit":2,"Holders":{}}"#]);
    let session: Value = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    assert_eq!(session["Behavior"], "delete");
}

#[tokio::test]
async fn a_full_semaphore_is_waited_for_and_dead_holders_are_left_out() {
    const FLAGS: u64 = 0xe0f6_9a2b_aa41_4de0;
    let lock = |limit: u32| {
        let value = STANDARD.encode(format!(r#"{{"Limit":{limit},"Holders":{{"alive":true,"dead":true}}}}"#));
        ("sem/.lock".to_owned(), json!({"Key": "sem/.lock", "Flags": FLAGS, "Value": value, "ModifyIndex": 1}))
    };
    let alive = ("sem/alive".to_owned(), json!({"Key": "sem/alive", "Flags": FLAGS, "Session": "alive", "ModifyIndex": 1}));
    let store = |limit| Store { index: 1, keys: BTreeMap::from([lock(limit), alive.clone()]), reads_left: None };
    let (fake, kept) = start(store(2)).await;
    fake.run("lock", &["-n=2", "-timeout=5s", "sem", "true"]).await.is(0, "");
    let value = kept.lock().unwrap().keys["sem/.lock"]["Value"].as_str().map(|text| STANDARD.decode(text).unwrap()).unwrap();
    assert_eq!(String::from_utf8(value).unwrap(), r#"{"Limit":2,"Holders":{"alive":true}}"#);
    let (fake, _) = start(store(2)).await;
    let text = "Lock acquisition failed: semaphore limit conflict (lock: 2, local: 3)";
    fake.run("lock", &["-n=3", "sem", "true"]).await.failed(1, text);
}
