//! Names that turn into other addresses between two look-ups, told by a resolver of the test's own: what is judged is the address
//! that is connected to, at each connection.
//!
//! The system's resolver asks whom `/etc/resolv.conf` names, on port 53. So the test starts itself once more, in a view of the
//! file system in which that file names the test. That needs root; without it the test says so.

use crate::capabilities::{connecting, fetching, speaking};
use crate::guests::{Bench, Guest, TEXT, run};
use lictor_types::HealthStatus::{self, Critical, Passing};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Where the second start finds its resolver's address.
const OWN_RESOLVER: &str = "LICTOR_TEST_RESOLVER";
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const EVIL: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Answers questions for addresses: each one of a name with the next of its lists, the last one for ever.
struct Resolver {
    answers: Arc<Mutex<HashMap<String, Vec<Vec<Ipv4Addr>>>>>,
    asked: Arc<AtomicUsize>,
}

impl Resolver {
    fn start(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let resolver = Self { answers: Arc::default(), asked: Arc::default() };
        let (answers, asked) = (Arc::clone(&resolver.answers), Arc::clone(&resolver.asked));
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if let Some(answer) = answer(&question[..length], &answers, &asked) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        resolver
    }

    fn will_say(&self, name: &str, lists: &[&[Ipv4Addr]]) {
        self.answers.lock().unwrap().insert(name.to_owned(), lists.iter().map(|list| list.to_vec()).collect());
    }
}

fn answer(question: &[u8], answers: &Mutex<HashMap<String, Vec<Vec<Ipv4Addr>>>>, asked: &AtomicUsize) -> Option<Vec<u8>> {
    let (mut name, mut at) = (Vec::new(), 12);
    while *question.get(at)? > 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push(String::from_utf8_lossy(question.get(at + 1..end)?).to_lowercase());
        at = end;
    }
    let kind = question.get(at + 1..at + 3)?;
    let question_end = at + 5;
    let mut found = Vec::new();
    // A; there is nothing of another kind.
    if kind == [0, 1] {
        let mut answers = answers.lock().unwrap();
        if let Some(lists) = answers.get_mut(&name.join(".")) {
            asked.fetch_add(1, Ordering::SeqCst);
            found = if lists.len() > 1 { lists.remove(0) } else { lists.first().cloned().unwrap_or_default() };
        }
    }
    let mut reply = question.get(..question_end)?.to_vec();
    reply[2..4].copy_from_slice(&[0x85, 0x80]);
    reply[4..12].copy_from_slice(&[0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
    for address in found {
        // The name is the question's; it lives for no time at all.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}

/// The same port on two addresses, and how many came to each.
struct Servers {
    port: u16,
    came: [Arc<AtomicUsize>; 2],
    /// How often it was asked how many came.
    asked: Arc<AtomicUsize>,
}

impl Servers {
    fn start() -> Self {
        let (good, evil, port) = loop {
            let good = TcpListener::bind((GOOD, 0)).unwrap();
            let port = good.local_addr().unwrap().port();
            if let Ok(evil) = TcpListener::bind((EVIL, port)) {
                break (good, evil, port);
            }
        };
        let (came, asked): ([Arc<AtomicUsize>; 2], Arc<AtomicUsize>) = Default::default();
        for (listener, came) in [good, evil].into_iter().zip(&came) {
            let (came, asked) = (Arc::clone(came), Arc::clone(&asked));
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    // A guest that only connects closes; one of HTTP asks.
                    let mut said = [0; 1024];
                    let length = stream.read(&mut said).unwrap_or(0);
                    if said[..length] == *b"how many" {
                        asked.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    came.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                }
            });
        }
        Self { port, came, asked }
    }

    /// Who comes is served in turn: once the question is, everybody before it was.
    fn came(&self) -> (usize, usize) {
        let before = self.asked.load(Ordering::SeqCst);
        for address in [GOOD, EVIL] {
            std::net::TcpStream::connect((address, self.port)).unwrap().write_all(b"how many").unwrap();
        }
        while self.asked.load(Ordering::SeqCst) < before + 2 {
            std::thread::yield_now();
        }
        (self.came[0].load(Ordering::SeqCst), self.came[1].load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_turns_opens_nothing() {
    let Ok(address) = std::env::var(OWN_RESOLVER) else { return again() };
    let resolver = Resolver::start(address.parse().unwrap());
    let servers = Servers::start();
    let port = servers.port;
    let target = format!("turns.test:{port}");
    let by_address = [format!("tcp:127.0.0.9:{port}"), "dns:turns.test".to_owned()];
    let by_name = [format!("tcp:turns.test:{port}")];
    let judge = async |guest: &Guest, allow: &[String], status: HealthStatus, sentence: &str| {
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let outcome = run(&Bench::new(&guest.build()).probe(&allow).unwrap()).await;
        assert_eq!(outcome.status, status, "{sentence}: {}", outcome.output);
        assert!(outcome.output.contains(sentence), "{}", outcome.output);
    };

    // Granted at the first look-up, something else at the second: one probe, two runs.
    resolver.will_say("turns.test", &[&[GOOD], &[EVIL]]);
    let bench = Bench::new(&connecting(&target).build());
    let probe = bench.probe(&[&by_address[0], &by_address[1]]).unwrap();
    let first = run(&probe).await;
    assert_eq!((first.status, servers.came()), (Passing, (1, 0)), "{}", first.output);
    let second = run(&probe).await;
    assert_eq!((second.status, servers.came()), (Critical, (1, 0)), "{}", second.output);
    assert!(second.output.contains("turns.test resolves to 127.0.0.1, which is not granted"), "{}", second.output);
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 2, "each connection looks its name up once");

    // Within one run: the guest looks the name up, likes what it sees, and connects; the connection's own look-up counts.
    resolver.will_say("turns.test", &[&[GOOD], &[EVIL]]);
    let lookup = r#"(import "lictor:check/dns@1.0.0" "lookup" (func $lookup (param i32 i32 i32 i32)))"#;
    let mut twice = connecting(&target);
    twice.imports.push_str(lookup);
    twice.asks.push(("dns:turns.test".to_owned(), true));
    twice.run = format!(
        "(call $lookup (i32.const {TEXT}) (i32.const 10) (i32.const 10000) (i32.const 700))
         (if (i32.load8_u (i32.const 700)) (then (return (i32.const 2080)))) {}",
        twice.run
    );
    judge(&twice, &by_address, Critical, "turns.test resolves to 127.0.0.1, which is not granted").await;

    // A name granted by itself opens this machine to nobody, whatever it resolves to.
    for evil in [EVIL, Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::UNSPECIFIED] {
        resolver.will_say("turns.test", &[&[evil]]);
        judge(&connecting(&target), &by_name, Critical, &format!("turns.test resolves to {evil}, which is not granted")).await;
    }

    // Of several addresses only the granted one is tried, wherever it stands.
    resolver.will_say("turns.test", &[&[EVIL, GOOD]]);
    judge(&connecting(&target), &by_address, Passing, "").await;
    assert_eq!(servers.came(), (2, 0));

    // A guest that asks again and again is stopped: each look-up counts, though none of them leads anywhere.
    resolver.will_say("turns.test", &[&[EVIL]]);
    let before = resolver.asked.load(Ordering::SeqCst);
    let mut again = connecting(&target);
    again.run = format!(
        "(loop $more (call $connect (i32.const {TEXT}) (i32.const {}) (i32.const 1000) (i32.const 512)) (br $more)) unreachable",
        target.len()
    );
    judge(&again, &by_name, Critical, "it made more connections than its limit of 16").await;
    assert_eq!(resolver.asked.load(Ordering::SeqCst) - before, 16);

    // HTTP and UDP go the same way.
    let url = format!("http://{target}/");
    let http = [format!("http://127.0.0.9:{port}"), "dns:turns.test".to_owned()];
    resolver.will_say("turns.test", &[&[GOOD], &[EVIL]]);
    judge(&fetching(&url), &http, Passing, "ok").await;
    judge(&fetching(&url), &http, Critical, "turns.test resolves to 127.0.0.1, which is not granted").await;
    let udp = [format!("udp:127.0.0.9:{port}"), "dns:turns.test".to_owned()];
    let heard = UdpSocket::bind((EVIL, port)).unwrap();
    heard.set_nonblocking(true).unwrap();
    resolver.will_say("turns.test", &[&[EVIL]]);
    judge(&speaking(&target), &udp, Critical, "turns.test resolves to 127.0.0.1, which is not granted").await;
    assert!(heard.recv(&mut [0; 16]).is_err(), "a datagram came");
    assert_eq!(servers.came(), (3, 0), "nobody ever came to the address that is not granted");
}

/// Starts this test once more, where its resolver is the system's.
fn again() {
    let say = |why: &str| drop(writeln!(std::io::stderr(), "skipped: {why}"));
    let dir = tempfile::tempdir().unwrap();
    // An address of the loopback net that other runs of this test do not take.
    let id = std::process::id();
    let resolver = Ipv4Addr::new(127, 53, (id >> 8) as u8, id as u8 | 1);
    if let Err(error) = UdpSocket::bind((resolver, 53)) {
        return say(&format!("a resolver must listen on port 53, which takes root: {error}"));
    }
    std::fs::write(dir.path().join("resolv.conf"), format!("nameserver {resolver}\noptions timeout:5 attempts:1\n")).unwrap();
    std::fs::write(dir.path().join("nsswitch.conf"), "hosts: files dns\n").unwrap();
    let at = dir.path().display();
    let mount = format!(
        "mount --bind {at}/resolv.conf /etc/resolv.conf && {{ test ! -e /etc/nsswitch.conf || mount --bind {at}/nsswitch.conf /etc/nsswitch.conf; }}"
    );
    let unshared = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", command, "sh"]);
        unshare
    };
    match unshared(&mount).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => return say(&format!("no view of its own: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => return say(&format!("no unshare: {error}")),
    }
    let done = unshared(&format!("{mount} && exec \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "rebinding::a_name_that_turns_opens_nothing", "--nocapture"])
        .env(OWN_RESOLVER, format!("{resolver}:53"))
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}
