"""What the tests on the wire are made of: a program, byte-exact backends, a strict client."""
