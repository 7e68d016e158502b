# Options of each of three servers; the only difference between them is the machine.
server           = true
bootstrap_expect = 3
data_dir         = "/var/lib/lictor"
datacenter       = "dc1"

# The address of this machine that the others reach.
bind_addr   = "{{ GetPrivateIP }}"
client_addr = "127.0.0.1"

# Names are looked up anew at each attempt, so that a server may come back with another address.
retry_join = ["server-1.example.net", "server-2.example.net", "server-3.example.net"]

# Gossip is encrypted with this key (`lictor keygen`); `lictor keyring` changes it while all go on.
# encrypt = "…"
