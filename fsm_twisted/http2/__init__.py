"""HTTP/2 as a codec without I/O: octets of a connection in, events in the words of `message` out."""
