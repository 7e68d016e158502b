//! Questions that others answer: names outside our domains, and the host names that stand in the place of addresses.

use crate::settings::{DnsSettings, RecursorStrategy};
use crate::wire::{Data, Owner, Record, WireName, rtype};
use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use lictor_net::{TcpStream, UdpSocket, clock};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Port of a recursor that is given without one.
const PORT: u16 = 53;
const MESSAGE_LEN_MAX: usize = 65_535;

/// Reads a recursor as the configuration gives it: an IP address, with or without a port (IPv6 with a port in brackets).
pub fn parse(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let ip: IpAddr = text.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(SocketAddr::new(ip, PORT))
}

/// Asks the recursors in turn, over the protocol the client used. Answers the first response that is NOERROR or
/// NXDOMAIN, as it came but for the id, which is the request's; `None` when no recursor gave one.
pub(crate) async fn forward(settings: &DnsSettings, request: &[u8], tcp: bool, dice: u64) -> Option<Vec<u8>> {
    let own_id: [u8; 2] = *request.first_chunk()?;
    let mut rng = SmallRng::seed_from_u64(dice);
    let mut order: Vec<SocketAddr> = settings.recursors.clone();
    if settings.recursor_strategy == RecursorStrategy::Random {
        for at in (1..order.len()).rev() {
            order.swap(at, rng.random_range(0..=at));
        }
    }
    for recursor in order {
        // An id of its own, so that nobody who knows the client's can answer in the recursor's place.
        let mut packet = request.to_vec();
        let id: [u8; 2] = rng.random_range(0..=u16::MAX).to_be_bytes();
        packet[..2].copy_from_slice(&id);
        let exchange = async { if tcp { ask_tcp(recursor, &packet).await } else { ask_udp(recursor, &packet).await } };
        match clock::timeout(settings.recursor_timeout, exchange).await {
            Ok(Ok(mut response)) if is_final(&response) => {
                response[..2].copy_from_slice(&own_id);
                return Some(response);
            }
            Ok(Ok(_)) => tracing::debug!(%recursor, "recursor did not resolve the name"),
            Ok(Err(error)) => tracing::warn!(%recursor, %error, "recursor failed"),
            Err(_) => tracing::warn!(%recursor, "recursor timed out"),
        }
    }
    None
}

/// Addresses of a host name, with the aliases on the way. Over UDP, and over TCP when the answer was cut.
pub(crate) async fn resolve(settings: &DnsSettings, host: &WireName, dice: u64) -> Vec<Record> {
    let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(host.bytes());
    packet.extend_from_slice(&rtype::A.to_be_bytes());
    packet.extend_from_slice(&1u16.to_be_bytes());
    let mut response = forward(settings, &packet, false, dice).await;
    if response.as_ref().is_some_and(|r| r[2] & 0x02 != 0)
        && let Some(whole) = forward(settings, &packet, true, dice).await
    {
        response = Some(whole);
    }
    let Some(Ok(message)) = response.map(|r| Message::from_vec(&r)) else { return Vec::new() };
    message.answers.iter().filter_map(record).collect()
}

fn record(record: &hickory_proto::rr::Record) -> Option<Record> {
    let data = match &record.data {
        RData::A(a) => Data::A(a.0),
        RData::AAAA(aaaa) => Data::Aaaa(aaaa.0),
        RData::CNAME(target) => Data::Cname(WireName::of(&target.0)?),
        _ => return None,
    };
    Some(Record { owner: Owner::Name(WireName::of(&record.name)?), ttl: record.ttl, data })
}

fn is_final(response: &[u8]) -> bool {
    matches!(response[3] & 0x0f, 0 | 3)
}

/// Whether this is a response to that request: same id, a response, same question (without letter case).
fn answers(request: &[u8], response: &[u8]) -> bool {
    let head = response.len() >= 12 && response[..2] == request[..2] && response[2] & 0x80 != 0;
    head && {
        let end = question_end(request);
        // Some servers leave the question out of errors.
        response[4..6] == [0, 0] || response.get(12..end).is_some_and(|q| q.eq_ignore_ascii_case(&request[12..end]))
    }
}

/// Where the question of a message that was decoded before ends.
fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while let Some(&len) = message.get(at) {
        at += 1;
        if len == 0 {
            break;
        }
        at += usize::from(len);
    }
    (at + 4).min(message.len())
}

async fn ask_udp(recursor: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if recursor.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(recursor).await?;
    socket.send(request).await?;
    let mut buffer = vec![0; MESSAGE_LEN_MAX];
    loop {
        let len = socket.recv(&mut buffer).await?;
        if answers(request, &buffer[..len]) {
            buffer.truncate(len);
            buffer.shrink_to_fit();
            return Ok(buffer);
        }
    }
}

async fn ask_tcp(recursor: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut stream = TcpStream::connect(recursor).await?;
    let mut framed = u16::try_from(request.len()).map_err(|_| too_long())?.to_be_bytes().to_vec();
    framed.extend_from_slice(request);
    stream.write_all(&framed).await?;
    let len = stream.read_u16().await?;
    let mut response = vec![0; usize::from(len)];
    stream.read_exact(&mut response).await?;
    if answers(request, &response) { Ok(response) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursors_have_a_default_port() {
        for (text, want) in [
            ("8.8.8.8", Some("8.8.8.8:53")),
            ("8.8.8.8:5353", Some("8.8.8.8:5353")),
            ("[2001:db8::1]:5353", Some("[2001:db8::1]:5353")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[::1]", Some("[::1]:53")),
            ("dns.example", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want.map(|w| w.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_responses_to_the_question_count() {
        let request = b"\x01\x02\x01\x00\x00\x01\0\0\0\0\0\0\x01a\x00\x00\x01\x00\x01".to_vec();
        let mut response = request.clone();
        response[2] = 0x81;
        assert!(answers(&request, &response));
        assert!(!answers(&request, &request));
        response[13] = b'A';
        assert!(answers(&request, &response));
        response[13] = b'b';
        assert!(!answers(&request, &response));
        response[0] = 9;
        assert!(!answers(&request, &response));
        assert!(!answers(&request, &response[..5]));
    }
}
