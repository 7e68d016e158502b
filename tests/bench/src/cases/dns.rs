//! DNS questions per second.

use crate::cases::api::instance;
use crate::measure::{Figure, loaded};
use crate::subject::Program;
use crate::{bare, load};
use anyhow::Result;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use std::str::FromStr;

const CLIENTS: usize = 64;
const NAME: &str = "web.service.consul.";

fn question(kind: RecordType) -> Result<Vec<u8>> {
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(NAME)?, kind));
    Ok(message.to_vec()?)
}

fn answers(program: &Program, instances: u64, kind: RecordType, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, "{}")?;
    for n in 0..instances {
        agent.must("PUT", "/v1/catalog/register", &instance("web", n))?;
    }
    let bytes = question(kind)?;
    loaded(agent.pid(), || load::questions(agent.ports.dns, NAME, &kind.to_string(), bytes, CLIENTS, seconds))
}

pub(crate) fn a_3(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    answers(program, 3, RecordType::A, seconds)
}

pub(crate) fn srv_3(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    answers(program, 3, RecordType::SRV, seconds)
}

pub(crate) fn a_100(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    answers(program, 100, RecordType::A, seconds)
}

pub(crate) fn limit(seconds: f64) -> Result<f64> {
    load::questions(bare::udp()?, NAME, "A", question(RecordType::A)?, CLIENTS, seconds)
}
