# How many files wait in the mail spool? The directory is all that the plugin can see of the machine.
plugin "spool" {
  path   = "/etc/lictor/plugins/spool.wasm"
  limits { memory_bytes_max = 16777216  deadline = "1s" }
}

check {
  id       = "mail-spool"
  name     = "Mail waits"
  plugin   = "spool"
  config   { args = ["/var/spool/mail", "100", "1000"] }
  allow    = ["dir:/var/spool/mail"]
  interval = "30s"
}
