use super::*;
use crate::{TcpListener, TcpStream};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn write_identity(folder: &TempDir, name: &str) -> ServerSettings {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let settings = ServerSettings {
        cert_file: folder.path().join("cert.pem"),
        key_file: folder.path().join("key.pem"),
        client_ca_file: None,
        alpn: vec![b"h2".to_vec()],
    };
    std::fs::write(&settings.cert_file, made.cert.pem()).unwrap();
    std::fs::write(&settings.key_file, made.signing_key.serialize_pem()).unwrap();
    settings
}

async fn greet(acceptor: TlsAcceptor, client: Arc<ClientConfig>, name: &str) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        acceptor.accept(stream).await?.write_all(b"hello").await
    });
    let connector = TlsConnector::from(client);
    let mut stream = connector.connect(server_name("127.0.0.1", name).unwrap(), TcpStream::connect(address).await?).await?;
    let mut text = [0; 5];
    stream.read_exact(&mut text).await?;
    let _ = server.await;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn verifies_names_and_roots() {
    let folder = tempfile::tempdir().unwrap();
    let settings = write_identity(&folder, "one.test");
    let (acceptor, identity) = server(settings.clone()).unwrap();
    let trust = || client(&ClientSettings { ca_file: Some(settings.cert_file.clone()), ..ClientSettings::default() }).unwrap();
    let trusting = trust();
    assert_eq!(greet(acceptor.clone(), trusting.clone(), "one.test").await.unwrap(), "hello");
    assert!(greet(acceptor.clone(), trusting.clone(), "two.test").await.is_err());
    let system = client(&ClientSettings::default()).unwrap();
    assert!(greet(acceptor.clone(), system, "one.test").await.is_err());
    let careless = client(&ClientSettings { skip_verify: true, ..ClientSettings::default() }).unwrap();
    assert_eq!(greet(acceptor.clone(), careless.clone(), "two.test").await.unwrap(), "hello");

    // A client of its own, since the old one may resume its session.
    let trusting = trust();
    write_identity(&folder, "two.test");
    identity.reload().unwrap();
    assert!(greet(acceptor.clone(), trusting, "one.test").await.is_err());
    std::fs::write(&settings.cert_file, "rubbish").unwrap();
    assert!(identity.reload().is_err());
    assert_eq!(greet(acceptor, careless, "").await.unwrap(), "hello");
}

#[test]
fn errors_name_the_file() {
    let missing = ClientSettings { ca_file: Some("/nonexistent/ca.pem".into()), ..ClientSettings::default() };
    assert!(client(&missing).unwrap_err().to_string().starts_with("/nonexistent/ca.pem: "));
    assert!(matches!(server_name("a b", ""), Err(TlsError::Name(_))));
    assert!(server_name("[::1]", "").is_ok());
}
