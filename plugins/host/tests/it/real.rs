//! Shipped plugins against the servers they are made for, up, sick and down. Debian's packages have them all: memcached,
//! postgresql, dnsmasq-base, chrony, nginx-light with openssl, python3-aiosmtpd. A test whose server is not installed says so on
//! standard error and ends; the fixtures beside each plugin play its answers everywhere.

use crate::guests::{call, run_for};
use lictor_checks::Outcome;
use lictor_net::clock;
use lictor_plugins::{PluginHost, PluginSettings};
use lictor_types::HealthStatus::{self, Critical, Passing, Warning};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn host() -> Arc<PluginHost> {
    PluginHost::new(PluginSettings::default())
}

/// A port nobody listens on for TCP and UDP alike.
fn free_port() -> u16 {
    loop {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first of these programs that is there.
fn installed(programs: &[&str]) -> Option<PathBuf> {
    let found = programs.iter().map(PathBuf::from).find(|path| path.is_file());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: none of {programs:?} is installed");
    }
    found
}

impl Server {
    /// It lives and says nothing more: connections are taken by the system, and nobody answers.
    fn freeze(&self) {
        freeze(self.0.id());
    }
}

fn freeze(pid: u32) {
    signal("-STOP", pid);
}

fn signal(signal: &str, pid: u32) {
    assert!(Command::new("/bin/kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

fn start(program: &Path, arguments: &[&str]) -> Server {
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Server(child.unwrap())
}

async fn ask(host: &PluginHost, plugin: &str, allow: &[&str], config: &Value) -> Outcome {
    let probe = host.load_probe(&call(plugin, allow, config.clone())).unwrap();
    run_for(&probe, Duration::from_secs(20)).await
}

/// Asks until the outcome is this: servers take their time to come.
async fn until(host: &PluginHost, plugin: &str, allow: &[&str], config: Value, status: HealthStatus, sentence: &str) {
    let end = clock::now() + Duration::from_secs(60);
    loop {
        let outcome = ask(host, plugin, allow, &config).await;
        if outcome.status == status && outcome.output.contains(sentence) {
            return;
        }
        assert!(clock::now() < end, "{plugin} {config}: {}: {}", outcome.status.as_str(), outcome.output);
        clock::sleep(Duration::from_millis(50)).await;
    }
}

/// What is told of a server that hangs, within the check's time.
async fn hanging(host: &PluginHost, plugin: &str, allow: &[&str], config: Value) -> Outcome {
    let probe = host.load_probe(&call(plugin, allow, config)).unwrap();
    run_for(&probe, Duration::from_secs(3)).await
}

/// A server that hangs is told as one.
async fn is_told_to_hang(host: &PluginHost, plugin: &str, allow: &[&str], config: Value) {
    let outcome = hanging(host, plugin, allow, config).await;
    let told = outcome.output.contains("timed out") || outcome.output.contains("ran past its deadline of 3s");
    assert!(outcome.status == Critical && told, "{plugin}: {}: {}", outcome.status.as_str(), outcome.output);
}

#[tokio::test]
async fn memcached() {
    let Some(program) = installed(&["/usr/bin/memcached"]) else { return };
    let (host, port) = (host(), free_port().to_string());
    let (address, allow) = (format!("127.0.0.1:{port}"), format!("tcp:127.0.0.1:{port}"));
    let server = start(&program, &["-p", &port, "-l", "127.0.0.1", "-u", "nobody", "-m", "16", "-c", "64"]);
    let allow = [allow.as_str()];
    let judge = |config: Value, status, sentence| until(&host, "memcached", &allow, config, status, sentence);
    judge(json!({"address": address}), Passing, "% of its connections in use").await;
    // Sick: most of its connections are taken.
    let taken: Vec<_> = (0..25).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    judge(json!({"address": address, "max_connections_percent": 30}), Warning, "connections in use, too much").await;
    drop(taken);
    server.freeze();
    is_told_to_hang(&host, "memcached", &allow, json!({"address": address, "timeout_ms": 300})).await;
    drop(server);
    judge(json!({"address": address}), Critical, "connection refused").await;
}

#[tokio::test]
async fn dnsmasq() {
    let Some(program) = installed(&["/usr/sbin/dnsmasq"]) else { return };
    let (host, port) = (host(), free_port().to_string());
    let (address, allow) = (format!("127.0.0.1:{port}"), format!("udp:127.0.0.1:{port}"));
    let allow = [allow.as_str()];
    let server = start(
        &program,
        &[
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--user=",
            "--group=",
            "--pid-file=",
            &format!("--port={port}"),
            "--address=/up.test/10.1.2.3",
            "--srv-host=_web._tcp.up.test,node.up.test,8080,1,2",
            "--txt-record=text.test,all is well",
            "--mx-host=mail.test,mx.mail.test,10",
        ],
    );
    let asking = |more: Value| {
        let mut config = json!({"address": address, "name": "up.test"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    for (config, status, sentence) in [
        (json!({"expect": "10.1.2.3"}), Passing, "up.test A: 10.1.2.3"),
        (json!({"expect": "10.1.2.4"}), Critical, "10.1.2.3, expected 10.1.2.4"),
        (json!({"name": "_web._tcp.up.test", "type": "SRV"}), Passing, "1 2 8080 node.up.test"),
        (json!({"name": "text.test", "type": "TXT", "expect": "All is well"}), Passing, "all is well"),
        (json!({"name": "mail.test", "type": "MX"}), Passing, "10 mx.mail.test"),
        // It has nobody to ask.
        (json!({"name": "elsewhere.test"}), Critical, "REFUSED, expected NOERROR"),
        (json!({"name": "elsewhere.test", "rcode": "REFUSED"}), Passing, "REFUSED"),
    ] {
        until(&host, "dns_answer", &allow, asking(config), status, sentence).await;
    }
    server.freeze();
    is_told_to_hang(&host, "dns_answer", &allow, asking(json!({"timeout_ms": 300}))).await;
    drop(server);
    until(&host, "dns_answer", &allow, asking(json!({})), Critical, "connection refused").await;
}

#[tokio::test]
async fn mail_server() {
    let Some(python) = installed(&["/usr/bin/python3"]) else { return };
    let has_it = Command::new(&python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status().unwrap().success();
    if !has_it {
        let _ = writeln!(std::io::stderr(), "skipped: python3-aiosmtpd is not installed");
        return;
    }
    let host = host();
    let address = format!("127.0.0.1:{}", free_port());
    let allow = format!("tcp:{address}");
    let allow = [allow.as_str()];
    let server = start(&python, &["-m", "aiosmtpd", "-n", "-l", &address]);
    until(&host, "smtp", &allow, json!({"address": address}), Passing, "says 220 ").await;
    until(&host, "smtp", &allow, json!({"address": address, "offers": "8BITMIME"}), Passing, "").await;
    until(&host, "smtp", &allow, json!({"address": address, "offers": "STARTTLS"}), Critical, "does not offer STARTTLS").await;
    server.freeze();
    is_told_to_hang(&host, "smtp", &allow, json!({"address": address, "timeout_ms": 300})).await;
    drop(server);
    until(&host, "smtp", &allow, json!({"address": address}), Critical, "connection refused").await;
}

#[tokio::test]
async fn time_server() {
    let Some(program) = installed(&["/usr/sbin/chronyd"]) else { return };
    let host = host();
    for (source, status, sentence) in [("local stratum 3\n", Passing, "(stratum 3) is "), ("", Critical, "is not in step itself")]
    {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let config = format!(
            "port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.0/8\ncmdport 0\nbindcmdaddress {}\npidfile {}\n{source}",
            at("chrony.sock"),
            at("chronyd.pid")
        );
        std::fs::write(at("chrony.conf"), config).unwrap();
        // -x: the machine's clock is not touched.
        let user = Command::new("/usr/bin/id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let server = start(&program, &["-d", "-x", "-U", "-u", user.trim(), "-f", &at("chrony.conf")]);
        let address = format!("127.0.0.1:{port}");
        let (udp, config) = (format!("udp:{address}"), json!({"address": address}));
        until(&host, "ntp", &[&udp, "clock"], config.clone(), status, sentence).await;
        server.freeze();
        is_told_to_hang(&host, "ntp", &[&udp, "clock"], json!({"address": address, "timeout_ms": 300})).await;
        drop(server);
        until(&host, "ntp", &[&udp, "clock"], config, Critical, "connection refused").await;
    }
}

/// A server's certificate that vouches for itself, and its key.
fn certificate(dir: &Path, name: &str, days: &str) {
    let (key, out) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.pem")));
    let made = Command::new("/usr/bin/openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-days", days, "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(out)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
}

#[tokio::test]
async fn web_server() {
    let (Some(program), Some(_)) = (installed(&["/usr/sbin/nginx"]), installed(&["/usr/bin/openssl"])) else { return };
    let (host, dir) = (host(), tempfile::tempdir().unwrap());
    let (plain, long, short) = (free_port(), free_port(), free_port());
    certificate(dir.path(), "long", "400");
    certificate(dir.path(), "short", "10");
    let at = dir.path().display();
    let config = format!(
        "daemon off; master_process off; pid {at}/nginx.pid; error_log /dev/null;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c; uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;
           server {{
             listen 127.0.0.1:{plain};
             location /health {{ return 200 '{{\"status\":\"green\",\"shards\":[{{\"lag\":7.5}}]}}'; }}
             location /text {{ return 200 'all is well'; }}
             location /sick {{ return 503; }}
           }}
           server {{ listen 127.0.0.1:{long} ssl; ssl_protocols TLSv1.2 TLSv1.3;
             ssl_certificate {at}/long.pem; ssl_certificate_key {at}/long.key; }}
           server {{
             listen 127.0.0.1:{short} ssl; ssl_protocols TLSv1.2; ssl_certificate {at}/short.pem; ssl_certificate_key {at}/short.key;
           }}
         }}"
    );
    std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
    let path = dir.path().join("nginx.conf").display().to_string();
    let server = start(&program, &["-c", &path]);
    let base = format!("http://127.0.0.1:{plain}");
    let allow = [base.as_str()];
    let url = |path: &str| format!("{base}{path}");
    for (config, status, sentence) in [
        (json!({"url": url("/health"), "path": "status", "equals": "green"}), Passing, "status is green"),
        (
            json!({"url": url("/health"), "path": "shards.0.lag", "warning_above": 5}),
            Warning,
            "shards.0.lag is 7.5, warning above 5",
        ),
        (json!({"url": url("/health"), "path": "shards.0.lag", "critical_above": 7}), Critical, "critical above 7"),
        (json!({"url": url("/text")}), Critical, "the answer is no JSON"),
        (json!({"url": url("/sick")}), Critical, "status 503, expected 200"),
    ] {
        until(&host, "http_json", &allow, config, status, sentence).await;
    }
    let (long, short) = (format!("localhost:{long}"), format!("localhost:{short}"));
    let tls = ["tcp:127.0.0.1:*", "clock"];
    for (config, status, sentence) in [
        (json!({"address": long, "trust": false}), Passing, "good for 399 days, TLSv1.3"),
        (json!({"address": long}), Critical, "it is not trusted: "),
        (json!({"address": short, "trust": false}), Warning, "good for 9 days, TLSv1.2"),
        (json!({"address": short, "trust": false, "critical_days": 30}), Critical, "good for 9 days"),
    ] {
        until(&host, "tls_expiry", &tls, config, status, sentence).await;
    }
    server.freeze();
    is_told_to_hang(&host, "http_json", &allow, json!({"url": url("/health")})).await;
    is_told_to_hang(&host, "tls_expiry", &tls, json!({"address": long, "timeout_ms": 300})).await;
    drop(server);
    until(&host, "http_json", &allow, json!({"url": url("/health")}), Critical, "connection refused").await;
    until(&host, "tls_expiry", &tls, json!({"address": long}), Critical, "connection refused").await;
}

/// A cluster of PostgreSQL in a directory, run by a user that is not root, which it refuses.
struct Postgres {
    bin: PathBuf,
    user: Option<&'static str>,
    dir: tempfile::TempDir,
}

impl Postgres {
    fn find() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
        let bin = versions.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path().join("bin"))).max();
        let Some(bin) = bin.filter(|bin| bin.join("initdb").is_file()) else {
            let _ = writeln!(std::io::stderr(), "skipped: postgresql is not installed");
            return None;
        };
        let is_root = Command::new("/usr/bin/id").arg("-u").output().unwrap().stdout == b"0\n";
        let dir = tempfile::tempdir().unwrap();
        let user = is_root.then_some("postgres");
        if user.is_some() {
            assert!(Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap().success());
        }
        Some(Self { bin, user, dir })
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("/usr/sbin/runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The process that takes connections.
    fn pid(&self, data: &str) -> u32 {
        let pids = std::fs::read_to_string(self.path(&format!("{data}/postmaster.pid"))).unwrap();
        pids.lines().next().unwrap().parse().unwrap()
    }

    fn start(&self, data: &str, port: u16) -> Ending<'_> {
        let child =
            self.command("postgres").args(["-D", &self.path(data), "-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""]).spawn();
        Ending { cluster: self, data: data.to_owned(), child: child.unwrap() }
    }
}

/// Stops the server by its own tool: what was started is `runuser`, and the server below it has other processes.
struct Ending<'a> {
    cluster: &'a Postgres,
    data: String,
    child: Child,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let _ =
            self.cluster.command("pg_ctl").args(["stop", "-w", "-m", "immediate", "-D", &self.cluster.path(&self.data)]).status();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn postgres() {
    let Some(cluster) = Postgres::find() else { return };
    let (host, port, second) = (host(), free_port(), free_port());
    let made = cluster.command("initdb").args(["-D", &cluster.path("data"), "-U", "boss", "-A", "trust", "--no-sync"]).status();
    assert!(made.unwrap().success());
    let rules = "host all boss 127.0.0.1/32 trust\nhost replication boss 127.0.0.1/32 trust\n\
                 host all old 127.0.0.1/32 md5\nhost all plain 127.0.0.1/32 password\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(cluster.path("data/pg_hba.conf"), rules).unwrap();
    let server = cluster.start("data", port);
    let address = format!("127.0.0.1:{port}");
    let allow = ["tcp:127.0.0.1:*", "random"];
    until(&host, "postgres", &allow, json!({"address": address}), Passing, "takes connections").await;
    let boss = json!({"address": address, "user": "boss", "database": "postgres"});
    until(&host, "postgres", &allow, boss.clone(), Passing, "lets in").await;
    let created = cluster
        .command("psql")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "boss", "postgres", "-v", "ON_ERROR_STOP=1"])
        .args(["-c", "CREATE ROLE new LOGIN PASSWORD 's3cret'", "-c", "CREATE ROLE plain LOGIN PASSWORD 's3cret'"])
        .args(["-c", "SET password_encryption = md5", "-c", "CREATE ROLE old LOGIN PASSWORD 's3cret'"])
        .status();
    assert!(created.unwrap().success());
    let with = |more: Value| {
        let mut config = json!({"address": address, "database": "postgres"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    for (config, status, sentence) in [
        (json!({"user": "new", "password": "s3cret"}), Passing, "lets in"),
        (json!({"user": "new", "password": "wrong"}), Critical, "password authentication failed"),
        (json!({"user": "new"}), Critical, "the server wants a password, and none is set"),
        (json!({"user": "old", "password": "s3cret"}), Passing, "lets in"),
        (json!({"user": "old", "password": "wrong"}), Critical, "password authentication failed"),
        (json!({"user": "plain", "password": "s3cret"}), Passing, "lets in"),
        (json!({"user": "nobody", "password": "x"}), Critical, "password authentication failed"),
        (json!({"user": "boss", "role": "primary"}), Passing, "it is a primary"),
        (json!({"user": "boss", "role": "replica"}), Critical, "it is a primary, but should be a replica"),
        (json!({"user": "boss", "query": "SELECT 40 + 2", "expect": "42"}), Passing, "the query answers 42"),
        (json!({"user": "boss", "query": "SELECT 40 + 2", "expect": "43"}), Critical, "expected 43"),
        (json!({"user": "boss", "query": "SELEC"}), Critical, "query: syntax error"),
        (json!({"user": "boss", "query": "CREATE TABLE t ()"}), Critical, "read-only transaction"),
        (json!({"user": "boss", "database": "missing"}), Critical, "does not exist"),
    ] {
        until(&host, "postgres", &allow, with(config), status, sentence).await;
    }
    let copied = cluster
        .command("pg_basebackup")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-U",
            "boss",
            "-D",
            &cluster.path("copy"),
            "-R",
            "-c",
            "fast",
            "--no-sync",
        ])
        .status();
    assert!(copied.unwrap().success());
    let replica = cluster.start("copy", second);
    let asked = json!({
        "address": format!("127.0.0.1:{second}"), "user": "boss", "database": "postgres", "role": "replica",
        "max_replication_lag_s": 3600,
    });
    until(&host, "postgres", &allow, asked.clone(), Passing, "it is a replica").await;
    drop(replica);
    until(&host, "postgres", &allow, asked, Critical, "connection refused").await;
    let pid = cluster.pid("data");
    freeze(pid);
    let hangs = hanging(&host, "postgres", &allow, json!({"address": address, "user": "boss", "timeout_ms": 300})).await;
    // Its own tool cannot stop one that hangs.
    signal("-CONT", pid);
    // Who started it has stopped with it.
    signal("-CONT", server.child.id());
    assert!(hangs.status == Critical && hangs.output.contains("timed out"), "{}", hangs.output);
    drop(server);
    until(&host, "postgres", &allow, boss, Critical, "connection refused").await;
}

/// TLS as far as it is wanted and offered, and what the certificate is worth.
#[tokio::test]
async fn postgres_over_tls() {
    let (Some(cluster), Some(_)) = (Postgres::find(), installed(&["/usr/bin/openssl"])) else { return };
    let (host, port, plain_port) = (host(), free_port(), free_port());
    let data = cluster.path("data");
    let made = cluster.command("initdb").args(["-D", &data, "-U", "boss", "-A", "trust", "--no-sync"]).status();
    assert!(made.unwrap().success());
    std::fs::write(
        cluster.path("data/pg_hba.conf"),
        "hostssl all secret 127.0.0.1/32 scram-sha-256\nhostnossl all secret 127.0.0.1/32 reject\nhost all boss 127.0.0.1/32 trust\n",
    )
    .unwrap();
    // As it comes: no TLS.
    let plain = cluster.start("data", plain_port);
    let plain_address = format!("localhost:{plain_port}");
    let allow = ["tcp:127.0.0.1:*", "random"];
    let boss = |address: &str, more: Value| {
        let mut config = json!({"address": address, "user": "boss", "database": "postgres"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    until(&host, "postgres", &allow, boss(&plain_address, json!({})), Passing, "lets in").await;
    assert!(!ask(&host, "postgres", &allow, &boss(&plain_address, json!({}))).await.output.contains("TLS"));
    for mode in ["require", "verify-full"] {
        let config = boss(&plain_address, json!({"sslmode": mode}));
        until(&host, "postgres", &allow, config, Critical, "the server offers no TLS").await;
    }
    let created = cluster
        .command("psql")
        .args(["-h", "127.0.0.1", "-p", &plain_port.to_string(), "-U", "boss", "postgres", "-v", "ON_ERROR_STOP=1"])
        .args(["-c", "CREATE ROLE secret LOGIN PASSWORD 's3cret'"])
        .status();
    assert!(created.unwrap().success());
    drop(plain);

    for name in ["server", "other"] {
        certificate(cluster.dir.path(), name, "400");
    }
    let (key, pem) = (cluster.path("server.key"), cluster.path("server.pem"));
    if let Some(user) = cluster.user {
        assert!(Command::new("chown").args([user, &key]).status().unwrap().success());
    }
    let more = format!("\nssl = on\nssl_key_file = '{key}'\nssl_cert_file = '{pem}'\n");
    std::fs::OpenOptions::new()
        .append(true)
        .open(cluster.path("data/postgresql.conf"))
        .unwrap()
        .write_all(more.as_bytes())
        .unwrap();
    let server = cluster.start("data", port);
    let (address, number) = (format!("localhost:{port}"), format!("127.0.0.1:{port}"));
    let read = |path: &str| format!("dir:{path}");
    let (own, other) = (read(&pem), read(&cluster.path("other.pem")));
    let allow = ["tcp:127.0.0.1:*", "random", own.as_str(), other.as_str()];
    until(&host, "postgres", &allow, boss(&address, json!({"sslmode": "disable"})), Passing, "lets in").await;
    let secret = |more: Value| {
        let mut config = boss(&address, json!({"user": "secret", "password": "s3cret"}));
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    for (config, status, sentence) in [
        (secret(json!({})), Passing, "lets in over TLSv1.3"),
        (
            secret(
                json!({"sslmode": "require", "query": "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "expect": "t"}),
            ),
            Passing,
            "the query answers t",
        ),
        (secret(json!({"sslmode": "disable"})), Critical, "pg_hba.conf rejects connection"),
        (secret(json!({"sslmode": "require", "password": "wrong"})), Critical, "password authentication failed"),
        (secret(json!({"sslmode": "verify-full"})), Critical, "TLS: invalid peer certificate"),
        (secret(json!({"sslmode": "verify-full", "sslrootcert": pem})), Passing, "lets in over TLSv1.3"),
        (
            secret(json!({"sslmode": "verify-full", "sslrootcert": cluster.path("other.pem")})),
            Critical,
            "TLS: invalid peer certificate",
        ),
        (
            secret(json!({"sslmode": "verify-full", "sslrootcert": pem, "server_name": "db.example"})),
            Critical,
            "TLS: invalid peer certificate",
        ),
        // It bears no address.
        (boss(&number, json!({"sslmode": "verify-full", "sslrootcert": pem})), Critical, "TLS: invalid peer certificate"),
        (
            boss(&number, json!({"sslmode": "verify-full", "sslrootcert": pem, "server_name": "localhost"})),
            Passing,
            "over TLSv1.3",
        ),
        (json!({"address": address, "sslmode": "require"}), Passing, "takes connections over TLSv1.3"),
        (
            json!({"address": address, "sslmode": "verify-full", "sslrootcert": cluster.path("other.pem")}),
            Critical,
            "TLS: invalid peer certificate",
        ),
    ] {
        until(&host, "postgres", &allow, config, status, sentence).await;
    }
    // Rows longer than what TLS takes at once.
    let long = secret(json!({"query": "SELECT count(*) FROM (SELECT repeat('x', 200000)) AS t", "expect": "1"}));
    until(&host, "postgres", &allow, long, Passing, "the query answers 1").await;
    drop(server);
}

/// This machine is the server: what the kernel says of it, what is beyond a limit, and what cannot be read.
#[tokio::test]
async fn this_machine() {
    let host = host();
    let grants = ["statfs:/", "statfs:/nowhere", "dir:/proc/meminfo", "dir:/proc/loadavg", "dir:/proc/stat"];
    for (config, status, sentence) in [
        (json!({"disk": "/", "disk_warning_percent": 100, "disk_critical_percent": 100}), Passing, "/ is full to"),
        (json!({"disk": "/", "disk_warning_percent": 0, "disk_critical_percent": 100}), Warning, "%, a warning"),
        (json!({"disk": "/", "disk_critical_percent": 0}), Critical, "%, critical"),
        (json!({"memory_warning_percent": 100, "load_critical": 1_000_000}), Passing, "memory is in use to"),
        (json!({"memory_warning_percent": 0}), Warning, "%, a warning"),
        (json!({"memory_critical_percent": 0}), Critical, "%, critical"),
        (json!({"disk": "/nowhere"}), Critical, "No such file or directory"),
    ] {
        until(&host, "system", &grants, config, status, sentence).await;
    }
    // As the machine's own tool sees it, within what is written meanwhile.
    let df = Command::new("df").args(["--output=pcent", "/"]).output().unwrap();
    let df = String::from_utf8(df.stdout).unwrap();
    let Some(df) = df.lines().nth(1).and_then(|line| line.trim().trim_end_matches('%').parse::<f64>().ok()) else { return };
    let metrics = &host.status()[0].metrics;
    let outcome = ask(&host, "system", &grants, &json!({"disk": "/", "disk_critical_percent": 100})).await;
    let ours = host.status()[0].metrics.iter().find(|metric| metric.name == "disk_used").map(|metric| metric.value).unwrap();
    assert!((ours - df).abs() < 3.0, "{df} by df, {ours} by the plugin; {} {metrics:?}", outcome.output);
}
