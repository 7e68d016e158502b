//! Requests per second of the HTTP API.

use crate::measure::{Figure, loaded};
use crate::subject::{Program, Running};
use crate::{bare, etcd, load};
use anyhow::Result;
use bytes::Bytes;
use std::path::Path;

const CONNECTIONS: usize = 32;
const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn server() -> &'static str {
    "{}"
}

fn reads(agent: &Running, path: &'static str, seconds: f64) -> Result<Vec<Figure>> {
    loaded(agent.pid(), || load::gets(agent.ports.http, path, CONNECTIONS, seconds))
}

pub(crate) fn kv_get(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    agent.must("PUT", "/v1/kv/bench/key", VALUE)?;
    reads(&agent, "/v1/kv/bench/key", seconds)
}

pub(crate) fn kv_get_stale(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    agent.must("PUT", "/v1/kv/bench/key", VALUE)?;
    reads(&agent, "/v1/kv/bench/key?stale", seconds)
}

pub(crate) fn kv_get_limit(seconds: f64) -> Result<f64> {
    let body = format!(
        "[{{\"LockIndex\":0,\"Key\":\"bench/key\",\"Flags\":0,\"Value\":\"{VALUE}\",\"CreateIndex\":1,\"ModifyIndex\":1}}]"
    );
    let port = bare::http(Bytes::from(body))?;
    load::gets(port, "/", CONNECTIONS, seconds)
}

fn puts(program: &Program, connections: usize, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    loaded(agent.pid(), || {
        load::http(agent.ports.http, connections, seconds, |n| load::put(&format!("/v1/kv/bench/{}", n % 10_000), VALUE))
    })
}

pub(crate) fn kv_put_64(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    puts(program, 64, seconds)
}

pub(crate) fn kv_put_1(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    puts(program, 1, seconds)
}

pub(crate) fn etcd_put_64(etcd: &Path, seconds: f64) -> Result<f64> {
    etcd::puts(etcd, 1, 64, seconds, VALUE)
}

pub(crate) fn etcd_cluster_put_64(etcd: &Path, seconds: f64) -> Result<f64> {
    etcd::puts(etcd, 3, 64, seconds, VALUE)
}

pub(crate) fn etcd_put_1(etcd: &Path, seconds: f64) -> Result<f64> {
    etcd::puts(etcd, 1, 1, seconds, VALUE)
}

pub(crate) fn register_agent(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    let body = |n: u64| format!("{{\"ID\":\"s{n}\",\"Name\":\"s{}\",\"Port\":80,\"Check\":{{\"TTL\":\"1h\"}}}}", n % 100);
    loaded(agent.pid(), || {
        load::http(agent.ports.http, CONNECTIONS, seconds, move |n| load::put("/v1/agent/service/register", &body(n)))
    })
}

pub(crate) fn register_catalog(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    loaded(agent.pid(), || {
        load::http(agent.ports.http, CONNECTIONS, seconds, |n| load::put("/v1/catalog/register", &instance("web", n)))
    })
}

/// A node with one instance and its check, as `/v1/catalog/register` takes it.
pub(crate) fn instance(service: &str, n: u64) -> String {
    let address = format!("10.{}.{}.{}", (n >> 16) & 255, (n >> 8) & 255, n & 255);
    format!(
        "{{\"Node\":\"n{n}\",\"Address\":\"{address}\",\"Service\":{{\"ID\":\"{service}-{n}\",\"Service\":\"{service}\",\"Port\":80,\"Tags\":[\"v1\"]}},\"Check\":{{\"CheckID\":\"c{n}\",\"Name\":\"c\",\"Status\":\"passing\",\"ServiceID\":\"{service}-{n}\"}}}}"
    )
}

fn health(program: &Program, instances: u64, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    for n in 0..instances {
        agent.must("PUT", "/v1/catalog/register", &instance("web", n))?;
    }
    reads(&agent, "/v1/health/service/web", seconds)
}

/// A body of about the length that so many instances have.
fn health_limit(instances: usize, seconds: f64) -> Result<f64> {
    let port = bare::http(Bytes::from(vec![b'x'; 940 * instances]))?;
    load::gets(port, "/", CONNECTIONS, seconds)
}

pub(crate) fn health_10_limit(seconds: f64) -> Result<f64> {
    health_limit(10, seconds)
}

pub(crate) fn health_100_limit(seconds: f64) -> Result<f64> {
    health_limit(100, seconds)
}

pub(crate) fn health_1000_limit(seconds: f64) -> Result<f64> {
    health_limit(1000, seconds)
}

pub(crate) fn health_10(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    health(program, 10, seconds)
}

pub(crate) fn health_100(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    health(program, 100, seconds)
}

pub(crate) fn health_1000(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    health(program, 1000, seconds)
}

pub(crate) fn services_1000(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, server())?;
    for n in 0..1000 {
        agent.must("PUT", "/v1/catalog/register", &instance(&format!("service-{n}"), n))?;
    }
    reads(&agent, "/v1/catalog/services", seconds)
}
