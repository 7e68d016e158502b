//! DNS questions to an agent, over UDP.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

/// Asks once; `None` when no answer came in time.
pub fn ask(port: u16, name: &str, kind: RecordType) -> Option<Message> {
    let mut question = Message::new(4711, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_str(name).ok()?, kind));
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.send_to(&question.to_vec().ok()?, ("127.0.0.1", port)).ok()?;
    let mut buffer = [0_u8; 65_535];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    Message::from_vec(buffer.get(..length)?).ok()
}

/// The addresses of a name (A records), sorted; empty when there are none.
pub fn addresses(port: u16, name: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = ask(port, name, RecordType::A)
        .map(|message| {
            let address = |data: &RData| match data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                _ => None,
            };
            message.answers.iter().filter_map(|record| address(&record.data)).collect()
        })
        .unwrap_or_default();
    found.sort();
    found
}

/// The response code of a question.
pub fn code(port: u16, name: &str, kind: RecordType) -> Option<ResponseCode> {
    ask(port, name, kind).map(|message| message.metadata.response_code)
}
