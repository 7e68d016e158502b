module spool

go 1.21
