"""HTTP/1.1 on bare sockets."""
