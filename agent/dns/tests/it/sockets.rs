//! The server on loopback sockets.

use crate::client::{ask, flags, read, section};
use crate::states::{Rows, instance, state};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType, rdata};
use lictor_dns::{BindError, DnsServer, DnsSettings, RecursorStrategy};
use lictor_net::{Shutdown, TcpListener, TcpStream, UdpSocket, clock};
use lictor_rpc::Cluster;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LONG: Duration = Duration::from_secs(20);

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn upstream_answer(packet: &[u8]) -> Vec<u8> {
    let request = read(packet);
    let query = request.queries[0].clone();
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    let name = query.name().to_string().to_lowercase();
    if name.ends_with("example.test.") {
        if query.query_type() == RecordType::A {
            let a = RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, 53)));
            response.add_answer(Record::from_rdata(query.name().clone(), 60, a));
        }
    } else if name.starts_with("broken") {
        response.metadata.response_code = ResponseCode::ServFail;
    } else {
        response.metadata.response_code = ResponseCode::NXDomain;
    }
    response.add_query(query);
    response.to_vec().unwrap()
}

/// A recursor over UDP that knows `example.test`.
pub(crate) async fn recursor() -> SocketAddr {
    let socket = UdpSocket::bind(loopback()).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&upstream_answer(&buffer[..len]), peer).await.unwrap();
        }
    });
    address
}

async fn start(settings: DnsSettings, cluster: Arc<dyn Cluster>, shutdown: &Shutdown) -> (DnsServer, SocketAddr) {
    let settings = DnsSettings { listeners: vec![loopback()], ..settings };
    let server = DnsServer::bind(settings, cluster, 7, shutdown).await.unwrap();
    let address = server.addresses()[0];
    (server, address)
}

async fn udp(server: SocketAddr, packet: &[u8]) -> Message {
    let socket = UdpSocket::bind(loopback()).await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(packet).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let len = clock::timeout(LONG, socket.recv(&mut buffer)).await.unwrap().unwrap();
    read(&buffer[..len])
}

async fn tcp_send(stream: &mut TcpStream, packet: &[u8]) {
    let len = u16::try_from(packet.len()).unwrap();
    stream.write_all(&[&len.to_be_bytes(), packet].concat()).await.unwrap();
}

async fn tcp_receive(stream: &mut TcpStream) -> Message {
    let len = clock::timeout(LONG, stream.read_u16()).await.unwrap().unwrap();
    let mut bytes = vec![0; usize::from(len)];
    stream.read_exact(&mut bytes).await.unwrap();
    read(&bytes)
}

#[tokio::test]
async fn both_protocols_answer_and_end() {
    let (rows, settings) = state("truncation");
    let shutdown = Shutdown::new();
    let (_server, address) = start(settings, rows.cluster(), &shutdown).await;
    assert_eq!(udp(address, &ask("btr.service.consul", "A").packet()).await.answers.len(), 3);
    assert_eq!(udp(address, &ask("btr.service.consul", "SRV").edns(4096).packet()).await.answers.len(), 10);

    // Two questions before the first answer is read.
    let mut stream = TcpStream::connect(address).await.unwrap();
    tcp_send(&mut stream, &ask("btr.service.consul", "A").packet()).await;
    tcp_send(&mut stream, &ask("bt01.node.consul", "A").packet()).await;
    assert_eq!(tcp_receive(&mut stream).await.answers.len(), 10);
    assert_eq!(section(&tcp_receive(&mut stream).await.answers), ["bt01.node.consul. 0 A 10.30.0.1"]);

    clock::timeout(LONG, shutdown.finish()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    // Both sockets are free again.
    TcpListener::bind(address).await.unwrap();
    UdpSocket::bind(address).await.unwrap();
}

/// Header only, as Consul refuses them.
#[tokio::test]
async fn odd_messages_are_refused() {
    const TAIL: &[u8] = b"\x01w\x07service\x06consul\x00\x00\x01\x00\x01";
    let shutdown = Shutdown::new();
    let (_server, address) = start(DnsSettings::default(), Rows::default().cluster(), &shutdown).await;
    let packet = |flags: u16, counts: [u16; 4], tail: &[u8]| {
        let mut out = vec![0x12, 0x34];
        out.extend(flags.to_be_bytes());
        out.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
        out.extend(tail);
        out
    };
    let socket = UdpSocket::bind(loopback()).await.unwrap();
    socket.connect(address).await.unwrap();
    // Neither a response nor half a header is answered: the next answer is that to the next question.
    for nothing in [packet(0x8100, [1, 0, 0, 0], TAIL), vec![0x12; 7], Vec::new()] {
        socket.send(&nothing).await.unwrap();
    }
    for (what, packet, want) in [
        ("inverse query", packet(0x0900, [1, 0, 0, 0], TAIL), 0x8904),
        ("status", packet(0x1100, [1, 0, 0, 0], TAIL), 0x9104),
        ("update", packet(0x2900, [1, 0, 0, 0], TAIL), 0xa904),
        ("opcode 15", packet(0x7900, [1, 0, 0, 0], TAIL), 0xf904),
        ("no question", packet(0x0100, [0, 0, 0, 0], b""), 0x8101),
        ("two questions", packet(0x0100, [2, 0, 0, 0], &[TAIL, TAIL].concat()), 0x8101),
        ("question cut", packet(0x0100, [1, 0, 0, 0], &TAIL[..10]), 0x8101),
        ("three additional", packet(0x0100, [1, 0, 0, 3], TAIL), 0x8101),
        ("name points at itself", packet(0x0100, [1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01"), 0x8101),
    ] {
        socket.send(&packet).await.unwrap();
        let mut buffer = vec![0; 512];
        let len = clock::timeout(LONG, socket.recv(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(len, 12, "{what}");
        assert_eq!(buffer[..2], [0x12, 0x34], "{what}");
        assert_eq!(u16::from_be_bytes([buffer[2], buffer[3]]), want, "{what}");
        assert_eq!(buffer[4..12], [0; 8], "{what}");
    }
    shutdown.finish().await;
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let taken = TcpListener::bind(loopback()).await.unwrap().local_addr().unwrap();
    let hold_tcp = TcpListener::bind(taken).await.unwrap();
    let bind = |shutdown: Shutdown| async move {
        let settings = DnsSettings { listeners: vec![taken], ..DnsSettings::default() };
        DnsServer::bind(settings, Rows::default().cluster(), 1, &shutdown).await.err()
    };
    let error = bind(Shutdown::new()).await.unwrap();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {taken} for DNS over TCP: the address is in use; is another agent running?")
    );
    drop(hold_tcp);
    let hold_udp = UdpSocket::bind(taken).await.unwrap();
    let error = bind(Shutdown::new()).await.unwrap();
    assert!(error.to_string().contains("DNS over UDP"), "{error}");
    drop(hold_udp);
    let bad = DnsSettings { domain: "a..b".to_owned(), ..DnsSettings::default() };
    let error = DnsServer::bind(bad, Rows::default().cluster(), 1, &Shutdown::new()).await.err().unwrap();
    assert!(matches!(error, BindError::Domain(_)));
}

#[tokio::test]
async fn settings_change_while_it_runs() {
    let (rows, settings) = state("only-passing-ttls-domain");
    let shutdown = Shutdown::new();
    let (server, address) = start(settings.clone(), rows.cluster(), &shutdown).await;
    let question = ask("special.service.lic.test", "A").packet();
    assert_eq!(section(&udp(address, &question).await.answers), ["special.service.lic.test. 5 A 10.40.0.2"]);
    server.update(DnsSettings { only_passing: false, service_ttl: Default::default(), ..settings.clone() }).unwrap();
    let both = ["special.service.lic.test. 0 A 10.40.0.1", "special.service.lic.test. 0 A 10.40.0.2"];
    assert_eq!(section(&udp(address, &question).await.answers), both);
    // A bad domain changes nothing.
    assert!(server.update(DnsSettings { domain: "..".to_owned(), ..settings }).is_err());
    assert_eq!(section(&udp(address, &question).await.answers), both);
    shutdown.finish().await;
}

#[tokio::test]
async fn a_silent_recursor_holds_up_nobody() {
    let silent = UdpSocket::bind(loopback()).await.unwrap();
    let (mut rows, settings) = state("recursor");
    rows.service("n1", instance("web", "web", 80));
    let recursors = vec![silent.local_addr().unwrap()];
    let settings = DnsSettings { recursors, recursor_timeout: Duration::from_secs(3_600), ..settings };
    let shutdown = Shutdown::new();
    let (_server, address) = start(settings, rows.cluster(), &shutdown).await;
    let waiting = UdpSocket::bind(loopback()).await.unwrap();
    waiting.send_to(&ask("www.example.test", "A").packet(), address).await.unwrap();
    // The recursor has the question, and ours is answered.
    let mut buffer = [0; 512];
    clock::timeout(LONG, silent.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(udp(address, &ask("web.service.consul", "A").packet()).await.answers.len(), 1);
    // On one TCP connection too.
    let mut stream = TcpStream::connect(address).await.unwrap();
    tcp_send(&mut stream, &ask("web.service.consul", "A").packet()).await;
    assert_eq!(tcp_receive(&mut stream).await.answers.len(), 1);
    clock::timeout(LONG, shutdown.finish()).await.unwrap();
}

#[tokio::test]
async fn recursors_are_asked_in_turn() {
    let upstream = recursor().await;
    let closed = UdpSocket::bind(loopback()).await.unwrap().local_addr().unwrap();
    let (rows, settings) = state("recursor");
    for strategy in [RecursorStrategy::Sequential, RecursorStrategy::Random] {
        let settings = DnsSettings {
            recursors: vec![closed, upstream],
            recursor_strategy: strategy,
            recursor_timeout: Duration::from_millis(500),
            ..settings.clone()
        };
        let shutdown = Shutdown::new();
        let (_server, address) = start(settings, rows.cluster(), &shutdown).await;
        let response = udp(address, &ask("WWW.example.test", "A").edns(1232).packet()).await;
        assert_eq!(response.metadata.id, 0x1234);
        assert_eq!(section(&response.answers), ["WWW.example.test. 60 A 192.0.2.53"]);
        let response = udp(address, &ask("broken.test", "A").packet()).await;
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(flags(&response), "RA,RD");
        shutdown.finish().await;
    }
}
