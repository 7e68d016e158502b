//! A full disk: clear error, read-only, recovery.

use crate::{PATIENCE, keys, put, start};
use lictor_rpc::ClusterError;
use std::path::PathBuf;

/// Needs a small file system of its own (some 32 MiB), named by `LICTOR_TINY_DIRECTORY`, for example a mounted tmpfs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a small file system"]
async fn refuses_then_recovers() {
    let Some(tiny) = std::env::var_os("LICTOR_TINY_DIRECTORY").map(PathBuf::from) else { panic!("LICTOR_TINY_DIRECTORY") };
    let ballast = tiny.join("ballast");
    std::fs::write(&ballast, vec![1; 12 * 1024 * 1024]).unwrap();
    let data = tiny.join("data");
    let (node, catalog) = start(&data, 1_000_000).await;
    let mut written = Vec::new();
    let error = loop {
        let key = format!("k{}", written.len());
        match node.propose(put(&key, vec![b'x'; 100_000])).await {
            Ok(_) => written.push(key),
            Err(error) => break error,
        }
        assert!(written.len() < 1000, "the file system is not small");
    };
    assert!(matches!(&error, ClusterError::ReadOnly(why) if why.contains("space")), "{error:?}");
    let again = node.propose(put("more", vec![b'x'; 100_000])).await;
    assert!(matches!(again, Err(ClusterError::ReadOnly(_))), "{again:?}");
    assert!(node.has_lease());
    assert!(written.iter().all(|key| keys(&catalog).contains(key)));
    std::fs::remove_file(&ballast).unwrap();
    let recovered = async {
        while node.propose(put("after", vec![b'x'; 1000])).await.is_err() {
            lictor_net::clock::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    lictor_net::clock::timeout(PATIENCE, recovered).await.unwrap();
    node.shutdown().await;
    let (node, catalog) = start(&data, 1_000_000).await;
    let found = keys(&catalog);
    assert!(written.iter().all(|key| found.contains(key)) && found.contains("after"));
    assert!(!found.contains("more"));
    node.shutdown().await;
}
