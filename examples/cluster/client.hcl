# Options of every other machine: an agent that runs the checks of its machine and forwards.
data_dir   = "/var/lib/lictor"
datacenter = "dc1"

bind_addr   = "{{ GetPrivateIP }}"
client_addr = "127.0.0.1"

retry_join = ["server-1.example.net", "server-2.example.net", "server-3.example.net"]

enable_local_script_checks = true
