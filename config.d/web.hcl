# A service with an HTTP check. What it asks is the agent itself, so that it passes on a machine with nothing else on it:
# an agent that has a leader answers 200.
service {
  name = "web"
  port = 8500
  tags = ["http", "v1"]

  meta {
    owner = "samples"
  }

  check {
    name     = "web answers"
    http     = "http://127.0.0.1:8500/v1/status/leader"
    interval = "10s"
    timeout  = "2s"
  }
}
