"""HTTP/1.1 as bytes in, values out (and back): grammar, reader, writer; no I/O."""
