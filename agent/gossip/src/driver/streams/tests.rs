use super::*;
use crate::driver::envelope::Envelopes;
use crate::driver::hush::Hushes;
use crate::driver::settings::StreamLimits;
use crate::engine::{Own, RequestError};
use crate::keyring::Key;
use crate::keyring::store::KeyStore;
use lictor_net::{Shutdown, bind};
use lictor_types::NodeName;
use std::collections::BTreeMap;
use tokio::io::AsyncReadExt;

const A: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const B: &str = "k90iWccGbWsvnWy9pVAZb4HjDuWJHgs2d1VqnwCXqUI=";
const PATIENCE: Duration = Duration::from_secs(20);

pub(in crate::driver) fn shared(key: Option<&str>, limits: StreamLimits) -> Arc<Shared> {
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    Arc::new(Shared {
        pool: "lan",
        own: Own { name: NodeName::from("a".to_owned()), id: String::new(), address: nobody, tags: BTreeMap::new() },
        local: nobody,
        default_port: 1,
        leave_propagate_delay: Duration::ZERO,
        envelopes: Envelopes { keys: KeyStore::open(None, key).unwrap().0, verify_incoming: true, verify_outgoing: true },
        interference: None,
        limits,
        opened: Arc::new(Semaphore::new(8)),
        budget: Semaphore::new(frame::FRAME_BYTES_MAX / BUDGET_UNIT),
        shutdown: Shutdown::new(),
        hush: Hushes::default(),
    })
}

/// Serves, and answers each request with itself, twice; `refuse` is refused.
fn served(shared: &Arc<Shared>) -> SocketAddr {
    let listener = bind::tcp("127.0.0.1:0".parse().unwrap(), "gossip").unwrap();
    let address = listener.local_addr().unwrap();
    let (commands, mut asked) = mpsc::channel(8);
    shared.shutdown.spawn(serve(listener, Arc::clone(shared), commands));
    shared.shutdown.spawn(async move {
        while let Some(command) = asked.recv().await {
            let Command::Request { bytes, reply, .. } = command else { panic!("only requests come over streams") };
            let answer = if bytes == b"refuse" { Err(RequestError::OtherMember) } else { Ok(bytes.repeat(2).into()) };
            reply.send(answer).unwrap();
        }
    });
    address
}

async fn ask(from: &Shared, to: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, StreamError> {
    exchange(from, to, Subject::Engine, bytes, PATIENCE).await
}

#[tokio::test]
async fn a_request_is_answered_in_the_clear_and_encrypted() {
    for key in [None, Some(A)] {
        let (one, other) = (shared(key, StreamLimits::default()), shared(key, StreamLimits::default()));
        let address = served(&other);
        assert_eq!(ask(&one, address, b"ab").await.unwrap(), b"abab");
        // Larger than what is read without a share of the budget.
        let long = vec![7; 300 << 10];
        assert_eq!(ask(&one, address, &long).await.unwrap().len(), 600 << 10);
        let refused = ask(&one, address, b"refuse").await.unwrap_err().to_string();
        assert!(refused.contains("another member"), "{refused}");
        assert_eq!(other.budget.available_permits(), frame::FRAME_BYTES_MAX / BUDGET_UNIT);
        other.shutdown.finish().await;
    }
}

#[tokio::test]
async fn who_has_no_key_is_not_answered() {
    let inside = shared(Some(A), StreamLimits::default());
    let address = served(&inside);
    for key in [None, Some(B)] {
        let outside = shared(key, StreamLimits::default());
        let error = ask(&outside, address, b"let me in").await.unwrap_err();
        assert!(matches!(error, StreamError::Closed), "{error}");
        let error = exchange(&outside, address, Subject::Keyring, &KeyOperation::List.to_bytes(), PATIENCE).await.unwrap_err();
        assert!(matches!(error, StreamError::Closed), "{error}");
    }
    inside.shutdown.finish().await;
}

#[tokio::test]
async fn keys_are_changed_by_those_who_hold_one() {
    let (one, other) = (shared(Some(A), StreamLimits::default()), shared(Some(A), StreamLimits::default()));
    let address = served(&other);
    let change = async |operation: KeyOperation| -> KeyAnswer {
        let bytes = exchange(&one, address, Subject::Keyring, &operation.to_bytes(), PATIENCE).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    assert_eq!(change(KeyOperation::Install(Key::parse(B).unwrap())).await, KeyAnswer::default());
    assert_eq!(change(KeyOperation::List).await.keys, [A, B]);
    assert!(change(KeyOperation::Remove(Key::parse(A).unwrap())).await.error.unwrap().contains("primary"));
    other.shutdown.finish().await;
}

#[tokio::test]
async fn keys_are_not_changed_in_the_clear_during_a_migration() {
    let mut inside = shared(Some(A), StreamLimits::default());
    let envelopes = &mut Arc::get_mut(&mut inside).unwrap().envelopes;
    (envelopes.verify_incoming, envelopes.verify_outgoing) = (false, false);
    let address = served(&inside);
    let outside = shared(None, StreamLimits::default());
    assert_eq!(ask(&outside, address, b"x").await.unwrap(), b"xx", "what is in the clear is taken");
    let error = exchange(&outside, address, Subject::Keyring, &KeyOperation::List.to_bytes(), PATIENCE).await.unwrap_err();
    assert!(matches!(&error, StreamError::Refused(reason) if reason.contains("not for changes of the keys")), "{error}");
    inside.shutdown.finish().await;
}

#[tokio::test]
async fn one_stream_more_than_the_limit_is_closed() {
    let other = shared(None, StreamLimits { served: 1, ..StreamLimits::default() });
    let address = served(&other);
    // Holds its place without a word.
    let mut silent = TcpStream::connect(address).await.unwrap();
    let one = shared(None, StreamLimits::default());
    assert!(matches!(ask(&one, address, b"x").await.unwrap_err(), StreamError::Closed));
    silent.write_all(b"\0\0\0\x03\x01\x01x").await.unwrap();
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"\0\0\0\x04\x01\0xx");
    assert_eq!(ask(&one, address, b"x").await.unwrap(), b"xx", "the place is free again");
    other.shutdown.finish().await;
}

#[tokio::test]
async fn who_says_nothing_loses_its_place() {
    let other = shared(None, StreamLimits { patience: Duration::from_millis(20), ..StreamLimits::default() });
    let address = served(&other);
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"\0\0\0\x40").await.unwrap();
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty());
    other.shutdown.finish().await;
}

#[tokio::test]
async fn nonsense_costs_one_stream() {
    let other = shared(None, StreamLimits::default());
    let address = served(&other);
    for nonsense in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\0", b"\0\0\0\x01\x09", b"\0\0\0\x02\x01\x09", b"\xff\xff\xff\xff", b"\0"]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Closed with bytes unread: the system may say so.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{nonsense:?}");
    }
    assert_eq!(ask(&shared(None, StreamLimits::default()), address, b"x").await.unwrap(), b"xx");
    other.shutdown.finish().await;
}

#[tokio::test]
async fn nobody_there_is_told() {
    let address = "127.0.0.1:1".parse().unwrap();
    let one = shared(None, StreamLimits::default());
    assert!(matches!(ask(&one, address, b"x").await.unwrap_err(), StreamError::Connect(_)));
    // One that accepts and is silent.
    let silent = bind::tcp("127.0.0.1:0".parse().unwrap(), "gossip").unwrap();
    let error = exchange(&one, silent.local_addr().unwrap(), Subject::Engine, b"x", Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(error, StreamError::Late), "{error}");
}
