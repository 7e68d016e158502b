//! Metrics on their way to the servers that gather them.

use lictor_e2e::{Agent, Plan, http, wait};
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What came so far.
type Heard = Arc<Mutex<Vec<String>>>;

/// Listens for datagrams until the test's process ends.
fn listen(socket: UdpSocket) -> Heard {
    let heard = Heard::default();
    let mine = heard.clone();
    thread::spawn(move || {
        let mut buffer = [0; 65_535];
        while let Ok(length) = socket.recv(&mut buffer) {
            mine.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    });
    heard
}

fn socket() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Waits for a line that begins and ends so.
fn wait_line(agent: &Agent, heard: &Heard, begins: &str, ends: &str) {
    wait::until(&format!("{begins}…{ends}"), || {
        agent.put("/v1/kv/metric", "x");
        agent.get("/v1/kv/metric");
        let all = heard.lock().unwrap();
        all.iter().flat_map(|packet| packet.lines()).any(|line| line.starts_with(begins) && line.ends_with(ends)).then_some(())
    });
}

#[test]
fn statsd_and_dogstatsd_get_each_value() {
    let ((statsd, statsd_address), (dogstatsd, dogstatsd_address)) = (socket(), socket());
    let hcl = format!(
        "telemetry {{ statsd_address = \"{}\" dogstatsd_addr = \"{dogstatsd_address}\" dogstatsd_tags = [\"team:core\", \"edge\"] \
         prefix_filter = [\"-consul.rpc\"] }}",
        // A name, which is looked up when there is something to send.
        statsd_address.replace("127.0.0.1", "localhost"),
    );
    let (statsd, dogstatsd) = (listen(statsd), listen(dogstatsd));
    let agent = Plan::dev().file("telemetry.hcl", &hcl).start();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    wait_line(&agent, &statsd, "consul.raft.apply:1.000000", "|c");
    wait_line(&agent, &statsd, "consul.kvs.apply:", "|ms");
    wait_line(&agent, &statsd, &format!("consul.{host}.raft.last_index:"), "|g");
    wait_line(&agent, &statsd, "consul.api.http:", "|ms");
    wait_line(&agent, &statsd, &format!("consul.{host}.state.kv_entries.dc1:"), "|g");
    wait_line(&agent, &dogstatsd, "consul.raft.apply:1", "|c|#team:core,edge");
    wait_line(&agent, &dogstatsd, "consul.raft.last_index:", "|g|#team:core,edge");
    wait_line(&agent, &dogstatsd, "consul.state.kv_entries:", "|g|#team:core,edge,datacenter:dc1");
    for heard in [&statsd, &dogstatsd] {
        let all = heard.lock().unwrap();
        assert!(all.iter().all(|packet| packet.len() <= 1400), "a packet is larger than a frame");
        assert!(!all.iter().any(|packet| packet.contains("consul.rpc")), "a filtered name came through");
    }
    // The filter is taken over by a reload.
    agent.write("telemetry.hcl", hcl.replace("-consul.rpc", "-consul.kvs"));
    assert_eq!(agent.put("/v1/agent/reload", "").status, 200);
    wait_line(&agent, &statsd, "consul.rpc.query:", "|c");
    statsd.lock().unwrap().clear();
    wait_line(&agent, &statsd, "consul.raft.apply:", "|c");
    assert!(!statsd.lock().unwrap().iter().any(|packet| packet.contains("consul.kvs")), "the new filter is not in effect");
}

#[test]
fn statsite_gets_a_stream_and_may_come_late() {
    // Nobody listens yet: the agent starts all the same.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let hcl = format!("telemetry {{ statsite_address = \"{address}\" metrics_prefix = \"mine\" disable_hostname = true }}");
    let agent = Plan::dev().hcl(&hcl).start();
    let mut streams = 0;
    let heard = Heard::default();
    for _ in 0..2 {
        let listener = TcpListener::bind(address).unwrap();
        let accepted = wait::until("a connection", || {
            listener.set_nonblocking(true).unwrap();
            listener.accept().ok()
        });
        let (mut stream, _) = accepted;
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        drop(listener);
        heard.lock().unwrap().clear();
        let mut text = String::new();
        wait::until("lines", || {
            agent.put("/v1/kv/metric", "x");
            let mut buffer = [0; 4096];
            if let Ok(length) = stream.read(&mut buffer) {
                text.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            let has = |begins: &str| text.lines().any(|line| line.starts_with(begins));
            (has("mine.raft.apply:") && has("mine.raft.last_index:")).then_some(())
        });
        streams += 1;
        // It goes away; the agent comes back when there is one again.
    }
    assert_eq!(streams, 2);
    assert_eq!(http::send(agent.ports.http, "GET", "/v1/kv/metric?raw", None).text, "x");
}

#[test]
fn a_server_that_has_no_address_holds_nobody_up() {
    let hcl = "telemetry { statsd_address = \"nobody.invalid:8125\" statsite_address = \"nobody.invalid:8125\" }";
    let mut agent = Plan::dev().hcl(hcl).start();
    for at in 0..200 {
        assert_eq!(agent.put(&format!("/v1/kv/{at}"), "x").status, 200);
    }
    agent.signal(rustix::process::Signal::TERM);
    agent.wait_end();
}
