# A service whose check is a WASM plugin: it speaks Redis to the address below, and may open no other connection.
# Without a Redis there it is critical, and says why.
service {
  name = "redis"
  port = 6379

  check {
    name     = "redis answers PING"
    plugin   = "redis_ping"
    interval = "5s"
    timeout  = "2s"
    allow    = ["tcp:127.0.0.1:6379"]

    config {
      address = "127.0.0.1:6379"
    }
  }
}
