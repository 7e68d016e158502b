use super::*;
use crate::testing::{later, soon, tools_trusting};
use HealthStatus::{Critical, Passing};

async fn run(address: &str, deadline: Instant) -> Outcome {
    let definition = CheckDefinition { udp: address.to_owned(), ..CheckDefinition::default() };
    UdpProbe::new(tools_trusting(None), &definition).run(deadline).await
}

#[tokio::test]
async fn answer_silence_and_nobody() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let good = Outcome::new(Passing, format!("UDP connect {address}: Success"));
    assert_eq!(run(&address, soon()).await, good, "silence");
    let answering = tokio::spawn(async move {
        loop {
            let (_, from) = socket.recv_from(&mut [0; 9]).await.unwrap();
            socket.send_to(b"!", from).await.unwrap();
        }
    });
    assert_eq!(run(&address, later()).await, good);
    answering.abort();
    let _ = answering.await;
    let outcome = run(&address, later()).await;
    assert_eq!(outcome, Outcome::new(Critical, format!("read udp {address}: connection refused")));
    assert_eq!(run("x", later()).await, Outcome::new(Critical, "dial udp: address x: missing port in address"));
}
