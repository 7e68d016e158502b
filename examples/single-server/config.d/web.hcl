service {
  name = "web"
  port = 8080

  check {
    name     = "answers"
    http     = "http://127.0.0.1:8080/healthz"
    interval = "5s"
    timeout  = "1s"

    # One slow answer is no outage.
    failures_before_critical = 3
  }

  check {
    name     = "room for uploads"
    args     = ["/usr/share/lictor/checks/disk-space", "-w", "80", "-c", "95", "/srv"]
    interval = "1m"
  }
}
