# Options of the agent. A change of most of them takes effect after a restart; `lictor reload` says which.
server           = true
bootstrap_expect = 1
data_dir         = "/var/lib/lictor"
datacenter       = "dc1"

# Clients of this machine only. Give an address of the network to serve others.
client_addr = "127.0.0.1"
bind_addr   = "127.0.0.1"

# Scripts that files define may run; scripts registered over HTTP may not.
enable_local_script_checks = true

dns_config {
  service_ttl {
    "*" = "5s"
  }
}
