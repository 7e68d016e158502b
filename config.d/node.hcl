# A check of the node itself: a script, run every 30 seconds. Exit code 0 passes, 1 warns, any other is critical.
# Scripts of files run only with -enable-local-script-checks; ready-made ones are in checks/scripts.
check {
  id       = "disk-space"
  name     = "space on the root file system"
  args     = ["/bin/sh", "-c", "used=$(df -P / | awk 'NR==2 { sub(\"%\", \"\", $5); print $5 }'); echo \"$used% used\"; [ \"$used\" -lt 98 ] || exit 2; [ \"$used\" -lt 90 ] || exit 1"]
  interval = "30s"
  timeout  = "5s"
}
