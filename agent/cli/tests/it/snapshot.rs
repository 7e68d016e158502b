//! Snapshots are streamed and verified.

use crate::fake::{Fake, ok, run};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

fn archive(state: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let meta = format!(r#"{{"Version":1,"ID":"2-77-1","Index":77,"Term":2,"Size":{}}}"#, state.len()).into_bytes();
    let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&meta)).into_bytes();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in [("meta.json", meta.as_slice()), ("state.bin", state), ("SHA256SUMS", &sums)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn saved_inspected_and_restored() {
    let whole = archive(&[7; 300_000]);
    let fake = Fake::start({
        let whole = whole.clone();
        move |asked| if asked.line.starts_with("GET") { (200, 1, whole.clone()) } else { ok("") }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.snap").display().to_string();
    fake.run("snapshot save", &["-stale", &file]).await.is(0, "Saved and verified snapshot to index 77\n");
    assert_eq!(fake.lines(), ["GET /v1/snapshot?stale=true"]);
    assert_eq!(std::fs::read(&file).unwrap(), whole);
    run(&["snapshot", "inspect", &file], "")
        .await
        .is(0, "ID           2-77-1\nSize         300000\nIndex        77\nTerm         2\nVersion      1\n\n");
    fake.run("snapshot restore", &[&file]).await.is(0, "Restored snapshot\n");
    assert_eq!(fake.asked()[1].body, whole);
    run(&["snapshot", "save"], "").await.failed(1, "Missing FILE argument");
}

#[tokio::test]
async fn what_cannot_be_verified_gets_no_name() {
    let fake = Fake::start(|_| (200, 1, archive(b"state")[..80].to_vec())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.snap").display().to_string();
    let ran = fake.run("snapshot save", &[&file]).await;
    assert!(ran.exited(1) && ran.errors.starts_with("Error verifying snapshot file: "), "{ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "neither the file nor a draft of it stays");
}
