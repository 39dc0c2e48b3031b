"""HTTP/2 as a codec without I/O: octets in, events in the words of `message` out."""
