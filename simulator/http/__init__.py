"""HTTP/1.1 on non-blocking sockets, with control of every byte."""
