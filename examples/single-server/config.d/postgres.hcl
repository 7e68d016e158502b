service {
  name = "postgres"
  port = 5432
  tags = ["primary"]

  check {
    name     = "accepts connections"
    tcp      = "127.0.0.1:5432"
    interval = "5s"
    timeout  = "1s"
  }
}
