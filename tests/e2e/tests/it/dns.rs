//! Names over UDP and TCP.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use lictor_e2e::{Agent, Plan, dns, wait};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const INSTANCES: usize = 40;

fn many() -> String {
    let one = |n: usize| {
        format!("services {{\n  id = \"many-{n}\"\n  name = \"many\"\n  port = {n}\n  address = \"127.0.1.{n}\"\n}}\n")
    };
    (1..=INSTANCES).map(one).collect()
}

/// An agent that answers the name of a service with all its instances.
fn start() -> Agent {
    let agent = Plan::dev().file("many.hcl", &many()).start();
    wait::until("the service has all its addresses", || {
        let found = over_tcp(agent.ports.dns, &[question(1, "many.service.consul", RecordType::A)]);
        (found[0].answers.len() == INSTANCES).then_some(())
    });
    agent
}

fn question(id: u16, name: &str, kind: RecordType) -> Message {
    let mut question = Message::new(id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    question
}

/// Writes all questions on one connection before it reads an answer.
fn over_tcp(port: u16, questions: &[Message]) -> Vec<Message> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for question in questions {
        let bytes = question.to_vec().unwrap();
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, bytes.as_slice()].concat()).unwrap();
    }
    let mut answer = || {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut bytes).unwrap();
        Message::from_vec(&bytes).unwrap()
    };
    questions.iter().map(|_| answer()).collect()
}

fn over_udp(port: u16, question: &Message) -> (Message, usize) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&question.to_vec().unwrap(), (Ipv4Addr::LOCALHOST, port)).unwrap();
    let mut buffer = [0; 65_535];
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    (Message::from_vec(&buffer[..length]).unwrap(), length)
}

#[test]
fn datagrams_hold_what_the_client_takes_and_connections_all() {
    let agent = start();
    let port = agent.ports.dns;
    // Without EDNS at most three addresses, as the reference agent sends them.
    let plain = question(7, "many.service.consul", RecordType::A);
    let (message, length) = over_udp(port, &plain);
    assert!(length <= 512 && message.answers.len() == 3, "{length}");
    assert_eq!(message.metadata.id, 7);
    // With EDNS as many as fit, and the size comes back.
    let mut wide = question(8, "many.service.consul", RecordType::SRV);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    wide.set_edns(edns);
    let (message, length) = over_udp(port, &wide);
    assert!(length <= 1232 && message.answers.len() > 10, "{length}");
    assert_eq!(message.edns.unwrap().max_payload(), 1232);
    // Over TCP all, and several questions on one connection.
    let missing = question(9, "nosuch.service.consul", RecordType::A);
    let elsewhere = question(10, "example.test", RecordType::A);
    let srv = question(11, "many.service.consul", RecordType::SRV);
    let answers = over_tcp(port, &[plain, missing, elsewhere, srv]);
    assert_eq!(answers.iter().map(|answer| answer.metadata.id).collect::<Vec<_>>(), [7, 9, 10, 11]);
    assert_eq!(answers[0].answers.len(), INSTANCES);
    assert_eq!(answers[1].metadata.response_code, ResponseCode::NXDomain);
    assert!(matches!(answers[1].authorities[0].data, RData::SOA(_)));
    assert_eq!(answers[2].metadata.response_code, ResponseCode::Refused);
    // Each with its address, and perhaps its metadata.
    assert!(answers[3].answers.len() == INSTANCES && answers[3].additionals.len() >= INSTANCES);
}

#[test]
fn a_stalled_connection_holds_up_nobody() {
    let agent = start();
    let port = agent.ports.dns;
    // Half a length, and no more.
    let mut stalled: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
    stalled.iter_mut().for_each(|stream| stream.write_all(&[0]).unwrap());
    assert_eq!(over_tcp(port, &[question(1, "many.service.consul", RecordType::A)])[0].answers.len(), INSTANCES);
    assert_eq!(dns::addresses(port, "many.service.consul").len(), 3);
    // What is no message is answered by nothing, and what follows it is answered.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for nonsense in [&[][..], &[0xff; 11], &[0xff; 600]] {
        socket.send_to(nonsense, (Ipv4Addr::LOCALHOST, port)).unwrap();
    }
    assert_eq!(dns::addresses(port, "many.service.consul").len(), 3);
}
